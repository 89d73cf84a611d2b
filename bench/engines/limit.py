"""What this machine could do: fused Numba kernels for T1, T2, T4 and T6, checked against reference.py.

Prices become integer ticks held in float64.  Window sums of such prices are exact (all values stay
below 2**53), so a running sum, a prefix-sum difference and a live update give the same bits, and the
order of work cannot change a trade.  Dividing two exact sums rounds correctly, so averages that are
equal stay equal and averages that differ keep their order: no crossing is invented or lost.

The sweep walks time in tiles that fit the cache.  Inside a tile each distinct window's averages are
computed once; every combination then compares two rows (vectorised), packs the answers into bytes,
skips eight equal bytes at a time and touches its account only where the sign changes.
"""

import data
import numpy as np
from harness import main, task
from numba import njit, prange

SCALE = 10_000.0  # four decimals
TILE = 512
NB = dict(cache=True, fastmath=False, nogil=True)


def ticks(x):
    return np.round(x * SCALE)


@njit(**NB)
def single(close, open_, fast, slow, fee, cash, qty):
    """T1: one pass, incremental sums, next-open fills.  Returns fills, closed trades, cash, quantity."""
    n = len(close)
    sf = ss = 0.0
    was = 0.0
    fills = closed = 0
    want = 0
    for i in range(n):
        if want != 0:
            if want > 0 and qty == 0.0:
                qty = cash / (open_[i] * (1 + fee))
                cash -= qty * open_[i] * (1 + fee)
                fills += 1
            elif want < 0 and qty > 0.0:
                cash += qty * open_[i] * (1 - fee)
                qty = 0.0
                fills += 1
                closed += 1
            want = 0
        sf += close[i]
        ss += close[i]
        if i >= fast:
            sf -= close[i - fast]
        if i >= slow:
            ss -= close[i - slow]
        if i >= slow - 1:
            now = sf * slow - ss * fast
            if i >= slow:
                if now > 0.0 >= was:
                    want = 1
                elif now < 0.0 <= was:
                    want = -1
            was = now
    return fills, closed, cash, qty


@njit(parallel=True, **NB)
def sweep_naive(close, open_, grid, fee, cash0):
    """T2, the obvious way: the T1 kernel once per combination, combinations in parallel."""
    m = len(grid)
    equity, closed = np.empty(m), np.empty(m, np.int64)
    for k in prange(m):
        _, closed[k], cash, qty = single(close, open_, grid[k, 0], grid[k, 1], fee, cash0, 0.0)
        equity[k] = cash + qty * close[-1]
    return equity, closed


@njit(parallel=True, **NB)
def sweep_tiled(prefix, close, open_, windows, grid, fee, cash0, workers):
    """T2, tiled: see the module text.  `grid` holds positions in `windows`.  Ties and warm-up (2) keep the state."""
    n, m, u = len(close), len(grid), len(windows)
    equity, closed = np.empty(m), np.zeros(m, np.int64)
    for w in prange(workers):
        a, b = w * m // workers, (w + 1) * m // workers
        cash, qty = np.full(b - a, cash0), np.zeros(b - a)
        above = np.full(b - a, 2, np.uint8)
        mask = np.zeros(TILE, np.uint8)
        words = mask.view(np.uint64)
        rows = np.empty((u, TILE))  # one row of averages per distinct window, shared by all combinations
        for start in range(0, n - 1, TILE):
            stop = min(start + TILE, n - 1)  # a signal on the last bar has no next open
            here = stop - start
            for r in range(u):
                win, row = windows[r], rows[r]
                skip = min(max(win - 1 - start, 0), here)
                row[:skip] = np.nan
                new, old = (
                    prefix[start + 1 + skip : stop + 1],
                    prefix[start + 1 + skip - win : stop + 1 - win],
                )
                for j in range(here - skip):
                    row[skip + j] = (new[j] - old[j]) / win
            for k in range(a, b):
                x, y = rows[grid[k, 0]], rows[grid[k, 1]]
                for j in range(here):
                    mask[j] = np.uint8(x[j] > y[j]) + np.uint8(2) * np.uint8(
                        not x[j] > y[j] and not x[j] < y[j]
                    )
                i, state, j = k - a, above[k - a], 0
                while state == 2 and j < here:  # the first decided bar only sets the state
                    state = mask[j]
                    j += 1
                while j < here:
                    if (
                        j % 8 == 0
                        and j + 8 <= here
                        and words[j >> 3] == np.uint64(0x0101010101010101) * state
                    ):
                        j += 8
                        continue
                    if mask[j] != state and mask[j] != 2:
                        state = mask[j]
                        price = open_[start + j + 1]
                        if state and qty[i] == 0.0:
                            qty[i] = cash[i] / (price * (1 + fee))
                            cash[i] = 0.0
                        elif not state and qty[i] > 0.0:
                            cash[i] += qty[i] * price * (1 - fee)
                            qty[i] = 0.0
                            closed[k] += 1
                    j += 1
                above[i] = state
        for k in range(a, b):
            equity[k] = cash[k - a] + qty[k - a] * close[n - 1]
    return equity, closed


@njit(**NB)
def single_stats(close, open_, fast, slow, fee, cash0):
    """The T1 kernel keeping score bar by bar: equity, closed trades, Sharpe sums, maximum drawdown."""
    n = len(close)
    sf = ss = was = qty = 0.0
    cash = last = peak = cash0
    closed = want = 0
    s1 = s2 = dd = 0.0
    for i in range(n):
        if want > 0 and qty == 0.0:
            qty = cash / (open_[i] * (1 + fee))
            cash = 0.0
        elif want < 0 and qty > 0.0:
            cash += qty * open_[i] * (1 - fee)
            qty = 0.0
            closed += 1
        want = 0
        value = cash + qty * close[i]
        if value != last:
            r = value / last - 1.0
            s1 += r
            s2 += r * r
            last = value
            peak = max(peak, value)
            dd = min(dd, value / peak - 1.0)
        sf += close[i]
        ss += close[i]
        if i >= fast:
            sf -= close[i - fast]
        if i >= slow:
            ss -= close[i - slow]
        if i >= slow - 1:
            now = sf * slow - ss * fast
            if i >= slow:
                want = (now > 0.0 >= was) * 1 - (now < 0.0 <= was) * 1
            was = now
    mean = s1 / n
    return last, closed, mean / np.sqrt((s2 - n * mean * mean) / (n - 1)), dd


@njit(parallel=True, **NB)
def sweep_stats(close, open_, grid, fee, cash0):
    m = len(grid)
    out, closed = np.empty((m, 3)), np.empty(m, np.int64)
    for k in prange(m):
        out[k, 0], closed[k], out[k, 1], out[k, 2] = single_stats(
            close, open_, grid[k, 0], grid[k, 1], fee, cash0
        )
    return out, closed


@njit(**NB)
def brackets(o, h, l, c, sig, sl, tp, trail, fee, cash):
    """T6: next-open entries; stop, target and trail all at once, honest about the open and the entry bar."""
    n = len(c)
    qty = entry = peak = 0.0
    fills = closed = 0
    i = 1
    while i < n:
        if qty == 0.0:
            if sig[i - 1] <= 0:
                i += 1
                continue
            entry = peak = o[i]
            qty = cash / (entry * (1 + fee))
            cash = 0.0
            fills += 1
        stop = max(entry * (1 - sl), peak * (1 - trail))
        target = entry * (1 + tp)
        price = 0.0
        if o[i] >= target:
            price = o[i]
        elif l[i] <= stop:
            price = min(o[i], stop)
        elif h[i] >= target:
            price = target
        if price > 0.0:
            cash += qty * price * (1 - fee)
            qty = 0.0
            fills += 1
            closed += 1
        else:
            peak = max(peak, h[i])
        i += 1
    return fills, closed, cash + qty * c[n - 1]


@njit(parallel=True, **NB)
def bracket_sweep(o, h, l, c, sig, grid, fee, cash):
    m = len(grid)
    equity, closed = np.empty(m), np.empty(m, np.int64)
    for k in prange(m):
        _, closed[k], equity[k] = brackets(o, h, l, c, sig, grid[k, 0], grid[k, 1], grid[k, 2], fee, cash)
    return equity, closed


@njit(parallel=True, **NB)
def cross_signal(prefix, fast, slow):
    n = len(prefix) - 1
    sig = np.zeros(n, np.int8)
    for i in prange(slow, n):
        now = (prefix[i + 1] - prefix[i + 1 - fast]) * slow - (prefix[i + 1] - prefix[i + 1 - slow]) * fast
        was = (prefix[i] - prefix[i - fast]) * slow - (prefix[i] - prefix[i - slow]) * fast
        sig[i] = (now > 0.0 >= was) * 1 - (now < 0.0 <= was) * 1
    return sig


@njit(**NB)
def rebalance(close, lookback, top, every, fee, cash):
    """T3: momentum ranks, then sells before buys, smallest first, at the close of each rebalance day."""
    days, names = close.shape
    qty = np.zeros(names)
    orders = 0
    for t in range(lookback, days, every):
        p = close[t]
        rank = np.argsort(-(p / close[t - lookback] - 1), kind="mergesort")
        value = cash + (qty * p).sum()
        diff = -qty
        for j in rank[:top]:
            diff[j] += value / top / p[j]
        for j in range(names):
            if diff[j] < 0.0:
                cash -= diff[j] * p[j] * (1 - fee)
                qty[j] += diff[j]
                orders += 1
        for j in np.argsort(diff * p, kind="mergesort"):
            if diff[j] > 0.0:
                buy = min(diff[j], cash / (p[j] * (1 + fee)))
                if buy > 0.0:
                    cash -= buy * p[j] * (1 + fee)
                    qty[j] += buy
                    orders += 1
    return orders, cash + (qty * close[days - 1]).sum()


ACCOUNT = np.dtype([("cash", "f8"), ("qty", "f8"), ("fills", "i8"), ("closed", "i8")])


@njit(**NB)
def step(account, order, open_, fee):
    """One bar of the event-driven engine: fill the waiting order at the open."""
    a = account[0]
    if order > 0 and a.qty == 0.0:
        a.qty = a.cash / (open_ * (1 + fee))
        a.cash = 0.0
        a.fills += 1
    elif order < 0 and a.qty > 0.0:
        a.cash += a.qty * open_ * (1 - fee)
        a.qty = 0.0
        a.fills += 1
        a.closed += 1
    return a.qty


@njit(parallel=True, **NB)
def triad(a, b, c, rounds):
    for _ in range(rounds):
        for i in prange(len(a)):
            a[i] = b[i] + 2.0 * c[i]


def prefix_of(close):
    return np.concatenate(([0.0], np.cumsum(close)))


@task("T1")
def t1():
    b = data.load("bars1000000")

    def work():
        c, o = ticks(b["close"]), ticks(b["open"])
        return single(c, o, 20, 100, 0.001, 1e8 * SCALE, 0.0) + (c[-1],)

    return work, lambda r: {"fills": r[0], "closed": r[1], "equity": (r[2] + r[3] * r[4]) / SCALE}, 1_000_000


def sweep(count, kernel):
    b = data.load("bars100000")
    grid = data.combos(count)

    def work():
        c, o = ticks(b["close"]), ticks(b["open"])
        if kernel == "naive":
            return sweep_naive(c, o, grid, 0.001, 1e8 * SCALE)
        windows = np.unique(grid)
        return sweep_tiled(prefix_of(c), c, o, windows, np.searchsorted(windows, grid), 0.001, 1e8 * SCALE, 2)

    return work, lambda r: {"closed": r[1].sum(), "equity": r[0].mean() / SCALE}, 100_000 * len(grid)


@task("T2_naive")
def t2_naive():
    return sweep(1_000, "naive")


@task("T2")
def t2():
    return sweep(1_000, "tiled")


@task("T2_10000")
def t2_10000():
    return sweep(10_000, "tiled")


@task("T2_stats")
def t2_stats():
    b = data.load("bars100000")
    grid = data.combos(1_000)
    c, o = ticks(b["close"]), ticks(b["open"])
    return (
        (lambda: sweep_stats(c, o, grid, 0.001, 1e8 * SCALE)),
        lambda r: {
            "closed": r[1].sum(),
            "equity": r[0][:, 0].mean() / SCALE,
            "max_drawdown": r[0][:, 2].mean(),
        },
        100_000 * len(grid),
    )


@task("T3")
def t3():
    close = data.load("panel")["close"]
    return (
        (lambda: rebalance(close, 126, 50, 21, 0.001, 1e8)),
        lambda r: {"orders": r[0], "equity": r[1]},
        close.size,
    )


def bracket_inputs(name="wild1000000", n=None):
    b = data.load(name)
    o, h, l, c = (b[k][:n] for k in ("open", "high", "low", "close"))
    return o, h, l, c, cross_signal(prefix_of(ticks(c)), 20, 100)


def t6(sl, tp, trail):
    b = data.load("wild1000000")

    def work():
        sig = cross_signal(prefix_of(ticks(b["close"])), 20, 100)
        return brackets(b["open"], b["high"], b["low"], b["close"], sig, sl, tp, trail, 0.0002, 1e8)

    return work, lambda r: {"fills": r[0], "closed": r[1], "equity": r[2]}, 1_000_000


@task("T6_fixed")
def t6_fixed():
    return t6(0.02, 0.04, 1.0)


@task("T6_trail")
def t6_trail():
    return t6(1.0, 0.04, 0.03)


@task("T6_all")
def t6_all():
    return t6(0.02, 0.04, 0.03)


@task("T6_sweep")
def t6_sweep():
    """1,000 stop/target/trail triples over 100,000 bars."""
    o, h, l, c, sig = bracket_inputs(n=100_000)
    grid = np.array(
        [
            (s, t, r)
            for s in np.linspace(0.005, 0.05, 10)
            for t in np.linspace(0.01, 0.1, 10)
            for r in np.linspace(0.01, 0.1, 10)
        ]
    )
    return (
        (lambda: bracket_sweep(o, h, l, c, sig, grid, 0.0002, 1e8)),
        lambda r: {"closed": r[1].sum(), "equity": r[0].mean()},
        100_000 * len(grid),
    )


@task("T4")
def t4():
    """A Python on_bar for each bar, deciding; the compiled step filling: the least an honest event loop can cost."""
    b = data.load("bars1000000")
    o, c = b["open"].tolist(), ticks(b["close"]).tolist()

    def work():
        from collections import deque

        account = np.zeros(1, ACCOUNT)
        account["cash"] = 1e8
        win, sf, ss, was, order = deque(), 0.0, 0.0, 0.0, 0
        for i in range(len(c)):
            if order:
                step(account, order, o[i], 0.001)
                order = 0
            x = c[i]
            win.append(x)
            sf += x
            ss += x
            n = len(win)
            if n > 20:
                sf -= win[n - 21]
            if n > 100:
                ss -= win.popleft()
            if n >= 100:
                now = sf * 100 - ss * 20
                if now > 0 >= was and was != 0.0:
                    order = 1
                elif now < 0 <= was and was != 0.0:
                    order = -1
                was = now
        return account[0]

    return (
        work,
        lambda a: {
            "fills": a["fills"],
            "closed": a["closed"],
            "equity": a["cash"] + a["qty"] * b["close"][-1],
        },
        1_000_000,
    )


@task("T4_every_bar")
def t4_every_bar():
    """The same, but the compiled step is called on every bar whether or not an order waits."""
    b = data.load("bars1000000")
    o, c = b["open"].tolist(), b["close"].tolist()

    def work():
        account = np.zeros(1, ACCOUNT)
        account["cash"] = 1e8
        q = 0.0
        for i in range(len(c)):
            q = step(account, 0, o[i], 0.001)
        return q

    return work, lambda q: {"qty": q}, 1_000_000


@task("bandwidth")
def bandwidth():
    n = 20_000_000
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    return (lambda: triad(a, b, c, 3)), lambda r: {"bytes": 3 * 24 * n}, 3 * 24 * n


@task("bandwidth_L2")
def bandwidth_l2():
    n = 20_000
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    return (lambda: triad(a, b, c, 3000)), lambda r: {"bytes": 3000 * 24 * n}, 3000 * 24 * n


def indicator(name, fn):
    @task(f"T5_{name}")
    def run():
        b = data.load("bars1000000")
        h, l, c = (np.ascontiguousarray(b[k]) for k in ("high", "low", "close"))
        return (lambda: fn(h, l, c)), lambda r: {"last": r[-1]}, len(c)


@njit(**NB)
def sma(h, l, c):
    out, s = np.empty(len(c)), 0.0
    for i in range(len(c)):
        s += c[i]
        if i >= 20:
            s -= c[i - 20]
        out[i] = s / 20 if i >= 19 else np.nan
    return out


@njit(**NB)
def ema(h, l, c):
    out = np.empty(len(c))
    v = c[:20].mean()
    out[:19] = np.nan
    out[19] = v
    k = 2.0 / 21
    for i in range(20, len(c)):
        v += k * (c[i] - v)
        out[i] = v
    return out


@njit(**NB)
def rsi(h, l, c):
    n = 14
    out = np.full(len(c), np.nan)
    g = d = 0.0
    for i in range(1, n + 1):
        x = c[i] - c[i - 1]
        g += max(x, 0.0)
        d += max(-x, 0.0)
    g /= n
    d /= n
    out[n] = 100 * g / (g + d)
    for i in range(n + 1, len(c)):
        x = c[i] - c[i - 1]
        g += (max(x, 0.0) - g) / n
        d += (max(-x, 0.0) - d) / n
        out[i] = 100 * g / (g + d)
    return out


@njit(**NB)
def atr(h, l, c):
    n = 14
    out = np.full(len(c), np.nan)
    v = 0.0
    for i in range(1, len(c)):
        tr = max(h[i], c[i - 1]) - min(l[i], c[i - 1])
        if i <= n:
            v += tr / n
        else:
            v += (tr - v) / n
        if i >= n:
            out[i] = v
    return out


for _name, _fn in (("sma", sma), ("ema", ema), ("rsi", rsi), ("atr", atr)):
    indicator(_name, _fn)


if __name__ == "__main__":
    main()
