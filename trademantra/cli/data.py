"""`tm data`: bring market data in, see what is there, check it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError
from trademantra.core.time import parse_date, parse_zone

if TYPE_CHECKING:
    from trademantra.data.imports.model import ImportOptions
    from trademantra.data.store import BarStore, Entry

data_app = typer.Typer(
    name="data",
    help="Market data: import, list, check, show.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
_PROBLEMS = 1

_IMPORT_EXAMPLES = (
    "Examples: [bold]tm data import cm05JUL2024bhav.csv.zip[/bold] · "
    "[bold]tm data import INFY.csv --exchange NSE --symbol INFY --timezone Asia/Kolkata[/bold] · "
    "[bold]tm data import *.csv --exchange NSE --symbol-from-name --map ts=Date+Time --skip-bad[/bold]"
)


def register(app: typer.Typer) -> None:
    """Add `tm data` with its commands to `app`; calling it again adds nothing twice."""
    if all(group.typer_instance is not data_app for group in app.registered_groups):
        app.add_typer(data_app, rich_help_panel="Data and facts")


@data_app.command("import", epilog=_IMPORT_EXAMPLES)
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="CSV, JSON and Parquet files, gzipped or zipped, or folders of them.")
    ],
    exchange: Annotated[
        str | None, typer.Option(help="Exchange, where the file does not say: NSE, MCX, BINANCE …")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbol, where no column has it: RELIANCE or NSE:RELIANCE.")
    ] = None,
    symbol_from_name: Annotated[
        bool, typer.Option("--symbol-from-name", help="Each file is named after its symbol: INFY.csv.")
    ] = False,
    timeframe: Annotated[
        str | None, typer.Option(help="1m, 5m, 1d …; default: what the spacing of the bars shows.")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Column of a field, repeatable: open=O, ts=Date+Time, volume=- (none), ts=1 (no header).",
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Where times without an offset are at home: Asia/Kolkata, UTC.")
    ] = None,
    stamp: Annotated[str | None, typer.Option(help="What times name: start or end of a bar.")] = None,
    date_format: Annotated[
        str | None, typer.Option(help="dd-mm-yyyy, mm/dd/yyyy, or strftime letters: '%d.%m.%Y %H:%M'.")
    ] = None,
    decimal: Annotated[str, typer.Option(help="Decimal mark of numbers: . or a comma.")] = ".",
    series: Annotated[
        str,
        typer.Option(
            help="NSE series of a cash bhavcopy, by commas, or all. Others than EQ, BE, BZ become SYMBOL-SERIES."
        ),
    ] = "EQ,BE,BZ",
    only: Annotated[
        str | None, typer.Option(help="Only these symbols (for F&O: underlyings), by commas.")
    ] = None,
    lot_size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYMBOL=UNITS", help="Lot in an old F&O file that does not prove it, repeatable."
        ),
    ] = None,
    adjusted: Annotated[
        bool | None,
        typer.Option(
            "--adjusted/--raw", help="Prices are adjusted for splits already, or raw.", show_default="raw"
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="New bars win over stored ones that differ.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import good rows; write bad ones to a file.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(help="File for bad rows; default: import-rejects.csv, numbered if it exists."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    data_dir: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Import bars from files: bhavcopies, broker history, Binance klines, and any table of open, high, low, close.

    How each file is read is shown first.  Every row of every file is checked before anything is stored: a bad
    row stops the import, naming file, line and column, and leaves your data as it was.
    """
    from trademantra.cli.data_views import ImportView
    from trademantra.data.exchange_names import exchange_named
    from trademantra.data.imports.columns import parse_mapping
    from trademantra.data.imports.importer import ImportJob, run
    from trademantra.data.imports.model import ImportOptions, Stamp

    if stamp is not None and stamp not in list(Stamp):
        raise InvalidValueError(f"--stamp {stamp!r}", hint="write start or end")
    if decimal not in (".", ","):
        raise InvalidValueError(f"--decimal {decimal!r}", hint="write . or ,")
    if symbol is not None and symbol_from_name:
        raise InvalidValueError("--symbol and --symbol-from-name contradict each other")
    options = ImportOptions(
        exchange=exchange_named(exchange) if exchange else None,
        symbol=symbol,
        symbol_from_name=symbol_from_name,
        timeframe=Timeframe.parse(timeframe) if timeframe else None,
        mapping=parse_mapping(mapping or []),
        timezone=parse_zone(timezone) if timezone else None,
        stamp=Stamp(stamp) if stamp else None,
        date_format=date_format,
        decimal=decimal,
        series=_listed(series),
        lot_sizes=_lot_sizes(lot_size or []),
        adjusted=adjusted,
        only=_listed(only or ""),
        replace=replace,
        skip_bad=skip_bad,
    )
    _refuse_unusable(options)
    target = _free_name(rejects)
    root = _root(data_dir)
    with ImportView(quiet=as_json) as view:
        job = ImportJob(
            paths=[path.expanduser() for path in files],
            options=options,
            rejects=target,
            dry_run=dry_run,
            on_plan=view.planned,
            progress=view.progressed,
            scratch=root if root.is_dir() else None,
        )
        try:
            report = run(job, _store(root))
        except BaseException:
            view.stop()
            if skip_bad and target.exists():
                typer.echo(f"bad rows are in {target}", err=True)
            raise
    view.finished(report, target, as_json=as_json)


@data_app.command("list", epilog="Examples: [bold]tm data list[/bold] · [bold]tm data list --json[/bold]")
def list_(data_dir: DataDirectory = None, as_json: AsJson = False) -> None:
    """What is stored: series, bars, first and last bar, size, source."""
    from trademantra.cli.data_views import print_entries

    root = _root(data_dir)
    damaged: list[BadInputError] = []
    print_entries(_store(root).series(damaged), root, as_json=as_json)
    _tell(damaged)


@data_app.command(
    "check",
    epilog="Examples: [bold]tm data check[/bold] · [bold]tm data check RELIANCE NSE:INFY:1m --json[/bold]",
)
def check(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="RELIANCE, NSE:RELIANCE or NSE:RELIANCE:5m; default: everything."),
    ] = None,
    data_dir: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Look for gaps, duplicates, bars outside sessions, impossible prices and unexplained jumps.

    Nothing is changed.  The exit code is 1 when something was found, so that scripts can stop.
    """
    from trademantra.cli.data_views import print_audits
    from trademantra.data.audit import audit
    from trademantra.data.find import find_all

    root = _root(data_dir)
    store = _store(root)
    damaged: list[BadInputError] = []
    entries = store.series(damaged)
    if symbols:
        entries = tuple(
            sorted(
                {entry.series: entry for text in symbols for entry in find_all(entries, text)}.values(),
                key=_by_series,
            )
        )
    elif not entries and not damaged:
        raise _nothing_stored(root)
    audits = []
    for entry in entries:
        try:
            audits.append(audit(store, entry))
        except BadInputError as error:  # damage inside, which the footers do not show
            damaged.append(error)
    print_audits(audits, as_json=as_json)
    _tell(damaged)
    if any(not each.report.is_clean for each in audits):
        raise typer.Exit(_PROBLEMS)


def _tell(damaged: "list[BadInputError]") -> None:
    """Name files that cannot be read; leaves with exit code 1 when there are any."""
    for error in damaged:
        typer.secho(f"damaged: {error.message}", err=True, fg="red")
        if error.hint:
            typer.echo(f"    {error.hint}", err=True)
    if damaged:
        raise typer.Exit(_PROBLEMS)


@data_app.command(
    "show",
    epilog="Examples: [bold]tm data show NSE:RELIANCE:1d[/bold] · "
    "[bold]tm data show RELIANCE --timeframe 5m --from 2026-01-01 --rows 20[/bold]",
)
def show(
    symbol: Annotated[str, typer.Argument(help="RELIANCE, NSE:RELIANCE or NSE:RELIANCE:5m.")],
    timeframe: Annotated[
        str | None, typer.Option(help="5m, 1h, 1d …: made from shorter bars where it is not stored.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Last day, YYYY-MM-DD, included.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many bars to list; the last ones are.")] = 10,
    adjusted: Annotated[
        bool, typer.Option("--adjusted", help="Adjust prices for the splits and bonuses on file.")
    ] = False,
    data_dir: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Bars of one symbol: a table of the last ones, and a line of all closes in the range."""
    from trademantra.cli.data_views import BarsShown, print_bars
    from trademantra.data.find import find_all, find_one

    root = _root(data_dir)
    store = _store(root)
    entries = store.series([])
    wanted = Timeframe.parse(timeframe) if timeframe else None
    if wanted and all(entry.series.timeframe != wanted for entry in find_all(entries, symbol)):
        from trademantra.cli.longer_bars import longer_bars

        shown = longer_bars(store, symbol, wanted, (first, last), adjusted=adjusted, rows=rows)
        print_bars(shown, as_json=as_json)
        return
    entry = find_one(entries, symbol, wanted)
    start_ns, stop_ns = _range(entry, first, last)
    bars = store.read(entry.series, start_ns, stop_ns, adjusted=adjusted)
    if not len(bars):
        raise NotFoundError(
            f"no bars of {entry.series} are stored in that range", hint="tm data list shows what there is"
        )
    print_bars(BarsShown(entry, bars, rows, adjusted=adjusted), as_json=as_json)


def _root(data_dir: Path | None) -> Path:
    from trademantra.data.home import chosen_home

    return chosen_home(data_dir)


def _store(root: Path) -> "BarStore":
    from trademantra.data.store import BarStore

    return BarStore(root / "bars")


def _by_series(entry: "Entry") -> str:
    return str(entry.series)


def _nothing_stored(root: Path) -> NotFoundError:
    return NotFoundError(
        f"no market data is stored in {root}",
        hint="tm data sample makes sample data; tm data import brings in your own files",
    )


def _range(entry: "Entry", first: str | None, last: str | None) -> tuple[int | None, int | None]:
    """Instants of the first moment of `first` and of the end of `last`, in the zone of the series."""
    from datetime import datetime, timedelta

    from trademantra.cli.data_json import zone_of_entry
    from trademantra.core.time import ns_of

    zone = zone_of_entry(entry)

    def midnight(text: str, days: int) -> int:
        day = parse_date(text) + timedelta(days=days)
        return ns_of(datetime(day.year, day.month, day.day, tzinfo=zone))

    if first and last and parse_date(first) > parse_date(last):
        raise InvalidValueError(f"--from {first} is after --to {last}")
    return (midnight(first, 0) if first else None), (midnight(last, 1) if last else None)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().upper() for word in text.split(",") if word.strip()))


def _lot_sizes(texts: list[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for text in texts:
        name, equals, units = text.partition("=")
        if not equals or not name.strip() or not units.strip().isdecimal() or int(units) < 1:
            raise InvalidValueError(f"--lot-size {text!r} is not SYMBOL=UNITS", hint="for example NIFTY=50")
        sizes[name.strip().upper()] = int(units)
    return sizes


def _refuse_unusable(options: "ImportOptions") -> None:
    """A symbol that can name no series is told before any file is read."""
    from trademantra.data.series import Series

    if options.symbol is not None:
        Series("NSE", options.symbol.strip(), Timeframe(1, "d"))


def _free_name(stated: Path | None) -> Path:
    """Where bad rows go: the stated file, or the first free default name, so that nothing is overwritten."""
    if stated is not None:
        return stated.expanduser()
    number = 1
    while (path := Path(f"import-rejects{'' if number == 1 else f'-{number}'}.csv")).exists():
        number += 1
    return path
