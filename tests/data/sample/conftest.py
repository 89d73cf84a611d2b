"""One synthetic half-year that the tests of this folder look at."""

from datetime import date

import pytest

from trademantra.data.sample.calendar import trading_days_from
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.engine.bars import Bars


@pytest.fixture(scope="session")
def market() -> SyntheticMarket:
    shares = synthetic_shares(16)
    days = trading_days_from(date(2025, 6, 2), 120)
    return SyntheticMarket(seed=7, days=days, shares=shares, indices=(synthetic_index(shares),))


@pytest.fixture(scope="session")
def bars(market: SyntheticMarket) -> dict[str, Bars]:
    return generate_bars(market)
