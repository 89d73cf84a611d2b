from dataclasses import replace
from datetime import date, time

import pytest

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ist_ns
from trademantra.data.sample.market import SyntheticIndex, SyntheticMarket, TradingDay
from trademantra.data.sample.universe import MOST_SHARES, synthetic_index, synthetic_shares, tick_of

MONDAY, TUESDAY = date(2026, 2, 2), date(2026, 2, 3)


def hours(day: date) -> TradingDay:
    return TradingDay(day, ((ist_ns(day, time(9, 15)), ist_ns(day, time(15, 30))),))


MARKET = SyntheticMarket(
    seed=1,
    days=(hours(MONDAY), hours(TUESDAY)),
    shares=synthetic_shares(3),
    indices=(synthetic_index(synthetic_shares(3)),),
)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"seed": -1}, "seed must be 0 or more"),
        ({"days": ()}, "at least one trading day"),
        ({"shares": ()}, "at least one trading day and one share"),
        ({"days": (hours(TUESDAY), hours(MONDAY))}, "2026-02-02 is not after 2026-02-03"),
        ({"days": (hours(MONDAY), hours(MONDAY))}, "is not after"),
        ({"shares": synthetic_shares(2)}, "member SYNENERGY1 is not a share"),
        ({"shares": synthetic_shares(3) * 2}, "appears twice"),
        ({"market_volatility": 0.06}, "market_volatility 0.06"),
        ({"sector_volatility": float("nan")}, "sector_volatility nan"),
        ({"drift": 0.006}, "drift 0.006"),
    ],
)
def test_a_contradictory_market_is_refused(change, fault):
    with pytest.raises(InvalidValueError, match=fault):
        replace(MARKET, **change)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"symbol": "RELIANCE"}, "mistaken for a real symbol"),
        ({"start_price": 0}, "start_price must be positive"),
        ({"start_price": 13_893, "tick": 5}, "off its tick"),
        ({"lot_size": -1}, "lot_size"),
        ({"volatility": 0.2}, "volatility 0.2"),
        ({"market_beta": 3.5}, "market_beta"),
        ({"sector_beta": float("inf")}, "sector_beta"),
    ],
)
def test_an_impossible_share_is_refused(change, fault):
    with pytest.raises(InvalidValueError, match=fault):
        replace(synthetic_shares(1)[0], **change)


@pytest.mark.parametrize("members", [(), ("SYNIT1", "SYNIT1")])
def test_an_index_needs_each_member_once(members):
    with pytest.raises(InvalidValueError, match="members, each once"):
        SyntheticIndex(symbol="SYNX", members=members)


@pytest.mark.parametrize(
    ("intervals", "auction", "fault"),
    [
        ((), None, "no trading interval"),
        (((100, 100),), None, "overlap or are empty"),
        (((0, 60 * 10**9), (0, 60 * 10**9)), None, "overlap"),
        (((0, 61 * 10**9),), None, "not whole minutes"),
        (((0, 60 * 10**9),), 1, "overlap"),
    ],
)
def test_an_impossible_day_is_refused(intervals, auction, fault):
    with pytest.raises(InvalidValueError, match=fault):
        TradingDay(MONDAY, intervals, auction)


def test_all_shares_of_the_universe_are_possible_and_never_change():
    everything = synthetic_shares(MOST_SHARES)
    assert len({share.symbol for share in everything}) == MOST_SHARES
    assert everything[:5] == synthetic_shares(5)
    for share in everything:
        assert share.start_price % tick_of(share.start_price) == 0
        assert 120_00 <= share.start_price <= 3_720_00
        # A contract is worth 5 to 10 lakh at the start, but for the smallest lot of the dearest shares.
        assert 500_000_00 <= share.lot_size * share.start_price <= 1_000_000_00


@pytest.mark.parametrize("count", [0, MOST_SHARES + 1])
def test_a_universe_of_another_size_is_refused(count):
    with pytest.raises(InvalidValueError, match="1 to 400 shares"):
        synthetic_shares(count)


@pytest.mark.parametrize(
    ("paise", "tick"),
    [
        (24_999, 1),
        (25_000, 5),
        (100_000, 5),
        (100_001, 10),
        (500_000, 10),
        (500_001, 50),
        (1_000_001, 100),
        (2_000_001, 500),
    ],
)
def test_ticks_are_those_of_nse_cash_since_2025(paise, tick):
    """specs/india-markets.md 2.4: <250, 250-1000, >1000-5000, >5000-10000, >10000-20000, >20000."""
    assert tick_of(paise) == tick
