"""What the scripts of a back-test's page draw: short arrays, no words of their own."""

from dataclasses import dataclass

import numpy as np

from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.reports.context import RunContext
from trademantra.reports.html.sampling import (
    Histogram,
    candles,
    decimals_of,
    deltas,
    extremes,
    histogram,
    scaled_deltas,
)
from trademantra.reports.json_values import Json, numbers
from trademantra.reports.periods import drawdown_curve, returns_of, rolling_sharpe
from trademantra.reports.times import local_minutes
from trademantra.reports.trades import TradeRow

ROLLING_WINDOWS = (21, 63, 126, 252)  # sessions: about a month, a quarter, half a year, a year


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a page holds.  Beyond it curves are thinned, keeping every peak and trough; the latest `trades` stay."""

    curve_groups: int = 2_500
    candles: int = 50_000
    price_charts: int = 20
    trades: int = 10_000
    rolling: int = 1_500


@dataclass(frozen=True, slots=True)
class PageData:
    """The data, and what was left out of it, in words."""

    data: dict[str, Json]
    notices: tuple[str, ...]
    histograms: tuple[Histogram | None, Histogram | None]  # of session and of trade returns
    flat_sessions: int
    curve: tuple[Float64Array, Float64Array]  # equity and drawdown as drawn


def backtest_data(
    result: BacktestResult, context: RunContext, trades: tuple[TradeRow, ...], limits: Limits
) -> PageData:
    """Everything that the page draws of a run."""
    notices: list[str] = []
    shown = trades[-limits.trades :]
    if len(shown) < len(trades):
        notices.append(
            f"The page holds the last {len(shown):,} of {len(trades):,} trades; all numbers count all of them. "
            "--trades FILE.csv writes every one."
        )
    under = drawdown_curve(result)
    drawn = np.union1d(extremes(result.curve, limits.curve_groups), extremes(under, limits.curve_groups))
    if len(drawn) < len(result.ts):
        notices.append(
            f"Curves are drawn through {len(drawn):,} of {len(result.ts):,} bars; every peak and trough is kept."
        )
    charted = _charted(result, shown, limits.price_charts)
    if len(charted) < len(result.symbols):
        notices.append(
            f"Price charts are there for {len(charted)} of {len(result.symbols):,} instruments: those traded most."
        )
    returns, trade_returns = returns_of(result), np.array([trade.return_on_value for trade in trades])
    histograms = histogram(returns[returns != 0.0]), histogram(trade_returns)
    room = max(1, limits.candles // max(1, len(charted)))
    prices = [_prices(result, context, symbol, room) for symbol in charted]
    data: dict[str, Json] = {
        "currency": context.currency,
        "intraday": context.timeframe.is_intraday,
        "cash": result.rules.cash,
        "equity": {
            "t": _minutes(result, context, drawn),
            "value": numbers(result.curve[drawn], 2),
            "drawdown": numbers(under[drawn], 5),
            "lines": _comparisons(result, context, drawn),
        },
        "prices": [one for one, _ in prices],
        "trades": _trades(result, context, shown, charted, [width for _, width in prices]),
        "distribution": {
            "sessions": _histogram(histograms[0]),
            "trades": _histogram(histograms[1]),
        },
        "rolling": _rolling(result, context, limits.rolling),
    }
    if any(width > 1 for _, width in prices):
        width = max(width for _, width in prices)
        notices.append(f"A candle of the price chart holds up to {width:,} bars; its high and low are exact.")
    return PageData(
        data,
        tuple(notices),
        histograms,
        int(np.count_nonzero(returns == 0.0)),
        (result.curve[drawn], under[drawn]),
    )


def _charted(result: BacktestResult, trades: tuple[TradeRow, ...], most: int) -> tuple[str, ...]:
    """Symbols with the most trades first, then in the order of the run."""
    traded = dict.fromkeys(result.symbols, 0)
    for trade in trades:
        traded[trade.symbol] += 1
    ranked = sorted(result.symbols, key=lambda symbol: -traded[symbol])
    return tuple(ranked[:most])


def _prices(
    result: BacktestResult, context: RunContext, symbol: str, room: int
) -> tuple[dict[str, Json], int]:
    bars: Bars = result.given.bars[symbol]
    drawn = candles(bars, room)
    decimals = decimals_of(drawn.low)
    return {
        "symbol": symbol,
        "decimals": decimals,
        "t": deltas(local_minutes(drawn.ts, context.zone)),
        "open": scaled_deltas(drawn.open, decimals),
        "high": scaled_deltas(drawn.high, decimals),
        "low": scaled_deltas(drawn.low, decimals),
        "close": scaled_deltas(drawn.close, decimals),
    }, drawn.width


def _comparisons(result: BacktestResult, context: RunContext, drawn: Int64Array) -> list[Json]:
    """Lines to compare the equity with: the benchmark, and holding what was traded in equal parts without costs."""
    held = np.zeros(len(drawn))
    for symbol in result.symbols:
        bars = result.given.bars[symbol]
        at = np.searchsorted(bars.ts, result.ts[drawn], side="right") - 1
        held += np.where(at >= 0, bars.close[np.maximum(at, 0)] / bars.open[0], 1.0)
    several = f"{len(result.symbols)} instruments in equal parts"
    found: list[Json] = [
        {
            "name": f"Buy and hold {result.symbols[0] if len(result.symbols) == 1 else several}",
            "value": numbers(result.rules.cash * held / len(result.symbols), 2),
        }
    ]
    benchmark = result.given.benchmark
    if benchmark is not None and len(benchmark):
        found.append(
            {
                "name": context.benchmark or "Benchmark",
                "value": numbers(result.rules.cash * benchmark[drawn] / benchmark[0], 2),
            }
        )
    return found


def _trades(
    result: BacktestResult,
    context: RunContext,
    trades: tuple[TradeRow, ...],
    charted: tuple[str, ...],
    widths: list[int],
) -> dict[str, Json]:
    """Columns of the trade list; `from` and `to` are candles of the symbol's price chart, -1 when it has none."""
    entries = np.array([trade.entry for trade in trades], np.int64)
    exits = np.array([trade.exit for trade in trades], np.int64)
    symbols = {symbol: place for place, symbol in enumerate(result.symbols)}
    owner = np.array([symbols[trade.symbol] for trade in trades], np.int64)
    begin, end = np.full(len(trades), -1), np.full(len(trades), -1)
    for symbol, width in zip(charted, widths, strict=True):
        mine, ts = owner == symbols[symbol], result.given.bars[symbol].ts
        begin[mine] = (np.searchsorted(ts, result.ts[entries[mine]], side="right") - 1) // width
        end[mine] = (np.searchsorted(ts, result.ts[exits[mine]], side="right") - 1) // width
    reasons = sorted({trade.reason for trade in trades})
    return {
        "symbols": [*result.symbols],
        "reasons": [*reasons],
        "symbol": owner.tolist(),
        "side": [1 if trade.side == "long" else -1 for trade in trades],
        "entry": _minutes(result, context, entries),
        "exit": _minutes(result, context, exits),
        "from": begin.tolist(),
        "to": end.tolist(),
        "entry_price": [_significant(trade.entry_price) for trade in trades],
        "exit_price": [_significant(trade.exit_price) for trade in trades],
        "quantity": [float(f"{trade.quantity:.10g}") for trade in trades],
        "gross": [round(trade.gross, 2) for trade in trades],
        "costs": [round(trade.costs, 2) for trade in trades],
        "net": [round(trade.net, 2) for trade in trades],
        "return": numbers([trade.return_on_value for trade in trades], 5),
        "reason": [reasons.index(trade.reason) for trade in trades],
        "bars": [trade.bars for trade in trades],
    }


def _minutes(result: BacktestResult, context: RunContext, bars: Int64Array) -> list[Json]:
    """Wall-clock minutes of some bars, as steps."""
    return deltas(local_minutes(result.ts[bars], context.zone))


def _significant(price: float) -> float:
    return float(f"{price:.8g}")


def _histogram(found: Histogram | None) -> Json:
    if found is None:
        return None
    return {"edges": numbers(found.edges, 6), "counts": found.counts.tolist()}


def _rolling(result: BacktestResult, context: RunContext, most: int) -> list[Json]:
    found: list[Json] = []
    for window in ROLLING_WINDOWS:
        ends, ratios = rolling_sharpe(result, window)
        if len(ends) < window // 2:
            continue
        step = max(1, -(-len(ends) // most))
        at = np.arange(len(ends) - 1, -1, -step)[::-1]
        found.append(
            {"window": window, "t": _minutes(result, context, ends[at]), "value": numbers(ratios[at], 3)}
        )
    return found
