"""Results as polars frames."""

from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Int64Array
from trademantra.engine.sweep import SweepResult
from trademantra.engine.validation.walk_forward import WalkForward
from trademantra.reports.periods import drawdown_curve, monthly_returns
from trademantra.reports.trades import reason_word, side_word, trade_rows


def times(ts: Int64Array, zone: ZoneInfo) -> pl.Series:
    """Starts of bars in the zone of the run."""
    return (
        pl.Series("time", ts)
        .cast(pl.Datetime("ns"))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone.key)
    )


def trades_frame(result: BacktestResult, zone: ZoneInfo) -> pl.DataFrame:
    """Round trips in the order of their exits: the columns of the CSV (docs/reports.md), times as times."""
    rows, clock = trade_rows(result), times(result.ts, zone)
    return pl.DataFrame(
        {
            "symbol": pl.Series([row.symbol for row in rows], dtype=pl.String),
            "side": pl.Series([row.side for row in rows], dtype=pl.String),
            "entry_time": clock.gather([row.entry for row in rows]),
            "exit_time": clock.gather([row.exit for row in rows]),
            **{
                name: pl.Series([getattr(row, name) for row in rows], dtype=pl.Float64)
                for name in ("entry_price", "exit_price", "quantity", "gross", "costs", "net")
            },
            "return": pl.Series([row.return_on_value for row in rows], dtype=pl.Float64),
            "reason": pl.Series([row.reason for row in rows], dtype=pl.String),
            "bars": pl.Series([row.bars for row in rows], dtype=pl.Int64),
        }
    )


def fills_frame(result: BacktestResult, zone: ZoneInfo) -> pl.DataFrame:
    """Every execution in time order."""
    fills = result.fills
    return pl.DataFrame(
        {
            "time": times(result.ts[fills["index"]], zone),
            "symbol": pl.Series([result.symbols[k] for k in fills["instrument"]], dtype=pl.String),
            "side": pl.Series([side_word(side) for side in fills["side"].tolist()], dtype=pl.String).replace(
                {"long": "buy", "short": "sell"}
            ),
            "quantity": fills["quantity"].copy(),
            "price": fills["price"].copy(),
            "costs": fills["costs"].copy(),
            "reason": pl.Series(
                [reason_word(reason) for reason in fills["reason"].tolist()], dtype=pl.String
            ),
        }
    )


def equity_frame(result: BacktestResult, zone: ZoneInfo) -> pl.DataFrame:
    """Equity at the close of each bar, and how far below its peak that is."""
    return pl.DataFrame(
        {"time": times(result.ts, zone), "equity": result.curve, "drawdown": drawdown_curve(result)}
    )


def months_frame(result: BacktestResult, zone: ZoneInfo) -> pl.DataFrame:
    """Return of each month, as a fraction."""
    months = monthly_returns(result, zone)
    return pl.DataFrame(
        {
            "year": pl.Series([each.year for each in months], dtype=pl.Int64),
            "month": pl.Series([each.month for each in months], dtype=pl.Int64),
            "return": pl.Series([each.total_return for each in months], dtype=pl.Float64),
        }
    )


def combinations_frame(result: SweepResult) -> pl.DataFrame:
    """Every combination of a sweep: its parameters, then its scores."""
    return pl.DataFrame({**result.parameters, **result.scores})


def steps_frame(result: WalkForward, objective: str, zone: ZoneInfo) -> pl.DataFrame:
    """Each step of a walk-forward: when it was traded, what was chosen, the objective in training and in the test."""
    names = list(dict.fromkeys(name for step in result.steps for name in step.parameters))
    begin = result.steps[0].first
    return pl.DataFrame(
        {
            "from": times(result.ts[[step.first - begin for step in result.steps]], zone),
            "to": times(result.ts[[step.last - begin for step in result.steps]], zone),
            **{name: [step.parameters.get(name) for step in result.steps] for name in names},
            f"train_{objective}": np.array([step.train[objective] for step in result.steps]),
            f"test_{objective}": np.array([step.test[objective] for step in result.steps]),
            "test_return": np.array([step.test["total_return"] for step in result.steps]),
            "test_trades": np.array([step.test["trades"] for step in result.steps], np.int64),
        }
    )
