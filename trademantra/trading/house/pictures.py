"""The newest prices of one market for the strategies that hear ticks: conflated, never queued, told a few times a second.

Each instrument has one picture, the newest.  A run is told those that changed since it was told last.  The market waits
a moment for the answer, so that what is wanted is placed before the next price; a run that takes long to answer is asked
less often, and takes no more than a quarter of the market's time.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.ticks import Tick
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

_RESTS = 3.0  # times what its last answer took, before a run is asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class TickSettings:
    """`per_second`: how often a run is told at most, in real seconds.  `waits_seconds`: how long the market's next price
    waits for the answers of runs at real brokers (those on paper are waited for).  `latest_ns`: a price that is older when it arrives is a picture of the past, as after a
    reconnect: it is not told.

    Errors: `InvalidValueError` for a number that is not positive.
    """

    per_second: float = 4.0
    waits_seconds: float = 0.25
    latest_ns: int = 10 * NANOSECONDS_PER_SECOND

    def __post_init__(self) -> None:
        for name in ("per_second", "waits_seconds", "latest_ns"):
            if not getattr(self, name) > 0:
                raise InvalidValueError(f"ticks: {name} must be positive, got {getattr(self, name)}")


@dataclass(slots=True)
class _Picture:
    number: int  # of the change; 0: not to be told
    tick: Tick


@dataclass(slots=True)
class _Hearing:
    """One run: the last change that it was told, and when it may be asked again (real seconds)."""

    told: int
    due: float = 0.0


class Pictures:
    """Of one market.  `best(row)` knows the best bid and ask; `seconds` is a real clock that never goes back."""

    def __init__(
        self,
        table: InstrumentTable,
        best: Callable[[int], tuple[float, float]],
        settings: TickSettings,
        seconds: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._table, self._best, self._seconds = table, best, seconds
        self._newest: dict[int, _Picture] = {}
        self._runs: dict[str, _Hearing] = {}
        self._changes = 0
        self._lost_ns = 0

    def take(self, batch: TickBatch, rows: Collection[int]) -> None:
        """Ticks that just came, of the instruments (`rows`) that somebody hears.

        Left out is what is no news: old when it arrived, older than what is known, arrived before the feed was lost.
        """
        for at in _of_rows(batch, rows):
            row, at_ns, received_ns = int(batch.row[at]), int(batch.at_ns[at]), int(batch.received_ns[at])
            price = float(batch.price[at])
            known = self._newest.get(row)
            late = received_ns - at_ns > self.settings.latest_ns or received_ns <= self._lost_ns
            if late or not price > 0.0 or (known is not None and at_ns < known.tick.ts):
                continue
            total = float(batch.total[at])
            bid, ask = self._best(row)
            tick = Tick(self._table[row].symbol, at_ns, price, bid, ask, total if total >= 0.0 else nan)
            if known is None or not _is_same(known.tick, tick):
                self._changes += 1
                self._newest[row] = _Picture(self._changes, tick)

    def lost(self, now_ns: int) -> None:
        """The feed was lost: what was not told by now is never told."""
        self._lost_ns = now_ns
        for picture in self._newest.values():
            picture.number = 0

    def begin(self, run_id: str) -> None:
        """A run that hears ticks: from now on changes are news to it."""
        self._runs.setdefault(run_id, _Hearing(self._changes))

    def due(self, run_id: str, rows: Collection[int]) -> tuple[Tick, ...]:
        """What a run is to be told now: nothing while nothing changed, it is asked, or it was asked a moment ago."""
        hearing = self._runs[run_id]
        if self._changes == hearing.told or self._seconds() < hearing.due:
            return ()
        fresh = [
            each for row in rows if (each := self._newest.get(row)) is not None and each.number > hearing.told
        ]
        hearing.told = self._changes
        if fresh:
            hearing.due = inf  # until it has answered
        return tuple(each.tick for each in sorted(fresh, key=lambda each: each.number))

    def answered(self, run_id: str, began: float) -> None:
        """A run that was asked at `began` (real seconds) has answered."""
        now = self._seconds()
        soonest = began + 1.0 / self.settings.per_second
        self._runs[run_id].due = max(soonest, now + _RESTS * (now - began))

    def has_news(self, run_ids: Collection[str]) -> bool:
        """Whether a run waits for something, due or not."""
        return any(
            (hearing := self._runs.get(run_id)) is not None and hearing.told != self._changes
            for run_id in run_ids
        )


def _of_rows(batch: TickBatch, rows: Collection[int]) -> Iterator[int]:
    return (at for at, row in enumerate(batch.row.tolist()) if row in rows)


def _is_same(first: Tick, second: Tick) -> bool:
    """Whether nothing but the time differs."""
    return _numbers(first) == _numbers(second)


def _numbers(tick: Tick) -> Sequence[float | None]:
    return [each if each == each else None for each in (tick.price, tick.bid, tick.ask, tick.volume)]
