"""All indicators by name.  Each family's kernels are loaded when one of them is first asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from trademantra.core.errors import InvalidValueError
from trademantra.engine.indicators.declare import Indicator

_FAMILIES = {
    "averages": ("sma", "ema", "rma", "dema", "tema"),
    "weighted_averages": ("wma", "hma", "vwma", "kama", "linear_regression"),
    "momentum": ("macd", "momentum", "roc", "tsi"),
    "oscillators": ("rsi", "stochastic", "stochastic_rsi", "williams_r", "cci", "mfi"),
    "volatility": ("true_range", "atr", "standard_deviation", "z_score", "chaikin_volatility"),
    "channels": ("bollinger", "keltner", "donchian", "squeeze"),
    "trend": ("adx", "supertrend", "parabolic_sar", "aroon", "vortex"),
    "ichimoku": ("ichimoku",),
    "volume": ("obv", "accumulation_distribution", "cmf", "volume_sma"),
    "anchored": ("vwap", "opening_range", "session_gap"),
    "levels": ("previous_session", "cpr", "pivots", "camarilla", "fibonacci"),
    "heikin_ashi": ("heikin_ashi",),
}


class Registry(Mapping[str, Indicator]):
    """Indicator by name, in the order of the families.."""

    __slots__ = ("_families",)

    def __init__(self, families: Mapping[str, tuple[str, ...]]) -> None:
        self._families = {name: family for family, names in families.items() for name in names}

    def __getitem__(self, name: str) -> Indicator:
        module = import_module(f"trademantra.engine.indicators.{self._families[name]}")
        indicator: Indicator = getattr(module, name.upper())
        return indicator

    def __contains__(self, name: object) -> bool:
        return name in self._families

    def __iter__(self) -> Iterator[str]:
        return iter(self._families)

    def __len__(self) -> int:
        return len(self._families)


INDICATORS: Mapping[str, Indicator] = Registry(_FAMILIES)


def indicator(name: str) -> Indicator:
    """The indicator of that name.  Errors: `InvalidValueError` with the names there are.

    >>> indicator("supertrend").outputs
    ('line', 'direction')
    """
    if name not in INDICATORS:
        raise InvalidValueError(f"no indicator {name!r}", hint=f"there are: {', '.join(INDICATORS)}")
    return INDICATORS[name]
