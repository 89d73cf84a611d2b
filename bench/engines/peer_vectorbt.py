"""vectorbt (open source), Numba engine; VBT_ENGINE=rust selects its Rust engine."""

import os

import data
import numpy as np
import pandas as pd
import vectorbt as vbt
from harness import main, task

vbt.settings["engine"] = os.environ.get("VBT_ENGINE", "numba")  # "auto" takes Rust wherever it can
CHUNK = int(os.environ.get("VBT_CHUNK", "1000"))  # columns simulated at once in a sweep


def frame(name):
    b = data.load(name)
    idx = pd.to_datetime(b.pop("ts"))
    return pd.DataFrame(b, index=idx)


def signals(close, fast, slow):
    """Entries and exits moved one bar on, to be filled at that bar's open."""
    f = vbt.MA.run(close, fast, short_name="fast")
    s = vbt.MA.run(close, slow, short_name="slow")
    entries = f.ma_crossed_above(s).vbt.signals.fshift(1)
    exits = f.ma_crossed_below(s).vbt.signals.fshift(1)
    return entries, exits


def final(pf):
    return {
        "fills": len(pf.orders.values),
        "closed": int(np.sum(pf.trades.closed.count())),
        "equity": float(np.sum(pf.final_value())),
    }


@task("T1")
def single():
    df = frame("bars1000000")

    def work():
        e, x = signals(df["close"], 20, 100)
        pf = vbt.Portfolio.from_signals(
            df["close"], e, x, price=df["open"], fees=0.001, init_cash=1e8, freq="1min"
        )
        pf.final_value()
        return pf

    return work, final, 1_000_000


def sweep(count, stats=False):
    df = frame("bars100000")
    grid = data.combos(count)

    def work():
        total, trades, sharpe, dd = [], [], [], []
        for part in np.array_split(grid, max(1, len(grid) // CHUNK)):
            e, x = signals(df["close"], part[:, 0].tolist(), part[:, 1].tolist())
            pf = vbt.Portfolio.from_signals(
                df["close"], e, x, price=df["open"], fees=0.001, init_cash=1e8, freq="1min"
            )
            total.append(np.asarray(pf.final_value()))
            trades.append(np.asarray(pf.trades.closed.count()))
            if stats:
                sharpe.append(np.asarray(pf.sharpe_ratio()))
                dd.append(np.asarray(pf.max_drawdown()))
        r = {"equity": np.concatenate(total), "closed": np.concatenate(trades)}
        if stats:
            r |= {"sharpe": np.concatenate(sharpe), "max_drawdown": np.concatenate(dd)}
        return r

    def check(r):
        return {"closed": r["closed"].sum(), "equity": r["equity"].mean()} | (
            {"max_drawdown": r["max_drawdown"].mean()} if stats else {}
        )

    return work, check, 100_000 * len(grid)


@task("T2")
def sweep_1000():
    return sweep(1_000)


@task("T2_10000")
def sweep_10000():
    return sweep(10_000)


@task("T2_10000_at_once")
def sweep_10000_at_once():
    df = frame("bars100000")
    grid = data.combos(10_000)

    def work():
        e, x = signals(df["close"], grid[:, 0].tolist(), grid[:, 1].tolist())
        pf = vbt.Portfolio.from_signals(
            df["close"], e, x, price=df["open"], fees=0.001, init_cash=1e8, freq="1min"
        )
        return {"equity": np.asarray(pf.final_value()), "closed": np.asarray(pf.trades.closed.count())}

    return work, lambda r: {"closed": r["closed"].sum(), "equity": r["equity"].mean()}, 10**9


@task("T2_stats")
def sweep_stats():
    return sweep(1_000, stats=True)


@task("T3")
def momentum():
    p = data.load("panel")
    from reference import momentum_weights

    close = pd.DataFrame(p["close"], index=pd.bdate_range("2010-01-04", periods=len(p["close"])))

    def work():
        w = pd.DataFrame(momentum_weights(p["close"]), index=close.index)
        pf = vbt.Portfolio.from_orders(
            close,
            w,
            size_type="targetpercent",
            fees=0.001,
            init_cash=1e8,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            freq="1D",
        )
        pf.final_value()
        return pf

    return work, lambda pf: {"orders": len(pf.orders.values), "equity": float(pf.final_value())}, 1_250_000


def stops(**kw):
    df = frame("wild1000000")

    def work():
        e, _ = signals(df["close"], 20, 100)
        pf = vbt.Portfolio.from_signals(
            df["close"],
            e,
            price=df["open"],
            open=df["open"],
            high=df["high"],
            low=df["low"],
            fees=0.0002,
            init_cash=1e8,
            freq="1min",
            stop_entry_price="fillprice",
            stop_exit_price="stoplimit",
            **kw,
        )
        pf.final_value()
        return pf

    return work, final, 1_000_000


@task("T6_fixed")
def fixed_stops():
    return stops(sl_stop=0.02, tp_stop=0.04)


@task("T6_trail")
def trailing_stop():
    return stops(sl_stop=0.03, sl_trail=True, tp_stop=0.04)


def ohlc():
    b = data.load("bars1000000")
    return {k: pd.Series(b[k]) for k in ("open", "high", "low", "close")}


def indicator(fn):
    s = ohlc()
    return (lambda: fn(s)), (lambda r: {"last": float(np.asarray(r)[-1])}), 1_000_000


@task("T5_sma")
def t5_sma():
    return indicator(lambda s: vbt.MA.run(s["close"], 20).ma)


@task("T5_ema")
def t5_ema():
    return indicator(lambda s: vbt.MA.run(s["close"], 20, ewm=True).ma)


@task("T5_rsi")
def t5_rsi():
    return indicator(lambda s: vbt.RSI.run(s["close"], 14, ewm=True).rsi)


@task("T5_atr")
def t5_atr():
    return indicator(lambda s: vbt.ATR.run(s["high"], s["low"], s["close"], 14).atr)


@task("T5_macd")
def t5_macd():
    return indicator(lambda s: vbt.MACD.run(s["close"], macd_ewm=True, signal_ewm=True).signal)


@task("T5_bbands")
def t5_bbands():
    return indicator(lambda s: vbt.BBANDS.run(s["close"], 20).upper)


if __name__ == "__main__":
    main()
