"""Target weights: the trades of a back-test to the bit."""

from dataclasses import replace

import pytest

from tests.engine.live.parity import CNC, LIVE, assert_same, both
from tests.engine.live.tapes import days_of, walks
from trademantra.engine.rules import Size, Slippage
from trademantra.strategies.registry import load_strategy

CASES = {
    "dual_momentum": (5, {"lookback": 12, "top": 2, "every": 7}),
    "relative_strength": (5, {"lookback": 12, "top": 2, "buffer": 1, "every": 5}),
    "pairs": (2, {"lookback": 30, "entry": 1.5, "every": 3}),
}
RULES = {
    "weights": replace(LIVE, size=Size.parse("equity:1")),
    "half": replace(LIVE, size=Size.parse("equity:0.5"), slippage=Slippage.parse("bps:5")),
    "equal": replace(LIVE, size=Size.parse("equal:3"), allow_short=False),
    "inverse": replace(LIVE, size=Size.parse("inverse:0.2"), lot=5.0),
}


@pytest.mark.parametrize("words", RULES)
@pytest.mark.parametrize("name", CASES)
def test_target_weights(name: str, words: str) -> None:
    count, values = CASES[name]
    days = days_of(walks(count, 9, seed=60 + len(words)), 2, 5)
    result, trader = both(load_strategy(name), days, RULES[words], CNC, values)
    assert_same(result, trader, 3)
    assert trader.run.equity == pytest.approx(result.curve[-1], rel=1e-12)


def test_daily_bars_fill_at_the_next_days_open() -> None:
    days = days_of(walks(5, 120, 1, 375, seed=8), 30, 375)
    result, trader = both(
        load_strategy("dual_momentum"), days, RULES["weights"], CNC, {"lookback": 12, "top": 2, "every": 5}
    )
    assert_same(result, trader, 10)
