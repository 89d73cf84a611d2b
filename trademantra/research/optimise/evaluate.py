"""What a worker does: take some points of the space, run the strategy at each, answer with scores."""

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import nan
from pathlib import Path

import numpy as np

from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.engine.backtest import BacktestInput, Strategy, backtest
from trademantra.engine.bars import Float64Array
from trademantra.engine.combinations import Market, prepare, run_combinations
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import SCORES, scores_of
from trademantra.research.optimise.input_file import fingerprint, read_input
from trademantra.research.optimise.space import Point, rules_at
from trademantra.strategies.registry import load_strategy, load_strategy_file


@dataclass(frozen=True, slots=True)
class Job:
    """What all slices of a study share; small, because it travels with each of them.

    `strategy` is a name or the path of a file; `code` and `data` are the digests that the worker must find too.
    `threads` is the worker's share of the cores.
    """

    strategy: str
    code: str
    input: Path
    data: str
    names: tuple[str, ...]
    fixed: tuple[tuple[str, float], ...]
    rules: TradingRules
    threads: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Some trials that are run together."""

    job: Job
    numbers: tuple[int, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`scores` (k, s) in the order of `SCORES`; `reasons` (k,): why a point was refused, or nothing."""

    scores: Float64Array
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a slice cannot be run at all, as plain words: exceptions do not survive every way home."""

    message: str
    hint: str = ""

    def error(self) -> TradeMantraError:
        return InvalidValueError(self.message, hint=self.hint)


def run_slice(task: Slice) -> Outcome | Fault:
    """Run a slice in a worker.  Strategy and input are opened once a process."""
    try:
        return runner(task.job).run(task.points, task.job.threads)
    except TradeMantraError as error:
        return Fault(error.message, error.hint)


@lru_cache(maxsize=2)
def runner(job: Job) -> "Runner":
    """The strategy and the input that a job names.

    Errors: `InvalidValueError` when this worker finds other code or other bars than the study was made with, or none.
    """
    strategy = strategy_named(job.strategy)
    if code_digest(job.strategy) != job.code:
        raise InvalidValueError(
            "a worker has other code than this process",
            hint="install the same version and strategy file on every machine",
        )
    try:
        given = read_input(job.input)
    except OSError as error:
        raise InvalidValueError(
            f"a worker cannot read {job.input}: {error.strerror}",
            hint="workers on other machines need the data folder (--data-dir) under the same path",
        ) from error
    if fingerprint(given) != job.data:
        raise InvalidValueError(f"{job.input} was changed while the study ran", hint="start it again")
    return Runner.of(strategy, given, job.names, dict(job.fixed), job.rules)


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """One strategy on one input, ready to be run at any point.  `market` is there for signal strategies."""

    strategy: Strategy
    given: BacktestInput
    names: tuple[str, ...]
    fixed: Mapping[str, float]
    rules: TradingRules
    market: Market | None

    @classmethod
    def of(
        cls,
        strategy: Strategy,
        given: BacktestInput,
        names: tuple[str, ...],
        fixed: Mapping[str, float],
        rules: TradingRules,
    ) -> "Runner":
        """Errors: `InvalidValueError` for several instruments where the strategy takes one, or no bars."""
        market = None
        if isinstance(strategy, SignalStrategy):
            if len(given.bars) != 1:
                raise InvalidValueError(
                    f"strategy {strategy.name} is optimised on one instrument, {len(given.bars)} were given",
                    hint="name one --symbol",
                )
            [bars], [timeline] = given.bars.values(), given.timelines.values()
            market = prepare(
                bars, timeline, given.charges, given.bands, given.sessions_per_year, given.risk_free_rate
            )
        return cls(strategy, given, names, fixed, rules, market)

    def run(self, points: Sequence[Point], threads: int | None = None) -> Outcome:
        """Scores of the points.  A point that the strategy or its warm-up does not allow is refused, not an error.

        Errors: `InvalidValueError` naming strategy, place and parameters when the strategy itself raises.
        """
        if self.market is None or not isinstance(self.strategy, SignalStrategy):
            return self._one_by_one(points)
        return self._together(self.strategy, self.market, points, threads)

    def _at(self, point: Point) -> tuple[dict[str, float], TradingRules]:
        named = dict(zip(self.names, point, strict=True))
        own = {parameter.name for parameter in self.strategy.parameters}
        chosen = {**self.fixed, **{name: value for name, value in named.items() if name in own}}
        return chosen, rules_at(self.rules, named, own)

    def _together(
        self, strategy: SignalStrategy, market: Market, points: Sequence[Point], threads: int | None
    ) -> Outcome:
        n, sessions = len(market.bars), len(market.timeline.ends)
        scores, reasons = np.full((len(points), len(SCORES)), nan), [""] * len(points)
        values, each_rules, places = [], [], []
        for place, point in enumerate(points):
            chosen, rules = self._at(point)
            try:
                mine = strategy.values(chosen)
                longest = strategy.warm_up(mine)
            except InvalidValueError as error:
                reasons[place] = error.message
                continue
            if n <= longest + 1:
                reasons[place] = f"needs more than {longest + 1} bars to warm up, there are {n}"
                continue
            values.append(mine)
            each_rules.append(rules)
            places.append(place)
        if places:
            ran = run_combinations(strategy, market, values, each_rules, workers=threads)
            cash = np.array([rules.cash for rules in each_rules])
            made = scores_of(ran.accounts, cash, n, sessions, self.given.sessions_per_year)
            scores[places] = np.stack([made[name] for name in SCORES], axis=1)
        return Outcome(scores, tuple(reasons))

    def _one_by_one(self, points: Sequence[Point]) -> Outcome:
        scores, reasons = np.full((len(points), len(SCORES)), nan), [""] * len(points)
        for place, point in enumerate(points):
            chosen, rules = self._at(point)
            try:
                metrics = backtest(self.strategy, self.given, chosen, rules).metrics
            except InvalidValueError as error:
                if error.__cause__ is not None:  # something in the strategy broke; a refusal has no cause
                    raise InvalidValueError(
                        f"{error.message} with {self._shown(point)}", hint=error.hint
                    ) from error
                reasons[place] = error.message
            except Exception as error:
                raise self._raised(error, point) from error
            else:
                scores[place] = [getattr(metrics, name) for name in SCORES]
        return Outcome(scores, tuple(reasons))

    def _shown(self, point: Point) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in zip(self.names, point, strict=True))

    def _raised(self, error: Exception, point: Point) -> InvalidValueError:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return InvalidValueError(
            f"strategy {self.strategy.name} raised {type(error).__name__}: {error} "
            f"({Path(frame.filename).name}, line {frame.lineno}) with {self._shown(point)}",
            hint="finished trials are kept; mend the strategy and start a new study",
        )


def reference_of(text: str | Path) -> str:
    """What a user calls a strategy as every process will understand it: a library name or an absolute path."""
    if str(text).endswith(".py"):
        return str(Path(text).expanduser().absolute())
    return load_strategy(str(text)).name


def strategy_named(reference: str) -> Strategy:
    """The strategy of a reference."""
    return load_strategy_file(reference) if reference.endswith(".py") else load_strategy(reference)


def code_digest(reference: str) -> str:
    """SHA-256 over all sources that decide a result: the strategy's file, the engine and the charges.

    Modules that a user's own file imports beside it are not looked at.
    """
    root = Path(str(files("trademantra")))
    own = Path(reference) if reference.endswith(".py") else root / "strategies" / f"{reference}.py"
    sources = [own, root / "strategies" / "signals.py"]
    for folder in ("engine", "markets/charges"):
        sources += sorted((root / folder).rglob("*.py"))
    total = hashlib.sha256()
    for source in sources:
        content = source.read_bytes()
        total.update(f"{source.name} {len(content)} ".encode() + content)
    return total.hexdigest()
