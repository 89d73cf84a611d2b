"""The compiled engine equals the slow reference, fill by fill."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.engine.generated import CHARGES, fine_scripts, long_scripts, small_scripts, trading_rules
from tests.engine.reference import ReferenceEngine, drawdown
from tests.engine.scripted import Script
from trademantra.engine.combinations import Outcome
from trademantra.engine.rules import TradingRules
from trademantra.markets.charges.numeric import ChargeRules

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

FILL_FIELDS = ("index", "side", "quantity", "price", "costs", "reason")
TRADE_FIELDS = (
    "side",
    "entry_index",
    "exit_index",
    "quantity",
    "entry_price",
    "exit_price",
    "costs",
    "reason",
)


def assert_equal(outcome: Outcome, reference: ReferenceEngine, rules: TradingRules) -> None:
    fills = [tuple(float(fill[name]) for name in FILL_FIELDS) for fill in outcome.fills]
    expected = [tuple(float(getattr(fill, name)) for name in FILL_FIELDS) for fill in reference.fills]
    assert len(fills) == len(expected), f"engine {fills}\nreference {expected}"
    np.testing.assert_allclose(fills, expected, rtol=1e-9, atol=1e-9, err_msg="fills")
    trades = [tuple(float(trade[name]) for name in TRADE_FIELDS) for trade in outcome.trades]
    expected = [tuple(float(getattr(trade, name)) for name in TRADE_FIELDS) for trade in reference.trades]
    assert len(trades) == len(expected), f"engine {trades}\nreference {expected}"
    np.testing.assert_allclose(trades, expected, rtol=1e-9, atol=1e-9, err_msg="trades")
    scale = max(rules.cash, float(outcome.accounts["turnover"][0]))
    np.testing.assert_allclose(
        outcome.trades["net"], [trade.net for trade in reference.trades], rtol=0, atol=1e-9 * scale
    )
    np.testing.assert_allclose(outcome.curve, reference.curve, rtol=0, atol=1e-9 * scale, err_msg="curve")
    [account] = outcome.accounts
    assert account["refused"] == reference.refused
    assert abs(account["equity"] - reference.curve[-1]) <= 1e-9 * scale
    assert abs(account["drawdown"] - drawdown(reference.curve, rules.cash)) <= 1e-9
    assert abs(account["costs"] - sum(fill.costs for fill in reference.fills)) <= 1e-9 * scale


@settings(max_examples=800, deadline=None)
@given(small_scripts(), trading_rules(), CHARGES)
def test_small(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    assert_equal(script.run(rules, charges), script.reference(rules, charges), rules)


@settings(max_examples=200, deadline=None)
@given(long_scripts((40, 60, 60, 511, 512, 513, 700, 1_025)), trading_rules(), CHARGES)
def test_long(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    assert_equal(script.run(rules, charges), script.reference(rules, charges), rules)


@settings(max_examples=500, deadline=None)
@given(fine_scripts(), trading_rules(), CHARGES)
def test_with_finer_bars(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    assert_equal(script.run(rules, charges), script.reference(rules, charges), rules)
