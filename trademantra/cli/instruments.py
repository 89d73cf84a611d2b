"""`tm instruments`: import brokers' instrument files and ask the master."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.errors import InvalidValueError, TradeMantraError, UnknownInstrumentError
from trademantra.core.instrument import Exchange, Instrument, plain
from trademantra.core.time import IST, parse_date

if TYPE_CHECKING:
    from trademantra.data.instruments.chain import Chain
    from trademantra.data.instruments.index import InstrumentIndex, Listing

_BROKERS = "kite, upstox, angelone or dhan"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
On = Annotated[
    str, typer.Option("--on", help="As of this day (YYYY-MM-DD); without it, as the newest files say.")
]
OnExchange = Annotated[
    str, typer.Option("--exchange", help="NSE, BSE, MCX ... where the name alone is not enough.")
]


def register(app: typer.Typer) -> None:
    """Add the command group `instruments`."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode="rich", help="Contracts, symbols, tokens, lots and ticks."
    )
    group.command(
        "import", epilog="Example: tm instruments import instruments.csv --broker kite --as-of 2026-08-18"
    )(import_)
    group.command(
        epilog="Examples: tm instruments find NIFTY26AUG24500CE · tm instruments find INE002A01018"
    )(find)
    group.command(epilog="Example: tm instruments chain NIFTY --expiry 2026-08-25")(chain)
    group.command("list", epilog="Example: tm instruments list")(list_)
    app.add_typer(group, name="instruments", rich_help_panel="Data and facts")


def import_(
    files: Annotated[
        list[Path], typer.Argument(help="CSV, JSON (also .gz) or Parquet as the broker publishes them.")
    ],
    broker: Annotated[str, typer.Option("--broker", help=_BROKERS)],
    as_of: Annotated[str, typer.Option("--as-of", help="The day of the files (YYYY-MM-DD).")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad rows out and list them in a file.")
    ] = False,
    rejects: Annotated[Path, typer.Option("--rejects", help="Where --skip-bad lists them.")] = Path(
        "instrument-rejects.csv"
    ),
    allow_shrink: Annotated[
        bool,
        typer.Option("--allow-shrink", help="Also when over half of a segment is missing from the file."),
    ] = False,
) -> None:
    """Bring the instrument master up to a broker's files of one day.

    Listings that the files lack or state differently end on that day; nothing is ever deleted.
    """
    from trademantra.data.instruments.master import import_files, master_path, write_rejects

    report = import_files(
        master_path(),
        files,
        broker=broker,
        as_of=parse_date(as_of),
        today=datetime.now(IST).date(),
        skip_bad=skip_bad,
        allow_shrink=allow_shrink,
    )
    changes = report.changes
    typer.echo(
        f"{broker}, {report.as_of}: {changes.rows} instruments; {changes.opened} listings opened, {changes.closed} closed, "
        f"{changes.new_contracts} new to the master"
    )
    for reason, count in sorted(report.remarks.items()):
        typer.echo(f"  {reason}: {count}")
    if report.rejects:
        write_rejects(report.rejects, rejects)
        typer.echo(f"  bad rows left out: {len(report.rejects)}, listed in {rejects}")


def find(
    name: Annotated[str, typer.Argument(help="A symbol as any broker writes it, a token, an ISIN or a key.")],
    broker: Annotated[str, typer.Option("--broker", help=f"Whose symbol or token it is: {_BROKERS}.")] = "",
    exchange: OnExchange = "",
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Find instruments by any name and show what each broker calls them."""
    index = _open()
    day = parse_date(on) if on else None
    found = _answers(index, name, broker or None, _exchange(exchange), day)
    listed = [(instrument, index.listings(instrument, on=day)) for instrument in found]
    if as_json:
        typer.echo(
            json.dumps([_as_record(instrument, listings) for instrument, listings in listed], indent=1)
        )
        return
    for instrument, listings in listed:
        _show(instrument, listings)


def chain(
    underlying: Annotated[
        str, typer.Argument(help="The exchange's name: NIFTY, BANKNIFTY, RELIANCE, CRUDEOIL.")
    ],
    expiry: Annotated[str, typer.Option("--expiry", help="YYYY-MM-DD; without it, the nearest one.")] = "",
    broker: Annotated[str, typer.Option("--broker", help=f"Only what this broker lists: {_BROKERS}.")] = "",
    exchange: OnExchange = "",
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Show the future and the options of one expiry."""
    index = _open()
    day = parse_date(on) if on else None
    where = _exchange(exchange)
    expiries = index.expiries(underlying.upper(), exchange=where, broker=broker or None, on=day)
    chosen = parse_date(expiry) if expiry else expiries[0]
    found = index.chain(underlying.upper(), chosen, exchange=where, broker=broker or None, on=day)
    if as_json:
        typer.echo(json.dumps(_chain_record(found, expiries), indent=1))
        return
    _show_chain(found, expiries)


def list_(as_json: AsJson = False) -> None:
    """What the master holds, by broker and segment."""
    from trademantra.data.instruments.master import master_path, summaries

    found = summaries(master_path())
    if as_json:
        records = [
            {
                "broker": one.broker,
                "venue": one.venue,
                "open": one.open,
                "closed": one.closed,
                "first": one.first.isoformat(),
                "newest": one.newest.isoformat(),
            }
            for one in found
        ]
        typer.echo(json.dumps(records, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("broker", "segment", "first file", "newest file", title="Instrument master")
    for heading in ("open", "closed"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.broker, one.venue, str(one.first), str(one.newest), f"{one.open:,}", f"{one.closed:,}"
        )
    Console(emoji=False).print(table)


def _open() -> "InstrumentIndex":
    from trademantra.data.instruments.index import InstrumentIndex
    from trademantra.data.instruments.master import master_path

    return InstrumentIndex(master_path())


def _exchange(name: str) -> Exchange | None:
    if not name:
        return None
    try:
        return Exchange(name.upper())
    except ValueError as error:
        known = ", ".join(Exchange)
        raise InvalidValueError(f"there is no exchange {name!r}", hint=f"known: {known}") from error


def _answers(
    index: "InstrumentIndex", name: str, broker: str | None, exchange: Exchange | None, day: date | None
) -> tuple[Instrument, ...]:
    """Everything that the name can mean; a name that means two things shows both."""
    found: dict[str, Instrument] = {}
    problem: TradeMantraError | None = None
    for exact in (exchange,) if exchange else (None, *Exchange):
        try:
            instrument = index.by_symbol(name, broker=broker, exchange=exact, on=day)
        except TradeMantraError as error:
            problem = problem or error
        else:
            found.setdefault(instrument.key, instrument)
            if exact is None:
                break
    for instrument in index.search(name, broker=broker, on=day):
        if exchange in (None, instrument.exchange):
            found.setdefault(instrument.key, instrument)
    if not found:
        raise problem or UnknownInstrumentError(f"nothing answers to {name!r}")
    return tuple(found.values())


def _as_record(instrument: Instrument, listings: "tuple[Listing, ...]" = ()) -> dict[str, object]:
    record: dict[str, object] = {
        "key": instrument.key,
        "exchange": instrument.exchange.value,
        "segment": instrument.segment.value,
        "kind": instrument.kind.value,
        "symbol": instrument.symbol,
        "underlying": instrument.underlying,
        "expiry": instrument.expiry.isoformat() if instrument.expiry else None,
        "strike": None if instrument.strike is None else plain(instrument.strike),
        "right": instrument.right.value if instrument.right else None,
        "lot_size": plain(instrument.lot_size),
        "tick_size": plain(instrument.tick_size),
        "freeze_quantity": None if instrument.freeze_quantity is None else plain(instrument.freeze_quantity),
        "multiplier": plain(instrument.multiplier),
        "quantity_unit": instrument.quantity_unit.value,
        "isin": instrument.isin,
        "series": instrument.series,
        "name": instrument.name,
        "has_derivatives": instrument.has_derivatives,
    }
    if listings:
        record["listings"] = [
            {
                "broker": one.broker,
                "venue": one.venue,
                "token": one.token,
                "symbol": one.symbol,
                "valid_from": one.valid_from.isoformat(),
                "valid_to": one.valid_to.isoformat() if one.valid_to else None,
            }
            for one in listings
        ]
    return record


def _chain_record(found: "Chain", expiries: tuple[date, ...]) -> dict[str, object]:
    return {
        "underlying": found.underlying,
        "expiry": found.expiry.isoformat(),
        "expiries": [day.isoformat() for day in expiries],
        "future": _as_record(found.future) if found.future else None,
        "strikes": [
            {
                "strike": plain(one.strike),
                "call": _as_record(one.call) if one.call else None,
                "put": _as_record(one.put) if one.put else None,
            }
            for one in found.strikes
        ],
    }


def _show(instrument: Instrument, listings: "tuple[Listing, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(emoji=False)
    facts = [f"{instrument.kind.value} · {instrument.segment.value}", f"lot {plain(instrument.lot_size)}"]
    facts.append(f"tick {plain(instrument.tick_size)}")
    if instrument.freeze_quantity is not None:
        facts.append(f"freeze above {plain(instrument.freeze_quantity)}")
    facts.extend(text for text in (instrument.isin, instrument.name) if text)
    console.print(f"[bold]{instrument.key}[/bold]  " + " · ".join(facts), highlight=False)
    table = Table("broker", "segment", "symbol", "token", "since")
    for one in listings:
        table.add_row(one.broker, one.venue, one.symbol, one.token, str(one.valid_from))
    console.print(table)


def _show_chain(found: "Chain", expiries: tuple[date, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(emoji=False)
    future = found.future
    lot = next((plain(one.lot_size) for one in found.instruments), "?")
    console.print(
        f"[bold]{found.underlying} {found.expiry}[/bold]  lot {lot}  future {future.symbol if future else '-'}"
    )
    console.print(f"expiries: {', '.join(map(str, expiries))}", highlight=False)
    table = Table("call", "strike", "put")
    for one in found.strikes:
        table.add_row(
            one.call.symbol if one.call else "-", plain(one.strike), one.put.symbol if one.put else "-"
        )
    console.print(table)
