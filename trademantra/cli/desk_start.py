"""`tm desk start`: one more strategy, or those of a file, in a desk that runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_asking import ask_desk, say_answer, served_account
from trademantra.cli.desk_options import DeskCommand, OneAccount, SessionOption, Yes, add
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory
from trademantra.cli.planned_session import SessionOptions
from trademantra.core.errors import BadInputError, InvalidValueError

_LEFT_ALONE = 1
_EPILOG = (
    "Examples: [bold]tm desk start supertrend --symbol INFY --timeframe 5m[/bold] · "
    "[bold]tm desk start orb.py --account asha --symbol NSE:TCS --size risk:0.005 --stop 0.5%[/bold] · "
    "[bold]tm desk start more.toml[/bold] (as for tm desk run)"
)


def register(desk_app: typer.Typer) -> None:
    """Add `start` to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("start", start, _EPILOG))


def start(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STRATEGY|FILE", help="A strategy of the library, a .py file, or a .toml of several."
        ),
    ],
    account: OneAccount = None,
    session: SessionOption = None,
    yes: Yes = False,
    timeout: Annotated[float, typer.Option(min=0.5, help="Seconds to wait until it runs.")] = 120.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
    *,
    asked: SessionOptions,
) -> None:
    """Have the running desk begin one more session; the others notice nothing.  tm desk stop SESSION ends one.

    The desk must serve the account already (tm desk run --account).  Refused, with the reason: while the account is not
    ready, where the strategy may not trade live yet, and where it trades or holds these instruments already.
    """
    from trademantra.cli.desk_run import planned_from, tables_in
    from trademantra.data.home import chosen_home
    from trademantra.trading.control.requests import RequestKind

    home = chosen_home(data_dir)
    if what.endswith(".toml"):
        if asked.symbol or account:
            raise InvalidValueError("the file names symbols and accounts", hint="give the file alone")
        file = Path(what)
        tables = [_table_of(file, table) for table in tables_in(file, "strategy")]
        if not tables:
            raise BadInputError(file, "names no strategy", hint="each is a table [[strategy]]")
    else:
        file, chosen = Path(what), served_account(home, database, account).account_id
        words: dict[str, object] = {
            "strategy": what, "account": chosen, "symbols": asked.symbol or [], "timeframe": asked.timeframe,
            "set": _settings(asked.settings or []), "cash": asked.cash, "costs": asked.costs, "size": asked.size,
            "stop": asked.stop, "target": asked.target, "trail": asked.trail, "short": asked.short, "session": session,
        }  # fmt: skip
        tables = [{name: value for name, value in words.items() if value is not None}]
        if not asked.symbol:
            raise InvalidValueError("name the instruments", hint="--symbol INFY; may be repeated")
    planned = [
        planned_from(file, number, table, data_dir) for number, table in enumerate(tables, 1)
    ]  # all can be read
    for each in planned:
        each.options.load_strategy()
    for each, table in zip(planned, tables, strict=True):
        at = served_account(home, database, each.account_id)
        if at.is_live and not yes:
            _confirm(f"start {each.options.strategy} in the LIVE account {at.account_id}")
        words = {name: value for name, value in table.items() if name != "account"}
        words["strategy"] = _absolute(str(table["strategy"]))
        answer = ask_desk(home, database, RequestKind.START, at.account_id, timeout, {"strategy": words})
        say_answer(answer, as_json=as_json)


def _table_of(file: Path, table: object) -> Mapping[str, object]:
    """A table as JSON can carry it: times as texts.  Errors: `BadInputError`."""
    if not isinstance(table, dict):
        raise BadInputError(file, "a strategy is no table")
    return {
        name: value.isoformat("minutes") if hasattr(value, "isoformat") else value
        for name, value in table.items()
    }


def _settings(given: Sequence[str]) -> dict[str, float]:
    """`length=10` as a table.  Errors: `InvalidValueError`."""
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise InvalidValueError(f"--set {text!r}: write NAME=NUMBER") from None
    return found


def _absolute(strategy: str) -> str:
    """The desk may run in another folder."""
    return str(Path(strategy).resolve()) if strategy.endswith(".py") else strategy


def _confirm(what: str) -> None:
    """Errors: `InvalidValueError` when nobody can be asked."""
    if not is_person():
        raise InvalidValueError(f"nothing was started: {what}, and there is nobody to ask", hint="add --yes")
    if not typer.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        typer.echo("nothing was started", err=True)
        raise typer.Exit(_LEFT_ALONE)
