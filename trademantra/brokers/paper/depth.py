"""Depth that is made up around the last price, for sources that show none.

The same instrument, moment and seed always give the same depth, one by one or many at once: what the ticker sends, what
a quote shows and what a large order meets is one depth.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from trademantra.engine.bars import Float64Array, Int64Array

LEVELS = 5
_MOST_ORDERS = 40
_WORDS = (
    1 + 4 * LEVELS
)  # a side for the last trade, then for each of ten levels a size and a number of orders
_Words: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class MadeDepth:
    """Arrays of shape (k, 10): five buy levels, best first, then five sell levels.

    `steps` ticks away from the last price (negative: below), `lots` and `orders` at the level.
    """

    steps: Int64Array
    lots: Int64Array
    orders: Int64Array


def made_depth(tokens: Int64Array, at_ns: Int64Array, mean_lots: Float64Array, seed: int) -> MadeDepth:
    """Depth of k instruments; `mean_lots` is the size of a usual trade, which each level holds about once.

    The last trade was at the bid or at the ask.

    >>> made_depth(np.array([408065]), np.array([10**18]), np.array([10.0]), 0).steps.tolist()
    [[-1, -2, -3, -4, -5, 0, 1, 2, 3, 4]]
    """
    words = _words(tokens, at_ns, seed)
    at_bid = (words[:, :1] >> np.uint64(63)).astype(np.int64)
    away = np.arange(LEVELS, dtype=np.int64)
    steps = np.concatenate((at_bid - 1 - away, at_bid + away), axis=1)
    size = words[:, 1 : 1 + 2 * LEVELS].astype(np.float64) / 2.0**64
    growth = np.tile(1 + away / 2, 2)
    lots = np.maximum(1, np.rint(mean_lots[:, None] * (0.5 + size) * growth)).astype(np.int64)
    shares = 1 + (words[:, 1 + 2 * LEVELS :] % np.uint64(3)).astype(np.int64)
    return MadeDepth(steps, lots, 1 + np.minimum(_MOST_ORDERS, lots * shares // 4))


def _words(tokens: Int64Array, at_ns: Int64Array, seed: int) -> _Words:
    """Random 64-bit words of each instrument and moment: SplitMix64 (Steele, Lea, Flood 2014), as a hash."""
    start = _mixed(_mixed(tokens.astype(np.uint64) + np.uint64(seed % 2**64)) ^ at_ns.astype(np.uint64))
    steps = np.arange(1, _WORDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return _mixed(start[:, None] + steps)


def _mixed(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
