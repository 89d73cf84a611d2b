"""What a strategy is.  Three kinds, one way to declare them (DESIGN section 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trademantra.core.errors import InvalidValueError
from trademantra.engine.compile import SignalKernel
from trademantra.engine.indicators.declare import Indicator
from trademantra.engine.parameters import Parameter, resolve
from trademantra.engine.rules import TradingRules

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Column:
    """An indicator that a strategy reads.

    `arguments` names, for each indicator parameter that is not left at its default, the strategy parameter that
    sets it, or gives a number.
    """

    indicator: Indicator
    arguments: Mapping[str, str | float] = field(default_factory=dict)

    def values(self, strategy: str, parameters: Values) -> tuple[float, ...]:
        """The indicator's parameter values under given strategy parameters."""
        given = {
            name: parameters[source] if isinstance(source, str) else source
            for name, source in self.arguments.items()
        }
        return resolve(f"{strategy}: indicator {self.indicator.name}", self.indicator.parameters, given)


@dataclass(frozen=True, slots=True)
class SignalStrategy:
    """A compiled rule on one instrument: bars in; entries, exits and protective levels out.

    `kernel` sees the outputs of `columns` in declared order.  `state_size` is the length of its own state.
    `has_levels` asks for the level rows.  `rules` are the trading rules that belong to the idea (its stop, its
    direction); a run may change them.  `intraday` strategies are flat at the end of every session.
    `refuse` says what is wrong with a combination of parameters, or nothing.
    """

    name: str
    title: str
    idea: str
    source: str
    market: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    kernel: SignalKernel
    state_size: int = 1
    has_levels: bool = False
    intraday: bool = False
    rules: TradingRules = field(default_factory=TradingRules)
    refuse: Callable[[Values], str] = lambda values: ""

    def values(self, given: Values) -> dict[str, float]:
        """All parameters.  Errors: `InvalidValueError` naming strategy, parameter and what is allowed."""
        resolved = dict(
            zip(
                (p.name for p in self.parameters),
                resolve(f"strategy {self.name}", self.parameters, given),
                strict=True,
            )
        )
        try:
            fault = self.refuse(resolved)
        except Exception as error:  # whatever a user's code may raise
            raise InvalidValueError(
                f"strategy {self.name}: its `refuse` raised {type(error).__name__}: {error}"
            ) from error
        if fault:
            shown = ", ".join(f"{name}={value:g}" for name, value in resolved.items())
            raise InvalidValueError(f"strategy {self.name}: {fault}", hint=f"given: {shown}")
        return resolved

    def warm_up(self, values: Values) -> int:
        """Bars before the first signal can be trusted."""
        return max(
            (column.indicator.warm_up(column.values(self.name, values)) for column in self.columns), default=0
        )
