"""backtrader: a Python object model, one `next()` call for every bar."""

from collections import deque

import backtrader as bt
import data
import pandas as pd
from harness import main, task


def feed(name, n=None):
    b = data.load(name)
    df = pd.DataFrame(
        {k: b[k][:n] for k in ("open", "high", "low", "close", "volume")}, index=pd.to_datetime(b["ts"][:n])
    )
    return bt.feeds.PandasData(dataname=df, openinterest=None, timeframe=bt.TimeFrame.Minutes)


class AllIn(bt.Strategy):
    """Decide in next(); trade in next_open() (cheat-on-open), where the fill price is known."""

    def __init__(self):
        self.want, self.fills, self.closed = 0, 0, 0

    def notify_order(self, order):
        self.fills += order.status == order.Completed

    def notify_trade(self, trade):
        self.closed += trade.isclosed

    def next_open(self):
        if self.want > 0 and not self.position:
            self.buy(size=self.broker.get_cash() / (self.data.open[0] * 1.001) * (1 - 1e-12))
        elif self.want < 0 and self.position:
            self.close()
        self.want = 0


class Cross(AllIn):
    def __init__(self):
        super().__init__()
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=20), bt.ind.SMA(period=100))

    def next(self):
        self.want = self.cross[0]


class CrossCallback(AllIn):
    def __init__(self):
        super().__init__()
        self.win, self.sum_f, self.sum_s, self.was = deque(), 0.0, 0.0, 0.0

    def next(self):
        c = self.data.close[0]
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
            self.want = 1
        elif now < 0 <= self.was and self.was != 0.0:
            self.want = -1
        self.was = now


def run(strategy, n=None):
    def work():
        cerebro = bt.Cerebro(stdstats=False, cheat_on_open=True)
        cerebro.adddata(feed("bars1000000", n))
        cerebro.addstrategy(strategy)
        cerebro.broker.setcash(1e8)
        cerebro.broker.setcommission(0.001)
        s = cerebro.run()[0]
        return {"fills": s.fills, "closed": s.closed, "equity": cerebro.broker.getvalue()}

    return work, lambda r: r, n or 1_000_000


@task("T1")
def single():
    return run(Cross)


@task("T4")
def callback():
    return run(CrossCallback)


if __name__ == "__main__":
    main()
