"""What people and other processes do to a running desk: requests, kills, positions made by hand, a lease that moves."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.trading.house import scene as s
from trademantra.brokers.orders import OrderRequest
from trademantra.core.errors import NotFoundError
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.clock import SystemClock
from trademantra.kit.lease import LeaseHeldError
from trademantra.kit.models import LeaseRow
from trademantra.kit.timer import ClockTimer
from trademantra.trading.control.requests import DeskRequest, RequestFailedError, RequestKind, RequestStore
from trademantra.trading.control.state import StateStore
from trademantra.trading.lease_names import lease_name
from trademantra.trading.risk.books import Stop
from trademantra.trading.risk.kill_files import KILL_NAME, KillScope
from trademantra.trading.risk.limits import Scope

_PATIENCE_NS = int(timedelta(seconds=50).total_seconds()) * NANOSECONDS_PER_SECOND
_CLOSES_AT_ONCE = 356  # minutes before 15:12, Zerodha's own time: 09:16


async def ask(scene, account_id, kind, **arguments):
    """As `tm desk` asks, from another process."""
    timer = ClockTimer(SystemClock())
    now_ns = timer.now_ns()
    request = DeskRequest(
        request_id=f"{kind}-{now_ns}", account_id=account_id, kind=kind, asked_ns=now_ns,
        expires_ns=now_ns + _PATIENCE_NS, arguments=arguments,
    )  # fmt: skip
    return await RequestStore(scene.database).ask(request, timer)


def run_state(scene, session_id):
    return next(each.state for each in scene.house._workers.status() if each.run_id == f"{session_id}:all")


def test_requests_kills_and_a_lost_lease_touch_what_they_name_and_nothing_else(tmp_path):
    holds, busy = s.strategy_file(tmp_path, "holds", s.HOLDS), s.strategy_file(tmp_path, "busy", s.BUSY)

    async def play(root):
        accounts = [s.kite_account(root), s.paper_account()]
        sessions = [s.session(holds, "kite", ["SYNBANK1"]), s.session(busy, "practice", ["SYNIT1"])]
        async with s.running(tmp_path, root, accounts, sessions) as scene:
            await scene.until(lambda: scene.held("kite") and scene.exits("kite"), "a protected position")
            answer = await ask(scene, "kite", RequestKind.RECONCILE)
            assert "agree" in answer.text
            # what a person buys by hand is seen, told once, and left alone
            instruments = await scene.room("kite").adapter.instruments()
            tcs = next(each for each in instruments if each.key == "NSE:SYNAUTO1")
            await scene.room("kite").adapter.place(
                OrderRequest(
                    instrument=tcs, side=Side.BUY, quantity=Decimal(3), product=Product.MIS,
                    order_type=OrderType.MARKET, tag="byhand",
                )
            )  # fmt: skip
            scene.house._watch.soon("kite")
            await scene.until(lambda: any("not made by the desk" in line for line in scene.said), "foreign")
            # pause one strategy: its exits stay, the other account goes on
            await ask(scene, "kite", RequestKind.PAUSE, strategy="holds")
            assert run_state(scene, "holds-kite") == "paused"
            assert run_state(scene, "busy-practice") == "running"
            assert scene.exits("kite")
            answer = await ask(scene, "kite", RequestKind.CLOSE_ALL, strategy="holds")
            assert answer.text == "1 position closed"
            await scene.until(lambda: not scene.held("kite") and not scene.exits("kite"), "all is closed")
            done = len(scene.orders("practice"))
            await scene.until(lambda: len(scene.orders("practice")) > done + 2, "the other trades on")
            assert not scene.held("kite"), "a paused strategy entered"
            # what a limit stopped goes on by its release alone
            book = scene.house.gate.state.book(Scope.STRATEGY, "kite", "holds")
            book.stops["drawdown"] = Stop("drawdown", "it fell by 7 %")
            answer = await ask(scene, "kite", RequestKind.RESUME, strategy="holds")
            assert "it fell by 7 % (tm desk resume --limit drawdown)" in answer.text
            with pytest.raises(
                RequestFailedError, match=r"profit_lock stops nothing; .* is stopped by drawdown"
            ):
                await ask(scene, "kite", RequestKind.RESUME, limit="profit_lock")
            assert not scene.held("kite")
            answer = await ask(scene, "kite", RequestKind.RESUME, limit="drawdown")
            assert "drawdown is released" in answer.text
            await scene.until(lambda: scene.held("kite"), "it enters again")
            with pytest.raises(RequestFailedError, match="there are: holds"):
                await ask(scene, "kite", RequestKind.PAUSE, strategy="hold")
            # the KILL file: one account, closed
            (tmp_path / KILL_NAME).write_text(
                json.dumps({"scope": "account", "id": "kite", "flatten": True, "why": "a test"}) + "\n"
            )
            await scene.until(lambda: not scene.held("kite") and not scene.exits("kite"), "killed flat")
            refusals = len([line for line in scene.said if "not taken" in line])
            await scene.until(
                lambda: len([line for line in scene.said if "not taken" in line]) > refusals, "it is refused"
            )
            (tmp_path / KILL_NAME).unlink()
            scene.house.switch.release(
                KillScope.ACCOUNT, "kite", who="me", why="over", now_ns=SystemClock().now_ns()
            )
            await scene.until(lambda: scene.held("kite"), "released, it enters")
            assert sum("not made by the desk" in line for line in scene.said) == 1
            # a second desk is refused while this one lives
            with pytest.raises(LeaseHeldError, match="another desk serves account kite"):
                async with s.running(tmp_path, root, [s.kite_account(root)], [sessions[0]]):
                    pass
            # another process takes the account over: it closes here, the other goes on
            async with scene.database.writing() as writing:
                await writing.execute(
                    update(LeaseRow)
                    .where(LeaseRow.name == lease_name("kite"))
                    .values(token=LeaseRow.token + 1, owner="another")
                )
            await scene.until(lambda: "kite" not in scene.house.rooms, "the account is let go")
            assert any("taken over by another process" in line for line in scene.said)
            done = len(scene.orders("practice"))
            await scene.until(lambda: len(scene.orders("practice")) > done + 2, "the other trades on")

    with s.sandbox() as root:
        asyncio.run(play(root))


def test_what_a_stopped_strategy_left_is_closed_before_the_broker_does_and_wrong_symbols_are_named(tmp_path):
    bad = s.strategy_file(tmp_path, "bad", s.RAISES.replace("0.9985", "0.9").replace("1.0015", "1.1"))

    async def play(root):
        wrong = [s.session(bad, "kite", ["NOSUCH"])]
        with pytest.raises(NotFoundError, match="NSE:NOSUCH is not listed"):
            async with s.running(tmp_path, root, [s.kite_account(root)], wrong):
                pass
        right = [s.session(bad, "kite", ["SYNBANK1"])]
        parts = {"square_off_minutes": _CLOSES_AT_ONCE}
        async with s.running(tmp_path, root, [s.kite_account(root)], right, **parts) as scene:
            await scene.until(
                lambda: any("closed before the broker's square-off" in line for line in scene.said), "closing"
            )
            await scene.until(
                lambda: not scene.held("kite") and any(o.filled_quantity for o in scene.orders("kite")[1:]),
                "it is flat",
            )
            await scene.agrees("kite")

    with s.sandbox() as root:
        asyncio.run(play(root))


def test_a_desk_whose_broker_is_silent_is_told_as_running(tmp_path):
    """A look that waits for the broker does not keep the others from theirs."""

    class Silent:
        async def look(self, room):
            await asyncio.Event().wait()

    async def play(root):
        async with s.running(tmp_path, root, [s.kite_account(root)], [], ["kite"]) as scene:
            scene.house._watch = Silent()
            states = StateStore(scene.database)
            seen = set()
            async with asyncio.timeout(s.LONGEST):
                while len(seen) < 3:
                    found = (await states.states()).get("kite")
                    seen |= {found.at_ns} if found else set()
                    await asyncio.sleep(0.02)

    with s.sandbox() as root:
        asyncio.run(play(root))
