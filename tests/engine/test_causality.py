"""No look ahead: a run on the first bars is the first part of the run on all of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.generated import CHARGES, long_scripts, trading_rules
from tests.engine.scripted import RULES, SCRIPTED, Script
from tests.engine.test_metrics import random_bars
from trademantra.engine.bars import Int64Array
from trademantra.engine.combinations import prepare, run_combinations
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline, by_days
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.strategies.registry import load_strategy, strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


def first(timeline: Timeline, n: int) -> Timeline:
    """The timeline as a calendar would have told it at bar n: when sessions end is known before."""
    session = timeline.session[:n]
    ends: Int64Array = np.flatnonzero(np.append(np.diff(session), 1)).astype(np.int64)
    return Timeline(session, timeline.minute[:n], timeline.day[:n], ends, timeline.allowed[:n])


def same_until(short: RecordArray, long: RecordArray, time: str, n: int) -> None:
    before = long[long[time] < n]
    assert len(short) == len(before)
    for name in before.dtype.names or ():
        np.testing.assert_array_equal(short[name], before[name], err_msg=name)


@settings(max_examples=60, deadline=None)
@given(long_scripts((60, 600)), trading_rules(), CHARGES, st.data())
def test_fills_do_not_depend_on_later_bars(
    script: Script, rules: TradingRules, charges: ChargeRules, data: st.DataObject
) -> None:
    market = script.market(charges)
    whole = run_combinations(SCRIPTED, market, [{}], [rules], record=True)
    for n in data.draw(st.lists(st.integers(2, len(script.bars)), min_size=1, max_size=3)):
        part = Script(script.bars.slice(0, n), first(script.timeline, n), script.words[:n], script.bands)
        # the number of bars in a year, by which a volatility target sizes, is a fact about the whole series
        known = replace(part.market(charges), bars_per_year=market.bars_per_year)
        early = run_combinations(SCRIPTED, known, [{}], [rules], record=True)
        same_until(early.fills, whole.fills, "index", n)
        same_until(early.trades, whole.trades, "exit_index", n)
        np.testing.assert_array_equal(early.curve, whole.curve[:n])


SIGNALS = tuple(name for name in strategy_names() if isinstance(load_strategy(name), SignalStrategy))


@pytest.mark.parametrize("name", SIGNALS)
def test_no_strategy_of_the_library_looks_ahead(name: str) -> None:
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    values = strategy.values({})
    least = strategy.warm_up(values) + 2
    bars = random_bars(23, max(1_500, 3 * least), 12)
    timeline = by_days(bars.ts)
    rules = replace(RULES, max_entries=2, trail=Level.parse("3%"), stop=strategy.rules.stop)
    whole = run_combinations(strategy, prepare(bars, timeline), [values], [rules], record=True)
    assert whole.curve[-1] > 0.0
    for n in np.random.default_rng(len(name)).integers(least, len(bars), 3).tolist():
        market = prepare(bars.slice(0, n), first(timeline, n))
        early = run_combinations(strategy, market, [values], [rules], record=True)
        same_until(early.fills, whole.fills, "index", n)
        np.testing.assert_array_equal(early.curve, whole.curve[:n])
