"""Finer bars decide what happens inside a bar.  Numbers by hand."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings

from tests.engine.generated import CHARGES, long_scripts, small_scripts, trading_rules
from tests.engine.scripted import (
    FLAT,
    LONG,
    RULES,
    SCRIPTED,
    Filled,
    Script,
    Word,
    bars_of,
    fills_of,
    script_of,
)
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.finer import lay_inside
from trademantra.engine.records import Reason
from trademantra.engine.rules import FillAt, Level, Slippage, TradingRules
from trademantra.engine.sweep import sweep
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.strategies.registry import load_strategy

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

BRACKET = replace(RULES, stop=Level.parse("5pt"), target=Level.parse("5pt"))
BOTH = (100.0, 106.0, 94.0, 100.0)  # one bar that holds stop and target
UP_FIRST = [(100, 106, 100, 105), (105, 105, 94, 95), (95, 100, 95, 100)]
DOWN_FIRST = [(100, 100, 94, 95), (95, 106, 95, 105), (105, 105, 100, 100)]
Row = tuple[float, ...]


def within(script: Script, *inner: list[Row]) -> Script:
    """The script with the given finer bars inside each of its bars, one nanosecond apart."""
    assert len(inner) == len(script.bars)
    rows = [(*row, 1_000.0) if len(row) == 4 else row for each in inner for row in each]
    times = [int(ts) + k for ts, each in zip(script.bars.ts, inner, strict=True) for k in range(len(each))]
    return replace(script, finer=Bars.of(times, *zip(*rows, strict=True)))


def filled(
    rows: list[Row], words: dict[int, Word | int], inner: dict[int, list[Row]], rules: TradingRules
) -> list[Filled]:
    script = script_of(rows, words)
    return fills_of(within(script, *(inner.get(i, [row]) for i, row in enumerate(rows))), rules)


def test_the_order_of_the_finer_bars_decides_between_stop_and_target() -> None:
    rows = [FLAT, FLAT, BOTH, FLAT]
    assert fills_of(script_of(rows, {0: LONG}), BRACKET)[1] == (2, -10, 95, Reason.STOP)
    assert filled(rows, {0: LONG}, {2: UP_FIRST}, BRACKET)[1] == (2, -10, 105, Reason.TARGET)
    assert filled(rows, {0: LONG}, {2: DOWN_FIRST}, BRACKET)[1] == (2, -10, 95, Reason.STOP)
    wrong = replace(BRACKET, target_first=True)  # an assumption that finer bars put right
    assert filled(rows, {0: LONG}, {2: DOWN_FIRST}, wrong)[1] == (2, -10, 95, Reason.STOP)


def test_ticks_are_bars_of_one_price() -> None:
    ticks: list[Row] = [(p, p, p, p) for p in (100.0, 103.0, 106.0, 94.0, 100.0)]
    assert filled([FLAT, FLAT, BOTH], {0: LONG}, {2: ticks}, BRACKET)[1] == (2, -10, 106, Reason.TARGET)
    ticks = [(p, p, p, p) for p in (100.0, 94.0, 106.0, 100.0)]
    assert filled([FLAT, FLAT, BOTH], {0: LONG}, {2: ticks}, BRACKET)[1] == (2, -10, 94, Reason.STOP)


def test_a_limit_entry_inside_a_bar_earns_the_target_that_comes_after_it() -> None:
    rows = [FLAT, (100, 107, 97, 100)]
    word = Word(LONG, limit=-40)  # at 98
    rules = replace(RULES, target=Level.parse("5pt"))
    assert len(fills_of(script_of(rows, {0: word}), rules)) == 1  # the high may lie before the entry
    up_after: list[Row] = [(100, 100, 97, 98), (98, 107, 98, 100)]
    assert filled(rows, {0: word}, {1: up_after}, rules) == [
        (1, 10, 98, Reason.ENTRY),
        (1, -10, 103, Reason.TARGET),
    ]
    up_before: list[Row] = [(100, 107, 100, 100), (100, 100, 97, 100)]
    assert filled(rows, {0: word}, {1: up_before}, rules) == [(1, 10, 98, Reason.ENTRY)]


def test_a_trailing_stop_follows_inside_the_bar() -> None:
    rules = replace(RULES, trail=Level.parse("3pt"))
    rows = [FLAT, FLAT, (100, 110, 100, 106), FLAT]
    assert fills_of(script_of(rows, {0: LONG}), rules)[1] == (3, -10, 100, Reason.TRAIL)
    inner: list[Row] = [(100, 110, 100, 110), (110, 110, 104, 106)]
    assert filled(rows, {0: LONG}, {2: inner}, rules)[1] == (2, -10, 107, Reason.TRAIL)


def test_market_decisions_fill_at_the_open_and_what_is_left_in_the_next_finer_bars() -> None:
    rows: list[Row] = [(*FLAT, 100.0), (101, 103, 101, 103, 90.0), (*FLAT, 100.0)]
    inner: list[Row] = [(101, 101, 101, 101, 30.0), (102, 102, 102, 102, 40.0), (103, 103, 103, 103, 20.0)]
    rules = replace(RULES, participation=0.1)
    assert filled(rows, {0: LONG}, {1: inner}, rules) == [
        (1, 3, 101, Reason.ENTRY),
        (1, 4, 102, Reason.ENTRY),
        (1, 2, 103, Reason.ENTRY),
        (2, 1, 100, Reason.ENTRY),
    ]


def test_time_exit_and_the_age_of_an_entry_count_whole_bars() -> None:
    three: dict[int, list[Row]] = dict.fromkeys(range(8), [FLAT] * 3)
    rows = [FLAT] * 8
    assert filled(rows, {0: LONG}, three, replace(RULES, time_exit=3)) == [
        (1, 10, 100, Reason.ENTRY),
        (4, -10, 100, Reason.TIME),
    ]
    close = replace(RULES, time_exit=3, fill_at=FillAt.CLOSE)
    assert filled(rows, {0: LONG}, three, close)[1] == (3, -10, 100, Reason.TIME)
    rests = replace(RULES, entry_valid=2)
    low: Row = (100, 100, 98, 100)
    for at, count in ((2, 1), (3, 0)):  # a limit at 99 rests for bars 1 and 2
        rows = [low if i == at else FLAT for i in range(5)]
        inner = three | {at: [FLAT, FLAT, low]}
        assert len(filled(rows, {0: Word(LONG, limit=-20)}, inner, rests)) == count


def test_protection_that_begins_with_the_next_bar_waits_for_the_next_whole_bar() -> None:
    falls: list[Row] = [FLAT, (100, 100, 94, 96), (94, 96, 94, 96)]
    rows = [FLAT, (100, 100, 94, 96), (96, 96, 96, 96), (96, 96, 94, 94)]
    rules = replace(RULES, stop=Level.parse("5pt"), entry_bar=False)
    assert filled(rows, {0: LONG}, {1: falls}, rules)[1:] == [(3, -10, 95, Reason.STOP)]
    assert filled(rows, {0: LONG}, {1: falls}, replace(rules, entry_bar=True))[1:] == [
        (1, -10, 95, Reason.STOP)
    ]


def test_square_off_comes_at_the_first_finer_bar() -> None:
    rows = [FLAT] * 4
    script = script_of(rows, {0: LONG}, [0, 1, 2, 3])
    script = replace(script, timeline=by_days(script.bars.ts).with_square_off(2))
    inner: list[Row] = [(100, 100, 100, 100), (100, 100, 100, 100)]
    fills = within(script, *[inner] * 4).run(RULES).fills
    assert fills["index"].tolist() == [1, 2]
    assert fills["reason"].tolist() == [Reason.ENTRY, Reason.SQUARE_OFF]


def test_slippage_and_room_are_those_of_the_finer_bar() -> None:
    inner: list[Row] = [(100, 101, 100, 101, 50.0), (101, 110, 101, 100.5, 1_000.0)]
    inner[1] = (101, 110, 100, 100, 1_000.0)
    rows: list[Row] = [FLAT, (100, 110, 100, 100, 1_050.0)]
    rules = replace(RULES, slippage=Slippage.parse("range:0.5"))
    assert filled(rows, {0: LONG}, {1: inner}, rules) == [(1, 10, 100.5, Reason.ENTRY)]


@settings(max_examples=200, deadline=None)
@given(small_scripts(), trading_rules(), CHARGES)
def test_bars_that_are_their_own_finer_bars_give_the_same_bits(
    script: Script, rules: TradingRules, charges: ChargeRules
) -> None:
    assert_same_bits(script, rules, charges)


@settings(max_examples=60, deadline=None)
@given(long_scripts((60, 511, 513, 1_025)), trading_rules(), CHARGES)
def test_long_bars_that_are_their_own_finer_bars_give_the_same_bits(
    script: Script, rules: TradingRules, charges: ChargeRules
) -> None:
    assert_same_bits(script, rules, charges)


def assert_same_bits(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    coarse, fine = script.run(rules, charges), replace(script, finer=script.bars).run(rules, charges)
    for name in ("fills", "trades", "curve", "accounts", "levies"):
        assert getattr(coarse, name).tobytes() == getattr(fine, name).tobytes(), name


DAY = bars_of([FLAT, BOTH, FLAT])


@pytest.mark.parametrize(
    ("rows", "minutes", "told"),
    [
        (
            [FLAT, FLAT, *UP_FIRST, FLAT],
            [-1, 0, 1, 1, 1, 2],
            "",
        ),  # what lies before the first bar is left out
        ([FLAT, *UP_FIRST], [0, 1, 1, 1], "bar 2 .*no finer bar"),
        ([*UP_FIRST, FLAT], [1, 1, 1, 2], "bar 0 .*no finer bar"),
        ([FLAT, (101, 106, 94, 100), FLAT], [0, 1, 2], "bar 1 .*open at 101, it opens at 100"),
        ([FLAT, (100, 106, 94, 101), FLAT], [0, 1, 2], "bar 1 .*close at 101, it closes at 100"),
        ([FLAT, (100, 107, 94, 100), FLAT], [0, 1, 2], "bar 1 .*rise to 107, it has the high 106"),
        ([FLAT, (100, 106, 93, 100), FLAT], [0, 1, 2], "bar 1 .*fall to 93, it has the low 94"),
        ([(100, 101, 100, 100), (99, 106, 93, 100), FLAT], [0, 1, 2], "bar 0 .*rise to 101"),
        ([FLAT, *UP_FIRST, FLAT, (101, 101, 101, 101)], [0, 1, 1, 1, 2, 9], "bar 2 .*rise to|bar 2 .*close"),
    ],
)
def test_finer_bars_that_do_not_fit_are_named(rows: list[Row], minutes: list[int], told: str) -> None:
    start = int(DAY.ts[0])
    times = [start + minute * 60_000_000_000 + k for k, minute in enumerate(minutes)]
    times[0] -= 1 if minutes[0] < 0 else 0
    finer = Bars.of(times, *zip(*((*row, 1.0) for row in rows), strict=True))
    if not told:
        assert lay_inside("X", DAY, finer).inside.tolist() == [1, 2, 5, 6]
        return
    with pytest.raises(InvalidValueError, match=f"X: {told}"):
        lay_inside("X", DAY, finer)


def given_of(finer: dict[str, Bars]) -> BacktestInput:
    return BacktestInput({"X": DAY}, {"X": by_days(DAY.ts)}, finer=finer)


def test_what_does_not_look_inside_bars_says_so() -> None:
    many = bars_of([FLAT] * 300)
    given = BacktestInput({"X": many}, {"X": by_days(many.ts)}, finer={"X": many})
    cross = load_strategy("sma_cross")
    with pytest.raises(InvalidValueError, match="sweep of sma_cross"):
        sweep(cross, given, {"fast": [5.0]})  # type: ignore[arg-type]
    pair = BacktestInput({"X": many, "Y": many}, {n: by_days(many.ts) for n in "XY"}, finer={"X": many})
    with pytest.raises(InvalidValueError, match="dual_momentum"):
        backtest(load_strategy("dual_momentum"), pair)
    with pytest.raises(InvalidValueError, match="finer bars of Y"):
        backtest(SCRIPTED, given_of({"Y": DAY}))


class Buys(EventStrategy):
    name: ClassVar[str] = "buys"
    title: ClassVar[str] = "Buys"
    idea: ClassVar[str] = "For tests."
    source: ClassVar[str] = "tests"
    market: ClassVar[str] = "none"
    rules: ClassVar[TradingRules] = BRACKET

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index == 0:
            context.buy(bar.symbol)


def test_event_strategies_see_whole_bars_and_fill_inside_them() -> None:
    """Of two instruments only the one that has finer bars is decided by them."""
    bars = bars_of([FLAT, FLAT, BOTH])
    script = within(script_of([FLAT, FLAT, BOTH], {}), [FLAT] * 2, [FLAT] * 3, list(UP_FIRST))
    assert script.finer is not None
    given = BacktestInput(
        {"X": bars, "Y": bars}, {n: by_days(bars.ts) for n in "XY"}, finer={"X": script.finer}
    )
    result = backtest(Buys, given)
    reasons = {int(t["instrument"]): Reason(int(t["reason"])) for t in result.trades}
    assert reasons == {0: Reason.TARGET, 1: Reason.STOP}
    assert result.fills["index"].tolist() == [1, 1, 2, 2]
    assert len(result.curve) == 3
    assert result.given.fingerprint != replace(given, finer={}).fingerprint


def test_many_fills_inside_one_bar_are_all_kept() -> None:
    count = 500
    whole: Row = (100, 100, 100, 100, 500.0)
    bars = bars_of([whole] * 3)
    times = [int(ts) + k for ts in bars.ts for k in range(count)]
    finer = Bars.of(times, *[[100.0] * len(times)] * 4, [1.0] * len(times))
    rules = replace(RULES, participation=0.1)
    given = BacktestInput({"X": bars}, {"X": by_days(bars.ts)}, finer={"X": finer})

    class Greedy(Buys):
        def on_bar(self, context: Context, bar: BarView) -> None:
            if bar.index == 0:
                context.buy(quantity=45)

    fills = backtest(Greedy, given, rules=rules).fills
    assert len(fills) == 450
    np.testing.assert_allclose(fills["quantity"], 0.1)
