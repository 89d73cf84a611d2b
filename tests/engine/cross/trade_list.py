"""Trade lists of several engines in one form, and what `identical` means."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.engine.cross.prices import STEPS
from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Float64Array, Int64Array

BoolArray = NDArray[np.bool_]
NOISE = 1e-9  # relative; for a net result relative to the value traded, of which it is a difference


@dataclass(frozen=True)
class TradeList:
    """Closed round trips in time order; bars by index, prices and money in the currency, side +1 or -1."""

    entry: Int64Array
    exit: Int64Array
    side: Int64Array
    entry_price: Float64Array
    exit_price: Float64Array
    quantity: Float64Array
    net: Float64Array

    def __len__(self) -> int:
        return len(self.entry)


def ours(result: BacktestResult) -> TradeList:
    trades = result.trades
    names = ("entry_index", "exit_index", "side", "entry_price", "exit_price", "quantity", "net")
    return TradeList(*(trades[name].copy() for name in names))


def of_steps(
    entry: np.ndarray,
    leave: np.ndarray,
    side: np.ndarray,
    entry_price: np.ndarray,
    exit_price: np.ndarray,
    quantity: np.ndarray,
    net: np.ndarray,
) -> TradeList:
    """A peer's list, whose prices and money are in steps, ordered by entry."""
    order = np.argsort(entry, kind="stable")
    return TradeList(
        entry[order].astype(np.int64), leave[order].astype(np.int64), side[order].astype(np.int64),
        entry_price[order] / STEPS, exit_price[order] / STEPS, quantity[order].astype(float), net[order] / STEPS,
    )  # fmt: skip


def assert_identical(
    mine: TradeList, theirs: TradeList, *, at_least: int, other_exit_price: BoolArray | None = None
) -> None:
    """Same bars and sides exactly; same prices, quantities and results to float noise.

    `other_exit_price` marks trades whose exit the peer prices by another rule, on the same bar: of these the exit price
    and what follows from it are not compared, everything else is.
    """
    np.testing.assert_array_equal(mine.entry, theirs.entry)
    np.testing.assert_array_equal(mine.exit, theirs.exit)
    np.testing.assert_array_equal(mine.side, theirs.side)
    np.testing.assert_allclose(mine.entry_price, theirs.entry_price, rtol=NOISE)
    np.testing.assert_allclose(mine.quantity, theirs.quantity, rtol=NOISE)
    same = np.full(len(mine), True) if other_exit_price is None else ~other_exit_price
    assert same.sum() >= at_least
    assert same.mean() >= 0.9, "what a peer prices by another rule is rare, or the rule that says so is wrong"
    np.testing.assert_allclose(mine.exit_price[same], theirs.exit_price[same], rtol=NOISE)
    value = mine.entry_price * mine.quantity
    np.testing.assert_allclose((mine.net / value)[same], (theirs.net / value)[same], rtol=0.0, atol=NOISE)
