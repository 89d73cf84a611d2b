"""Times of a day become minutes since the open of the instrument's own market."""

from datetime import date, time

import pytest

from trademantra.cli.session_minutes import leave_minute, since_open

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)


@pytest.mark.parametrize(
    ("symbol", "day", "minutes"),
    [
        ("INFY", FRIDAY, 345), ("NSE:INFY", FRIDAY, 345), ("NSE:NIFTY:2026-11-24:FUT", FRIDAY, 345),
        ("MCX:GOLD26DECFUT", FRIDAY, 360), ("MCX:GOLD:2026-12-04:FUT", FRIDAY, 360), ("MCX:GOLD26DECFUT", SATURDAY, 360),
        ("MCX:NOSUCH26DECFUT", FRIDAY, 360),
    ],
)  # fmt: skip
def test_three_in_the_afternoon(symbol, day, minutes):
    assert since_open(time(15, 0), symbol, day) == minutes


def test_positions_leave_five_minutes_before_the_broker():
    assert leave_minute("zerodha", "INFY", FRIDAY) == (15 * 60 + 12) - (9 * 60 + 15) - 5
    assert leave_minute("zerodha", "MCX:GOLD26DECFUT", FRIDAY) == (23 * 60 + 30) - 9 * 60 - 5
