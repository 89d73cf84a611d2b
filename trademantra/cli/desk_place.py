"""`tm desk place`, `target`, `protect`, `convert`: one order or position by hand, asked of the desk that runs an account."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_requests import OneAccount, Timeout, ask_desk, say_answer, served_account
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory
from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from trademantra.trading.control.requests import RequestKind

_LEFT_ALONE = 1
_NOT_ALL = 2
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_ALGORITHM = "Algorithm"
_PROTECTION = "Protection"

Symbol = Annotated[
    str,
    typer.Argument(
        metavar="SYMBOL",
        help="INFY, NSE:INFY, or a contract as the broker names it: NIFTY26NOVFUT, NFO:NIFTY26NOV25000CE.",
    ),
]
ProductOption = Annotated[str, typer.Option("--product", help="MIS (intraday), CNC or NRML.")]
RequestId = Annotated[
    str | None,
    typer.Option("--id", metavar="NAME", help="A name of your own: the same one again places nothing twice."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also on a live account.")]
StopDistance = Annotated[
    str | None, typer.Option("--stop", help="Stop loss: 1% or 15pt.", rich_help_panel=_PROTECTION)
]
TargetDistance = Annotated[
    str | None, typer.Option("--target", help="Target: 2% or 30pt.", rich_help_panel=_PROTECTION)
]
TrailDistance = Annotated[
    str | None,
    typer.Option(
        "--trail", help="Trailing stop behind the best price: 1% or 15pt.", rich_help_panel=_PROTECTION
    ),
]

_PLACE = (
    "Examples: [bold]tm desk place INFY buy 10[/bold] · "
    "[bold]tm desk place INFY buy 10 --price 1500 --stop 1% --target 2%[/bold] · "
    "[bold]tm desk place NSE:TCS sell 5 --product CNC --account asha[/bold] · "
    "[bold]tm desk place INFY buy 1000 --algo twap --minutes 20[/bold] · "
    "[bold]tm desk place INFY buy 1000 --algo iceberg --shown 100 --price 1500[/bold]"
)
_TARGET = (
    "Examples: [bold]tm desk target INFY 100[/bold] · [bold]tm desk target INFY 0[/bold] (close) · "
    "[bold]tm desk target INFY -- -50[/bold] (short)"
)
_CONVERT = (
    "Examples: [bold]tm desk convert INFY --from MIS --to CNC[/bold] · "
    "[bold]tm desk convert INFY --from MIS --to CNC --quantity 5 --account asha[/bold]"
)
_PROTECT = "Examples: [bold]tm desk protect INFY --stop 1% --target 2%[/bold] · [bold]tm desk protect INFY --trail 0.5%[/bold]"


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    known = {command.callback for command in desk_app.registered_commands}
    for name, command, epilog in (
        ("place", place, _PLACE),
        ("target", target, _TARGET),
        ("convert", convert, _CONVERT),
        ("protect", protect, _PROTECT),
    ):
        if command not in known:
            desk_app.command(name, epilog=epilog)(command)


def place(
    symbol: Symbol,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="Units (shares), whole lots.")],
    account: OneAccount = None,
    product: ProductOption = "MIS",
    kind: Annotated[
        str | None, typer.Option("--type", help="MARKET, LIMIT, SL, SL-M; else what the prices say.")
    ] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="Limit; of an algorithm: the worst price it pays.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option("--trigger", help="Price that sets a stop order off.")
    ] = None,
    validity: Annotated[str, typer.Option("--validity", help="DAY or IOC.")] = "DAY",
    stop: StopDistance = None,
    target_at: TargetDistance = None,
    trail: TrailDistance = None,
    algo: Annotated[
        str | None,
        typer.Option(
            "--algo", help="twap, vwap, iceberg, participation or chase.", rich_help_panel=_ALGORITHM
        ),
    ] = None,
    minutes: Annotated[
        str | None,
        typer.Option("--minutes", help="How long it may take (not iceberg).", rich_help_panel=_ALGORITHM),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            "--parts", help="twap, vwap: how many; default one a minute.", rich_help_panel=_ALGORITHM
        ),
    ] = None,
    shown: Annotated[
        str | None, typer.Option("--shown", help="iceberg: units at a time.", rich_help_panel=_ALGORITHM)
    ] = None,
    share: Annotated[
        str | None,
        typer.Option("--share", help="participation: of what trades, 10%.", rich_help_panel=_ALGORITHM),
    ] = None,
    follows: Annotated[
        str | None,
        typer.Option("--follows", help="chase: own_best, other_best, last.", rich_help_panel=_ALGORITHM),
    ] = None,
    rest: Annotated[
        bool,
        typer.Option(
            "--rest", help="Parts wait at the best price of their own side.", rich_help_panel=_ALGORITHM
        ),
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up", help="At the end the rest is not bought at market.", rich_help_panel=_ALGORITHM
        ),
    ] = False,
    request_id: RequestId = None,
    yes: Yes = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk place an order by hand: limits, journal and reconciling as for any other.

    What it trades belongs to the strategy "manual".  With a stop, target or trail it is a bracket: what fills is
    protected at once.  The desk waits up to 10 seconds for the instrument's first price.  Exit code 2: not all of it.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import order_wish

    words = _words(
        symbol=symbol, side=side, quantity=quantity, product=product, type=kind, price=price, trigger=trigger,
        validity=validity, stop=stop, target=target_at, trail=trail, algo=algo, minutes=minutes, parts=parts, shown=shown,
        share=share, follows=follows, rest=rest, give_up=give_up,
    )  # fmt: skip
    what = str(order_wish(words))
    by_hand(
        RequestKind.PLACE,
        words,
        what,
        account,
        request_id,
        timeout,
        data_dir,
        database,
        yes=yes,
        as_json=as_json,
    )


def target(
    symbol: Symbol,
    quantity: Annotated[
        str, typer.Argument(metavar="QUANTITY", help="Units to hold; 0 is flat, below 0 short (after --).")
    ],
    account: OneAccount = None,
    product: ProductOption = "MIS",
    price: Annotated[str | None, typer.Option("--price", help="Limit; default: at market.")] = None,
    request_id: RequestId = None,
    yes: Yes = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk move a position held by hand to a quantity, whatever is held and works now.

    Orders that work towards it stay, the others are cancelled first; a reversal closes, then opens.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import target_wish

    words = _words(symbol=symbol, quantity=quantity, product=product, price=price)
    wish = target_wish(words)
    what = f"{wish.symbol} ({wish.product}) to {wish.quantity.normalize():f}"
    by_hand(
        RequestKind.TARGET,
        words,
        what,
        account,
        request_id,
        timeout,
        data_dir,
        database,
        yes=yes,
        as_json=as_json,
    )


def convert(
    symbol: Symbol,
    old: Annotated[str, typer.Option("--from", metavar="PRODUCT", help="As it is held now: MIS, CNC, NRML.")],
    new: Annotated[str, typer.Option("--to", metavar="PRODUCT", help="As it is to be held.")],
    quantity: Annotated[str | None, typer.Option("--quantity", help="Units; default: all.")] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="ID", help="Whose, where several hold it.")
    ] = None,
    account: OneAccount = None,
    request_id: RequestId = None,
    yes: Yes = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk convert a position to another product, at the broker and in its own ledger.

    Refused while orders work on it, and while a session trades it.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import convert_wish

    words = _words(symbol=symbol, quantity=quantity, strategy=strategy) | {"from": old, "to": new}
    wish = convert_wish(words)
    units = "all" if wish.quantity is None else f"{wish.quantity.normalize():f}"
    what = f"convert {units} of {wish.symbol} from {wish.old} to {wish.new}"
    by_hand(
        RequestKind.CONVERT,
        words,
        what,
        account,
        request_id,
        timeout,
        data_dir,
        database,
        yes=yes,
        as_json=as_json,
    )


def protect(
    symbol: Symbol,
    stop: StopDistance = None,
    target_at: TargetDistance = None,
    trail: TrailDistance = None,
    account: OneAccount = None,
    product: ProductOption = "MIS",
    request_id: RequestId = None,
    yes: Yes = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Have the running desk protect a position held by hand: stop, target (one cancels the other), trailing stop.

    Distances count from the average price of the position.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import protect_wish

    words = _words(symbol=symbol, product=product, stop=stop, target=target_at, trail=trail)
    what = f"protect {protect_wish(words).symbol}"
    by_hand(
        RequestKind.PROTECT,
        words,
        what,
        account,
        request_id,
        timeout,
        data_dir,
        database,
        yes=yes,
        as_json=as_json,
    )


def by_hand(
    kind: "RequestKind",
    arguments: Mapping[str, object],
    what: str,
    account: str | None,
    request_id: str | None,
    timeout: float,
    data_dir: Path | None,
    database: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask before it is done on a live account; then have the desk do it.  Ends with 2 when not all of it was done."""
    from trademantra.data.home import chosen_home

    home = chosen_home(data_dir)
    if request_id is not None and not _ID.fullmatch(request_id):
        raise InvalidValueError(
            f"--id {request_id!r}: 1 to 32 letters, digits, dots, dashes", hint="such as --id morning-1"
        )
    chosen = served_account(home, database, account)
    if chosen.is_live and not yes:
        if not is_person():
            raise InvalidValueError(
                f"nothing was sent: {chosen.account_id} is live, and there is nobody to ask", hint="add --yes"
            )
        typer.secho(f"LIVE account {chosen.account_id}: {what}", fg="red", err=True)
        if not typer.confirm("Do it?", err=True):
            typer.echo("nothing was sent", err=True)
            raise typer.Exit(_LEFT_ALONE)
    answer = ask_desk(home, database, kind, chosen.account_id, timeout, arguments, request_id)
    say_answer(answer, as_json=as_json)
    if answer.facts.get("outcome") not in (None, "accepted"):
        raise typer.Exit(_NOT_ALL)


def _words(**given: str | bool | None) -> dict[str, object]:
    """What was said."""
    return {name: value for name, value in given.items() if value not in (None, False)}
