"""What the accounts of a desk hold, told to its owner: once the desk has begun, after the close, and when it ends.

A restart finds positions that nobody named on its command line: of orders by hand, of sessions that were not begun again.
They are told as they are found, with what protects them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isnan

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.order import OrderStatus, Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, ist_date
from trademantra.engine.records import LevelKind
from trademantra.kit.timer import Timer
from trademantra.markets.sessions import session_on
from trademantra.trading.algos.bracket import BracketSpec, GuardSpec
from trademantra.trading.algos.levels import Protection
from trademantra.trading.algos.view import AlgoSpec
from trademantra.trading.control.held import OpenPosition, WorkingExit, open_positions
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.square_off import instrument_of
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import ManagedOrder, PositionKey
from trademantra.trading.outcomes import wait_for

_SETTLES_NS = 15 * NANOSECONDS_PER_SECOND
"""So long the first words wait for the broker's books, and for stops that are placed anew."""
_LAST_NS = 3 * NANOSECONDS_PER_SECOND
_AFTER_NS = NANOSECONDS_PER_MINUTE  # the close: the last fills have come
_ON_ITS_WAY = frozenset({OrderStatus.JOURNALED, OrderStatus.SENT, OrderStatus.UNKNOWN})


def held_in(room: AccountRoom, sessions: Collection[StrategySession]) -> Sequence[OpenPosition]:
    """What an account holds now; `sessions` are those of its desk."""
    held = {key: position.quantity for key, position in room.desk.book.positions.items() if position.quantity}
    if not held:
        return ()
    exits = [
        WorkingExit(each.key, each.order)
        for each in room.desk.book.working()
        if each.purpose is Purpose.EXIT and each.key in held
    ]
    deciding = {
        key: [each.spec.session_id for each in sessions if _decides(each, room.account_id, key)] for key in held
    }  # fmt: skip
    watched = {
        PositionKey(spec.strategy_id, spec.instrument.key, spec.product)
        for spec in room.algos.running()
        if isinstance(spec, BracketSpec | GuardSpec) and has_stop(spec.protection)
    }
    return open_positions(room.account_id, held, exits, deciding, watched)


def protects(room: AccountRoom, spec: AlgoSpec) -> bool:
    """Whether the end of this algorithm takes the stop of a position away."""
    key = PositionKey(spec.strategy_id, spec.instruments()[0].key, spec.product)
    return isinstance(spec, GuardSpec) and has_stop(spec.protection) and bool(room.desk.book.held(key))


def has_stop(protection: Protection) -> bool:
    """Whether a position is left when its price turns against it."""
    rules = (protection.stop_rule, protection.trail)
    return not isnan(protection.stop) or any(each.kind is not LevelKind.NONE for each in rules)


def _decides(session: StrategySession, account_id: str, key: PositionKey) -> bool:
    spec = session.spec
    mine = (spec.account_id, spec.strategy_id, spec.product) == (account_id, key.strategy_id, key.product)
    return mine and session.decides_on(key.instrument_key)


@dataclass(slots=True)
class HeldWords:
    """Of one desk.  `rooms` and `sessions` are those of the house, as they are at the time; `timer` is that of the markets,
    `wall` the real one.
    """

    rooms: Mapping[str, AccountRoom]
    sessions: Mapping[str, StrategySession]
    timer: Timer
    wall: Timer
    say: Callable[[str], None]
    began_ns: int
    _told: set[tuple[str, PositionKey, date]] = field(default_factory=set)
    _looked_ns: int = 0

    async def at_start(self) -> None:
        """Everything that is held, once the broker's books are read and what protects it had time to be placed anew."""
        await wait_for(self._is_settled, self.wall, _SETTLES_NS)
        for room in self.rooms.values():
            for each in held_in(room, self.sessions.values()):
                loud = "LOOK: " if each.is_alarming else ""
                self.say(f"{loud}{each.words()}{f': {each.advice}' if each.advice else ''}")
            unread = "" if room.desk.has_read_books else "; the broker's books could not be read yet"
            unsure = [each for each in room.desk.book.working() if each.order.status in _ON_ITS_WAY]
            if unsure or unread:
                words = ", ".join(order_words(each) for each in unsure) or "nothing else"
                self.say(f"{room.account_id}: being found out: {words}{unread}")

    def look(self) -> None:
        """After the close: what is carried, once a day.  Orders of a day end with it at the exchange."""
        now_ns = self.timer.now_ns()
        if 0 <= now_ns - self._looked_ns < _AFTER_NS:  # a sandbox may begin its day anew
            return
        self._looked_ns = now_ns
        for room in self.rooms.values():
            for each in held_in(room, self.sessions.values()):
                name = (room.account_id, each.key, ist_date(now_ns))
                if name in self._told or not self._has_closed(room, each.key, now_ns):
                    continue
                self._told.add(name)
                if each.sessions and each.key.product is not Product.MIS:
                    continue  # its session tells it
                what = f"{each.quantity.normalize():f} {each.key.instrument_key} ({each.key.product})"
                self.say(
                    f"{room.account_id} {each.key.strategy_id}: {what} is still held after the close; orders of the day have "
                    "ended, UNPROTECTED until stops rest again from the next open on"
                )

    async def at_end(self) -> None:
        """What stays held, and what still works, when the desk has ended."""
        await wait_for(lambda: not any(map(_is_moving, self.rooms.values())), self.wall, _LAST_NS)
        for room in self.rooms.values():
            held = held_in(room, self.sessions.values())
            for each in held:
                close = "" if each.is_protected else ": a desk must run to close it, or the broker's own app"
                self.say(f"still held: {each.words(desk_runs=False)}{close}")
            for entry in room.desk.book.working():
                if entry.purpose is Purpose.ENTRY:
                    self.say(
                        f"still works at the broker: {room.account_id} {order_words(entry)}; what fills of it is unprotected "
                        "until a desk runs again"
                    )
            if not held:
                self.say(f"{room.account_id}: nothing is held")

    def _is_settled(self) -> bool:
        return not any(_is_moving(room) for room in self.rooms.values()) and all(
            room.desk.has_read_books
            and not any(each.order.status in _ON_ITS_WAY for each in room.desk.book.working())
            for room in self.rooms.values()
        )

    def _has_closed(self, room: AccountRoom, key: PositionKey, now_ns: int) -> bool:
        """Whether its exchange closed today, and not before this desk began."""
        try:
            session = session_on(ist_date(now_ns), instrument_of(room, key))
        except (MissingFactError, InvalidValueError):
            return False
        return session is not None and self.began_ns < session.close_ns <= now_ns - _AFTER_NS


def order_words(managed: ManagedOrder) -> str:
    """An order, for a person.  Its quantity is what may still fill, or was asked for when nothing may."""
    order = managed.order
    units = f"{(order.open_quantity or order.quantity).normalize():f}"
    at = order.price or order.trigger_price
    return (
        f"{order.side} {units} {order.instrument.key}{'' if at is None else f' at {at.normalize():f}'} of "
        f"{managed.strategy_id} (order {order.order_id})"
    )


def _is_moving(room: AccountRoom) -> bool:
    return room.desk.is_busy or room.algos.is_busy
