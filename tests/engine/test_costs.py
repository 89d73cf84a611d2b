"""The engine charges what a contract note says of the same fills."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings

from tests.engine.generated import FIRST, long_scripts, table_of, trading_rules
from tests.engine.scripted import FLAT, LONG, OUT, RULES, Script, script_of
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.engine.combinations import Outcome
from trademantra.engine.rules import Size, TradingRules
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.numeric import LEVIES, ChargeRules
from trademantra.markets.charges.orders import ExecutedOrder
from trademantra.markets.charges.rules import Levy

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

DEBIT = (
    15.34  # Zerodha's charge for a debit of the demat account, GST within it, as the tables of 2026 have it
)


def notes_of(
    script: Script, outcome: Outcome, rules: TradingRules, segment: Segment, product: Product, symbol: str
) -> dict[date, tuple[Decimal, bool]]:
    """By day: the total of the unrounded note, each fill an order of its own; and whether both sides were traded."""
    by_day: dict[date, list[ExecutedOrder]] = defaultdict(list)
    for fill in outcome.fills:
        day = date(1970, 1, 1) + timedelta(days=int(script.timeline.day[fill["index"]]))
        by_day[day].append(
            ExecutedOrder(
                exchange=Exchange.NSE, segment=segment, product=product, symbol=symbol,
                side=Side.BUY if fill["side"] > 0 else Side.SELL, quantity=Decimal(float(fill["quantity"])),
                price=Decimal(float(fill["price"])), multiplier=Decimal(rules.multiplier),
            )
        )  # fmt: skip
    return {
        day: (
            contract_note(orders, "zerodha", day, Rounding.UNROUNDED).total,
            len({o.side for o in orders}) == 2,
        )
        for day, orders in by_day.items()
    }


def assume_sold_for_something(outcome: Outcome) -> None:
    """A square-root impact of more than the price sells for nothing, of which there is no note."""
    assume(bool((outcome.fills["price"] > 0.0).all()))


def costs_by_day(script: Script, outcome: Outcome) -> dict[date, float]:
    made: dict[date, float] = defaultdict(float)
    for fill in outcome.fills:
        made[date(1970, 1, 1) + timedelta(days=int(script.timeline.day[fill["index"]]))] += float(
            fill["costs"]
        )
    return made


@settings(max_examples=40, deadline=None)
@given(long_scripts((60, 200)), trading_rules())
def test_intraday_shares(script: Script, rules: TradingRules) -> None:
    rules = replace(rules, multiplier=1.0)
    outcome = script.run(rules, table_of("zerodha", Product.MIS))
    assume_sold_for_something(outcome)
    notes = notes_of(script, outcome, rules, Segment.EQUITY, Product.MIS, "TCS")
    for day, costs in costs_by_day(script, outcome).items():
        assert costs == pytest.approx(float(notes[day][0]), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(long_scripts((60, 200)), trading_rules())
def test_options_carried(script: Script, rules: TradingRules) -> None:
    charges = table_of("zerodha", Product.NRML, Segment.EQUITY_OPTIONS, "NIFTY26NOV24500CE")
    outcome = script.run(rules, charges)
    assume_sold_for_something(outcome)
    notes = notes_of(script, outcome, rules, Segment.EQUITY_OPTIONS, Product.NRML, "NIFTY26NOV24500CE")
    for day, costs in costs_by_day(script, outcome).items():
        assert costs == pytest.approx(float(notes[day][0]), rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(long_scripts((60, 200)), trading_rules())
def test_delivered_shares_with_the_debit_of_each_day(script: Script, rules: TradingRules) -> None:
    """Equal on every day; but where a holding was sold and bought back the same day, the engine, which cannot know
    of the purchase to come, has charged the debit that the net of the day does not need."""
    # whole shares: sums of fractions differ in their last bit, and a note takes that bit for a holding sold
    rules = replace(rules, multiplier=1.0, allow_short=False, lot=max(rules.lot, 1.0))
    outcome = script.run(rules, table_of("zerodha", Product.CNC))
    assume_sold_for_something(outcome)
    notes = notes_of(script, outcome, rules, Segment.EQUITY, Product.CNC, "TCS")
    for day, costs in costs_by_day(script, outcome).items():
        total, both_sides = notes[day]
        over = costs - float(total)
        if both_sides and over > 1.0:
            assert over == pytest.approx(DEBIT, abs=1e-6)
        else:
            assert costs == pytest.approx(float(total), rel=1e-9, abs=1e-9)


def spread_over_days(
    words: dict[int, int], days: Sequence[int], quantity: float = 10.0
) -> tuple[Outcome, ChargeRules]:
    charges = table_of("zerodha", Product.CNC)
    script = script_of([FLAT] * len(days), words, [day * 1_440 + k for k, day in enumerate(days)])  # type: ignore[arg-type]
    return script.run(replace(RULES, size=Size.parse(f"quantity:{quantity}")), charges), charges


def levy(outcome: Outcome, which: Levy) -> float:
    return float(outcome.levies[0, LEVIES.index(which)])


@pytest.mark.parametrize(
    ("words", "days", "debits"),
    [
        ({0: LONG, 2: OUT}, [0, 0, 0, 0], 0),  # bought and sold on one day: nothing was held
        ({0: LONG, 2: OUT}, [0, 0, 0, 1], 1),
        ({0: LONG, 2: OUT, 3: LONG, 4: OUT}, [0, 0, 0, 1, 1, 1], 1),  # and bought again and sold on that day
        ({0: LONG, 2: OUT, 3: LONG, 5: OUT}, [0, 0, 0, 1, 1, 1, 2], 2),
    ],
)
def test_a_debit_is_due_once_a_day_on_which_a_holding_leaves(
    words: dict[int, int], days: list[int], debits: int
) -> None:
    outcome, _ = spread_over_days(words, days)
    assert levy(outcome, Levy.DP) == pytest.approx(DEBIT * debits)


def test_a_partly_filled_sale_of_one_day_is_debited_once() -> None:
    charges = table_of("zerodha", Product.CNC)
    rows = [FLAT] + [(100.0, 100.0, 100.0, 100.0, 40.0)] * 8
    minutes = [0, 1, 2, 3, 1_440, 1_441, 1_442, 1_443, 1_444]
    script = script_of(rows, {0: LONG, 3: OUT}, minutes)
    outcome = script.run(replace(RULES, participation=0.1), charges)
    assert len(outcome.fills) == 6
    assert np.count_nonzero(outcome.fills["costs"][3:] > 10.0) == 1
    assert levy(outcome, Levy.DP) == pytest.approx(DEBIT)


def test_rates_change_on_their_day() -> None:
    """The exchange's rate of 2026-02 holds until 2026-02-28, the next from 2026-03-01 (tables of `markets`)."""
    charges = table_of("zerodha", Product.MIS)
    changed = sorted({int(r["from_day"]) for r in charges} - {int(charges["from_day"].min())})
    assert changed, "the tables have one change after the first day of the tests"
    first = (FIRST - date(1970, 1, 1)).days
    days = [0, 0, changed[0] - first - 1, changed[0] - first]
    script = script_of([FLAT] * 4, {1: LONG, 2: OUT}, [day * 1_440 + k for k, day in enumerate(days)])
    outcome = script.run(RULES, charges)
    notes = notes_of(script, outcome, RULES, Segment.EQUITY, Product.MIS, "TCS")
    assert len(notes) == 2
    for day, costs in costs_by_day(script, outcome).items():
        assert costs == pytest.approx(float(notes[day][0]), rel=1e-12)
