"""Money, time, timeframes, instruments and bars: exact, and closed to wrong values."""

import importlib
import pkgutil
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trademantra
from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError, TradeMantraError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment, plain
from trademantra.core.money import (
    amount_of,
    decimal_of,
    is_multiple,
    round_down,
    round_half_up,
    round_up,
    units_of,
)
from trademantra.core.time import IST, ManualClock, datetime_of, ns_of, parse_instant
from trademantra.engine.bars import Bars

amounts = st.integers(-(2**62), 2**62)
steps = st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("0.0025"), Decimal(1), Decimal(5)])
prices = st.decimals(min_value=0, max_value=10**7, places=4)


@given(amounts)
def test_stored_money_round_trips(units: int) -> None:
    assert units_of(amount_of(units)) == units


@pytest.mark.parametrize("amount", [Decimal("0.00001"), Decimal(2**63)])
def test_money_that_does_not_fit_is_refused(amount: Decimal) -> None:
    with pytest.raises(InvalidValueError):
        units_of(amount)


@given(prices, steps)
def test_rounding_brackets_the_amount(amount: Decimal, step: Decimal) -> None:
    low, near, high = round_down(amount, step), round_half_up(amount, step), round_up(amount, step)
    assert low <= amount <= high
    assert high - low in (0, step)
    assert near in (low, high)
    assert abs(near - amount) * 2 <= step
    assert is_multiple(near, step)


@pytest.mark.parametrize("rubbish", ["", "1,000", "NaN", "Infinity", float("nan"), True, "₹5"])
def test_a_number_is_a_number(rubbish: object) -> None:
    with pytest.raises(InvalidValueError, match="cash"):
        decimal_of(rubbish, "cash")


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_instants_round_trip_to_the_microsecond(naive: datetime, offset: int) -> None:
    aware = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert datetime_of(ns_of(aware)) == aware


def test_a_time_without_zone_is_refused_unless_one_is_named() -> None:
    with pytest.raises(InvalidValueError, match="no zone"):
        ns_of(datetime(2026, 11, 20))
    with pytest.raises(InvalidValueError, match="no zone"):
        parse_instant("2026-11-20T09:15")
    assert parse_instant("2026-11-20T09:15", IST) == datetime(2026, 11, 20, 3, 45, tzinfo=UTC)


def test_a_clock_never_goes_back() -> None:
    clock = ManualClock(10)
    clock.advance_to(10)
    with pytest.raises(InvalidValueError, match="cannot go back"):
        clock.advance_to(9)


@given(st.integers(1, 9999), st.sampled_from(["s", "m", "h", "d", "w", "mo"]))
def test_timeframes_round_trip(count: int, unit: str) -> None:
    assert str(Timeframe.parse(f"{count}{unit}")) == f"{count}{unit}"


@pytest.mark.parametrize("rubbish", ["", "m", "0m", "5", "-5m", "5 minutes", "1y", "5mm"])
def test_rubbish_is_no_timeframe(rubbish: str) -> None:
    with pytest.raises(InvalidValueError, match="not a timeframe"):
        Timeframe.parse(rubbish)


def test_a_contract_needs_its_fields_and_a_share_has_none() -> None:
    option = {
        "exchange": Exchange.NSE,
        "segment": Segment.EQUITY_OPTIONS,
        "kind": InstrumentKind.OPTION,
        "symbol": "NIFTY26NOV24500CE",
        "underlying": "NIFTY",
        "expiry": date(2026, 11, 23),
        "strike": Decimal("24500.00"),
        "right": OptionRight.CALL,
    }
    assert Instrument(**option).key == "NSE:NIFTY:2026-11-23:24500:CE"
    for missing in ("underlying", "expiry", "strike", "right"):
        with pytest.raises(InvalidValueError):
            Instrument(**{**option, missing: None})
    for wrong in ({"segment": Segment.EQUITY}, {"kind": InstrumentKind.FUTURE}, {"lot_size": Decimal(0)}):
        with pytest.raises(InvalidValueError):
            Instrument(**{**option, **wrong})
    with pytest.raises(InvalidValueError):
        Instrument(
            exchange=Exchange.NSE,
            segment=Segment.EQUITY,
            kind=InstrumentKind.SHARE,
            symbol="TCS",
            expiry=date(2026, 11, 23),
        )


@given(st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=2))
def test_plain_numbers_keep_their_value_without_zeros(number: Decimal) -> None:
    assert Decimal(plain(number)) == number
    assert not plain(number).endswith(".0")


@pytest.mark.parametrize(
    "fields",
    [
        (1.0, 2.0, 0.5, 3.0, 1.0),
        (1.0, 2.0, 1.5, 1.8, 1.0),
        (1.0, 2.0, 0.5, float("nan"), 1.0),
        (1.0, 2.0, 0.5, 1.5, -1.0),
    ],
)
def test_an_impossible_bar_is_refused(fields: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="bar"):
        Bar(0, *fields)


def bars(**changed: object) -> Bars:
    whole = {
        "ts": [1, 2, 3],
        "open": [10.0, 11.0, 12.0],
        "high": [12.0, 12.0, 13.0],
        "low": [9.0, 10.0, 11.0],
        "close": [11.0, 12.0, 12.5],
        "volume": [5.0, 0.0, 7.0],
    }
    return Bars.of(**{**whole, **changed})


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"ts": [1, 3, 2]}, "bar 2 .* earlier"),
        ({"ts": [1, 2, 2]}, "bar 2 .* repeats"),
        ({"open": [10.0, np.nan, 12.0]}, "bar 1 .*open is not a positive"),
        ({"close": [11.0, 0.0, 12.5]}, "bar 1 .*close is not a positive"),
        ({"high": [12.0, 12.0, 12.0]}, "bar 2 .*high is below"),
        ({"low": [9.0, 11.5, 11.0]}, "bar 1 .*low is above"),
        ({"volume": [5.0, -1.0, 7.0]}, "bar 1 .*volume"),
        ({"volume": [5.0]}, "shape"),
    ],
)
def test_bad_bar_arrays_name_the_first_bad_bar(changed: dict[str, object], fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        bars(**changed)


def test_bars_between_is_half_open() -> None:
    assert bars().between(1, 3).ts.tolist() == [1, 2]
    assert len(Bars.empty()) == 0


def test_errors_have_codes_and_say_where() -> None:
    error = BadInputError("trades.csv", "price is empty", line=7, column="price", hint="fill it in")
    assert str(error) == "trades.csv, line 7, column 'price': price is empty (fill it in)"

    def all_of(kind: type[TradeMantraError]) -> list[type[TradeMantraError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in all_of(child))]

    for module in pkgutil.walk_packages(trademantra.__path__, "trademantra."):
        if not module.name.endswith(("__main__", "migrations.env")):
            importlib.import_module(module.name)
    codes = [kind.code for kind in all_of(TradeMantraError)]
    assert len(codes) == len(set(codes))
