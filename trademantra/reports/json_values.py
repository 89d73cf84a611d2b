"""Values as JSON has them."""

from collections.abc import Sequence
from math import isfinite
from typing import TypeAlias

from trademantra.engine.bars import Float64Array

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def number(value: float) -> float | None:
    """The number, or None where it is undefined or infinite: JSON knows neither.

    >>> number(1.5), number(float("nan")), number(float("-inf"))
    (1.5, None, None)
    """
    return float(value) if isfinite(value) else None


def figure(value: float) -> float:
    """A number without the noise of binary fractions: 12 digits, which hold 100 crore to the paisa.

    >>> figure(0.1 + 0.2), figure(23456.049999999996), figure(1234567890.12)
    (0.3, 23456.05, 1234567890.12)
    """
    return float(f"{value:.12g}")


def numbers(values: Sequence[float] | Float64Array, decimals: int | None = None) -> list[Json]:
    """Numbers, rounded to `decimals` when given, None where undefined or infinite.

    >>> import numpy as np
    >>> numbers(np.array([0.12345, np.nan]), 2)
    [0.12, None]
    """
    found = (number(value) for value in values)
    return [value if value is None or decimals is None else round(value, decimals) for value in found]
