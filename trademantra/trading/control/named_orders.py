"""Orders as people name them: by the beginning of their id, and in words."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import func, or_, select

from trademantra.core.instrument import plain
from trademantra.core.order import Order
from trademantra.kit.database import Database
from trademantra.trading.control.books import ShownOrder, shown_order
from trademantra.trading.models import OrderRow

_SHORTEST = 6
"""Letters that are shown of an id, at least."""
LEAST = 4
"""Letters that must be written of one, at least."""
_MOST = 10


async def named_orders(
    database: Database, text: str, accounts: Collection[str] | None = None
) -> Sequence[ShownOrder]:
    """Orders whose id begins with `text`, or which the broker knows under this number; at most ten.  `accounts` None: all.

    Errors: `BadInputError` for terms that cannot be read.
    """
    name = text.strip().lower()
    ways = [OrderRow.order_id == name, OrderRow.broker_order_id == text.strip()]
    if len(name) >= LEAST:
        ways.append(OrderRow.order_id.startswith(name, autoescape=True))
    wanted = select(OrderRow).where(or_(*ways))
    if accounts is not None:
        wanted = wanted.where(OrderRow.account_id.in_(accounts))
    async with database.reading() as session:
        rows = list(await session.scalars(wanted.order_by(OrderRow.order_id).limit(_MOST)))
    exact = [row for row in rows if name == row.order_id]
    return [shown_order(row) for row in exact or rows]


async def short_ids(database: Database, order_ids: Collection[str]) -> Mapping[str, str]:
    """Of each of these ids as much as no other order of the database begins with."""
    begin = func.substr(OrderRow.order_id, 1, _SHORTEST)
    found = set(order_ids)
    if found:
        async with database.reading() as session:
            starts = {each[:_SHORTEST] for each in order_ids}
            found |= set(await session.scalars(select(OrderRow.order_id).where(begin.in_(starts))))
    return {name: short for name, short in shortened(found).items() if name in order_ids}


def shortened(names: Collection[str], least: int = _SHORTEST) -> Mapping[str, str]:
    """Of each name its shortest beginning, of at least `least` letters, that no other of them has.

    >>> shortened(["3f2a91c0", "3f2a91d4", "77"])
    {'3f2a91c0': '3f2a91c', '3f2a91d4': '3f2a91d', '77': '77'}
    """
    ordered = sorted(set(names))
    needed = dict.fromkeys(ordered, least)
    for one, other in pairwise(ordered):
        length = _alike(one, other) + 1
        needed[one], needed[other] = max(needed[one], length), max(needed[other], length)
    return {name: name[: needed[name]] for name in ordered}


def terms_words(order: Order) -> str:
    """What was asked for, in words: `BUY 10 NSE:INFY LIMIT MIS at 1500`."""
    words = [
        order.side.value, plain(order.quantity), order.instrument.key, order.order_type.value, order.product.value,
    ]  # fmt: skip
    if order.price is not None:
        words.append(f"at {plain(order.price)}")
    if order.trigger_price is not None:
        words.append(f"trigger {plain(order.trigger_price)}")
    return " ".join(words)


def _alike(one: str, other: str) -> int:
    """Letters that both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
