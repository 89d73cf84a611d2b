"""Strategies that must be caught: one kernel with a choice of sins, and others that sin in Python."""

from typing import ClassVar

import numpy as np

from trademantra.engine.bars import Float64Array, Int8Array, Int64Array
from trademantra.engine.compile import signal_kernel
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.indicators.averages import SMA
from trademantra.engine.panel import AllocationStrategy, weight_kernel
from trademantra.engine.parameters import Parameter
from trademantra.engine.strategy import Column, SignalStrategy

(HONEST, NEXT_BAR, FAR_BAR, MEAN_OF_ALL, LAST_BAR, WRAPPED, EARLY, LONG_MEMORY, LEVEL) = range(9)


@signal_kernel
def sinner(
    bars: Float64Array,
    session: Int64Array,
    minute: Int64Array,
    columns: Float64Array,
    use: Int64Array,
    parameters: Float64Array,
    state: Float64Array,
    codes: Int8Array,
    levels: Float64Array,
    start: int,
    stop: int,
) -> None:
    sin, close, n = int(parameters[0]), bars[3], bars.shape[1]
    average = columns[use[0]]
    for j in range(stop - start):
        i = start + j
        up = close[i] > average[j + 1] and close[max(i - 1, 0)] <= average[j]
        down = close[i] < average[j + 1] and close[max(i - 1, 0)] >= average[j]
        codes[j] = 1 if up else 2 if down else 0
        levels[2, j] = close[i] * 0.98
        if sin == NEXT_BAR:
            codes[j] = 1 if close[min(i + 1, n - 1)] > close[i] * 1.02 else 0
        elif sin == FAR_BAR and i + 10 < n:
            codes[j] = 1 if up and close[i + 10] > close[i] else 2 if down else 0
        elif sin == MEAN_OF_ALL:
            codes[j] = 1 if up and close[i] < np.mean(close) else 2 if down else 0
        elif sin == LAST_BAR and i == n - 1:
            codes[j] = 2
        elif sin == WRAPPED:
            codes[j] = 1 if i == 0 and close[i - 1] > close[0] else codes[j]
        elif sin == EARLY:
            codes[j] = 1 if i % 7 == 3 else 2 if i % 7 == 5 else 0
        elif sin == LONG_MEMORY:
            state[0] += 1.0
            codes[j] = 1 if state[0] % 13.0 == 0.0 else 2 if state[0] % 13.0 == 5.0 else 0
        elif sin == LEVEL:
            levels[2, j] = min(close[i], close[min(i + 1, n - 1)]) * 0.98


def signal_strategy(sin: int) -> SignalStrategy:
    return SignalStrategy(
        name="sinner",
        title="Sinner",
        idea="",
        source="",
        market="",
        parameters=(Parameter("sin", sin, sin, sin), Parameter("length", 20, 2, 50)),
        columns=(Column(SMA, {"length": "length"}),),
        kernel=sinner,
        has_levels=True,
    )


@weight_kernel
def prophet(
    values: Float64Array, i: int, parameters: Float64Array, state: Float64Array, weights: Float64Array
) -> None:
    ahead = min(i + int(parameters[1]), values.shape[1] - 1)
    weights[np.argmax(values[3, ahead] / values[3, i])] = 1.0


PROPHET = AllocationStrategy(
    name="prophet",
    title="Prophet",
    idea="",
    source="",
    market="",
    parameters=(Parameter("every", 10, 1, 50), Parameter("ahead", 5, 1, 5), Parameter("length", 20, 1, 50)),
    kernel=prophet,
    every="every",
    warm_up=("length",),
)


class Peeker(EventStrategy):
    """Reaches around the context to the next bar."""

    name = "peeker"
    title = "Peeker"
    idea = source = market = ""

    def on_bar(self, context: Context, bar: BarView) -> None:
        whole = context._portfolio.books[0].matrix[3]
        following = whole[min(bar.index + 1, len(whole) - 1)]
        if context.position() == 0.0 and following > bar.close * 1.01:
            context.buy(stop=bar.close * 0.9)
        elif context.position() > 0.0 and following < bar.close:
            context.exit()


class SeesTheDay(EventStrategy):
    """Asks before the open what the day's close will be."""

    name = "sees_the_day"
    title = "Sees the day"
    idea = source = market = ""

    def on_session(self, context: Context) -> None:
        history = context.history()
        whole = context._portfolio.books[0].matrix
        if len(history) and whole[3, len(history)] > whole[0, len(history)]:
            context.buy(quantity=1.0)
        else:
            context.exit()


class Moody(EventStrategy):
    """Never twice the same."""

    name = "moody"
    title = "Moody"
    idea = source = market = ""
    runs: ClassVar[list[int]] = []

    def on_start(self, context: Context) -> None:
        self.runs.append(1)

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index % 10 == len(self.runs) % 10:
            context.buy(limit=bar.close)


class Honest(EventStrategy):
    """Uses all it may: history, the pre-open price, fills."""

    name = "honest"
    title = "Honest"
    idea = source = market = ""

    def on_session(self, context: Context) -> None:
        history = context.history()
        if len(history) > 20 and context.preopen() > history.close[-20:].mean():
            context.buy(quantity=1.0, stop=context.preopen() * 0.97)

    def on_bar(self, context: Context, bar: BarView) -> None:
        if context.position() and bar.close < context.history().low[-5:-1].min(initial=np.inf):
            context.exit()

    def on_fill(self, context: Context, fill) -> None:
        if fill.side < 0:
            context.buy(quantity=2.0, limit=fill.price * 0.95)
