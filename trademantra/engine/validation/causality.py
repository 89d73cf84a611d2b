"""`tm check`: proof that a strategy does not see the future, and that its warm-up is what it says.

Causality: the bars from a cut on are taken away, or replaced by others; every decision before the cut must stay as it
was.  Half of the cuts lie right after a decision, where a look one bar ahead shows at once; the rest lie anywhere.
Two futures go opposite ways, so that a peek at either side of the market is caught.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.random import Generator

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, Strategy
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.validation.event_probe import EventProbe
from trademantra.engine.validation.probes import (
    AllocationProbe,
    Difference,
    Future,
    LaterStart,
    Probe,
    SignalProbe,
)

CUTS = 24
_STARTS = 6
_LEVEL_TOLERANCE = 1e-6  # relative, for prices after the settling length: tails of recursive averages
_DECISION_TOLERANCE = 0.005  # share of decisions that such a tail may tip after the settling length
_LEAST_TESTED = 200  # bars after the settling length


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.  `bar` and `time_ns` name the first bar at which something is wrong, -1 where none is."""

    check: str
    verdict: Verdict
    words: str
    hint: str = ""
    bar: int = -1
    time_ns: int = -1


def check_strategy(
    strategy: Strategy,
    given: BacktestInput,
    parameters: Mapping[str, float],
    generator: Generator,
    *,
    cuts: int = CUTS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Finding, ...]:
    """Same answers twice, causality, warm-up.  A check on bars without decisions is unproven, not passed.

    Errors: `InvalidValueError` for parameters or bars that the strategy does not take.
    """
    if cuts < 1:
        raise InvalidValueError(f"{cuts} cuts prove nothing", hint="--cuts of 1 or more")
    if isinstance(strategy, SignalStrategy):
        values = strategy.values(parameters)
        signals = SignalProbe(strategy, values, given)
        return _causal(signals, generator, cuts, progress, 1) + _warm_up(signals, generator)
    if isinstance(strategy, AllocationStrategy):
        values = strategy.values(parameters)
        weights = AllocationProbe(strategy, values, given)
        return _causal(weights, generator, cuts, progress, 1) + _warm_up(weights, generator)
    orders = EventProbe(strategy, parameters, given)
    found = _causal(orders, generator, cuts, progress, orders.first_common + 1)
    words = "event strategies declare no warm-up: they see in their history how much there is"
    return (*found, Finding("warm-up", Verdict.NOT_APPLICABLE, words))


def _causal(
    probe: Probe, generator: Generator, cuts: int, progress: Callable[[int, int], None] | None, first: int
) -> tuple[Finding, ...]:
    n, decided = len(probe.clock), probe.decided()
    again = probe.differs_again()
    if again is not None:
        return (
            Finding(
                "repeatable",
                Verdict.FAILED,
                f"two runs on the same bars differ: at {_at(probe, again.index)} one says {again.before}, "
                f"the other {again.after}",
                "seed every random number, keep nothing between runs, do not read the clock",
                again.index,
                int(probe.clock[again.index]),
            ),
        )
    repeatable = Finding("repeatable", Verdict.PASSED, "two runs on the same bars decide the same")
    chosen = _cuts(n, decided, cuts, generator, first)
    worst: tuple[Difference, int] | None = None
    for done, cut in enumerate(chosen):
        for future in Future:
            found = probe.difference(cut, future)
            if found is not None and (worst is None or found.index < worst[0].index):
                worst = (found, cut)
        if progress is not None:
            progress(done + 1, len(chosen))
    if worst is not None:
        return repeatable, _look_ahead(probe, *worst)
    if not len(decided):
        return repeatable, Finding(
            "causality",
            Verdict.UNPROVEN,
            f"nothing was decided on these {n:,} bars, so nothing is proven",
            "give more or other --bars, or other parameters with --set",
        )
    return repeatable, Finding(
        "causality",
        Verdict.PASSED,
        f"{len(chosen)} cuts with {len(Future)} futures each, {len(decided):,} decisions on {n:,} bars: "
        "no decision changed",
    )


def _cuts(n: int, decided: Int64Array, count: int, generator: Generator, first: int) -> list[int]:
    """Positions in [first, n): half right after decisions, the rest anywhere."""
    if n <= first:
        raise InvalidValueError(f"{n} bars are too few to cut", hint="give more bars")
    after = decided[(decided + 1 >= first) & (decided + 1 < n)] + 1
    near = generator.choice(after, min(len(after), count // 2 + 1), replace=False) if len(after) else after
    anywhere = generator.integers(first, n, max(1, count - len(near)))
    return sorted({*near.tolist(), *anywhere.tolist()})


def _look_ahead(probe: Probe, found: Difference, cut: int) -> Finding:
    bar, reach = found.index, _reach(probe, found.index, cut)
    far = (
        f"{reach} bar{'s' if reach > 1 else ''} ahead"
        if reach
        else "at bars far ahead, such as a mean of all bars"
    )
    return Finding(
        "causality",
        Verdict.FAILED,
        f"looks {far}: at {_at(probe, bar)} it says {found.before}, but {found.after} when the bars from "
        f"{_at(probe, cut)} on are others",
        "decide at bar i from bars up to i: no bars[i + 1], no minimum, mean or rank over the whole array, "
        "no index below 0",
        bar,
        int(probe.clock[bar]),
    )


def _reach(probe: Probe, bar: int, cut: int) -> int:
    """How many bars after `bar` its decision needs; 0 when they reach far (more than 64)."""

    def stays(bars: int) -> bool:
        at = bar + 1 + bars
        if at >= len(probe.clock):
            return True
        found = (probe.difference(at, future) for future in Future)
        return all(each is None or each.index > bar for each in found)

    needed = max(1, cut - bar)  # the bars from the cut on, at least
    for bars in range(needed, min(needed + 64, len(probe.clock))):
        if stays(bars):
            return bars
    return 0


def _warm_up(probe: LaterStart, generator: Generator) -> tuple[Finding, ...]:
    early = _early(probe, generator)
    return (early, _memory(probe, generator))


def _early(probe: LaterStart, generator: Generator) -> Finding:
    """No entry before the declared warm-up, wherever the bars begin."""
    if probe.warm_up == 0:
        return Finding("warm-up", Verdict.PASSED, "none is declared, none is needed by an indicator")
    for begin in (0, *_starts(probe, 0, generator)):
        said, _ = probe.from_bar(begin)
        enters = probe.enters(said[: probe.warm_up])
        if len(enters):
            at = int(enters[0])
            return Finding(
                "warm-up",
                Verdict.FAILED,
                f"enters at bar {at} of bars that begin at {_at(probe, begin)}; {probe.warm_up} bars of warm-up are declared",
                "wait for every column to be known (NaN compares as false), or declare the true warm-up",
                begin + at,
                int(probe.clock[begin + at]),
            )
    return Finding(
        "warm-up", Verdict.PASSED, f"no entry within the first {probe.warm_up} bars, wherever they begin"
    )


def _memory(probe: LaterStart, generator: Generator) -> Finding:
    """After the settling length it does not matter where the bars began."""
    n, name = len(probe.clock), "memory"
    begins = _starts(probe, probe.settling + _LEAST_TESTED, generator)
    if not begins:
        return Finding(
            name,
            Verdict.UNPROVEN,
            f"{n:,} bars are too few to see whether decisions forget where the bars began",
            f"give at least {probe.settling + 2 * _LEAST_TESTED:,} bars",
        )
    tested = wrong = settled = 0
    first = n
    for begin in begins:
        said, full = probe.from_bar(begin)
        same = np.isclose(said, full, rtol=_LEVEL_TOLERANCE, atol=0.0, equal_nan=True).all(axis=1)
        off = np.flatnonzero(~same)
        settled = max(settled, int(off[-1]) + 1 if len(off) else 0)
        late = off[off >= probe.settling]
        wrong += len(late)
        first = min(first, begin + int(late[0])) if len(late) else first
        tested += _decisions(full[probe.settling :])
    if wrong > _DECISION_TOLERANCE * tested:
        return Finding(
            name,
            Verdict.FAILED,
            f"{wrong:,} of {tested:,} decisions depend on bars more than {probe.settling:,} bars old, "
            f"the first at {_at(probe, first)}: live, with less history, it would trade otherwise",
            "use windows or averages that forget; reset what is counted up at every session",
            first,
            int(probe.clock[first]),
        )
    if tested == 0:
        return Finding(
            name, Verdict.UNPROVEN, "nothing was decided after the settling length", "give more bars"
        )
    tail = f" ({wrong} of {tested:,} decisions differ, within {_DECISION_TOLERANCE:.1%})" if wrong else ""
    return Finding(
        name,
        Verdict.PASSED,
        f"begun later, it decides the same after {settled:,} bars; {probe.settling:,} are allowed{tail}",
    )


def _starts(probe: LaterStart, room: int, generator: Generator) -> list[int]:
    """Some positions to begin at, with `room` bars left."""
    possible = probe.starts()
    possible = possible[possible <= len(probe.clock) - max(room, probe.warm_up + 2)]
    if not len(possible):
        return []
    return sorted(generator.choice(possible, min(_STARTS, len(possible)), replace=False).tolist())


def _decisions(said: Float64Array) -> int:
    return int(((np.nan_to_num(said) != 0.0).any(axis=1)).sum())


def _at(probe: Probe | LaterStart, index: int) -> str:
    when = np.datetime64(int(probe.clock[index]), "ns").astype("datetime64[s]")
    return f"bar {index} ({when}Z)"
