"""One more session in a desk that runs: it trades beside the others, or the reason is told and nothing of it stays."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.trading.house import scene as s
from tests.trading.manual.test_manual_desk import Asking
from trademantra.core.errors import InvalidValueError
from trademantra.kit.lease import LeaseHeldError
from trademantra.trading.control.requests import RequestFailedError, RequestKind
from trademantra.trading.house.opening import open_paper
from trademantra.trading.house.other_desk import another_desk

START = RequestKind.START


def test_a_session_begins_beside_the_others_or_not_at_all(tmp_path):
    holds, busy = s.strategy_file(tmp_path, "holds", s.HOLDS), s.strategy_file(tmp_path, "busy", s.BUSY)

    async def plan(account, words):
        """As the command line reads them."""
        if words["strategy"] == "unproven":
            raise InvalidValueError("unproven may not trade live yet: 3 of 14 days")
        file = {"holds": holds, "busy": busy}[words["strategy"]]
        spec = s.session(file, account.account_id, words["symbols"], session_id=words.get("session"))
        return replace(spec, rules=replace(spec.rules, cash=words.get("cash", spec.rules.cash)))

    async def play(root):
        accounts = [s.kite_account(root), s.paper_account()]
        begins = [s.session(holds, "practice", ["SYNBANK1"])]
        async with s.running(tmp_path, root, accounts, begins, ["kite"], plan=plan) as scene:
            ask, house = Asking(scene), scene.house
            await scene.until(lambda: scene.exits("practice"), "the first one holds something")
            held = scene.held("practice")
            # one instrument that no session had, in a paper account that trades
            words = {"strategy": "busy", "symbols": ["SYNIT1"]}
            told = await ask("practice", START, strategy=words)
            assert told.facts == {"session": "busy-practice", "strategy": "busy", "instruments": ["SYNIT1"]}
            await scene.until(lambda: scene.held("practice").get("NSE:SYNIT1"), "the second one trades")
            assert scene.held("practice")["NSE:SYNBANK1"] == held["NSE:SYNBANK1"]
            await ask("kite", START, strategy={"strategy": "holds", "symbols": ["SYNAUTO1"]})
            await scene.until(lambda: scene.held("kite"), "and one in an account that had none")
            for words, says in (
                ({"strategy": "busy", "symbols": ["SYNBANK1"]}, "session busy-practice runs already"),
                (
                    {"strategy": "busy", "symbols": ["SYNIT1"], "session": "b2"},
                    "trades NSE:SYNIT1 in practice already",
                ),
                ({"strategy": "busy", "symbols": ["NOSUCH"], "session": "b3"}, "NSE:NOSUCH is not listed"),
                ({"strategy": "unproven"}, "3 of 14 days"),
            ):
                with pytest.raises(RequestFailedError, match=says):
                    await ask("practice", START, strategy=words)
            assert set(house.sessions) == {"holds-practice", "busy-practice", "holds-kite"}
            # what cannot be opened leaves nothing behind, and can be begun again
            busy.write_text("nonsense(")
            words = {"strategy": "busy", "symbols": ["SYNAUTO1"], "session": "b4"}
            with pytest.raises(RequestFailedError):
                await ask("practice", START, strategy=words)
            assert "b4:all" not in house._run_of
            s.strategy_file(tmp_path, "busy", s.BUSY)
            told = await ask("practice", START, strategy=words | {"cash": 9_000_000.0})
            assert (
                "careful: sizes are for 9,000,000 in all" in told.text
            )  # who asked hears it, not the log alone
            await ask("practice", RequestKind.STOP, session="b4")
            # a second desk is told who has the account; the paper exchange of it is in use as well
            for name in ("practice", "kite"):
                refusal = await another_desk(scene.database, name, house.parts.wall.now_ns())
                assert f"serves account {name}: process {os.getpid()} on" in refusal.message
                assert "since 20" in refusal.message
                assert f"kill {os.getpid()}" in refusal.hint
            parts = replace(house.parts, say=lambda text: None)
            async with AsyncExitStack() as stack:
                with pytest.raises(LeaseHeldError, match="another desk serves account practice"):
                    await open_paper(
                        stack, parts, house.rooms["practice"].account, house.markets["kite"].listings
                    )
            await scene.agrees("kite")

    with s.sandbox() as root:
        asyncio.run(play(root))
