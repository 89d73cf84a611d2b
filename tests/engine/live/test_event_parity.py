"""Event strategies: the same callbacks in the same state, and the trades of a back-test to the bit."""

from dataclasses import replace

import pytest

from tests.engine.live.callbacks import Rotator
from tests.engine.live.parity import CNC, LIVE, MIS, assert_same, both
from tests.engine.live.tapes import days_of, walks
from trademantra.engine.rules import Level, Size, Slippage
from trademantra.strategies.gap_open import GapOpen

HOURS = {"carried": {}, "intraday": {"leave": 360, "last_entry": 330}, "odd": {"leave": 357}}
RULES = {
    "percent": replace(LIVE, stop=Level.parse("0.4%"), target=Level.parse("0.9%"), size=Size.parse("cash:200000")),
    "points": replace(LIVE, stop=Level.parse("2.5pt"), trail=Level.parse("3.03pt"), size=Size.parse("risk:0.005")),
    "atr": replace(LIVE, stop=Level.parse("2atr"), target=Level.parse("3atr"), trail=Level.parse("2.5atr"),
                   size=Size.parse("atr:0.002"), time_exit=12),
    "volatility": replace(LIVE, slippage=Slippage.parse("ticks:1"), size=Size.parse("volatility:0.2"), margin=0.2),
    "inverse": replace(LIVE, slippage=Slippage.parse("bps:3"), size=Size.parse("inverse:0.3"), entry_valid=2),
    "slots": replace(LIVE, stop=Level.parse("1%"), size=Size.parse("equal:2"), limit_touch=True),
    "all": replace(LIVE, trail=Level.parse("1%"), size=Size.parse("equity:0.6")),
    "kelly": replace(LIVE, stop=Level.parse("0.6%"), target=Level.parse("0.6%"), size=Size.parse("kelly:0.3")),
}  # fmt: skip


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("words", RULES)
@pytest.mark.parametrize("count", [1, 4])
def test_callbacks_on_one_and_many_instruments(count: int, words: str, hours: str) -> None:
    seed = 40 + len(words) + len(hours) + count
    days = days_of(walks(count, 8, seed=seed), 2, 5, seed=3 if seed % 2 else None, **HOURS[hours])
    for own in (0.0, 1.0):
        rules = RULES[words]
        result, trader = both(Rotator, days, rules, CNC if hours == "carried" else MIS, {"own": own})
        assert_same(result, trader, 10)
        assert trader.run.equity == pytest.approx(result.curve[-1], rel=1e-12)
        assert trader.run.refused >= 0


@pytest.mark.parametrize("follow", [0.0, 1.0])
def test_the_gap_strategy_at_the_open(follow: float) -> None:
    days = days_of(walks(6, 16, seed=900), 1, 5, leave=360, seed=5)
    values = {"least": 0.2, "positions": 3, "follow": follow, "stop": 0.53, "target": 1.07}
    result, trader = both(GapOpen, days, LIVE, MIS, values)
    assert_same(result, trader, 25)
