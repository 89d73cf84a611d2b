"""A live run in front of an exchange makes the trades of a back-test, to the bit."""

from dataclasses import replace

import pytest

from tests.engine.generated import table_of
from tests.engine.live.exchange import Days, Trader, replay
from tests.engine.live.tapes import days_of, walks
from tests.strategies.tape import LIVELY, SIGNALS
from trademantra.core.order import Product
from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy, backtest
from trademantra.engine.live.run import LiveRun
from trademantra.engine.rules import Level, Size, Slippage, TradingRules
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.strategies.registry import load_strategy

A_YEAR = 252.0 * 75.0
MIS, CNC = table_of("zerodha", Product.MIS), table_of("zerodha", Product.CNC)
LIVE = TradingRules(as_live=True, tick=0.05, lot=1.0, allow_short=True)


def both(
    strategy: Strategy, days: Days, rules: TradingRules, charges: ChargeRules, values: dict[str, float]
) -> tuple[BacktestResult, Trader]:
    given = BacktestInput(
        days.bars, days.timelines, charges, finer=days.prices, begin_ns=days.begin_ns, bars_per_year=A_YEAR
    )
    result = backtest(strategy, given, values, rules)
    run = LiveRun(strategy, list(days.bars), days.timeframe_ns, values, rules, charges, A_YEAR)
    return result, replay(run, days, rules)


def trades_of(result: BacktestResult) -> list[tuple[object, ...]]:
    return sorted(
        (
            result.symbols[int(t["instrument"])],
            int(t["side"]),
            int(result.ts[t["entry_index"]]),
            int(result.ts[t["exit_index"]]),
            *(float(t[name]) for name in ("quantity", "entry_price", "exit_price", "gross", "costs", "net")),
            int(t["reason"]),
        )
        for t in result.trades
    )


def live_trades_of(trader: Trader) -> list[tuple[object, ...]]:
    return sorted(
        (
            t.symbol, t.side, t.entry_ns, t.exit_ns, t.quantity, t.entry_price, t.exit_price, t.gross, t.costs, t.net,
            int(t.reason),
        )
        for t in trader.run.trades()
    )  # fmt: skip


def assert_same(result: BacktestResult, trader: Trader, least: int = 1) -> None:
    expected, made = trades_of(result), live_trades_of(trader)
    for a, b in zip(expected, made, strict=False):
        assert a == b
    assert len(expected) == len(made)
    assert len(made) >= least, "a test of no trades"


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
