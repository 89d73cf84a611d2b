"""Random numbers that are the same on every machine.

NumPy promises the raw stream of a bit generator, not what `Generator` makes of it, and `exp` and `log` of the
C library differ in the last bit from processor to processor.  So everything here is built from raw 64-bit words
by integer arithmetic and by + − × ÷ and square root, which IEEE 754 rounds in one way only.
"""

import hashlib
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trademantra.engine.bars import Float64Array, Int64Array

Words: TypeAlias = NDArray[np.uint64]

LANES = 4
_LANE_VALUES = 65_536
_LANE_BITS = 16
_LANE_SUM_MEAN = LANES * (_LANE_VALUES - 1) / 2
_LANE_SUM_DEVIATION = float(np.sqrt(LANES * (_LANE_VALUES**2 - 1) / 12))

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: whole multiples of the high part are exact, so x − n ln 2 loses nothing.
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_TAYLOR_DEGREE = 14


class Purpose(IntEnum):
    """What a stream is drawn for.  Streams of different purposes never overlap; the numbers never change."""

    SHARE = 1
    DAY = 2
    MINUTE = 3
    TRADE = 4
    TICK = 5
    LEAD = 6
    AUCTION = 7
    OPTION = 8


def raw_words(seed: int, purpose: Purpose, name: str, number: int, count: int) -> Words:
    """The first `count` 64-bit words of the stream of (seed, purpose, name, number).

    A longer draw starts with the same words as a shorter one.  `number` is a day's ordinal, or 0.

    >>> [int(word) for word in raw_words(7, Purpose.DAY, "MARKET", 0, 2)]
    [2123202978903542459, 4848576563376574902]
    """
    digest = hashlib.sha256(name.encode()).digest()
    key = (int(purpose), number, int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big"))
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)).random_raw(count)


def normal(words: Words) -> Float64Array:
    """Bell-shaped numbers of mean 0 and variance 1, one a word, within ±3.47 (the sum of its four 16-bit lanes).

    Tails are thinner than a normal's (kurtosis 2.7); the fat ones of prices come from changing volatility.
    """
    lanes = words.view(np.uint16).reshape(*words.shape, LANES)
    total = lanes[..., 0].astype(np.int32)
    for k in range(1, LANES):
        total += lanes[..., k]
    return (total.astype(np.float64) - _LANE_SUM_MEAN) / _LANE_SUM_DEVIATION


def lane(words: Words, k: int) -> Int64Array:
    """Lane k (0 to 3) of each word: an integer from 0 to 65,535, all equally likely."""
    shifted = words >> np.uint64(_LANE_BITS * k)
    return (shifted & np.uint64(_LANE_VALUES - 1)).astype(np.int64)


def uniform(words: Words, k: int) -> Float64Array:
    """Lane k as a number inside (0, 1), never an end of it."""
    return (lane(words, k) + 0.5) / _LANE_VALUES


def exponential(x: Float64Array) -> Float64Array:
    """e to the x, for |x| ≤ 700, the same bits on every machine; within 2 units in the last place.

    >>> float(abs(exponential(np.array([1.0]))[0] - 2.718281828459045)) < 1e-15
    True
    """
    n = np.rint(x * _LOG2_E)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    series = np.ones_like(r)
    for k in range(_TAYLOR_DEGREE, 0, -1):
        series = series * r / k + 1.0
    return np.ldexp(series, n.astype(np.int32))
