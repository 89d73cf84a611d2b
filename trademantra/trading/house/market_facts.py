"""What limits must know of the market beside prices, read beside the loops and told to the risk gate.

Price bands, moves of indices, halts of the market, daily closes; sectors come from a file (`sectors`).  Only what some
account's limits need is read (`facts_needed`).  What cannot be read, or is too old, is not known, and entries that need it
wait; that is said once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from trademantra.brokers.events import SessionState
from trademantra.core.errors import BadInputError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.timer import ClockTimer
from trademantra.trading.accounts.account import Account
from trademantra.trading.house.band_facts import BandFacts
from trademantra.trading.house.close_facts import CloseFacts
from trademantra.trading.house.fact_parts import FactParts, FactSource, Notes, Watched
from trademantra.trading.house.facts_needed import Trading, needs_of, watched_of
from trademantra.trading.house.index_facts import IndexFacts
from trademantra.trading.house.parts import HouseParts
from trademantra.trading.house.sectors import NAME, read_sectors
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.state import RiskState

_WITHOUT_LOGIN_NS = 5 * NANOSECONDS_PER_SECOND


class MarketFacts:
    """Of one desk.  `watch` says what is to be known, `run` reads it again and again; `look` forgets what grew old: call it
    a few times a second, it asks nobody."""

    def __init__(self, parts: FactParts, watched: Sequence[Watched] = ()) -> None:
        self._parts, self._watched = parts, tuple(watched)
        self._bands, self._closes = BandFacts(parts), CloseFacts(parts)
        self._indices = IndexFacts(parts, _limited(watched))
        self._changed = asyncio.Event()

    async def watch(self, watched: Sequence[Watched]) -> None:
        """From now on these facts.  Read once what one call tells, so that a first decision does not come before it; what
        fails is told.  What was known stays known until it is too old."""
        if tuple(watched) == self._watched:
            return
        self._watched, self._indices.limited = tuple(watched), _limited(watched)
        self._changed.set()
        for each in self._watched:
            if each.bands:
                await self._bands.read(each)
            if each.indices:
                await self._indices.read(each)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._again_and_again(*read)) for read in self._readings()]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    def look(self) -> None:
        self._bands.look()
        self._indices.look()
        self._closes.look()

    def _readings(self) -> Iterator[tuple[FactSource, Callable[[], Awaitable[int]]]]:
        for each in self._watched:
            if each.bands:
                yield each.source, partial(self._bands.read, each)
            if each.indices or each.breakers:
                yield each.source, partial(self._indices.read, each)
            if each.closes:
                yield each.source, partial(self._closes.read, each)

    async def _again_and_again(self, source: FactSource, read: Callable[[], Awaitable[int]]) -> None:
        wall = self._parts.wall
        while True:
            # without a login nothing can be asked: what is known grows old, and the readiness check calls for the login
            logged_in = source.session is SessionState.ACTIVE
            wait_ns = await read() if logged_in else _WITHOUT_LOGIN_NS
            await wall.until(wall.now_ns() + wait_ns)


def market_facts(parts: HouseParts, state: RiskState) -> MarketFacts:
    """Of a desk that watches nothing yet."""
    return MarketFacts(
        FactParts(
            state=state, clock=parts.clock, wall=ClockTimer(parts.wall), notes=Notes(parts.say), times=parts.facts
        )
    )  # fmt: skip


def watched_in(
    gate: RiskGate,
    accounts: Sequence[Account],
    traded: Mapping[str, Collection[Instrument]],
    sources: Mapping[str, FactSource],
) -> Sequence[Watched]:
    """What the limits in force of these accounts need, of the instruments that are traded (by account) and held there."""
    trading = [
        Trading(
            account=account,
            needs=needs_of(gate.limits(account.account_id).owners),
            instruments=traded.get(account.account_id, ()),
            held=[each.instrument for each in gate.state.holdings_of(account.account_id) if each.worst],
        )
        for account in accounts
    ]
    return watched_of(trading, sources)


def _limited(watched: Sequence[Watched]) -> frozenset[str]:
    """Indices that limits look at, by key."""
    return frozenset(index.key for each in watched for index in each.indices)


def tell_sectors(parts: HouseParts, accounts: Sequence[Account], state: RiskState) -> None:
    """Before positions are restored: a holding keeps the sector that was known when it was made.

    A file that is wrong is told and left out whole.  It does not keep a desk from starting, whose exits wait for it: without
    sectors all instruments count as one, which is the tighter limit.
    """
    if not any(needs_of([account.limits]).sectors for account in accounts):
        return
    file = parts.home / NAME
    if not file.exists():
        parts.say(f"sectors: there is no {file}; sector limits count all instruments as one sector")
        return
    try:
        found = read_sectors(file)
    except BadInputError as error:
        parts.say(f"sectors: {error}; sector limits count all instruments as one sector until the next start")
        return
    for key, sector in found.items():
        state.sector_told(key, sector)
    known = set(found.values())
    parts.say(f"sectors: {len(known)} are known from {file}")
    for account in accounts:
        if unknown := sorted(account.limits.sectors.keys() - known):
            parts.say(
                f"sectors: limits of {account.account_id} name {', '.join(unknown)}, which no line of {file.name} has; "
                f"it has {', '.join(sorted(known))}"
            )
