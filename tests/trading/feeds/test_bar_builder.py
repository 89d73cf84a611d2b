"""The rules of the bar builder, one by one."""

from dataclasses import replace
from datetime import date

import pytest

from tests.trading.feeds.tick_making import (
    CLOSES,
    EVENING_BEFORE,
    FRIDAY,
    HOURS,
    MINUTE,
    ONE_MINUTE,
    OPENS,
    SECOND,
    hours_of_days,
    index,
    shape,
    share,
)
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.data.resample import SessionSpan
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.bar_rules import BarSettings, EmptyBars
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

NIFTY, RELIANCE = index(), share()
EXACT = BarSettings(lateness_ns=0)


def builder(instrument=NIFTY, settings=EXACT, timeframes=("1m",), hours=HOURS, since=EVENING_BEFORE):
    made = BarBuilder(InstrumentTable(), settings)
    for text in timeframes:
        made.subscribe(instrument, Timeframe.parse(text), hours, since)
    return made


def ticks(seconds, prices, **columns):
    """Ticks of row 0 stamped so many seconds after the open; `received` likewise, else as they are stamped."""
    received = columns.pop("received", None)
    stamps = [OPENS + round(second * SECOND) for second in seconds]
    if received is not None:
        columns["received_ns"] = [OPENS + round(second * SECOND) for second in received]
    return TickBatch.of([0] * len(stamps), stamps, prices, **columns)


def test_a_bar_closes_on_time_without_another_tick():
    made = builder()
    assert made.next_close_ns is None
    assert made.take(ticks([0, 30], [100.0, 101.0])) == []
    assert made.next_close_ns == OPENS + MINUTE
    assert made.advance(OPENS + MINUTE - 1) == []
    assert shape(made.advance(OPENS + MINUTE)) == [(0, 100, 101, 100, 101, 0)]
    assert made.next_close_ns is None
    assert made.advance(OPENS + 5 * MINUTE) == []


def test_a_minute_without_a_tick_has_no_bar_by_default():
    made = builder()
    made.take(ticks([0], [100.0]))
    closed = made.take(ticks([185], [102.0]))
    assert shape(closed + made.advance(CLOSES)) == [(0, 100, 100, 100, 100, 0), (180, 102, 102, 102, 102, 0)]


def test_a_minute_without_a_tick_has_a_flat_bar_when_asked_for():
    made = builder(settings=BarSettings(lateness_ns=0, empty=EmptyBars.FLAT))
    assert made.advance(OPENS + 2 * MINUTE) == []  # nothing is known to be flat at
    made.take(ticks([125], [100.0]))
    assert shape(made.advance(OPENS + 4 * MINUTE)) == [
        (120, 100, 100, 100, 100, 0),
        (180, 100, 100, 100, 100, 0),
    ]
    closed = made.advance(CLOSES + MINUTE)
    assert len(closed) == 375 - 4
    assert {each.ticks for each in closed} == {0}
    assert closed[-1].end_ns == CLOSES
    assert made.next_close_ns is None


def test_a_jump_of_the_clock_makes_every_flat_bar_of_many_instruments_in_order():
    made = BarBuilder(InstrumentTable(), BarSettings(lateness_ns=0, empty=EmptyBars.FLAT))
    for number in range(30):
        made.subscribe(share(f"S{number}"), ONE_MINUTE, HOURS, EVENING_BEFORE)
    made.take(TickBatch.of(range(30), [OPENS] * 30, [float(100 + number) for number in range(30)]))
    closed = made.advance(CLOSES)
    assert [each.end_ns for each in closed] == sorted(each.end_ns for each in closed)
    assert [each.instrument.symbol for each in closed] == [f"S{n}" for n in range(30)] * 375


def test_a_late_tick_is_counted_and_changes_no_bar():
    made = builder(settings=BarSettings(lateness_ns=SECOND))
    made.take(ticks([10, 59], [100.0, 101.0], received=[10, 60.999]))
    assert made.counts.late == 0
    closed = made.take(ticks([59.5], [250.0], received=[61]))
    assert shape(closed) == [(0, 100, 101, 100, 101, 0)]
    assert (made.counts.late, made.counts.taken) == (1, 2)


def test_a_tick_is_late_by_its_arrival_even_if_the_bar_was_not_collected_yet():
    made = builder()
    closed = made.take(ticks([10, 59, 61], [100.0, 999.0, 101.0], received=[10, 60, 61]))
    assert shape(closed) == [(0, 100, 100, 100, 100, 0)]
    assert made.counts.late == 1


def test_ticks_wait_in_the_bar_before_while_the_next_one_is_open():
    made = builder(settings=BarSettings(lateness_ns=2 * SECOND))
    closed = made.take(ticks([10, 60.5, 59], [100.0, 105.0, 99.0], received=[10, 60.6, 61]))
    assert closed == []
    assert shape(made.advance(OPENS + 62 * SECOND)) == [(0, 100, 100, 99, 99, 0)]
    assert shape(made.advance(OPENS + 122 * SECOND)) == [(60, 105, 105, 105, 105, 0)]


def test_out_of_order_inside_a_bar_open_and_close_follow_the_stamps():
    made = builder(settings=BarSettings(lateness_ns=0))
    made.take(ticks([20, 10, 30, 25], [100.0, 98.0, 103.0, 107.0], received=[30, 30, 30, 31]))
    assert shape(made.advance(OPENS + MINUTE)) == [(0, 98, 107, 98, 103, 0)]


def test_exact_repeats_are_one_tick():
    made = builder(RELIANCE)
    made.take(ticks([1, 1, 2], [100.0, 100.0, 100.0], quantity=[5, 5, 5]))
    assert shape(made.advance(OPENS + MINUTE))[0][-1] == 10
    assert made.counts.repeated == 1


def test_volume_is_what_the_total_rose_by():
    made = builder(RELIANCE)
    batch = ticks(
        [1, 20, 59, 61, 150],
        [100.0, 101.0, 102.0, 103.0, 104.0],
        total=[10, 25, 25, 60, 61],
        quantity=[9] * 5,
    )
    closed = made.take(batch) + made.advance(CLOSES)
    # at 59 s nothing had traded: 102 is no trade
    assert shape(closed) == [(0, 100, 101, 100, 101, 25), (60, 103, 103, 103, 103, 35), (120, 104, 104, 104, 104, 1)]  # fmt: skip
    assert all(each.is_complete for each in closed)


def test_the_first_total_after_joining_is_a_base_and_no_trade():
    made = builder(RELIANCE, since=OPENS + 70 * SECOND)
    batch = ticks([71, 80], [500.0, 101.0], total=[1_000_000, 1_000_030], quantity=[7, 30])
    (closed,) = made.take(batch) + made.advance(OPENS + 2 * MINUTE)
    assert shape([closed]) == [(60, 101, 101, 101, 101, 30)]
    assert not closed.is_complete


def test_the_first_total_after_joining_counts_its_trade_where_the_time_of_that_is_told():
    made = builder(RELIANCE, since=OPENS + 70 * SECOND)
    batch = ticks([71], [500.0], total=[1_000_000], quantity=[7], trade_ns=[OPENS + 65 * SECOND])
    made.take(batch)
    assert shape(made.advance(OPENS + 2 * MINUTE)) == [(60, 500, 500, 500, 500, 7)]


def test_a_picture_of_an_old_trade_makes_no_bar():
    made = builder(RELIANCE, since=OPENS + 600 * SECOND)
    made.take(ticks([601], [500.0], total=[1_000_000], quantity=[7], trade_ns=[OPENS + 65 * SECOND]))
    assert made.advance(CLOSES) == []
    assert made.counts.late == 1


def test_a_total_that_falls_counts_its_own_trade_and_leaves_the_bar_incomplete():
    made = builder(RELIANCE)
    batch = ticks(
        [1, 20, 30, 61], [100.0, 101.0, 102.0, 103.0], total=[1000, 1500, 40, 90], quantity=[10, 20, 30, 50]
    )
    closed = made.take(batch) + made.advance(OPENS + 2 * MINUTE)
    assert shape(closed) == [(0, 100, 102, 100, 102, 1530), (60, 103, 103, 103, 103, 50)]
    assert [each.is_complete for each in closed] == [False, True]
    assert made.counts.falls == 1


def test_what_a_late_tick_traded_is_in_no_bar():
    made = builder(RELIANCE)
    batch = ticks([1, 59, 61], [100.0, 101.0, 102.0], total=[10, 70, 75], received=[1, 60.5, 61])
    closed = made.take(batch) + made.advance(OPENS + 2 * MINUTE)
    assert [each.bar.volume for each in closed] == [10, 5]


def test_a_new_trade_date_starts_its_total_at_zero():
    made = builder(RELIANCE, hours=hours_of_days(2))
    weekend = 3 * 86_400
    batch = ticks([1, weekend + 1, weekend + 3], [100.0, 101.0, 102.0], total=[5000, 30, 90])
    closed = made.take(batch) + made.advance(OPENS + (weekend + 60) * SECOND)
    assert [each.bar.volume for each in closed] == [5000, 90]
    assert [each.is_complete for each in closed] == [True, True]


def test_the_pre_open_is_in_no_bar_and_gives_the_auction_price():
    hours = TradingHours(HOURS.spans, ((OPENS - 15 * MINUTE, OPENS),))
    made = builder(RELIANCE, hours=hours)
    since = OPENS - 15 * MINUTE
    assert made.auction_price(RELIANCE, since) is None
    closed = made.take(ticks([-400, -180, 1, 2], [99.0, 99.5, 100.0, 101.0], total=[0, 800, 850, 900]))
    closed += made.advance(OPENS + MINUTE)
    assert shape(closed) == [(0, 100, 101, 100, 101, 100)]
    assert made.auction_price(RELIANCE, since) == 99.5
    assert made.auction_price(RELIANCE, OPENS) is None
    assert made.auction_price(share("TCS"), since) is None
    assert made.counts.preopen == 1  # a total of 0 is no trade


def test_ticks_after_the_session_are_in_no_bar_and_keep_the_volume_of_the_last_one():
    made = builder(RELIANCE, settings=BarSettings(lateness_ns=SECOND))
    day = 375 * 60
    batch = ticks([day - 5, day + 0.2, day - 1], [100.0, 200.0, 101.0], total=[10, 500, 40], received=[day - 5, day + 0.3, day + 0.4])  # fmt: skip
    closed = made.take(batch) + made.advance(CLOSES + SECOND)
    assert [each.bar.volume for each in closed] == [40]
    assert closed[0].bar.close == 101
    assert made.counts.outside == 1


def test_what_trades_in_a_break_is_in_no_bar_even_while_the_last_one_waits():
    spans = (
        SessionSpan(FRIDAY, OPENS, OPENS + MINUTE),
        SessionSpan(FRIDAY, OPENS + 2 * MINUTE, OPENS + 3 * MINUTE),
    )
    made = builder(
        RELIANCE, settings=BarSettings(lateness_ns=SECOND), hours=TradingHours(spans), timeframes=("1m", "1d")
    )
    batch = ticks([5, 60.2, 59, 121], [100.0, 200.0, 101.0, 102.0], total=[10, 500, 40, 530], received=[5, 60.3, 60.4, 121])  # fmt: skip
    closed = made.take(batch) + made.advance(OPENS + 4 * MINUTE)
    assert [(str(each.timeframe), each.bar.volume) for each in closed] == [
        ("1m", 40),
        ("1m", 30),
        ("1d", 530),
    ]
    assert made.counts.outside == 1


def test_a_tick_from_before_a_fall_that_comes_after_it_invents_no_volume():
    made = builder(RELIANCE)
    made.take(ticks([1, 20, 10], [100.0, 101.0, 99.0], total=[1000, 40, 1200], received=[30, 30, 30]))
    (closed,) = made.advance(OPENS + MINUTE)
    assert closed.bar.volume == 1000
    assert closed.bar.low == 99


def test_stamps_ahead_of_the_clock_close_nothing():
    made = builder()
    assert made.take(ticks([1, 3600, 2], [100.0, 500.0, 101.0], received=[1, 1, 2])) == []
    assert made.counts.ahead == 1
    assert shape(made.advance(OPENS + MINUTE)) == [(0, 100, 101, 100, 101, 0)]


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_prices_are_counted(price):
    made = builder()
    made.take(ticks([1], [price]))
    assert made.advance(CLOSES) == []
    assert made.counts.impossible == 1


def test_several_timeframes_come_from_one_tick_short_ones_first():
    made = builder(timeframes=("1h", "1m", "1d", "5m"))
    closed = made.take(ticks([0, 22_499], [100.0, 101.0])) + made.advance(CLOSES)
    assert [str(each.timeframe) for each in closed] == ["1m", "5m", "1h", "1m", "5m", "1h", "1d"]
    assert shape(closed[-1:]) == [(0, 100, 101, 100, 101, 0)]
    assert closed[-2].bar.start_ns == OPENS + 6 * 60 * MINUTE


def test_bars_touched_by_a_gap_or_joined_midway_are_not_complete():
    made = builder(timeframes=("1m", "5m"))
    made.mark_gap(OPENS + 100 * SECOND, None)
    closed = made.take(ticks([0, 70, 130, 190, 250], [100.0, 101.0, 102.0, 103.0, 104.0]))
    made.mark_gap(OPENS + 100 * SECOND, OPENS + 130 * SECOND)
    closed += made.advance(OPENS + 10 * MINUTE)
    told = {(str(each.timeframe), (each.bar.start_ns - OPENS) // MINUTE): each.is_complete for each in closed}
    assert told == {("1m", 0): True, ("1m", 1): False, ("1m", 2): False, ("1m", 3): False, ("1m", 4): True, ("5m", 0): False}  # fmt: skip


def test_a_gap_of_one_instrument_is_not_the_gap_of_another():
    made = builder()
    made.subscribe(RELIANCE, ONE_MINUTE, HOURS, EVENING_BEFORE)
    made.mark_gap(OPENS, OPENS + SECOND, [RELIANCE])
    made.take(TickBatch.of([0, 1], [OPENS, OPENS], [1.0, 2.0]))
    assert [each.is_complete for each in made.advance(OPENS + MINUTE)] == [True, False]


def test_subscribing_and_leaving_disturbs_nobody_else():
    made = builder(timeframes=("1m", "5m"))
    made.subscribe(RELIANCE, ONE_MINUTE, HOURS, EVENING_BEFORE)
    made.subscribe(RELIANCE, ONE_MINUTE, HOURS, EVENING_BEFORE)  # twice is once
    made.take(TickBatch.of([0, 1], [OPENS, OPENS], [1.0, 2.0]))
    made.unsubscribe(NIFTY, ONE_MINUTE)
    made.unsubscribe(NIFTY, ONE_MINUTE)
    made.unsubscribe(share("TCS"), ONE_MINUTE)
    made.subscribe(share("TCS"), ONE_MINUTE, HOURS, EVENING_BEFORE)
    assert [(each.instrument.symbol, str(each.timeframe)) for each in made.advance(OPENS + 5 * MINUTE)] == [("RELIANCE", "1m"), ("NIFTY 50", "5m")]  # fmt: skip
    made.take(TickBatch.of([2], [OPENS + 6 * MINUTE], [3.0]))
    assert [each.instrument.symbol for each in made.advance(OPENS + 7 * MINUTE)] == ["TCS"]
    made.unsubscribe(NIFTY, Timeframe.parse("5m"))
    made.take(TickBatch.of([0, 9], [OPENS + 8 * MINUTE] * 2, [3.0, 3.0]))
    assert made.counts.unwatched == 2
    assert len(list(made.series())) == 2


def test_hours_are_renewed_without_losing_the_open_bar():
    settings = BarSettings(lateness_ns=0, empty=EmptyBars.FLAT)
    made = builder(settings=settings)
    made.take(ticks([22_499], [100.0]))
    assert len(made.advance(CLOSES)) == 1
    assert made.next_close_ns is None
    two = hours_of_days(2)
    made.renew_hours({NIFTY: two})
    assert made.hours_of(NIFTY) == two
    monday = two.spans[1].open_ns
    assert [each.bar.start_ns for each in made.advance(monday + 2 * MINUTE)] == [monday, monday + MINUTE]
    with pytest.raises(UnknownInstrumentError):
        made.renew_hours({RELIANCE: two})


def test_what_cannot_be_built_is_refused_with_a_hint():
    made = builder()
    for text, message in (("1w", "resample"), ("1mo", "resample"), ("2d", "resample")):
        with pytest.raises(InvalidValueError, match=message):
            made.subscribe(NIFTY, Timeframe.parse(text), HOURS, 0)
    slow = BarBuilder(InstrumentTable(), BarSettings(lateness_ns=10 * SECOND))
    with pytest.raises(InvalidValueError, match="too short"):
        slow.subscribe(NIFTY, Timeframe.parse("1s"), HOURS, 0)
    with pytest.raises(InvalidValueError, match="negative"):
        BarSettings(lateness_ns=-1)
    with pytest.raises(InvalidValueError, match="no session"):
        TradingHours(())
    with pytest.raises(InvalidValueError, match="lengths"):
        replace(ticks([1], [1.0]), price=ticks([], []).price)
    with pytest.raises(InvalidValueError, match="go back"):
        ticks([1, 2], [1.0, 1.0], received=[2, 1])


def test_hours_of_the_calendar_have_the_edges_of_resample_and_the_pre_open():
    day = date(2026, 11, 20)
    listed = replace(share(), has_derivatives=True)
    hours = TradingHours.between(listed, day, day)
    assert [(span.open_ns - OPENS) // MINUTE for span in hours.spans] == [
        0,
        360,
    ]  # and the closing auction at 15:15
    assert [((start - OPENS) // MINUTE, (stop - OPENS) // MINUTE) for start, stop in hours.preopens] == [
        (-15, 0)
    ]
