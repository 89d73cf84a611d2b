"""Moments of a trading day: at the right instants, on the right days, each once whatever the clock does."""

import asyncio
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, ist_ns, ns_of
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.kit.timer import ManualTimer
from trademantra.markets.sessions import SessionKind, session_on, sessions_between
from trademantra.trading.schedule import ALL_DAYS, Anchor, IfMissed, Mark, Moment, Schedule, keep

SHARE = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
FRIDAY, SATURDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23)
SCAN = Moment.parse("scan", "9:14")
ENTER = Moment.parse("enter", "open")
LEAVE = Moment.parse("leave", "square_off-5m", if_missed=IfMissed.RUN_LATE)
MOMENTS = (SCAN, ENTER, LEAVE)


def at(day, text):
    return ist_ns(day, time.fromisoformat(text))


def schedule(moments=MOMENTS, mark=None, **more):
    return Schedule(moments, SHARE, mark or Mark(at(FRIDAY, "00:00")), **more)


def names(dues):
    return [due.moment.name for due in dues]


def clock(due):
    return datetime.fromtimestamp(due.at_ns / 1e9, IST).strftime("%H:%M:%S")


def test_a_day_has_its_moments_in_order():
    day = schedule(broker="zerodha").on(FRIDAY)
    # Zerodha begins at 15:12 for shares with a closing auction (specs/india-markets.md 3.6)
    assert [(due.moment.name, clock(due)) for due in day] == [
        ("scan", "09:14:00"),
        ("enter", "09:15:00"),
        ("leave", "15:07:00"),
    ]
    assert schedule().on(SATURDAY) == ()


def test_where_the_brokers_square_off_is_not_known_the_platforms_counts():
    close_ns = session_on(FRIDAY, SHARE).close_ns
    for broker in ("default", "nobody-knows-this-broker"):
        (due,) = schedule([LEAVE], broker=broker).on(FRIDAY)
        assert due.at_ns == close_ns - 20 * MINUTE
    muhurat = days_of(SessionKind.MUHURAT)[0]  # an evening on which no broker's usual time can hold
    due = schedule([LEAVE], broker="zerodha").on(muhurat.trade_date)[0]
    assert due.at_ns == muhurat.close_ns - 20 * MINUTE


@pytest.mark.parametrize(
    ("text", "anchor", "minutes"),
    [("open+30m", Anchor.OPEN, 30), ("CLOSE-10m", Anchor.CLOSE, -10), ("square_off", Anchor.SQUARE_OFF, 0)],
)
def test_moments_are_written_in_words(text, anchor, minutes):
    assert Moment.parse("x", text) == Moment(name="x", anchor=anchor, minutes=minutes)


@pytest.mark.parametrize("text", ["", "25:00", "9", "open+m", "noon", "close-1000m", "9:61"])
def test_other_words_are_refused(text):
    with pytest.raises(InvalidValueError, match="write 9:14"):
        Moment.parse("x", text)


def test_moments_that_contradict_themselves_are_refused():
    for wrong in (
        {"name": "", "anchor": Anchor.OPEN},
        {"name": "x", "anchor": Anchor.CLOCK},
        {"name": "x", "anchor": Anchor.OPEN, "at": time(9)},
        {"name": "x", "anchor": Anchor.CLOCK, "at": time(9), "minutes": 1},
    ):
        with pytest.raises(InvalidValueError):
            Moment(**wrong)
    with pytest.raises(InvalidValueError, match="different names"):
        schedule([SCAN, SCAN])


def days_of(kind):
    return [
        each for each in sessions_between(date(2024, 1, 1), date(2025, 12, 31), SHARE) if each.kind is kind
    ]


def test_muhurat_and_drills_have_only_the_moments_that_ask_for_them():
    muhurat, drill = days_of(SessionKind.MUHURAT)[0], days_of(SessionKind.DRILL)[0]
    wide = Moment.parse("lamp", "open+5m", kinds=frozenset({SessionKind.MUHURAT}))
    early = Moment.parse("early", "9:20", kinds=ALL_DAYS)
    evening = Moment.parse("evening", "18:30", kinds=ALL_DAYS)
    plan = schedule([SCAN, ENTER, LEAVE, wide, early, evening])
    on_muhurat = plan.on(muhurat.trade_date)
    assert set(names(on_muhurat)) <= {"leave", "lamp", "evening"}
    assert {"leave", "lamp"} <= set(names(on_muhurat))
    assert all(muhurat.windows[0].start_ns <= due.at_ns <= muhurat.close_ns for due in on_muhurat)
    assert "lamp" not in names(plan.on(drill.trade_date))
    assert "leave" in names(plan.on(drill.trade_date))


def test_after_a_look_the_next_moment_is_the_one_to_wait_for():
    plan = schedule()
    assert plan.next_due(at(FRIDAY, "08:00")).moment is SCAN
    assert names(plan.due(at(FRIDAY, "09:14")).now) == ["scan"]
    assert plan.next_due(at(FRIDAY, "09:14")).moment is ENTER
    assert plan.next_due(at(FRIDAY, "08:00")).moment is ENTER  # the clock went back: it is done all the same
    after = plan.next_due(at(FRIDAY, "16:00"))
    assert (after.moment, after.day) == (SCAN, MONDAY)


def test_what_was_slept_through_is_late_or_passed_over():
    come = schedule().due(at(FRIDAY, "15:10"))
    assert names(come.missed) == ["scan", "enter"]
    assert names(come.now) == ["leave"]
    come = schedule().due(at(FRIDAY, "15:45"))  # the session is over: leaving makes no sense any more
    assert (names(come.now), names(come.missed)) == ([], ["scan", "enter", "leave"])
    come = schedule().due(at(MONDAY, "09:14") + MINUTE)  # the grace, to the instant
    assert (names(come.now), [due.day for due in come.missed]) == (["scan", "enter"], [FRIDAY] * 3)
    assert names(schedule().due(at(MONDAY, "09:14") + MINUTE + 1).now) == ["enter"]


def test_a_clock_that_goes_back_brings_nothing_again():
    plan = schedule()
    assert names(plan.due(at(FRIDAY, "09:15")).now) == ["scan", "enter"]
    for again in ("09:13", "09:14", "09:15"):
        assert plan.due(at(FRIDAY, again)).now == ()
    assert names(plan.due(at(FRIDAY, "15:07")).now) == ["leave"]


def test_a_restart_goes_on_after_the_last_mark():
    first = schedule([SCAN, Moment.parse("also", "9:14"), ENTER])
    come = first.due(at(FRIDAY, "09:14"))
    assert names(come.now) == ["also", "scan"]
    done = come.now[0].mark  # then the process died
    again = schedule([SCAN, Moment.parse("also", "9:14"), ENTER], done)
    assert names(again.due(at(FRIDAY, "09:15")).now) == ["scan", "enter"]


def test_days_whose_hours_nobody_knows_are_told_once_and_stop_nothing():
    beyond = date(2031, 3, 3)
    with pytest.raises(MissingFactError):
        schedule().on(beyond)
    plan = schedule(mark=Mark(at(beyond, "00:00")))
    assert plan.next_due(at(beyond, "08:00")) is None
    assert plan.due(at(beyond, "09:00")).unknown_days == (beyond,)
    assert plan.due(at(beyond, "10:00")).unknown_days == ()


instants = st.integers(0, 5 * 24 * 60).map(lambda minute: at(FRIDAY, "00:00") + minute * MINUTE)


@given(st.lists(instants, min_size=1, max_size=30), st.sets(st.integers(0, 29)))
def test_every_moment_comes_once_and_in_order_whatever_the_clock_does(looks, restarts):
    moments = (SCAN, ENTER, LEAVE, Moment.parse("noon", "12:00"), Moment.parse("last", "close-1m"))
    plan, seen = schedule(moments), []
    for number, now_ns in enumerate(looks):
        come = plan.due(now_ns)
        assert all(due.at_ns <= now_ns for due in (*come.now, *come.missed))
        seen += sorted((*come.now, *come.missed), key=lambda due: due.mark)
        if number in restarts:
            plan = schedule(moments, plan.mark)
    expected = [
        due
        for day in (FRIDAY + timedelta(days=n) for n in range(6))
        for due in schedule(moments).on(day)
        if due.at_ns <= max(looks)
    ]
    assert seen == expected


def test_moments_are_carried_out_when_they_come():
    async def play():
        timer, done, told = ManualTimer(at(FRIDAY, "09:13")), [], []

        async def carry_out(due):
            done.append((due.moment.name, timer.now_ns() - due.at_ns))

        task = asyncio.create_task(keep(schedule(mark=Mark(timer.now_ns())), timer, carry_out, told.append))
        for _ in range(200):
            timer.advance_to(timer.now_ns() + 5 * 10**9)
            for _ in range(4):
                await asyncio.sleep(0)
        assert done == [("scan", 0), ("enter", 0)]
        timer.advance_to(at(MONDAY, "09:20"))  # the machine slept over the weekend
        for _ in range(4):
            await asyncio.sleep(0)
        assert [names(come.missed) for come in told] == [["leave", "scan", "enter"]]
        task.cancel()

    asyncio.run(play())


def test_instants_are_those_of_the_zone():
    (due,) = schedule([Moment.parse("x", "9:14:30")]).on(FRIDAY)
    assert due.at_ns == ns_of(datetime(2026, 11, 20, 9, 14, 30, tzinfo=IST))
