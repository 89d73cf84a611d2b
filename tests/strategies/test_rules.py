"""Each rule said again in plain Python, bar by bar, from the indicators' own values: the same codes everywhere."""

from collections.abc import Callable
from math import isnan, nan
from typing import TypeAlias

import numpy as np
import pytest

from tests.strategies.tape import LIVELY, SIGNALS, real_bars, tape_of, timeline_of, walk
from trademantra.engine.bars import Bars
from trademantra.engine.indicators.registry import indicator
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline
from trademantra.strategies.registry import load_strategy

BUY, CLOSE_LONG, SELL, CLOSE_SHORT = 1, 2, 4, 8
Line: TypeAlias = list[float]
Said: TypeAlias = tuple[int, tuple[float, float, float]]  # codes; trigger, stop, target
NOTHING = (nan, nan, nan)


class Chart:
    """One series as lists, with indicator lines on demand."""

    def __init__(self, bars: Bars, timeline: Timeline, values: dict[str, float]) -> None:
        self.bars, self.timeline, self.values = bars, timeline, values
        self.open, self.high, self.low, self.close = (
            getattr(bars, name).tolist() for name in ("open", "high", "low", "close")
        )
        self.minute, self.session = timeline.minute.tolist(), timeline.session.tolist()

    def lines(self, name: str, **given: str | float) -> list[Line]:
        numbers = {k: self.values[v] if isinstance(v, str) else v for k, v in given.items()}
        return [
            line.tolist()
            for line in indicator(name).batch(self.bars, self.timeline.session, **numbers).values()
        ]

    def starts(self, i: int) -> bool:
        return i == 0 or self.session[i] != self.session[i - 1]


def above(a: Line, b: Line | float, i: int) -> bool:
    """a crosses above b at bar i."""
    b0, b1 = (b[i - 1], b[i]) if isinstance(b, list) else (b, b)
    return i > 0 and a[i - 1] <= b0 and a[i] > b1


def below(a: Line, b: Line | float, i: int) -> bool:
    b0, b1 = (b[i - 1], b[i]) if isinstance(b, list) else (b, b)
    return i > 0 and a[i - 1] >= b0 and a[i] < b1


def cross(c: Chart, name: str) -> Callable[[int], Said]:
    [fast], [slow] = c.lines(name, length="fast"), c.lines(name, length="slow")

    def said(i: int) -> Said:
        if above(fast, slow, i):
            return BUY | CLOSE_SHORT, NOTHING
        return (SELL | CLOSE_LONG if below(fast, slow, i) else 0), NOTHING

    return said


def macd(c: Chart) -> Callable[[int], Said]:
    line, signal, _ = c.lines("macd", fast="fast", slow="slow", smoothing="smoothing")

    def said(i: int) -> Said:
        if above(line, signal, i):
            return (CLOSE_SHORT | BUY if line[i] < 0 or not c.values["zero_line"] else CLOSE_SHORT), NOTHING
        if below(line, signal, i):
            return (CLOSE_LONG | SELL if line[i] > 0 or not c.values["zero_line"] else CLOSE_LONG), NOTHING
        return 0, NOTHING

    return said


def rsi(c: Chart) -> Callable[[int], Said]:
    [line] = c.lines("rsi", length="length")
    low, middle, high = c.values["oversold"], c.values["middle"], c.values["overbought"]

    def said(i: int) -> Said:
        code = 0
        if above(line, low, i) and line[i] < middle:
            code |= BUY
        if above(line, middle, i):
            code |= CLOSE_LONG
        if below(line, high, i) and line[i] > middle:
            code |= SELL
        if below(line, middle, i):
            code |= CLOSE_SHORT
        return code, NOTHING

    return said


def bollinger(c: Chart) -> Callable[[int], Said]:
    middle, upper, lower, _, _ = c.lines("bollinger", length="length", multiplier="deviations")

    def said(i: int) -> Said:
        code = 0
        if above(c.close, lower, i) and c.close[i] < middle[i]:
            code |= BUY
        if above(c.close, middle, i):
            code |= CLOSE_LONG
        if below(c.close, upper, i) and c.close[i] > middle[i]:
            code |= SELL
        if below(c.close, middle, i):
            code |= CLOSE_SHORT
        return code, NOTHING

    return said


def donchian(c: Chart) -> Callable[[int], Said]:
    entry, leave = int(c.values["entry"]), int(c.values["leave"])

    def said(i: int) -> Said:
        code = 0
        if i >= entry and i >= 13:  # the stop of 2 ATR(14) needs 14 bars
            code |= BUY if c.close[i] > max(c.high[i - entry : i]) else 0
            code |= SELL if c.close[i] < min(c.low[i - entry : i]) else 0
        if i >= leave:
            code |= CLOSE_LONG if c.close[i] < min(c.low[i - leave : i]) else 0
            code |= CLOSE_SHORT if c.close[i] > max(c.high[i - leave : i]) else 0
        return code, NOTHING

    return said


def supertrend(c: Chart) -> Callable[[int], Said]:
    line, direction = c.lines("supertrend", length="length", multiplier="multiplier")

    def said(i: int) -> Said:
        if i == 0 or isnan(line[i - 1]) or direction[i] == direction[i - 1]:
            return 0, NOTHING
        assert (c.close[i] > line[i]) == (direction[i] > 0)
        return (BUY | CLOSE_SHORT if direction[i] > 0 else SELL | CLOSE_LONG), NOTHING

    return said


def vwap(c: Chart) -> Callable[[int], Said]:
    line, _, _ = c.lines("vwap")

    def said(i: int) -> Said:
        if c.starts(i) or c.minute[i] < c.values["after"]:
            return 0, NOTHING
        if above(c.close, line, i):
            return BUY | CLOSE_SHORT, NOTHING
        return (SELL | CLOSE_LONG if below(c.close, line, i) else 0), NOTHING

    return said


def opening_range(c: Chart) -> Callable[[int], Said]:
    v = c.values
    sides: dict[int, list[int]] = {}  # session -> side of each bar after its range
    entries: dict[int, int] = {}

    def said(i: int) -> Said:
        day = c.session[i]
        if c.minute[i] < v["length"]:
            return 0, NOTHING
        inside = [k for k in range(max(0, i - 400), i) if c.session[k] == day and c.minute[k] < v["length"]]
        high, low = max(c.high[k] for k in inside), min(c.low[k] for k in inside)
        up, down = high * (1 + v["buffer"] / 100), low * (1 - v["buffer"] / 100)
        side = 1 if c.close[i] > up else -1 if c.close[i] < down else 0
        before = sides.setdefault(day, [0])[-1]
        sides[day].append(side)
        if side in (0, before):
            return 0, NOTHING
        leave = CLOSE_SHORT if side > 0 else CLOSE_LONG
        if entries.get(day, 0) >= v["tries"] or c.minute[i] > v["last"]:
            return leave, NOTHING
        entries[day] = entries.get(day, 0) + 1
        edge, width = (high, high - low) if side > 0 else (low, low - high)
        target = edge + v["target"] * width if v["target"] else nan
        return leave | (BUY if side > 0 else SELL), (nan, edge - v["stop"] * width, target)

    return said


def cpr(c: Chart) -> Callable[[int], Said]:
    _, bottom, top, width = c.lines("cpr")
    entries: dict[int, int] = {}

    def said(i: int) -> Said:
        day, before = c.session[i], c.open[i] if c.starts(i) else c.close[i - 1]
        up, down = before <= top[i] < c.close[i], before >= bottom[i] > c.close[i]
        allowed = width[i] <= c.values["widest"] and c.minute[i] >= c.values["after"]
        if not (up or down) or not allowed or entries.get(day, 0) >= c.values["tries"]:
            return 0, NOTHING
        entries[day] = entries.get(day, 0) + 1
        stop = bottom[i] if up else top[i]
        target = c.close[i] + c.values["reward"] * (c.close[i] - stop) if c.values["reward"] else nan
        return (BUY | CLOSE_SHORT if up else SELL | CLOSE_LONG), (nan, stop, target)

    return said


def squeeze(c: Chart) -> Callable[[int], Said]:
    on, momentum = c.lines("squeeze", length="length", deviations="deviations", ranges="ranges")
    least = int(c.values["least"])

    def said(i: int) -> Said:
        code = 0
        if i >= least and on[i] == 0.0 and all(on[k] == 1.0 for k in range(i - least, i)):
            code = BUY | CLOSE_SHORT if momentum[i] > 0 else SELL | CLOSE_LONG if momentum[i] < 0 else 0
        code |= CLOSE_LONG if below(momentum, 0.0, i) else 0
        code |= CLOSE_SHORT if above(momentum, 0.0, i) else 0
        return code, NOTHING

    return said


def nr7(c: Chart) -> Callable[[int], Said]:
    [average] = c.lines("sma", length="trend")
    n, v = int(c.values["length"]), c.values

    def said(i: int) -> Said:
        ranges = [c.high[k] - c.low[k] for k in range(max(0, i - n + 1), i + 1)]
        narrow = len(ranges) == n and 0 < ranges[-1] < min(ranges[:-1])
        if v["inside"] and i > 0:
            narrow = narrow and c.high[i] <= c.high[i - 1] and c.low[i] >= c.low[i - 1]
        if not narrow or isnan(average[i]) or c.close[i] == average[i]:
            return 0, NOTHING
        side = 1 if c.close[i] > average[i] else -1
        trigger = c.high[i] * (1 + v["buffer"] / 100) if side > 0 else c.low[i] * (1 - v["buffer"] / 100)
        target = trigger + side * v["reward"] * ranges[-1] if v["reward"] else nan
        return (BUY if side > 0 else SELL), (trigger, c.low[i] if side > 0 else c.high[i], target)

    return said


RULES: dict[str, Callable[[Chart], Callable[[int], Said]]] = {
    "bollinger_reversion": bollinger,
    "cpr_breakout": cpr,
    "donchian_breakout": donchian,
    "ema_cross": lambda c: cross(c, "ema"),
    "keltner_squeeze": squeeze,
    "macd": macd,
    "nr7_breakout": nr7,
    "opening_range_breakout": opening_range,
    "rsi_reversion": rsi,
    "sma_cross": lambda c: cross(c, "sma"),
    "supertrend": supertrend,
    "vwap_cross": vwap,
}
VARIANTS: list[tuple[str, dict[str, float]]] = [
    *LIVELY.items(),
    *((name, {}) for name in SIGNALS),
    ("cpr_breakout", {"reward": 0.0, "widest": 1.0}),
    ("macd", {"fast": 5, "slow": 12, "zero_line": 0}),
    ("nr7_breakout", {"length": 3, "trend": 5, "inside": 1, "buffer": 0.0, "reward": 0.0}),
    ("opening_range_breakout", {"length": 15, "target": 0.0, "last": 375, "tries": 5}),
    ("vwap_cross", {"after": 0}),
]


def check(name: str, bars: Bars, given: dict[str, float]) -> int:
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    timeline = timeline_of(bars)
    tape = tape_of(strategy, bars, timeline, given)
    rule = RULES[name](Chart(bars, timeline, strategy.values(given)))
    for i in range(len(bars)):
        code, levels = rule(i)
        assert tape.codes[i] == code, f"bar {i}: kernel {tape.codes[i]}, rule {code}"
        np.testing.assert_allclose(tape.levels[1:, i], levels, rtol=1e-12, err_msg=f"bar {i}")
    assert np.isnan(tape.levels[0]).all()
    return int(np.count_nonzero(tape.codes))


@pytest.mark.parametrize(("name", "given"), VARIANTS)
def test_signals_are_the_rule(name: str, given: dict[str, float]) -> None:
    said = check(name, walk(23, 80), given)
    assert said >= (5 if name in ("donchian_breakout", "supertrend") else 3)


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_the_rule_on_real_15_minute_bars(name: str) -> None:
    bars = real_bars("nse_15m_fno_2024_01_2025_06", ("RELIANCE",))["RELIANCE"]
    assert check(name, bars.slice(0, 4_000), {}) > 10


def test_every_strategy_has_its_rule_here() -> None:
    assert set(RULES) == set(SIGNALS) == set(LIVELY)
