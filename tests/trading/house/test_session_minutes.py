"""Times of a day become minutes since the open of the instrument's own market."""

from datetime import date, time

import pytest

from tests.trading.feeds.tick_making import share
from tests.trading.house.test_symbols import contract
from trademantra.core.instrument import Exchange
from trademantra.trading.house.session_minutes import leave_minute, since_open

FRIDAY, SATURDAY, EXPIRY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 24)
INFY, NIFTY = share("INFY"), contract("NIFTY", EXPIRY)
GOLD, NO_SUCH = (
    contract(name, date(2026, 12, 4), exchange=Exchange.MCX, family="commodity")
    for name in ("GOLD", "NOSUCH")
)
RUPEE = contract("USDINR", EXPIRY, family="currency")


@pytest.mark.parametrize(
    ("instrument", "day", "minutes"),
    [
        (INFY, FRIDAY, 345), (NIFTY, FRIDAY, 345), (GOLD, FRIDAY, 360), (GOLD, SATURDAY, 360), (NO_SUCH, FRIDAY, 360),
        (RUPEE, FRIDAY, 360),
    ],
)  # fmt: skip
def test_three_in_the_afternoon(instrument, day, minutes):
    assert since_open(time(15, 0), instrument, day) == minutes


@pytest.mark.parametrize("day", [FRIDAY, SATURDAY])
def test_positions_leave_five_minutes_before_the_broker_of_their_own_market(day):
    assert leave_minute("zerodha", INFY, day) == (15 * 60 + 12) - (9 * 60 + 15) - 5
    assert leave_minute("zerodha", GOLD, day) == (23 * 60 + 30) - 9 * 60 - 5
    assert leave_minute("zerodha", RUPEE, day) == (16 * 60 + 45) - 9 * 60 - 5
    # not known at this broker since trading ends at 15:40: a quarter of an hour before that
    assert leave_minute("zerodha", NIFTY, day) == (15 * 60 + 25) - (9 * 60 + 15) - 5
