"""The round trips of a run as CSV, for spreadsheets."""

import csv
import io
from pathlib import Path

from trademantra.data.durable import replace_file
from trademantra.engine.backtest import BacktestResult
from trademantra.reports.context import RunContext
from trademantra.reports.json_values import figure
from trademantra.reports.times import BarTimes
from trademantra.reports.trades import trade_rows

COLUMNS = (
    "symbol", "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "gross", "costs", "net",
    "return", "reason", "bars",
)  # fmt: skip
# Spreadsheets run a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def trades_csv(result: BacktestResult, context: RunContext) -> str:
    """A header and one line a trade, in the order of exits; the values of the JSON, rounded.

    Numbers have up to 12 digits, so no noise of binary fractions; text that a spreadsheet would take for a formula gets
    a leading apostrophe.
    """
    times = BarTimes(result.ts, context.zone)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trade in trade_rows(result):
        figures = (
            trade.entry_price, trade.exit_price, trade.quantity, trade.gross, trade.costs, trade.net,
            trade.return_on_value,
        )  # fmt: skip
        writer.writerow(
            (safe_text(trade.symbol), trade.side, times[trade.entry], times[trade.exit], *map(figure, figures),
             trade.reason, trade.bars)
        )  # fmt: skip
    return written.getvalue()


def write_trades_csv(path: Path, result: BacktestResult, context: RunContext) -> None:
    """Put the table at `path`: a reader finds the whole old or the whole new file, also after a crash."""
    replace_file(path, trades_csv(result, context).encode())


def safe_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    >>> safe_text("=HYPERLINK(1)"), safe_text("M&M")
    ("'=HYPERLINK(1)", 'M&M')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
