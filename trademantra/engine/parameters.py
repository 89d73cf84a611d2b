"""Parameters of strategies and indicators: declared once, used by commands, sweeps and screens."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from trademantra.core.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that a user may set.

    `low` and `high` are inclusive; `step` is the grid of a sweep and, for whole numbers, 1 or a multiple.
    `integer` says that only whole values make sense (lengths).
    """

    name: str
    default: float
    low: float
    high: float
    step: float = 1.0
    integer: bool = True
    description: str = ""

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or self.step <= 0:
            raise InvalidValueError(
                f"parameter {self.name}: default {self.default} must lie within [{self.low}, {self.high}], step > 0"
            )

    def checked(self, owner: str, value: float) -> float:
        """`value` if it is allowed.  Errors: `InvalidValueError` naming owner, parameter, value and range."""
        if not isfinite(value) or not self.low <= value <= self.high:
            raise InvalidValueError(
                f"{owner}: parameter {self.name} = {value:g} is out of range",
                hint=f"allowed: {self.low:g} to {self.high:g}",
            )
        if self.integer and value != int(value):
            raise InvalidValueError(f"{owner}: parameter {self.name} = {value:g} must be a whole number")
        return float(value)


def resolve(owner: str, declared: tuple[Parameter, ...], given: Mapping[str, float]) -> tuple[float, ...]:
    """Values in declared order, defaults where nothing is given.

    Errors: `InvalidValueError` for an unknown name or a value out of range.

    >>> resolve("sma", (Parameter("length", 20, 1, 500),), {"length": 50})
    (50.0,)
    """
    names = [parameter.name for parameter in declared]
    for name in given:
        if name not in names:
            raise InvalidValueError(
                f"{owner} has no parameter {name!r}", hint=f"it has: {', '.join(names) or 'none'}"
            )
    return tuple(
        parameter.checked(owner, given.get(parameter.name, parameter.default)) for parameter in declared
    )
