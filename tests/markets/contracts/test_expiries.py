"""The expiry calendar: known dates, its own laws, and what real contract files list."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.markets.contracts.expiries import (
    Cycle,
    ExpiryRow,
    ExpiryRule,
    Weekday,
    expiry_calendar,
    expiry_weekday,
    monthly_expiry,
    weekly_expiries,
)
from trademantra.markets.contracts.facts import Period
from trademantra.markets.contracts.lots import lot_rows, lot_size

SHARED = Path(__file__).parents[4] / "shared" / "data"
INDICES = {
    Exchange.NSE: ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"),
    Exchange.BSE: ("SENSEX", "BANKEX", "SENSEX50"),
}
LAST_KNOWN = date(2026, 12, 31)


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("underlying", "exchange", "expiry"),
    [
        ("NIFTY", "NSE", "2026-03-30"),  # C:FAOP71876: 2026-03-31 is a holiday
        ("BANKNIFTY", "NSE", "2026-03-30"),
        ("NIFTY", "NSE", "2026-11-23"),  # 2026-11-24 is a holiday
        ("SENSEX", "BSE", "2026-11-26"),
        ("RELIANCE", "NSE", "2026-11-23"),
        ("NIFTY", "NSE", "2025-08-28"),  # the last Thursday under the old rule
        ("NIFTY", "NSE", "2025-09-30"),  # the first Tuesday under the new one
        ("BANKNIFTY", "NSE", "2024-01-25"),  # Thursday; Wednesday from March to December 2024
        ("BANKNIFTY", "NSE", "2024-12-24"),  # 2024-12-25 is a holiday
        ("BANKNIFTY", "NSE", "2025-01-30"),
        ("FINNIFTY", "NSE", "2024-12-31"),
        ("MIDCPNIFTY", "NSE", "2024-12-30"),
        ("BANKEX", "BSE", "2024-12-30"),
        ("SENSEX", "BSE", "2024-12-27"),
        ("SENSEX", "BSE", "2025-08-26"),
        ("SENSEX", "BSE", "2025-09-25"),
    ],
)
def test_monthly_expiries(underlying: str, exchange: str, expiry: str) -> None:
    expected = day(expiry)
    assert monthly_expiry(underlying, expected.year, expected.month, exchange=Exchange(exchange)) == expected
    assert expiry_calendar(Exchange(exchange)).is_monthly(underlying, expected)


def test_weekly_expiries_of_november_2026() -> None:
    found = weekly_expiries("NIFTY", day("2026-11-01"), day("2026-11-30"))
    assert [str(expiry) for expiry in found] == ["2026-11-03", "2026-11-09", "2026-11-17", "2026-11-23"]


def test_a_week_whose_due_day_has_only_a_muhurat_session_expires_before_it() -> None:
    assert weekly_expiries("NIFTY", day("2025-10-19"), day("2025-10-24")) == (day("2025-10-20"),)


def test_an_expiry_moved_into_the_week_before_is_found_there() -> None:
    """MIDCPNIFTY due on Monday 2024-03-25, Holi, expired on Friday 22."""
    found = weekly_expiries("MIDCPNIFTY", day("2024-03-18"), day("2024-03-22"))
    assert found == (day("2024-03-18"), day("2024-03-22"))


def test_a_weekly_moved_across_the_months_end_stands_behind_the_monthly() -> None:
    """SENSEX due on 2024-11-01, a Muhurat day; the monthly contract of October expired on the 25th."""
    assert weekly_expiries("SENSEX", day("2024-10-20"), day("2024-11-03"), exchange=Exchange.BSE) == (
        day("2024-10-25"),
        day("2024-10-31"),
    )
    assert not expiry_calendar(Exchange.BSE).is_monthly("SENSEX", day("2024-10-31"))


def test_the_monthly_contract_takes_the_place_of_its_weeks_weekly() -> None:
    """BANKNIFTY in January 2024: weeklies on Wednesdays, the monthly on Thursday 25."""
    found = weekly_expiries("BANKNIFTY", day("2024-01-15"), day("2024-02-02"))
    assert [str(expiry) for expiry in found] == ["2024-01-17", "2024-01-25", "2024-01-31"]


def test_weekday_changes() -> None:
    assert expiry_weekday("NIFTY", Cycle.WEEKLY, day("2025-08-28")) is Weekday.THURSDAY
    assert expiry_weekday("NIFTY", Cycle.WEEKLY, day("2025-09-02")) is Weekday.TUESDAY
    assert (
        expiry_weekday("SENSEX", Cycle.WEEKLY, day("2026-11-20"), exchange=Exchange.BSE) is Weekday.THURSDAY
    )
    assert expiry_weekday("BANKNIFTY", Cycle.MONTHLY, day("2026-11-20")) is Weekday.TUESDAY
    for underlying, cycle, on in (
        ("BANKNIFTY", Cycle.WEEKLY, "2024-11-14"),  # one weekly index option per exchange since 2024-11-20
        ("FINNIFTY", Cycle.WEEKLY, "2026-01-06"),
        ("RELIANCE", Cycle.WEEKLY, "2026-01-06"),
    ):
        with pytest.raises(MissingFactError, match=rf"expiries.*{underlying}.*{on}"):
            expiry_weekday(underlying, cycle, day(on))


def test_weeklies_end_where_their_rows_end() -> None:
    assert weekly_expiries("BANKNIFTY", day("2024-11-01"), day("2025-01-31")) == (
        day("2024-11-06"),
        day("2024-11-13"),
    )
    assert weekly_expiries("BANKNIFTY", day("2026-01-01"), day("2026-01-31")) == ()
    with pytest.raises(MissingFactError, match="RELIANCE"):
        weekly_expiries("RELIANCE", day("2026-01-01"), day("2026-01-31"))


def test_years_without_holiday_list_and_unknown_products_are_errors() -> None:
    with pytest.raises(MissingFactError, match="2029"):
        monthly_expiry("NIFTY", 2029, 12)
    with pytest.raises(MissingFactError, match="expiries"):
        monthly_expiry("NIFTY", 2015, 1)
    with pytest.raises(MissingFactError):
        monthly_expiry("RELIANCE", 2026, 1, exchange=Exchange.BSE)
    with pytest.raises(MissingFactError):
        monthly_expiry("USDINR", 2026, 1)  # a currency pair is no stock
    with pytest.raises(InvalidValueError, match="month 13"):
        monthly_expiry("NIFTY", 2026, 13)
    with pytest.raises(InvalidValueError, match="after"):
        weekly_expiries("NIFTY", day("2026-02-01"), day("2026-01-01"))
    with pytest.raises(InvalidValueError, match="calendar is wrong"):
        expiry_calendar(is_trading_day=lambda _: False).monthly_expiry("NIFTY", 2026, 1)


def test_overrides_come_first() -> None:
    """An exchange moves NIFTY weeklies to Monday from 2026-12-01; the user writes it down himself."""
    monday = ExpiryRow(
        exchange=Exchange.NSE,
        is_currency=False,
        underlyings=frozenset({"NIFTY"}),
        cycle=Cycle.WEEKLY,
        rule=ExpiryRule.EACH_WEEK,
        weekday=Weekday.MONDAY,
        period=Period(day("2026-12-01"), None),
    )
    calendar = expiry_calendar(overrides=(monday,))
    found = calendar.weekly_expiries("NIFTY", day("2026-11-25"), day("2026-12-15"))
    assert [str(expiry) for expiry in found] == ["2026-12-07", "2026-12-14"]


def test_next_expiry() -> None:
    calendar = expiry_calendar()
    assert calendar.next_expiry("NIFTY", Cycle.WEEKLY, day("2026-11-09")) == day("2026-11-09")
    assert calendar.next_expiry("NIFTY", Cycle.WEEKLY, day("2026-11-10")) == day("2026-11-17")
    assert calendar.next_expiry("NIFTY", Cycle.MONTHLY, day("2026-11-24")) == day("2026-12-29")
    assert calendar.next_expiry("NIFTY", Cycle.MONTHLY, day("2025-12-31")) == day("2026-01-27")
    with pytest.raises(MissingFactError):
        calendar.next_expiry("BANKNIFTY", Cycle.WEEKLY, day("2025-01-01"))


@settings(max_examples=60, deadline=None)
@given(
    st.dates(date(2023, 8, 1), date(2026, 11, 15)), st.integers(0, 120), st.sampled_from(["NIFTY", "SENSEX"])
)
def test_laws_of_weekly_expiries(first: date, length: int, underlying: str) -> None:
    exchange = Exchange.NSE if underlying == "NIFTY" else Exchange.BSE
    last = min(first + timedelta(days=length), day("2026-12-20"))
    calendar = expiry_calendar(exchange)
    found = calendar.weekly_expiries(underlying, first, last)
    assert list(found) == sorted(set(found))
    assert all(first <= expiry <= last and calendar.is_trading_day(expiry) for expiry in found)
    # Asking in two halves gives the same, so the range never changes an expiry.
    middle = first + (last - first) // 2
    halves = calendar.weekly_expiries(underlying, first, middle)
    if middle < last:
        halves += calendar.weekly_expiries(underlying, middle + timedelta(days=1), last)
    assert halves == found
    # The monthly contract of every month in range is one of them, and the last of its month.
    for expiry in found:
        monthly = calendar.monthly_expiry(underlying, expiry.year, expiry.month)
        # Behind the monthly one stands only a weekly of the next month, moved back by a holiday (2024-10-31).
        assert expiry <= monthly or (expiry + timedelta(days=3)).month != expiry.month
        assert first > monthly or monthly > last or monthly in found


def read(name: str) -> pl.DataFrame:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no real contract file at {path}")
    return pl.read_parquet(path)


def check_listed(exchange: Exchange, underlying: str, listed: Iterable[date]) -> int:
    """Each listed expiry up to the last known year is one of ours, and each month's last one is our monthly."""
    calendar = expiry_calendar(exchange)
    known = sorted(expiry for expiry in listed if expiry <= LAST_KNOWN)
    for expiry in known:
        monthly = calendar.monthly_expiry(underlying, expiry.year, expiry.month)
        if expiry != monthly:
            assert expiry in calendar.weekly_expiries(underlying, expiry, expiry), (underlying, expiry)
    return len(known)


def test_expiries_and_lots_of_the_exchanges_own_file() -> None:
    """NSE bhavcopy of January and February 2026: all index contracts that were traded or held."""
    frame = read("india/nse_fo_bhavcopy_2026_01_02.parquet")
    index = frame.filter(pl.col("type").is_in(["IDF", "IDO"]))
    for underlying in INDICES[Exchange.NSE]:
        rows = index.filter(pl.col("underlying") == underlying)
        assert check_listed(Exchange.NSE, underlying, rows["expiry"].unique()) >= 4
        lots = rows.select("expiry", "date", "lot_size").unique()
        for expiry, on, lot in lots.iter_rows():
            assert lot_size(underlying, expiry, on) == Decimal(lot), (underlying, expiry, on)
    # Both ways: no expiry of ours of these two months was not listed.
    nifty = set(index.filter(pl.col("underlying") == "NIFTY")["expiry"])
    ours = weekly_expiries("NIFTY", day("2026-01-01"), day("2026-02-28"))
    assert len(ours) == 8
    assert set(ours) == {expiry for expiry in nifty if expiry < day("2026-03-01")}
    stocks = frame.filter(pl.col("type") == "STF")
    for expiry in stocks["expiry"].unique():
        assert monthly_expiry("any stock", expiry.year, expiry.month) == expiry


@pytest.mark.parametrize(
    ("file", "on", "exchanges"),
    [
        ("kite_nfo_bfo_2026_08_18", "2026-08-18", {"NFO": Exchange.NSE, "BFO": Exchange.BSE}),
        ("upstox_complete_2026_03", "2026-02-20", {"NSE_FO": Exchange.NSE, "BSE_FO": Exchange.BSE}),
    ],
)
def test_expiries_and_lots_of_brokers_masters(file: str, on: str, exchanges: dict[str, Exchange]) -> None:
    frame = read(f"instruments/{file}.parquet").filter(pl.col("expiry").is_not_null())
    checked = 0
    for code, exchange in exchanges.items():
        for underlying in INDICES[exchange]:
            rows = frame.filter(
                (pl.col("exchange") == code)
                & pl.col("tradingsymbol").str.contains(
                    rf"^{underlying}\d\d([A-Z]{{3}}|[1-9OND]\d\d)(FUT|\d+(CE|PE))$"
                )
            )
            assert len(rows) > 50
            checked += check_listed(exchange, underlying, rows["expiry"].unique())
            for expiry, lot in rows.select("expiry", "lot_size").unique().iter_rows():
                assert lot_size(underlying, expiry, day(on)) == Decimal(lot), (underlying, expiry)
    assert checked >= 36


def test_far_expiries_of_the_masters_follow_the_rule_where_only_the_holiday_list_is_missing() -> None:
    """On bare weekdays every far NIFTY and SENSEX expiry is ours but 2029-12-24, as 2029-12-25 is Christmas."""
    frame = read("instruments/kite_nfo_bfo_2026_08_18.parquet")
    differing = set()
    for underlying, exchange in (
        ("NIFTY", Exchange.NSE),
        ("BANKNIFTY", Exchange.NSE),
        ("SENSEX", Exchange.BSE),
    ):
        calendar = expiry_calendar(exchange, is_trading_day=lambda found: found.weekday() < 5)
        for expiry in frame.filter(pl.col("name") == underlying)["expiry"].unique():
            if expiry > LAST_KNOWN:
                ours = calendar.monthly_expiry(underlying, expiry.year, expiry.month)
                if ours != expiry:
                    differing.add((underlying, expiry, ours))
    assert differing == {("NIFTY", day("2029-12-24"), day("2029-12-25"))}


def test_currency_expiries_of_the_upstox_master() -> None:
    frame = read("instruments/upstox_complete_2026_03.parquet").filter(
        pl.col("instrument_type") == "FUTCUR", pl.col("expiry") <= LAST_KNOWN
    )
    monthly = pl.col("tradingsymbol").str.contains(r"\d\d[A-Z]{3}FUT$")
    for code, exchange in (("NCD_FO", Exchange.NSE), ("BCD_FO", Exchange.BSE)):
        calendar = expiry_calendar(exchange, Segment.CURRENCY_FUTURES)
        rows = frame.filter(pl.col("exchange") == code)
        months = sorted(rows.filter(monthly)["expiry"].unique())
        assert len(months) == 11
        assert [calendar.monthly_expiry("USDINR", m.year, m.month) for m in months] == months
        weeks = sorted(rows.filter(~monthly)["expiry"].unique())
        assert list(calendar.weekly_expiries("USDINR", weeks[0], weeks[-1])) == weeks
        with pytest.raises(MissingFactError, match="working days"):
            calendar.expiry_weekday("USDINR", Cycle.MONTHLY, day("2026-03-01"))


def test_every_index_with_lots_has_expiries() -> None:
    for rows in lot_rows().values():
        for row in rows:
            if row.exchange in INDICES:
                assert row.underlying in INDICES[row.exchange]
                assert monthly_expiry(row.underlying, 2026, 11, exchange=row.exchange)
