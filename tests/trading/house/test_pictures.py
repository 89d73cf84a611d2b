"""Prices for strategies that hear ticks: the newest alone, none twice, none of the past, and not more often than they can."""

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import share
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch
from trademantra.trading.house.pictures import Pictures, TickSettings

BEGIN = 1_000 * SECOND
ROWS = (0, 1)


class Scene:
    """Pictures of two instruments, and a clock that is set by hand."""

    def __init__(self):
        table = InstrumentTable()
        for symbol in ("INFY", "TCS"):
            table.add(share(symbol))
        self.now = 100.0
        self.best = {0: (99.9, nan)}
        self.pictures = Pictures(
            table, lambda row: self.best.get(row, (nan, nan)), TickSettings(), lambda: self.now
        )
        self.pictures.begin("run")

    def tick(self, *ticks):
        """(row, seconds of its stamp, price, seconds of its arrival)"""
        rows, stamps, prices, arrivals = zip(*ticks, strict=True)
        at = [BEGIN + int(each * SECOND) for each in stamps]
        received = [BEGIN + int(each * SECOND) for each in arrivals]
        batch = TickBatch.of(rows, at, prices, received_ns=received, total=[10.0 * row for row in rows])
        self.pictures.take(batch, ROWS)

    def told(self, run="run", rows=ROWS):
        """What it is told now; it answers at once, and a second passes."""
        ticks = self.pictures.due(run, rows)
        if ticks:
            self.pictures.answered(run, self.now)
            self.now += 1.0
        return [(each.symbol, each.price) for each in ticks]

    def answers(self, took=0.0):
        began = self.now
        self.now += took
        self.pictures.answered("run", began)


def test_the_newest_of_each_is_told_once():
    it = Scene()
    it.tick((0, 1, 100.0, 1), (1, 1, 50.0, 1), (0, 2, 101.0, 2))
    [infy, tcs] = sorted(it.pictures.due("run", ROWS), key=lambda each: each.symbol)
    assert (infy.price, infy.bid, isnan(infy.ask), infy.volume, infy.ts) == (
        101.0,
        99.9,
        True,
        0.0,
        BEGIN + 2 * SECOND,
    )
    assert (tcs.price, isnan(tcs.bid), tcs.volume) == (50.0, True, 10.0)
    assert it.told() == []
    it.answers()
    it.now += 1.0
    it.tick((1, 3, 51.0, 3))
    assert it.told() == [("TCS", 51.0)]


def test_what_did_not_change_is_no_news():
    it = Scene()
    it.tick((0, 1, 100.0, 1))
    assert it.told()
    it.tick((0, 2, 100.0, 2))
    assert it.told() == []
    it.best[0] = (99.95, nan)
    it.tick((0, 3, 100.0, 3))
    assert it.told() == [("INFY", 100.0)]


def test_pictures_of_the_past_are_not_told():
    it = Scene()
    it.tick((0, 5, 100.0, 16))  # after a reconnect: what was last known, eleven seconds old
    it.tick((1, 20, 50.0, 20), (1, 19, 49.0, 20))  # one that comes behind a newer one
    it.tick((0, 21, 0.0, 21), (0, 21, nan, 21))
    assert it.told() == [("TCS", 50.0)]


def test_what_waited_when_the_feed_was_lost_is_never_told():
    it = Scene()
    it.tick((0, 1, 100.0, 1))
    it.pictures.lost(BEGIN + 2 * SECOND)
    it.tick((1, 2, 50.0, 2))  # it was still in the queue
    assert it.told() == []
    it.tick((0, 1, 100.0, 30), (1, 30, 50.5, 30))
    assert it.told() == [("TCS", 50.5)]


def test_a_run_that_takes_long_is_asked_less_often_and_gets_the_newest():
    it = Scene()

    def due():
        return [(each.symbol, each.price) for each in it.pictures.due("run", ROWS)]

    it.tick((0, 1, 100.0, 1))
    assert due()
    it.now += 10.0
    it.tick((0, 2, 101.0, 2))
    assert due() == [], "it has not answered yet"
    it.now = 100.0
    it.answers(took=0.01)
    it.tick((0, 3, 102.0, 3))
    assert due() == []
    assert it.pictures.has_news(["run"])
    it.now = 100.25
    assert due() == [("INFY", 102.0)]
    it.answers(took=1.0)  # a strategy that thinks for a second
    it.tick((0, 4, 103.0, 4))
    it.now += 2.9
    assert due() == []
    it.now += 0.2
    assert due() == [("INFY", 103.0)]
    assert not it.pictures.has_news(["run", "never asked"])


def test_runs_are_told_apart():
    it = Scene()
    it.tick((0, 1, 100.0, 1), (1, 1, 50.0, 1))
    it.pictures.begin("late")
    assert it.told("late") == []
    it.tick((1, 2, 51.0, 2))
    assert it.told("late", (0,)) == []
    assert it.told() == [("INFY", 100.0), ("TCS", 51.0)]
    it.tick((1, 3, 52.0, 3))
    assert it.told("late", (1,)) == [("TCS", 52.0)]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 8), st.booleans()), max_size=60))
def test_whatever_comes_each_run_ends_with_the_newest(events):
    """Told or not in between: after all was told, a run knows the last price of each instrument."""
    it, last, heard = Scene(), {}, []
    for second, (row, price, tells) in enumerate(events, 1):
        it.tick((row, second, 100.0 + price, second))
        last[("INFY", "TCS")[row]] = 100.0 + price
        if tells:
            heard += it.told()
    heard += it.told()
    assert dict(heard) == last
    assert len(heard) <= len(events)


def test_settings_that_are_none():
    for words in ({"per_second": 0.0}, {"per_second": nan}, {"latest_ns": 0}, {"waits_seconds": -1.0}):
        with pytest.raises(InvalidValueError):
            TickSettings(**words)
