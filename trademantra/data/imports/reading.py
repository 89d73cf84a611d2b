"""One file read whole: every row checked, good ones set aside on disk, bad ones told."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.data.durable import replace_file
from trademantra.data.imports.layouts import layout_of, open_table, shown_fields
from trademantra.data.imports.model import (
    LINE,
    PRICES,
    STAMP,
    SYMBOL,
    VOLUME,
    ImportOptions,
    Layout,
    Progress,
    Reject,
    ShownField,
    Stamp,
)
from trademantra.data.imports.rows import Parsed, parse
from trademantra.data.imports.sources import Source
from trademantra.data.imports.spacing import Spacing, aligned
from trademantra.data.imports.stamps import StampKind
from trademantra.data.imports.tables import Table
from trademantra.data.series import Series, zone_of

FILE = "file"
REJECT_COLUMNS = ("file", "line", "column", "reason", "row")
_DAY = Timeframe(1, "d")


@dataclass(slots=True)
class Rejects:
    """Bad rows: written as they come to a CSV file in the scratch folder, so that there may be any number."""

    path: Path
    count: int = 0
    first: Reject | None = None

    def add(self, rejects: Iterable[Reject]) -> int:
        """Append rejects; answers how many."""
        rows = sorted(rejects, key=lambda reject: reject.line)
        if not rows:
            return 0
        with self.path.open("a", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            if not self.count:
                writer.writerow(REJECT_COLUMNS)
            writer.writerows((each.file, each.line, each.column, each.reason, each.row) for each in rows)
        self.count += len(rows)
        self.first = self.first or rows[0]
        return len(rows)

    def keep(self, target: Path) -> None:
        """Put the file of rejects in its place, whole."""
        replace_file(target.absolute(), self.path.read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """A file whose good rows lie in `spill`: columns file, line, symbol (a number), ts, prices, volume.

    `symbols` are the series' symbols by that number, `counts` their rows.
    """

    number: int
    source: str
    layout: Layout
    fields: tuple[ShownField, ...]
    timeframe: Timeframe
    timeframe_from: str
    stamp: Stamp
    spill: tuple[Path, ...]
    symbols: tuple[str, ...]
    counts: tuple[int, ...]
    rejected: int
    left_out: dict[str, int]
    changed: dict[str, int]
    notices: tuple[str, ...]

    def series(self, number: int) -> Series:
        return Series(self.layout.exchange, self.symbols[number], self.timeframe)


@dataclass(slots=True)
class _Tally:
    """What gathers while a file is read."""

    numbers: dict[str, int] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    spill: list[Path] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    further: list[Reject] = field(default_factory=list)

    def note(self, parsed: Parsed) -> None:
        for gathered, found in ((self.left_out, parsed.left_out), (self.changed, parsed.changed)):
            for what, count in found.items():
                gathered[what] = gathered.get(what, 0) + count


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is going to be read, before its rows are."""

    source: Source
    table: Table
    layout: Layout
    fields: tuple[ShownField, ...]


def planned(source: Source, options: ImportOptions) -> Plan:
    """Errors: `BadInputError` naming the option that would settle what is open."""
    table, candles = open_table(source)
    layout = layout_of(table, options, candles=candles)
    return Plan(source, table, layout, shown_fields(table, layout, options.decimal))


def read_file(
    plan: Plan,
    number: int,
    options: ImportOptions,
    scratch: Path,
    rejects: Rejects,
    progress: Progress | None,
) -> FileRead:
    """Read and check every row.

    Errors: `BadInputError` for the first bad row unless `skip_bad`, after the whole file is read, saying how
    many more there are; for a timeframe that the rows do not show; for times that look like ends of bars.
    """
    name, layout = plan.source.name, plan.layout
    zone = layout.zone if layout.stamps.kind is StampKind.LOCAL and layout.zone else zone_of(layout.exchange)
    if layout.stamps.kind is StampKind.OFFSET or layout.stamps.kind is StampKind.EPOCH:
        zone = ZoneInfo("UTC")
    tally, spacing = _Tally(), Spacing()
    for block in plan.table.blocks(layout.reads):
        parsed = parse(block, layout, zone, name, decimal=options.decimal, only=options.only)
        frame, odd = _named(parsed.frame, layout, name, block.raw)
        bad = (*parsed.rejects, *odd)
        tally.note(parsed)
        if bad:
            tally.rejected += len(bad)
            tally.further.extend(
                sorted(bad, key=lambda reject: reject.line)[: max(0, 2 - len(tally.further))]
            )
            if options.skip_bad:
                rejects.add(bad)
        spacing.add(parsed.times)
        _spill(frame, number, tally, scratch)
        if progress:
            progress(name, block.done, block.size)
    if tally.rejected and not options.skip_bad:
        raise _bad_row(tally.further, tally.rejected)
    timeframe, origin = _timeframe(name, layout, options, spacing, good_rows=sum(tally.counts.values()))
    stamp = spacing.stamp(name, options.stamp, timeframe, layout.exchange)
    notices = list(layout.notices)
    if spacing.unsorted:
        notices.append("the rows were not in time order: sorted")
    return FileRead(
        number=number,
        source=name,
        layout=layout,
        fields=plan.fields,
        timeframe=timeframe,
        timeframe_from=origin,
        stamp=stamp,
        spill=tuple(tally.spill),
        symbols=tuple(tally.numbers),
        counts=tuple(tally.counts[each] for each in range(len(tally.numbers))),
        rejected=tally.rejected,
        left_out=tally.left_out,
        changed=tally.changed,
        notices=tuple(notices),
    )


def aligned_rows(read: FileRead, path: Path) -> pl.DataFrame:
    """A spilled block with times that are starts of bars."""
    frame = pl.read_parquet(path)
    starts = aligned(frame[STAMP], read.timeframe, read.stamp, zone_of(read.layout.exchange))
    return frame.with_columns(starts.alias(STAMP))


def _named(
    frame: pl.DataFrame, layout: Layout, file: str, raw: Callable[[list[int]], list[str]]
) -> tuple[pl.DataFrame, tuple[Reject, ...]]:
    """Rows whose symbol can name a series, and the others."""
    faults: dict[str, str] = {}
    for symbol in frame[SYMBOL].unique():
        try:
            Series(layout.exchange, symbol, _DAY)
        except InvalidValueError as error:
            faults[symbol] = str(error)
    if not faults:
        return frame, ()
    odd = frame.filter(pl.col(SYMBOL).is_in(list(faults))).select(LINE, SYMBOL)
    column = "+".join(layout.columns.get(SYMBOL, (SYMBOL,)))
    rejects = tuple(
        Reject(file, line, column, faults[symbol], row)
        for (line, symbol), row in zip(odd.iter_rows(), raw(odd[LINE].to_list()), strict=True)
    )
    return frame.filter(~pl.col(SYMBOL).is_in(list(faults))), rejects


def _spill(frame: pl.DataFrame, number: int, tally: _Tally, scratch: Path) -> None:
    """Set good rows aside, symbols as numbers."""
    if frame.is_empty():
        return
    for symbol, count in frame[SYMBOL].value_counts().sort(SYMBOL).iter_rows():
        code = tally.numbers.setdefault(symbol, len(tally.numbers))
        tally.counts[code] = tally.counts.get(code, 0) + count
    path = scratch / f"rows-{number:05}-{len(tally.spill):05}.parquet"
    frame.select(
        pl.lit(number, dtype=pl.UInt32).alias(FILE),
        pl.col(LINE).cast(pl.UInt32),
        pl.col(SYMBOL).replace_strict(tally.numbers, return_dtype=pl.UInt32),
        STAMP,
        *PRICES,
        VOLUME,
    ).write_parquet(path, compression="lz4")
    tally.spill.append(path)


def _timeframe(
    file: str, layout: Layout, options: ImportOptions, spacing: Spacing, *, good_rows: int
) -> tuple[Timeframe, str]:
    """The timeframe, and what says so.  A file without good rows has the format's or the stated one, else 1d."""
    dates_only = layout.stamps.kind is StampKind.DATE
    if layout.timeframe is not None:
        if options.timeframe not in (None, layout.timeframe):
            raise BadInputError(
                file,
                f"{layout.format} hold bars of {layout.timeframe}, not {options.timeframe}",
                hint="leave --timeframe out",
            )
        return layout.timeframe, "the format"
    if options.timeframe is not None:
        if dates_only and options.timeframe.is_intraday:
            raise BadInputError(
                file, f"the times are dates, which cannot place bars of {options.timeframe} in the day"
            )
        spacing.refuse_finer(file, options.timeframe)
        return options.timeframe, "--timeframe"
    if not good_rows:
        return _DAY, "nothing: there are no rows"
    return spacing.timeframe(file, dates_only=dates_only), "the spacing of the bars"


def _bad_row(shown: list[Reject], count: int) -> BadInputError:
    first = shown[0]
    more = ""
    if count > 1:
        more = f"{count - 1} more bad {'row' if count == 2 else 'rows'} in this file, the next on line {shown[1].line}; "
    return BadInputError(
        first.file,
        first.reason,
        line=first.line,
        column=first.column or None,
        hint=f"{more}nothing was imported; --skip-bad imports the rest and writes the bad rows to a file",
    )
