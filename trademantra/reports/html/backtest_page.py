"""The page of one back-test: something to show to a partner."""

from collections.abc import Sequence
from pathlib import Path

from trademantra.engine.backtest import BacktestResult
from trademantra.reports.context import RunContext
from trademantra.reports.html.backtest_data import Limits, PageData, backtest_data
from trademantra.reports.html.backtest_tables import (
    cost_section,
    drawdown_table,
    metric_cards,
    monthly_table,
    open_table,
    run_section,
)
from trademantra.reports.html.figures import count, decimal, money, percent
from trademantra.reports.html.markup import Markup, element, joined
from trademantra.reports.html.page import Page, rendered, write_page
from trademantra.reports.html.parts import Tile, card, chart, empty, line_drawing, notes, tiles
from trademantra.reports.periods import drawdowns, monthly_returns
from trademantra.reports.restated_costs import YearCosts
from trademantra.reports.times import BarTimes
from trademantra.reports.trades import TradeRow, open_positions, trade_rows

_FEW_TRADES = 30  # below it a win rate says little: its standard error is above 9 points


def write_backtest_page(
    path: Path, result: BacktestResult, context: RunContext, restated: Sequence[YearCosts] = ()
) -> None:
    """Put the report of a run at `path`, whole or not at all."""
    write_page(path, backtest_page(result, context, restated))


def backtest_page(
    result: BacktestResult,
    context: RunContext,
    restated: Sequence[YearCosts] = (),
    limits: Limits | None = None,
) -> str:
    """The report of a run as one HTML file; `restated` are its costs by contract note, see `restated_costs`."""
    trades = trade_rows(result)
    page_data = backtest_data(result, context, trades, limits or Limits())
    times = BarTimes(result.ts, context.zone)
    first, last = times[0][:10], times[-1][:10]
    return rendered(
        Page(
            title=f"{context.title} on {_symbols(result, 3)}, {context.timeframe}",
            header=_header(result, context, first, last),
            sections=(
                ("overview", "Overview", _overview(result, context, page_data, trades)),
                ("prices", "Price and trades", _prices(result)),
                ("returns", "Returns", _returns(result, context, page_data, times)),
                ("trades", "Trades", _trades(result, context, trades, times, page_data)),
                ("costs", "Costs", cost_section(result, context, trades, restated)),
                ("scores", "All scores", metric_cards(result, context)),
                ("run", "Rules and data", run_section(result, context, first, last)),
            ),
            scripts=("equity_chart.js", "price_chart.js", "return_charts.js", "trade_list.js", "backtest.js"),
            data=page_data.data,
        )
    )


def _symbols(result: BacktestResult, most: int) -> str:
    shown = ", ".join(result.symbols[:most])
    rest = len(result.symbols) - most
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _header(result: BacktestResult, context: RunContext, first: str, last: str) -> Markup:
    facts = (
        _symbols(result, 8),
        f"{context.timeframe} bars",
        f"{first} to {last}",
        f"{len(result.ts):,} bars",
    )
    return joined(
        (
            element("h1", context.title),
            element("p", *(element("span", fact) for fact in facts), class_="facts"),
            *([element("p", context.idea, class_="idea")] if context.idea else []),
            notes(context.notes),
        )
    )


def _overview(
    result: BacktestResult, context: RunContext, page_data: PageData, trades: tuple[TradeRow, ...]
) -> Markup:
    curve, under = page_data.curve
    label = (
        f"Equity from {money(result.metrics.initial_equity, context.currency)} "
        f"to {money(result.metrics.final_equity, context.currency)}, "
        f"deepest drawdown {percent(result.metrics.max_drawdown)}"
    )
    fallback = joined(
        (
            line_drawing(curve, "Equity", kind="curve"),
            line_drawing(under, "Drawdown", kind="curve fall"),
        )
    )
    return joined(
        (
            tiles(_tiles(result, context)),
            element("p", _summary(result, context, trades), class_="summary"),
            element(
                "div",
                element("h3", "Equity and drawdown"),
                element("div", id="equity-tools", class_="tools"),
                class_="chart-head",
            ),
            chart("equity", label, fallback, size="tall"),
            *(element("p", notice, class_="quiet left-out") for notice in page_data.notices),
        )
    )


def _tiles(result: BacktestResult, context: RunContext) -> tuple[Tile, ...]:
    m, currency = result.metrics, context.currency
    return (
        Tile("Total return", percent(m.total_return, signed=True), money(m.final_equity, currency), _good(m.total_return)),
        Tile("CAGR", percent(m.cagr, signed=True), f"{decimal(m.sessions / m.sessions_per_year, 1)} years", _good(m.cagr)),
        Tile("Sharpe", decimal(m.sharpe), f"Sortino {decimal(m.sortino)}"),
        Tile("Max drawdown", percent(m.max_drawdown), f"{count(m.max_drawdown_bars)} bars under a peak"),
        Tile("Trades", count(m.trades), f"exposed {percent(m.exposure, 0)} of the time"),
        Tile("Win rate", percent(m.win_rate), f"longest losing run {count(m.longest_losing_run)}"),
        Tile("Profit factor", decimal(m.profit_factor), f"{money(m.expectancy, currency)} a trade" if m.trades else ""),
        Tile("Costs", money(m.costs, currency), f"{percent(m.costs / m.initial_equity)} of opening equity"),
    )  # fmt: skip


def _good(change: float) -> bool | None:
    return None if change == 0.0 else change > 0.0


def _summary(result: BacktestResult, context: RunContext, trades: tuple[TradeRow, ...]) -> str:
    """The run in two or three sentences that a stranger understands."""
    m, currency = result.metrics, context.currency
    before, after = money(m.initial_equity, currency), money(m.final_equity, currency)
    said = [f"{before} became {after} in {m.sessions:,} sessions."]
    if not trades and not open_positions(result):
        return f"{said[0]} Not one trade was made."
    gross = sum(trade.gross for trade in trades)
    paid = sum(trade.costs for trade in trades)
    if trades and gross > 0.0 and paid > 0.0:
        said.append(f"Costs took {percent(paid / gross)} of what the trades earned before them.")
    elif trades and gross <= 0.0:
        said.append("The trades lost money even before costs.")
    if 0 < len(trades) < _FEW_TRADES:
        said.append(f"{len(trades)} trades are few: win rate and profit factor may be luck.")
    if m.refused_entries:
        said.append(f"{m.refused_entries:,} entries were refused (cash, size or circuit limit).")
    return " ".join(said)


def _prices(result: BacktestResult) -> Markup:
    key = element(
        "ul",
        *(
            element("li", element("i", class_=f"key {kind}"), text)
            for kind, text in (
                ("long", "long entry"),
                ("short", "short entry"),
                ("win", "exit with a gain"),
                ("loss", "exit with a loss"),
            )
        ),
        class_="keys",
    )
    return joined(
        (
            element("div", key, element("div", id="price-tools", class_="tools"), class_="chart-head"),
            chart(
                "price",
                f"Prices of {_symbols(result, 3)} with the entries and exits of the trades",
                size="tall",
            ),
            element(
                "p",
                "Drag the handles below the chart, use the buttons, or focus the chart and press the arrow, + and − keys. "
                "Ctrl and the wheel zoom. A line of the trade list brings its trade here.",
                class_="quiet help",
            ),
        )
    )


def _returns(result: BacktestResult, context: RunContext, page_data: PageData, times: BarTimes) -> Markup:
    sessions, by_trade = page_data.histograms
    rolling = page_data.data["rolling"]
    return element(
        "div",
        card("Return of each month", monthly_table(monthly_returns(result, context.zone)), wide=True),
        card(
            "Session returns",
            *(
                [
                    chart("sessions", "How often session returns of each size came"),
                    *(
                        [element("p", _flat(page_data.flat_sessions), class_="quiet")]
                        if page_data.flat_sessions
                        else []
                    ),
                ]
                if sessions
                else [empty("Returns do not vary: there is nothing to count.")]
            ),
        ),
        card(
            "Trade returns, after costs",
            chart("trade-returns", "How often trade returns of each size came")
            if by_trade
            else empty("At least two trades with different results are needed."),
        ),
        card(
            "Rolling Sharpe ratio",
            *(
                [
                    element("div", id="rolling-tools", class_="tools"),
                    chart("rolling", "Sharpe ratio over the last sessions"),
                ]
                if rolling
                else [empty("The run is too short: it needs at least 31 sessions.")]
            ),
        ),
        card("Deepest drawdowns", drawdown_table(drawdowns(result), times)),
        class_="cards",
    )


def _flat(sessions: int) -> str:
    return f"{sessions:,} sessions without any change are left out: nothing was held."


def _trades(
    result: BacktestResult,
    context: RunContext,
    trades: tuple[TradeRow, ...],
    times: BarTimes,
    page_data: PageData,
) -> Markup:
    held = open_positions(result)
    return joined(
        (
            element("div", id="trade-list") if trades else empty(_no_trades(result)),
            *(
                [element("h3", "Still open after the last bar"), open_table(held, times, context.currency)]
                if held
                else []
            ),
        )
    )


def _no_trades(result: BacktestResult) -> str:
    if result.metrics.refused_entries:
        return (
            f"No round trips. {result.metrics.refused_entries:,} entries were refused: the cash did not cover one lot with "
            "its costs, or the size could not be known."
        )
    return "No round trips: the strategy never entered and left within these bars."
