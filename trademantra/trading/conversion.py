"""Convert product: the same units, held under another product, at the broker and in the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.kit.bus import Bus
from trademantra.kit.lease import Lease
from trademantra.trading.desk_events import PersonNeeded, RefusedIntentError
from trademantra.trading.journal import OrderJournal
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import OrderBook, PositionKey
from trademantra.trading.positions import HeldPosition, on_grid


class ConversionUnknownError(TradeMantraError):
    """The broker did not answer: the position is under one product or the other.  The ledger was not changed."""

    code = "conversion_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionParts:
    """`converted` hears what stays under the old product and what is held under the new one: limits follow
    (`RiskRoad.converted`)."""

    adapter: BrokerAdapter
    book: OrderBook
    store: OrderStore
    journal: OrderJournal
    lease: Lease
    bus: Bus
    converted: Callable[[PositionKey, HeldPosition, PositionKey, HeldPosition], None]


def split(position: HeldPosition, quantity: Decimal) -> tuple[HeldPosition, HeldPosition]:
    """What stays, and what goes with its share of the cost.  Results and charges stay where they were made.

    >>> stays, goes = split(HeldPosition(Decimal(-3), Decimal("-100.00")), Decimal(1))
    >>> stays.quantity, stays.cost, goes.quantity, goes.cost
    (Decimal('-2'), Decimal('-66.6667'), Decimal('-1'), Decimal('-33.3333'))
    """
    if not 0 < quantity <= abs(position.quantity):
        raise InvalidValueError(f"{quantity} of {abs(position.quantity)} cannot be converted")
    sign = 1 if position.quantity > 0 else -1
    cost = on_grid(position.cost * quantity / abs(position.quantity))
    stays = replace(position, quantity=position.quantity - sign * quantity, cost=position.cost - cost)
    return stays, HeldPosition(sign * quantity, cost)


async def convert_product(
    parts: ConversionParts,
    instrument: Instrument,
    key: PositionKey,
    quantity: Decimal,
    new: Product,
    *,
    overnight: bool,
) -> None:
    """Move `quantity` units of a position to another product.  `overnight`: it was carried from an earlier day.

    The broker converts first; then both positions are written in one transaction.  What was left while it converted is
    booked as the broker has it, and a person is called.
    Errors: `RefusedIntentError` (rule "orders_work"); `InvalidValueError`; `BrokerError`: nothing has changed;
    `ConversionUnknownError`; `JournalFailedError`, `LeaseLostError` after the broker converted: a person was called.
    """
    book = parts.book
    if any(managed.key == key for managed in book.working()):
        raise RefusedIntentError(
            "orders_work",
            f"orders work on {key.instrument_key} ({key.product})",
            hint="cancel them, and leave what protects it, first",
        )
    if new is key.product:
        raise InvalidValueError(f"{key.instrument_key} is held as {new} already")
    held = book.positions.get(key, HeldPosition())
    _, asked = split(held, quantity)  # what cannot be is refused before anybody is asked
    side = Side.BUY if held.quantity > 0 else Side.SELL
    try:
        await parts.adapter.convert(instrument, side, quantity, key.product, new, overnight=overnight)
    except BrokerUnavailableError as error:
        _call(parts, key, f"it is not known whether {quantity} became {new}: {error}")
        raise ConversionUnknownError(
            f"the broker did not say whether {quantity} of {key.instrument_key} became {new}",
            hint="look at the positions at the broker",
        ) from error
    to = replace(key, product=new)
    now = book.positions[key]
    if now.quantity * asked.quantity > 0 and abs(now.quantity) >= quantity:
        stays, goes = split(now, quantity)
    else:  # it was left meanwhile: at the broker the units went all the same, and the exit opened the other side
        stays, goes = joined(now, HeldPosition(-asked.quantity, -asked.cost)), asked
        _call(
            parts,
            key,
            f"{quantity} became {new} at the broker while they were sold or bought back: {stays.quantity} {key.product} and "
            f"{goes.quantity} more {new} are held now; look, and close what you do not want",
        )
    there = book.positions.get(to, HeldPosition())
    held_there = joined(there, goes)
    book.positions[key], book.positions[to] = stays, held_there
    parts.converted(key, replace(stays), to, replace(held_there))
    rows = [parts.store.position_row(book.account_id, each, book.positions[each]) for each in (key, to)]
    try:
        await parts.journal.write(rows, parts.lease)
    except TradeMantraError as error:
        _call(parts, key, f"{quantity} became {new} at the broker, and the ledger does not say so: {error}")
        raise


def joined(there: HeldPosition, goes: HeldPosition) -> HeldPosition:
    """Added to what is held there; what is held on the other side is closed against it at its cost.

    The result of that closing is realised there.
    """
    if there.quantity * goes.quantity >= 0:
        return replace(there, quantity=there.quantity + goes.quantity, cost=there.cost + goes.cost)
    made = replace(there)
    closed = min(abs(there.quantity), abs(goes.quantity))
    own = on_grid(there.cost * closed / abs(there.quantity))
    other = on_grid(goes.cost * closed / abs(goes.quantity))
    made.quantity = there.quantity + goes.quantity
    made.cost = there.cost - own + goes.cost - other
    made.realised = there.realised - own - other
    return made


def _call(parts: ConversionParts, key: PositionKey, reason: str) -> None:
    parts.bus.tell(PersonNeeded(parts.book.account_id, key.instrument_key, reason))
