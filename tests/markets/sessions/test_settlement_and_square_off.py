"""Settlement days, and the times at which brokers close intraday positions."""

from datetime import date, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.markets.sessions import (
    entry_cutoff_time,
    is_settlement_day,
    is_trading_day,
    settlement_date,
    square_off_brokers,
    square_off_time,
)

DAY = date(2026, 11, 20)
NSE, EQUITY = Exchange.NSE, Segment.EQUITY


def share(has_derivatives: bool | None = True, symbol: str = "ITC") -> Instrument:
    return Instrument(
        exchange=NSE,
        segment=EQUITY,
        kind=InstrumentKind.SHARE,
        symbol=symbol,
        has_derivatives=has_derivatives,
    )


def future(underlying: str, segment: Segment, exchange: Exchange = NSE) -> Instrument:
    return Instrument(
        exchange=exchange,
        segment=segment,
        kind=InstrumentKind.FUTURE,
        symbol=f"{underlying} FUT",
        underlying=underlying,
        expiry=date(2026, 12, 29),
    )


OPTION = Instrument(
    exchange=NSE,
    segment=Segment.EQUITY_OPTIONS,
    kind=InstrumentKind.OPTION,
    symbol="NIFTY CE",
    underlying="NIFTY",
    expiry=date(2026, 11, 23),
    strike=Decimal(24500),
    right=OptionRight.CALL,
)
CURRENCY = future("USDINR", Segment.CURRENCY_FUTURES)
GOLD = future("GOLD", Segment.COMMODITY_FUTURES, Exchange.MCX)
MENTHA = future("MENTHAOIL", Segment.COMMODITY_FUTURES, Exchange.MCX)
BITCOIN = Instrument(
    exchange=Exchange.BINANCE, segment=Segment.CRYPTO_SPOT, kind=InstrumentKind.COIN, symbol="BTCUSDT"
)


@pytest.mark.parametrize(
    ("traded", "settled"),
    [
        (date(2026, 11, 18), date(2026, 11, 19)),
        (date(2026, 11, 20), date(2026, 11, 23)),
        (date(2025, 9, 4), date(2025, 9, 9)),  # two clearing-only holidays
        (date(2025, 9, 5), date(2025, 9, 9)),
        (date(2024, 1, 20), date(2024, 1, 23)),  # Saturday session before the holiday of Monday
        (date(2025, 2, 1), date(2025, 2, 3)),
        (date(2024, 11, 1), date(2024, 11, 4)),  # Muhurat
        (date(2026, 11, 8), date(2026, 11, 9)),  # its hour is not known, its settlement is
    ],
)
def test_settlement_dates(traded: date, settled: date) -> None:
    assert settlement_date(traded, NSE, EQUITY) == settled


@given(st.dates(date(2024, 1, 1), date(2026, 12, 20)))
def test_every_trade_settles_on_the_next_settlement_day(day: date) -> None:
    if not is_trading_day(day, NSE, EQUITY):
        with pytest.raises(InvalidValueError, match="no trading day"):
            settlement_date(day, NSE, EQUITY)
        return
    settled = settlement_date(day, NSE, EQUITY)
    assert settled > day
    assert is_settlement_day(settled, NSE, EQUITY)
    between = [day + timedelta(days=i) for i in range(1, (settled - day).days)]
    assert not any(is_settlement_day(other, NSE, EQUITY) for other in between)


def test_trading_and_settlement_calendars_are_apart() -> None:
    assert is_trading_day(date(2025, 9, 5), NSE, EQUITY)
    assert not is_settlement_day(date(2025, 9, 5), NSE, EQUITY)
    assert not is_settlement_day(date(2026, 2, 1), NSE, EQUITY)


def test_what_is_not_known_of_settlement_is_an_error() -> None:
    with pytest.raises(MissingFactError, match="settlement in 2023"):
        is_settlement_day(date(2023, 6, 1), NSE, EQUITY)
    with pytest.raises(MissingFactError, match="settlement_cycles"):  # T+1 was phased in share by share
        settlement_date(date(2022, 6, 1), NSE, EQUITY)
    with pytest.raises(MissingFactError, match="MCX"):
        is_settlement_day(DAY, Exchange.MCX, Segment.COMMODITY_FUTURES)
    with pytest.raises(MissingFactError, match="settlement in 2027"):
        settlement_date(date(2026, 12, 31), NSE, EQUITY)


@pytest.mark.parametrize(
    ("broker", "instrument", "day", "expected"),
    [
        ("default", share(), DAY, time(15, 0)),
        ("default", share(has_derivatives=False), DAY, time(15, 15)),
        ("default", share(), date(2026, 7, 31), time(15, 15)),
        ("default", OPTION, DAY, time(15, 25)),
        ("default", GOLD, DAY, time(23, 40)),
        ("default", MENTHA, DAY, time(16, 45)),
        ("default", share(), date(2024, 11, 1), time(18, 45)),  # Muhurat
        ("zerodha", share(), DAY, time(15, 12)),
        ("zerodha", share(has_derivatives=False), DAY, time(15, 25)),
        ("zerodha", share(), date(2026, 7, 31), time(15, 20)),
        ("zerodha", OPTION, date(2026, 7, 31), time(15, 25)),
        ("zerodha", CURRENCY, DAY, time(16, 45)),
        ("zerodha", GOLD, DAY, time(23, 30)),
        ("zerodha", GOLD, date(2026, 7, 1), time(23, 5)),
        ("upstox", share(), date(2026, 9, 10), time(15, 5)),
        ("upstox", share(), date(2026, 9, 11), time(15, 10)),
        ("upstox", share(has_derivatives=False), date(2026, 9, 11), time(15, 25)),
        ("angelone", GOLD, DAY, time(23, 40)),
        ("angelone", GOLD, date(2026, 7, 1), time(23, 15)),
        ("dhan", GOLD, DAY, time(23, 45)),
        ("fyers", share(), DAY, time(15, 5)),
    ],
)
def test_square_off_times(broker: str, instrument: Instrument, day: date, expected: time) -> None:
    assert square_off_time(broker, instrument, day) == expected


@pytest.mark.parametrize(
    ("broker", "instrument", "day", "message"),
    [
        ("zerodha", OPTION, DAY, "15:40"),  # its time since the later close was not found
        ("dhan", share(), DAY, "closing_auction_share"),
        ("zerodha", share(), date(2024, 11, 1), "19:00"),  # a fixed time says nothing of a Muhurat
        ("angelone", MENTHA, DAY, "17:00"),
        ("nosuchbroker", share(), DAY, "known brokers: .*zerodha"),
        ("default", share(), date(2026, 11, 21), "no session"),
        ("default", share(has_derivatives=None, symbol="SMALLCO"), DAY, "closing_auction_shares"),
        ("default", BITCOIN, DAY, "Indian exchanges"),
    ],
)
def test_an_unknown_square_off_time_is_an_error(
    broker: str, instrument: Instrument, day: date, message: str
) -> None:
    with pytest.raises(MissingFactError, match=message):
        square_off_time(broker, instrument, day)


def test_the_default_profile_opens_nothing_late_in_auction_shares() -> None:
    assert entry_cutoff_time("default", share(), DAY) == time(14, 45)
    assert entry_cutoff_time("default", share(has_derivatives=False), DAY) is None
    assert entry_cutoff_time("zerodha", share(), DAY) is None


def test_profiles_are_listed() -> None:
    assert square_off_brokers() == ("5paisa", "angelone", "default", "dhan", "fyers", "upstox", "zerodha")
