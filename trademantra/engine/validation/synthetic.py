"""Invented bars to check a strategy on when none are given: same seed, same bars."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.engine.backtest import BacktestInput, Strategy, is_intraday
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.event_run import run_events
from trademantra.engine.events import EventStrategy
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline, by_days, by_sessions

_FIRST_DAY = 19_723  # 2024-01-01, a Monday, in days since 1970-01-01
_OPENS = 225  # 09:15 in India, in minutes after midnight UTC
_MINUTES = 375
_STEP = 5
_TICK = 0.05
_DAYS_OF_MINUTES = 60
_DAYS = 4_000
_INSTRUMENTS = 12


@dataclass(frozen=True, slots=True)
class _Hours:
    open_ns: int
    close_ns: int


def synthetic_input(strategy: Strategy, generator: Generator) -> BacktestInput:
    """Bars that suit a strategy: 5 minutes for intraday ones, else days; as many instruments as its kind trades.

    Trends, ranges, bursts of volatility and overnight gaps, on a grid of 0.05; instruments move together in part.
    """
    count = 1 if isinstance(strategy, SignalStrategy) else _INSTRUMENTS
    if isinstance(strategy, type):
        made = _made(strategy, _INSTRUMENTS, generator)
        return made if _takes_several(strategy, made) else _made(strategy, 1, generator)
    if (
        isinstance(strategy, AllocationStrategy)
        and strategy.least_instruments == 2
        and strategy.rules.allow_short
    ):
        count = 2  # a long-short rotation of two: pairs take no more
    return _made(strategy, count, generator)


def _takes_several(strategy: type[EventStrategy], made: BacktestInput) -> bool:
    """Whether an event strategy names its symbols; one that leaves them out runs on one instrument only."""
    try:
        run_events(strategy(), made.bars, made.timelines, strategy.rules)
    except InvalidValueError:
        return False
    return True


def _made(strategy: Strategy, count: int, generator: Generator) -> BacktestInput:
    if is_intraday(strategy):
        ts, spans = _minutes()
        line = by_sessions(ts, spans).with_square_off(_MINUTES - 15)
    else:
        ts = _days(_DAYS // 8 if isinstance(strategy, type) else _DAYS)
        line = by_days(ts)
    bars = {f"SYN{j + 1}": each for j, each in enumerate(_bars(ts, line, count, generator))}
    return BacktestInput(bars, dict.fromkeys(bars, line))


def _minutes() -> tuple[Int64Array, list[_Hours]]:
    """5-minute bars of NSE's hours on weekdays."""
    days = [d for d in range(_FIRST_DAY, _FIRST_DAY + 2 * _DAYS_OF_MINUTES) if (d - _FIRST_DAY) % 7 < 5]
    days = days[:_DAYS_OF_MINUTES]
    opens = np.array(days, np.int64) * NANOSECONDS_PER_DAY + _OPENS * NANOSECONDS_PER_MINUTE
    steps = np.arange(0, _MINUTES, _STEP) * NANOSECONDS_PER_MINUTE
    spans = [_Hours(o, o + _MINUTES * NANOSECONDS_PER_MINUTE) for o in opens.tolist()]
    return (opens[:, None] + steps).ravel(), spans


def _days(count: int) -> Int64Array:
    return (_FIRST_DAY + np.arange(count, dtype=np.int64)) * NANOSECONDS_PER_DAY


def _bars(ts: Int64Array, line: Timeline, count: int, generator: Generator) -> list[Bars]:
    n = len(ts)
    daily = len(line.ends) == n
    quiet = 0.014 if daily else 0.0022
    spell = np.cumsum(
        generator.random(n) < 1.0 / 60.0
    )  # spells of about sixty bars, each with its own weather
    drift = generator.normal(0.0, 0.25, spell[-1] + 1)[spell] * quiet
    burst = np.exp(generator.normal(0.0, 0.4, spell[-1] + 1))[spell]
    market = generator.normal(0.0, 0.6, n)
    fresh = np.concatenate(([False], np.diff(line.session) > 0)) & (not daily)
    made = []
    for _ in range(count):
        gap = np.where(fresh, generator.normal(0.0, 0.02, n), generator.normal(0.0, 0.15, n) * quiet)
        move = drift + quiet * burst * (market + generator.normal(0.0, 0.8, n))
        made.append(_one(ts, gap, move, quiet * burst, generator))
    return made


def _one(
    ts: Int64Array, gap: Float64Array, move: Float64Array, width: Float64Array, generator: Generator
) -> Bars:
    n = len(ts)
    level = np.cumsum(gap + move)
    level -= np.linspace(0.0, level[-1], n)  # ends where it began, so that no price runs away
    close = 500.0 * np.exp(level)
    opening = np.concatenate(([500.0], close[:-1])) * np.exp(gap)
    high = np.maximum(opening, close) * (1.0 + np.abs(generator.normal(0.0, 0.4, n)) * width)
    low = np.minimum(opening, close) * (1.0 - np.abs(generator.normal(0.0, 0.4, n)) * width)
    volume = np.round(1e5 * np.exp(generator.normal(0.0, 0.5, n)))
    opening, high, low, close = (
        np.round(np.maximum(each, _TICK) / _TICK) / 20.0 for each in (opening, high, low, close)
    )
    return Bars.of(ts, opening, high, low, close, volume)
