"""Bars, plans and strategy files for studies, and strategies that kill processes at a chosen trial."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars
from trademantra.engine.timeline import by_days
from trademantra.research.optimise.evaluate import reference_of, strategy_named
from trademantra.research.optimise.samplers import Method
from trademantra.research.optimise.space import parse_wish, space_of
from trademantra.research.optimise.study import StudyPlan, StudyResult

RANGES = ("fast=3:15", "slow=10:60:5")

# Holds while the close is above that of `length` bars ago.  A file `doom-13` beside it says what happens, once, when a
# trial of length 13 is run: a signal to the process that runs it (self), the one above it (parent), or to all (group).
EVENT = """
import os, signal
from pathlib import Path
from trademantra.engine.events import EventStrategy
from trademantra.engine.parameters import Parameter

class Follow(EventStrategy):
    name, title, idea, source, market = "follow", "Follow", "up goes up", "none", "any"
    parameters = (Parameter("length", 10, 1, 400), Parameter("hold", 1, 1, 50))

    def on_start(self, context):
        length = int(self.values["length"])
        doom = Path(__file__).with_name(f"doom-{length}")
        try:
            words = doom.read_text().split()
            doom.unlink()
        except OSError:
            return
        if words[0] == "raise":
            raise ZeroDivisionError("no such length")
        if words[1] == "group":
            os.killpg(os.getpgid(0), getattr(signal, words[0]))
        else:
            os.kill(os.getpid() if words[1] == "self" else os.getppid(), getattr(signal, words[0]))

    def on_bar(self, context, bar):
        length = int(self.values["length"])
        closes = context.history().close
        if len(closes) <= length or bar.index % int(self.values["hold"]):
            return
        if closes[-1] > closes[-1 - length]:
            context.buy()
        else:
            context.exit()

STRATEGY = Follow
"""


def prices(count: int, seed: int = 1) -> Bars:
    """A random walk on a grid of cents."""
    chance = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, count))), 2)
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) + 0.05, np.minimum(open_, close) - 0.05
    return Bars.of(
        (np.arange(count) + 17_000) * NANOSECONDS_PER_DAY, open_, high, low, close, np.full(count, 1e6)
    )


def input_of(count: int = 400, seed: int = 1, symbols: tuple[str, ...] = ("X",)) -> BacktestInput:
    bars = {symbol: prices(count, seed + place) for place, symbol in enumerate(symbols)}
    return BacktestInput(bars, {symbol: by_days(one.ts) for symbol, one in bars.items()})


def plan_of(
    strategy: str | Path = "sma_cross",
    ranges: tuple[str, ...] = RANGES,
    method: Method = Method.RANDOM,
    fixed: Mapping[str, float] | None = None,
    *,
    objectives: tuple[str, ...] = ("sharpe",),
    trials: int | None = None,
    batch: int | None = None,
    seed: int = 7,
) -> StudyPlan:
    reference = reference_of(strategy)
    chosen = strategy_named(reference)
    return StudyPlan(
        strategy=reference,
        space=space_of(
            chosen, [parse_wish(each) for each in ranges], fixed or {}, grid=method is Method.GRID
        ),
        fixed=fixed or {},
        rules=chosen.rules,
        method=method,
        objectives=objectives,
        trials=trials,
        seed=seed,
        batch=batch,
    )


def follow(folder: Path) -> Path:
    """The event strategy as a user's file in `folder`."""
    file = folder / "follow.py"
    file.write_text(EVENT, encoding="utf-8")
    return file


def doom(folder: Path, length: int, words: str) -> None:
    """What the first trial of that length brings about: `SIGKILL self`, `SIGINT parent`, `raise` …"""
    (folder / f"doom-{length}").write_text(words, encoding="utf-8")


def content(result: StudyResult) -> str:
    """All trials as text: equal text, equal trials and scores to the last bit."""
    rows = zip(
        result.numbers.tolist(), result.points.tolist(), result.scores.tolist(), result.reasons, strict=True
    )
    return json.dumps(list(rows))
