"""Quantities and prices of orders: lots, freeze slicing, ticks, protection, bands, halts."""

from datetime import UTC, date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.money import is_multiple
from trademantra.core.order import Side
from trademantra.markets.contracts.bands import BandGroup, price_band
from trademantra.markets.contracts.breakers import Halt, HaltKind, breaker_rows, circuit_breaker
from trademantra.markets.contracts.classes import InstrumentClass, class_of
from trademantra.markets.contracts.facts import ANY_PRICE
from trademantra.markets.contracts.freeze import freeze_quantity, slice_quantity
from trademantra.markets.contracts.lots import lot_row, lot_size
from trademantra.markets.contracts.protection import (
    ProtectionSlab,
    protected_price,
    protected_stop_limit,
    protection_percent,
)
from trademantra.markets.contracts.ticks import tick_size

D = Decimal
TODAY = date(2026, 11, 20)
TICKS = st.sampled_from([D("0.01"), D("0.05"), D("0.10"), D("0.50"), D("1.00"), D("5.00")])
PRICES = st.decimals("0.05", "50000", places=2)


@pytest.mark.parametrize(
    ("underlying", "expiry", "on", "lot"),
    [
        ("NIFTY", "2024-04-25", "2024-04-25", 50),
        ("NIFTY", "2024-05-30", "2024-04-25", 50),  # changes overnight: zerodha bulletin of 2024-04-02
        ("NIFTY", "2024-05-30", "2024-04-26", 25),
        ("NIFTY", "2025-01-02", "2024-12-10", 75),  # the first weekly with the new lot
        ("NIFTY", "2025-01-30", "2024-12-10", 25),  # a monthly listed before 2024-11-20
        ("NIFTY", "2025-03-27", "2024-12-26", 25),  # quarterlies change at the end of 2024-12-26
        ("NIFTY", "2025-03-27", "2024-12-27", 75),
        ("NIFTY", "2025-12-30", "2025-12-30", 75),
        ("NIFTY", "2026-01-06", "2025-12-15", 65),
        ("NIFTY", "2026-06-30", "2025-12-30", 75),
        ("NIFTY", "2026-06-30", "2025-12-31", 65),
        ("BANKNIFTY", "2024-12-24", "2024-12-24", 15),
        ("BANKNIFTY", "2025-06-26", "2025-05-02", 30),
        ("BANKNIFTY", "2025-09-25", "2025-04-24", 30),
        ("BANKNIFTY", "2025-09-25", "2025-04-25", 35),
        ("BANKNIFTY", "2026-01-27", "2025-11-20", 30),
        ("FINNIFTY", "2024-07-23", "2024-07-01", 40),
        ("FINNIFTY", "2024-07-30", "2024-07-01", 25),
        ("FINNIFTY", "2025-12-30", "2025-12-01", 65),
        ("FINNIFTY", "2026-01-27", "2026-01-01", 60),
        ("MIDCPNIFTY", "2025-07-31", "2025-05-02", 140),
        ("MIDCPNIFTY", "2026-01-27", "2026-01-01", 120),
        ("NIFTYNXT50", "2026-11-23", "2026-11-20", 25),
        ("SENSEX", "2024-12-20", "2024-12-02", 10),
        ("SENSEX", "2026-11-19", "2026-11-17", 20),
        ("CRUDEOIL", "2026-11-18", "2026-11-17", 100),
    ],
)
def test_lots_around_their_changes(underlying: str, expiry: str, on: str, lot: int) -> None:
    assert lot_size(underlying, date.fromisoformat(expiry), date.fromisoformat(on)) == lot


def test_a_lot_that_is_not_known_names_the_table_and_the_date() -> None:
    for underlying, expiry in (("RELIANCE", TODAY), ("NIFTY", date(2015, 1, 29)), ("", TODAY)):
        with pytest.raises(MissingFactError, match=r"lots.*20..-.*instrument file"):
            lot_size(underlying, expiry, expiry)
    assert lot_row("GOLD", TODAY, TODAY).unit == "grams"


@pytest.mark.parametrize(
    ("underlying", "on", "quantity"),
    [
        ("BANKNIFTY", "2025-08-01", 600),
        ("BANKNIFTY", "2025-09-30", 900),
        ("FINNIFTY", "2025-11-03", 1800),
        ("FINNIFTY", "2025-12-01", 1200),
        ("FINNIFTY", "2026-01-31", 1200),
        ("FINNIFTY", "2026-02-01", 1800),
        ("FINNIFTY", "2026-03-02", 1200),
        ("FINNIFTY", "2026-04-01", 1800),
        ("BANKNIFTY", "2026-03-31", 600),
        ("BANKNIFTY", "2026-04-01", 900),
        ("BANKNIFTY", "2026-07-01", 600),
        ("NIFTY", "2026-08-03", 1800),
        ("MIDCPNIFTY", "2026-08-03", 2800),
        ("NIFTYNXT50", "2026-08-03", 600),
    ],
)
def test_freeze_quantities(underlying: str, on: str, quantity: int) -> None:
    assert freeze_quantity(underlying, date.fromisoformat(on)) == quantity


@pytest.mark.parametrize("on", ["2025-07-31", "2025-10-01", "2025-11-02", "2026-09-01", "2026-11-20"])
def test_months_without_a_circular_are_missing(on: str) -> None:
    with pytest.raises(MissingFactError, match=on):
        freeze_quantity("NIFTY", date.fromisoformat(on))


@given(st.integers(1, 2000), st.integers(1, 4000), st.integers(1, 400))
def test_slices_are_whole_few_and_never_frozen(lots: int, lot: int, freeze_lots: int) -> None:
    size, freeze = D(lot), D(freeze_lots * lot + lot // 2)
    children = slice_quantity(size * lots, size, freeze)
    assert sum(children) == size * lots
    assert all(0 < child <= freeze and is_multiple(child, size) for child in children)
    assert len(children) == -(-lots // freeze_lots)


@pytest.mark.parametrize(
    ("quantity", "lot", "freeze"),
    [
        ("0", "65", "1800"),
        ("-65", "65", "1800"),
        ("66", "65", "1800"),
        ("65", "65", "64"),
        ("65", "0", "1800"),
    ],
)
def test_quantities_that_cannot_be_sliced(quantity: str, lot: str, freeze: str) -> None:
    with pytest.raises(InvalidValueError):
        slice_quantity(D(quantity), D(lot), D(freeze))


@pytest.mark.parametrize(
    ("exchange", "instrument_class", "price", "on", "tick"),
    [
        ("NSE", "share", "150", "2024-06-09", "0.05"),
        ("NSE", "share", "249.99", "2024-06-10", "0.01"),
        ("NSE", "share", "250", "2024-06-10", "0.05"),
        ("NSE", "share", "30000", "2025-04-14", "0.05"),
        ("NSE", "share", "250", "2025-04-15", "0.05"),
        ("NSE", "share", "1000", "2025-04-15", "0.05"),
        ("NSE", "share", "1000.05", "2025-04-15", "0.10"),
        ("NSE", "share", "5000", "2025-04-15", "0.10"),
        ("NSE", "share", "10000", "2025-04-15", "0.50"),
        ("NSE", "share", "20000", "2025-04-15", "1.00"),
        ("NSE", "share", "20001", "2025-04-15", "5.00"),
        ("NSE", "stock_future", "200", "2024-07-05", "0.05"),
        ("NSE", "stock_future", "200", "2024-07-08", "0.01"),
        ("NSE", "index_future", "24500", "2025-04-14", "0.05"),
        ("NSE", "index_future", "15000", "2025-04-15", "0.05"),
        ("NSE", "index_future", "24500", "2025-04-15", "0.10"),
        ("NSE", "index_future", "58000", "2025-04-15", "0.20"),
        ("NSE", "stock_option", "200", "2025-11-02", "0.05"),
        ("NSE", "stock_option", "200", "2025-11-03", "0.01"),
        ("NSE", "stock_option", "250", "2025-11-03", "0.05"),
        ("BSE", "index_option", "83000", "2026-11-20", "0.05"),
        ("NSE", "currency_future", "88", "2026-11-20", "0.0025"),
    ],
)
def test_ticks_at_the_edges_of_bands_and_dates(
    exchange: str, instrument_class: str, price: str, on: str, tick: str
) -> None:
    found = tick_size(Exchange(exchange), InstrumentClass(instrument_class), D(price), date.fromisoformat(on))
    assert found == D(tick)


def test_ticks_that_are_not_known() -> None:
    with pytest.raises(MissingFactError, match=r"ticks.*MCX share"):
        tick_size(Exchange.MCX, InstrumentClass.SHARE, D(1), TODAY)
    with pytest.raises(InvalidValueError):
        tick_size(Exchange.NSE, InstrumentClass.SHARE, D(-1), TODAY)


def test_classes_of_instruments() -> None:
    def contract(underlying: str, segment: Segment) -> Instrument:
        option = segment.is_options
        return Instrument(
            exchange=Exchange.NSE,
            segment=segment,
            kind=InstrumentKind.OPTION if option else InstrumentKind.FUTURE,
            symbol="?",
            underlying=underlying,
            expiry=TODAY,
            strike=D(100) if option else None,
            right=OptionRight.CALL if option else None,
        )

    assert class_of(contract("NIFTY", Segment.EQUITY_OPTIONS)) is InstrumentClass.INDEX_OPTION
    assert class_of(contract("SBIN", Segment.EQUITY_OPTIONS)) is InstrumentClass.STOCK_OPTION
    assert class_of(contract("NIFTYNXT50", Segment.EQUITY_FUTURES)) is InstrumentClass.INDEX_FUTURE
    assert class_of(contract("SBIN", Segment.EQUITY_FUTURES)) is InstrumentClass.STOCK_FUTURE
    assert class_of(contract("USDINR", Segment.CURRENCY_FUTURES)) is InstrumentClass.CURRENCY_FUTURE
    assert class_of(contract("USDINR", Segment.CURRENCY_OPTIONS)) is InstrumentClass.CURRENCY_OPTION
    share = Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="SBIN"
    )
    assert class_of(share) is InstrumentClass.SHARE
    with pytest.raises(InvalidValueError, match="commodity"):
        class_of(contract("GOLD", Segment.COMMODITY_FUTURES))


@pytest.mark.parametrize(
    ("is_option", "price", "percent"),
    [
        (False, "0.05", "2"), (False, "99.95", "2"), (False, "100", "1"), (False, "500", "1"), (False, "500.05", "0.5"),
        (True, "9.95", "5"), (True, "10", "3"), (True, "99.95", "3"), (True, "100", "2"), (True, "500", "2"),
        (True, "500.05", "1"),
    ],
)  # fmt: skip
def test_protection_slabs(is_option: bool, price: str, percent: str) -> None:
    assert protection_percent(is_option, D(price)) == D(percent)


def test_protection_slabs_have_dates_and_can_be_corrected() -> None:
    with pytest.raises(MissingFactError, match="2025-09-30"):
        protection_percent(True, D(50), on=date(2025, 9, 30))
    mine = ProtectionSlab(is_option=True, prices=ANY_PRICE, percent=D(7))
    assert protection_percent(True, D(50), overrides=[mine]) == 7
    assert protection_percent(False, D(50), overrides=[mine]) == 2
    for price in ("0", "-1"):
        with pytest.raises(InvalidValueError):
            protection_percent(True, D(price))


@given(st.sampled_from(Side), PRICES, st.booleans(), TICKS)
def test_protected_prices_lie_outward_on_the_tick(side: Side, price: D, is_option: bool, tick: D) -> None:
    percent = protection_percent(is_option, price)
    limit = protected_price(side, price, percent=percent, tick_size=tick)
    assert is_multiple(limit, tick)
    assert limit >= tick
    exact = price * (1 + side.sign * percent / 100)
    if side is Side.BUY:
        assert exact <= limit < exact + tick
    elif exact >= tick:
        assert exact - tick < limit <= exact


@given(st.sampled_from(Side), PRICES, st.booleans(), TICKS, st.integers(1, 20))
def test_protected_prices_never_pass_the_circuit(
    side: Side, price: D, is_option: bool, tick: D, percent_off: int
) -> None:
    lower, upper = price * (100 - percent_off) / 100, price * (100 + percent_off) / 100
    percent = protection_percent(is_option, price)
    try:
        limit = protected_price(
            side, price, percent=percent, tick_size=tick, lower_circuit=lower, upper_circuit=upper
        )
    except InvalidValueError:
        assert upper - lower < tick or upper < tick
        return
    assert is_multiple(limit, tick)
    assert lower <= limit <= upper


@given(st.sampled_from(Side), PRICES, TICKS)
def test_stop_limits_are_at_least_a_tick_beyond_the_trigger(side: Side, trigger: D, tick: D) -> None:
    try:
        limit = protected_stop_limit(side, trigger, percent=D("0.5"), tick_size=tick)
    except InvalidValueError:
        assert side is Side.SELL
        assert trigger < 2 * tick
        return
    assert is_multiple(limit, tick)
    assert (limit - trigger) * side.sign >= tick


@pytest.mark.parametrize(
    ("side", "reference", "percent", "lower", "upper", "expected"),
    [
        (Side.BUY, "100.10", "2", None, None, "102.15"),  # 102.102 up
        (Side.SELL, "100.10", "2", None, None, "98.05"),  # 98.098 down
        (Side.BUY, "100.00", "2", None, "101.03", "101.00"),
        (Side.SELL, "100.00", "2", "99.02", None, "99.05"),
        (Side.SELL, "0.05", "5", None, None, "0.05"),  # never below a tick
        (Side.BUY, "120.00", "2", None, "110.00", "110.00"),
    ],
)
def test_protected_prices_by_hand(
    side: Side, reference: str, percent: str, lower: str | None, upper: str | None, expected: str
) -> None:
    found = protected_price(
        side,
        D(reference),
        percent=D(percent),
        tick_size=D("0.05"),
        lower_circuit=None if lower is None else D(lower),
        upper_circuit=None if upper is None else D(upper),
    )
    assert found == D(expected)


def test_a_stop_at_the_circuit_limit_has_no_limit_price() -> None:
    with pytest.raises(InvalidValueError, match="inside the circuit limit"):
        protected_stop_limit(Side.BUY, D(110), percent=D(2), tick_size=D("0.05"), upper_circuit=D(110))


def test_bands() -> None:
    fixed = BandGroup.SHARE_WITHOUT_DERIVATIVES
    band = price_band(fixed, D("100.35"), D("0.05"), TODAY, assigned_percent=D(5))
    assert (band.lower, band.upper) == (D("95.35"), D("105.35"))  # 95.3325 and 105.3675, inward
    assert band.lower in band
    assert D("95.30") not in band
    with pytest.raises(InvalidValueError, match="2, 5, 10, 20"):
        price_band(fixed, D(100), D("0.05"), TODAY)
    with pytest.raises(InvalidValueError, match="one of"):
        price_band(fixed, D(100), D("0.05"), TODAY, assigned_percent=D(7))
    with pytest.raises(InvalidValueError, match="cannot flex"):
        price_band(fixed, D(100), D("0.05"), TODAY, assigned_percent=D(5), upward_flexes=1)

    dynamic = price_band(BandGroup.SHARE_WITH_DERIVATIVES, D(1000), D("0.05"), TODAY)
    assert (dynamic.lower, dynamic.upper) == (900, 1100)
    flexed = price_band(BandGroup.SHARE_WITH_DERIVATIVES, D(1000), D("0.05"), TODAY, upward_flexes=2)
    assert (flexed.lower, flexed.upper) == (900, 1200)  # only the side that was hit
    etf = price_band(BandGroup.ETF, D(100), D("0.01"), TODAY, downward_flexes=5)
    assert (etf.lower, etf.upper) == (80, 110)  # at most 20 percent
    auction = price_band(BandGroup.CLOSING_AUCTION, D(1000), D("0.05"), TODAY)
    assert (auction.lower, auction.upper) == (970, 1030)
    with pytest.raises(MissingFactError, match="closing_auction on 2026-08-02"):
        price_band(BandGroup.CLOSING_AUCTION, D(1000), D("0.05"), date(2026, 8, 2))


@given(PRICES, TICKS, st.sampled_from([D(2), D(5), D(10), D(20)]))
def test_bands_hold_only_allowed_prices(base: D, tick: D, percent: D) -> None:
    try:
        band = price_band(BandGroup.SHARE_WITHOUT_DERIVATIVES, base, tick, TODAY, assigned_percent=percent)
    except InvalidValueError:
        assert base * percent / 50 < tick or base < tick
        return
    assert is_multiple(band.lower, tick)
    assert is_multiple(band.upper, tick)
    assert base * (1 - percent / 100) <= band.lower <= band.upper <= base * (1 + percent / 100)


REST = Halt(HaltKind.REST_OF_DAY)
NONE = Halt(HaltKind.NONE)


@pytest.mark.parametrize(
    ("percent", "at", "halt"),
    [
        ("10", "09:15", Halt(HaltKind.PAUSE, 45, 15)),
        ("10", "12:59:59", Halt(HaltKind.PAUSE, 45, 15)),
        ("10", "13:00", Halt(HaltKind.PAUSE, 15, 15)),
        ("10", "14:29:59", Halt(HaltKind.PAUSE, 15, 15)),
        ("10", "14:30", NONE),
        ("15", "12:59:59", Halt(HaltKind.PAUSE, 105, 15)),
        ("15", "13:00", Halt(HaltKind.PAUSE, 45, 15)),
        ("15", "13:59:59", Halt(HaltKind.PAUSE, 45, 15)),
        ("15", "14:00", REST),
        ("20", "09:15", REST),
        ("20", "15:20", REST),
        ("9.99", "10:00", NONE),
        ("12.5", "13:30", Halt(HaltKind.PAUSE, 15, 15)),
        ("23", "13:30", REST),
    ],
)
def test_circuit_breaker(percent: str, at: str, halt: Halt) -> None:
    assert circuit_breaker(D(percent), time.fromisoformat(at)) == halt


def test_halts_say_how_long_they_last() -> None:
    assert circuit_breaker(D(15), time(10)).minutes == 120
    assert REST.minutes is None
    assert NONE.minutes == 0
    assert len(breaker_rows()) == 7
    with pytest.raises(InvalidValueError):
        circuit_breaker(D(-10), time(10))
    with pytest.raises(InvalidValueError, match="zone"):
        circuit_breaker(D(10), time(10, tzinfo=UTC))
