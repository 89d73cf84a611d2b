"""Names and meanings of the scores, as a page shows them."""

from dataclasses import dataclass
from enum import Enum

from trademantra.reports.html.figures import count, decimal, money, percent


class Unit(Enum):
    PERCENT = "percent"
    RATIO = "ratio"
    MONEY = "money"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class MetricWords:
    """A score: its name in `Metrics` and in sweeps, its label, what it is, how it is written."""

    name: str
    label: str
    meaning: str
    unit: Unit

    def text(self, value: float, currency: str) -> str:
        if self.unit is Unit.PERCENT:
            return percent(value, 2)
        if self.unit is Unit.MONEY:
            return money(value, currency)
        return count(value) if self.unit is Unit.COUNT else decimal(value)


GROUPS: tuple[tuple[str, tuple[MetricWords, ...]], ...] = (
    (
        "Return",
        (
            MetricWords("initial_equity", "Opening equity", "cash at the start", Unit.MONEY),
            MetricWords("final_equity", "Final equity", "cash and positions at the last close", Unit.MONEY),
            MetricWords("total_return", "Total return", "final over opening equity, less 1", Unit.PERCENT),
            MetricWords("cagr", "CAGR", "total return as a rate per year of sessions", Unit.PERCENT),
            MetricWords("alpha", "Alpha", "annual return that the benchmark does not explain", Unit.PERCENT),
            MetricWords("beta", "Beta", "move for a move of 1 of the benchmark", Unit.RATIO),
        ),
    ),
    (
        "Risk",
        (
            MetricWords("max_drawdown", "Max drawdown", "deepest fall under a peak, every bar seen", Unit.PERCENT),
            MetricWords("max_drawdown_bars", "Longest drawdown", "bars of the longest stay under a peak", Unit.COUNT),
            MetricWords("volatility", "Volatility", "standard deviation of session returns, a year", Unit.PERCENT),
            MetricWords("ulcer_index", "Ulcer index", "root mean square of session-end drawdowns, percent", Unit.RATIO),
            MetricWords("value_at_risk", "Value at risk", "session return that 5% of sessions fell below", Unit.PERCENT),
            MetricWords(
                "conditional_value_at_risk", "Conditional VaR", "mean return of those worst 5%", Unit.PERCENT
            ),
            MetricWords("skew", "Skew", "of session returns; below 0: the long tail is of losses", Unit.RATIO),
            MetricWords("kurtosis", "Kurtosis", "of session returns; 3 for a normal distribution", Unit.RATIO),
        ),
    ),
    (
        "Reward for risk",
        (
            MetricWords("sharpe", "Sharpe", "mean excess return over its deviation, a year", Unit.RATIO),
            MetricWords("sortino", "Sortino", "mean excess return over its shortfall, a year", Unit.RATIO),
            MetricWords("calmar", "Calmar", "CAGR over max drawdown", Unit.RATIO),
            MetricWords("omega", "Omega", "sum of gains over sum of losses, by session", Unit.RATIO),
            MetricWords("profit_factor", "Profit factor", "net of winning over net of losing trades", Unit.RATIO),
        ),
    ),
    (
        "Trades",
        (
            MetricWords("trades", "Trades", "round trips, from flat to flat", Unit.COUNT),
            MetricWords("win_rate", "Win rate", "trades with a net gain", Unit.PERCENT),
            MetricWords("expectancy", "Expectancy", "mean net result of a trade", Unit.MONEY),
            MetricWords("average_win", "Average win", "net", Unit.MONEY),
            MetricWords("average_loss", "Average loss", "net", Unit.MONEY),
            MetricWords("best_trade", "Best trade", "net", Unit.MONEY),
            MetricWords("worst_trade", "Worst trade", "net", Unit.MONEY),
            MetricWords("longest_losing_run", "Longest losing run", "losing trades in a row", Unit.COUNT),
            MetricWords("average_bars_held", "Average bars held", "from entry to exit", Unit.RATIO),
        ),
    ),
    (
        "Activity",
        (
            MetricWords("exposure", "Exposure", "bars at whose close something was held", Unit.PERCENT),
            MetricWords("turnover", "Turnover", "value traded over mean equity, times a year", Unit.RATIO),
            MetricWords("costs", "Costs", "all charges paid", Unit.MONEY),
            MetricWords("fills", "Fills", "executions", Unit.COUNT),
            MetricWords("refused_entries", "Refused entries", "not affordable, not sizable, or at the circuit limit", Unit.COUNT),
        ),
    ),
    (
        "Basis",
        (
            MetricWords("sessions", "Sessions", "that returns were taken over", Unit.COUNT),
            MetricWords("sessions_per_year", "Sessions a year", "that scores are scaled by", Unit.COUNT),
            MetricWords("risk_free_rate", "Risk-free rate", "annual, taken off before Sharpe and Sortino", Unit.PERCENT),
        ),
    ),
)  # fmt: skip


def words_of(name: str) -> MetricWords:
    """The words for a score; a name that has none stands for itself."""
    for _, group in GROUPS:
        for words in group:
            if words.name == name:
                return words
    return MetricWords(name, name.replace("_", " ").capitalize(), "", Unit.RATIO)
