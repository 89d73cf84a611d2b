"""backtesting.py: vectorised indicators, then one Python `next()` call for every bar."""

import warnings
from collections import deque

import data
import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import crossover
from harness import main, task

warnings.filterwarnings("ignore")


def frame(name, n=None):
    b = data.load(name)
    df = pd.DataFrame(
        {k.title(): b[k][:n] for k in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(b["ts"][:n]),
    )
    return df


def rolling(x, n):
    return pd.Series(x).rolling(n).mean()


class Cross(Strategy):
    fast, slow = 20, 100

    def init(self):
        self.f = self.I(rolling, self.data.Close, self.fast)
        self.s = self.I(rolling, self.data.Close, self.slow)

    def next(self):
        if crossover(self.f, self.s):
            if not self.position:
                self.buy(size=1 - 1e-12)
        elif crossover(self.s, self.f):
            if self.position:
                self.position.close()


class CrossCallback(Strategy):
    """The same strategy keeping its own running sums: what an event-driven user writes."""

    def init(self):
        self.win, self.sum_f, self.sum_s, self.was = deque(), 0.0, 0.0, 0.0

    def next(self):
        c = float(self.data.Close[-1])
        win = self.win
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
            if not self.position:
                self.buy(size=1 - 1e-12)
        elif now < 0 <= self.was and self.was != 0.0:
            if self.position:
                self.position.close()
        self.was = now


class Brackets(Strategy):
    def init(self):
        self.f = self.I(rolling, self.data.Close, 20)
        self.s = self.I(rolling, self.data.Close, 100)

    def next(self):
        if crossover(self.f, self.s) and not self.position:
            # sl and tp must be prices at order time: they can refer to the last close, not to the fill
            c = self.data.Close[-1]
            self.buy(size=1 - 1e-12, sl=c * 0.98, tp=c * 1.04)


def report(stats):
    t = stats["_trades"]
    broker = stats["_strategy"]._broker
    still_open = len(broker.trades)
    return {"fills": 2 * len(t) + still_open, "closed": len(t), "equity": float(stats["Equity Final [$]"])}


def run(strategy, name, n=None, commission=0.001):
    df = frame(name, n)
    bt = Backtest(df, strategy, cash=1e8, commission=commission, trade_on_close=False, finalize_trades=False)
    return bt.run, report, len(df)


@task("T1")
def single():
    return run(Cross, "bars1000000")


@task("T4")
def callback():
    return run(CrossCallback, "bars1000000")


@task("T2")
def sweep():
    """20 combinations by Backtest.optimize (all cores); the table scales by bar-combinations."""
    df = frame("bars100000")
    grid = {(int(f), int(s)) for f, s in data.combos(1000)[::50]}
    bt = Backtest(df, Cross, cash=1e8, commission=0.001, finalize_trades=False)

    def work():
        return bt.optimize(
            fast=sorted({f for f, _ in grid}),
            slow=sorted({s for _, s in grid}),
            constraint=lambda p: (p.fast, p.slow) in grid,
            return_heatmap=True,
            maximize="Equity Final [$]",
        )

    return work, lambda r: {"equity": float(r[1].mean()), "combos": len(r[1].dropna())}, 100_000 * len(grid)


@task("T6_fixed")
def fixed_stops():
    return run(Brackets, "wild1000000", commission=0.0002)


if __name__ == "__main__":
    main()
