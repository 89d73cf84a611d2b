"""`tm desk place`, `target`, `protect`, `convert`: one order or position by hand, asked of the desk that runs an account."""

from typing import Annotated

import typer

from trademantra.cli.desk_asking import HandCall
from trademantra.cli.desk_options import (
    Algorithm,
    DeskCommand,
    NewProduct,
    OldProduct,
    ProductOption,
    Protection,
    Symbol,
    ValidityOption,
    add,
)
from trademantra.core.order import Product, Validity

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
    add(
        desk_app,
        DeskCommand("place", place, _PLACE),
        DeskCommand("target", target, _TARGET),
        DeskCommand("convert", convert, _CONVERT),
        DeskCommand("protect", protect, _PROTECT),
    )


def place(
    symbol: Symbol,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="Units (shares), whole lots.")],
    product: ProductOption = Product.MIS,
    kind: Annotated[
        str | None, typer.Option("--type", help="MARKET, LIMIT, SL, SL-M; else what the prices say.")
    ] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="Limit; of an algorithm: the worst price it pays.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option("--trigger", help="Price that sets a stop order off.")
    ] = None,
    validity: ValidityOption = Validity.DAY,
    *,
    protection: Protection,
    algorithm: Algorithm,
    call: HandCall,
) -> None:
    """Have the running desk place an order by hand: limits, journal and reconciling as for any other.

    What it trades belongs to the strategy "manual".  With a stop, target or trail it is a bracket: what fills is
    protected at once.  The desk waits up to 10 seconds for the instrument's first price.  Exit code 2: not all of it.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import order_wish

    words = _words(
        symbol=symbol, side=side, quantity=quantity, product=product, type=kind, price=price, trigger=trigger,
        validity=validity, **protection.words(), **algorithm.words(),
    )  # fmt: skip
    call.do(RequestKind.PLACE, words, str(order_wish(words)))


def target(
    symbol: Symbol,
    quantity: Annotated[
        str, typer.Argument(metavar="QUANTITY", help="Units to hold; 0 is flat, below 0 short (after --).")
    ],
    product: ProductOption = Product.MIS,
    price: Annotated[str | None, typer.Option("--price", help="Limit; default: at market.")] = None,
    *,
    call: HandCall,
) -> None:
    """Have the running desk move a position held by hand to a quantity, whatever is held and works now.

    Orders that work towards it stay, the others are cancelled first; a reversal closes, then opens.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import target_wish

    words = _words(symbol=symbol, quantity=quantity, product=product, price=price)
    wish = target_wish(words)
    call.do(RequestKind.TARGET, words, f"{wish.symbol} ({wish.product}) to {wish.quantity.normalize():f}")


def convert(
    symbol: Symbol,
    old: OldProduct,
    new: NewProduct,
    quantity: Annotated[str | None, typer.Option("--quantity", help="Units; default: all.")] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="ID", help="Whose, where several hold it.")
    ] = None,
    *,
    call: HandCall,
) -> None:
    """Have the running desk convert a position to another product, at the broker and in its own ledger.

    Refused while orders work on it, and while a session trades it.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import convert_wish

    words = _words(symbol=symbol, quantity=quantity, strategy=strategy) | {"from": old, "to": new}
    wish = convert_wish(words)
    units = "all" if wish.quantity is None else f"{wish.quantity.normalize():f}"
    call.do(RequestKind.CONVERT, words, f"convert {units} of {wish.symbol} from {wish.old} to {wish.new}")


def protect(
    symbol: Symbol, product: ProductOption = Product.MIS, *, protection: Protection, call: HandCall
) -> None:
    """Have the running desk protect a position held by hand: stop, target (one cancels the other), trailing stop.

    Distances count from the average price of the position.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import protect_wish

    words = _words(symbol=symbol, product=product, **protection.words())
    call.do(RequestKind.PROTECT, words, f"protect {protect_wish(words).symbol}")


def _words(**given: str | bool | None) -> dict[str, object]:
    """What was said."""
    return {name: value for name, value in given.items() if value not in (None, False)}
