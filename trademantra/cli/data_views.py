"""What `tm data` prints: tables for people, JSON with plain numbers and ISO times for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from trademantra.cli.data_json import (
    audit_json,
    bars_json,
    entry_json,
    numbers,
    print_json,
    report_json,
    zone_of_entry,
)
from trademantra.core.bar import Timeframe
from trademantra.core.time import datetime_of
from trademantra.data.audit import Audit
from trademantra.data.imports.model import FileReport, ImportReport
from trademantra.data.imports.reading import Plan
from trademantra.data.store import Entry

if TYPE_CHECKING:
    from trademantra.engine.bars import Bars

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_SERIES = 20
_MOST_FINDINGS = 20
_MOST_SPARK = 120
_USUAL_NAME = 24
_LEAST_SOURCE = 10
# Two dates, a size, and the blanks between six columns.
_OTHER_LIST_COLUMNS = 41


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as one line of at most `width` block characters; each shows the mean of the values that it covers.

    >>> sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8)
    '▁▂▃▄▅▆▇█'
    """
    count = min(width, len(values))
    if count < 1:
        return ""
    edges = [i * len(values) // count for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, span = min(means), max(means) - min(means)
    if span <= 0:
        return _BLOCKS[3] * count
    return "".join(_BLOCKS[min(7, int((mean - low) / span * 8))] for mean in means)


class ImportView:
    """Shows an import as it goes: how each new kind of file is read, and on a terminal a bar of progress."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = _console()
        # Waiting is shown where people look, and never mixed into what programs read.
        errors = _console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=errors,
            transient=True,
            disable=quiet or not errors.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown: set[tuple[str, ...]] = set()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def planned(self, plan: Plan) -> None:
        """Show how a file is going to be read, unless one like it was shown before."""
        layout = plan.layout
        shape = (layout.format, layout.stamps.described, *(f"{f.field}={f.column}" for f in plan.fields))
        if self._quiet or shape in self._shown:
            return
        self._shown.add(shape)
        table = _table(title=escape(f"{plan.source.name}: {layout.format}"))
        for heading in ("field", "their column", "sample", "read as"):
            table.add_column(heading, overflow="fold")
        for shown in plan.fields:
            table.add_row(
                *(escape(text) for text in (shown.field, shown.column, shown.sample, shown.read_as))
            )
        self._console.print(table)

    def progressed(self, what: str, done: int, size: int) -> None:
        """Move the bar of a file, or of storing."""
        if what not in self._tasks:
            for task in self._tasks.values():
                self._bar.remove_task(task)
            self._tasks = {what: self._bar.add_task(escape(what[-40:]), total=max(size, 1))}
        self._bar.update(self._tasks[what], completed=done, total=max(size, 1))

    def finished(self, report: ImportReport, rejects: Path, *, as_json: bool) -> None:
        """The outcome."""
        if as_json:
            print_json(report_json(report, rejects))
            return
        _print_files(self._console, report.files)
        _print_series(self._console, report)
        if report.rejected:
            self._console.print(
                f"[yellow]{_many(report.rejected, 'bad row')} left out; see {escape(str(rejects))}[/yellow]"
            )
        if not report.written:
            self._console.print("Dry run: nothing was stored.")


def print_entries(entries: Sequence[Entry], root: Path, *, as_json: bool) -> None:
    """`tm data list`."""
    if as_json:
        print_json([entry_json(entry) for entry in entries])
        return
    console = _console()
    if not entries:
        console.print(f"No market data is stored in {escape(str(root))}.")
        console.print("Make sample data: [bold]tm data sample[/bold]")
        console.print("Bring in your own files: [bold]tm data import FILES…[/bold]")
        return
    table = _table()
    names = [str(entry.series) for entry in entries]
    _series_column(table, names)
    _number_column(table, "bars")
    for heading in ("first", "last"):
        table.add_column(heading, no_wrap=True)
    used = min(max(map(len, names)), _USUAL_NAME) + max(len(f"{entry.rows:,}") for entry in entries)
    room = console.width - used - _OTHER_LIST_COLUMNS
    if room >= _LEAST_SOURCE:
        table.add_column("size", justify="right", no_wrap=True)
        table.add_column("source", no_wrap=True, max_width=room)
    for entry in entries:
        cells = [
            escape(str(entry.series)),
            f"{entry.rows:,}",
            *(_local(ns, zone_of_entry(entry), intraday=False) for ns in (entry.first_ns, entry.last_ns)),
            _size(entry.bytes),
            escape(_provenance(entry)),
        ]
        table.add_row(*cells[: len(table.columns)])
    console.print(table)
    total = sum(entry.bytes for entry in entries)
    console.print(f"{_many(len(entries), 'series', 'series')}, {_size(total)}, in {escape(str(root))}")


def print_audits(audits: Sequence[Audit], *, as_json: bool) -> None:
    """`tm data check`."""
    if as_json:
        print_json([audit_json(each) for each in audits])
        return
    console = _console()
    summary = _table()
    for heading in ("series", "bars", "expected", "missing", "findings"):
        summary.add_column(
            heading, justify="left" if heading in ("series", "findings") else "right", overflow="fold"
        )
    for each in audits:
        kinds: dict[str, int] = {}
        for finding in each.report.findings:
            kinds[str(finding.fault)] = kinds.get(str(finding.fault), 0) + 1
        found = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
        report = each.report
        summary.add_row(
            escape(str(each.entry.series)), f"{report.bars:,}", f"{report.expected:,}", f"{report.missing:,}",
            f"[yellow]{found}[/yellow]" if found else "[green]none[/green]",
        )  # fmt: skip
    console.print(summary)
    for each in audits:
        if each.report.findings:
            _print_findings(console, each)
    for each in audits:
        for remark in each.remarks:
            console.print(escape(f"{each.entry.series}: {remark}"))
    bad = sum(not each.report.is_clean for each in audits)
    console.print(f"{_many(len(audits), 'series', 'series')} checked, {bad or 'none'} with findings.")


@dataclass(frozen=True, slots=True)
class BarsShown:
    """Bars to show: `rows` of them as a table; `made_from` shorter ones where they are not stored as such."""

    entry: Entry
    bars: "Bars"
    rows: int
    adjusted: bool
    made_from: Timeframe | None = None


def print_bars(shown: BarsShown, *, as_json: bool) -> None:
    """`tm data show`."""
    entry, bars = shown.entry, shown.bars
    begin = max(0, len(bars) - shown.rows)
    if as_json:
        made_from = str(shown.made_from) if shown.made_from else None
        print_json(bars_json(entry, bars, begin, adjusted=shown.adjusted, made_from=made_from))
        return
    console = _console()
    console.print(f"[bold]{escape(str(entry.series))}[/bold]  {escape(_kind(shown))}")
    if entry.info.synthetic:
        console.print(
            f"[yellow]SYNTHETIC: invented prices, not a market. {escape(entry.info.label)}[/yellow]"
        )
    table = _table()
    table.add_column("start", no_wrap=True)
    for name in ("open", "high", "low", "close", "volume"):
        _number_column(table, name)
    for i in range(begin, len(bars)):
        values = numbers(bars, i)
        table.add_row(
            _time(entry, int(bars.ts[i])),
            *(f"{values[name]:,.{_decimals(bars)}f}" for name in ("open", "high", "low", "close")),
            f"{values['volume']:,.10g}" if values["volume"] % 1 else f"{values['volume']:,.0f}",
        )
    if begin:
        console.print(f"the last {len(bars) - begin} of {len(bars):,} bars; --rows lists more")
    console.print(table)
    closes = bars.close.tolist()
    console.print(sparkline(closes, min(console.width, _MOST_SPARK)), no_wrap=True, overflow="crop")
    low, high, change = min(closes), max(closes), (closes[-1] / closes[0] - 1) * 100
    console.print(
        f"closes of {len(bars):,} bars from {_time(entry, int(bars.ts[0]))} to {_time(entry, int(bars.ts[-1]))}: "
        f"{low:,.{_decimals(bars)}f} to {high:,.{_decimals(bars)}f}, {change:+.2f} %"
    )


def _console(*, stderr: bool = False) -> Console:
    """A console that prints names as they are: `NSE:ABC:1m` must not become a picture of letters."""
    return Console(stderr=stderr, highlight=False, emoji=False)


def _table(*, title: str = "") -> Table:
    """A table with few lines, so that names and numbers have the room."""
    return Table(
        title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _number_column(table: Table, name: str) -> None:
    """A column of numbers, of which no digit is ever cut off."""
    table.add_column(name, justify="right", overflow="fold")


def _series_column(table: Table, names: Sequence[str]) -> None:
    """A first column that keeps usual names on one line and folds only very long ones."""
    longest = max((len(name) for name in names), default=6)
    table.add_column("series", overflow="fold", min_width=min(longest, _USUAL_NAME))


def _print_files(console: Console, files: Sequence[FileReport]) -> None:
    """What was read, in a line for each different way of reading, then remarks, each once."""
    groups: dict[tuple[str, ...], list[FileReport]] = {}
    for file in files:
        key = (
            file.exchange,
            str(file.timeframe),
            file.timeframe_from,
            str(file.stamp),
            file.zone,
            str(file.adjusted),
        )
        groups.setdefault(key, []).append(file)
    for group in groups.values():
        one = group[0]
        rows = sum(file.rows for file in group)
        ends = "ends of bars, moved to their start" if one.stamp == "end" else "starts of bars"
        console.print(
            escape(
                f"{_many(len(group), 'file')}, {_many(rows, 'row')}: {one.exchange}, {one.timeframe} (from "
                f"{one.timeframe_from}), times: {one.zone}, {ends}, prices {'adjusted' if one.adjusted else 'raw'}"
            )
        )
    for text, count in _counted(files):
        console.print(escape(f"  {_many(count, 'row')} {text}"))
    for notice in dict.fromkeys(notice for file in files for notice in file.notices):
        console.print(escape(f"  note: {notice}"))


def _counted(files: Sequence[FileReport]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for file in files:
        for text, count in file.left_out.items():
            counts[f"left out: {text}"] = counts.get(f"left out: {text}", 0) + count
        for text, count in file.changed.items():
            counts[text] = counts.get(text, 0) + count
    return list(counts.items())


def _print_series(console: Console, report: ImportReport) -> None:
    table = _table()
    _series_column(table, [str(each.series) for each in report.series[:_MOST_SERIES]])
    for heading in ("bars", "new", "same", "changed"):
        _number_column(table, heading)
    for heading in ("first", "last"):
        table.add_column(heading, no_wrap=True)
    for each in islice(report.series, _MOST_SERIES):
        table.add_row(
            escape(str(each.series)),
            *(f"{count:,}" for count in (each.bars, each.new, each.same, each.changed)),
            *(_local(ns, each.series.zone, intraday=False) for ns in (each.first_ns, each.last_ns)),
        )
    console.print(table)
    if len(report.series) > _MOST_SERIES:
        console.print(f"… and {len(report.series) - _MOST_SERIES:,} more series")
    if report.doubles:
        console.print(f"{_many(report.doubles, 'exact duplicate row')} dropped")
    new = sum(each.new + each.changed for each in report.series)
    verb = "stored" if report.written else "to store"
    console.print(
        f"[green]{_many(new, 'bar')} {verb} in {_many(len(report.series), 'series', 'series')}.[/green]"
    )


def _print_findings(console: Console, audit: Audit) -> None:
    table = _table(title=escape(str(audit.entry.series)))
    for heading in ("fault", "first", "last"):
        table.add_column(heading, no_wrap=True)
    _number_column(table, "bars")
    table.add_column("detail", overflow="fold")
    for row in audit.report.rows()[:_MOST_FINDINGS]:
        table.add_row(*(escape(text) for text in row))
    console.print(table)
    if (more := len(audit.report.findings) - _MOST_FINDINGS) > 0:
        console.print(f"… and {more:,} more; --json lists all")


def _decimals(bars: "Bars") -> int:
    """Digits that the last prices are written with: two, or as many as they need, at most eight."""
    return max([2, *(len(f"{price:.8f}".rstrip("0").split(".")[1]) for price in bars.close[-200:])])


def _provenance(entry: Entry) -> str:
    labels = [entry.info.source or "unknown"]
    if entry.info.synthetic:
        labels.insert(0, "SYNTHETIC:")
    if entry.info.adjusted:
        labels.append("(adjusted)")
    return " ".join(labels)


def _kind(shown: BarsShown) -> str:
    if shown.entry.info.adjusted:
        how = "adjusted for splits by its source"
    elif shown.adjusted:
        how = "adjusted for splits and bonuses on file"
    else:
        how = "raw prices"
    source = shown.entry.info.source or "an unknown source"
    made = f"made from {shown.made_from}, " if shown.made_from else ""
    return f"{made}{how}, from {source}, times in {zone_of_entry(shown.entry).key}"


def _time(entry: Entry, ns: int) -> str:
    return _local(ns, zone_of_entry(entry), intraday=entry.series.timeframe.is_intraday)


def _local(ns: int, zone: ZoneInfo, *, intraday: bool) -> str:
    at = datetime_of(ns, zone)
    if not intraday:
        return f"{at:%Y-%m-%d}"
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
