"""`tm desk run`: several strategies, accounts, instruments and timeframes in one desk, from a file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.desk_options import DeskCommand, add
from trademantra.cli.places import DatabaseOption, DataDirectory
from trademantra.cli.text_files import text_of
from trademantra.core.errors import BadInputError

if TYPE_CHECKING:
    from trademantra.cli.planned_session import Planned

_EPILOG = "Examples: [bold]tm desk run --example > desk.toml[/bold] · [bold]tm desk run desk.toml[/bold] · [bold]tm desk run --account asha[/bold]"
_EXAMPLE = """\
# tm desk run desk.toml: every strategy in one process, until Ctrl-C.  Accounts: tm account list.

[[strategy]]
strategy = "supertrend"         # of the library, or a .py file
account = "practice"            # paper or live: the account says it
symbols = ["INFY", "NSE:TCS"]
timeframe = "5m"
set = { length = 10, multiplier = 3.0 }
cash = 200_000                  # of each instrument
costs = "zerodha:MIS"
stop = "1%"
leave = "15:05"                 # square-off, before the broker's own
first_entry = "09:20"           # nothing is entered before
last_entry = "14:30"            # nor from then on

[[strategy]]
strategy = "opening_range_breakout"
account = "practice"
symbols = ["RELIANCE"]
timeframe = "1m"
cash = 500_000
size = "risk:0.005"
stop = "0.5%"
target = "1%"

[[strategy]]
strategy = "donchian_breakout"
account = "practice"
symbols = ["INFY"]
timeframe = "1d"                # decided on after the close, done at the next open
costs = "zerodha:CNC"           # carried overnight
cash = 100_000
stop = "5%"
# trail = "0.5%"; short = true; session = "NAME" goes on with one that was interrupted

# [[account]]                   # served without a strategy: for orders by hand (tm desk place)
# id = "asha"
"""
_WORDS = ("strategy", "account", "timeframe", "costs", "size", "stop", "target", "trail", "session")
_TIMES = ("leave", "first_entry", "last_entry")
_KEYS = (*_WORDS, *_TIMES, "symbols", "set", "cash", "short")
_ALSO = {"symbol": "symbols"}  # as the option is called
_NEEDED = ("strategy", "account", "symbols")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def register(desk_app: typer.Typer) -> None:
    """Add `run` to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("run", run, _EPILOG))


def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The strategies, in TOML; --example shows one.")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account", metavar="NAME", help="Serve this account, also without a strategy; may be repeated."
        ),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print such a file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The last line is one JSON object.")] = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Trade several strategies in one desk, each in its account, until Ctrl-C.

    Accounts without a strategy are served for orders by hand (tm desk place) and for sessions that begin later
    (tm desk start).
    Then entries are taken back, and what is held stays protected; each session is named, to go on with.
    """
    if example:
        typer.echo(_EXAMPLE, nl=False)
        return
    if file is None and not account:
        raise typer.BadParameter(
            "name the file with the strategies, or --example for one; or an account: --account"
        )
    from trademantra.cli.live import run_desk
    from trademantra.data.home import chosen_home

    planned = [] if file is None else planned_in(file, data_dir)
    served = [*(() if file is None else served_in(file)), *(account or ())]
    run_desk(chosen_home(data_dir), planned, database, served=served, as_json=as_json)


def planned_in(file: Path, data_dir: Path | None) -> "Sequence[Planned]":
    """The strategies of a file.  Errors: `BadInputError` naming table and key."""
    tables = tables_in(file, "strategy")
    if not tables and not tables_in(file, "account"):
        raise BadInputError(
            file, "names no strategy and no account", hint="each is a table [[strategy]]; see --example"
        )
    made = [planned_from(file, number, table, data_dir) for number, table in enumerate(tables, 1)]
    sessions = [each.session for each in made if each.session is not None]
    if len(set(sessions)) != len(sessions):
        raise BadInputError(file, "two strategies name one session", hint="give each its own")
    return made


def served_in(file: Path) -> Sequence[str]:
    """Accounts of a file that are served also without a strategy.  Errors: `BadInputError`."""
    found = []
    for number, table in enumerate(tables_in(file, "account"), 1):
        if not isinstance(table, dict) or set(table) != {"id"}:
            raise BadInputError(
                file, f"account {number} must have an id, and nothing else", hint='id = "asha"'
            )
        found.append(_word(file, f"account {number}", "id", table["id"]))
    return found


def tables_in(file: Path, name: str) -> list[object]:
    """The tables of one name.  Errors: `BadInputError`."""
    try:
        plain = tomllib.loads(text_of(file, hint="tm desk run --example prints one"))
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(file, f"is no TOML: {error}", hint="tm desk run --example prints one") from error
    tables = plain.get(name, [])
    unknown = [key for key in plain if key not in ("strategy", "account")]
    if unknown:
        raise BadInputError(
            file,
            f"{unknown[0]!r} is not known",
            hint="each strategy is a table [[strategy]], each account [[account]]",
        )
    if not isinstance(tables, list):
        raise BadInputError(file, f"names no {name}", hint=f"each is a table [[{name}]]; see --example")
    return tables


def planned_from(file: Path, number: int, table: object, data_dir: Path | None) -> "Planned":
    """One strategy's table.  Errors: `BadInputError` naming table and key."""
    from trademantra.cli.planned_session import Planned, SessionOptions, live_options

    where = f"strategy {number}"
    if not isinstance(table, dict):
        raise BadInputError(file, f"{where} is no table")
    for other, meant in _ALSO.items():
        if other in table and meant in table:
            raise BadInputError(file, f"{where}: {other} and {meant} say the same", hint=f"leave {other} out")
    table = {_ALSO.get(str(key), str(key)): value for key, value in table.items()}
    for key in table:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            guess = f"did you mean {near[0]}?  " if near else ""
            raise BadInputError(
                file, f"{where}: {key!r} is not known", hint=f"{guess}known: {', '.join(_KEYS)}"
            )
    for key in _NEEDED:
        if key not in table:
            raise BadInputError(file, f"{where}: {key} is missing")
    words = {key: _word(file, where, key, table[key]) for key in _WORDS if key in table}
    times = {key: _time(file, where, key, table[key]) for key in _TIMES if key in table}
    cash, short = table.get("cash", 1_000_000.0), table.get("short")
    if isinstance(cash, bool) or not isinstance(cash, int | float) or not cash > 0:
        raise BadInputError(file, f"{where}: cash must be a number above 0, got {cash!r}")
    if short is not None and not isinstance(short, bool):
        raise BadInputError(file, f"{where}: short must be true or false, got {short!r}")
    chosen = SessionOptions(
        symbol=_symbols(file, where, table["symbols"]), timeframe=words.get("timeframe"),
        settings=_settings(file, where, table.get("set", {})), cash=float(cash), costs=words.get("costs", "zerodha:MIS"),
        size=words.get("size"), stop=words.get("stop"), target=words.get("target"), trail=words.get("trail"), short=short,
    )  # fmt: skip
    options = live_options(words["strategy"], chosen, data_dir)
    return Planned(
        options,
        words["account"],
        words.get("session"),
        None,
        times.get("leave"),
        times.get("last_entry"),
        times.get("first_entry"),
    )


def _word(file: Path, where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadInputError(file, f"{where}: {key} must be a text, got {value!r}")
    return value


def _time(file: Path, where: str, key: str, value: object) -> time:
    if isinstance(value, time):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise BadInputError(file, f'{where}: {key} must be a time such as "15:05", got {value!r}')
    return time(int(found[1]), int(found[2]))


def _symbols(file: Path, where: str, value: object) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(each, str) and each for each in names):
        raise BadInputError(file, f'{where}: symbols must be a list such as ["INFY", "NSE:TCS"]')
    return names


def _settings(file: Path, where: str, value: object) -> list[str]:
    if not isinstance(value, Mapping):
        raise BadInputError(file, f"{where}: set must be a table such as {{ length = 10 }}")
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise BadInputError(file, f"{where}: set.{name} must be a number, got {number!r}")
    return [f"{name}={number}" for name, number in value.items()]
