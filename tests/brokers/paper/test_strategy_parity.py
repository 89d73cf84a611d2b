"""Shipped strategies traded through the exchange, session hours and square-off included, against `backtest`.

Class B data of shared/data has no licence and is read from beside the project; generated sample data is always there.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.brokers.paper.driver import Driver, Fill, Said
from tests.brokers.paper.market import share
from tests.strategies.tape import LIVELY, tape_of
from trademantra.brokers.paper.settings import ExchangeSettings, liquidity_of
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ist_date
from trademantra.data.sample.calendar import trading_days_from
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.universe import synthetic_index, synthetic_shares
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.rules import Size, Slippage, TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline, by_sessions
from trademantra.markets.sessions import sessions_between
from trademantra.strategies.registry import load_strategy

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

INDIA = Path(__file__).parents[3].parent / "shared" / "data" / "india" / "nse_1m_stocks_2016_08.parquet"
STRATEGIES = (
    "sma_cross",
    "supertrend",
    "rsi_reversion",
    "macd",
    "vwap_cross",
    "nr7_breakout",
    "opening_range_breakout",
)
# levels on the tick: the stop at the other end of the range, the target one range away
PARAMETERS = {
    **LIVELY,
    "nr7_breakout": {"length": 4, "trend": 10, "buffer": 0.0, "reward": 2.0},
    "opening_range_breakout": {"length": 20, "tries": 3, "stop": 1.0, "target": 1.0, "buffer": 0.0},
}
LEAVE_MINUTE = 360  # 15:15: the platform's own profile, a quarter of an hour before the close
RULES = TradingRules(
    cash=1e9,
    size=Size.parse("quantity:10"),
    allow_short=True,
    tick=1.0,
    lot=1.0,
    slippage=Slippage.parse("ticks:1"),
)


@cache
def generated() -> Bars:
    shares = synthetic_shares(4)
    index = synthetic_index(shares)
    market = SyntheticMarket(
        days=trading_days_from(date(2026, 6, 1), 4), shares=shares, indices=(index,), seed=7
    )  # before the closing auction began: all shares trade until 15:30
    return generate_bars(market, [shares[0].symbol])[shares[0].symbol]


@cache
def symbols() -> tuple[str, ...]:
    if not INDIA.is_file():
        pytest.skip(f"{INDIA} is not there: class B data lies beside the project only")
    counts = pl.read_parquet(INDIA, columns=["symbol"])["symbol"].value_counts(sort=True)
    return tuple(counts["symbol"].head(3).to_list())


def real(symbol: str) -> Bars:
    table = pl.read_parquet(INDIA).filter(pl.col("symbol") == symbol).sort("ts")
    stamps = (
        table["ts"]
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
        .cast(pl.Datetime("ns"))
        .to_physical()
    )
    columns = [table[name].to_numpy().astype(float) for name in ("open", "high", "low", "close", "volume")]
    return Bars.of(stamps.to_numpy(), *columns)


def timeline_of(bars: Bars) -> Timeline:
    first, last = ist_date(int(bars.ts[0])), ist_date(int(bars.ts[-1]))
    sessions = sessions_between(first, last, share())

    class Span:
        def __init__(self, open_ns: int, close_ns: int) -> None:
            self.open_ns, self.close_ns = open_ns, close_ns

    spans = [Span(session.open_ns, session.close_ns) for session in sessions]
    return by_sessions(bars.ts, spans).with_square_off(LEAVE_MINUTE)


def said_by(strategy: SignalStrategy, bars: Bars, timeline: Timeline) -> Sequence[Said]:
    tape = tape_of(strategy, bars, timeline, PARAMETERS[strategy.name])
    codes = tape.codes & timeline.allowed & 15
    return [
        Said(int(code), float(tape.levels[0, i]), float(tape.levels[1, i]), float(tape.levels[2, i]),
             float(tape.levels[3, i]))
        for i, code in enumerate(codes)
    ]  # fmt: skip


def both_ways(name: str, bars: Bars) -> tuple[list[Fill], list[Fill]]:
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    timeline = timeline_of(bars)
    given = BacktestInput({"INFY": bars}, {"INFY": timeline})
    fills = backtest(strategy, given, PARAMETERS[name], RULES).fills
    expected = [
        (int(f["index"]), float(f["side"] * f["quantity"]), round(float(f["price"]), 6)) for f in fills
    ]
    before = ist_date(int(bars.ts[0])) - timedelta(days=1)
    driver = Driver(RULES, ExchangeSettings(liquidity=liquidity_of(RULES)), before, tick="1")
    return driver.run(bars, said_by(strategy, bars, timeline)), expected


def in_paise(bars: Bars) -> Bars:
    """Prices as whole numbers: a strategy's own levels, sums of prices, then lie on the tick to the bit, as an
    exchange's do.  In rupees a target can lie one rounding error beside its tick, and be passed by a touch."""
    prices = (np.rint(getattr(bars, name) * 100.0) for name in ("open", "high", "low", "close"))
    return Bars(bars.ts, *prices, bars.volume)


def within_hours(bars: Bars) -> Bars:
    """Whole minutes of continuous trading."""
    minute = (bars.ts // NANOSECONDS_PER_MINUTE + 330) % 1440
    inside = np.flatnonzero((minute >= 555) & (minute < 930))
    return Bars(*(np.ascontiguousarray(getattr(bars, name)[inside]) for name in Bars.__slots__))


@pytest.mark.parametrize("name", STRATEGIES)
def test_generated_days_trade_alike(name: str) -> None:
    traded, expected = both_ways(name, in_paise(generated()))
    assert len(expected) >= 8
    assert traded == expected


@pytest.mark.parametrize("name", STRATEGIES)
def test_real_month_trades_alike(name: str) -> None:
    for symbol in symbols():
        traded, expected = both_ways(name, in_paise(within_hours(real(symbol))))
        assert len(expected) >= 8
        assert traded == expected, symbol
