"""The bar store: Parquet files by exchange, symbol, timeframe and year."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.time import datetime_of
from trademantra.data import adjust
from trademantra.data.adjust import AdjustmentEvents
from trademantra.data.bar_file import Footer, SeriesInfo, bars_of, encode, read_columns, read_footer
from trademantra.data.durable import exclusive_lock, remove_file, remove_leftovers, replace_file
from trademantra.data.series import Series, file_name_of, symbol_of, year_bounds
from trademantra.engine.bars import PRICE_FIELDS, Bars

_YEAR_FILE = re.compile(r"(19|20|21)[0-9]{2}\.parquet")
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_LOCKS = ".locks"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a write did, in bars: new ones `written`, identical ones `skipped`, old ones `removed`."""

    written: int
    skipped: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored series: start of its first and last bar (ns UTC), number of bars, size on disk, provenance."""

    series: Series
    first_ns: int
    last_ns: int
    rows: int
    bytes: int
    info: SeriesInfo


class BarStore:
    """Bars on disk under `root`, as `EXCHANGE/SYMBOL/TIMEFRAME/YEAR.parquet`; years of the exchange's zone.

    Readers take no lock and see each file whole, as it was before or after a write.  Writers of one series wait
    for each other.  A write that is cut off leaves each file whole; years are written oldest first, so after a
    crash in an append the store holds a prefix in time of what was given.  Raw bars are what is stored.
    """

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, series: Series, bars: Bars, info: SeriesInfo | None = None) -> Stored:
        """Add bars after the last stored one.  Bars that are stored already, number for number, are skipped.

        Errors: `DataConflictError` naming the first bar that differs from the stored one, or that would fill a
        hole (`replace` does both on purpose); `InvalidValueError` for bars that are out of order or impossible.
        """
        bars.check()
        with self._writing(series):
            footers = self._footers(series)
            overlap = 0
            if footers:
                overlap = int(np.searchsorted(bars.ts, footers[-1].last_ns, side="right"))
                self._refuse_contradiction(series, bars.slice(0, overlap))
            joined = _joined(series, footers, info)
            new = bars.slice(overlap, len(bars))
            if len(new):
                self._write(series, new, joined, int(new.ts[0]), int(new.ts[0]))
        return Stored(len(bars) - overlap, skipped=overlap)

    def replace(
        self,
        series: Series,
        bars: Bars,
        info: SeriesInfo | None = None,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Stored:
        """Put `bars` in the place of everything stored in [start_ns, stop_ns).

        The range is by default exactly what `bars` cover, from the first to the last of them.  With a range and
        no bars the range is emptied.  Atomic for each year, not across years.
        Errors: `InvalidValueError` for bars outside the range.
        """
        bars.check()
        if len(bars):
            start_ns = int(bars.ts[0]) if start_ns is None else start_ns
            stop_ns = int(bars.ts[-1]) + 1 if stop_ns is None else stop_ns
            if bars.ts[0] < start_ns or bars.ts[-1] >= stop_ns:
                raise InvalidValueError(f"{series}: some of the bars lie outside the range that they replace")
        if start_ns is None or stop_ns is None or start_ns >= stop_ns:
            raise InvalidValueError(
                f"{series}: replace needs bars, or a range to empty with start before stop"
            )
        with self._writing(series):
            footers = self._footers(series)
            covered = all(start_ns <= footer.first_ns and footer.last_ns < stop_ns for footer in footers)
            joined = _joined(series, [] if covered else footers, info)
            removed = self._write(series, bars, joined, start_ns, stop_ns)
        return Stored(len(bars), removed=removed)

    def read(
        self,
        series: Series,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        *,
        adjusted: bool = False,
        as_of: date | None = None,
    ) -> Bars:
        """Bars that start in [start_ns, stop_ns), as fresh contiguous arrays; none stored there is no error.

        `adjusted` multiplies prices by the splits and bonuses on file up to `as_of` (default: all of them), and
        `as_of` leaves out bars of later days; see `adjust.adjusted`.
        Errors: `NotFoundError` for a series that is not stored, or for `adjusted` without an event table of the
        exchange; `DataConflictError` for `adjusted` bars that their source has adjusted already.
        """
        if adjusted and self.describe(series).adjusted:
            raise DataConflictError(
                f"{series}: its source has adjusted the prices", hint="read it without adjusting"
            )
        bars = self._read(series, start_ns, stop_ns)
        if not adjusted:
            if as_of is not None:
                raise InvalidValueError(
                    "as_of chooses the events of an adjusted read", hint="add adjusted=True"
                )
            return bars
        return adjust.adjusted(bars, self.events(series.exchange).of(series.symbol), series.zone, as_of)

    def series(self, damaged: list[BadInputError] | None = None) -> tuple[Entry, ...]:
        """Every stored series, sorted, from the footers of its files.

        With a list in `damaged`, series with a file that cannot be read are left out and their errors put there, so
        that one damaged file does not stand in the way of all others; without one the first is raised.
        """
        entries = []
        for series in self._all_series():
            try:
                footers = self._footers(series)
            except BadInputError as error:
                if damaged is None:
                    raise
                damaged.append(error)
                continue
            if footers:
                entries.append(
                    Entry(
                        series,
                        footers[0].first_ns,
                        footers[-1].last_ns,
                        sum(footer.rows for footer in footers),
                        sum(footer.bytes for footer in footers),
                        _described(footers),
                    )
                )
        return tuple(sorted(entries, key=lambda entry: entry.series))

    def names(self) -> tuple[Series, ...]:
        """Every series that has files, sorted; no file is opened, so damaged ones are among them."""
        return tuple(sorted(series for series in self._all_series() if self._files(series)))

    def describe(self, series: Series) -> SeriesInfo:
        """Provenance of a series.  Errors: `NotFoundError`."""
        footers = self._footers(series)
        if not footers:
            raise self._not_found(series)
        return _described(footers)

    def without_checksum(self, series: Series) -> tuple[int, ...]:
        """Years whose files were written by a version that knew no checksum: damage inside them is not noticed.

        Errors: `BadInputError` for a damaged file.
        """
        years = []
        for path in self._files(series):
            try:
                if not read_footer(path, series).has_checksum:
                    years.append(int(path.stem))
            except FileNotFoundError:  # a writer has just emptied this year
                continue
        return tuple(years)

    def delete(self, series: Series) -> None:
        """Remove a series, newest year first.  Errors: `NotFoundError`."""
        with self._writing(series):
            files = self._files(series)
            if not files:
                raise self._not_found(series)
            for path in reversed(files):
                remove_file(path)

    def events(self, exchange: str) -> AdjustmentEvents:
        """Splits and bonuses on file for an exchange.  Errors: `NotFoundError` when no table was stored."""
        return AdjustmentEvents.load(self._events_path(exchange))

    def put_events(self, exchange: str, events: AdjustmentEvents) -> AdjustmentEvents:
        """Add events to the table of an exchange; those on file already are not doubled.  Answers the whole table.

        Errors: `DataConflictError` for an event on file with another factor.
        """
        path = self._events_path(exchange)
        with exclusive_lock(self.root / _LOCKS / f"events~{exchange}.lock"):
            merged = self.events(exchange).joined(events) if path.exists() else events
            replace_file(path, merged.encoded())
        return merged

    def _events_path(self, exchange: str) -> Path:
        # A series of that exchange proves that its name is safe in a path.
        return self.root / "events" / f"{Series(exchange, 'X', Timeframe(1, 'd')).exchange}.parquet"

    @contextmanager
    def _writing(self, series: Series) -> Iterator[None]:
        name = f"{series.exchange}~{file_name_of(series.symbol)}~{series.timeframe}.lock"
        with exclusive_lock(self.root / _LOCKS / name):
            remove_leftovers(self.root / series.path)
            yield

    def _read(self, series: Series, start_ns: int | None, stop_ns: int | None) -> Bars:
        files = self._files(series)
        if not files:
            raise self._not_found(series)
        frames: list[pl.DataFrame] = []
        for path in files:
            begin, end = year_bounds(int(path.stem), series.zone)
            if (stop_ns is None or begin < stop_ns) and (start_ns is None or start_ns < end):
                try:
                    frames.append(read_columns(path, series, start_ns, stop_ns))
                except FileNotFoundError:  # a writer has just emptied this year
                    continue
        return bars_of(frames)

    def _write(self, series: Series, new: Bars, info: SeriesInfo, start_ns: int, stop_ns: int) -> int:
        """Clear [start_ns, stop_ns) and merge bars into their years, oldest first.  Answers the bars cleared."""
        removed = 0
        existing = {int(path.stem): path for path in self._files(series)}
        for year in sorted(_years_of(series, new) | existing.keys()):
            begin, end = year_bounds(year, series.zone)
            parts = [new.between(begin, end)]
            touched = len(parts[0]) > 0 or (begin < stop_ns and start_ns < end and start_ns < stop_ns)
            if not touched:
                continue
            if year in existing:
                old = bars_of([read_columns(existing[year], series)])
                before, after = (int(i) for i in np.searchsorted(old.ts, [start_ns, stop_ns]))
                removed += after - before
                parts = [old.slice(0, before), *parts, old.slice(after, len(old))]
            merged = _concatenated(parts)
            path = self.root / series.path / f"{year:04}.parquet"
            if len(merged):
                replace_file(path, encode(series, year, merged, info))
            else:
                remove_file(path)
        return removed

    def _refuse_contradiction(self, series: Series, again: Bars) -> None:
        """Raise unless each of these bars is stored already, number for number."""
        if not len(again):
            return
        stored = self._read(series, int(again.ts[0]), int(again.ts[-1]) + 1)
        if not len(stored):
            raise _conflict(series, again, 0, "is not stored, though later bars are")
        at = np.minimum(np.searchsorted(stored.ts, again.ts), len(stored) - 1)
        absent = stored.ts[at] != again.ts
        differs = np.zeros(len(again), np.bool_)
        for name in (*PRICE_FIELDS, "volume"):
            differs |= getattr(stored, name)[at] != getattr(again, name)
        bad = absent | differs
        if bad.any():
            i = int(np.argmax(bad))
            if absent[i]:
                raise _conflict(series, again, i, "is not stored, though later bars are")
            changes = ", ".join(
                f"{name} {getattr(stored, name)[at[i]]} is stored, {getattr(again, name)[i]} is new"
                for name in (*PRICE_FIELDS, "volume")
                if getattr(stored, name)[at[i]] != getattr(again, name)[i]
            )
            raise _conflict(series, again, i, f"contradicts the stored one: {changes}")

    def _files(self, series: Series) -> list[Path]:
        """The year files of a series in time order; whatever else lies in the folder is not ours."""
        folder = self.root / series.path
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if _YEAR_FILE.fullmatch(path.name))

    def _footers(self, series: Series) -> list[Footer]:
        footers = []
        for path in self._files(series):
            try:
                footers.append(read_footer(path, series))
            except FileNotFoundError:  # a writer has just emptied this year
                continue
        return footers

    def _all_series(self) -> Iterator[Series]:
        if not self.root.is_dir():
            return
        for folder in self.root.glob("*/*/*/"):
            symbol = symbol_of(folder.parent.name)
            try:
                if symbol is not None:
                    yield Series(folder.parent.parent.name, symbol, Timeframe.parse(folder.name))
            except InvalidValueError:  # a folder that the store did not make
                continue

    def _not_found(self, series: Series) -> NotFoundError:
        others = sorted(
            other
            for other in self._all_series()
            if (other.exchange, other.symbol) == (series.exchange, series.symbol) and self._files(other)
        )
        stored = ", ".join(str(other.timeframe) for other in others)
        return NotFoundError(
            f"no bars of {series} are stored in {self.root}",
            hint=f"stored for this symbol: {stored}" if stored else "tm data list shows what is stored",
        )


def _joined(series: Series, footers: list[Footer], info: SeriesInfo | None) -> SeriesInfo:
    """Provenance of the series after a write.  Without new info the stored one goes on."""
    if info is None:
        joined = _described(footers) if footers else SeriesInfo()
    else:
        joined = _described(footers).followed_by(info) if footers else info
    return joined if joined.timezone else replace(joined, timezone=series.zone.key)


def _described(footers: list[Footer]) -> SeriesInfo:
    info = footers[0].info
    for footer in footers[1:]:
        info = info.followed_by(footer.info)
    return info


def _conflict(series: Series, bars: Bars, i: int, fault: str) -> DataConflictError:
    at = datetime_of(int(bars.ts[i]), series.zone).isoformat()
    return DataConflictError(
        f"{series}: the bar of {at} {fault}", hint="replace() puts new bars in the place of stored ones"
    )


def _years_of(series: Series, bars: Bars) -> set[int]:
    if not len(bars):
        return set()
    first, last = (datetime_of(int(bars.ts[i]), series.zone).year for i in (0, -1))
    if first < _FIRST_YEAR or last > _LAST_YEAR:
        raise InvalidValueError(
            f"{series}: bars from {first} to {last} cannot be right",
            hint="times are nanoseconds since 1970, UTC",
        )
    return set(range(first, last + 1))


def _concatenated(parts: list[Bars]) -> Bars:
    fields = ("ts", *PRICE_FIELDS, "volume")
    return Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))
