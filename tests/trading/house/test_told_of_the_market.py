"""A running desk whose accounts have limits that look at the market: entries pass while it is known, and wait when not."""

import asyncio
import json
import urllib.request

from tests.trading.house import scene as s
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.accounts.settings import ZerodhaAccountSettings
from trademantra.trading.house.fact_parts import FactTimes
from trademantra.trading.risk.limits_json import parse_limits

_QUICK = FactTimes(
    bands_ns=NANOSECONDS_PER_SECOND // 2, again_ns=NANOSECONDS_PER_SECOND // 2, bands_oldest_ns=3 * NANOSECONDS_PER_SECOND,
    index_ns=NANOSECONDS_PER_SECOND // 2, index_oldest_ns=3 * NANOSECONDS_PER_SECOND,
)  # fmt: skip
_EVERYTHING = {
    "order": {"require_price_band": True, "max_index_move_percent": 5},
    "account": {"max_correlated_positions": 5, "correlation_from": "0.01"},
    "sector": {"max_sector_exposure": 1_000_000},
    "sectors": {"Cars": {"max_sector_exposure": 1}},
}


def fault(root, **words):
    """As a user of the sandbox switches one on; without words all off."""
    body = json.dumps(words).encode() if words else None
    request = urllib.request.Request(
        f"{root}/sandbox/faults",
        body,
        {"content-type": "application/json"},
        method="POST" if words else "DELETE",
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_entries_pass_while_the_market_is_known_and_wait_while_it_is_not(tmp_path):
    holds, busy = s.strategy_file(tmp_path, "holds", s.HOLDS), s.strategy_file(tmp_path, "busy", s.BUSY)
    (tmp_path / "sectors.csv").write_text("Symbol,Industry\nSYNBANK1,Banks\nSYNIT1,Software\nSYNAUTO1,Cars\n")

    async def play(root):
        settings = ZerodhaAccountSettings(api_key="testkey", root=root, index="NSE:SYNINDEX")
        accounts = [
            s.kite_account(root, limits=parse_limits(_EVERYTHING), settings=settings),
            s.paper_account(limits=parse_limits({"order": {"require_price_band": True}})),
        ]
        sessions = [
            s.session(holds, "kite", ["SYNBANK1"]),
            s.session(busy, "kite", ["SYNIT1", "SYNAUTO1"]),
            s.session(busy, "practice", ["SYNIT1"]),
        ]
        async with s.running(tmp_path, root, accounts, sessions, facts=_QUICK) as scene:
            seen = 0

            def said(text):
                return any(text in line for line in scene.said[seen:])

            async def until_said(*texts):
                for text in texts:
                    await scene.until(lambda text=text: said(text), text)

            # bands, index, sectors and correlations are known: what keeps the limits goes, what does not is refused
            await scene.until(
                lambda: {"NSE:SYNBANK1", "NSE:SYNIT1"} <= scene.held("kite").keys(), "both are held"
            )
            await scene.until(lambda: scene.held("practice"), "also on paper")
            await until_said("SYNAUTO1: not taken: sector Cars would be exposed to")
            assert "NSE:SYNAUTO1" not in scene.held("kite")
            assert any(
                "limits look at price bands of 3 instruments, the move of NSE:SYNINDEX" in line
                for line in scene.said
            )
            lower, upper = scene.house.gate.state.market("NSE:SYNIT1").band
            assert lower < scene.house.gate.state.market("NSE:SYNIT1").price < upper
            # quotes cannot be read any more: entries wait, exits leave
            seen = len(scene.said)
            await asyncio.to_thread(fault, root, kind="bad_gateway", method="GET", path="/quote*")
            await until_said(
                "price bands of kite: cannot be read", "index NSE:SYNINDEX: ", "kite: SYNIT1: not taken: the index is not known",
                "practice: SYNIT1: not taken: today's price band of NSE:SYNIT1 is not known",
            )  # fmt: skip
            await scene.until(lambda: "NSE:SYNIT1" not in scene.held("kite"), "its exit leaves")
            assert sum("cannot be read" in line for line in scene.said[seen:]) == 1
            # they come back
            seen = len(scene.said)
            await asyncio.to_thread(fault, root)
            await until_said("price bands of kite: known again", "index NSE:SYNINDEX: known again")
            await scene.until(lambda: "NSE:SYNIT1" in scene.held("kite"), "it enters again")
            await scene.until(lambda: scene.held("practice"), "also on paper")
            # limits that the market does not keep
            seen = len(scene.said)
            tight = {"account": {"max_correlated_positions": 0, "correlation_from": "0.01"}}
            scene.house.gate.set_limits("kite", parse_limits(tight))
            await until_said(
                "kite: SYNIT1: not taken: account kite holds 1 positions that move with NSE:SYNIT1"
            )
            scene.house.gate.set_limits("kite", parse_limits({"order": {"max_index_move_percent": "0.01"}}))
            await until_said("kite: SYNIT1: not taken: the index moved by")

    with s.sandbox() as root:
        asyncio.run(play(root))
