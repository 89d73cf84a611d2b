"""Sorting what a broker gave by days, and keeping what is wanted before the open."""

from datetime import date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brokers.contract.simulated import SHARE
from tests.trading.session.fences import no_fence
from trademantra.core.bar import Bar
from trademantra.core.time import IST, ist_date, ns_of
from trademantra.data.resample import daily_spans
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import Drop, Enter, Leave, LiveSession, Protection
from trademantra.engine.records import EntryKind, Reason
from trademantra.engine.rules import Level
from trademantra.trading.house.daily_history import day_before, stamped, unheard_of
from trademantra.trading.house.mornings import uncarried
from trademantra.trading.house.session_logs import SessionLogs
from trademantra.trading.runner.run_log import BarsClosed, ClockTold, SessionBegan
from trademantra.trading.session.waiting import WaitingWants

FIRST = date(2026, 11, 2)
NONE = Level()
NAN = float("nan")


def span_of(day):
    return daily_spans([day], time(9, 15), time(15, 30))[0]


def at(day, hour=0, minute=0):
    return ns_of(datetime.combine(day, time(hour, minute), IST))


def bars_on(days, close=100.0):
    n = len(days)
    prices = np.full(n, close)
    return Bars(np.array([at(day) for day in days], np.int64), prices, prices, prices, prices, np.ones(n))


def bar(day, close=100.0):
    return Bar(span_of(day).open_ns, close, close, close, close, 1.0)


DAYS = st.lists(st.integers(0, 12), unique=True).map(
    lambda days: [FIRST + timedelta(days=d) for d in sorted(days)]
)


@given(
    st.dictionaries(st.sampled_from("ABC"), DAYS, min_size=1),
    st.dictionaries(st.sampled_from("ABC"), st.integers(0, 12)),
    st.integers(0, 12),
)
def test_each_day_after_the_newest_is_told_once_and_in_order(given_days, known, last):
    last = FIRST + timedelta(days=last)
    told = {
        symbol: bar(FIRST + timedelta(days=known[symbol])) if symbol in known else None
        for symbol in given_days
    }
    found = {symbol: stamped(bars_on(days), FIRST, last) for symbol, days in given_days.items()}
    unheard = unheard_of(found, told, last, span_of)
    heard = [day.span.trade_date for day in unheard.days]
    assert heard == sorted(set(heard))
    for symbol, days in given_days.items():
        newest = told[symbol]
        after = date.min if newest is None else ist_date(newest.start_ns)
        mine = [ist_date(b.start_ns) for day in unheard.days for name, b in day.bars if name == symbol]
        assert mine == [day for day in days if after < day <= last]
        assert (symbol in unheard.missing) == (last not in days)
    assert all(b.start_ns == day.span.open_ns for day in unheard.days for _, b in day.bars)
    assert not unheard.changed


@pytest.mark.parametrize(("close", "changed"), [(100.0, []), (100.9, []), (50.0, ["A"]), (200.0, ["A"])])
def test_a_past_that_the_broker_changed_is_seen(close, changed):
    days = [FIRST, FIRST + timedelta(days=1)]
    found = {"A": stamped(bars_on(days, close), FIRST, days[1])}
    unheard = unheard_of(found, {"A": bar(FIRST, 100.0)}, days[1], span_of)
    assert list(unheard.changed) == changed


@pytest.mark.parametrize(("hour", "minute"), [(0, 0), (5, 30), (9, 15), (15, 30)])
def test_bars_are_stamped_alike_whatever_a_broker_writes(hour, minute):
    days = [FIRST, FIRST + timedelta(days=3)]
    given_bars = bars_on(days)
    moved = Bars(
        np.array([at(day, hour, minute) for day in days]),
        *(getattr(given_bars, name) for name in ("open", "high", "low", "close", "volume")),
    )
    assert stamped(moved, FIRST, days[1]).ts.tolist() == [at(day, 9, 15) for day in days]


def test_the_day_before_passes_weekends_and_holidays():
    assert day_before(SHARE, date(2026, 11, 23)) == date(2026, 11, 20)
    assert day_before(SHARE, date(2026, 11, 25)) == date(2026, 11, 23)  # the 24th is Guru Nanak's birthday
    assert day_before(SHARE, date(1990, 1, 1)) is None


def enter(symbol, quantity):
    protection = Protection(NAN, NAN, NONE, NONE, NONE, NAN)
    return Enter(symbol, 1, quantity, EntryKind.MARKET, NAN, protection, 100.0)


def test_before_the_open_the_last_word_counts():
    waiting = WaitingWants()
    assert not waiting
    out = Leave("A", Reason.SIGNAL)
    waiting.add({"r": [out, enter("A", 10.0), enter("B", 5.0)], "s": []})
    waiting.add({"r": [Drop("A"), enter("A", 20.0)]})
    waiting.add({"r": [Drop("B"), Drop("C")], "s": [enter("A", 1.0)]})
    assert waiting
    assert waiting.take() == {"r": [out, enter("A", 20.0), Drop("C")], "s": [enter("A", 1.0)]}
    assert not waiting.take()


SPAN = span_of(FIRST)
TODAY = LiveSession(20, SPAN.open_ns, SPAN.close_ns)
THURSDAY = LiveSession(19, SPAN.open_ns - 1, SPAN.close_ns)
NEWEST = BarsClosed((("A", bar(FIRST)),))
OLDER = BarsClosed((("A", bar(FIRST - timedelta(days=1))),))


@pytest.mark.parametrize(
    ("log", "place"),
    [
        ([], 0),
        ([SessionBegan(THURSDAY, {}), ClockTold(1), OLDER], 3),
        ([OLDER, SessionBegan(THURSDAY, {}), NEWEST, SessionBegan(TODAY, {}), ClockTold(2)], 2),
        ([OLDER, SessionBegan(TODAY, {}), ClockTold(2)], 1),
    ],
)
def test_a_log_is_kept_up_to_what_was_decided_this_morning(tmp_path, log, place):
    assert uncarried(log, TODAY, SPAN.open_ns) == place
    logs = SessionLogs(tmp_path, None, ["one:all"], no_fence)
    logs.cut("one:all", log[:place])
    again = SessionLogs(tmp_path, None, ["one:all"], no_fence)
    assert again.read("one:all") == log[:place]
    again.note_carried(["one:all"], 20)
    again.note_carried(["one:other"], 21)
    assert SessionLogs(tmp_path, None, [], no_fence).carried() == {"one:all": 20, "one:other": 21}
