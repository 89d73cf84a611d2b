"""How much fills: sizes, lots, margin, the share of volume and what is left of an order.  Numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.generated import table_of
from tests.engine.scripted import FLAT, LONG, OUT, RULES, SHORT, fills_of, script_of
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import Product
from trademantra.engine.records import Reason
from trademantra.engine.rules import FillAt, Level, Size, Slippage

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


def test_impact_is_that_of_what_fills() -> None:
    """Bug found here: it was that of the quantity asked for, however much could be afforded or filled."""
    rules = replace(
        RULES, size=Size.parse("quantity:1000000"), lot=1.0, slippage=Slippage.parse("impact:0.1")
    )
    script = script_of([FLAT, (100, 100, 100, 100, 1_000_000.0)], {0: LONG})
    [fill] = script.run(rules).fills  # 1,000 shares are affordable at 100: 100 + 10 x sqrt(0.001)
    assert fill["price"] == pytest.approx(100.316227766)
    assert fill["quantity"] == 996
    script = script_of([FLAT, (100, 100, 100, 100, 1_000.0)], {0: LONG})
    [fill] = script.run(replace(rules, participation=0.1)).fills
    assert (fill["price"], fill["quantity"]) == (pytest.approx(103.16227766), 100)


def test_participation_spreads_an_order_over_bars() -> None:
    rows = [FLAT] + [(100 + i, 100 + i, 100 + i, 100 + i, 40.0) for i in range(4)]
    script = script_of(rows, {0: LONG})
    assert fills_of(script, replace(RULES, participation=0.1)) == [
        (1, 4, 100, Reason.ENTRY),
        (2, 4, 101, Reason.ENTRY),
        (3, 2, 102, Reason.ENTRY),
    ]
    assert fills_of(script, RULES) == [(1, 10, 100, Reason.ENTRY)]


def test_participation_holds_for_all_fills_of_a_bar_together() -> None:
    """Bug found here: exit and entry of a reversal, or entry and stop, each took the whole share."""
    rows = [FLAT, (100, 100, 100, 100, 100.0), (100, 100, 100, 100, 120.0), (100, 100, 100, 100, 120.0)]
    script = script_of(rows, {0: LONG, 1: SHORT})
    assert fills_of(script, replace(RULES, participation=0.1)) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -10, 100, Reason.SIGNAL),
        (2, -2, 100, Reason.ENTRY),
        (3, -8, 100, Reason.ENTRY),
    ]
    stopped = script_of(
        [FLAT, (100, 100, 90, 95, 60.0), (95, 95, 95, 95, 100.0), (95, 95, 95, 95, 100.0)], {0: LONG}
    )
    rules = replace(RULES, participation=0.1, stop=Level.parse("5pt"))
    assert fills_of(stopped, rules) == [(1, 6, 100, Reason.ENTRY), (2, -6, 95, Reason.STOP)]


TARGET = replace(RULES, participation=0.1, target=Level.parse("5pt"))


def test_what_a_target_does_not_fill_rests_at_its_level() -> None:
    """Bug found here: it was sold at the next open at market, here at 101, under the name of a target."""
    rows = [FLAT, (100, 100, 100, 100, 100.0), (100, 106, 100, 101, 40.0), (101, 104, 101, 104, 1_000.0)]
    back = (104, 105.05, 104, 104, 1_000.0)
    assert fills_of(script_of([*rows, back], {0: LONG}), TARGET) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -4, 105, Reason.TARGET),
        (4, -6, 105, Reason.TARGET),
    ]
    touched = (104, 105, 104, 104, 1_000.0)
    assert len(fills_of(script_of([*rows, touched], {0: LONG}), TARGET)) == 2
    assert len(fills_of(script_of([*rows, touched], {0: LONG}), replace(TARGET, limit_touch=True))) == 3
    gapped = (107, 107, 107, 107, 1_000.0)
    rules = replace(TARGET, slippage=Slippage.parse("bps:100"))
    slipped = [(1, 10, 101, Reason.ENTRY), (2, -4, 105.5, Reason.TARGET), (4, -6, 107, Reason.TARGET)]
    rows[2] = (100, 106.5, 100, 101, 40.0)
    assert (
        fills_of(script_of([*rows, gapped], {0: LONG}), replace(rules, target=Level.parse("4.5pt")))
        == slipped
    )


def test_a_target_that_finds_no_volume_at_all_rests_too() -> None:
    rows = [FLAT, (100, 100, 100, 100, 100.0), (106, 107, 106, 107, 0.0), (103, 103, 103, 103, 1_000.0)]
    script = script_of([*rows, (105, 106, 105, 106, 1_000.0)], {0: LONG})
    assert fills_of(script, TARGET) == [(1, 10, 100, Reason.ENTRY), (4, -10, 105, Reason.TARGET)]


def test_the_stop_guards_what_is_left_of_a_target() -> None:
    rules = replace(TARGET, stop=Level.parse("5pt"))
    rows = [FLAT, (100, 100, 100, 100, 100.0), (100, 106, 100, 101, 40.0), (101, 101, 94, 94, 30.0)]
    assert fills_of(script_of([*rows, (93, 93, 93, 93, 100.0)], {0: LONG}), rules) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -4, 105, Reason.TARGET),
        (3, -3, 95, Reason.STOP),
        (4, -3, 93, Reason.STOP),
    ]
    both = (100, 106, 94, 100, 40.0)
    rows = [*rows[:2], both, (101, 101, 101, 101, 100.0)]
    assert fills_of(script_of(rows, {0: LONG}), replace(rules, target_first=True)) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -4, 105, Reason.TARGET),
        (3, -6, 101, Reason.STOP),
    ]


def test_a_target_that_begins_to_fill_ends_the_entry_of_its_position() -> None:
    rows = [FLAT, (100, 100, 100, 100, 80.0), (106, 106, 106, 106, 30.0), *[(101, 101, 101, 101, 100.0)] * 2]
    assert fills_of(script_of(rows, {0: LONG}), TARGET) == [
        (1, 8, 100, Reason.ENTRY),
        (2, -3, 106, Reason.TARGET),
    ]
    rows[2] = (106, 106, 106, 106, 0.0)  # nothing filled: the entry still works
    assert fills_of(script_of(rows, {0: LONG}), TARGET)[1] == (3, 2, 101, Reason.ENTRY)


def test_a_stopped_position_takes_the_rest_of_its_entry_with_it() -> None:
    """Bug found here: after the stop the rest of a partly filled entry was bought."""
    thin = (100.0, 100.0, 100.0, 100.0, 40.0)
    script = script_of([FLAT, thin, (100, 100, 90, 95, 400.0), (95, 95, 95, 95, 400.0)], {0: LONG})
    rules = replace(RULES, participation=0.1, stop=Level.parse("5pt"), entry_bar=True)
    assert fills_of(script, rules) == [
        (1, 4, 100, Reason.ENTRY),
        (2, 6, 100, Reason.ENTRY),
        (2, -10, 95, Reason.STOP),
    ]
    script = script_of([FLAT, thin, (94, 94, 90, 92, 45.0), (92, 92, 92, 92, 400.0)], {0: LONG})
    assert fills_of(script, rules) == [(1, 4, 100, Reason.ENTRY), (2, -4, 94, Reason.STOP)]


def test_a_partly_filled_exit_goes_on_at_the_next_open_and_blocks_entries() -> None:
    rows = [FLAT, (100, 100, 100, 100, 100.0)] + [(100, 100, 100, 100, 40.0)] * 5
    script = script_of(rows, {0: LONG, 1: OUT, 2: LONG})
    assert fills_of(script, replace(RULES, participation=0.1)) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -4, 100, Reason.SIGNAL),
        (3, -4, 100, Reason.SIGNAL),
        (4, -2, 100, Reason.SIGNAL),
        (4, 2, 100, Reason.ENTRY),
        (5, 4, 100, Reason.ENTRY),
        (6, 4, 100, Reason.ENTRY),
    ]


def test_a_partly_closed_position_is_one_trade_of_its_whole_quantity() -> None:
    rows = [FLAT, (100, 100, 100, 100, 100.0), (101, 101, 101, 101, 60.0), (103, 103, 103, 103, 60.0)]
    [trade] = script_of(rows, {0: LONG, 1: OUT}).run(replace(RULES, participation=0.1)).trades
    assert (trade["quantity"], trade["entry_price"], trade["exit_index"]) == (10, 100, 3)
    assert trade["exit_price"] == pytest.approx((6 * 101 + 4 * 103) / 10)
    assert trade["gross"] == pytest.approx(18.0)


def test_a_bar_without_volume_fills_nothing_under_a_participation_cap() -> None:
    rows = [FLAT, (100, 100, 100, 100, 0.0), (102, 102, 102, 102, 1_000.0)]
    assert fills_of(script_of(rows, {0: LONG}), replace(RULES, participation=0.1)) == [
        (2, 10, 102, Reason.ENTRY)
    ]


@pytest.mark.parametrize(
    ("size", "quantity"),
    [
        ("quantity:7", 7.0),
        ("cash:5000", 50.0),
        ("equity:0.5", 500.0),
        ("equity:3", 1_000.0),  # what cash covers
        ("risk:0.01", 500.0),  # 1,000 to lose, 2 a share
        ("atr:0.01", 1_000.0 / 2.0),  # 1,000 to move by a range of 2
        ("kelly:0.5", 1.0),  # one lot until there are 20 trades
    ],
)
def test_sizes(size: str, quantity: float) -> None:
    script = script_of([(100, 101, 99, 100)] * 20, {15: LONG})
    rules = replace(RULES, size=Size.parse(size), stop=Level.parse("2pt"), lot=1.0)
    assert next(q for _, q, _, reason in fills_of(script, rules) if reason is Reason.ENTRY) == quantity


def test_volatility_target_size() -> None:
    closes = [100.0 if i % 2 else 101.0 for i in range(30)]
    script = script_of([(c, c, c, c) for c in closes], {25: LONG})
    returns = np.diff(closes)[5:25] / np.array(closes)[5:25]
    yearly = returns.std(ddof=1) * np.sqrt(script.market().bars_per_year)
    [fill] = script.run(replace(RULES, size=Size.parse("volatility:0.1"))).fills
    assert fill["quantity"] == pytest.approx(100_000 * 0.1 / yearly / 101.0)


def test_kelly_after_enough_trades() -> None:
    """12 winners of 1 % and 8 losers of 0.5 %: share 0.6, ratio 2, fraction 0.6 - 0.4 / 2 = 0.4."""
    rows, words = [FLAT], {}
    for k in range(20):
        out = 101.0 if k < 12 else 99.5
        words[len(rows) - 1] = LONG
        words[len(rows)] = OUT
        rows += [FLAT, (out, out, out, out), FLAT]
    words[len(rows) - 1] = LONG
    rows += [FLAT]
    outcome = script_of(rows, words).run(replace(RULES, lot=1.0, size=Size.parse("kelly:1")))
    assert outcome.accounts["trades"][0] == 20
    equity = 100_000 + 12 - 8 * 0.5
    assert outcome.fills[-1]["quantity"] == np.floor(equity * 0.4 / 100)


def test_lots_margin_and_multiplier() -> None:
    script = script_of([FLAT, FLAT], {0: LONG})
    rules = replace(RULES, size=Size.parse("equity:10"), lot=75.0)
    assert fills_of(script, rules)[0][1] == 975  # 1,000 shares are 13.3 lots
    assert fills_of(script, replace(rules, margin=0.2))[0][1] == 4_950  # 5,000 are 66.7
    assert fills_of(script, replace(rules, margin=0.2, multiplier=10.0))[0][1] == 450
    poor = replace(rules, cash=7_000.0)
    assert fills_of(script, poor) == []
    assert script.run(poor).accounts["refused"][0] == 1


def test_ruin_is_sold_out() -> None:
    rows = [FLAT, FLAT, (79, 80, 70, 75), (74, 74, 70, 72), (80, 80, 80, 80)]
    script = script_of(rows, {0: LONG})
    rules = replace(RULES, size=Size.parse("equity:5"), margin=0.2)
    assert fills_of(script, rules)[1] == (3, -5_000, 74, Reason.MARGIN)
    assert script.run(rules).curve[-1] == pytest.approx(100_000 - 5_000 * 26)


def test_participation_at_a_close_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="participation"):
        replace(RULES, participation=0.1, fill_at=FillAt.CLOSE)


def test_an_order_is_cut_to_what_equity_covers() -> None:
    rows = [FLAT] + [(100, 100, 100, 100, 4_000.0)] * 2 + [(50, 50, 50, 50, 4_000.0)] * 2
    script = script_of(rows, {0: LONG})
    rules = replace(RULES, size=Size.parse("quantity:800"), participation=0.1, lot=300.0)
    assert fills_of(script, rules) == [(1, 300, 100, Reason.ENTRY), (2, 300, 100, Reason.ENTRY)]


@pytest.mark.parametrize("broker", ["zerodha", "upstox", "5paisa"])
@pytest.mark.parametrize("cash", [60.0, 300.0, 5_000.0])
@pytest.mark.parametrize("margin", [1.0, 0.2])
def test_all_of_a_small_account_is_used(broker: str, cash: float, margin: float) -> None:
    """Bug found here: beside a fee of 20 rupees an order, up to 2 % less was bought than could be."""
    script = script_of([FLAT] * 3, {0: LONG})
    rules = replace(RULES, cash=cash, size=Size.parse("equity:30"), margin=margin)
    charges = table_of(broker, Product.CNC)
    [fill] = script.run(rules, charges).fills
    assert fill["quantity"] == pytest.approx(script.reference(rules, charges).fills[0].quantity, rel=1e-9)
    assert fill["quantity"] * 100.0 * margin + fill["costs"] <= cash * (1.0 + 1e-12)
