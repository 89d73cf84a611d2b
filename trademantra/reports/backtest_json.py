"""A back-test as JSON: schema `trademantra.backtest/1`, described in docs/reports.md.

Within a version fields are added, never renamed or removed.
"""

from collections.abc import Mapping

from trademantra.engine.backtest import BacktestResult
from trademantra.reports.context import RunContext
from trademantra.reports.json_values import Json, number, numbers
from trademantra.reports.periods import monthly_returns
from trademantra.reports.rule_words import rules_object
from trademantra.reports.times import BarTimes, iso_times
from trademantra.reports.trades import OpenPosition, TradeRow, open_positions, trade_rows

SCHEMA = "trademantra.backtest/1"


def result_object(result: BacktestResult, context: RunContext, *, curve: bool = False) -> dict[str, Json]:
    """The run as an object that `json.dumps` takes.

    Times are ISO 8601 with the offset of `context.zone`, at the start of their bar; what is undefined or infinite is
    null; money is unrounded.  `curve` adds `equity`: time and value at the close of every bar.
    """
    times = BarTimes(result.ts, context.zone)
    metrics: dict[str, Json] = dict(result.metrics.as_dict().items())
    found: dict[str, Json] = {
        "schema": SCHEMA,
        "strategy": result.strategy,
        "title": context.title,
        "parameters": _numbers(result.parameters),
        "symbols": [*result.symbols],
        "series": [*context.series],
        "timeframe": str(context.timeframe),
        "zone": context.zone.key,
        "currency": context.currency,
        "from": times[0],
        "to": times[-1],
        "bars": len(result.ts),
        "benchmark": context.benchmark or None,
        "metrics": metrics,
        "monthly_returns": {
            f"{month.year:04d}-{month.month:02d}": number(month.total_return)
            for month in monthly_returns(result, context.zone)
        },
        "trades": [trade_object(trade, times) for trade in trade_rows(result)],
        "open_positions": [_open_object(position, times) for position in open_positions(result)],
        "costs": _numbers(result.levies),
        "costs_description": context.costs,
        "rules": rules_object(result.rules),
        "finer": _finer(result, context),
        "fingerprint": result.given.fingerprint,
        "notes": [*context.notes],
        "command_line": context.command_line or None,
    }
    if curve:
        found["equity"] = [
            list(pair) for pair in zip(iso_times(result.ts, context.zone), numbers(result.curve), strict=True)
        ]
    return found


def _finer(result: BacktestResult, context: RunContext) -> Json:
    """The finer bars that decided what happened inside a bar; null when there were none."""
    finer = result.given.finer
    if not finer:
        return None
    return {"series": [*context.finer], "bars": {symbol: len(bars) for symbol, bars in finer.items()}}


def trade_object(trade: TradeRow, times: BarTimes) -> dict[str, Json]:
    """One round trip; `times` are those of the run's bars."""
    return {
        "symbol": trade.symbol,
        "side": trade.side,
        "entry_time": times[trade.entry],
        "exit_time": times[trade.exit],
        "entry_price": number(trade.entry_price),
        "exit_price": number(trade.exit_price),
        "quantity": number(trade.quantity),
        "gross": number(trade.gross),
        "costs": number(trade.costs),
        "net": number(trade.net),
        "return": number(trade.return_on_value),
        "reason": trade.reason,
        "bars": trade.bars,
    }


def _open_object(position: OpenPosition, times: BarTimes) -> dict[str, Json]:
    return {
        "symbol": position.symbol,
        "side": position.side,
        "entry_time": times[position.entry],
        "average_price": number(position.average_price),
        "last_price": number(position.last_price),
        "quantity": number(position.quantity),
        "gross": number(position.gross),
        "costs": number(position.costs),
    }


def _numbers(values: Mapping[str, float]) -> dict[str, Json]:
    return {name: number(value) for name, value in values.items()}
