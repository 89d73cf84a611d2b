"""The space that a study searches: which numbers vary, and over what."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, prod

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import Strategy
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.parameters import Parameter
from trademantra.engine.records import LevelKind
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.engine.sweep import RULE_NAMES

LARGEST_GRID = 5_000_000
Point = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """One number that varies: from `low` to `high` in steps, or freely (`step` 0), or among `choices`.

    >>> Axis("fast", 5, 20, 5).value(2)
    15.0
    """

    name: str
    low: float
    high: float
    step: float = 0.0
    choices: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """How many values there are; 0 for a continuous axis."""
        if self.choices:
            return len(self.choices)
        return int((self.high - self.low) / self.step + 1e-9) + 1 if self.step > 0.0 else 0

    def value(self, position: int) -> float:
        """The value at a position of a stepped axis."""
        return float(self.choices[position] if self.choices else round(self.low + self.step * position, 10))

    def position(self, value: float) -> int:
        """The position of a value of a stepped axis."""
        return self.choices.index(value) if self.choices else round((value - self.low) / self.step)

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name}={','.join(f'{value:.12g}' for value in self.choices)}"
        step = f":{self.step:.12g}" if self.step else ""
        return f"{self.name}={self.low:.12g}:{self.high:.12g}{step}"


Space = tuple[Axis, ...]


def grid_size(space: Space) -> int:
    """Points of the grid.  Errors: `InvalidValueError` for a continuous axis and for a grid that is too large."""
    for axis in space:
        if not axis.count:
            raise InvalidValueError(
                f"a grid needs a step for {axis.name}", hint=f"for example --vary {axis}:0.5"
            )
    size = prod(axis.count for axis in space)
    if size > LARGEST_GRID:
        raise InvalidValueError(
            f"the grid has {size:,} points, at most {LARGEST_GRID:,} are run",
            hint="take larger steps or name fewer parameters, or use --method tpe",
        )
    return size


def grid_point(space: Space, number: int) -> Point:
    """The point of that number, in the order of a sweep: the last axis turns fastest.

    >>> grid_point((Axis("a", 1, 2, 1), Axis("b", 1, 3, 1)), 4)
    (2.0, 2.0)
    """
    values = []
    for axis in reversed(space):
        number, position = divmod(number, axis.count)
        values.append(axis.value(position))
    return tuple(reversed(values))


@dataclass(frozen=True, slots=True)
class Wish:
    """One `--vary` as it was written; `step` None where none was given."""

    name: str
    low: float
    high: float
    step: float | None = None
    choices: tuple[float, ...] = ()


def parse_wish(text: str) -> Wish:
    """`name=low:high`, `name=low:high:step` or `name=a,b,c`.

    >>> parse_wish("fast=5:50")
    Wish(name='fast', low=5.0, high=50.0, step=None, choices=())
    """
    name, _, values = text.partition("=")
    name = name.strip()
    try:
        numbers = [float(part) for part in values.replace(":", ",").split(",")]
    except ValueError:
        numbers = []
    if name and numbers and all(isfinite(number) for number in numbers):
        if ":" not in values:
            ordered = tuple(sorted(set(numbers)))
            return Wish(name, ordered[0], ordered[-1], choices=ordered)
        low, high, *step = numbers
        if "," not in values and low <= high and (not step or (len(step) == 1 and step[0] > 0.0)):
            return Wish(name, low, high, step[0] if step else None)
    raise InvalidValueError(
        f"--vary {text!r} cannot be read",
        hint="write fast=5:50 (low:high), stop=0.5:5:0.25 (low:high:step) or slow=50,100,200",
    )


def space_of(
    strategy: Strategy, wishes: Sequence[Wish], fixed: Mapping[str, float], *, grid: bool = False
) -> Space:
    """What varies, checked against what the strategy declares.  No wishes: every parameter that is not fixed.

    Without a step whole numbers go in ones, other numbers vary freely; a grid takes the step that the strategy
    declares.  Errors: `InvalidValueError` naming strategy, parameter and what is allowed.
    """
    own = {parameter.name: parameter for parameter in strategy.parameters}
    owner = f"strategy {strategy.name}"
    for name in fixed:
        if name not in own:
            raise InvalidValueError(f"{owner} has no parameter {name!r}", hint=_offered(own))
        own[name].checked(owner, fixed[name])
    wanted = list(wishes) or [
        Wish(name, parameter.low, parameter.high)
        for name, parameter in own.items()
        if name not in fixed and parameter.low < parameter.high
    ]
    if not wanted:
        raise InvalidValueError(f"{owner}: nothing is left to vary", hint="name a range with --vary")
    space: list[Axis] = []
    for wish in wanted:
        if wish.name in fixed:
            raise InvalidValueError(f"{wish.name} is set and varied at once", hint="drop --set or --vary")
        if any(axis.name == wish.name for axis in space):
            raise InvalidValueError(f"--vary names {wish.name} twice")
        if wish.name in own:
            space.append(_parameter_axis(owner, own[wish.name], wish, grid))
        else:
            space.append(_rule_axis(strategy, own, wish))
    return tuple(space)


def _parameter_axis(owner: str, parameter: Parameter, wish: Wish, grid: bool) -> Axis:
    for value in (wish.low, wish.high, *wish.choices):
        parameter.checked(owner, value)
    step = wish.step
    if step is None:
        step = parameter.step if grid else 1.0 if parameter.integer else 0.0
    elif parameter.integer and step != int(step):
        raise InvalidValueError(f"{owner}: {parameter.name} takes whole numbers, its step {step:g} is none")
    return Axis(wish.name, wish.low, wish.high, 0.0 if wish.choices else step, wish.choices)


def _rule_axis(strategy: Strategy, own: Container[str], wish: Wish) -> Axis:
    allowed = ("size",) if isinstance(strategy, AllocationStrategy) else RULE_NAMES
    if wish.name not in allowed:
        raise InvalidValueError(
            f"strategy {strategy.name} has no parameter {wish.name!r}",
            hint=f"{_offered({p.name: p for p in strategy.parameters})}; trading rules that can vary: {', '.join(allowed)}",
        )
    if wish.low < 0.0 or (wish.name == "size" and wish.low == 0.0):
        raise InvalidValueError(f"--vary {wish.name} from {wish.low:g}: it must be positive")
    return Axis(wish.name, wish.low, wish.high, 0.0 if wish.choices else wish.step or 0.0, wish.choices)


def _offered(own: Mapping[str, Parameter]) -> str:
    return f"it has: {', '.join(own) or 'none'}"


def rules_at(rules: TradingRules, point: Mapping[str, float], own: Container[str]) -> TradingRules:
    """`rules` with those that the point names: stop, target, trail in percent of price (0: none), and size.

    As in a sweep, a strategy's own parameter of the same name comes first.
    """
    levels = {name: point[name] for name in ("stop", "target", "trail") if name in point and name not in own}
    changed: dict[str, Level | Size] = {
        name: Level(LevelKind.PERCENT, value) if value > 0.0 else Level() for name, value in levels.items()
    }
    if "size" in point and "size" not in own:
        changed["size"] = Size(rules.size.kind, point["size"])
    return replace(rules, **changed) if changed else rules  # type: ignore[arg-type]
