"""One more session in a desk that runs: it trades beside the others, or the reason is told and nothing of it stays."""

import asyncio

import pytest

from tests.trading.house import scene as s
from tests.trading.manual.test_manual_desk import Asking
from trademantra.core.errors import InvalidValueError
from trademantra.trading.control.requests import RequestFailedError, RequestKind

START = RequestKind.START


def test_a_session_begins_beside_the_others_or_not_at_all(tmp_path):
    holds, busy = s.strategy_file(tmp_path, "holds", s.HOLDS), s.strategy_file(tmp_path, "busy", s.BUSY)

    async def plan(account, words):
        """As the command line reads them."""
        if words["strategy"] == "unproven":
            raise InvalidValueError("unproven may not trade live yet: 3 of 14 days")
        file = {"holds": holds, "busy": busy}[words["strategy"]]
        return s.session(file, account.account_id, words["symbols"], session_id=words.get("session"))

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
            await ask("practice", START, strategy=words)
            await ask("practice", RequestKind.STOP, session="b4")
            await scene.agrees("kite")

    with s.sandbox() as root:
        asyncio.run(play(root))
