"""What every signal strategy promises: causal, the same in any tiles, silent while it warms up, runnable."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies.tape import LIVELY, SIGNALS, Tape, input_of, tape_of, timeline_of, walk
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import backtest
from trademantra.engine.records import Signal
from trademantra.engine.strategy import SignalStrategy, Values
from trademantra.strategies.registry import load_strategy

# pytest puts aside the filter that engine.compile sets at import
pytestmark = pytest.mark.filterwarnings("ignore:First-class function type feature")
ALL = int(Signal.ENTER_LONG | Signal.EXIT_LONG | Signal.ENTER_SHORT | Signal.EXIT_SHORT)


def loaded(name: str) -> SignalStrategy:
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    return strategy


def same(one: Tape, other: Tape) -> bool:
    return np.array_equal(one.codes, other.codes) and np.array_equal(one.levels, other.levels, equal_nan=True)


@pytest.mark.parametrize("name", SIGNALS)
@given(seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=8, deadline=None)
def test_signals_do_not_depend_on_later_bars(name: str, seed: int, data: st.DataObject) -> None:
    strategy, bars = loaded(name), walk(seed, 12)
    whole = tape_of(strategy, bars, timeline_of(bars), LIVELY[name])
    for cut in data.draw(st.lists(st.integers(1, len(bars) - 1), min_size=3, max_size=3)):
        part = bars.slice(0, cut)
        before = tape_of(strategy, part, timeline_of(part), LIVELY[name])
        assert same(before, Tape(whole.codes[:cut], whole.levels[:, :cut])), f"seed {seed}, first {cut} bars"


@pytest.mark.parametrize("name", SIGNALS)
@given(seed=st.integers(0, 10_000), tile=st.integers(1, 900))
@settings(max_examples=8, deadline=None)
def test_signals_do_not_depend_on_tiles(name: str, seed: int, tile: int) -> None:
    strategy, bars = loaded(name), walk(seed, 12)
    timeline = timeline_of(bars)
    assert same(
        tape_of(strategy, bars, timeline, LIVELY[name], tile),
        tape_of(strategy, bars, timeline, LIVELY[name], 512),
    )


@pytest.mark.parametrize("name", SIGNALS)
def test_each_signal_occurs_and_nothing_else(name: str) -> None:
    strategy, bars = loaded(name), walk(7, 60)
    codes = tape_of(strategy, bars, timeline_of(bars), LIVELY[name]).codes
    assert not (codes & ~np.int8(ALL)).any()
    entries_only = ALL if name != "nr7_breakout" else int(Signal.ENTER_LONG | Signal.ENTER_SHORT)
    assert np.bitwise_or.reduce(codes) == entries_only
    both = (codes & int(Signal.ENTER_LONG) > 0) & (codes & int(Signal.ENTER_SHORT) > 0)
    assert not both.any()


@pytest.mark.parametrize("name", SIGNALS)
def test_nothing_is_entered_while_warming_up(name: str) -> None:
    strategy = loaded(name)
    entries = int(Signal.ENTER_LONG | Signal.ENTER_SHORT)
    for seed in range(20):
        bars = walk(seed, 6)
        for values in ({}, LIVELY[name]):
            codes = tape_of(strategy, bars, timeline_of(bars), values).codes
            first = int(np.argmax(codes & entries > 0)) if (codes & entries).any() else len(bars)
            assert first >= strategy.warm_up(strategy.values(values))


@pytest.mark.parametrize("name", SIGNALS)
def test_levels_lie_on_the_right_sides(name: str) -> None:
    strategy, bars = loaded(name), walk(3, 60)
    tape = tape_of(strategy, bars, timeline_of(bars), LIVELY[name])
    for side, signal in ((1.0, Signal.ENTER_LONG), (-1.0, Signal.ENTER_SHORT)):
        at = tape.codes & int(signal) > 0
        _, trigger, stop, target = tape.levels[:, at]
        if strategy.has_levels:
            assert (side * (target - stop) > 0.0).all()
            entry = np.where(np.isnan(trigger), bars.close[at], trigger)
            assert (side * (entry - stop) > 0.0).all()


def ends_of(strategy: SignalStrategy) -> list[dict[str, float]]:
    """Each parameter at each end of its range, the others where the strategy accepts the combination."""
    found = []
    for parameter in strategy.parameters:
        for end in (parameter.low, parameter.high):
            others = [(p.default, p.low, p.high) for p in strategy.parameters if p is not parameter]
            names = [p.name for p in strategy.parameters if p is not parameter]
            for choice in product(*others):
                values = dict(zip(names, choice, strict=True)) | {parameter.name: end}
                if not strategy.refuse(values):
                    found.append(values)
                    break
            else:
                pytest.fail(f"{strategy.name}: {parameter.name} = {end:g} is never accepted")
    return found


@pytest.mark.parametrize("name", SIGNALS)
def test_both_ends_of_each_parameter_run(name: str) -> None:
    strategy = loaded(name)
    given_input = input_of(walk(11, 45), intraday=strategy.intraday)
    for values in ends_of(strategy):
        result = backtest(strategy, given_input, values)
        assert np.isfinite(result.curve).all()
        assert (result.curve > 0.0).all()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sma_cross", {"fast": 50, "slow": 50}),
        ("ema_cross", {"fast": 50, "slow": 21}),
        ("macd", {"fast": 26, "slow": 26}),
        ("rsi_reversion", {"oversold": 45, "middle": 40}),
        ("rsi_reversion", {"overbought": 60, "middle": 60}),
        ("donchian_breakout", {"entry": 20, "leave": 21}),
        ("opening_range_breakout", {"length": 60, "last": 60}),
    ],
)
def test_senseless_combinations_are_refused(name: str, values: Values) -> None:
    with pytest.raises(InvalidValueError, match=f"strategy {name}: .* must") as caught:
        loaded(name).values(values)
    assert "given: " in caught.value.hint


@pytest.mark.parametrize("name", SIGNALS)
def test_intraday_strategies_are_flat_overnight(name: str) -> None:
    strategy = loaded(name)
    if not strategy.intraday:
        return
    bars = walk(5, 40)
    result = backtest(strategy, input_of(bars, intraday=True), LIVELY[name])
    day = timeline_of(bars).day
    assert len(result.trades) > 20
    assert (day[result.trades["entry_index"]] == day[result.trades["exit_index"]]).all()
