"""Candles: minutes built from what was fed, and what the source had before, in Kite's intervals (specs/brokers.md 1.9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.instrument import InstrumentKind, Segment
from trademantra.core.time import (
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_MINUTE,
    NANOSECONDS_PER_SECOND,
    ist_date,
    ist_ns,
)
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.sandbox.kite.json_form import IST_SECONDS, Json, zoned

MOST_MINUTES = 2_000_000  # rows of history that are kept; the oldest go first
_IST_NS = IST_SECONDS * NANOSECONDS_PER_SECOND
_OPENS_AT_NINE = frozenset(
    {Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS, Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS}
)


OPEN, HIGH, LOW, CLOSE, VOLUME, INTEREST = range(6)


@dataclass(frozen=True, slots=True)
class Minutes:
    """n 1-minute candles of one instrument in time order.

    `values` has shape (6, n): open, high, low, close, volume, open interest (NaN where it is not known).
    """

    start_ns: Int64Array
    values: Float64Array

    def __len__(self) -> int:
        return len(self.start_ns)

    @classmethod
    def empty(cls) -> "Minutes":
        return cls(np.empty(0, np.int64), np.empty((6, 0)))

    @classmethod
    def of_bars(cls, bars: Bars) -> "Minutes":
        """Stored 1-minute bars, which have no open interest."""
        unknown = np.full(len(bars), np.nan)
        return cls(bars.ts, np.stack((bars.open, bars.high, bars.low, bars.close, bars.volume, unknown)))

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Minutes":
        return Minutes(self.start_ns[chosen], self.values[:, chosen])

    def followed_by(self, later: "Minutes") -> "Minutes":
        """Both; what this has from the other's beginning on is left out."""
        if not len(later):
            return self
        kept = self.where(self.start_ns < later.start_ns[0])
        return Minutes(
            np.concatenate((kept.start_ns, later.start_ns)),
            np.concatenate((kept.values, later.values), axis=1),
        )


class Past(Protocol):
    """What is known of an instrument from before the exchange began."""

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        """Candles that start in [first_ns, stop_ns); none where none are known."""
        ...


class NoPast:
    """A market that began with the exchange."""

    def minutes(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        return Minutes.empty()


@dataclass(frozen=True, slots=True)
class _Block:
    """One minute of all instruments that traded in it, by row."""

    start_ns: int
    rows: Int64Array
    values: Float64Array  # (6, rows): open high low close volume interest


class Candles:
    """Takes in every batch of prices; answers candle requests.

    `began_ns`: when the exchange began; what comes before it is asked of `past`.
    """

    def __init__(self, listings: Listings, past: Past, began_ns: int) -> None:
        self._listings = listings
        self._past = past
        self._began_ns = began_ns
        self._blocks: list[_Block] = []
        self._kept = 0

    def take(self, batch: EventBatch) -> None:
        """Prices that were just fed, in time order."""
        if not len(batch):
            return
        minutes = batch.at_ns // NANOSECONDS_PER_MINUTE
        edges = np.flatnonzero(np.diff(minutes)) + 1
        for start, stop in zip([0, *edges], [*edges, len(minutes)], strict=True):
            self._take_minute(batch, int(start), int(stop), int(minutes[start]) * NANOSECONDS_PER_MINUTE)

    def of(
        self, token: int, minutes: int, first_ns: int, last_ns: int, *, continuous: bool, interest: bool
    ) -> list[Json]:
        """Rows [time, open, high, low, close, volume(, oi)] of candles that start in [first, last].

        `minutes` is the interval, 0 a day.
        """
        listing = self._listings.by_token(token)
        if continuous:
            return self._continuous(listing, first_ns, last_ns, interest=interest)
        return _rows(self._candles(listing, minutes, first_ns, last_ns), interest=interest)

    def _candles(self, listing: Listing, minutes: int, first_ns: int, last_ns: int) -> Minutes:
        day_ns = ist_ns(ist_date(first_ns), time())
        known = self._known(listing, day_ns, last_ns + NANOSECONDS_PER_DAY)
        candles = _grouped(known, _starts(known.start_ns, minutes, listing))
        chosen = (candles.start_ns >= first_ns) & (candles.start_ns <= last_ns)
        if not minutes:
            chosen = (candles.start_ns >= day_ns) & (candles.start_ns <= last_ns)
        return candles.where(chosen)

    def _known(self, listing: Listing, first_ns: int, stop_ns: int) -> Minutes:
        before = Minutes.empty()
        if first_ns < self._began_ns:
            before = self._past.minutes(listing, first_ns, min(stop_ns, self._began_ns))
        return before.followed_by(self._recorded(self._listings.row_of(listing.token), first_ns, stop_ns))

    def _recorded(self, row: int, first_ns: int, stop_ns: int) -> Minutes:
        found: list[tuple[int, Float64Array]] = []
        for block in self._blocks:
            if first_ns <= block.start_ns < stop_ns:
                place = int(np.searchsorted(block.rows, row))
                if place < len(block.rows) and block.rows[place] == row:
                    found.append((block.start_ns, block.values[:, place]))
        if not found:
            return Minutes.empty()
        starts = np.array([start for start, _ in found], np.int64)
        return Minutes(starts, np.stack([values for _, values in found], axis=1))

    def _continuous(self, listing: Listing, first_ns: int, last_ns: int, *, interest: bool) -> list[Json]:
        """Daily candles of whichever contract of the underlying was the next to expire on each day."""
        chosen: dict[date, tuple[date, Json]] = {}
        for contract in self._contracts(listing):
            expiry = contract.instrument.expiry
            if expiry is None:
                continue
            days = self._candles(contract, 0, first_ns, last_ns)
            for row, start_ns in zip(_rows(days, interest=interest), days.start_ns, strict=True):
                day = ist_date(int(start_ns))
                if day <= expiry and (day not in chosen or expiry < chosen[day][0]):
                    chosen[day] = (expiry, row)
        return [chosen[day][1] for day in sorted(chosen)]

    def _contracts(self, listing: Listing) -> Sequence[Listing]:
        rows = self._listings.rows.with_row_index("row").filter(
            (pl.col("venue").cast(pl.String) == listing.venue)
            & (pl.col("kind").cast(pl.String) == InstrumentKind.FUTURE.value)
            & (pl.col("underlying").cast(pl.String) == listing.instrument.underlying)
        )
        return [self._listings.at(row) for row in rows["row"].to_list()]

    def _take_minute(self, batch: EventBatch, start: int, stop: int, start_ns: int) -> None:
        order = np.argsort(batch.token_row[start:stop], kind="stable") + start
        rows = batch.token_row[order]
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(rows)) + 1))
        lasts = np.concatenate((firsts[1:], [len(rows)])) - 1
        values = np.stack(
            (
                batch.open[order][firsts],
                np.maximum.reduceat(batch.high[order], firsts),
                np.minimum.reduceat(batch.low[order], firsts),
                batch.close[order][lasts],
                np.add.reduceat(batch.volume[order], firsts),
                batch.open_interest[order][lasts],
            )
        )
        block = _Block(start_ns, rows[firsts], values)
        if self._blocks and self._blocks[-1].start_ns == start_ns:
            earlier = self._blocks.pop()
            self._kept -= len(earlier.rows)
            block = _merged(earlier, block)
        self._blocks.append(block)
        self._kept += len(block.rows)
        while self._kept > MOST_MINUTES and len(self._blocks) > 1:
            self._kept -= len(self._blocks.pop(0).rows)


def _merged(earlier: _Block, later: _Block) -> _Block:
    """One minute that came in two parts."""
    if np.array_equal(earlier.rows, later.rows):
        rows, a, b = earlier.rows, earlier.values, later.values
    else:
        rows = np.union1d(earlier.rows, later.rows)
        a, b = _spread(earlier, rows), _spread(later, rows)
    merged = np.stack(
        (
            np.where(np.isnan(a[0]), b[0], a[0]),
            np.fmax(a[1], b[1]),
            np.fmin(a[2], b[2]),
            np.where(np.isnan(b[3]), a[3], b[3]),
            np.nan_to_num(a[4]) + np.nan_to_num(b[4]),
            np.where(np.isnan(b[5]), a[5], b[5]),
        )
    )
    return _Block(earlier.start_ns, rows, merged)


def _spread(block: _Block, rows: Int64Array) -> Float64Array:
    values = np.full((6, len(rows)), np.nan)
    values[:, np.searchsorted(rows, block.rows)] = block.values
    return values


def _starts(times: Int64Array, minutes: int, listing: Listing) -> Int64Array:
    """The start of the candle of each minute: days from midnight, others counted from the opening of the market."""
    local = times + _IST_NS
    day = local // NANOSECONDS_PER_DAY * NANOSECONDS_PER_DAY
    if not minutes:
        return day - _IST_NS
    opening = 9 * 60 if listing.instrument.segment in _OPENS_AT_NINE else 9 * 60 + 15
    length = minutes * NANOSECONDS_PER_MINUTE
    since = local - day - opening * NANOSECONDS_PER_MINUTE
    return day + opening * NANOSECONDS_PER_MINUTE + since // length * length - _IST_NS


def _grouped(minutes: Minutes, starts: Int64Array) -> Minutes:
    if not len(minutes):
        return minutes
    firsts = np.concatenate(([0], np.flatnonzero(np.diff(starts)) + 1))
    lasts = np.concatenate((firsts[1:], [len(starts)])) - 1
    values = minutes.values
    grouped = np.stack(
        (
            values[OPEN][firsts],
            np.maximum.reduceat(values[HIGH], firsts),
            np.minimum.reduceat(values[LOW], firsts),
            values[CLOSE][lasts],
            np.add.reduceat(values[VOLUME], firsts),
            values[INTEREST][lasts],
        )
    )
    return Minutes(starts[firsts], grouped)


def _rows(candles: Minutes, *, interest: bool) -> list[Json]:
    rows: list[Json] = []
    for start_ns, values in zip(candles.start_ns.tolist(), candles.values.T.tolist(), strict=True):
        row: list[Json] = [zoned(start_ns), *(_price(value) for value in values[:4]), int(values[VOLUME])]
        if interest:
            row.append(int(values[INTEREST]) if values[INTEREST] == values[INTEREST] else 0)
        rows.append(row)
    return rows


def _price(value: float) -> int | float:
    real = round(value, 7)
    return int(real) if real.is_integer() else real
