"""Runs to report on: random prices, known strategies, whatever rules a test wants."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.rules import TradingRules
from trademantra.engine.sweep import SweepResult, sweep
from trademantra.engine.timeline import IST_OFFSET_NS, by_days
from trademantra.markets.charges.numeric import ChargeRules, numeric_rules
from trademantra.reports.context import RunContext
from trademantra.strategies import dual_momentum, sma_cross

FIRST = date(2025, 1, 6)
CONTEXT = RunContext(title="SMA cross", timeframe=Timeframe.parse("15m"), series=("NSE:TEST:15m",))
OPEN_NS = 9 * 60 * NANOSECONDS_PER_MINUTE + 15 * NANOSECONDS_PER_MINUTE - IST_OFFSET_NS


def bars_of(seed: int, sessions: int = 40, a_session: int = 25, first: date = FIRST) -> Bars:
    """A random walk on the tick: sessions of 15-minute bars on consecutive days from 9:15 in India."""
    random = np.random.default_rng(seed)
    n = sessions * a_session
    close = np.round(500.0 * np.exp(np.cumsum(random.normal(0.0, 0.004, n))) / 0.05) * 0.05
    opening = np.concatenate(([close[0]], close[:-1]))
    high = np.maximum(opening, close) + 0.05 * random.integers(0, 20, n)
    low = np.minimum(opening, close) - 0.05 * random.integers(0, 20, n)
    days = (first - date(1970, 1, 1)).days + np.arange(sessions)
    bar = np.arange(a_session) * 15 * NANOSECONDS_PER_MINUTE
    ts = (days[:, None] * NANOSECONDS_PER_DAY + OPEN_NS + bar[None, :]).ravel()
    return Bars.of(ts, opening, high, low, close, random.integers(0, 5_000, n).astype(float))


def charges_of(product: Product, first: date = FIRST, days: int = 800) -> ChargeRules:
    return numeric_rules(
        "zerodha",
        Segment.EQUITY,
        product,
        Exchange.NSE,
        symbol="TCS",
        first=first,
        last=first + timedelta(days),
    )


def input_of(
    *bars: Bars, names: tuple[str, ...] = ("TEST",), charges: ChargeRules | None = None
) -> BacktestInput:
    return BacktestInput(
        dict(zip(names, bars, strict=True)),
        {name: by_days(one.ts, IST_OFFSET_NS) for name, one in zip(names, bars, strict=True)},
        charges,
    )


def cross_run(
    seed: int = 1, rules: TradingRules | None = None, *, name: str = "TEST", sessions: int = 40,
    charges: ChargeRules | None = None, first: date = FIRST, fast: float = 3, slow: float = 9,
) -> BacktestResult:  # fmt: skip
    given = input_of(bars_of(seed, sessions, first=first), names=(name,), charges=charges)
    return backtest(sma_cross.STRATEGY, given, {"fast": fast, "slow": slow}, rules or TradingRules(lot=1.0))


def rotation_run(seed: int = 1, charges: ChargeRules | None = None) -> BacktestResult:
    names = ("AA", "BB", "CC", "DD")
    given = input_of(*(bars_of(seed + k) for k in range(4)), names=names, charges=charges)
    values = {"lookback": 20.0, "top": 2.0, "every": 30.0}
    return backtest(dual_momentum.STRATEGY, given, values, TradingRules(lot=1.0))


def silent_run() -> BacktestResult:
    """A run without a trade."""
    return cross_run(fast=400, slow=900)


def sweep_run(seed: int = 1, steps: int = 4, *, scores: bool = True) -> SweepResult:
    grid = {
        "fast": [2.0, 4.0, 8.0],
        "slow": [float(k) for k in range(6, 6 + 3 * steps, 3)],
        "stop": [0.0, 1.0],
    }
    given, rules = input_of(bars_of(seed)), TradingRules(lot=1.0)
    return sweep(sma_cross.STRATEGY, given, grid, rules=rules, workers=1, scores=scores)


def titled(**words: str) -> RunContext:
    return replace(CONTEXT, **words)
