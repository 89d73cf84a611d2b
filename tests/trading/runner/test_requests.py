"""A load request comes out of the pipe as it went in, with the terms that each instrument has of its own."""

import json

import numpy as np
import pytest

from trademantra.core.bar import Timeframe
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms, same_charges
from trademantra.markets.charges.numeric import CHARGE_RULE
from trademantra.trading.runner.requests import load_of, plain_load
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.wire import ProtocolError


def rules(count: int, rate: float) -> np.ndarray:
    made = np.zeros(count, CHARGE_RULE)
    made["rate"] = rate
    return made


OWN = {
    "B": Terms(lot=65.0, tick=0.1, multiplier=100.0, charges=rules(3, 0.2)),
    "C": Terms(lot=1.0, tick=0.05),
    "D": Terms(lot=30.0, tick=0.05, charges=rules(0, 0.0)),
}


def spec(charges: np.ndarray | None, own: dict[str, Terms]) -> RunSpec:
    return RunSpec(
        run_id="one", strategy=StrategySource("mine", "0" * 64), symbols=("A", "B", "C", "D"), timeframe=Timeframe(1, "m"),
        rules=TradingRules(as_live=True), charges=charges, own=own,
    )  # fmt: skip


@pytest.mark.parametrize("charges", [None, rules(2, 0.1)])
def test_terms_come_back(charges: np.ndarray | None) -> None:
    body, raw = plain_load(spec(charges, OWN), [0, 1, 2, 3])
    made = load_of(json.loads(json.dumps(body)), raw)
    assert same_charges(made.charges, charges)
    assert made.own.keys() == OWN.keys()
    assert all(made.own[symbol].is_like(own) for symbol, own in OWN.items())


def test_a_cut_request_is_refused() -> None:
    body, raw = plain_load(spec(rules(2, 0.1), OWN), [0, 1, 2, 3])
    with pytest.raises(ProtocolError, match="fewer bytes"):
        load_of(json.loads(json.dumps(body)), raw[:-1])


def test_other_lots_are_another_run() -> None:
    """Runs without any are known by the hash that they always had."""
    plain, other = spec(None, {}), spec(None, OWN)
    assert "own" not in plain.parameters_json
    assert plain.parameters_hash != other.parameters_hash
