"""Try a user's kernel in plain Python before it runs compiled, where nothing checks an index.

A compiled kernel that writes at `codes[i]` instead of `codes[i - start]` writes over foreign memory.  Plain Python
says so, with the line.  The trial is a few bars of the second tile, where places and bar numbers differ.
"""

import traceback
from pathlib import Path

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Float64Array
from trademantra.engine.compile import uncompiled
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.records import Signal
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.walk import LEVELS, TILE

BARS = 16
UNWRITTEN = 127
_KNOWN = int(Signal.ENTER_LONG | Signal.EXIT_LONG | Signal.ENTER_SHORT | Signal.EXIT_SHORT)
_INSTRUMENTS = 3


def try_signals(strategy: SignalStrategy) -> None:
    """Errors: `InvalidValueError` naming the strategy for a kernel that leaves its arrays, leaves bars without a
    code, or writes a code that is no sum of `Signal`s."""
    n = TILE + BARS
    rows = sum(len(column.indicator.outputs) for column in strategy.columns)
    use = np.array([*range(rows), -1, -1], np.int64)
    parameters = np.array([p.default for p in strategy.parameters], np.float64)
    for columns in (np.full((rows, TILE + 1), np.nan), np.full((rows, TILE + 1), 100.0)):
        codes = np.full(TILE, UNWRITTEN, np.int8)
        levels = np.full((LEVELS, TILE if strategy.has_levels else 1), np.nan)
        state = np.zeros(max(1, strategy.state_size))
        try:
            with np.errstate(all="ignore"):
                uncompiled(strategy.kernel)(
                    _prices(n), np.zeros(n, np.int64), np.arange(n), columns, use, parameters, state, codes,
                    levels, TILE, n,
                )  # fmt: skip
        except IndexError as error:
            raise _failure(
                strategy.name,
                error,
                "bar i has its code at codes[i - start], its columns at columns[use[k], i - start + 1]; levels need "
                "has_levels=True, a longer state needs state_size",
            ) from error
        except (ArithmeticError, ValueError):
            return  # invented numbers may lie outside what a kernel can compute; compiled, it goes on with NaN or inf
        written = codes[:BARS].tolist()
        if UNWRITTEN in written:
            raise InvalidValueError(
                f"strategy {strategy.name}: its kernel writes no code for bar {TILE + written.index(UNWRITTEN)}",
                hint="write codes[i - start] for every bar from start to stop, 0 for nothing",
            )
        wrong = [code for code in written if code & ~_KNOWN]
        if wrong:
            raise InvalidValueError(
                f"strategy {strategy.name}: its kernel writes the code {wrong[0]}",
                hint="a code is a sum of Signal.ENTER_LONG 1, EXIT_LONG 2, ENTER_SHORT 4, EXIT_SHORT 8; 0 for nothing",
            )


def try_weights(strategy: AllocationStrategy) -> None:
    """Errors: `InvalidValueError` naming the strategy for a kernel that leaves its arrays."""
    count = max(strategy.least_instruments, min(_INSTRUMENTS, strategy.most_instruments))
    n = strategy.first_rebalance({p.name: p.default for p in strategy.parameters}) + 1
    values = np.repeat(_prices(n)[:, :, None], count, axis=2)
    parameters = np.array([p.default for p in strategy.parameters], np.float64)
    try:
        with np.errstate(all="ignore"):
            uncompiled(strategy.kernel)(
                values, n - 1, parameters, np.zeros(strategy.state_size), np.zeros(count)
            )
    except IndexError as error:
        raise _failure(
            strategy.name, error, f"weights has one place an instrument, values is (5, bars, {count} here)"
        ) from error
    except (ArithmeticError, ValueError):
        return


def _prices(n: int) -> Float64Array:
    """(5, n) bars that rise and fall."""
    close = 100.0 + np.sin(np.arange(n))
    return np.stack([close, close + 1.0, close - 1.0, close, np.full(n, 1_000.0)])


def _failure(strategy: str, error: IndexError, hint: str) -> InvalidValueError:
    at = traceback.extract_tb(error.__traceback__)[-1]
    return InvalidValueError(
        f"strategy {strategy}: its kernel leaves its arrays: {error} "
        f"({Path(at.filename).name}, line {at.lineno}: {at.line})",
        hint=hint,
    )
