"""Good rows of all files brought together: doubles found, compared with the store, written series by series."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.core.errors import BadInputError, DataConflictError, NotFoundError
from trademantra.core.time import datetime_of
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.imports.model import LINE, PRICES, STAMP, SYMBOL, VOLUME, Reject, SeriesReport
from trademantra.data.imports.reading import FILE, FileRead, aligned_rows
from trademantra.data.series import Series
from trademantra.data.store import BarStore, Entry
from trademantra.engine.bars import Bars, Int64Array

_ROWS_AT_ONCE = 2_000_000
_NUMBERS = (*PRICES, VOLUME)


@dataclass(frozen=True, slots=True)
class Incoming:
    """The bars of one series from all files, sorted, each time once; `exact_doubles` were dropped."""

    series: Series
    bars: Bars
    info: SeriesInfo
    exact_doubles: int
    contradictions: tuple["Contradiction", ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Rows that give one bar different numbers: file number and line of each, and the bar's time for people."""

    at: str
    places: tuple[tuple[int, int], ...]


def incoming(reads: Sequence[FileRead]) -> Iterator[Incoming]:
    """Every series that the files hold, a few at a time so that memory stays bounded.

    Rows that contradict each other are taken out, all of them: which one is right cannot be known here.
    """
    owners: dict[Series, list[tuple[int, int]]] = {}
    rows: dict[Series, int] = {}
    for place, read in enumerate(reads):
        for number, count in enumerate(read.counts):
            series = read.series(number)
            owners.setdefault(series, []).append((place, number))
            rows[series] = rows.get(series, 0) + count
    for batch in _batches(rows):
        yield from _collected(reads, batch, owners)


def plan(store: BarStore, entries: Mapping[Series, Entry], new: Incoming, *, replace: bool) -> SeriesReport:
    """What a write would do.

    Errors: `DataConflictError` when a stored bar differs and `replace` is not asked for, or when the kinds of
    bars (raw or adjusted, real or synthetic) do not mix.
    """
    stored = _stored(store, entries, new)
    same, changed = _overlap(stored, new.bars)
    if (entry := entries.get(new.series)) is not None:
        entry.info.followed_by(new.info)
    if len(changed) and not replace:
        raise _conflict(new, stored, int(changed[0]), len(changed))
    bars = new.bars
    return SeriesReport(
        series=new.series,
        bars=len(bars),
        first_ns=int(bars.ts[0]),
        last_ns=int(bars.ts[-1]),
        new=len(bars) - same - len(changed),
        same=same,
        changed=len(changed),
    )


def write(store: BarStore, entries: Mapping[Series, Entry], new: Incoming, *, replace: bool) -> None:
    """Store the bars.  Stored bars of times that the files do not have stay as they are.

    Errors: `DataConflictError` when the store has changed since `plan` looked.
    """
    entry = entries.get(new.series)
    if entry is None or new.bars.ts[0] > entry.last_ns:
        store.append(new.series, new.bars, new.info)
        return
    stored = _stored(store, entries, new)
    same, changed = _overlap(stored, new.bars)
    if len(changed) and not replace:
        raise _conflict(new, stored, int(changed[0]), len(changed))
    # Asked to replace, years of versions that wrote no checksum get one although no number changes.
    if same < len(new.bars) or (replace and store.without_checksum(new.series)):
        store.replace(new.series, _joined(stored, new.bars), new.info)


def contradiction_rejects(
    found: Sequence[Contradiction], names: Sequence[str], raw: Callable[[int, list[int]], list[str]]
) -> list[Reject]:
    """Rejects of rows that contradict each other; `raw` gives rows of a file as they are written."""
    reasons: dict[tuple[int, int], str] = {}
    for each in found:
        for place in each.places:
            others = "; ".join(
                f"{names[file]}, line {line}" for file, line in each.places if (file, line) != place
            )
            reasons[place] = f"the bar of {each.at} has other numbers in {others}"
    rejects: list[Reject] = []
    for file in sorted({file for file, _ in reasons}):
        lines = sorted(line for owner, line in reasons if owner == file)
        rejects += [
            Reject(names[file], line, STAMP, reasons[file, line], row)
            for line, row in zip(lines, raw(file, lines), strict=True)
        ]
    return rejects


def refuse_contradiction(found: Contradiction, names: Sequence[str], series: Series) -> BadInputError:
    """The error for rows that contradict each other."""
    (file, line), (other_file, other_line), *_ = found.places
    other = f"line {other_line}" if other_file == file else f"{names[other_file]}, line {other_line}"
    return BadInputError(
        names[file],
        f"{series} has two different bars of {found.at}; the other is in {other}",
        line=line,
        column=STAMP,
        hint="correct the file, or leave both rows out with --skip-bad",
    )


def _batches(rows: Mapping[Series, int]) -> Iterator[list[Series]]:
    batch: list[Series] = []
    total = 0
    for series in sorted(rows):
        if batch and total + rows[series] > _ROWS_AT_ONCE:
            yield batch
            batch, total = [], 0
        batch.append(series)
        total += rows[series]
    if batch:
        yield batch


def _collected(
    reads: Sequence[FileRead], batch: Sequence[Series], owners: Mapping[Series, list[tuple[int, int]]]
) -> Iterator[Incoming]:
    """Read the spilled rows of a batch of series and cut them apart."""
    wanted: dict[int, dict[int, int]] = {}
    for position, series in enumerate(batch):
        for place, number in owners[series]:
            wanted.setdefault(place, {})[number] = position
    frames = [
        _of_batch(read, path, wanted[place])
        for place, read in enumerate(reads)
        if place in wanted
        for path in read.spill
    ]
    table = _Rows.sorted_from(frames)
    ends = np.searchsorted(table.series, np.arange(len(batch)), side="right")
    for position, series in enumerate(batch):
        begin = int(ends[position - 1]) if position else 0
        yield table.incoming(
            begin, int(ends[position]), series, [reads[place] for place, _ in owners[series]]
        )


def _of_batch(read: FileRead, path: Path, positions: Mapping[int, int]) -> pl.DataFrame:
    frame = aligned_rows(read, path)
    if len(positions) < len(read.symbols):
        frame = frame.filter(pl.col(SYMBOL).is_in(list(positions)))
    return frame.with_columns(pl.col(SYMBOL).replace_strict(positions, return_dtype=pl.UInt32))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a batch ordered by series, time, file and line."""

    series: NDArray[np.uint32]
    ts: Int64Array
    numbers: tuple[NDArray[np.float64], ...]
    file: NDArray[np.uint32]
    line: NDArray[np.uint32]

    @classmethod
    def sorted_from(cls, frames: list[pl.DataFrame]) -> "_Rows":
        """Columns are taken one at a time, so that the table and its copy are never both whole in memory."""
        table = pl.concat(frames, rechunk=False)
        frames.clear()
        columns: dict[str, NDArray[np.generic]] = {}
        series, ts = table[SYMBOL].to_numpy(), table[STAMP].to_numpy()
        steps, turns = np.diff(ts) < 0, np.diff(series.astype(np.int64))
        order = None
        if (turns < 0).any() or (steps & (turns == 0)).any():
            order = np.lexsort((ts, series))
        del steps, turns
        for name in (SYMBOL, STAMP, *_NUMBERS, FILE, LINE):
            column = table[name].to_numpy()
            table = table.drop(name)
            columns[name] = column if order is None else column[order]
        return cls(
            columns[SYMBOL].astype(np.uint32, copy=False),
            np.ascontiguousarray(columns[STAMP], np.int64),
            tuple(np.ascontiguousarray(columns[name], np.float64) for name in _NUMBERS),
            columns[FILE].astype(np.uint32, copy=False),
            columns[LINE].astype(np.uint32, copy=False),
        )

    def incoming(self, begin: int, end: int, series: Series, reads: Sequence[FileRead]) -> Incoming:
        """The rows [begin, end) as one series."""
        ts = self.ts[begin:end]
        numbers = [column[begin:end] for column in self.numbers]
        again = np.zeros(len(ts), np.bool_)
        again[1:] = ts[1:] == ts[:-1]
        found: list[Contradiction] = []
        dropped = 0
        if again.any():
            differs = np.zeros(len(ts), np.bool_)
            for column in numbers:
                differs[1:] |= column[1:] != column[:-1]
            keep = ~again
            run = np.cumsum(~again) - 1
            bad_runs = np.unique(run[again & differs])
            bad = np.isin(run, bad_runs)
            keep &= ~bad
            dropped = int((again & ~bad).sum())
            found = [self._contradiction(begin, np.flatnonzero(run == each), series) for each in bad_runs]
            ts, numbers = ts[keep], [column[keep] for column in numbers]
        info = SeriesInfo(
            source=" + ".join(dict.fromkeys(read.layout.source for read in reads)),
            adjusted=reads[0].layout.adjusted,
        )
        for read in reads[1:]:
            if read.layout.adjusted != info.adjusted:
                raise BadInputError(
                    read.source,
                    f"its bars of {series} are {'adjusted' if not info.adjusted else 'raw'}, those of "
                    f"{reads[0].source} are {'adjusted' if info.adjusted else 'raw'}",
                    hint="state it with --adjusted or --raw, or import them one at a time",
                )
        return Incoming(series, Bars(ts, *numbers), info, dropped, tuple(found))

    def _contradiction(self, begin: int, rows: NDArray[np.intp], series: Series) -> Contradiction:
        at = datetime_of(int(self.ts[begin + rows[0]]), series.zone)
        places = tuple((int(self.file[begin + row]), int(self.line[begin + row])) for row in rows)
        return Contradiction(at.isoformat(sep=" "), places)


def _stored(store: BarStore, entries: Mapping[Series, Entry], new: Incoming) -> Bars:
    """Stored bars in the range of the new ones."""
    entry = entries.get(new.series)
    first, last = int(new.bars.ts[0]), int(new.bars.ts[-1])
    if entry is None or entry.last_ns < first or entry.first_ns > last:
        return Bars.empty()
    try:
        return store.read(new.series, first, last + 1)
    except NotFoundError:
        return Bars.empty()


def _overlap(stored: Bars, new: Bars) -> tuple[int, NDArray[np.intp]]:
    """How many new bars are stored already number for number, and the places of those stored otherwise."""
    if not len(stored):
        return 0, np.empty(0, np.intp)
    at = np.minimum(np.searchsorted(stored.ts, new.ts), len(stored) - 1)
    known = stored.ts[at] == new.ts
    differs = np.zeros(len(new), np.bool_)
    for name in _NUMBERS:
        differs |= getattr(stored, name)[at] != getattr(new, name)
    return int((known & ~differs).sum()), np.flatnonzero(known & differs)


def _joined(stored: Bars, new: Bars) -> Bars:
    """All times of both; where both have a bar, the new one."""
    kept = ~np.isin(stored.ts, new.ts)
    ts = np.concatenate([stored.ts[kept], new.ts])
    order = np.argsort(ts, kind="stable")
    values = [np.concatenate([getattr(stored, name)[kept], getattr(new, name)])[order] for name in _NUMBERS]
    return Bars(ts[order], *values)


def _conflict(new: Incoming, stored: Bars, i: int, count: int) -> DataConflictError:
    ts = int(new.bars.ts[i])
    old = int(np.searchsorted(stored.ts, ts))
    changes = ", ".join(
        f"{name} {getattr(stored, name)[old]} is stored and {getattr(new.bars, name)[i]} is new"
        for name in _NUMBERS
        if getattr(stored, name)[old] != getattr(new.bars, name)[i]
    )
    more = f", and {count - 1} more bars differ" if count > 1 else ""
    at = datetime_of(ts, new.series.zone).isoformat(sep=" ")
    return DataConflictError(
        f"{new.series}: the bar of {at} contradicts the stored one: {changes}{more}",
        hint="nothing was imported; --replace puts the new bars in the place of the stored ones",
    )
