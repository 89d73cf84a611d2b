from datetime import date

import pytest

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of
from trademantra.data.sample.calendar import expiry_close_ns, option_expiries, trading_days, trading_days_from


def test_holidays_are_skipped_and_budget_sundays_are_not():
    """2026-01-15 and 2026-01-26 are holidays, Sunday 2026-02-01 is the Budget (specs/india-markets.md 3.3, 3.4)."""
    days = {day.trade_date for day in trading_days(date(2026, 1, 1), date(2026, 2, 3))}
    assert date(2026, 1, 15) not in days
    assert date(2026, 1, 26) not in days
    assert date(2026, 2, 1) in days
    assert len(days) == 23


def test_shares_with_derivatives_stop_at_15_15_since_the_closing_auction():
    before, after = trading_days(date(2026, 7, 31), date(2026, 8, 3))
    assert (before.minutes, after.minutes) == (375, 360)
    assert datetime_of(after.intervals[-1][1]).strftime("%H:%M") == "15:15"


def test_the_auction_matches_two_minutes_later_since_september_2026():
    before, after = trading_days(date(2026, 9, 4), date(2026, 9, 7))
    assert [datetime_of(day.auction_ns or 0).strftime("%H:%M") for day in (before, after)] == [
        "09:08",
        "09:10",
    ]


def test_a_drill_has_two_intervals():
    (drill,) = trading_days(date(2024, 3, 2), date(2024, 3, 2))
    assert [(stop - start) // NANOSECONDS_PER_MINUTE for start, stop in drill.intervals] == [45, 60]


def test_a_special_session_of_unknown_hours_is_left_out():
    """Muhurat of Sunday 2026-11-08: the hour is not in our sources."""
    dates = [day.trade_date for day in trading_days(date(2026, 11, 6), date(2026, 11, 9))]
    assert dates == [date(2026, 11, 6), date(2026, 11, 9)]


def test_a_count_of_days_is_met_exactly_from_the_first_on():
    counted = trading_days_from(date(2026, 1, 1), 60)
    assert counted == trading_days(date(2026, 1, 1), counted[-1].trade_date)
    assert len(counted) == 60
    assert trading_days_from(date(2026, 1, 24), 1)[0].trade_date == date(2026, 1, 27)


def test_the_last_days_of_the_last_holiday_list_can_be_reached():
    assert trading_days_from(date(2026, 12, 31), 1)[0].trade_date == date(2026, 12, 31)


def test_a_year_without_holiday_list_is_an_error():
    with pytest.raises(MissingFactError, match="2027"):
        trading_days_from(date(2026, 12, 1), 60)
    with pytest.raises(MissingFactError, match="2027"):
        option_expiries(date(2026, 12, 31), 2, weekly=True)


def test_expiries_before_the_rules_on_file_are_not_guessed():
    for weekly in (True, False):
        with pytest.raises(MissingFactError, match="expiries"):
            option_expiries(date(2015, 1, 1), 1, weekly=weekly)


def test_no_days_are_an_error():
    with pytest.raises(InvalidValueError, match="at least 1 day"):
        trading_days_from(date(2026, 1, 1), 0)
    with pytest.raises(InvalidValueError, match="does not trade between"):
        trading_days(date(2026, 1, 24), date(2026, 1, 26))


def test_options_expire_at_the_close_of_their_segment():
    assert datetime_of(expiry_close_ns(date(2026, 7, 28))).strftime("%H:%M") == "15:30"
    assert datetime_of(expiry_close_ns(date(2026, 8, 4))).strftime("%H:%M") == "15:40"
