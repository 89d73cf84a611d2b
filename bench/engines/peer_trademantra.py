"""Trade Mantra itself, through the same public functions that its commands use."""

from collections import deque

import data
import numpy as np
from harness import main, task

from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.panel import Panel, run_allocation
from trademantra.engine.records import LevelKind
from trademantra.engine.rules import FillAt, Level, TradingRules
from trademantra.engine.sweep import sweep
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import BASES, CHARGE_RULE
from trademantra.markets.charges.rules import Base
from trademantra.strategies.registry import load_strategy

CASH = 1e8


def fee(rate):
    """One charge: a fraction of turnover, on every day."""
    rules = np.zeros(1, CHARGE_RULE)
    rules["base"] = BASES.index(Base.TURNOVER)
    rules["rate"], rules["cap"], rules["to_day"] = rate, np.inf, 10**6
    return rules


def given(name, rate=0.001):
    b = data.load(name)
    bars = Bars.of(b["ts"], b["open"], b["high"], b["low"], b["close"], b["volume"])
    return BacktestInput({"X": bars}, {"X": by_days(bars.ts)}, fee(rate), sessions_per_year=365.0)


def report(r: BacktestResult):
    return {"fills": len(r.fills), "closed": r.metrics.trades, "equity": r.metrics.final_equity}


@task("T1")
def single():
    """All 40 metrics, the trade list, the fills and the equity curve included."""
    source, strategy = given("bars1000000"), load_strategy("sma_cross")
    return (
        (lambda: backtest(strategy, source, {"fast": 20, "slow": 100}, TradingRules(cash=CASH))),
        report,
        1_000_000,
    )


def grid(count):
    pairs = data.combos(count)
    return {"fast": np.unique(pairs[:, 0]).tolist(), "slow": np.unique(pairs[:, 1]).tolist()}


def sweep_of(count, scores=True):
    source, strategy, values = given("bars100000"), load_strategy("sma_cross"), grid(count)
    rules = TradingRules(cash=CASH)
    return (
        (lambda: sweep(strategy, source, values, rules=rules, scores=scores)),
        lambda r: {
            "closed": r.scores["trades"].sum(),
            "equity": r.scores["final_equity"].mean(),
            **({"max_drawdown": r.scores["max_drawdown"].mean()} if scores else {}),
        },
        100_000 * count,
    )


@task("T2")
def sweep_1000():
    return sweep_of(1_000, scores=False)


@task("T2_stats")
def sweep_stats():
    return sweep_of(1_000)


@task("T2_10000")
def sweep_10000():
    return sweep_of(10_000, scores=False)


@task("T3")
def momentum():
    p = data.load("panel")
    days, names = p["close"].shape
    high, low = np.maximum(p["open"], p["close"]), np.minimum(p["open"], p["close"])
    values = np.stack([p["open"], high, low, p["close"], np.ones((days, names))])
    panel = Panel(tuple(f"S{i:03}" for i in range(names)), np.arange(days) * 86_400_000_000_000, values)
    timeline, strategy = by_days(panel.ts), load_strategy("dual_momentum")
    parameters = strategy.values({"lookback": 126, "top": 50, "every": 21, "absolute": 0})
    rules, charges = TradingRules(cash=CASH, fill_at=FillAt.CLOSE), fee(0.001)
    return (
        (lambda: run_allocation(strategy, panel, timeline, parameters, rules, charges)),
        lambda r: {"orders": len(r.fills), "equity": float(r.curve[-1])},
        days * names,
    )


class Cross(EventStrategy):
    """The same callback that the other peers run."""

    name, title, idea, source, market = "cross", "SMA cross", "", "", ""
    rules = TradingRules(cash=CASH)

    def on_start(self, context: Context) -> None:
        self.win, self.sum_f, self.sum_s, self.was, self.held = deque(), 0.0, 0.0, 0.0, False

    def on_bar(self, context: Context, bar: BarView) -> None:
        c, win = bar.close, self.win
        win.append(c)
        self.sum_f += c
        self.sum_s += c
        n = len(win)
        if n > 20:
            self.sum_f -= win[n - 21]
        if n > 100:
            self.sum_s -= win.popleft()
        if n < 100:
            return
        now = self.sum_f / 20 - self.sum_s / 100
        if now > 0 >= self.was and self.was != 0.0:
            if not self.held:
                self.held = True
                context.buy()
        elif now < 0 <= self.was and self.was != 0.0 and self.held:
            self.held = False
            context.exit()
        self.was = now


@task("T4")
def callback():
    source = given("bars1000000")
    return (lambda: backtest(Cross, source)), report, 1_000_000


def stops(**levels):
    """Entries of the 20/100 cross, protective exits inside the bar; exit signals too, as raptorbt runs it."""
    source, strategy = given("wild1000000", 0.0002), load_strategy("sma_cross")
    rules = TradingRules(
        cash=CASH, limit_touch=True, **{k: Level(LevelKind.PERCENT, v) for k, v in levels.items()}
    )
    return (lambda: backtest(strategy, source, {"fast": 20, "slow": 100}, rules)), report, 1_000_000


@task("T6_fixed")
def fixed_stops():
    return stops(stop=2.0, target=4.0)


@task("T6_trail")
def trailing_stop():
    return stops(trail=3.0, target=4.0)


@task("T6_all")
def all_stops():
    return stops(stop=2.0, target=4.0, trail=3.0)


if __name__ == "__main__":
    main()
