"""Equal weight and inverse volatility, alone and in a portfolio.  Numbers by hand."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from tests.engine.scripted import FLAT, LONG, OUT, RULES, bars_of, fills_of, script_of
from tests.engine.test_panel import WEIGHTED, with_weights
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.records import Reason
from trademantra.engine.rules import FillAt, Level, Size, TradingRules
from trademantra.engine.timeline import by_days

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

CASH = 100_000.0


def swinging(percent: float, count: int = 30) -> list[float]:
    """Closes at 100 and `percent` above it in turn."""
    return [100.0 + (percent if i % 2 else 0.0) for i in range(count)]


def yearly(closes: list[float], i: int, bars_a_year: float) -> float:
    """Deviation of the 20 returns up to bar i, in a year."""
    returns = np.diff(closes)[i - 20 : i] / np.array(closes)[i - 20 : i]
    return float(returns.std(ddof=1) * np.sqrt(bars_a_year))


def flat_bars(closes: list[float]) -> Bars:
    return bars_of([(c, c, c, c) for c in closes], [1_440 * day for day in range(len(closes))])


def test_an_equal_part_of_equity_for_each_position() -> None:
    rules = replace(RULES, size=Size.parse("equal:4"))
    rows = [FLAT, FLAT, (110, 110, 110, 110), (110, 110, 110, 110), (100, 100, 100, 100)]
    script = script_of(rows, {0: LONG, 1: OUT, 3: LONG})
    assert fills_of(script, rules) == [
        (1, 250, 100, Reason.ENTRY),
        (2, -250, 110, Reason.SIGNAL),
        (4, 256.25, 100, Reason.ENTRY),  # a quarter of 102,500
    ]


def test_the_entries_of_a_position_share_its_slot() -> None:
    rules = replace(RULES, size=Size.parse("equal:4"), max_entries=2)
    assert fills_of(script_of([FLAT] * 4, {0: LONG, 1: LONG, 2: LONG}), rules) == [
        (1, 125, 100, Reason.ENTRY),
        (2, 125, 100, Reason.ENTRY),
    ]


@pytest.mark.parametrize(
    "text", ["equal:0", "equal:2.5", "equal:-1", "equal:nan", "inverse:0", "inverse:inf"]
)
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        Size.parse(text)
    with pytest.raises(InvalidValueError):
        TradingRules(size=Size(RULES.size.kind, float("nan")))


def test_inverse_volatility_of_one_instrument_is_never_more_than_equity() -> None:
    """As `volatility`, but without leverage, however much margin would allow."""
    closes = swinging(1.0)
    script = script_of([(c, c, c, c) for c in closes], {25: LONG})
    deviation = yearly(closes, 25, script.market().bars_per_year)
    rules = replace(RULES, margin=0.2, size=Size.parse(f"inverse:{deviation / 4}"))
    [fill] = script.run(rules).fills
    assert fill["quantity"] == pytest.approx(CASH / 4 / 100.0)
    [fill] = script.run(replace(rules, size=Size.parse(f"inverse:{deviation * 3}"))).fills
    assert fill["quantity"] == pytest.approx(CASH / 100.0)
    [fill] = script.run(replace(rules, size=Size.parse(f"volatility:{deviation * 3}"))).fills
    assert fill["quantity"] == pytest.approx(3 * CASH / 100.0)
    early = script_of([(c, c, c, c) for c in closes], {10: LONG}).run(rules)  # no 20 returns yet
    assert (len(early.fills), early.accounts["refused"][0]) == (0, 1)


class Enters(EventStrategy):
    """Buys every instrument at bar 25, and the first again after it was sold at bar 27."""

    name: ClassVar[str] = "enters"
    title: ClassVar[str] = "Enters"
    idea: ClassVar[str] = "For tests."
    source: ClassVar[str] = "tests"
    market: ClassVar[str] = "none"
    rules: ClassVar[TradingRules] = replace(RULES, margin=0.2)

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index in (25, 28):
            context.buy(bar.symbol)
        if bar.index == 27 and bar.symbol == "A":
            context.exit("A")


def run(size: str, strategy: type[EventStrategy] = Enters, **closes: list[float]) -> BacktestResult:
    bars = {symbol: flat_bars(prices) for symbol, prices in closes.items()}
    given = BacktestInput(bars, {symbol: by_days(one.ts) for symbol, one in bars.items()})
    return backtest(strategy, given, rules=replace(strategy.rules, size=Size.parse(size)))


def entries(result: BacktestResult) -> list[tuple[int, str, float]]:
    bought = result.fills[result.fills["side"] > 0]
    return [
        (int(f["index"]), result.symbols[f["instrument"]], float(f["quantity"] * f["price"])) for f in bought
    ]


def test_only_so_many_positions_as_there_are_slots() -> None:
    """Margin would allow ten; the third waits for no one: it is refused, and may come again when a slot is free."""
    flat = [100.0] * 32
    result = run("equal:2", A=flat, B=flat, C=flat)
    assert entries(result) == [(26, "A", 50_000), (26, "B", 50_000), (29, "A", 50_000)]
    assert result.metrics.refused_entries == 3  # C twice, and B, which was held, once
    four = run("equal:4", A=flat, B=flat, C=flat)
    assert [value for _, _, value in entries(four)[:3]] == [25_000, 25_000, 25_000]


def test_a_portfolio_shares_equity_by_inverse_volatility() -> None:
    """Volatilities of about 1 : 2 : 4 ask for parts of 4 : 2 : 1, and for no more than equity in all."""
    closes = {"A": swinging(1.0), "B": swinging(2.0), "C": swinging(4.0)}
    asked = {name: 1.0 / yearly(prices, 25, 252.0) for name, prices in closes.items()}
    want = 100.0  # far more than equity
    got = {name: value for i, name, value in entries(run(f"inverse:{want}", **closes)) if i == 26}
    # decided at the close of bar 25, bought at the open of bar 26 in one order: each part is of the same equity
    assert got == pytest.approx({name: CASH * part / sum(asked.values()) for name, part in asked.items()})
    assert sum(got.values()) == pytest.approx(CASH)
    small = 0.1 / sum(asked.values())
    got = {name: value for i, name, value in entries(run(f"inverse:{small}", **closes)) if i == 26}
    assert got == pytest.approx({name: CASH * small * part for name, part in asked.items()})


def test_event_strategies_take_atr_rules_too() -> None:
    """A range of 2 at every bar: the stop of 3 ATR lies 6 below the entry."""
    rows = [(100.0, 101.0, 99.0, 100.0)] * 29 + [(100.0, 101.0, 90.0, 100.0)]
    bars = bars_of(rows)
    given = BacktestInput({"A": bars}, {"A": by_days(bars.ts)})
    result = backtest(Enters, given, rules=replace(RULES, stop=Level.parse("3atr")))
    assert result.fills["index"].tolist() == [26, 28, 29, 29]
    assert result.fills["price"][-1] == pytest.approx(94.0)
    result = backtest(
        Enters, given, rules=replace(RULES, stop=Level.parse("3atr"), size=Size.parse("atr:0.01"))
    )
    assert result.fills["quantity"][0] == pytest.approx(500.0)  # 1 % of 100,000 over an ATR of 2


def weights_of(size: str, weights: dict[str, float], closes: dict[str, list[float]]) -> dict[str, float]:
    """Signed parts of equity that are held after a rebalance at bar 25."""
    bars = {
        name: with_weights([(c, c, c, c) for c in prices], [weights[name]] * len(prices))
        for name, prices in closes.items()
    }
    rules = TradingRules(cash=CASH, allow_short=True, size=Size.parse(size), fill_at=FillAt.CLOSE)
    given = BacktestInput(bars, {name: by_days(one.ts) for name, one in bars.items()})
    result = backtest(WEIGHTED, given, {"wait": 25.0, "every": 50.0}, rules)
    held = {
        result.symbols[f["instrument"]]: f["side"] * f["quantity"] * f["price"] / CASH for f in result.fills
    }
    assert (result.fills["index"] == 25).all()
    return {name: float(part) for name, part in held.items()}


def test_sizes_replace_the_weights_of_the_instruments_that_were_chosen() -> None:
    closes = {"A": swinging(1.0), "B": swinging(2.0), "C": swinging(4.0), "D": swinging(3.0)}
    weights = {"A": 0.5, "B": 0.3, "C": -0.1, "D": 0.0}
    parts = {name: 1.0 / yearly(prices, 25, 252.0) for name, prices in closes.items() if name != "D"}
    assert weights_of("equal:5", weights, closes) == pytest.approx({"A": 0.2, "B": 0.2, "C": -0.2})
    assert weights_of("equal:2", weights, closes) == pytest.approx({"A": 1 / 3, "B": 1 / 3, "C": -1 / 3})
    total = sum(parts.values())
    signed = {"A": parts["A"], "B": parts["B"], "C": -parts["C"]}
    assert weights_of("inverse:50", weights, closes) == pytest.approx(
        {n: p / total for n, p in signed.items()}
    )
    small = 0.1 / total
    assert weights_of(f"inverse:{small}", weights, closes) == pytest.approx(
        {n: small * p for n, p in signed.items()}
    )
    still = {**closes, "A": [100.0] * 30}  # no volatility: not held
    assert set(weights_of("inverse:1", weights, still)) == {"B", "C"}
