"""The hub between brokers and the desk: subscriptions, ages, losses, switches, and bars that are never missed."""

import asyncio
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.feeds.broker_fake import FakeBroker, quote, runs
from tests.trading.feeds.tick_making import HOURS, MINUTE, ONE_MINUTE, OPENS, SECOND, index, shape, share
from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.brokers.events import StreamState
from trademantra.brokers.market import StreamMode
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ManualClock
from trademantra.data.resample import bars_from_prices
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.backfill import BackfillSettings
from trademantra.trading.feeds.bar_rules import BarSettings, EmptyBars
from trademantra.trading.feeds.events import (
    BarsMissing,
    ClockBehind,
    FeedBack,
    FeedLost,
    SourceSwitched,
    SourceTrouble,
)
from trademantra.trading.feeds.hub_settings import HubSettings, TickSource
from trademantra.trading.feeds.sources import SwitchSettings
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import Origin

NIFTY, RELIANCE = index(), share()
LATE = BarSettings().lateness_ns


class Desk:
    """A hub with its brokers, a clock that is moved by hand, and all that it told."""

    def __init__(self, brokers=1, settings=None, start=OPENS - 60 * SECOND):
        self.clock = ManualClock(start)
        self.brokers = [FakeBroker() for _ in range(brokers)]
        names = ("first", "second", "third")
        sources = [TickSource(name, each) for name, each in zip(names, self.brokers, strict=False)]
        self.hub = TickHub(sources, self.clock, lambda _: HOURS, settings)
        self.bars, self.events, self.batches = [], [], []
        self.hub.on_bar(self.bars.append)
        self.hub.on_event(self.events.append)
        self.hub.on_ticks(self.batches.append)

    async def at(self, second, *prices, source=0, instrument=NIFTY):
        """Move the clock, hear these prices, look at the clock until nothing is left to do."""
        self.clock.advance_to(OPENS + round(second * SECOND))
        if prices:
            now = self.clock.now_ns()
            self.hub.hear(source, [quote(instrument, now, price) for price in prices])
        await self.turn()

    async def turn(self):
        await self.hub.turn()
        await self.hub.settled()


@runs
async def test_bars_are_told_on_time_and_in_order():
    desk = Desk()
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(0, 100)
    await desk.at(59, 101)
    await desk.at(60.4, 102)
    assert desk.bars == []
    await desk.at(60.5)
    assert shape(desk.bars) == [(0, 100, 101, 100, 101, 0)]
    assert desk.events == []


@runs
async def test_an_instrument_is_subscribed_once_and_left_with_its_last_owner():
    desk = Desk()
    hub, broker = desk.hub, desk.brokers[0]
    await hub.subscribe("a", [NIFTY], StreamMode.LTP, [ONE_MINUTE])
    await hub.subscribe("b", [NIFTY, RELIANCE], StreamMode.LTP, [ONE_MINUTE, Timeframe(5, "m")])
    await hub.subscribe("a", [NIFTY], StreamMode.LTP)
    assert broker.subscribed == [(["NIFTY 50"], "ltp"), (["RELIANCE"], "ltp")]
    await hub.subscribe("c", [NIFTY], StreamMode.FULL)
    assert broker.subscribed[2:] == [(["NIFTY 50"], "full")]
    await hub.unsubscribe("b")
    assert broker.left == [["RELIANCE"]]
    assert list(hub.builder.series()) == [(NIFTY, ONE_MINUTE)]
    await hub.unsubscribe("a", [NIFTY, RELIANCE, share("NEVER")])
    assert list(hub.builder.series()) == []
    assert broker.left == [["RELIANCE"]]
    await hub.unsubscribe("c")
    assert broker.left == [["RELIANCE"], ["NIFTY 50"]]
    await hub.unsubscribe("c")
    assert len(broker.left) == 2


@runs
async def test_what_cannot_be_subscribed_changes_nothing():
    desk = Desk(2)
    desk.brokers[0].refuses = desk.brokers[1].refuses = True
    with pytest.raises(BrokerUnavailableError):
        await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    with pytest.raises(InvalidValueError, match="resample"):
        await desk.hub.subscribe("a", [NIFTY], timeframes=[Timeframe(1, "w")])
    assert desk.hub.status().instruments == 0
    desk.brokers[0].refuses, desk.brokers[1].refuses = False, True
    await desk.hub.subscribe("a", [NIFTY])
    assert desk.events == [SourceTrouble("second", "no answer")]
    assert desk.hub.status().instruments == 1


@runs
async def test_a_price_tells_its_age_and_is_never_fresh_beyond_its_limit():
    desk = Desk()
    await desk.hub.subscribe("a", [NIFTY, RELIANCE])
    assert desk.hub.last(NIFTY) is None
    assert desk.hub.last(share("NEVER")) is None
    assert desk.hub.feed_age_ns is None
    assert desk.hub.age_ns(NIFTY) is None
    await desk.at(0, 24_500.05)
    price = desk.hub.last(NIFTY)
    assert (price.value, price.age_ns, price.source, price.origin) == (
        Decimal("24500.05"),
        0,
        "first",
        Origin.STREAM,
    )
    assert not price.is_stale
    await desk.at(15)
    assert not desk.hub.last(NIFTY).is_stale
    assert desk.hub.last(NIFTY, limit_ns=14 * SECOND).is_stale
    await desk.at(15.001)
    assert desk.hub.last(NIFTY).is_stale
    assert desk.hub.feed_age_ns == desk.hub.age_ns(NIFTY) == round(15.001 * SECOND)
    assert desk.hub.status().stale == 2
    assert desk.hub.last(RELIANCE) is None
    # a stamp of long ago is old from the start, one of the future is not younger than its arrival
    desk.hub.hear(0, [quote(RELIANCE, desk.clock.now_ns() - 100 * SECOND, 50)])
    assert desk.hub.last(RELIANCE).age_ns == 100 * SECOND
    assert desk.hub.last(RELIANCE).is_stale
    desk.hub.hear(0, [quote(RELIANCE, desk.clock.now_ns() + 100 * SECOND, 51)])
    await desk.at(16)
    desk.hub.hear(0, [quote(RELIANCE, desk.clock.now_ns(), 52), quote(RELIANCE, desk.clock.now_ns() - 5, 99)])
    assert desk.hub.last(RELIANCE).value == 52
    await desk.hub.unsubscribe("a", [RELIANCE])
    assert desk.hub.last(RELIANCE) is None


@runs
async def test_while_the_stream_is_down_prices_are_stale_unless_asked_for():
    desk = Desk(settings=HubSettings(poll_every_ns=2 * SECOND, poll_most=1))
    broker = desk.brokers[0]
    await desk.hub.subscribe("a", [NIFTY, RELIANCE])
    await desk.at(0, 100)
    broker.stream = StreamState.DISCONNECTED
    broker.known_quotes = {RELIANCE: quote(RELIANCE, OPENS + SECOND, 50)}
    await desk.at(1)
    assert desk.events == [FeedLost("first", OPENS)]
    assert desk.hub.is_down
    assert desk.hub.last(NIFTY).is_stale
    assert broker.asked == [["RELIANCE"]]  # never heard of: first
    await desk.at(2)
    assert len(broker.asked) == 1  # the rate is bounded
    price = desk.hub.last(RELIANCE)
    assert (price.value, price.origin, price.is_stale) == (50, Origin.POLL, False)
    await desk.at(3)
    assert broker.asked[1:] == [["NIFTY 50"]]
    broker.refuses = True
    await desk.at(5)  # a poll that fails is no news
    assert len(desk.events) == 1
    broker.refuses, broker.stream = False, StreamState.CONNECTED
    await desk.at(6)
    assert desk.hub.is_down  # connected is not heard
    await desk.at(7, 101)
    assert desk.events[1:] == [FeedBack("first", OPENS, OPENS + 7 * SECOND)]
    assert not desk.hub.is_down
    assert not desk.hub.last(NIFTY).is_stale
    asked = len(broker.asked)
    await desk.at(60)
    assert len(broker.asked) == asked


@runs
async def test_the_next_source_is_heard_when_the_first_fails_and_the_first_again_when_it_has_proved_itself():
    desk = Desk(2)
    first, second = desk.brokers
    await desk.hub.subscribe("a", [NIFTY])
    assert first.subscribed == second.subscribed
    await desk.at(0, 100)
    await desk.at(0, 900, source=1)  # not heard: no tick comes twice
    assert len(desk.batches) == 1
    first.stream = StreamState.DISCONNECTED
    await desk.at(1)
    await desk.at(2.9, 101, source=1)
    assert desk.hub.source == "first"
    await desk.at(3)
    assert desk.hub.source == "second"
    await desk.at(3.1, 102, source=1)
    assert desk.events == [
        FeedLost("first", OPENS), SourceSwitched("first", "second", OPENS + 3 * SECOND),
        FeedBack("second", OPENS, OPENS + round(3.1 * SECOND)),
    ]  # fmt: skip
    assert desk.hub.last(NIFTY).source == "second"
    first.stream = StreamState.CONNECTED
    for second_of in range(4, 40):
        await desk.at(second_of, 103, source=1)
        desk.hub.hear(0, [quote(NIFTY, desk.clock.now_ns(), 103)])
    first.stream = StreamState.DISCONNECTED  # a relapse: the minute counts anew
    await desk.at(40, 103, source=1)
    first.stream = StreamState.CONNECTED
    for second_of in range(41, 101):
        await desk.at(second_of, 103, source=1)
        desk.hub.hear(0, [quote(NIFTY, desk.clock.now_ns(), 103)])
    assert desk.hub.source == "second"
    await desk.at(101.5, 104, source=1)
    assert desk.hub.source == "first"


@runs
async def test_a_source_that_is_connected_and_silent_while_another_speaks_does_not_work():
    desk = Desk(2)
    await desk.hub.subscribe("a", [NIFTY])
    await desk.at(0, 100)
    for second in (1, 2, 3, 4, 5, 6):
        await desk.at(second, 100, source=1)
    assert desk.events == [FeedLost("first", OPENS)]
    await desk.at(8, 101, source=1)
    assert desk.hub.source == "second"


@runs
async def test_all_silent_is_no_fault_of_the_source():
    desk = Desk(2)
    await desk.hub.subscribe("a", [NIFTY])
    await desk.at(0, 100)
    await desk.at(0, 100, source=1)
    await desk.at(3600)
    assert desk.events == []
    assert desk.hub.last(NIFTY).is_stale


@runs
async def test_a_change_of_the_stream_that_the_desk_tells_is_a_gap_even_if_it_is_over_at_the_next_look():
    desk = Desk()
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(1, 100)
    desk.hub.stream_changed("first", StreamState.DISCONNECTED)
    desk.hub.stream_changed("first", StreamState.CONNECTED)
    await desk.at(2, 101)
    assert desk.events == [
        FeedLost("first", OPENS + SECOND),
        FeedBack("first", OPENS + SECOND, OPENS + 2 * SECOND),
    ]


def true_history(broker, ts, price):
    broker.past = lambda _, timeframe: bars_from_prices(np.array(ts), np.array(price), timeframe, HOURS.spans)


@runs
async def test_bars_missed_in_a_gap_come_from_history_before_the_next_one():
    desk = Desk()
    (broker,) = desk.brokers
    moments = [OPENS + second * SECOND for second in range(0, 600, 7)]
    prices = [100.0 + second % 13 for second in range(0, 600, 7)]
    true_history(broker, moments, prices)
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    for at, price in zip(moments, prices, strict=True):
        second = (at - OPENS) / SECOND
        broker.stream = StreamState.DISCONNECTED if 100 < second < 290 else StreamState.CONNECTED
        if 100 < second < 290:
            await desk.at(second)
            assert len(desk.bars) == 1  # nothing is told past the gap
        else:
            await desk.at(second, price)
    await desk.at(620)
    wanted = broker.past(NIFTY, ONE_MINUTE)
    assert [each.bar.start_ns for each in desk.bars] == wanted.ts.tolist()
    assert [each.bar.close for each in desk.bars] == wanted.close.tolist()
    assert all(each.is_complete for each in desk.bars)
    assert broker.asked_history == [("NIFTY 50", "1m", OPENS + MINUTE, OPENS + 5 * MINUTE - 1000)]


@runs
async def test_a_bar_that_was_told_before_the_loss_was_seen_is_not_told_again():
    desk = Desk()
    (broker,) = desk.brokers
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(50, 100)
    await desk.at(61)
    assert len(desk.bars) == 1
    broker.stream = StreamState.DISCONNECTED
    await desk.at(62)  # missing since 50 s
    broker.stream = StreamState.CONNECTED
    await desk.at(63, 101)
    true_history(broker, [OPENS, OPENS + 61 * SECOND], [90.0, 102.0])
    await desk.at(123)
    assert shape(desk.bars) == [(0, 100, 100, 100, 100, 0), (60, 102, 102, 102, 102, 0)]
    assert [start for _, _, start, _ in broker.asked_history] == [OPENS + MINUTE]


@runs
async def test_history_that_has_not_got_the_bar_yet_is_asked_again():
    desk = Desk()
    (broker,) = desk.brokers
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(1, 100)
    broker.stream = StreamState.DISCONNECTED
    await desk.at(2)
    broker.stream = StreamState.CONNECTED
    await desk.at(3, 101)
    await desk.at(62.5)
    assert (len(broker.asked_history), desk.bars) == (1, [])
    await desk.at(63)
    assert len(broker.asked_history) == 1
    broker.refuses = True
    await desk.at(64.5)
    broker.refuses = False
    true_history(broker, [OPENS, OPENS + 2 * SECOND], [99.0, 150.0])
    await desk.at(66.5)
    assert shape(desk.bars) == [(0, 99, 150, 99, 150, 0)]
    assert not any(isinstance(each, BarsMissing) for each in desk.events)


@runs
async def test_without_history_bars_are_told_as_not_complete_when_patience_is_over():
    desk = Desk()
    (broker,) = desk.brokers
    await desk.hub.subscribe("a", [NIFTY, RELIANCE], timeframes=[ONE_MINUTE])
    await desk.at(1, 100)
    broker.stream = StreamState.DISCONNECTED
    await desk.at(2)
    broker.stream = StreamState.CONNECTED
    await desk.at(3, 101)
    broker.refuses = True
    for second in range(61, 100):
        await desk.at(second, 102)
    assert shape(desk.bars) == [(0, 100, 101, 100, 101, 0)]
    assert not desk.bars[0].is_complete
    missing = [each for each in desk.events if isinstance(each, BarsMissing)]
    assert [(each.instrument.symbol, each.start_ns, each.end_ns, each.reason) for each in missing] == [
        (symbol, OPENS, OPENS + MINUTE, "no answer") for symbol in ("NIFTY 50", "RELIANCE")
    ]
    broker.refuses = False
    await desk.at(121)
    assert [each.is_complete for each in desk.bars] == [False, True]


@runs
async def test_a_bar_joined_midway_is_completed_by_history():
    desk = Desk(start=OPENS + 30 * SECOND)
    true_history(desk.brokers[0], [OPENS, OPENS + 31 * SECOND], [99.0, 100.0])
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(31, 100)
    await desk.at(61, 101)
    assert desk.bars == []
    await desk.at(62.5)
    assert shape(desk.bars) == [(0, 99, 100, 99, 100, 0)]


@runs
async def test_a_day_bar_of_history_may_be_stamped_at_midnight():
    desk = Desk(start=OPENS + 30 * SECOND)
    midnight = OPENS - (9 * 60 + 15) * MINUTE
    row = [[price] * 2 for price in (90.0, 110.0, 80.0, 105.0, 7.0)]
    desk.brokers[0].past = lambda *_: Bars.of([midnight - 24 * 60 * MINUTE, midnight], *row)
    await desk.hub.subscribe("a", [NIFTY], timeframes=[Timeframe(1, "d")])
    await desk.at(31, 100)
    await desk.at(375 * 60 + 3)
    assert shape(desk.bars) == [(0, 90, 110, 80, 105, 7)]


@runs
async def test_a_gap_outside_the_session_asks_nothing():
    desk = Desk(start=OPENS - 3600 * SECOND)
    (broker,) = desk.brokers
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(-3000, 100)
    broker.stream = StreamState.DISCONNECTED
    await desk.at(-2000)
    broker.stream = StreamState.CONNECTED
    await desk.at(-1000, 100)
    await desk.at(0, 100)
    await desk.at(61)
    assert len(desk.bars) == 1
    assert broker.asked_history == []


EVERY = 5  # seconds between looks, in the scenario below


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=40, unique=True),
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=5),
    st.sampled_from([("1m",), ("1m", "5m"), ("3m",), ("1d", "1m")]),
    st.sampled_from(EmptyBars),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_losses_bars_are_in_order_none_twice_none_missing(
    looks, losses, texts, empty, unreliable
):
    """Differential: a hub that loses the feed tells the same bars as one that does not."""
    timeframes = [Timeframe.parse(text) for text in texts]
    price_at = {look: 100.0 + look * 7 % 31 for look in sorted(looks)}
    moments = [OPENS + look * EVERY * SECOND for look in price_at]
    backfill = BackfillSettings(patience_ns=10**15)

    async def told(losses):
        desk = Desk(settings=HubSettings(bars=BarSettings(empty=empty), backfill=backfill))
        (broker,) = desk.brokers
        true_history(broker, moments, list(price_at.values()))
        await desk.hub.subscribe("a", [NIFTY], timeframes=timeframes)
        for look in range(300):
            down = any(begin <= look < begin + length for begin, length in losses)
            broker.stream = StreamState.DISCONNECTED if down else StreamState.CONNECTED
            broker.refuses = len(broker.asked_history) % (unreliable + 1) != 0
            await desk.at(look * EVERY)
            traded = [each for each in price_at if each <= look]
            # after a loss brokers send a picture of the last trade
            if traded and not down and (traded[-1] == look or desk.hub.is_down):
                last = traded[-1]
                desk.hub.hear(0, [quote(NIFTY, desk.clock.now_ns(), price_at[last],
                                        last_trade_ns=OPENS + last * EVERY * SECOND)])  # fmt: skip
        broker.stream, broker.refuses = StreamState.CONNECTED, False
        for after in (10, 20, 30):
            await desk.at(375 * 60 + after)
        assert desk.hub.status().held_series == 0
        return desk.bars

    with_losses, without = asyncio.run(told(losses)), asyncio.run(told([]))
    for timeframe in timeframes:
        one, other = (
            [(each.bar, each.is_complete) for each in bars if each.timeframe == timeframe]
            for bars in (with_losses, without)
        )
        assert one == other


@runs
async def test_run_listens_to_every_source_until_it_is_cancelled():
    clock = ManualClock(OPENS)
    broker = FakeBroker()
    looked, told = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds):
        looked.set()
        await told.wait()
        told.clear()

    hub = TickHub([TickSource("only", broker)], clock, lambda _: HOURS, sleep=sleep)
    bars, heard = [], asyncio.Event()
    hub.on_bar(bars.append)
    hub.on_ticks(lambda _: heard.set())
    running = asyncio.create_task(hub.run())
    await looked.wait()
    await hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await broker.coming.put([quote(NIFTY, OPENS, 100)])
    await heard.wait()
    clock.advance_to(OPENS + MINUTE + LATE)
    looked.clear()
    told.set()
    await looked.wait()
    assert shape(bars) == [(0, 100, 100, 100, 100, 0)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_settings_that_make_no_sense_are_refused():
    for wrong in (
        lambda: HubSettings(turn_ns=0),
        lambda: HubSettings(poll_most=0),
        lambda: SwitchSettings(return_after_ns=-1),
        lambda: BackfillSettings(at_once=0),
        lambda: TickHub([], ManualClock(0), lambda _: HOURS),
    ):
        with pytest.raises(InvalidValueError):
            wrong()


@runs
async def test_a_clock_that_is_behind_the_prices_is_told_once_until_it_is_right_again():
    desk = Desk()
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])

    async def minute(start, ahead):
        for second in range(start, start + 60, 2):
            desk.clock.advance_to(OPENS + second * SECOND)
            desk.hub.hear(0, [quote(NIFTY, desk.clock.now_ns() + ahead * SECOND, 100 + second % 7)])
            await desk.turn()

    await minute(0, 3)  # beyond `ahead_ns`: no price makes a bar
    assert desk.bars == []
    assert [type(each) for each in desk.events] == [ClockBehind]
    assert desk.events[0].source == "first"
    assert desk.events[0].refused == desk.events[0].heard > 0
    await minute(60, 1)
    await minute(120, 1)
    assert desk.bars
    assert len(desk.events) == 1
    await minute(180, 3)
    assert [type(each) for each in desk.events] == [ClockBehind, ClockBehind]


@runs
async def test_a_connection_that_is_being_made_is_told_as_such():
    desk = Desk()
    desk.brokers[0].stream = StreamState.CONNECTING
    await desk.hub.subscribe("a", [NIFTY], timeframes=[ONE_MINUTE])
    await desk.at(-59)
    assert [(type(each), each.is_start) for each in desk.events] == [(FeedLost, True)]
    desk.brokers[0].stream = StreamState.CONNECTED
    await desk.at(0, 100)
    desk.brokers[0].stream = StreamState.CONNECTING
    await desk.at(1)
    assert [each.is_start for each in desk.events if isinstance(each, FeedLost)] == [True, False]
