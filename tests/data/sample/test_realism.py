"""What a trader would notice if it were missing, in numbers.  Bounds are loose around what NSE shares show."""

from itertools import combinations

import numpy as np
import pytest

MINUTES = 375


@pytest.fixture(scope="module")
def shares(market, bars):
    """Open, close and volume of each share as (shares, days, minutes), full days only."""
    columns = {name: [] for name in ("open", "high", "low", "close", "volume")}
    full = np.repeat([day.minutes == MINUTES for day in market.days], [day.minutes for day in market.days])
    for share in market.shares:
        for name, column in columns.items():
            column.append(getattr(bars[share.symbol], name)[full].reshape(-1, MINUTES))
    return {name: np.array(column) for name, column in columns.items()}


@pytest.fixture(scope="module")
def returns(shares):
    return np.log(shares["close"] / shares["open"])


@pytest.fixture(scope="module")
def shape(returns):
    """Volatility by minute in units of its mean square over the day."""
    by_minute = np.sqrt((returns**2).mean(axis=(0, 1)))
    return by_minute / np.sqrt((by_minute**2).mean())


def daily_returns(shares):
    last = np.log(shares["close"][:, :, -1])
    return np.diff(last, axis=1)


def test_volume_is_u_shaped_with_a_lunch_lull(shares):
    part = (shares["volume"] / shares["volume"].sum(axis=2, keepdims=True)).mean(axis=(0, 1)) * MINUTES
    first, lunch, last = part[:15].mean(), part[165:225].mean(), part[-30:].mean()
    assert 2.0 < first < 3.5
    assert 0.6 < lunch < 0.9
    assert 1.5 < last < 3.0


def test_volatility_is_highest_at_the_open_and_lowest_at_lunch(shape):
    assert 3.5 < shape[0] < 5.5
    assert shape[:15].mean() > 1.6 * shape[165:225].mean()
    assert 1.1 < shape[-15:].mean() / shape[165:225].mean() < 1.7


def test_days_open_with_a_gap(shares):
    gaps = np.log(shares["open"][:, 1:, 0] / shares["close"][:, :-1, -1])
    session = np.log(shares["close"][:, :, -1] / shares["open"][:, :, 0])
    assert 0.3 < gaps.std() / session.std() < 0.75
    assert abs(gaps.mean()) < 0.002
    assert (np.abs(gaps) > 0.0005).mean() > 0.8
    assert np.abs(gaps).max() > 0.02


def test_a_gap_neither_undoes_nor_repeats_the_session_before_it(shares):
    gaps = np.log(shares["open"][:, 1:, 0] / shares["close"][:, :-1, -1])
    session = np.log(shares["close"][:, :-1, -1] / shares["open"][:, :-1, 0])
    assert abs(np.corrcoef(gaps.ravel(), session.ravel())[0, 1]) < 0.06


def test_daily_volatility_is_that_of_indian_shares(shares):
    assert 0.012 < daily_returns(shares).std() < 0.024


def test_shares_of_a_sector_move_together_more_than_others(market, shares):
    correlation = np.corrcoef(daily_returns(shares))
    pairs = list(combinations(range(len(market.shares)), 2))
    inside = [correlation[i, j] for i, j in pairs if market.shares[i].sector == market.shares[j].sector]
    across = [correlation[i, j] for i, j in pairs if market.shares[i].sector != market.shares[j].sector]
    assert np.mean(inside) > np.mean(across) + 0.08
    assert 0.15 < np.mean(across) < 0.5


def test_they_do_so_by_the_minute_too(market, returns):
    flat = returns.reshape(len(market.shares), -1)
    correlation = np.corrcoef(flat)
    assert market.shares[0].sector == market.shares[8].sector != market.shares[9].sector
    assert correlation[0, 8] > correlation[0, 9] + 0.05 > 0.15


def test_tails_are_fat(shares, returns, shape):
    minute = returns / shape
    minute = minute / minute.std(axis=(1, 2), keepdims=True)
    assert 3.5 < (minute**4).mean() < 15
    daily = daily_returns(shares)
    daily = (daily - daily.mean(axis=1, keepdims=True)) / daily.std(axis=1, keepdims=True)
    assert 3.0 < (daily**4).mean() < 9


def test_volatility_clusters(returns, shape):
    size = np.abs(returns / shape)
    size -= size.mean(axis=2, keepdims=True)
    variance = (size * size).mean()
    near = (size[..., 1:] * size[..., :-1]).mean() / variance
    far = (size[..., 40:] * size[..., :-40]).mean() / variance
    assert 0.05 < near < 0.3
    assert far < near / 2


def test_returns_themselves_are_not_predictable(returns):
    """Nothing in the sample rewards a strategy, but for what chance does."""
    later, earlier = returns[..., 2:].ravel(), returns[..., 1:-1].ravel()
    assert abs(np.corrcoef(later, earlier)[0, 1]) < 0.02


def test_large_moves_trade_more(shares, returns, shape):
    busy = shares["volume"] / shares["volume"].mean(axis=(1, 2), keepdims=True)
    assert 0.15 < np.corrcoef(np.abs(returns / shape).ravel(), busy.ravel())[0, 1] < 0.6


def test_a_bar_reaches_beyond_its_open_and_close(shares, returns):
    reach = ((shares["high"] - shares["low"]) / shares["close"]).mean() / np.abs(returns).mean()
    assert 1.4 < reach < 2.2


def test_an_index_is_calmer_than_its_members(market, bars, shares):
    index = bars["SYNINDEX"].close
    last = np.cumsum([day.minutes for day in market.days]) - 1
    volatility = np.diff(np.log(index[last])).std()
    assert 0.006 < volatility < 0.8 * daily_returns(shares).std(axis=1).mean()
