"""A live run in front of an exchange makes the trades of a back-test, to the bit."""

from dataclasses import replace

import pytest

from tests.engine.live.parity import CNC, LIVE, MIS, assert_same, both
from tests.engine.live.tapes import days_of, walks
from tests.strategies.tape import LIVELY, SIGNALS
from trademantra.engine.rules import Level, Size, Slippage
from trademantra.strategies.registry import load_strategy

RULES = {
    "plain": replace(LIVE, size=Size.parse("equity:0.9")),
    "percent": replace(LIVE, stop=Level.parse("0.4%"), target=Level.parse("0.7%"), size=Size.parse("cash:200000")),
    "points": replace(LIVE, stop=Level.parse("1.5pt"), trail=Level.parse("2.03pt"), size=Size.parse("risk:0.01")),
    "atr": replace(LIVE, stop=Level.parse("2atr"), target=Level.parse("3atr"), trail=Level.parse("2.5atr"),
                   size=Size.parse("atr:0.005")),
    "slips": replace(LIVE, stop=Level.parse("0.5%"), slippage=Slippage.parse("bps:2"), size=Size.parse("volatility:0.4"),
                     margin=0.2),
    "quantity": replace(LIVE, trail=Level.parse("0.6%"), size=Size.parse("quantity:37"), time_exit=9),
    "kelly": replace(LIVE, target=Level.parse("0.3%"), stop=Level.parse("0.5%"), size=Size.parse("kelly:0.5"),
                     limit_touch=True),
    "slots": replace(LIVE, stop=Level.parse("1%"), size=Size.parse("equal:2"), target_first=True),
}  # fmt: skip
HOURS = {"carried": {}, "intraday": {"leave": 360, "last_entry": 330}, "odd": {"leave": 357}}


@pytest.mark.parametrize("kind", ["events", "ticks"])
@pytest.mark.parametrize("name", SIGNALS)
def test_every_strategy_of_signals(name: str, kind: str) -> None:
    strategy = load_strategy(name)
    seed = 1 if kind == "events" else 2
    for at, (words, rules) in enumerate(RULES.items()):
        hours = list(HOURS.values())[(at + seed) % 3]
        own = (
            replace(rules, stop=Level()) if words == "points" and name == "opening_range_breakout" else rules
        )
        days = days_of(walks(1, 12, seed=100 * seed + at), 4, 5, seed=7 if kind == "ticks" else None, **hours)
        result, trader = both(strategy, days, own, CNC if not hours else MIS, LIVELY[name])
        assert_same(result, trader, 0)
        assert trader.run.equity == result.curve[-1]
        assert trader.run.refused == result.metrics.refused_entries
