"""`tm desk cancel`, `modify`: single orders of an account, named as `tm desk orders` shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.delete import is_person
from trademantra.cli.desk_asking import HandCall
from trademantra.cli.desk_options import DeskCommand, add
from trademantra.cli.places import with_database
from trademantra.core.errors import InvalidValueError

if TYPE_CHECKING:
    from decimal import Decimal

    from trademantra.kit.database import Database
    from trademantra.trading.control.books import ShownOrder

_CANCEL = (
    "Examples: [bold]tm desk cancel 3f2a91[/bold] · [bold]tm desk cancel 3f2a91 77c0de --account asha[/bold] · "
    "[bold]tm desk cancel --all[/bold]"
)
_MODIFY = (
    "Examples: [bold]tm desk modify 3f2a91 --price 1498.5[/bold] · "
    "[bold]tm desk modify 3f2a91 --trigger 1480 --quantity 20[/bold]"
)
_NAME = "As tm desk orders shows it, or enough of its beginning; also the broker's number."
_LEFT_ALONE = 1


def register(desk_app: typer.Typer) -> None:
    """Add these commands to `tm desk`; calling it again adds nothing twice."""
    add(desk_app, DeskCommand("cancel", cancel, _CANCEL), DeskCommand("modify", modify, _MODIFY))


def cancel(
    orders: Annotated[list[str] | None, typer.Argument(metavar="[ORDER]…", help=_NAME)] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Every working entry, as tm desk cancel-all: protective orders stay."),
    ] = False,
    *,
    call: HandCall,
) -> None:
    """Have the running desk cancel single orders, and say what became of each: cancelled, or too late.

    What an algorithm or a running strategy looks after is refused, with the command that ends it.  An order that protects a
    position asks first.  Exit code 2: not all of it.
    """
    from trademantra.trading.control.requests import RequestKind

    if everything == bool(orders):
        raise InvalidValueError("name the orders, or --all", hint="tm desk orders shows them")
    if everything:
        if call.request_id is not None:
            raise InvalidValueError("--all takes no --id: it can be repeated as it is", hint="leave --id out")
        call.call().do(RequestKind.CANCEL_ALL, {})
        return
    named = _named(call, orders or ())
    arguments: dict[str, object] = {"orders": list(named.ids)}
    call = _asked(call, named, arguments, named.stops)
    call.do(RequestKind.CANCEL, arguments, f"cancel {', '.join(named.words)}")


def modify(
    order: Annotated[str, typer.Argument(metavar="ORDER", help=_NAME)],
    price: Annotated[str | None, typer.Option("--price", help="New limit.")] = None,
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            help="New trigger of a stop; the limit of a stop-limit moves along unless --price is given.",
        ),
    ] = None,
    quantity: Annotated[
        str | None, typer.Option("--quantity", help="New quantity of the whole order, with what has filled.")
    ] = None,
    *,
    call: HandCall,
) -> None:
    """Have the running desk change an order that rests at the broker, and say whether the broker took it.

    What an algorithm or a running strategy looks after is refused.  Limits hold as for a new order; a stop that would cover less
    of a position than now asks first.  Exit code 2: not all of it.
    """
    from trademantra.trading.control.requests import RequestKind
    from trademantra.trading.manual.wishes import modify_wish

    given = {"order": order, "price": price, "trigger": trigger, "quantity": quantity}
    arguments: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    wish = modify_wish(arguments)
    named = _named(call, [order])
    arguments["order"] = named.ids[0]
    call = _asked(call, named, arguments, named.stops_above(wish.quantity))
    call.do(RequestKind.MODIFY, arguments, f"change {named.words[0]}")


@dataclass(frozen=True, slots=True)
class _Named:
    """What was named: `ids` as the desk knows them, `words` for people; `found` are those that the database holds.

    `stops`: those that protect a position, with what is held.
    """

    ids: Sequence[str]
    words: Sequence[str]
    found: "Sequence[ShownOrder]"
    stops: "Mapping[str, Decimal]"

    def stops_above(self, quantity: "Decimal | None") -> "Mapping[str, Decimal]":
        """Stops that would be smaller with this quantity."""
        smaller = {
            each.order.order_id
            for each in self.found
            if quantity is not None and quantity < each.order.quantity
        }
        return {name: held for name, held in self.stops.items() if name in smaller}


def _named(call: HandCall, names: Sequence[str]) -> _Named:
    """Look the orders up.  What is not found goes to the desk as it is: it knows the broker's orders too.

    Errors: `InvalidValueError` for a name that begins several orders, and for orders of several accounts.
    """
    from trademantra.core.order import Product
    from trademantra.trading.control import books
    from trademantra.trading.control.held import holds_back
    from trademantra.trading.control.named_orders import LEAST, named_orders, short_ids, terms_words
    from trademantra.trading.orders import PositionKey

    accounts = None if call.account is None else [call.account]

    async def work(database: "Database") -> _Named:
        ids, words = [], []
        found: list[ShownOrder] = []
        for name in dict.fromkeys(names):
            same = await named_orders(database, name, accounts)
            if len(same) > 1:
                short = await short_ids(database, {each.order.order_id for each in same})
                there = ", ".join(
                    f"{short[each.order.order_id]} ({terms_words(each.order)})" for each in same
                )
                raise InvalidValueError(f"{name!r} begins several orders: {there}", hint="write more of it")
            if not same and len(name) < LEAST:
                raise InvalidValueError(
                    f"{name!r} is too short", hint=f"write at least {LEAST} letters of the id"
                )
            found += same
            ids.append(same[0].order.order_id if same else name)
            words.append(terms_words(same[0].order) if same else name)
        held = {
            (each.account_id, PositionKey(each.strategy_id, each.instrument_key, Product(each.product))): each.held.quantity
            for each in await books.positions(database, {each.account_id for each in found})
        }  # fmt: skip
        stops: dict[str, Decimal] = {}
        for each in found:
            if "/" in each.intent_id:
                continue  # of an algorithm: the desk says what ends it
            order = replace(each.order, status=each.status)
            units = held.get(
                (each.account_id, PositionKey(each.strategy_id, order.instrument.key, order.product))
            )
            if units is not None and holds_back(each.purpose, order, units):
                stops[order.order_id] = units
        return _Named(ids, words, found, stops)

    return with_database(call.call().home, call.database, work)


def _asked(
    call: HandCall, named: _Named, arguments: dict[str, object], stops: "Mapping[str, Decimal]"
) -> HandCall:
    """The call, for the account of these orders; what would leave a position without its stop is asked about first.

    Ends when the answer is no.  Errors: `InvalidValueError` for orders of several accounts, and when there is nobody to ask.
    """
    from trademantra.core.instrument import plain
    from trademantra.trading.control.named_orders import terms_words

    accounts = sorted({each.account_id for each in named.found})
    if len(accounts) > 1:
        raise InvalidValueError(f"these are orders of {' and '.join(accounts)}", hint="one account at a time")
    if accounts:
        call = replace(call, account=accounts[0])
    if call.yes:
        arguments["unprotect"] = True
    elif stops:
        words = "; ".join(
            f"{terms_words(each.order)} is the stop of {plain(abs(stops[each.order.order_id]))} {each.order.instrument.key}: "
            "the position, or a part of it, stays UNPROTECTED"
            for each in named.found
            if each.order.order_id in stops
        )
        if not is_person():
            raise InvalidValueError(
                f"nothing was done: {words}", hint="add --yes; tm desk modify moves a stop"
            )
        typer.secho(words, fg="red", err=True)
        if not typer.confirm("Do it?", err=True):
            typer.echo("nothing was done", err=True)
            raise typer.Exit(_LEFT_ALONE)
        arguments["unprotect"] = True
        call = replace(call, yes=True)
    return call
