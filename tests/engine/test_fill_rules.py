"""Every fill rule, switched on and off, on a few bars with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.scripted import FLAT, LONG, OUT, RULES, SHORT, Script, Word, calendar, fills_of, script_of
from trademantra.engine.compile import uncompiled
from trademantra.engine.grid import snapped
from trademantra.engine.records import Reason
from trademantra.engine.rules import FillAt, Level, Slippage

_snapped = uncompiled(snapped)
pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


def test_next_open_or_same_close() -> None:
    script = script_of(
        [FLAT, (101, 103, 99, 102), (104, 105, 103, 104), (106, 106, 105, 105)], {1: LONG, 2: OUT}
    )
    assert fills_of(script, RULES) == [(2, 10, 104, Reason.ENTRY), (3, -10, 106, Reason.SIGNAL)]
    at_close = replace(RULES, fill_at=FillAt.CLOSE)
    assert fills_of(script, at_close) == [(1, 10, 102, Reason.ENTRY), (2, -10, 104, Reason.SIGNAL)]


def test_a_decision_on_the_last_bar_is_never_filled_at_an_open() -> None:
    script = script_of([FLAT, FLAT, FLAT], {2: LONG})
    assert fills_of(script, RULES) == []
    assert fills_of(script, replace(RULES, fill_at=FillAt.CLOSE)) == [(2, 10, 100, Reason.ENTRY)]


@pytest.mark.parametrize(("opening", "price"), [(99, 98), (98, 98), (95, 95)])
def test_a_stop_fills_at_its_level_or_at_the_open_that_gapped_through(opening: float, price: float) -> None:
    script = script_of([FLAT, FLAT, (opening, 99, 94, 96)], {0: LONG})
    rules = replace(RULES, stop=Level.parse("2%"))
    assert fills_of(script, rules) == [(1, 10, 100, Reason.ENTRY), (2, -10, price, Reason.STOP)]


@pytest.mark.parametrize(("opening", "price"), [(101, 102.51), (103, 103)])
def test_a_target_fills_at_its_level_or_at_a_better_open(opening: float, price: float) -> None:
    script = script_of([FLAT, FLAT, (opening, 104, 100, 101)], {0: LONG})
    rules = replace(RULES, target=Level.parse("2%"), slippage=Slippage.parse("bps:50"))
    # the entry is a market order and slips, the target is a limit order and does not
    assert fills_of(script, rules) == [(1, 10, 100.5, Reason.ENTRY), (2, -10, price, Reason.TARGET)]


def test_stop_before_target_or_the_other_way_round() -> None:
    script = script_of([FLAT, FLAT, (100, 103, 97, 100)], {0: LONG})
    rules = replace(RULES, stop=Level.parse("2pt"), target=Level.parse("2pt"))
    assert fills_of(script, rules)[1] == (2, -10, 98, Reason.STOP)
    assert fills_of(script, replace(rules, target_first=True))[1] == (2, -10, 102, Reason.TARGET)
    short = script_of([FLAT, FLAT, (100, 103, 97, 100)], {0: SHORT})
    assert fills_of(short, rules)[1] == (2, 10, 102, Reason.STOP)
    assert fills_of(short, replace(rules, target_first=True))[1] == (2, 10, 98, Reason.TARGET)


def test_entry_bar_protection() -> None:
    script = script_of([FLAT, (100, 103, 97, 100), FLAT], {0: LONG})
    rules = replace(RULES, stop=Level.parse("2pt"))
    assert fills_of(script, rules) == [(1, 10, 100, Reason.ENTRY), (1, -10, 98, Reason.STOP)]
    assert fills_of(script, replace(rules, entry_bar=False)) == [(1, 10, 100, Reason.ENTRY)]


@pytest.mark.parametrize(
    ("low", "touch", "expected"),
    [
        (99.0, False, []),
        (99.0, True, [(1, 10, 99, Reason.ENTRY)]),
        (98.95, False, [(1, 10, 99, Reason.ENTRY)]),
    ],
)
def test_limits_fill_through_or_on_touch(low: float, touch: bool, expected: list[object]) -> None:
    script = script_of([FLAT, (100, 100, low, 100), FLAT], {0: Word(LONG, limit=-20)})
    assert fills_of(script, replace(RULES, limit_touch=touch)) == expected


def test_a_limit_gets_a_better_open_without_slippage() -> None:
    script = script_of([FLAT, (98, 100, 97, 99)], {0: Word(LONG, limit=-20)})
    assert fills_of(script, replace(RULES, slippage=Slippage.parse("bps:50"))) == [(1, 10, 98, Reason.ENTRY)]


@pytest.mark.parametrize("high", [102.0, 102.05])
@pytest.mark.parametrize("opening", [101.0, 102.0])
def test_a_target_is_a_limit_too(high: float, opening: float) -> None:
    """It needs a trade through its level, at the open as well as inside the bar, unless a touch is enough."""
    script = script_of([FLAT, FLAT, (opening, high, 100, 101), FLAT], {0: LONG})
    rules = replace(RULES, target=Level.parse("2pt"))
    through = [(2, -10, 102, Reason.TARGET)] if high > 102.0 else []
    assert fills_of(script, rules)[1:] == through
    assert fills_of(script, replace(rules, limit_touch=True))[1:] == [(2, -10, 102, Reason.TARGET)]


def test_after_a_limit_entry_the_best_price_of_its_bar_earns_no_target() -> None:
    script = script_of([FLAT, (100, 105, 98, 99), (99, 99.5, 98.5, 99)], {0: Word(LONG, limit=-20)})
    rules = replace(RULES, target=Level.parse("2pt"), trail=Level.parse("3pt"))
    # nor does it raise the trailing stop: 105 - 3 would have sold at the next open
    assert fills_of(script, rules) == [(1, 10, 99, Reason.ENTRY)]


def test_stop_entries_fill_at_the_trigger_or_at_a_gap() -> None:
    inside = script_of([FLAT, (100, 102, 99, 101)], {0: Word(LONG, trigger=20)})
    assert fills_of(inside, RULES) == [(1, 10, 101, Reason.ENTRY)]
    gapped = script_of([FLAT, (103, 104, 102, 103)], {0: Word(LONG, trigger=20)})
    assert fills_of(gapped, RULES) == [(1, 10, 103, Reason.ENTRY)]
    never = script_of([FLAT, (100, 100.95, 99, 100)], {0: Word(LONG, trigger=20)})
    assert fills_of(never, RULES) == []


@pytest.mark.parametrize(("trail", "level"), [("5%", 104.5), ("3pt", 107.0)])
def test_a_trailing_stop_follows_the_best_price_so_far(trail: str, level: float) -> None:
    rows = [FLAT, FLAT, (100, 110, 100, 109), (109, 109, 104, 105)]
    script = script_of(rows, {0: LONG})
    rules = replace(RULES, trail=Level.parse(trail))
    assert fills_of(script, rules)[1] == (3, -10, level, Reason.TRAIL)
    # the high of a bar does not serve the stop of the same bar: bar 2 fell to 100 after its high or before it
    mirror = script_of([tuple(200.0 - x for x in (o, lo, h, c)) for o, h, lo, c in rows], {0: SHORT})
    points = fills_of(mirror, replace(RULES, trail=Level.parse("3pt")))
    assert points[1] == (3, 10, 93, Reason.TRAIL)


def test_a_trailing_stop_of_average_ranges() -> None:
    rows = [(100, 101, 99, 100)] * 16 + [(100, 110, 100, 109), (109, 109, 105, 105)]
    script = script_of(rows, {14: LONG})  # the range has been 2 for 14 bars
    rules = replace(RULES, trail=Level.parse("2atr"))
    assert fills_of(script, rules)[1] == (17, -10, 106, Reason.TRAIL)


def test_an_entry_whose_atr_stop_has_no_distance_yet_is_refused() -> None:
    script = script_of([(100, 101, 99, 100)] * 5 + [(50, 50, 40, 45)], {0: LONG})
    assert fills_of(script, replace(RULES, stop=Level.parse("2atr"))) == []


@pytest.mark.parametrize("bars", [1, 2, 4])
@pytest.mark.parametrize("fill_at", FillAt)
def test_a_time_exit_comes_so_many_bars_after_the_entry(bars: int, fill_at: FillAt) -> None:
    """Bug found here: at the close, 1 and 2 bars were the same."""
    script = script_of([FLAT] * 10, {2: LONG})
    entry = 2 if fill_at is FillAt.CLOSE else 3
    assert fills_of(script, replace(RULES, time_exit=bars, fill_at=fill_at)) == [
        (entry, 10, 100, Reason.ENTRY),
        (entry + bars, -10, 100, Reason.TIME),
    ]


def test_square_off_at_the_minute_or_at_the_last_bar() -> None:
    script = script_of([FLAT] * 10, {1: LONG, 4: LONG, 6: LONG}, calendar([5, 5]))
    marked = replace(script, timeline=script.timeline.with_square_off(3))
    # day one is left at minute 3; what is said at the last close and at minute 2 or later enters no more
    assert fills_of(marked, RULES) == [
        (2, 10, 100, Reason.ENTRY),
        (3, -10, 100, Reason.SQUARE_OFF),
        (7, 10, 100, Reason.ENTRY),
        (8, -10, 100, Reason.SQUARE_OFF),
    ]
    late = replace(script, timeline=script.timeline.with_square_off(60))
    assert fills_of(late, RULES)[:2] == [(2, 10, 100, Reason.ENTRY), (4, -10, 100, Reason.SQUARE_OFF)]
    assert fills_of(script, RULES) == [(2, 10, 100, Reason.ENTRY)]


@pytest.mark.parametrize("fill_at", FillAt)
def test_no_entry_at_or_after_the_last_minute(fill_at: FillAt) -> None:
    """A decision at the close of minute 2 happens at minute 3, whether it fills there or at the next open."""
    for minute, filled in ((1, True), (2, False), (3, False)):
        script = script_of([FLAT] * 8, {minute: LONG}, calendar([8]))
        marked = replace(script, timeline=script.timeline.with_square_off(6, 3))
        assert (len(fills_of(marked, replace(RULES, fill_at=fill_at))) > 0) is filled


def test_a_resting_entry_does_not_survive_the_square_off() -> None:
    rows = [FLAT] * 4 + [(100, 100, 90, 95)] * 4
    script = script_of(rows, {1: Word(LONG, limit=-100)}, calendar([4, 4]))
    assert fills_of(script, RULES) == [(4, 10, 95, Reason.ENTRY)]
    marked = replace(script, timeline=script.timeline.with_square_off(3))
    assert fills_of(marked, RULES) == []


def test_pyramiding_to_a_limit_and_the_average_moves_the_stop() -> None:
    rows = [FLAT, FLAT, (110, 110, 110, 110), (110, 110, 110, 110), (110, 110, 95, 95)]
    script = script_of(rows, {0: LONG, 1: LONG, 2: LONG})
    stop = Level.parse("10pt")
    assert fills_of(script, replace(RULES, stop=stop)) == [(1, 10, 100, Reason.ENTRY)]
    both = fills_of(script, replace(RULES, max_entries=2, stop=stop))
    assert both[:2] == [(1, 10, 100, Reason.ENTRY), (2, 10, 110, Reason.ENTRY)]
    assert both[2] == (4, -20, 95, Reason.STOP)  # average 105, less 10
    assert len(fills_of(script, replace(RULES, max_entries=3))) == 3


def test_an_addition_without_levels_keeps_those_of_the_position() -> None:
    """Bug found here: the addition took the stop away and the position was unprotected."""
    rows = [FLAT, FLAT, FLAT, (100, 100, 90, 91), (91, 91, 91, 91)]
    script = script_of(rows, {0: Word(LONG, stop=-100, target=400), 1: LONG})
    rules = replace(RULES, max_entries=2)
    assert fills_of(script, rules)[2:] == [(3, -20, 95, Reason.STOP)]
    up = script_of([FLAT, FLAT, FLAT, (100, 121, 100, 120)], {0: Word(LONG, stop=-100, target=400), 1: LONG})
    assert fills_of(up, rules)[2:] == [(3, -20, 120, Reason.TARGET)]


def test_a_reversal_is_an_exit_and_an_entry_at_one_price() -> None:
    script = script_of([FLAT, FLAT, (105, 105, 105, 105)], {0: LONG, 1: SHORT})
    outcome = script.run(RULES)
    assert fills_of(script, RULES) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -10, 105, Reason.SIGNAL),
        (2, -10, 105, Reason.ENTRY),
    ]
    [trade] = outcome.trades
    assert (trade["entry_price"], trade["exit_price"], trade["net"]) == (100.0, 105.0, 50.0)
    assert outcome.accounts["quantity"][0] == -10
    assert fills_of(script, replace(RULES, allow_short=False)) == [(1, 10, 100, Reason.ENTRY)]


@pytest.mark.parametrize(
    ("slippage", "tick", "price"),
    [
        ("bps:10", 0.0, 100.1),
        ("ticks:3", 0.05, 100.15),
        ("range:0.25", 0.0, 101.0),
        ("impact:0.5", 0.0, 105.0),  # 100 x 0.5 x sqrt(10 / 1000)
        ("bps:1", 0.05, 100.05),  # outward to the tick
        ("none", 0.05, 100.0),
    ],
)
def test_slippage(slippage: str, tick: float, price: float) -> None:
    script = script_of([FLAT, (100, 102, 98, 100, 1_000.0)], {0: LONG})
    rules = replace(RULES, slippage=Slippage.parse(slippage), tick=tick)
    assert fills_of(script, rules) == [(1, 10, price, Reason.ENTRY)]
    short = script_of([FLAT, (100, 102, 98, 100, 1_000.0)], {0: SHORT})
    assert fills_of(short, rules) == [(1, -10, round(200.0 - price, 9), Reason.ENTRY)]


def test_an_entry_that_rests_too_long_is_cancelled() -> None:
    rows = [FLAT, FLAT, FLAT, (100, 100, 90, 95)]
    script = script_of(rows, {0: Word(LONG, limit=-100)})
    assert fills_of(script, replace(RULES, entry_valid=2)) == []
    assert fills_of(script, replace(RULES, entry_valid=3)) == [(3, 10, 95, Reason.ENTRY)]


def banded(script: Script, bands: list[tuple[float, float]]) -> Script:
    return replace(script, bands=np.array(bands).T.copy())


def test_a_locked_limit_refuses_entries_and_holds_exits() -> None:
    rows = [FLAT, (110, 110, 110, 110), (90, 90, 90, 90), (80, 85, 80, 85)]
    free = (1.0, 1_000.0)
    up = banded(script_of(rows, {0: LONG}), [free, (90.0, 110.0), free, free])
    assert fills_of(up, RULES) == []
    assert up.run(RULES).accounts["refused"][0] == 1
    down = banded(script_of(rows, {0: LONG, 1: OUT}), [free, free, (90.0, 130.0), free])
    assert fills_of(down, RULES) == [(1, 10, 110, Reason.ENTRY), (3, -10, 80, Reason.SIGNAL)]
    sold = banded(script_of(rows, {0: SHORT}), [free, (110.0, 130.0), free, free])
    assert fills_of(sold, RULES) == []
    unknown = banded(script_of(rows, {0: LONG}), [free, (np.nan, np.nan), free, free])
    assert fills_of(unknown, RULES) == [(1, 10, 110, Reason.ENTRY)]


def test_slippage_ends_at_the_circuit_limit() -> None:
    script = banded(script_of([FLAT, (100, 101, 99, 100)], {0: LONG}), [(90, 110), (90, 101)])
    assert fills_of(script, replace(RULES, slippage=Slippage.parse("bps:500"))) == [
        (1, 10, 101, Reason.ENTRY)
    ]


def test_at_a_locked_close_no_entry_slips_past_the_exit_that_waits() -> None:
    """Bug found here: with fills at the close the position was added to while its exit waited."""
    free = (1.0, 1_000.0)
    script = banded(
        script_of([FLAT, (90, 90, 90, 90), (91, 92, 91, 91)], {0: LONG, 1: OUT | LONG}),
        [free, (90, 99), free],
    )
    rules = replace(RULES, fill_at=FillAt.CLOSE, max_entries=5)
    assert fills_of(script, rules)[:2] == [(0, 10, 100, Reason.ENTRY), (2, -10, 91, Reason.SIGNAL)]


@pytest.mark.parametrize(
    ("word", "price"),
    [
        (Word(LONG, target=-20), 100.0),  # a target of 99 below an entry at the open of 100
        (Word(LONG, limit=-20, stop=40), 99.0),  # a stop of 102 above an entry at 99
        (Word(LONG, trigger=20, target=-20), 101.0),
        (Word(SHORT, target=20), 100.0),
        (Word(SHORT, limit=20, stop=-40), 101.0),
    ],
)
def test_a_level_on_the_wrong_side_gives_no_price_that_was_not_there(word: Word, price: float) -> None:
    """Bug found here: a stop above a limit entry sold at the stop and earned what no market had paid."""
    entry, leave = fills_of(script_of([FLAT, (100, 101.5, 98.5, 100), FLAT], {0: word}), RULES)
    assert entry[2] == leave[2] == price
    assert leave[0] == 1


@given(
    st.integers(1, 2_000_000), st.integers(-200, 200), st.sampled_from((1.0, 10.0, 100.0, 1_000.0, 10_000.0))
)
def test_a_level_is_the_float_of_its_price_whatever_grid_the_bars_so_far_show(
    paise: int, ticks: int, scale: float
) -> None:
    level = paise / 100.0 + ticks * 0.05
    assert _snapped(level, scale) == (paise + 5 * ticks) / 100.0


def test_a_level_that_is_off_the_grid_by_rounding_alone_is_on_it() -> None:
    noisy = (
        100.0 + 0.1 + 0.1 + 0.1 - 0.2
    )  # 100.10000000000001 or so: the tick of 100.10 with an error of addition
    assert noisy != 100.1
    assert _snapped(noisy, 100.0) == 100.1
    assert _snapped(100.1049, 100.0) == 100.1049  # really between two ticks: it stays
    assert _snapped(float("nan"), 100.0) != _snapped(float("nan"), 100.0)
    assert _snapped(noisy, 0.0) == noisy  # the bars carry such noise themselves
    assert _snapped(0.05000001, 1e8) == 0.05000001  # a step of a finer grid is no noise
    # 11 ticks of 0.05 below a close of 100.65 are 100.10000000000001
    bars = [(100.65, 100.65, 100.65, 100.65), (100.2, 100.2, 100.1, 100.15), (100.2, 100.2, 100.15, 100.2)]
    assert 100.65 + (-11) * 0.05 > 100.1
    touching = replace(RULES, limit_touch=True)
    script = script_of(bars, {0: Word(LONG, limit=-11)})
    assert fills_of(script, RULES) == []  # touched, not traded through
    assert fills_of(script, touching) == [(1, 10, 100.1, Reason.ENTRY)]
