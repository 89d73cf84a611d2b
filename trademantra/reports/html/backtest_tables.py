"""Tables of a back-test's page: months, drawdowns, costs, scores, rules and data."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from math import isfinite

from trademantra.engine.backtest import BacktestResult
from trademantra.reports.context import RunContext
from trademantra.reports.html.figures import UNDEFINED, count, decimal, money, percent
from trademantra.reports.html.markup import Markup, element, joined
from trademantra.reports.html.metric_words import GROUPS
from trademantra.reports.html.parts import card, empty, pairs, table
from trademantra.reports.periods import Drawdown, Month
from trademantra.reports.restated_costs import YearCosts
from trademantra.reports.rule_words import finer_in_words, plain, rules_in_words
from trademantra.reports.times import BarTimes
from trademantra.reports.trades import OpenPosition, TradeRow

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHADES = (0.0, 0.01, 0.025, 0.05, 0.10)  # month returns beyond these get the next darker shade
_LEVIES = {
    "brokerage": "Brokerage",
    "stt": "STT",
    "ctt": "CTT",
    "exchange_txn": "Exchange charges",
    "ipft": "IPFT",
    "sebi": "SEBI fee",
    "gst": "GST",
    "stamp": "Stamp duty",
    "dp": "DP charge",
}


def monthly_table(months: Sequence[Month]) -> Markup:
    """Years down, months across, shaded by return; the year's total at the end."""
    known = {(month.year, month.month): month.total_return for month in months}
    years = sorted({month.year for month in months}, reverse=True)
    head = element("tr", *(element("th", name, scope="col") for name in ("Year", *_MONTHS, "Year total")))
    rows = []
    for year in years:
        total, cells = 1.0, []
        for number in range(1, 13):
            change = known.get((year, number))
            total *= 1.0 + (change or 0.0)
            cells.append(element("td") if change is None else _month_cell(change))
        rows.append(
            element(
                "tr",
                element("th", str(year), scope="row"),
                *cells,
                element("td", percent(total - 1.0), class_="total"),
            )
        )
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *rows), class_="months"),
        class_="scroll",
        tabindex=0,
        role="group",
        aria_label="Return of each month",
    )


def _month_cell(change: float) -> Markup:
    step = sum(abs(change) > bound for bound in _SHADES) if isfinite(change) else 0
    side = "up" if change > 0.0 else "down"
    return element("td", percent(change), class_=f"{side}{step}" if step else None)


def drawdown_table(found: Sequence[Drawdown], times: BarTimes) -> Markup:
    if not found:
        return empty("The equity never fell under a peak.")
    return table(
        ("Depth", "Peak", "Trough", "Recovered", "Bars"),
        (
            (
                percent(one.depth),
                times[max(one.peak, 0)][:10],
                times[one.trough][:10],
                "not yet" if one.recovery is None else times[one.recovery][:10],
                count(one.bars),
            )
            for one in found
        ),
        caption="The equity's deepest falls under a peak, and how many bars it stayed there",
        text_columns=4,
    )


def open_table(held: Sequence[OpenPosition], times: BarTimes, currency: str) -> Markup:
    return table(
        ("Symbol", "Side", "Entry", "Average price", "Last price", "Quantity", "Gross", "Costs so far"),
        (
            (
                one.symbol,
                one.side,
                _minute(times[one.entry]),
                decimal(one.average_price),
                decimal(one.last_price),
                decimal(one.quantity, 0 if one.quantity == int(one.quantity) else 6),
                money(one.gross, currency),
                money(one.costs, currency),
            )
            for one in held
        ),
        caption="Open positions, valued at the last close; they are in the equity, not in the trades",
        text_columns=3,
    )


def cost_section(
    result: BacktestResult, context: RunContext, trades: Sequence[TradeRow], restated: Sequence[YearCosts]
) -> Markup:
    """What trading cost, by levy, against what was earned, and as contract notes would round it."""
    return element(
        "div",
        card("By levy", _levies(result, context.currency)),
        card("Before and after costs", _before_and_after(result, trades, context.currency)),
        *(
            [card("As contract notes state it", _notes_table(restated, context.currency), wide=True)]
            if restated
            else []
        ),
        class_="cards",
    )


def _levies(result: BacktestResult, currency: str) -> Markup:
    paid = sorted(result.levies.items(), key=lambda item: -item[1])
    total = sum(result.levies.values())
    if not paid or total <= 0.0:
        return empty("No costs were charged. Real trades pay brokerage, taxes and exchange charges.")
    rows = [
        element(
            "tr",
            element("th", _levy(name), scope="row", class_="text"),
            element("td", money(amount, currency, 2), class_="number"),
            element("td", percent(amount / total), class_="number"),
            element(
                "td",
                element("meter", min=0, max=1, value=f"{amount / paid[0][1]:.4f}", aria_hidden="true"),
                class_="meter",
            ),
        )
        for name, amount in paid
    ]
    rows.append(
        element(
            "tr",
            element("th", "Total", scope="row", class_="text"),
            element("td", money(total, currency, 2), class_="number"),
            element("td", "100.0%", class_="number"),
            element("td"),
            class_="sum",
        )
    )
    return element("div", element("table", element("tbody", *rows)), class_="scroll")


def _before_and_after(result: BacktestResult, trades: Sequence[TradeRow], currency: str) -> Markup:
    gross, paid = sum(trade.gross for trade in trades), sum(trade.costs for trade in trades)
    turnover = float((result.fills["price"] * result.fills["quantity"]).sum()) * result.rules.multiplier
    rows = [
        ("Trades, before costs", money(gross, currency)),
        ("Costs of the trades", money(paid, currency)),
        ("Trades, after costs", money(gross - paid, currency)),
        ("Costs of a trade", money(paid / len(trades), currency, 2) if trades else UNDEFINED),
        ("Value traded", money(turnover, currency)),
        ("Costs of the value traded", percent(result.metrics.costs / turnover, 3) if turnover else UNDEFINED),
    ]
    return pairs(rows)


def _notes_table(restated: Sequence[YearCosts], currency: str) -> Markup:
    """Levies down, years across."""
    levies = [levy for levy in restated[0].notes if any(one.of(levy) for one in restated)]

    def line(label: str, amount: Callable[[YearCosts], Decimal]) -> tuple[str, ...]:
        return (label, *(money(float(amount(one)), currency, 2) for one in restated))

    rows = [
        ("Trading days", *(count(one.trading_days) for one in restated)),
        ("Orders", *(count(one.orders) for one in restated)),
        *(line(_levy(levy.value), partial(YearCosts.of, levy=levy)) for levy in levies),
        line("Total by contract notes", lambda one: one.total),
        line("As the engine counted it", lambda one: one.unrounded),
        line("Difference", lambda one: one.total - one.unrounded),
    ]
    return table(
        ("", *(one.year for one in restated)),
        rows,
        caption="Each trading day on one contract note. Notes round each line, take the DP charge only where a day sold "
        "more of a share than it bought, and may take GST on IPFT; the engine counts exact amounts order by order.",
    )


def _levy(name: str) -> str:
    return _LEVIES.get(name, name.replace("_", " "))


def metric_cards(result: BacktestResult, context: RunContext) -> Markup:
    """Every score with its meaning."""
    return element(
        "div",
        *(
            card(
                group,
                element(
                    "dl",
                    *(
                        element(
                            "div",
                            element("dt", words.label, element("small", words.meaning)),
                            element("dd", words.text(getattr(result.metrics, words.name), context.currency)),
                        )
                        for words in members
                    ),
                    class_="pairs",
                ),
            )
            for group, members in GROUPS
        ),
        class_="cards flow",
    )


def run_section(result: BacktestResult, context: RunContext, first: str, last: str) -> Markup:
    """All that is needed to run it again: parameters, rules, data, command."""
    finer = finer_in_words(result.given.finer, context.finer)
    data = [
        ("Series", ", ".join(context.series or result.symbols)),
        ("Timeframe", str(context.timeframe)),
        ("From, to", f"{first}, {last}"),
        ("Bars", f"{len(result.ts):,}"),
        *([("Inside a bar", finer)] if finer else []),
        ("Times in", context.zone.key),
        ("Benchmark", context.benchmark or "none"),
        ("Costs", context.costs or "none"),
        ("Fingerprint (SHA-256)", result.given.fingerprint),
    ]
    values = [(name, plain(value)) for name, value in result.parameters.items()]
    return joined(
        (
            element(
                "div",
                card("Parameters", pairs(values) if values else empty("The strategy has none.")),
                card("Data", pairs(data, words=True)),
                card("Fill rules", pairs(rules_in_words(result.rules, finer), words=True), wide=True),
                class_="cards",
            ),
            *(
                [element("h3", "Run it again"), element("pre", context.command_line)]
                if context.command_line
                else []
            ),
        )
    )


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
