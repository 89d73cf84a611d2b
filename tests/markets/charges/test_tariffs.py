"""Settings: disputed values are the user's to decide, and nothing is guessed."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.markets.charges.order_samples import FUTURE, GOLD, MIS, NOVEMBER, OPTION, order, round_trip
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.markets.charges.note import ContractNote, Rounding, contract_note
from trademantra.markets.charges.orders import (
    AssetKind,
    ExecutedOrder,
    Liquidity,
    bse_option_underlying,
    facts_of,
    kind_of_symbol,
)
from trademantra.markets.charges.rules import Levy
from trademantra.markets.charges.tariffs import broker_names, tariff_of

D = Decimal
EXACT = Rounding.UNROUNDED


def note(trades: list[ExecutedOrder], broker: str, day: date = NOVEMBER, **setting: object) -> ContractNote:
    return contract_note(
        trades, tariff_of(broker, {k.replace("__", "."): v for k, v in setting.items()}), day, EXACT
    )


def test_disputed_brokerage_can_be_set() -> None:
    small = [order("BUY", 10_000, **MIS)]
    assert note(small, "upstox")[Levy.BROKERAGE] == 10
    assert note(small, "upstox", intraday__percent="0.05")[Levy.BROKERAGE] == 5
    assert note([order("BUY", 10**6, **MIS)], "upstox", intraday__percent="0.05")[Levy.BROKERAGE] == 20
    assert note(small, "upstox", intraday__fixed=15)[Levy.BROKERAGE] == 15
    assert note([order("BUY", 100)], "angelone", delivery__minimum=5)[Levy.BROKERAGE] == 5
    assert note([order("BUY", 100)], "5paisa", delivery__fixed=0)[Levy.BROKERAGE] == 0
    assert (
        note([order("BUY", 10_000, product=Product.MTF)], "zerodha", mtf__percent="0.3", mtf__cap=20)[
            Levy.BROKERAGE
        ]
        == 20
    )
    plus = [order("BUY", 10**6, **MIS), order("BUY", 100, **OPTION)]
    assert note(plus, "upstox", plan="plus")[Levy.BROKERAGE] == 60
    assert note([order("BUY", 100, **OPTION)], "zerodha", account_in_debit=True)[Levy.BROKERAGE] == 40
    assert note(small, "zerodha", account_in_debit=True)[Levy.BROKERAGE] == 3
    assert note([order("BUY", 100, auto_square_off=True, **OPTION)], "zerodha")[Levy.BROKERAGE] == 70


def test_gst_on_ipft_is_a_setting() -> None:
    trades = [order("BUY", 10_000, 1000, **FUTURE)]  # IPFT 10
    day = date(2024, 12, 2)
    with_it = contract_note(trades, tariff_of("upstox", {"ipft_in_gst_base": True}), day)[Levy.GST]
    assert with_it - contract_note(trades, "upstox", day)[Levy.GST] == D("1.80")
    without = contract_note(trades, tariff_of("zerodha", {"ipft_in_gst_base": False}), day)[Levy.GST]
    assert contract_note(trades, "zerodha", day)[Levy.GST] - without == D("1.80")


def test_dp_settings() -> None:
    sales = [order("SELL", 500, 10), order("SELL", 501, 10)]
    assert note(sales, "dhan")[Levy.DP] == D("12.50")
    assert note(sales, "dhan", dp__per="instruction")[Levy.DP] == 25
    assert note(sales, "zerodha", woman_first_holder=True)[Levy.DP] == D("15.045")
    assert note(sales, "angelone", woman_first_holder=True)[Levy.DP] == 20
    assert note(sales, "5paisa", dp__fixed="13.5")[Levy.DP] == D("13.5")


def test_statutory_rates_can_be_set_also_where_none_is_known() -> None:
    early = [order("BUY", 10_000, 1000, exchange=Exchange.BSE)]
    with pytest.raises(MissingFactError):
        note(early, "zerodha", date(2021, 1, 4))
    assert note(early, "zerodha", date(2021, 1, 4), exchange_txn__percent="0.00345")[Levy.EXCHANGE_TXN] == 345
    assert (
        note([order("BUY", 10_000, 1000)], "zerodha", exchange_txn__percent=1)[Levy.EXCHANGE_TXN] == 100_000
    )
    castor = [order("BUY", 10_000, 1000, **{**GOLD, "symbol": "CASTOR26DEC"})]
    assert note(castor, "zerodha", exchange_txn__percent="0.001").warnings == ()


def test_same_day_delivery_can_be_billed_as_intraday() -> None:
    trades = [order("BUY", 500, 100), order("SELL", 520, 60)]
    by_product = contract_note(trades, "zerodha", NOVEMBER)
    assert any("net_same_day" in w for w in by_product.warnings)
    netted = note(trades, "zerodha", net_same_day=True)
    assert netted[Levy.STT] == D("0.001") * 500 * 40 + D("0.00025") * 520 * 60
    assert netted[Levy.BROKERAGE] == D("0.0003") * (500 + 520) * 60
    assert netted[Levy.DP] == 0
    reverse = note(list(reversed(trades)), "zerodha", net_same_day=True)
    assert reverse.lines == netted.lines


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ({"intraday.rate": 1}, "unknown setting 'intraday.rate'"),
        ({"nonsense": 1}, "unknown setting"),
        ({"plan": "gold"}, "unknown plan 'gold'"),
        ({"intraday.percent": -1}, "negative"),
        ({"intraday.percent": "x"}, "must be a number"),
        ({"woman_first_holder": "yes"}, "true or false"),
        ({"dp.per": "month"}, "scrip_day or instruction"),
        ({"dp.percent": 1}, "dp.fixed"),
        ({"delivery.minimum": 30, "delivery.percent": 1, "delivery.cap": 20}, "above the cap"),
    ],
)
def test_a_bad_setting_names_itself(setting: dict[str, object], fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        tariff_of("upstox", setting)


def test_unknown_brokers_are_told_the_known_ones() -> None:
    with pytest.raises(InvalidValueError, match="zerodha, upstox, angelone, dhan, 5paisa, iifl"):
        tariff_of("robinhood")
    with pytest.raises(InvalidValueError, match="debit"):
        tariff_of("dhan", {"account_in_debit": True})
    assert {"none", "statutory"} <= set(broker_names())


def abroad(exchange: Exchange, segment: Segment, side: str = "SELL", quantity: int = 1000, **fields: object):
    return order(side, 50, quantity, exchange=exchange, segment=segment, **fields)


def test_crypto_fees_differ_by_maker_taker_and_tier() -> None:
    taker = abroad(Exchange.BINANCE, Segment.CRYPTO_PERPETUAL)
    maker = abroad(Exchange.BINANCE, Segment.CRYPTO_PERPETUAL, liquidity=Liquidity.MAKER)
    assert note([taker], "binance").total == 25
    assert note([maker], "binance").total == 10
    assert note([maker], "binance", plan="vip1").total == 8
    assert note([abroad(Exchange.WAZIRX, Segment.CRYPTO_SPOT)], "wazirx").total == 118
    with pytest.raises(MissingFactError, match=r"crypto_spot_taker\.fixed"):
        note([abroad(Exchange.COINBASE, Segment.CRYPTO_SPOT)], "coinbase")
    own = {"crypto_spot_taker__percent": "0.6"}
    assert note([abroad(Exchange.COINBASE, Segment.CRYPTO_SPOT)], "coinbase", **own).total == 300


def test_us_sales_pay_the_sec_and_finra_and_the_latter_has_a_cap() -> None:
    sale = abroad(Exchange.NYSE, Segment.EQUITY)
    assert note([sale], "us", date(2024, 6, 3)).total == D("50000") * D("0.0000278") + D("0.166")
    big = abroad(Exchange.NYSE, Segment.EQUITY, quantity=100_000)
    assert note([big], "us", date(2025, 6, 2)).total == D("8.30")
    assert note([abroad(Exchange.NYSE, Segment.EQUITY, "BUY")], "us").total == 0
    commission = {"us_equity__fixed_per_unit": "0.005", "us_equity__minimum": 1}
    assert note([abroad(Exchange.NYSE, Segment.EQUITY, "BUY")], "us", **commission).total == 5
    assert note([abroad(Exchange.NYSE, Segment.EQUITY, "BUY", 10)], "us", **commission).total == 1


def test_forex_needs_its_price_and_takes_lots_spread_or_percent() -> None:
    trade = order("BUY", "1.1", 50_000, exchange=Exchange.FOREX, segment=Segment.FOREX, symbol="EURUSD")
    with pytest.raises(MissingFactError, match=r"forex\.fixed"):
        note([trade], "forex")
    assert note([trade], "forex", forex__per_lot="7").total == D("3.5")
    assert note([trade], "forex", forex__spread="0.0002").total == 5
    assert note([trade], "forex", forex__percent="0.002", forex__minimum=2).total == 2


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("SENSEX", "SENSEX"),
        ("SENSEX26N1983000CE", "SENSEX"),
        ("SENSEX 83000 CE 19 NOV 26", "SENSEX"),
        ("SENSEX-Nov2026-83000-CE", "SENSEX"),
        ("sensex26nov83000pe", "SENSEX"),
        ("SENSEX50000CE", "SENSEX"),
        ("SENSEX 50", "SENSEX50"),
        ("SENSEX5026NOV25000CE", "SENSEX50"),
        ("BANKEX", "BANKEX"),
        ("SENSEX50", "SENSEX50"),
        ("SX5026NOV25000CE", "SENSEX50"),
        ("SENSEX50 25000 CE 26 NOV 26", "SENSEX50"),
        ("FOCIT26NOV34000CE", "FOCIT"),
        ("RELIANCE26NOV1400CE", "stock"),
        ("M&M26NOV3000PE", "stock"),
        ("BAJAJ-AUTO26NOV9000CE", "stock"),
        ("RELIANCE 1400 CE 26 NOV 26", "stock"),
    ],
)
def test_which_bse_option_a_symbol_names(symbol: str, expected: str) -> None:
    assert bse_option_underlying(symbol) == (expected, "")


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("RELIANCE", AssetKind.SHARE),
        ("BRAINBEES", AssetKind.SHARE),
        ("NIFTYBEES", AssetKind.ETF),
        ("NIFTYBEES-EQ", AssetKind.ETF),
        ("ITIETF", AssetKind.ETF),
        ("GOLDBEES", AssetKind.NON_EQUITY_ETF),
        ("SILVERIETF", AssetKind.NON_EQUITY_ETF),
        ("LIQUIDBEES", AssetKind.NON_EQUITY_ETF),
        ("GOLDCASE", AssetKind.NON_EQUITY_ETF),
        ("SGBAUG28V", AssetKind.BOND),
        ("SETFNIF50", AssetKind.ETF),
        ("SETFGOLD", AssetKind.NON_EQUITY_ETF),
        ("MON100", AssetKind.NON_EQUITY_ETF),
        ("ICICIB22", AssetKind.ETF),
        ("GOLDIAM", AssetKind.SHARE),
    ],
)
def test_what_a_cash_symbol_says(symbol: str, kind: AssetKind) -> None:
    assert kind_of_symbol(symbol) is kind


@pytest.mark.parametrize(
    ("symbol", "agri", "asset"),
    [
        ("GOLD26DECFUT", None, "non_agri"),
        ("COTTON26DECFUT", None, "agri_exempt"),
        ("COTTONOIL26DECFUT", None, "agri"),
        ("GUARSEED10", None, "agri_exempt"),
        ("GUARGUM5", None, "agri"),
        ("STEEL26DEC", True, "agri_exempt"),
        ("COTTON26DECFUT", False, "non_agri"),
    ],
)
def test_what_a_commodity_symbol_says(symbol: str, agri: bool | None, asset: str) -> None:
    assert facts_of(order("BUY", 1, **{**GOLD, "symbol": symbol, "agri": agri}))[0].asset == asset


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"price": 0}, "price must be positive"),
        ({"quantity": 0}, "quantity must be positive"),
        ({"product": Product.NRML}, "NRML does not exist in segment equity"),
        ({"segment": Segment.COMMODITY_FUTURES}, "NSE has no charges for segment commodity_futures"),
        ({"exchange": Exchange.GIFT}, "GIFT is not covered"),
        ({"group": "Q"}, "unknown BSE group 'Q'"),
        ({"multiplier": D(0)}, "multiplier must be positive"),
    ],
)
def test_an_impossible_order_is_refused(fields: dict[str, object], fault: str) -> None:
    whole = {"side": "BUY", "price": 1, **fields}
    side, price = whole.pop("side"), whole.pop("price")
    with pytest.raises(InvalidValueError, match=fault):
        order(side, price, **whole)


def test_rounds_trips_of_every_indian_broker_cost_something() -> None:
    for broker in ("zerodha", "upstox", "angelone", "dhan", "5paisa", "iifl"):
        costs = contract_note(round_trip(100, 101, 10, **OPTION), broker, NOVEMBER)
        assert costs[Levy.BROKERAGE] == 40
        assert costs[Levy.GST] > D("7.2")


def test_no_share_of_the_exchanges_list_is_taken_for_a_fund() -> None:
    """Class B data: read where it lies, never copied."""
    source = Path("../shared/data/instruments/kite_nse_2026_03.parquet")
    if not source.exists():
        pytest.skip(f"{source} is not there")
    listed = pl.read_parquet(source, columns=["tradingsymbol", "name", "segment"])
    for symbol, name, segment in listed.iter_rows():
        fund = any(word in (name or "").upper() for word in ("ETF", "BEES", "EXCHANGE TRADED", "AMC - "))
        index_value = symbol.endswith("NAV") or segment == "INDICES"
        if kind_of_symbol(symbol) in (AssetKind.ETF, AssetKind.NON_EQUITY_ETF):
            assert fund or index_value, (symbol, name)
