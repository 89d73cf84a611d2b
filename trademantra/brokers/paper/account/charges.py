"""Charges of an account's trades: the contract note of a day, and what the broker's API estimates for an order."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.account.state import Execution
from trademantra.brokers.paper.account.views import (
    ZERO,
    ContractNoteRow,
    Gst,
    NoteOrder,
    OrderCharges,
)
from trademantra.core.instrument import InstrumentKind, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder, TradeEvent
from trademantra.markets.charges.rules import Levy
from trademantra.markets.charges.tables import bse_groups
from trademantra.markets.charges.tariffs import BrokerTariff

_KINDS = {InstrumentKind.SHARE: AssetKind.SHARE, InstrumentKind.BOND: AssetKind.BOND}


def executed(execution: Execution) -> ExecutedOrder:
    """A trade as the contract note takes it."""
    return executed_order(
        execution.listing,
        execution.product,
        execution.side,
        execution.quantity,
        execution.price,
        order_id=execution.order_id,
        auto_square_off=execution.auto_square_off,
    )


def executed_order(
    listing: Listing,
    product: Product,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    *,
    order_id: str = "",
    auto_square_off: bool = False,
    event: TradeEvent = TradeEvent.TRADE,
) -> ExecutedOrder:
    instrument = listing.instrument
    series = instrument.series or ""
    return ExecutedOrder(
        exchange=instrument.exchange,
        segment=instrument.segment,
        product=product,
        side=side,
        symbol=listing.symbol,
        quantity=quantity,
        price=price,
        order_id=order_id,
        isin=instrument.isin or "",
        kind=_KINDS.get(instrument.kind) if instrument.segment is Segment.EQUITY else None,
        group=series if series in bse_groups() else "",
        underlying=instrument.underlying or "",
        strike=instrument.strike,
        right=instrument.right,
        multiplier=instrument.multiplier,
        event=event,
        auto_square_off=auto_square_off,
    )


def charges_of_order(
    listing: Listing, request: OrderRequest, price: Decimal, tariff: str | BrokerTariff | None, day: date
) -> OrderCharges:
    """Charges of an order as if it were all executed at `price` on `day`.

    As Kite's: without the DP charge, and without IPFT (its sample of order margins has the exchange's rate alone).
    Without a tariff there are none.  Errors: `MissingFactError` for a day that the tables do not cover.
    """
    if price <= 0 or tariff is None:
        return OrderCharges()
    order = executed_order(listing, request.product, request.side, request.quantity, price)
    lines = contract_note([order], tariff, day, Rounding.UNROUNDED).lines
    tax = Levy.CTT if listing.instrument.segment in _COMMODITY else Levy.STT
    exchange, gst = lines[Levy.EXCHANGE_TXN], lines[Levy.GST]
    parts = (lines[tax], exchange, lines[Levy.SEBI], lines[Levy.BROKERAGE], lines[Levy.STAMP], gst)
    return OrderCharges(
        transaction_tax=lines[tax],
        transaction_tax_type=tax.value,
        exchange_turnover_charge=exchange,
        sebi_turnover_charge=lines[Levy.SEBI],
        brokerage=lines[Levy.BROKERAGE],
        stamp_duty=lines[Levy.STAMP],
        gst=Gst(igst=gst, total=gst),
        total=sum(parts, ZERO),
    )


def note_rows(
    orders: Sequence[NoteOrder], tariff: str | BrokerTariff | None, day: date
) -> tuple[ContractNoteRow, ...]:
    """The virtual contract note: each order by itself."""
    return tuple(
        ContractNoteRow(
            transaction_type=order.request.side,
            tradingsymbol=order.listing.symbol,
            exchange=order.listing.venue,
            variety=order.request.variety.value,
            product=order.request.product,
            order_type=order.request.order_type.value,
            quantity=order.request.quantity,
            price=order.average_price,
            charges=charges_of_order(order.listing, order.request, order.average_price, tariff, day),
        )
        for order in orders
    )


def sum_of_charges(charges: Iterable[OrderCharges]) -> OrderCharges:
    rows = list(charges)
    taxes = dict.fromkeys(row.transaction_tax_type for row in rows if row.transaction_tax_type)
    return OrderCharges(
        transaction_tax=sum((row.transaction_tax for row in rows), ZERO),
        transaction_tax_type=next(iter(taxes)) if len(taxes) == 1 else "",
        exchange_turnover_charge=sum((row.exchange_turnover_charge for row in rows), ZERO),
        sebi_turnover_charge=sum((row.sebi_turnover_charge for row in rows), ZERO),
        brokerage=sum((row.brokerage for row in rows), ZERO),
        stamp_duty=sum((row.stamp_duty for row in rows), ZERO),
        gst=Gst(
            igst=sum((row.gst.igst for row in rows), ZERO), total=sum((row.gst.total for row in rows), ZERO)
        ),
        total=sum((row.total for row in rows), ZERO),
    )


_COMMODITY = (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS)
