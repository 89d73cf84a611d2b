"""Contract notes: one note of 1,000 orders (goal: 20 ms), the JSON way, and the array for the engine."""

import json
import random
from datetime import date
from decimal import Decimal

from timing import median_seconds, row

from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.json_form import read_requests
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.numeric import numeric_rules
from trademantra.markets.charges.orders import ExecutedOrder

DAY = date(2026, 11, 20)
MARKETS = (
    (Exchange.NSE, Segment.EQUITY, Product.CNC, [f"SHARE{i}" for i in range(200)]),
    (Exchange.NSE, Segment.EQUITY, Product.MIS, [f"SHARE{i}" for i in range(200)]),
    (
        Exchange.NSE,
        Segment.EQUITY_OPTIONS,
        Product.NRML,
        [f"NIFTY26NOV{24_000 + 50 * i}CE" for i in range(80)],
    ),
    (
        Exchange.BSE,
        Segment.EQUITY_OPTIONS,
        Product.MIS,
        [f"SENSEX26N19{83_000 + 100 * i}PE" for i in range(80)],
    ),
    (Exchange.MCX, Segment.COMMODITY_FUTURES, Product.NRML, ["GOLD26DECFUT", "CRUDEOIL26DECFUT"]),
)


def orders(count: int) -> list[ExecutedOrder]:
    seeded = random.Random(7)
    made = []
    for _ in range(count):
        exchange, segment, product, symbols = seeded.choice(MARKETS)
        made.append(
            ExecutedOrder(
                exchange=exchange,
                segment=segment,
                product=product,
                side=seeded.choice(list(Side)),
                symbol=seeded.choice(symbols),
                quantity=Decimal(seeded.randint(1, 5000)),
                price=Decimal(seeded.randint(100, 500_000)).scaleb(-2),
            )
        )
    return made


def as_json(book: list[ExecutedOrder]) -> str:
    fields = ("exchange", "segment", "product", "side", "symbol", "quantity", "price")
    rows = [{name: str(getattr(order, name)) for name in fields} for order in book]
    return json.dumps({"broker": "zerodha", "trade_date": DAY.isoformat(), "orders": rows})


def main() -> None:
    book = orders(1000)
    text = as_json(book)
    print("| task | goal | measured |\n| --- | --- | --- |")
    for rounding in Rounding:
        seconds = median_seconds(lambda r=rounding: contract_note(book, "zerodha", DAY, r))
        row(f"note of 1,000 orders, {rounding}", "20 ms", f"{seconds * 1e3:.1f} ms")
    seconds = median_seconds(lambda: read_requests(text)[0][0].note())
    row("the same from JSON text", "-", f"{seconds * 1e3:.1f} ms")
    seconds = median_seconds(lambda: contract_note(book[:1], "zerodha", DAY))
    row("note of one order", "-", f"{seconds * 1e6:.0f} us")
    seconds = median_seconds(
        lambda: numeric_rules(
            "zerodha",
            Segment.EQUITY,
            Product.CNC,
            Exchange.NSE,
            symbol="TCS",
            first=date(2013, 1, 1),
            last=DAY,
        )
    )
    row("array of rules, 14 years", "-", f"{seconds * 1e6:.0f} us")


if __name__ == "__main__":
    main()
