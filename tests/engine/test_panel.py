"""Target weights on many instruments: where they mean what signals mean, and what always holds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.generated import CHARGES, SLIPPAGES, rows_of
from tests.engine.scripted import FLAT, RULES, Word, bars_of, script_of
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars, Float64Array
from trademantra.engine.panel import CLOSE, AllocationStrategy, Panel, run_allocation, weight_kernel
from trademantra.engine.parameters import Parameter
from trademantra.engine.records import Reason, SlippageKind
from trademantra.engine.rules import FillAt, TradingRules
from trademantra.engine.timeline import Timeline, by_days
from trademantra.markets.charges.numeric import ChargeRules

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


@weight_kernel
def weights_in_volume(
    values: Float64Array, i: int, parameters: Float64Array, state: Float64Array, weights: Float64Array
) -> None:
    """A weight of -1 to 1 is a volume of 0 to 200."""
    for j in range(len(weights)):
        weights[j] = (values[4, i, j] - 100.0) / 100.0


WEIGHTED = AllocationStrategy(
    name="weighted",
    title="Weighted",
    idea="Holds what the test says.",
    source="tests",
    market="none",
    parameters=(Parameter("every", 1, 1, 50), Parameter("wait", 0, 0, 50)),
    kernel=weights_in_volume,
    every="every",
    warm_up=("wait",),
    least_instruments=1,
)
ALL_OF_IT = TradingRules(cash=100_000.0)


def timeline_of(panel: Panel) -> Timeline:
    return by_days(panel.ts)


def with_weights(rows: list[tuple[float, ...]], weights: list[float]) -> Bars:
    minutes = [day * 1_440 for day in range(len(rows))]
    return bars_of([(*row[:4], 100.0 + 100.0 * w) for row, w in zip(rows, weights, strict=True)], minutes)


STEPS = st.tuples(
    st.integers(-30, 30), st.integers(-30, 30), st.integers(0, 9), st.integers(0, 9), st.just(0)
)


@settings(max_examples=100, deadline=None)
@given(st.data(), CHARGES, SLIPPAGES.filter(lambda each: each.kind is not SlippageKind.SQUARE_ROOT))
def test_one_instrument_at_the_close_is_a_signal_strategy(
    data: st.DataObject, charges: ChargeRules, slippage: object
) -> None:
    """Fully in or fully out, fractions allowed: the same trades.  (The impact of a weight is that of the whole order.)"""
    steps = data.draw(st.lists(STEPS, min_size=3, max_size=30))
    weights = data.draw(st.lists(st.sampled_from((0.0, 1.0)), min_size=len(steps), max_size=len(steps)))
    rows = rows_of(steps)
    rules = replace(ALL_OF_IT, fill_at=FillAt.CLOSE, slippage=slippage, tick=0.05)  # type: ignore[arg-type]
    bars = with_weights(rows, weights)
    panel = Panel.align({"ONE": bars})
    held = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": 1, "wait": 0}, rules, charges)
    words: dict[int, Word | int] = {i: 1 if w > 0.0 else 2 for i, w in enumerate(weights)}
    minutes = [day * 1_440 for day in range(len(rows))]
    script = script_of(
        [(*row[:4], bar) for row, bar in zip(rows, bars.volume.tolist(), strict=True)], words, minutes
    )
    said = script.run(rules, charges)
    fills = [
        [(f["index"], f["side"], f["quantity"], f["price"], f["costs"]) for f in run.fills]
        for run in (held, said)
    ]
    assert len(fills[0]) == len(fills[1])
    np.testing.assert_allclose(fills[0], fills[1], rtol=1e-9)
    np.testing.assert_allclose(held.trades["net"], said.trades["net"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(held.curve, said.curve, rtol=1e-9)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Two to four instruments, some bars missing, weights of all kinds."""
    n, m = draw(st.integers(3, 40)), draw(st.integers(2, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars = {}
    for j in range(m):
        body, gap = random.integers(-30, 31, n), random.integers(-20, 21, n)
        steps = [(int(g), int(b), 3, 3, 0) for g, b in zip(gap, body, strict=True)]
        rows = rows_of(steps)
        weights = random.choice((-0.5, 0.0, 0.0, 0.3, 0.5, 1.0), n)
        whole = with_weights(rows, weights.tolist())
        keep = random.random(n) < 0.9
        keep[[0, -1]] = True
        bars[f"S{j}"] = Bars.of(
            *(getattr(whole, x)[keep] for x in ("ts", "open", "high", "low", "close", "volume"))
        )
    return Panel.align(bars)


@settings(max_examples=150, deadline=None)
@given(
    panels(),
    CHARGES,
    st.sampled_from(FillAt),
    st.booleans(),
    st.sampled_from((0.0, 1.0, 25.0)),
    st.integers(1, 5),
    SLIPPAGES,
)
def test_invariants(
    panel: Panel, charges: ChargeRules, fill_at: FillAt, short: bool, lot: float, every: int, slippage: object
) -> None:
    rules = TradingRules(
        cash=200_000.0, fill_at=fill_at, allow_short=short, lot=lot, slippage=slippage, tick=0.05
    )  # type: ignore[arg-type]
    outcome = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": every, "wait": 1}, rules, charges)
    fills, trades = outcome.fills, outcome.trades
    cash, last = rules.cash, np.full(len(panel.symbols), np.nan)
    held = np.zeros(len(panel.symbols))
    for i in range(len(panel)):
        closes = panel.values[CLOSE, i]
        last = np.where(np.isnan(closes), last, closes)
        for fill in fills[fills["index"] == i]:
            assert not np.isnan(closes[fill["instrument"]]), "a fill on a bar that is not there"
            cash -= fill["side"] * fill["quantity"] * fill["price"] + fill["costs"]
            held[fill["instrument"]] += fill["side"] * fill["quantity"]
            if not short:
                dear = (
                    fill["costs"] if fill["side"] < 0 else 0.0
                )  # the sale of a rest may cost more than it brings
                assert cash >= -1e-6 * rules.cash - dear
                assert held[fill["instrument"]] >= -1e-6
        owned = float(np.nansum(held * last))
        assert outcome.curve[i] == pytest.approx(cash + owned, abs=1e-6 * rules.cash)
    accounts = outcome.accounts
    assert accounts["costs"].sum() == pytest.approx(fills["costs"].sum())
    assert outcome.levies.sum() == pytest.approx(fills["costs"].sum())
    open_profit = sum(
        float(a["quantity"]) * last[j]
        - float(a["trade_entry_value"] - a["trade_exit_value"])
        - float(a["trade_costs"])
        if a["quantity"] > 0.0
        else float(a["quantity"]) * last[j]
        + float(a["trade_entry_value"] - a["trade_exit_value"])
        - float(a["trade_costs"])
        for j, a in enumerate(accounts)
        if a["quantity"] != 0.0
    )
    assert rules.cash + trades["net"].sum() + open_profit == pytest.approx(
        outcome.curve[-1], abs=1e-6 * rules.cash
    )


def test_sells_come_before_buys_and_a_buy_is_cut_to_the_cash() -> None:
    rows: list[tuple[float, ...]] = [FLAT] * 4
    bars = {"A": with_weights(rows, [0, 1, 1, 1]), "B": with_weights(rows, [1, 0, 0, 0])}
    panel = Panel.align(bars)
    outcome = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": 1, "wait": 0}, ALL_OF_IT)
    assert [(f["index"], f["instrument"], f["side"] * f["quantity"]) for f in outcome.fills] == [
        (1, 1, 1_000.0), (2, 1, -1_000.0), (2, 0, 1_000.0),
    ]  # fmt: skip
    assert [Reason(int(r)) for r in outcome.fills["reason"]] == [Reason.ENTRY, Reason.SIGNAL, Reason.ENTRY]
    half = {"A": with_weights(rows, [0.75, 0, 0, 0]), "B": with_weights(rows, [0.75, 0, 0, 0])}
    panel = Panel.align(half)
    outcome = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": 9, "wait": 0}, ALL_OF_IT)
    assert sorted(outcome.fills["quantity"].tolist()) == [250.0, 750.0]


def test_a_rounding_residue_is_no_order() -> None:
    """Bug found here: holding what is held already traded 1e-13 shares at every rebalance, each with its charges."""
    rows = [(p, p, p, p) for p in (100.0, 101.7, 99.3, 103.1, 97.9, 96.3)]
    panel = Panel.align({"ONE": with_weights(rows, [1.0] * 6)})
    outcome = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": 1, "wait": 0}, ALL_OF_IT)
    assert len(outcome.fills) == 1


def test_an_order_for_a_bar_that_is_missing_lapses() -> None:
    rows: list[tuple[float, ...]] = [FLAT] * 4
    one = with_weights(rows, [1, 1, 1, 1])
    two = with_weights(rows, [1, 1, 0, 0])
    holed = Bars.of(
        *(np.delete(getattr(two, x), 1) for x in ("ts", "open", "high", "low", "close", "volume"))
    )
    panel = Panel.align({"ONE": one, "TWO": holed})
    outcome = run_allocation(WEIGHTED, panel, timeline_of(panel), {"every": 9, "wait": 0}, ALL_OF_IT)
    assert outcome.fills["instrument"].tolist() == [0]
    assert outcome.refused == 1


@pytest.mark.parametrize(
    "rule", ["stop", "target", "trail", "time_exit", "entry_valid", "participation", "size"]
)
def test_rules_that_weights_do_not_know_are_refused(rule: str) -> None:
    """Bug found here: a stop given to a rotation was left out without a word."""
    given_rules = replace(RULES, stop=RULES.stop, size=ALL_OF_IT.size)
    value = {
        "stop": replace(RULES.stop, kind=1, value=2.0), "target": replace(RULES.stop, kind=1, value=2.0),
        "trail": replace(RULES.stop, kind=1, value=2.0), "time_exit": 5, "entry_valid": 3, "participation": 0.1,
        "size": RULES.size,
    }[rule]  # fmt: skip
    bars = with_weights([FLAT] * 4, [1, 1, 1, 1])
    run = BacktestInput({"ONE": bars}, {"ONE": by_days(bars.ts)})
    with pytest.raises(InvalidValueError, match=rf"weighted.*{rule}"):
        backtest(WEIGHTED, run, rules=replace(given_rules, **{rule: value}))
    assert len(backtest(WEIGHTED, run, rules=given_rules).fills) == 1
