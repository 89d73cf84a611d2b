"""Prices of what is traded by hand, and of what is held while no session runs: heard from the account's own feed.

An instrument is subscribed when it is first named, and left when nothing is held, works or runs in it for a while.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from trademantra.brokers.market import StreamMode
from trademantra.core.errors import TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_date
from trademantra.kit.timer import Timer
from trademantra.trading.house.market import Market
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.symbols import listed
from trademantra.trading.outcomes import wait_for
from trademantra.trading.risk.state import RiskState

FIRST_PRICE_NS = 10 * NANOSECONDS_PER_SECOND
"""So long a first price is waited for."""

_FRESH_NS = 30 * NANOSECONDS_PER_SECOND  # as old as limits let a price be, where the owner chose none
_IDLE_NS = 60 * NANOSECONDS_PER_SECOND
_LOOK_NS = 2 * NANOSECONDS_PER_SECOND


class NoPriceError(TradeMantraError):
    """Nothing is known of what an instrument costs."""

    code: ClassVar[str] = "no_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandFeedParts:
    """`markets` and `sources` (whose lists and prices they are) by the name of the feed.

    `enlist` makes instruments known to markets and paper exchanges; `heard` is told that others are heard now, before
    anything is placed in them.  `timer` is that of the markets, `wall` the real one.
    """

    rooms: Mapping[str, AccountRoom]
    markets: Mapping[str, Market]
    sources: Mapping[str, PriceReads]
    enlist: Callable[[Collection[Instrument]], None]
    heard: Callable[[], Awaitable[None]]
    state: RiskState
    timer: Timer
    wall: Timer
    say: Callable[[str], None]


@dataclass(slots=True)
class _Heard:
    """An instrument that an account hears by hand; `needed_ns`: when it was last needed, in real time."""

    instrument: Instrument
    needed_ns: int


class HandFeed:
    """Of one desk.  `look` every second."""

    def __init__(self, parts: HandFeedParts) -> None:
        self._parts = parts
        self._heard: dict[str, dict[str, _Heard]] = {}
        self._found: dict[tuple[str, str], Instrument] = {}
        self._day: date | None = None
        self._looked_ns = 0
        self._told: dict[str, str] = {}

    async def find(self, room: AccountRoom, names: Collection[str]) -> Mapping[str, Instrument]:
        """Instruments by name, as the source of the account's prices lists them today.

        Errors: `NotFoundError`, `BrokerError`.
        """
        today = ist_date(self._parts.timer.now_ns())
        if today != self._day:  # lists are of a day
            self._day = today
            self._found.clear()
        source = room.account.feed
        missing = list(dict.fromkeys(name for name in names if (source, name) not in self._found))
        if missing:
            for name, instrument in (await listed(missing, self._parts.sources[source])).items():
                self._found[source, name] = instrument
        return {name: self._found[source, name] for name in names}

    async def hear(self, room: AccountRoom, instruments: Collection[Instrument]) -> None:
        """Subscribe, if need be.  Errors: `BrokerError`, `InvalidValueError`."""
        parts, now_ns = self._parts, self._parts.wall.now_ns()
        mine = self._heard.setdefault(room.account_id, {})
        new = [each for each in instruments if each.key not in mine]
        if new:
            parts.enlist(new)
            await parts.markets[room.account.feed].hub.subscribe(
                _owner(room.account_id), new, StreamMode.FULL
            )
        for each in instruments:
            mine.setdefault(each.key, _Heard(each, now_ns)).needed_ns = now_ns
        if new:
            await parts.heard()

    def instruments(self, account_id: str) -> Sequence[Instrument]:
        """What an account hears by hand at present."""
        return [each.instrument for each in self._heard.get(account_id, {}).values()]

    async def first_prices(
        self, room: AccountRoom, instruments: Collection[Instrument], longest_ns: int = FIRST_PRICE_NS
    ) -> Sequence[Instrument]:
        """Hear them and wait for a fresh price of each; answers with those of which no price is known at all.

        Errors: as `hear`.
        """
        await self.hear(room, instruments)
        state, timer = self._parts.state, self._parts.timer

        def is_fresh(instrument: Instrument) -> bool:
            market = state.market(instrument.key)
            return market.price is not None and timer.now_ns() - market.price_ns <= _FRESH_NS

        await wait_for(lambda: all(is_fresh(each) for each in instruments), self._parts.wall, longest_ns)
        return [each for each in instruments if state.market(each.key).price is None]

    def require(self, missing: Collection[Instrument]) -> None:
        """Errors: `NoPriceError` naming what has no price."""
        if missing:
            names = ", ".join(each.key for each in missing)
            raise NoPriceError(
                f"no price of {names} came within {FIRST_PRICE_NS // NANOSECONDS_PER_SECOND} s; nothing was sent",
                hint="is the exchange open, and does the feed come? tm desk status",
            )

    async def look(self) -> None:
        """Hear what is held or works and nobody hears yet; leave what nobody needs any more.  Trouble is told once."""
        parts, now_ns = self._parts, self._parts.wall.now_ns()
        if 0 <= now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        for account_id in [name for name in self._heard if name not in parts.rooms]:
            del self._heard[account_id]
        for room in list(parts.rooms.values()):
            try:
                needed = _needed(room)
                await self.hear(room, list(needed.values()))
                await self._leave(room, now_ns)
            except TradeMantraError as error:
                if self._told.get(room.account_id) != str(error):
                    self._told[room.account_id] = str(error)
                    parts.say(f"{room.account_id}: prices of what is held cannot be heard: {error}")
            else:
                self._told.pop(room.account_id, None)

    async def _leave(self, room: AccountRoom, now_ns: int) -> None:
        mine = self._heard.get(room.account_id, {})
        idle = [each.instrument for each in mine.values() if now_ns - each.needed_ns > _IDLE_NS]
        if idle:
            hub = self._parts.markets[room.account.feed].hub
            for each in idle:
                del mine[each.key]
            await hub.unsubscribe(_owner(room.account_id), idle)


def _needed(room: AccountRoom) -> Mapping[str, Instrument]:
    """What an account holds, or has orders or algorithms in.  Each is named by an order of the book or by a spec."""
    held = {key.instrument_key for key, position in room.desk.book.positions.items() if position.quantity}
    needed = {each.key: each for spec in room.algos.running() for each in spec.instruments()}
    for managed in room.desk.book.working():
        needed.setdefault(managed.order.instrument.key, managed.order.instrument)
    for key in held:
        instrument = room.desk.book.instrument(key)
        if instrument is not None:
            needed.setdefault(key, instrument)
    return needed


def _owner(account_id: str) -> str:
    return f"by hand: {account_id}"
