from datetime import date, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.bar_making import bars_at, same
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, datetime_of, ist_ns
from trademantra.data.resample import (
    Outside,
    SessionSpan,
    bars_from_prices,
    count_outside,
    daily_spans,
    resample,
    utc_day_spans,
)
from trademantra.data.spans import closing_auctions, spans_for
from trademantra.engine.bars import Bars
from trademantra.markets.sessions.schedule import sessions_between

OPEN, CLOSE = time(9, 15), time(15, 30)
MONDAY = date(2026, 11, 16)


def timeframe(text):
    return Timeframe.parse(text)


def weekdays(first, count):
    days = (first + timedelta(days=i) for i in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def grid(spans, step=NANOSECONDS_PER_MINUTE):
    return np.concatenate([np.arange(start, stop, step) for span in spans for start, stop in span.continuous])


def local(bars):
    return [f"{datetime_of(int(ns), IST):%m-%d %H:%M}" for ns in bars.ts]


@st.composite
def minute_bars(draw):
    """Minutes of some sessions of odd lengths, with holes, and the sessions."""
    days = weekdays(date(2026, draw(st.integers(1, 12)), 1), draw(st.integers(1, 30)))
    spans = daily_spans(
        days, OPEN, draw(st.sampled_from([time(9, 16), time(10, 2), time(11, 0), time(12, 31)]))
    )
    every = grid(spans)
    kept = np.random.default_rng(draw(st.integers(0, 2**32))).random(len(every)) < draw(
        st.sampled_from([0.02, 0.6, 1.0])
    )
    return bars_at(every[kept], draw(st.integers(0, 1000))), spans


def key_of(ns, spans, target):
    """What a person would say: which bar does this minute belong to?"""
    span = next(s for s in spans if s.open_ns <= ns < s.close_ns)
    if target.is_intraday:
        return span.open_ns, (ns - span.open_ns) // target.length_ns
    year, week, _ = span.trade_date.isocalendar()
    return {"d": span.trade_date, "w": (year, week), "mo": (span.trade_date.year, span.trade_date.month)}[
        target.unit
    ]


@settings(max_examples=60, deadline=None)
@given(minute_bars(), st.sampled_from(["2m", "5m", "7m", "15m", "25m", "1h", "4h", "1d", "1w", "1mo"]))
def test_each_long_bar_is_what_its_minutes_say_one_by_one(made, text):
    bars, spans = made
    target = timeframe(text)
    groups = {}
    for i, ns in enumerate(bars.ts.tolist()):
        groups.setdefault(key_of(ns, spans, target), []).append(i)
    longer = resample(bars, timeframe("1m"), target, spans)
    longer.check()
    assert len(longer) == len(groups)
    for j, (key, members) in enumerate(groups.items()):
        span = next(s for s in spans if s.open_ns <= bars.ts[members[0]] < s.close_ns)
        start = span.open_ns + (key[1] * target.length_ns if target.is_intraday else 0)
        assert longer.ts[j] == start
        assert longer.open[j] == bars.open[members[0]]
        assert longer.high[j] == max(bars.high[members])
        assert longer.low[j] == min(bars.low[members])
        assert longer.close[j] == bars.close[members[-1]]
        assert longer.volume[j] == sum(bars.volume[members])


@settings(max_examples=40, deadline=None)
@given(
    minute_bars(),
    st.sampled_from([("5m", "15m"), ("5m", "1h"), ("15m", "1d"), ("1h", "1d"), ("1d", "1w"), ("1d", "1mo"), ("1mo", "3mo"), ("15m", "1w")]),
)  # fmt: skip
def test_two_steps_give_what_one_step_gives(made, steps):
    bars, spans = made
    middle, target = (timeframe(text) for text in steps)
    halfway = resample(bars, timeframe("1m"), middle, spans)
    assert same(resample(halfway, middle, target, spans), resample(bars, timeframe("1m"), target, spans))


@settings(max_examples=30, deadline=None)
@given(minute_bars(), st.integers(0, 400), st.sampled_from(["5m", "1h", "1d", "1w"]))
def test_what_comes_later_changes_only_the_last_bar(made, cut, text):
    bars, spans = made
    target = timeframe(text)
    whole = resample(bars, timeframe("1m"), target, spans)
    known = resample(bars.slice(0, cut), timeframe("1m"), target, spans)
    complete = max(len(known) - 1, 0)
    assert same(known.slice(0, complete), whole.slice(0, complete))
    assert known.ts.tolist() == whole.ts[: len(known)].tolist()


def test_hours_of_the_nse_begin_at_a_quarter_past_and_the_last_is_short():
    spans = daily_spans([MONDAY], OPEN, CLOSE)
    bars = bars_at(grid(spans))
    hours = resample(bars, timeframe("1m"), timeframe("1h"), spans)
    assert local(hours) == [f"11-16 {hour:02}:15" for hour in range(9, 16)]
    assert hours.volume[-1] == bars.volume[-15:].sum()


def test_the_stamps_of_long_bars_are_those_of_their_first_day():
    spans = daily_spans(weekdays(date(2026, 10, 29), 12), OPEN, CLOSE)
    bars = bars_at(grid(spans)[200:])
    assert local(resample(bars, timeframe("1m"), timeframe("1d"), spans))[:2] == [
        "10-29 09:15",
        "10-30 09:15",
    ]
    assert local(resample(bars, timeframe("1m"), timeframe("1w"), spans)) == [
        "10-29 09:15", "11-02 09:15", "11-09 09:15",
    ]  # fmt: skip
    assert local(resample(bars, timeframe("1m"), timeframe("1mo"), spans)) == ["10-29 09:15", "11-02 09:15"]


def test_day_bars_stamped_at_midnight_find_their_sessions_and_keep_their_stamp():
    days = [date(2026, 11, 13), date(2026, 11, 16), date(2026, 11, 17)]
    spans = daily_spans(days, OPEN, CLOSE)
    midnights = bars_at(np.array([ist_ns(day, time()) for day in days]))
    assert local(resample(midnights, timeframe("1d"), timeframe("1w"), spans)) == [
        "11-13 00:00",
        "11-16 00:00",
    ]
    saturday = bars_at(np.array([ist_ns(date(2026, 11, 14), time())]))
    assert count_outside(saturday, timeframe("1d"), spans) == 1
    after = bars_at(np.array([ist_ns(date(2026, 11, 18), time())]))
    assert count_outside(after, timeframe("1d"), spans) == 1


def test_bars_outside_sessions_are_refused_or_dropped_and_counted():
    spans = daily_spans([MONDAY], OPEN, CLOSE)
    ts = np.concatenate([[ist_ns(MONDAY, time(9, 7))], grid(spans), [ist_ns(MONDAY, time(15, 30))]])
    bars = bars_at(ts)
    with pytest.raises(InvalidValueError, match=r"2 of 377 .* 2026-11-16T09:07:00\+05:30"):
        resample(bars, timeframe("1m"), timeframe("5m"), spans)
    assert count_outside(bars, timeframe("1m"), spans) == 2
    dropped = resample(bars, timeframe("1m"), timeframe("5m"), spans, outside=Outside.DROP)
    assert same(dropped, resample(bars.slice(1, 376), timeframe("1m"), timeframe("5m"), spans))


def test_no_sessions_hold_no_bars():
    bars = bars_at(np.array([0, 1]))
    with pytest.raises(InvalidValueError, match="2 of 2"):
        resample(bars, timeframe("1m"), timeframe("5m"), ())
    assert len(resample(bars, timeframe("1m"), timeframe("1d"), (), outside=Outside.DROP)) == 0
    assert len(resample(bars, timeframe("1d"), timeframe("1w"), (), outside=Outside.DROP)) == 0
    assert len(resample(Bars.empty(), timeframe("1m"), timeframe("5m"), ())) == 0


def test_bars_off_their_own_grid_are_refused():
    spans = daily_spans([MONDAY], OPEN, CLOSE)
    with pytest.raises(InvalidValueError, match="grid"):
        resample(bars_at(grid(spans) + 30 * NANOSECONDS_PER_SECOND), timeframe("1m"), timeframe("5m"), spans)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("5m", "1m"),
        ("5m", "7m"),
        ("1d", "1h"),
        ("1w", "1mo"),
        ("1m", "2d"),
        ("1m", "5mo"),
        ("1d", "2w"),
        ("2mo", "3mo"),
    ],
)
def test_timeframes_that_do_not_fit_are_refused(source, target):
    with pytest.raises(InvalidValueError):
        resample(Bars.empty(), timeframe(source), timeframe(target), ())


def test_sessions_that_overlap_or_are_out_of_order_are_refused():
    one, two = daily_spans([MONDAY, MONDAY + timedelta(days=1)], OPEN, CLOSE)
    for spans in ((two, one), (one, one), (one, SessionSpan(MONDAY, one.close_ns - 1, two.open_ns))):
        with pytest.raises(InvalidValueError, match="overlap"):
            resample(Bars.empty(), timeframe("1m"), timeframe("5m"), spans)
    with pytest.raises(InvalidValueError, match="open before"):
        SessionSpan(MONDAY, 5, 5)


def test_a_market_that_never_closes_has_days_from_midnight_to_midnight_utc():
    first = 20_000 * 86_400 * NANOSECONDS_PER_SECOND
    ts = first + np.arange(3 * 24, dtype=np.int64) * 3_600 * NANOSECONDS_PER_SECOND
    bars = bars_at(ts)
    spans = utc_day_spans(int(ts[0]), int(ts[-1]))
    assert resample(bars, timeframe("1h"), timeframe("1d"), spans).ts.tolist() == ts[::24].tolist()
    assert resample(bars, timeframe("1h"), timeframe("4h"), spans).ts.tolist() == ts[::4].tolist()


def test_a_session_over_midnight_is_one_day():
    span = daily_spans([MONDAY], time(16, 35), time(2, 45))
    day = resample(bars_at(grid(span)), timeframe("1m"), timeframe("1d"), span)
    assert local(day) == ["11-16 16:35"]


def share(symbol="RELIANCE", has_derivatives=True):
    return Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol,
        has_derivatives=has_derivatives,
    )  # fmt: skip


def test_a_day_with_a_break_has_two_grids_and_one_day_bar():
    drill = date(2024, 3, 2)  # 09:15-10:00 and 11:30-12:30, specs/india-markets.md 3.3
    sessions = sessions_between(drill, drill, share())
    bars = bars_at(grid(sessions))
    assert local(resample(bars, timeframe("1m"), timeframe("1h"), sessions)) == ["03-02 09:15", "03-02 11:30"]
    assert local(resample(bars, timeframe("1m"), timeframe("1d"), sessions)) == ["03-02 09:15"]
    assert same(
        resample(bars, timeframe("1m"), timeframe("1d"), sessions),
        resample(bars, timeframe("1m"), timeframe("1d"), spans_for(share(), drill, drill)),
    )


@pytest.mark.parametrize("stamp", [time(15, 29), time(15, 34)])
def test_the_closing_auction_makes_the_close_of_the_day_and_joins_no_other_bar(stamp):
    day = date(2026, 11, 20)
    sessions = sessions_between(day, day, share())
    bars = bars_at(np.append(grid(sessions), ist_ns(day, stamp)))
    spans = spans_for(share(), day, day)
    hours = resample(bars, timeframe("1m"), timeframe("1h"), spans)
    assert local(hours) == [*(f"11-20 {hour:02}:15" for hour in range(9, 15)), "11-20 15:15"]
    assert hours.open[-1] == bars.open[-1]
    daily = resample(bars, timeframe("1m"), timeframe("1d"), spans)
    assert daily.close[0] == bars.close[-1]
    assert [f"{datetime_of(span.open_ns):%H:%M}" for span in closing_auctions(sessions)] == ["15:15"]


def test_shares_without_an_auction_trade_on_to_half_past_three():
    day = date(2026, 11, 20)
    spans = spans_for(share(has_derivatives=False), day, day)
    assert [f"{datetime_of(span.close_ns):%H:%M}" for span in spans] == ["15:30"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from(["1s", "5s", "1m", "15m", "1d"]))
def test_bars_from_prices_are_what_the_prices_say_one_by_one(seed, count, text):
    random = np.random.default_rng(seed)
    spans = daily_spans([MONDAY, MONDAY + timedelta(days=1)], OPEN, time(9, 45))
    every = grid(spans, NANOSECONDS_PER_SECOND // 4)
    ts = np.sort(random.choice(every, count))  # times repeat
    price = np.round(random.integers(1, 40_000, count) * 0.05, 2)
    volume = random.integers(0, 100, count).astype(float)
    bars = bars_from_prices(ts, price, timeframe(text), spans, volume=volume)
    groups = {}
    for i, ns in enumerate(ts.tolist()):
        groups.setdefault(key_of(ns, spans, timeframe(text)), []).append(i)
    assert len(bars) == len(groups)
    for j, members in enumerate(groups.values()):
        assert (bars.open[j], bars.close[j]) == (price[members[0]], price[members[-1]])
        assert (bars.high[j], bars.low[j]) == (max(price[members]), min(price[members]))
        assert bars.volume[j] == sum(volume[members])
    finer = bars_from_prices(ts, price, timeframe("1s"), spans, volume=volume)
    assert same(resample(finer, timeframe("1s"), timeframe(text), spans), bars)


def test_prices_that_cannot_be_are_refused():
    spans = daily_spans([MONDAY], OPEN, CLOSE)
    ts = np.array([spans[0].open_ns, spans[0].open_ns + 1])
    cases = [
        (ts[::-1], [1.0, 2.0], None, "earlier"),
        (ts, [1.0], None, "do not match"),
        (ts, [1.0, 2.0], [1.0], "do not match"),
        (ts, [1.0, 0.0], None, "not a positive"),
        (ts, [1.0, np.nan], None, "not a positive"),
        (ts - 5, [1.0, 2.0], None, "outside"),
    ]
    for times, price, volume, message in cases:
        with pytest.raises(InvalidValueError, match=message):
            bars_from_prices(
                times,
                np.array(price),
                timeframe("1m"),
                spans,
                volume=None if volume is None else np.array(volume),
            )
    assert len(bars_from_prices(np.empty(0, np.int64), np.empty(0), timeframe("1m"), spans)) == 0


def test_a_week_ends_with_its_sunday():
    days = [
        date(2026, 1, 30),
        date(2026, 2, 1),
        date(2026, 2, 2),
    ]  # a Budget Sunday between Friday and Monday
    spans = daily_spans(days, OPEN, CLOSE)
    bars = bars_at(grid(spans))
    assert local(resample(bars, timeframe("1m"), timeframe("1w"), spans)) == ["01-30 09:15", "02-02 09:15"]
    assert local(resample(bars, timeframe("1m"), timeframe("1mo"), spans)) == ["01-30 09:15", "02-01 09:15"]
