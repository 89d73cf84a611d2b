"""Positions, holdings and funds in our words (specs/brokers.md 1.4)."""

from decimal import Decimal

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.zerodha.instruments import InstrumentBook, units_of
from trademantra.brokers.zerodha.order_book import product_of
from trademantra.brokers.zerodha.reply import Record
from trademantra.core.order import Product

_SEGMENTS = ("equity", "commodity")


def position_of(row: Record, book: InstrumentBook) -> Position:
    """A net position.  Where the broker counts lots its values already hold the multiplier."""
    instrument = book.by_symbol(row.text("exchange"), row.text("tradingsymbol"))

    def units(name: str) -> Decimal:
        return units_of(row.number(name), instrument)

    return Position(
        instrument=instrument,
        product=product_of(row),
        quantity=units("quantity"),
        overnight_quantity=units("overnight_quantity"),
        average_price=row.number("average_price"),
        last_price=row.number("last_price"),
        realised=row.number("realised"),
        unrealised=row.number("unrealised"),
        buy_quantity=units("buy_quantity"),
        buy_value=row.number("buy_value"),
        sell_quantity=units("sell_quantity"),
        sell_value=row.number("sell_value"),
    )


def holding_of(row: Record, book: InstrumentBook) -> Holding:
    isin = row.optional_text("isin")
    return Holding(
        instrument=book.by_symbol(row.text("exchange"), row.text("tradingsymbol"), isin),
        quantity=row.number("quantity"),
        t1_quantity=row.optional_number("t1_quantity") or Decimal(0),
        average_price=row.number("average_price"),
        last_price=row.number("last_price"),
        isin=isin,
        product=product_of(row) if "product" in row else Product.CNC,
    )


def funds_of(reply: Record) -> tuple[Funds, ...]:
    """The segments that are enabled."""
    found = []
    for segment in _SEGMENTS:
        if segment not in reply:
            continue
        margin = reply.record(segment)
        if margin.value("enabled") is False:
            continue
        found.append(
            Funds(
                segment=segment,
                available=margin.number("net"),
                used=margin.record("utilised").number("debits"),
                opening=margin.record("available").number("opening_balance"),
            )
        )
    return tuple(found)
