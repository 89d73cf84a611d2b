"""What the owner of a desk is told of what is held: at the start, as it fills, in the status, when the desk ends."""

import asyncio
import json

import pytest

from tests.trading.house import scene as s
from tests.trading.manual.test_manual_desk import desk
from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.engine.records import Reason
from trademantra.kit.clock import SystemClock
from trademantra.trading.control.held import held_everywhere
from trademantra.trading.control.requests import RequestFailedError, RequestKind
from trademantra.trading.control.state import StateStore
from trademantra.trading.house.held import held_in
from trademantra.trading.house.session_record import reason_of
from trademantra.trading.risk.kill_files import KILL_NAME

PLACE = RequestKind.PLACE
_SPEED = 20.0


@pytest.mark.parametrize(
    ("child", "left_for", "is_stop", "reason"),
    [
        ("entry", Reason.BY_HAND, False, Reason.ENTRY),
        ("stop", Reason.NONE, True, Reason.STOP),
        ("stop.1", Reason.BY_HAND, False, Reason.BY_HAND),  # turned into an order at market
        ("stop", Reason.KILL_SWITCH, True, Reason.STOP),  # it was faster
        ("target", Reason.NONE, False, Reason.TARGET),
        ("exit", Reason.KILL_SWITCH, False, Reason.KILL_SWITCH),
        ("exit", Reason.NONE, False, Reason.SIGNAL),
    ],
)
def test_what_filled_while_its_session_was_not_there_says_why(child, left_for, is_stop, reason):
    assert reason_of(f"one.INFY.5/{child}", {"one.INFY.5": left_for}, is_stop=is_stop) is reason


def said(scene, *words):
    """The lines that have all of these."""
    return [line for line in scene.said if all(word in line for word in words)]


async def until_said(scene, *words):
    await scene.until(lambda: said(scene, *words), " ".join(words))
    return said(scene, *words)[0]


async def shown(scene):
    """As `tm desk status` reads it, whether the desk runs or not."""
    await scene.house._tell_states()  # it does so each second
    states = await StateStore(scene.database).states()
    found = await held_everywhere(scene.database, states, SystemClock().now_ns())
    return {each.key.strategy_id: each for mine in found.values() for each in mine}


def test_positions_that_nobody_named_are_told_at_a_restart_and_what_stays_held_at_the_end(tmp_path):
    holds = s.strategy_file(tmp_path, "holds", s.HOLDS)

    async def play(root):
        accounts = [s.kite_account(root), s.paper_account()]
        mine = s.session(holds, "kite", ["SYNBANK1"])
        async with desk(tmp_path, root, *accounts, sessions=[mine]) as (scene, ask):
            await ask("practice", PLACE, symbol="SYNIT1", side="buy", quantity="5")
            line = await until_said(scene, "practice manual: bought 5 NSE:SYNIT1 at", "(entry)")
            assert line.endswith("5 held now")
            await scene.until(lambda: len(scene.exits("kite")) == 2, "a protected position")
            assert not said(scene, "kite holds: bought", "held now"), "its session tells it, once"
            sessions = scene.house.sessions.values()
            await scene.until(
                lambda: (
                    scene.held("kite") == {"NSE:SYNBANK1": 10}
                    and held_in(scene.room("kite"), sessions)[0].is_protected
                ),
                "all of it is bought, and its stop rests",
            )
            found = held_in(scene.room("kite"), sessions)[0]
            assert (found.sessions, found.is_protected, found.is_alarming) == (("holds-kite",), True, False)
        assert said(
            scene, "still held: kite holds: 10 NSE:SYNBANK1 (MIS) held, a stop rests at the broker at"
        )
        assert said(scene, "still held: practice manual: 5 NSE:SYNIT1 (MIS) held by hand, UNPROTECTED")
        # a desk without that session: nobody named what is held
        async with desk(tmp_path, root, *accounts) as (scene, ask):
            line = await until_said(
                scene, "LOOK: kite holds: 10 NSE:SYNBANK1 (MIS) held, no strategy runs it"
            )
            assert "a stop rests at the broker at" in line
            assert "tm desk close-all --account kite --strategy holds" in line
            line = await until_said(
                scene, "LOOK: practice manual: 5 NSE:SYNIT1 (MIS) held by hand, UNPROTECTED"
            )
            assert "tm desk protect NSE:SYNIT1 --account practice" in line
            await ask("practice", RequestKind.PROTECT, "p", symbol="SYNIT1", stop="5%")
            room = scene.room("practice")
            await scene.until(lambda: held_in(room, ())[0].is_protected, "it is protected")
            with pytest.raises(RequestFailedError, match="stay UNPROTECTED"):
                await ask("practice", RequestKind.ALGO_STOP, id="manual.p")
            assert scene.exits("practice")
            found = await shown(scene)
            assert (found["holds"].sessions, found["manual"].is_protected) == ((), True)
            assert found["holds"].is_alarming
            await ask("practice", RequestKind.ALGO_STOP, id="manual.p", unprotect=True)
            await scene.until(lambda: not scene.exits("practice"), "it is not protected any more")
            # a paused account takes no entries by hand either, and every exit
            await ask("practice", RequestKind.PAUSE)
            with pytest.raises(RequestFailedError, match="paused by request"):
                await ask("practice", PLACE, symbol="SYNIT1", side="buy", quantity="1")
            told = await ask("practice", PLACE, symbol="SYNIT1", side="sell", quantity="5")
            assert told.facts["outcome"] == "accepted"
            await ask("practice", RequestKind.RESUME)
            told = await ask("practice", PLACE, symbol="SYNIT1", side="sell", quantity="1")
            assert told.facts["outcome"] == "accepted"
            await ask("kite", RequestKind.CLOSE_ALL, strategy="holds")
            await until_said(scene, "kite holds: sold 10 NSE:SYNBANK1", "0 held now")
            assert {each.key.strategy_id for each in held_in(scene.room("practice"), ())} == {"manual"}
        assert said(scene, "kite: nothing is held")

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


def test_a_trade_says_who_closed_it(tmp_path):
    holds = s.strategy_file(tmp_path, "holds", s.HOLDS)

    async def play(root):
        mine = s.session(holds, "practice", ["SYNBANK1"])
        async with desk(tmp_path, root, s.kite_account(root), s.paper_account(), sessions=[mine]) as (
            scene,
            ask,
        ):
            await scene.until(lambda: len(scene.exits("practice")) == 2, "a protected position")
            await ask("practice", RequestKind.CLOSE_ALL)
            await until_said(scene, "practice holds: sold 10 SYNBANK1", "(by hand)")
            await scene.until(lambda: len(scene.exits("practice")) == 2, "it enters again")
            kill = {"scope": "account", "id": "practice", "flatten": True, "why": "a test"}
            (tmp_path / KILL_NAME).write_text(json.dumps(kill) + "\n")
            await until_said(scene, "practice holds: sold 10 SYNBANK1", "(kill switch)")
            session = scene.house.sessions["holds-practice"]
            await scene.until(lambda: len(session.trades) == 2, "two trades")
            assert [each.reason for each in session.trades] == [Reason.BY_HAND, Reason.KILL_SWITCH]

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


def test_an_order_that_never_reached_the_broker_is_told_and_never_sent_again(tmp_path):
    wanted = {"symbol": "SYNIT1", "side": "buy", "quantity": "5"}

    async def play(root):
        async with desk(tmp_path, root, s.kite_account(root)) as (scene, ask):

            async def silent(*_):
                raise BrokerUnavailableError("no line to the broker")

            adapter = scene.room("kite").adapter  # not a byte leaves, and nothing can be found out
            adapter.place = adapter.orders = adapter.orders_by_tag = silent
            told = await ask("kite", PLACE, "mine", **wanted)
            assert told.facts["outcome"] == "unknown"
        assert said(scene, "still works at the broker: kite BUY 5 NSE:SYNIT1 of manual")
        async with desk(tmp_path, root, s.kite_account(root)) as (scene, ask):
            await until_said(
                scene, "kite: BUY 5 NSE:SYNIT1 of manual", "never reached the broker", "not sent again"
            )
            for _ in range(2):  # asked again it is answered as it stands, and nothing is placed
                with pytest.raises(
                    RequestFailedError, match=r"refused.*never reached the broker.*a new --id"
                ):
                    await ask("kite", PLACE, "mine", **wanted)
            assert len(scene.orders("kite")) == 1
            told = await ask("kite", PLACE, "anew", **wanted)
            assert told.facts["outcome"] == "accepted"
            await scene.until(lambda: scene.held("kite") == {"NSE:SYNIT1": 5}, "once")
            await scene.agrees("kite")

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))
