"""RaptorBT: a Rust engine over signal arrays, batches on all cores, Python strategy classes on the same core."""

from collections import deque

import data
import numpy as np
import raptorbt
from harness import main, task

FIELDS = ("open", "high", "low", "close", "volume")


def arrays(name):
    b = data.load(name)
    return b["ts"], *(np.ascontiguousarray(b[k]) for k in FIELDS)


def signals(close, fast, slow):
    f, s = raptorbt.sma(close, fast), raptorbt.sma(close, slow)
    up, down = f > s, f < s
    entries, exits = np.zeros(len(close), bool), np.zeros(len(close), bool)
    ok = ~np.isnan(s[:-1])
    entries[1:] = up[1:] & ~up[:-1] & ok
    exits[1:] = down[1:] & ~down[:-1] & ok
    return entries, exits


def config(fee=0.001, **kw):
    return raptorbt.BacktestConfig(
        initial_capital=1e8, fees=fee, slippage=0.0, fill_timing="next_bar_open", **kw
    )


def report(r):
    m = r.metrics
    return {
        "fills": 2 * m.total_closed_trades + m.total_open_trades,
        "closed": m.total_closed_trades,
        "equity": m.end_value,
    }


@task("T1")
def single():
    a = arrays("bars1000000")

    def work():
        e, x = signals(a[4], 20, 100)
        return raptorbt.run_single_backtest(*a, e, x, config=config())

    return work, report, 1_000_000


def sweep(count):
    a = arrays("bars100000")
    grid = data.combos(count)

    def work():
        closed = equity = 0.0
        for part in np.array_split(
            grid, max(1, len(grid) // 100)
        ):  # results keep their curves: bound the memory
            items = [
                raptorbt.BatchSingleItem(str(i), *signals(a[4], int(f), int(s)))
                for i, (f, s) in enumerate(part)
            ]
            for _, r in raptorbt.batch_single_backtest(*a, items, config()):
                closed += r.metrics.total_closed_trades
                equity += r.metrics.end_value
        return {"closed": closed, "equity": equity / len(grid)}

    return work, lambda r: r, 100_000 * len(grid)


@task("T2")
def sweep_1000():
    return sweep(1_000)


@task("T2_stats")
def sweep_stats():
    """Every RaptorBT result already carries 48 metrics."""
    return sweep(1_000)


@task("T2_10000")
def sweep_10000():
    return sweep(10_000)


def stops(set_up):
    """With exit signals as well: the array path drops every entry that no exit signal precedes,
    so a position closed by its stop would never be followed by another."""
    a = arrays("wild1000000")

    def work():
        e, x = signals(a[4], 20, 100)
        c = config(fee=0.0002)
        set_up(c)
        return raptorbt.run_single_backtest(*a, e, x, config=c)

    return work, report, 1_000_000


@task("T6_fixed")
def fixed_stops():
    def both(c):
        c.set_fixed_stop(0.02)
        c.set_fixed_target(0.04)

    return stops(both)


@task("T6_trail")
def trailing_stop():
    def both(c):
        c.set_trailing_stop(0.03)
        c.set_fixed_target(0.04)

    return stops(both)


class CrossCallback(raptorbt.Strategy):
    def on_start(self, ctx):
        self.win, self.sum_f, self.sum_s, self.was, self.held = deque(), 0.0, 0.0, 0.0, False

    def on_bar(self, ctx):
        c = float(ctx.close[ctx.idx])
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
            if not self.held:
                self.held = True
                self.enter()
        elif now < 0 <= self.was and self.was != 0.0:
            if self.held:
                self.held = False
                self.close_position()
        self.was = now


@task("T4")
def callback():
    a = arrays("bars1000000")

    def work():
        r = raptorbt.run_strategy_backtest(CrossCallback, *a, config=config())
        return getattr(r, "result", r)

    return work, report, 1_000_000


def indicator(fn):
    ts, o, h, l, c, v = arrays("bars1000000")
    return (lambda: fn(h, l, c)), lambda r: {"last": float(r[-1])}, len(c)


for _name, _fn in {
    "sma": lambda h, l, c: raptorbt.sma(c, 20),
    "ema": lambda h, l, c: raptorbt.ema(c, 20),
    "rsi": lambda h, l, c: raptorbt.rsi(c, 14),
    "atr": lambda h, l, c: raptorbt.atr(h, l, c, 14),
    "macd": lambda h, l, c: raptorbt.macd(c)[1],
    "bbands": lambda h, l, c: raptorbt.bollinger_bands(c, 20)[0],
}.items():
    task(f"T5_{_name}")(lambda fn=_fn: indicator(fn))


if __name__ == "__main__":
    main()
