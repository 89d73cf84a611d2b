"""What must be done whatever strategies want: kills, breaches of limits, requests of people.

Everything here works from memory.  A kill needs no database: its block holds from the instant that it is seen, before
any of its orders are cancelled.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass

from trademantra.brokers.errors import BrokerError
from trademantra.core.errors import TradeMantraError
from trademantra.core.plural import counted
from trademantra.core.time import Clock
from trademantra.engine.records import Reason
from trademantra.kit.timer import ClockTimer, Timer
from trademantra.trading.control.requests import DeskAnswer, DeskRequest, RequestKind
from trademantra.trading.flattening import Flattened, close_until_flat
from trademantra.trading.house.position_watch import differences as differences_of
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.intents import MANUAL, Purpose
from trademantra.trading.outcomes import LONGEST_WAIT_NS, wait_for
from trademantra.trading.risk.books import Book
from trademantra.trading.risk.decisions import BreachRequest, Flatten, PauseStrategy
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.kill_files import Kill, KillScope
from trademantra.trading.risk.limits import Scope
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.targets import Cancelled, cancel_all, ended_as


@dataclass(frozen=True, slots=True, kw_only=True)
class OverseerParts:
    """`rooms` and `sessions` are those of the house, as they are at the time.  `wall`: the switch lives in real time.

    `say` hears what was done, for the owner; `spawn` runs work beside the loop.
    """

    rooms: Mapping[str, AccountRoom]
    sessions: Mapping[str, StrategySession]
    gate: RiskGate
    switch: KillSwitch
    workers: StrategyWorkers
    timer: Timer
    wall: Clock
    say: Callable[[str], None]
    spawn: Callable[[Coroutine[None, None, None]], None]


class Overseer:
    """Of one desk."""

    def __init__(self, parts: OverseerParts) -> None:
        self._parts = parts
        self._numbers = 0

    def look(self) -> None:
        """At the switch and at all losses; call it a few times a second, and after fills."""
        parts = self._parts
        for kill in parts.switch.poll(parts.wall.now_ns()):
            parts.say(str(kill))
            parts.spawn(self._carry_out(kill))
        for warning in parts.switch.warnings(parts.wall.now_ns()):
            parts.say(warning)
        for request in parts.gate.watch(parts.timer.now_ns()):
            self.heard(request)

    def heard(self, request: BreachRequest) -> None:
        """What the gate asks for."""
        parts = self._parts
        if isinstance(request, PauseStrategy):
            parts.gate.state.pause(request.account_id, request.strategy_id, f"{request.rule}: {request.text}")
            self._pause(request.account_id, request.strategy_id)
            parts.say(f"strategy {request.strategy_id} in {request.account_id} is paused: {request.text}")
        else:
            parts.say(f"{request.scope} {request.name} is closed: {request.text}")
            parts.spawn(self._flatten(request))

    async def answer(self, request: DeskRequest) -> DeskAnswer:
        """Do what a person asked.  Errors become answers: who asked is told."""
        room = self._parts.rooms.get(request.account_id)
        if room is None:
            return DeskAnswer(False, f"account {request.account_id} is not open here")
        try:
            return await self._answer(room, request)
        except TradeMantraError as error:
            return DeskAnswer(False, f"{error.message}{f' ({error.hint})' if error.hint else ''}")

    # -- inside

    async def _answer(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        named = request.arguments.get("strategy")
        strategy_id = str(named) if named else None
        known = self._known(room)
        if strategy_id is not None and strategy_id not in (*known, MANUAL):
            runs = f"there are: {', '.join(known)}" if known else "none runs or holds anything"
            return DeskAnswer(False, f"no strategy {strategy_id!r} in {room.account_id}; {runs}")
        if request.kind is RequestKind.RECONCILE:
            return await self._reconcile(room)
        if request.kind is RequestKind.CLOSE_ALL:
            return _closed_answer(await self._close(room, strategy_id, Reason.BY_HAND))
        if request.kind is RequestKind.CANCEL_ALL:
            return await self._cancel(room, strategy_id)
        # a whole account: orders by hand too, whether anything is held by hand or not
        chosen = [strategy_id] if strategy_id is not None else sorted({*known, MANUAL})
        if request.kind is RequestKind.PAUSE:
            for each in chosen:
                self._parts.gate.state.pause(room.account_id, each, "paused by request")
                self._pause(room.account_id, each)
                await cancel_all(room.desk, room.algos, self._parts.timer, strategy_id=each)
            return DeskAnswer(True, f"paused: {', '.join(chosen)}; entries are cancelled, exits stay armed")
        rule = request.arguments.get("limit")
        if rule:
            return self._lift(room, strategy_id, str(rule))
        released = [
            each
            for each in chosen
            if self._parts.gate.state.release(Scope.STRATEGY, room.account_id, each, "paused")
        ]
        for each in chosen:
            for session in self._sessions(room.account_id, each):
                for run_id in session.run_ids:
                    if run_id not in session.stopped:
                        self._parts.workers.resume(run_id)
        stops = "".join(f"; {each}" for each in self._stops_of(room, strategy_id))
        if not released:
            return DeskAnswer(True, f"nothing was paused: {', '.join(chosen)}{stops}")
        return DeskAnswer(True, f"going on: {', '.join(released)}{stops}")

    def _lift(self, room: AccountRoom, strategy_id: str | None, rule: str) -> DeskAnswer:
        """End what a limit stopped; the limit itself stays, and may stop it again."""
        lifted = [
            str(book)
            for book in self._books_of(room, strategy_id)
            if self._parts.gate.state.release(book.scope, room.account_id, book.name, rule)
        ]
        room.risk.keep_stops()
        if not lifted:
            return DeskAnswer(False, "; ".join([f"{rule} stops nothing", *self._stops_of(room, strategy_id)]))
        self._parts.say(f"{room.account_id}: {rule} was released by hand: {', '.join(lifted)}")
        return DeskAnswer(True, f"{rule} is released: {', '.join(lifted)}; entries are taken again")

    def _stops_of(self, room: AccountRoom, strategy_id: str | None) -> list[str]:
        """What limits stopped there, and how to go on."""
        return [
            f"{book} is stopped by {stop.rule}: {stop.text} (tm desk resume --limit {stop.rule})"
            for book in self._books_of(room, strategy_id)
            for stop in book.stops.values()
            if stop.rule != "paused"
        ]

    def _books_of(self, room: AccountRoom, strategy_id: str | None) -> Sequence[Book]:
        """That of the strategy, or all that limits may stop in the account."""
        state = self._parts.gate.state
        if strategy_id is not None:
            return [state.book(Scope.STRATEGY, room.account_id, strategy_id)]
        return state.result_books(room.account_id)

    def _known(self, room: AccountRoom) -> list[str]:
        """Strategies that run in an account, or hold something there."""
        running = [
            each.spec.strategy_id
            for each in self._parts.sessions.values()
            if each.spec.account_id == room.account_id
        ]
        holding = [key.strategy_id for key, held in room.desk.book.positions.items() if held.quantity]
        return sorted({*running, *holding})

    async def _reconcile(self, room: AccountRoom) -> DeskAnswer:
        await room.desk.refresh()
        try:
            found = await differences_of(room)
        except BrokerError as error:
            return DeskAnswer(False, f"the broker's positions cannot be read: {error}")
        differences = sorted(found, key=lambda each: (each.instrument_key, each.product))
        unknown = [each.order.order_id for each in room.desk.book.working() if each.order.status == "unknown"]
        facts = {
            "positions": [each.text for each in differences],
            "unknown_orders": unknown,
            "foreign_orders": len(room.desk.foreign_orders()),
        }
        missing = [each for each in differences if each.is_missing]
        if missing or unknown:
            return DeskAnswer(
                False, "; ".join([*(each.text for each in missing), *(f"{each} is unknown" for each in unknown)]), facts
            )  # fmt: skip
        others = f"; {len(differences)} positions of others are left alone" if differences else ""
        return DeskAnswer(True, f"the broker's books were read and agree{others}", facts)

    async def _cancel(self, room: AccountRoom, strategy_id: str | None) -> DeskAnswer:
        """Take entries back, those of algorithms too, and say what became of each."""
        entries = [
            each
            for each in room.desk.book.working()
            if each.purpose is Purpose.ENTRY and strategy_id in (None, each.strategy_id)
        ]
        others = await cancel_all(room.desk, room.algos, self._parts.timer, strategy_id=strategy_id)
        await wait_for(
            lambda: all(each.order.status.is_final for each in entries),
            ClockTimer(self._parts.wall),
            LONGEST_WAIT_NS,
        )
        outcomes = {each.order_id: each.outcome for each in others}
        outcomes |= {each.order.order_id: ended_as(each) for each in entries}
        return _cancelled_answer(list(outcomes.values()))

    async def _carry_out(self, kill: Kill) -> None:
        """Cancel entries in its scope, and close positions where it says so."""
        for room in list(self._parts.rooms.values()):
            if kill.scope is KillScope.ACCOUNT and kill.name != room.account_id:
                continue
            if kill.scope is KillScope.USER and kill.name != room.account.user_id:
                continue
            strategy_id = kill.name if kill.scope is KillScope.STRATEGY else None
            await self._tried(room, strategy_id, Reason.KILL_SWITCH if kill.flatten else None)

    async def _flatten(self, request: Flatten) -> None:
        for room in list(self._parts.rooms.values()):
            of_user = request.scope is Scope.USER and room.account.user_id == request.name
            if room.account_id == request.account_id or of_user:
                strategy_id = request.name if request.scope is Scope.STRATEGY else None
                await self._tried(room, strategy_id, Reason.RISK_LIMIT)

    async def _tried(self, room: AccountRoom, strategy_id: str | None, closes: Reason | None) -> None:
        """Take entries back, and close for the reason `closes`.  One account's trouble does not keep the others from it."""
        try:
            await cancel_all(room.desk, room.algos, self._parts.timer, strategy_id=strategy_id)
            if closes is not None:
                await self._close(room, strategy_id, closes)
        except TradeMantraError as error:
            self._parts.say(f"account {room.account_id} could not be cleared: {error}")

    async def _close(self, room: AccountRoom, strategy_id: str | None, reason: Reason) -> Flattened:
        self._numbers += 1
        name = f"close-{self._parts.timer.now_ns()}-{self._numbers}"
        return await close_until_flat(
            room.desk,
            room.algos,
            self._parts.timer,
            name,
            reason,
            self._parts.say,
            strategy_id=strategy_id,
        )

    def _pause(self, account_id: str, strategy_id: str) -> None:
        for session in self._sessions(account_id, strategy_id):
            for run_id in session.run_ids:
                if run_id not in session.stopped:
                    self._parts.workers.pause(run_id)
            asyncio.get_running_loop().call_soon(
                self._parts.spawn, self._drop_entries(account_id, strategy_id)
            )

    async def _drop_entries(self, account_id: str, strategy_id: str) -> None:
        room = self._parts.rooms.get(account_id)
        if room is not None:
            await self._tried(room, strategy_id, None)

    def _sessions(self, account_id: str, strategy_id: str) -> list[StrategySession]:
        return [
            each
            for each in self._parts.sessions.values()
            if each.spec.account_id == account_id and each.spec.strategy_id == strategy_id
        ]


def _cancelled_answer(outcomes: Sequence[Cancelled]) -> DeskAnswer:
    """Done where nothing of it may fill any more."""
    if not outcomes:
        return DeskAnswer(True, "no entry works")
    ended = sum(each in (Cancelled.CANCELLED, Cancelled.PARTLY_FILLED) for each in outcomes)
    told = [f"cancelled: {counted(ended, 'order')}"]
    if (partly := outcomes.count(Cancelled.PARTLY_FILLED)) > 0:
        told.append(f"of {partly} a part had filled")
    if (late := outcomes.count(Cancelled.FILLED)) > 0:
        told.append(f"too late for {late}, filled")
    if (unknown := outcomes.count(Cancelled.UNKNOWN)) > 0:
        told.append(f"{unknown} may still fill, the broker has not answered: tm desk orders shows them")
    return DeskAnswer(not unknown, "; ".join(told))


def _closed_answer(closed: Flattened) -> DeskAnswer:
    facts = {
        "left": [
            {
                "strategy": each.key.strategy_id, "instrument": each.key.instrument_key,
                "quantity": str(each.quantity), "why": each.text,
            }
            for each in closed.left
        ]
    }  # fmt: skip
    if not closed.left:
        count = f"{closed.wanted} position{'s' if closed.wanted != 1 else ''}"
        return DeskAnswer(True, f"{count} closed" if closed.wanted else "nothing was held", facts)
    held = "; ".join(str(each) for each in closed.left)
    return DeskAnswer(False, f"{len(closed.left)} of {closed.wanted} positions are still held: {held}", facts)
