"""Wrong input: one clear error that names strategy, parameter or bar."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from tests.engine.scripted import FLAT, RULES, SCRIPTED, bars_of, calendar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.combinations import prepare, run_combinations
from trademantra.engine.records import LevelKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, Slippage, TradingRules
from trademantra.engine.sweep import parse_grid, sweep
from trademantra.engine.timeline import by_days, by_sessions
from trademantra.strategies.dual_momentum import STRATEGY as DUAL_MOMENTUM
from trademantra.strategies.sma_cross import STRATEGY as SMA_CROSS

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

GOOD = {"ts": [1, 2, 3, 4], "open": [10.0] * 4, "high": [11.0] * 4, "low": [9.0] * 4, "close": [10.0] * 4, "volume": [5.0] * 4}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "at", "value", "words"),
    [
        ("open", 2, nan, "bar 2 .*open is not a positive number"),
        ("high", 1, inf, "bar 1 .*high is not a positive number"),
        ("low", 3, 0.0, "bar 3 .*low is not a positive number"),
        ("close", 0, -1.0, "bar 0 .*close is not a positive number"),
        ("high", 2, 9.5, "bar 2 .*high is below open or close"),
        ("low", 2, 10.5, "bar 2 .*low is above open or close"),
        ("volume", 1, -1.0, "bar 1 .*volume is negative"),
        ("volume", 1, nan, "bar 1 .*volume is negative or not a number"),
        ("ts", 2, 2, "bar 2 .*repeats the time"),
        ("ts", 2, 1, "bar 2 .*is earlier than"),
    ],
)
def test_a_bad_bar_is_named(field: str, at: int, value: float, words: str) -> None:
    columns = {name: list(values) for name, values in GOOD.items()}
    columns[field][at] = value
    with pytest.raises(InvalidValueError, match=words):
        Bars.of(**columns)


def test_columns_of_different_lengths() -> None:
    with pytest.raises(InvalidValueError, match=r"close has shape \(3,\)"):
        Bars.of(**{**GOOD, "close": [10.0] * 3})


def given_of(bars: Bars) -> BacktestInput:
    return BacktestInput({"ONE": bars}, {"ONE": by_days(bars.ts)})


def test_too_few_bars() -> None:
    with pytest.raises(InvalidValueError, match=r"sma_cross needs more than .* there are 20"):
        backtest(SMA_CROSS, given_of(bars_of([FLAT] * 20)), {"fast": 5, "slow": 50})
    with pytest.raises(InvalidValueError, match="no bars"):
        backtest(SMA_CROSS, BacktestInput({"ONE": Bars.empty()}, {"ONE": by_days(np.empty(0, np.int64))}))
    with pytest.raises(InvalidValueError, match="scripted needs more than 1"):
        backtest(SCRIPTED, given_of(bars_of([FLAT])))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"fats": 5}, "sma_cross has no parameter 'fats'.*fast, slow"),
        ({"fast": 0}, "sma_cross.*fast = 0 is out of range.*2 to 500"),
        ({"fast": 2.5}, "sma_cross.*fast = 2.5 must be a whole number"),
        ({"fast": nan}, "sma_cross.*fast = nan"),
        ({"fast": 50, "slow": 20}, "sma_cross.*fast must be below slow"),
    ],
)
def test_a_bad_parameter_is_named(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        backtest(SMA_CROSS, given_of(bars_of([FLAT] * 300)), parameters)


@pytest.mark.parametrize(
    ("grid", "fixed", "words"),
    [
        ({"fats": (5.0,)}, {}, "no parameter 'fats'"),
        ({"fast": (5.0, 900.0)}, {}, "fast = 900 is out of range"),
        ({"fast": (5.0,)}, {"slwo": 50.0}, "no parameter 'slwo'"),
        ({"fast": (5.0,)}, {"slow": 1.0}, "slow = 1 is out of range"),
        ({"fast": (50.0,), "slow": (20.0,)}, {}, "accepts none of the 1 combinations"),
        ({}, {}, "the grid has 0 combinations"),
        ({"fast": ()}, {}, "the grid has 0 combinations"),
    ],
)
def test_a_bad_grid_is_explained(
    grid: dict[str, tuple[float, ...]], fixed: dict[str, float], words: str
) -> None:
    with pytest.raises(InvalidValueError, match=words):
        sweep(SMA_CROSS, given_of(bars_of([FLAT] * 300)), grid, fixed)


@pytest.mark.parametrize(
    "text", ["fast", "fast=", "=5", "fast=5:1:1", "fast=1:5", "fast=1:5:0", "fast=a,b", "fast=nan"]
)
def test_a_bad_grid_text(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a grid"):
        parse_grid(text)


def test_instruments_that_do_not_fit() -> None:
    bars = bars_of([FLAT] * 300)
    two = BacktestInput({"ONE": bars, "TWO": bars}, {"ONE": by_days(bars.ts), "TWO": by_days(bars.ts)})
    with pytest.raises(InvalidValueError, match="sma_cross runs on one instrument, 2 were given"):
        backtest(SMA_CROSS, two)
    with pytest.raises(InvalidValueError, match="sma_cross runs on one instrument, 2 were given"):
        sweep(SMA_CROSS, two, {"fast": (5.0,)})
    with pytest.raises(InvalidValueError, match="dual_momentum needs at least 2 instruments"):
        backtest(DUAL_MOMENTUM, given_of(bars))
    with pytest.raises(InvalidValueError, match="ONE: its timeline"):
        backtest(SMA_CROSS, BacktestInput({"ONE": bars}, {"ONE": by_days(bars.ts[:10])}))
    apart = bars_of([FLAT] * 300, range(1_000, 1_300))
    both = BacktestInput({"A": bars, "B": apart}, {"A": by_days(bars.ts), "B": by_days(apart.ts)})
    with pytest.raises(InvalidValueError, match="A, B never fall on the same time"):
        backtest(DUAL_MOMENTUM, both, {"lookback": 5})
    other_days = replace(by_days(bars.ts), day=by_days(bars.ts).day + 1)
    clash = BacktestInput({"A": bars, "B": bars}, {"A": by_days(bars.ts), "B": other_days})
    with pytest.raises(InvalidValueError, match=r"B: its session at 2026-02-16.* differs"):
        backtest(DUAL_MOMENTUM, clash, {"lookback": 5})


def test_a_bar_outside_every_session_is_named() -> None:
    class Span:
        open_ns, close_ns = 0, 10

    with pytest.raises(InvalidValueError, match=r"bar 1 .*outside every session"):
        by_sessions(np.array([5, 15]), [Span()])
    with pytest.raises(InvalidValueError, match="bar 0"):
        by_sessions(np.array([5, 15]), [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("cash", 0.0), ("cash", nan), ("margin", 0.0), ("lot", -1.0), ("tick", inf), ("max_entries", 0),
     ("participation", 1.5), ("time_exit", -1), ("multiplier", 0.0), ("entry_valid", -1), ("max_entries", 1.5), ("time_exit", 2.5)],
)  # fmt: skip
def test_a_bad_rule_is_named(name: str, value: float) -> None:
    with pytest.raises(InvalidValueError, match=name):
        replace(RULES, **{name: value})


@pytest.mark.parametrize(
    ("kind", "value"),
    [(SlippageKind.BPS, 9e3), (SlippageKind.BPS, -1.0), (SlippageKind.RANGE, 1.1), (SlippageKind.TICKS, nan),
     (SlippageKind.SQUARE_ROOT, inf), (SlippageKind.NONE, 1.0)],
)  # fmt: skip
def test_slippage_that_leaves_nothing_is_refused(kind: SlippageKind, value: float) -> None:
    with pytest.raises(InvalidValueError, match=kind.name.lower()):
        Slippage(kind, value)


def test_levels_that_are_never_reached_are_refused() -> None:
    for value in (0.0, -1.0, nan, inf):
        with pytest.raises(InvalidValueError):
            Level(LevelKind.PERCENT, value)
    all_of_it = Level.parse("100%")
    with pytest.raises(InvalidValueError, match="stop"):
        TradingRules(stop=all_of_it)
    TradingRules(
        stop=all_of_it, allow_long=False, allow_short=True
    )  # a short position may lose more than all
    TradingRules(target=all_of_it)
    with pytest.raises(InvalidValueError, match="target"):
        TradingRules(target=all_of_it, allow_long=False, allow_short=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("risk_free_rate", nan), ("risk_free_rate", inf), ("risk_free_rate", 6.5), ("sessions_per_year", nan),
     ("sessions_per_year", 0.0), ("benchmark", np.array([1.0, nan])), ("benchmark", np.array([1.0, 0.0]))],
)  # fmt: skip
def test_a_bad_input_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=name):
        BacktestInput({}, {}, **{name: value})  # type: ignore[arg-type]


def test_bands_of_another_length_and_of_whole_numbers() -> None:
    bars = bars_of([FLAT] * 5, calendar([5]))
    with pytest.raises(InvalidValueError, match=r"5 bars.* 3 price bands"):
        prepare(bars, by_days(bars.ts), bands=np.zeros((2, 3)))
    whole = prepare(bars, by_days(bars.ts), bands=np.array([[1] * 5, [1_000] * 5]))
    assert len(run_combinations(SCRIPTED, whole, [{}], [RULES], record=True).curve) == 5


def test_sets_that_do_not_belong_together() -> None:
    market = prepare(bars_of([FLAT] * 5), by_days(bars_of([FLAT] * 5).ts))
    with pytest.raises(InvalidValueError, match="cannot be run together"):
        run_combinations(SCRIPTED, market, [{}, {}], [RULES])
    with pytest.raises(InvalidValueError, match="cannot be run together"):
        run_combinations(SCRIPTED, market, [{}, {}], [RULES, RULES], record=True)
    assert TradingRules().fill_at is FillAt.NEXT_OPEN
