"""Plain-Python reference answers: slow, short, meant to be read.  Every peer is checked against these."""

from __future__ import annotations

import numpy as np


def sma(x, n):
    """Simple moving average; NaN before the first full window."""
    out = np.full(len(x), np.nan)
    c = np.cumsum(np.insert(x, 0, 0.0))
    out[n - 1 :] = (c[n:] - c[:-n]) / n
    return out


def crossings(close, fast, slow):
    """(+1 | -1 | 0) per bar: fast crosses above or below slow, as known at that bar's close."""
    d = np.sign(sma(close, fast) - sma(close, slow))
    d[np.isnan(d)] = 0
    up = np.zeros(len(d), bool)
    down = np.zeros(len(d), bool)
    valid = np.arange(len(d)) >= slow  # both bars have both averages
    up[1:] = (d[1:] > 0) & (d[:-1] <= 0) & valid[1:]
    down[1:] = (d[1:] < 0) & (d[:-1] >= 0) & valid[1:]
    return up.astype(np.int8) - down.astype(np.int8)


def crossover(bars, fast, slow, fee=0.001, cash=1e8, fill="next_open", whole=False):
    """Long-only all-in crossover.  fill: 'next_open' or 'close'.  Returns fills, closed trades, equity."""
    sig = crossings(bars["close"], fast, slow)
    o, c = bars["open"], bars["close"]
    qty, fills, closed = 0.0, 0, 0
    events = np.flatnonzero(sig)
    for i in events:
        if fill == "next_open":
            if i + 1 >= len(c):
                break
            price = o[i + 1]
        else:
            price = c[i]
        if sig[i] > 0 and qty == 0:
            qty = cash / (price * (1 + fee))
            if whole:
                qty = float(int(qty))
            cash -= qty * price * (1 + fee)
            fills += 1
        elif sig[i] < 0 and qty > 0:
            cash += qty * price * (1 - fee)
            qty = 0.0
            fills += 1
            closed += 1
    return {"fills": fills, "closed": closed, "equity": cash + qty * c[-1]}


def brackets(
    bars,
    fast,
    slow,
    sl=0.02,
    tp=0.04,
    trail=0.0,
    fee=0.001,
    cash=1e8,
    entry_bar=True,
    open_first=True,
    trail_from_entry_bar_high=True,
    exit_signal=True,
    base="fill",
    whole=False,
    better_target=True,
    provable_trail=False,
):
    """Crossover entries at next open, protective exits inside the bar.

    Honest reading of a bar: a protective level already passed at the open fills at the open;
    otherwise, when both levels lie inside the bar, the stop is taken to have come first.
    entry_bar: the levels already work on the bar of the entry.  open_first: a target gapped
    through at the open wins over a stop touched later in that bar.  base: levels measured from the
    'fill' or from the 'signal_close' (all that is known when the order is written).
    better_target: a target gapped through fills at the open, as a resting limit order would.
    provable_trail: the trail also counts this bar's open, and this bar's high where the close below the
    new level proves that it was crossed; otherwise it knows the highs up to the previous bar only.
    """
    sig = crossings(bars["close"], fast, slow)
    o, h, l, c = (bars[k] for k in ("open", "high", "low", "close"))
    qty = 0.0
    entry = peak = 0.0
    fills = closed = by_sl = by_tp = 0
    for i in range(1, len(c)):
        opened = False
        if qty > 0:
            if provable_trail:
                peak = max(peak, o[i])
            stop = entry * (1 - sl) if sl else 0.0
            if trail:
                stop = max(stop, peak * (1 - trail))
            target = entry * (1 + tp) if tp else np.inf
            price = 0.0
            if exit_signal and sig[i - 1] < 0:
                price = o[i]  # decided at the last close: nothing inside this bar can come before it
            elif open_first and o[i] >= target:
                price, by_tp = o[i], by_tp + 1
            elif stop and l[i] <= stop:
                price, by_sl = min(o[i], stop), by_sl + 1
            elif h[i] >= target:
                price, by_tp = max(o[i], target) if better_target else target, by_tp + 1
            elif provable_trail and trail and c[i] <= max(peak, h[i]) * (1 - trail):
                price, by_sl = max(peak, h[i]) * (1 - trail), by_sl + 1
            if price:
                cash += qty * price * (1 - fee)
                qty, fills, closed = 0.0, fills + 1, closed + 1
                continue
        elif sig[i - 1] > 0:
            qty = cash / (o[i] * (1 + fee))
            if whole:
                qty = float(int(qty))
            cash -= qty * o[i] * (1 + fee)
            entry = peak = o[i] if base == "fill" else c[i - 1]
            fills += 1
            opened = True
            if entry_bar:
                stop = max(entry * (1 - sl) if sl else 0.0, entry * (1 - trail) if trail else 0.0)
                target = entry * (1 + tp) if tp else np.inf
                price = 0.0
                if stop and l[i] <= stop:
                    price, by_sl = min(o[i], stop), by_sl + 1
                elif h[i] >= target:
                    price, by_tp = max(o[i], target) if better_target else target, by_tp + 1
                elif provable_trail and trail and c[i] <= h[i] * (1 - trail):
                    price, by_sl = h[i] * (1 - trail), by_sl + 1
                if price:
                    cash += qty * price * (1 - fee)
                    qty, fills, closed = 0.0, fills + 1, closed + 1
        if qty > 0 and (trail_from_entry_bar_high or not opened):
            peak = max(peak, h[i])
    return {"fills": fills, "closed": closed, "equity": cash + qty * c[-1], "sl": by_sl, "tp": by_tp}


def momentum_weights(close, lookback=126, top=50, every=21):
    """Target weights on rebalance days (NaN elsewhere): the `top` best trailing returns, equal weight."""
    days, names = close.shape
    w = np.full((days, names), np.nan)
    for t in range(lookback, days, every):
        ret = close[t] / close[t - lookback] - 1
        best = np.argsort(-ret, kind="stable")[:top]
        w[t] = 0.0
        w[t, best] = 1.0 / top
    return w


def momentum(panel, fee=0.001, cash=1e8, price_lag=0):
    """Rebalance to momentum weights at the close of day t + price_lag; sells first, then buys."""
    close = panel["close"]
    w = momentum_weights(close)
    days = np.flatnonzero(~np.isnan(w[:, 0]))
    qty = np.zeros(close.shape[1])
    orders = 0
    for t in days:
        e = t + price_lag
        if e >= len(close):
            break
        p = close[e]
        value = cash + qty @ p
        diff = w[t] * value / p - qty
        for sells in (True, False):
            for j in np.argsort(diff * p, kind="stable") if sells else np.argsort(diff * p, kind="stable"):
                if sells and diff[j] < 0:
                    cash += -diff[j] * p[j] * (1 - fee)
                    qty[j] += diff[j]
                    orders += 1
                elif not sells and diff[j] > 0:
                    buy = min(diff[j], cash / (p[j] * (1 + fee)))
                    if buy > 0:
                        cash -= buy * p[j] * (1 + fee)
                        qty[j] += buy
                        orders += 1
    return {"orders": orders, "equity": cash + qty @ close[-1]}
