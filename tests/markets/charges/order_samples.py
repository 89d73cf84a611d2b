"""Executed orders for the tests of the charges: by hand, and at random over all that the tables cover."""

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder

INDIAN_BROKERS = ("zerodha", "upstox", "angelone", "dhan", "5paisa", "iifl", "statutory")
# exchange, segment, products, symbols, first day that all its tables cover
MARKETS = (
    (Exchange.NSE, Segment.EQUITY, ("CNC", "MIS", "MTF"), ("TCS", "NIFTYBEES"), date(2013, 6, 1)),
    (Exchange.BSE, Segment.EQUITY, ("CNC", "MIS", "MTF"), ("TCS", "GOLDBEES"), date(2022, 12, 1)),
    (Exchange.NSE, Segment.EQUITY_FUTURES, ("NRML", "MIS"), ("NIFTY26NOVFUT",), date(2012, 4, 1)),
    (Exchange.NSE, Segment.EQUITY_OPTIONS, ("NRML", "MIS"), ("NIFTY26NOV24500CE",), date(2012, 4, 1)),
    (Exchange.BSE, Segment.EQUITY_FUTURES, ("NRML", "MIS"), ("SENSEX26NOVFUT",), date(2012, 4, 1)),
    (Exchange.BSE, Segment.EQUITY_OPTIONS, ("NRML", "MIS"), ("SENSEX26N1983000CE",), date(2024, 10, 1)),
    (Exchange.NSE, Segment.CURRENCY_FUTURES, ("NRML", "MIS"), ("USDINR26NOVFUT",), date(2012, 4, 1)),
    (Exchange.NSE, Segment.CURRENCY_OPTIONS, ("NRML", "MIS"), ("USDINR26NOV85CE",), date(2012, 4, 1)),
    (Exchange.BSE, Segment.CURRENCY_FUTURES, ("NRML", "MIS"), ("USDINR26NOVFUT",), date(2024, 10, 1)),
    (
        Exchange.MCX,
        Segment.COMMODITY_FUTURES,
        ("NRML", "MIS"),
        ("GOLD26DECFUT", "COTTON26DECFUT"),
        date(2012, 4, 1),
    ),
    (Exchange.MCX, Segment.COMMODITY_OPTIONS, ("NRML", "MIS"), ("CRUDEOIL26DEC6000CE",), date(2017, 10, 1)),
    (Exchange.NCDEX, Segment.COMMODITY_FUTURES, ("NRML",), ("GUARSEED10", "GUARGUM5"), date(2024, 10, 1)),
)
SINCE_ALL = date(2024, 10, 1)  # every market above is covered from here on
DAYS = st.dates(SINCE_ALL, date(2026, 12, 31))
PRICES = st.decimals(min_value=Decimal("0.05"), max_value=100_000, places=2)
QUANTITIES = st.integers(1, 200_000).map(Decimal)
WORLD = (
    ("us", Exchange.NYSE, Segment.EQUITY, date(2020, 2, 18)),
    ("us", Exchange.NASDAQ, Segment.EQUITY, date(2020, 2, 18)),
    ("binance", Exchange.BINANCE, Segment.CRYPTO_SPOT, date(2018, 1, 1)),
    ("binance", Exchange.BINANCE, Segment.CRYPTO_PERPETUAL, date(2018, 1, 1)),
    ("wazirx", Exchange.WAZIRX, Segment.CRYPTO_SPOT, date(2018, 1, 1)),
)


@st.composite
def orders(draw: st.DrawFn) -> ExecutedOrder:
    exchange, segment, products, symbols, _ = draw(st.sampled_from(MARKETS))
    return ExecutedOrder(
        exchange=exchange,
        segment=segment,
        product=Product(draw(st.sampled_from(products))),
        side=draw(st.sampled_from(Side)),
        symbol=draw(st.sampled_from(symbols)),
        quantity=draw(QUANTITIES),
        price=draw(PRICES),
        kind=draw(st.sampled_from([None, *AssetKind])) if segment is Segment.EQUITY else None,
    )


books = st.lists(orders(), max_size=8)

D = Decimal
NOVEMBER = date(2026, 11, 20)


def order(side: str, price: object, quantity: object = 1, **fields: object) -> ExecutedOrder:
    return ExecutedOrder(
        **{
            "exchange": Exchange.NSE,
            "segment": Segment.EQUITY,
            "product": Product.CNC,
            "side": Side(side),
            "symbol": "TCS",
            "quantity": D(str(quantity)),
            "price": D(str(price)),
            **fields,
        }
    )


def round_trip(buy: object, sell: object, quantity: object, **fields: object) -> list[ExecutedOrder]:
    return [order("BUY", buy, quantity, **fields), order("SELL", sell, quantity, **fields)]


MIS = {"product": Product.MIS}
OPTION = {"segment": Segment.EQUITY_OPTIONS, "product": Product.NRML, "symbol": "NIFTY"}
FUTURE = {"segment": Segment.EQUITY_FUTURES, "product": Product.NRML, "symbol": "NIFTY"}
SENSEX = {**OPTION, "exchange": Exchange.BSE, "symbol": "SENSEX"}
GOLD = {
    "exchange": Exchange.MCX,
    "segment": Segment.COMMODITY_FUTURES,
    "product": Product.NRML,
    "symbol": "GOLD26DECFUT",
}
