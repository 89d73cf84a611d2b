"""Finer bars: what happened inside each bar of a run, so that the order of its prices is known and not assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.indicators.declare import matrix_of

_NOISE = 1e-9  # of a price: two sources round alike, and adjusted prices carry the noise of a division


@dataclass(frozen=True, slots=True, eq=False)
class Finer:
    """`matrix` (5, f) finer bars in time order; those of bar i are [inside[i], inside[i + 1]), `inside` (n + 1,).

    Both are empty where a bar's own open, high, low and close are all that is known.  `order` (f,) tells which of two
    instruments' finer bars came first: where time tells it, when they start; `ends` (f,) when they are over, empty
    where that is not known.  Only strategies that hear ticks need these.
    """

    matrix: Float64Array
    inside: Int64Array
    order: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))
    ends: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))


NO_FINER = Finer(np.empty((5, 0)), np.empty(0, np.int64))


def lay_inside(symbol: str, bars: Bars, finer: Bars) -> Finer:
    """Find the finer bars of each bar: those that start at or after it and before the next one.

    The last bar takes all that follow it; those before the first bar are left out.  A tick is a bar whose open, high,
    low and close are equal.
    Errors: `InvalidValueError` naming the first bar that has none, or whose open, close, high or low they contradict.

    >>> day = Bars.of([0], [10], [12], [9], [11], [5])
    >>> lay_inside("X", day, Bars.of([0, 1], [10, 12], [10, 12], [9, 11], [9, 11], [3, 2])).inside.tolist()
    [0, 2]
    """
    finer.check()
    inside = np.append(np.searchsorted(finer.ts, bars.ts), len(finer)).astype(np.int64)
    empty = inside[1:] == inside[:-1]
    if empty.any():
        _refuse(symbol, bars, int(np.argmax(empty)), "no finer bar lies in it")
    first, last = inside[:-1], inside[1:] - 1
    noise = _NOISE * bars.high
    faults = (
        ("open at", finer.open[first], "opens at", bars.open, abs(finer.open[first] - bars.open) > noise),
        ("close at", finer.close[last], "closes at", bars.close, abs(finer.close[last] - bars.close) > noise),
        ("rise to", np.maximum.reduceat(finer.high, first), "has the high", bars.high, None),
        ("fall to", np.minimum.reduceat(finer.low, first), "has the low", bars.low, None),
    )
    found: list[tuple[int, str]] = []
    for inner, theirs, outer, own, differs in faults:
        sign = 1.0 if inner == "rise to" else -1.0
        bad = sign * (theirs - own) > noise if differs is None else differs
        if bad.any():
            i = int(np.argmax(bad))
            found.append((i, f"its finer bars {inner} {theirs[i]:g}, it {outer} {own[i]:g}"))
    if found:
        _refuse(symbol, bars, *min(found))
    return Finer(matrix_of(finer), inside, finer.ts, finer.ts + length_of(finer))


def length_of(bars: Bars) -> int:
    """How long each bar is, in nanoseconds: the shortest step between two of them; 0 for ticks, bars of one price.

    >>> length_of(Bars.of([0, 5, 10, 20], [1] * 4, [2] * 4, [1] * 4, [1] * 4, [0] * 4))
    5
    """
    if len(bars) < 2 or bool((bars.high == bars.low).all()):
        return 0
    return int(np.diff(bars.ts).min())


def lay_all(bars: Mapping[str, Bars], finer: Mapping[str, Bars]) -> dict[str, Finer]:
    """`lay_inside` for every instrument that has finer bars.  Errors: as there, and for an unknown instrument."""
    for symbol in finer:
        if symbol not in bars:
            raise InvalidValueError(
                f"there are finer bars of {symbol}, which is not in this run",
                hint=f"it has {', '.join(bars)}",
            )
    return {symbol: lay_inside(symbol, bars[symbol], one) for symbol, one in finer.items()}


def check_laid(bars: Mapping[str, Bars], laid: Mapping[str, Finer]) -> None:
    """Finer bars that the caller laid himself: a bar may have none, and they need not fit it.

    A desk decides on a bar some time after its end, and what came in between met the orders from before.  A back-test
    of what a desk recorded must decide where the desk did: by the order in which things came, and not by their times.
    Errors: `InvalidValueError` for an unknown instrument, and for numbers that do not count up from 0 or more to the end.
    """
    for symbol, one in laid.items():
        if symbol not in bars:
            raise InvalidValueError(f"finer bars are laid in {symbol}, which is not in this run")
        inside = one.inside
        counts = len(inside) == len(bars[symbol]) + 1 and bool((np.diff(inside) >= 0).all())
        if not counts or inside[0] < 0 or inside[-1] > one.matrix.shape[1]:
            raise InvalidValueError(
                f"{symbol}: {len(bars[symbol])} bars, and the finer bars laid in them do not belong to them"
            )


def refuse_finer(finer: Mapping[str, object], what: str) -> None:
    """Errors: `InvalidValueError` when there are finer bars: `what` would leave them out without a word."""
    if finer:
        raise InvalidValueError(
            f"{what} does not look inside its bars: finer bars cannot be given",
            hint="leave them out, or run single back-tests of a signal or event strategy",
        )


def _refuse(symbol: str, bars: Bars, i: int, fault: str) -> None:
    when = np.datetime64(int(bars.ts[i]), "ns").astype("datetime64[s]")
    raise InvalidValueError(
        f"{symbol}: bar {i} ({when}Z): {fault}",
        hint="make the bars from the finer ones (--timeframe), cut both to one range, or leave --finer out",
    )
