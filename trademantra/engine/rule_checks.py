"""Rules that would quietly trade nothing, or protect nothing, are refused by name before a run."""

from collections.abc import Callable

from trademantra.core.errors import InvalidValueError
from trademantra.engine.records import LevelKind, SizeKind
from trademantra.engine.rules import TradingRules


def needs_a_stop(rules: TradingRules) -> bool:
    """Whether entries are sized by the distance to a stop that the rules do not give."""
    return rules.size.kind is SizeKind.RISK and rules.stop.kind is LevelKind.NONE


def check_rules(
    strategy: str, rules: TradingRules, highest_of_run: Callable[[], float], *, gives_stops: bool
) -> None:
    """Refuse what cannot work.  `highest_of_run` finds the highest price of the run where it matters; `gives_stops`: the strategy may bring stops.

    Errors: `InvalidValueError`.
    """
    if needs_a_stop(rules) and not gives_stops:
        raise InvalidValueError(
            f"strategy {strategy}: size risk needs the distance to a stop, and there is none",
            hint="add a stop, such as --stop 2% (a trailing stop does not size), or choose another --size",
        )
    for name, level in (("stop", rules.stop), ("trail", rules.trail)):
        if not rules.allow_long or level.kind is not LevelKind.POINTS:
            continue
        highest = highest_of_run()
        if level.value >= highest:
            raise InvalidValueError(
                f"strategy {strategy}: a {name} of {level.value:g} points is never reached: no price is above {highest:g}",
                hint=f"points are in units of price; write {name} 2% for percent",
            )
