"""SMA crosses on real prices against an independent computation in numpy: the same trades, the same money.

Class B data of shared/data has no licence and is read from beside the project; the prices that ship with
bokeh_sampledata are always there.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trademantra.data.sample.real import real_prices
from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.rules import Size, TradingRules
from trademantra.engine.timeline import IST_OFFSET_NS, by_days
from trademantra.strategies.sma_cross import STRATEGY

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

INDIA = Path(__file__).parents[2].parent / "shared" / "data" / "india"
RULES = TradingRules(cash=1e9, size=Size.parse("quantity:10"))


def shipped(symbol: str) -> Bars:
    """Raw prices: their splits are jumps, which an average crosses like any other."""
    [bars] = [each.bars for each in real_prices() if each.series.symbol == symbol]
    return bars


def indian(name: str, symbol: str) -> Bars:
    path = INDIA / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is not there: class B data lies beside the project only")
    table = pl.read_parquet(path).filter(pl.col("symbol") == symbol).sort("ts")
    ts = (
        table["ts"]
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
        .cast(pl.Datetime("ns"))
        .to_physical()
    )
    columns = [table[name].to_numpy().astype(float) for name in ("open", "high", "low", "close", "volume")]
    return Bars.of(ts.to_numpy(), *columns)


def crosses(close: Float64Array, fast: int, slow: int) -> tuple[Int64Array, Int64Array]:
    """Bars at whose close a long position is decided and given up: whole ten-thousandths, no loop."""
    steps = np.rint(close * 10_000.0).astype(np.int64)
    total = np.concatenate(([0], np.cumsum(steps)))
    quick = np.full(len(close), 0)
    above = np.full(len(close), 0)
    at = np.arange(slow - 1, len(close))
    quick[at] = (total[at + 1] - total[at + 1 - fast]) * slow - (total[at + 1] - total[at + 1 - slow]) * fast
    up = np.zeros(len(close), bool)
    down = np.zeros(len(close), bool)
    up[slow:] = (quick[slow:] > 0) & (quick[slow - 1 : -1] <= 0)
    down[slow:] = (quick[slow:] < 0) & (quick[slow - 1 : -1] >= 0)
    says = np.where(up | down, np.arange(len(close)), 0)
    says = np.maximum.accumulate(says)
    above = up[says].astype(np.int64)  # the last thing said was up
    turns = np.diff(np.concatenate(([0], above)))
    return np.flatnonzero(turns == 1), np.flatnonzero(turns == -1)


def check(result: BacktestResult, bars: Bars, fast: int, slow: int) -> None:
    entered, left = crosses(bars.close, fast, slow)
    n = len(bars)
    entered, left = entered[entered < n - 1] + 1, left[left < n - 1] + 1
    closed = len(left)
    trades = result.trades
    assert closed > 10
    np.testing.assert_array_equal(trades["entry_index"], entered[:closed])
    np.testing.assert_array_equal(trades["exit_index"], left)
    np.testing.assert_allclose(trades["entry_price"], bars.open[entered[:closed]], rtol=1e-14)
    np.testing.assert_allclose(
        trades["net"], 10.0 * (bars.open[left] - bars.open[entered[:closed]]), atol=1e-6
    )
    held = np.zeros(n)
    held[entered] += 10.0
    held[left] -= 10.0
    cash = 1e9 - np.cumsum(held * bars.open)
    np.testing.assert_allclose(result.curve, cash + np.cumsum(held) * bars.close, rtol=1e-12)
    assert result.metrics.trades == closed


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize(("fast", "slow"), [(5, 20), (10, 11), (20, 100)])
def test_shipped_daily_prices(symbol: str, fast: int, slow: int) -> None:
    bars = shipped(symbol)
    given = BacktestInput({symbol: bars}, {symbol: by_days(bars.ts)})
    check(backtest(STRATEGY, given, {"fast": fast, "slow": slow}, RULES), bars, fast, slow)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("nse_15m_fno_2024_01_2025_06", "RELIANCE"), ("nse_15m_fno_2024_01_2025_06", "SBIN"),
     ("nse_1m_stocks_2016_08", "TCS"), ("nse_1m_stocks_2016_08", "SBIN")],
)  # fmt: skip
def test_indian_intraday_prices(name: str, symbol: str) -> None:
    bars = indian(name, symbol)
    given = BacktestInput({symbol: bars}, {symbol: by_days(bars.ts, IST_OFFSET_NS)})
    for fast, slow in ((5, 20), (20, 100)):
        check(backtest(STRATEGY, given, {"fast": fast, "slow": slow}, RULES), bars, fast, slow)
