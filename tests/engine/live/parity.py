"""One strategy both ways over the same days: as a back-test, and live in front of an exchange."""

from collections.abc import Mapping

from tests.engine.generated import table_of
from tests.engine.live.exchange import Days, Trader, replay
from trademantra.core.order import Product
from trademantra.engine.backtest import BacktestInput, BacktestResult, Strategy, backtest
from trademantra.engine.live.run import LiveRun
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.rules import TradingRules
from trademantra.markets.charges.numeric import ChargeRules

A_YEAR = 252.0 * 75.0
MIS, CNC = table_of("zerodha", Product.MIS), table_of("zerodha", Product.CNC)
LIVE = TradingRules(as_live=True, tick=0.05, lot=1.0, allow_short=True)

Row = tuple[str, int, int, int, float, float, float, float, float, float, int]


def both(
    strategy: Strategy, days: Days, rules: TradingRules, charges: ChargeRules, values: Mapping[str, float]
) -> tuple[BacktestResult, Trader]:
    return as_backtest(strategy, days, rules, charges, values), as_live(
        strategy, days, rules, charges, values
    )


def as_backtest(
    strategy: Strategy, days: Days, rules: TradingRules, charges: ChargeRules, values: Mapping[str, float]
) -> BacktestResult:
    inside = {} if isinstance(strategy, AllocationStrategy) else days.prices
    given = BacktestInput(
        days.bars, days.timelines, charges, finer=inside, begin_ns=days.begin_ns, bars_per_year=A_YEAR
    )
    return backtest(strategy, given, values, rules)


def as_live(
    strategy: Strategy, days: Days, rules: TradingRules, charges: ChargeRules, values: Mapping[str, float]
) -> Trader:
    run = LiveRun(strategy, list(days.bars), days.timeframe_ns, values, rules, charges, A_YEAR)
    return replay(run, days, rules)


def trades_of(result: BacktestResult) -> list[Row]:
    return sorted(
        (
            result.symbols[int(t["instrument"])], int(t["side"]), int(result.ts[t["entry_index"]]),
            int(result.ts[t["exit_index"]]), float(t["quantity"]), float(t["entry_price"]), float(t["exit_price"]),
            float(t["gross"]), float(t["costs"]), float(t["net"]), int(t["reason"]),
        )
        for t in result.trades
    )  # fmt: skip


def live_trades_of(run: LiveRun) -> list[Row]:
    return sorted(
        (
            t.symbol, t.side, t.entry_ns, t.exit_ns, t.quantity, t.entry_price, t.exit_price, t.gross, t.costs, t.net,
            int(t.reason),
        )
        for t in run.trades()
    )  # fmt: skip


def assert_same(result: BacktestResult, trader: Trader, least: int = 1) -> None:
    """Equal trade lists, bit for bit."""
    expected, made = trades_of(result), live_trades_of(trader.run)
    for a, b in zip(expected, made, strict=False):
        assert a == b
    assert len(expected) == len(made)
    assert len(made) >= least, "a test of no trades"
    assert not made or any(row[8] > 0.0 for row in made), "a test of no costs"
