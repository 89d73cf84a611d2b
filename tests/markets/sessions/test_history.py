"""Our calendar against the dates on which NSE really traded, and against exchange_calendars."""

import csv
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.markets.sessions import (
    SessionKind,
    is_trading_day,
    session_on,
    sessions_between,
    trading_days_between,
)

SESSIONS_FILE = Path(__file__).parents[4] / "shared" / "data" / "events" / "nse_sessions_2012_2026.csv"
FIRST, LAST = date(2012, 1, 1), date(2026, 8, 21)
SHARE = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="ITC",
    has_derivatives=True,
)

# Where exchange_calendars XBOM is wrong on weekdays.  Both exchanges moved the Muharram holiday of 2013
# (W:onlinestocktips.in 2013-11); the file of traded dates agrees.
XBOM_WRONGLY_CLOSED = {date(2013, 11, 14)}
XBOM_WRONGLY_OPEN = {date(2013, 11, 15)}

# Days of the file that say "regular" or "unknown" hours where we know better, with the reason.
FILE_SAYS_REGULAR_BUT_MUHURAT = {
    date(2012, 11, 13),
    date(2014, 10, 23),
    date(2015, 11, 11),
    date(2017, 10, 19),
    date(2018, 11, 7),
}  # its README: weekday Diwali sessions before 2019 are marked regular
HOURS_NOT_KNOWN = {
    date(2012, 1, 7),
    date(2012, 3, 3),
    date(2012, 9, 8),
    date(2013, 5, 11),
    date(2013, 11, 3),
}


def traded() -> dict[date, dict[str, str]]:
    if not SESSIONS_FILE.exists():
        pytest.skip(f"{SESSIONS_FILE} is not here: the history of traded dates is not compared")
    with SESSIONS_FILE.open(encoding="utf-8", newline="") as file:
        return {date.fromisoformat(row["date"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("exchange", [Exchange.NSE, Exchange.BSE])
@pytest.mark.parametrize("segment", [Segment.EQUITY, Segment.EQUITY_OPTIONS, Segment.INDEX])
def test_trading_days_are_the_days_that_traded(exchange: Exchange, segment: Segment) -> None:
    """Every day of 2012-01-01..2026-08-21, without exception: weekdays, Saturdays and Sundays."""
    assert set(trading_days_between(FIRST, LAST, exchange, segment)) == set(traded())


def test_hours_agree_with_the_file_where_it_states_them() -> None:
    compared = 0
    for day, row in traded().items():
        if day in HOURS_NOT_KNOWN:
            with pytest.raises(MissingFactError, match="special_sessions"):
                session_on(day, SHARE)
            continue
        session = session_on(day, SHARE)
        assert session is not None
        kind = {
            "regular": SessionKind.REGULAR,
            "muhurat": SessionKind.MUHURAT,
            "budget_saturday": SessionKind.SPECIAL,
            "budget_sunday": SessionKind.SPECIAL,
            "special_saturday": SessionKind.SPECIAL,
            "dr_drill_saturday": SessionKind.DRILL,
            "exchange_outage": SessionKind.DISRUPTED,
        }.get(row["kind"], session.kind)
        if day in FILE_SAYS_REGULAR_BUT_MUHURAT:
            assert session.kind is SessionKind.MUHURAT
            continue
        assert session.kind is kind, day
        hours = "; ".join(f"{clock(start)}-{clock(end)}" for start, end in session.continuous)
        stated = row["session_ist"].replace(" (index feed to 10:08)", "").replace(" (15m bars to 12:30)", "")
        if stated in ("unknown", "evening"):
            continue
        if day >= date(2026, 8, 3):  # the file prints the close of shares without closing auction
            assert (stated, hours) == ("09:15-15:30", "09:15-15:15")
        else:
            assert hours == stated, day
        compared += 1
    assert compared > 3500


def clock(ns: int) -> str:
    minute = (ns // 60_000_000_000 + 330) % (24 * 60)
    return f"{minute // 60:02d}:{minute % 60:02d}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # exchange_calendars uses what pandas 3 deprecates
def test_weekday_holidays_are_those_of_exchange_calendars() -> None:
    """1997 to 2026; the differences are listed, with their reason, at the top of this file."""
    from exchange_calendars import get_calendar

    calendar = get_calendar("XBOM", start="1997-01-01", end="2026-12-31")
    theirs = {session.date() for session in calendar.sessions}
    ours = {
        session_day
        for session_day in trading_days_between(
            date(1997, 1, 1), date(2026, 12, 31), Exchange.NSE, Segment.EQUITY
        )
        if session_day.weekday() < 5
    }
    muhurat_on_weekdays = {
        date(2014, 10, 23), date(2015, 11, 11), date(2017, 10, 19), date(2018, 11, 7), date(2021, 11, 4),
        date(2022, 10, 24), date(2024, 11, 1), date(2025, 10, 21),
    }  # fmt: skip
    assert ours - theirs == muhurat_on_weekdays | XBOM_WRONGLY_CLOSED
    assert theirs - ours == XBOM_WRONGLY_OPEN


def test_sessions_of_a_year_are_the_sheets_count_and_our_specials() -> None:
    """specs/india-markets.md 3.5: 245, 247, 245 weekday sessions; 3.3: the special ones."""
    days = trading_days_between(date(2024, 1, 1), date(2026, 12, 31), Exchange.NSE, Segment.EQUITY)
    assert Counter(day.year for day in days) == {2024: 245 + 4, 2025: 247 + 2, 2026: 245 + 2}


def test_a_decade_of_sessions_is_in_order_and_complete() -> None:
    first, last = date(2014, 1, 1), date(2023, 12, 31)
    sessions = sessions_between(first, last, SHARE)
    days = [session.trade_date for session in sessions]
    assert tuple(days) == trading_days_between(first, last, Exchange.NSE, Segment.EQUITY)
    assert sessions_between(first, last, SHARE) == sessions
    assert all(a.windows[-1].end_ns <= b.windows[0].start_ns for a, b in pairwise(sessions))


@pytest.mark.parametrize("day", [date(2027, 1, 1), date(2027, 7, 3), date(1996, 12, 31)])
def test_a_year_without_a_list_is_an_error_that_names_it(day: date) -> None:
    with pytest.raises(MissingFactError, match=f"holidays.*{day.year}"):
        is_trading_day(day, Exchange.NSE, Segment.EQUITY)
    with pytest.raises(MissingFactError, match=str(day.year)):
        session_on(day, SHARE)
    with pytest.raises(MissingFactError, match=str(day.year)):
        sessions_between(day, day, SHARE)


def test_hours_before_the_pre_open_of_2010_are_not_guessed() -> None:
    assert is_trading_day(date(2010, 10, 15), Exchange.NSE, Segment.EQUITY)
    with pytest.raises(MissingFactError, match="timetables"):
        session_on(date(2010, 10, 15), SHARE)
    assert session_on(date(2010, 10, 18), SHARE) is not None
