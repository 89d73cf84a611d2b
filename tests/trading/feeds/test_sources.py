"""Several sources of one feed: which is heard, what a switch does to totals, bars and prices, and who is asked over REST."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.feeds.broker_fake import FakeBroker, quote, runs
from tests.trading.feeds.test_tick_hub import Desk, true_history
from tests.trading.feeds.tick_making import ONE_MINUTE, OPENS, SECOND, index, share
from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.brokers.events import StreamState
from trademantra.brokers.market import StreamMode
from trademantra.core.errors import UnknownInstrumentError
from trademantra.trading.feeds.events import FeedBack, FeedLost, SourceSwitched, SourceTrouble
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.shared_lines import shared_lines
from trademantra.trading.feeds.sources import SourceChoice, SwitchSettings
from trademantra.trading.feeds.ticks import Origin, batch_of

NIFTY, RELIANCE, TCS = index(), share(), share("TCS")


def traded(second, price, total, instrument=RELIANCE, quantity=1):
    at = OPENS + round(second * SECOND)
    return quote(instrument, at, price, total, last_trade_ns=at, last_quantity=quantity)


def hear(desk, second, source, price, total, instrument=RELIANCE):
    desk.clock.advance_to(OPENS + round(second * SECOND))
    desk.hub.hear(source, [traded(second, price, total, instrument)])


def volumes(desk):
    """Volume and completeness of bars, by the second of their end."""
    return {(each.end_ns - OPENS) // SECOND: (each.bar.volume, each.is_complete) for each in desk.bars}


def shown_totals(desk):
    return [
        float(batch.total[-1]) for batch in desk.batches if len(batch) and batch.origin[0] == Origin.STREAM
    ]


async def switched(desk, second):
    """The first source breaks off, and the second is heard."""
    desk.brokers[0].stream = StreamState.DISCONNECTED
    for after in (0.1, 2.2):
        desk.clock.advance_to(OPENS + round((second + after) * SECOND))
        await desk.turn()
    assert desk.hub.source == "second"


@runs
async def test_totals_of_two_brokers_that_differ_make_no_volume():
    desk = Desk(2)
    await desk.hub.subscribe("a", [RELIANCE], timeframes=[ONE_MINUTE])
    for second in (0, 10, 20, 30, 40, 50, 60, 61):
        hear(desk, second, 0, 100, 1_000 + second)
        hear(desk, second + 0.1, 1, 100, 501_000 + second)
        await desk.turn()
    await switched(desk, 61)
    for second in range(70, 200, 10):
        hear(desk, second, 1, 100, 501_000 + second)
        await desk.turn()
    assert shown_totals(desk) == [*range(1_000, 1_061, 10), 1_061, *range(1_070, 1_191, 10)]
    assert volumes(desk) == {60: (1_050, True), 120: (60, False), 180: (60, True)}


@runs
async def test_the_bar_that_saw_both_sources_comes_from_history():
    desk = Desk(2)
    true_history(desk.brokers[1], [OPENS, OPENS + 60 * SECOND, OPENS + 70 * SECOND], [100.0, 105.0, 95.0])
    await desk.hub.subscribe("a", [RELIANCE], timeframes=[ONE_MINUTE])
    hear(desk, 1, 0, 100, 10)
    hear(desk, 59.9, 0, 101, 20)
    hear(desk, 60.2, 0, 101, 30)  # the first minute is still open for what is on its way
    desk.hub.hear(1, [traded(60.2, 101, 5_000)])
    await desk.turn()
    await switched(desk, 60.2)
    hear(desk, 63, 1, 102, 5_010)
    for second in (65, 110, 121, 123):
        await desk.at(second)
    assert [(each.bar.open, each.bar.low, each.is_complete, each.ticks) for each in desk.bars][-1] == (
        105,
        95,
        True,
        0,
    )
    lost, moved, back = desk.events
    assert (type(lost), lost.source) == (FeedLost, "first")
    assert (moved.old, moved.new) == ("first", "second")
    assert (type(back), back.source) == (FeedBack, "second")


@runs
async def test_a_return_to_the_better_source_marks_the_open_bars_and_is_no_loss():
    desk = Desk(2)
    await desk.hub.subscribe("a", [RELIANCE], timeframes=[ONE_MINUTE])
    hear(desk, 0, 0, 100, 10)
    desk.hub.hear(1, [traded(0, 100, 710)])
    await switched(desk, 1)
    desk.brokers[0].stream = StreamState.CONNECTED
    for second in range(4, 66):
        hear(desk, second, 1, 100, 710 + second)
        desk.hub.hear(0, [traded(second, 100, 10 + second)])
        await desk.turn()
    assert desk.hub.source == "first"
    assert desk.hub.status().preferred is None
    events = desk.events
    assert [type(each) for each in events] == [FeedLost, SourceSwitched, FeedBack, SourceSwitched, FeedBack]
    for second in range(66, 200):
        hear(desk, second, 0, 100, 10 + second)
        await desk.turn()
    assert shown_totals(desk)[1:] == [float(10 + second) for second in range(4, 200)]
    by_end = volumes(desk)
    assert by_end[180] == (60, True)
    assert [end for end, (_, whole) in by_end.items() if not whole] == [60, 120]


@runs
async def test_an_instrument_that_the_new_source_never_told_has_no_complete_bar_until_it_does():
    desk = Desk(2)
    await desk.hub.subscribe("a", [RELIANCE, TCS], timeframes=[ONE_MINUTE])
    hear(desk, 0, 0, 100, 10)
    hear(desk, 0, 0, 50, 10, TCS)
    desk.hub.hear(1, [traded(0, 100, 710)])
    await switched(desk, 1)
    hear(desk, 4, 1, 100, 720)
    hear(desk, 130, 1, 50, 9_000, TCS)  # its first word, two minutes later
    await desk.at(181)
    hear(desk, 190, 1, 50, 9_005, TCS)
    await desk.at(241)
    await desk.at(300)
    told = {
        (each.instrument.symbol, round((each.end_ns - OPENS) / SECOND)): (each.bar.volume, each.is_complete)
        for each in desk.bars
    }
    assert told["TCS", 180] == (1, False)
    assert told["TCS", 240] == (5, True)


@runs
async def test_a_day_begins_without_what_the_day_before_knew():
    desk = Desk(2)
    await desk.hub.subscribe("a", [RELIANCE])
    hear(desk, 0, 0, 100, 10)
    desk.hub.hear(1, [traded(0, 100, 710)])
    await switched(desk, 1)
    desk.hub.renew_hours()
    hear(desk, 4, 1, 100, 3)
    assert shown_totals(desk) == [10, 3]


@runs
async def test_a_price_of_a_source_that_is_not_heard_any_more_is_stale():
    desk = Desk(2)
    await desk.hub.subscribe("a", [RELIANCE, TCS])
    hear(desk, 0, 0, 100, 10)
    hear(desk, 0, 0, 50, 10, TCS)
    await switched(desk, 0.5)
    hear(desk, 3, 1, 101, 10)
    assert not desk.hub.last(RELIANCE).is_stale
    assert (desk.hub.last(TCS).is_stale, desk.hub.last(TCS).source) == (True, "first")
    status = desk.hub.status()
    assert (status.source, status.stale) == ("second", 1)
    assert (status.preferred.name, status.preferred.works) == ("first", False)


@runs
async def test_while_no_stream_comes_the_next_source_answers_over_rest_without_its_totals():
    desk = Desk(2)
    first, second = desk.brokers
    await desk.hub.subscribe("a", [RELIANCE])
    hear(desk, 0, 0, 100, 1_000)
    first.stream = second.stream = StreamState.DISCONNECTED
    first.refuses = True
    second.known_quotes[RELIANCE] = traded(3, 103, 99)
    await desk.at(3)
    await desk.at(4)
    price = desk.hub.last(RELIANCE)
    assert (price.value, price.source, price.origin, price.is_stale) == (
        Decimal(103),
        "second",
        Origin.POLL,
        False,
    )
    assert float(desk.batches[-1].total[0]) == -1.0


@runs
async def test_a_source_that_hangs_holds_up_no_answer_of_the_next_one():
    class Hangs(FakeBroker):
        async def quotes(self, instruments):
            await asyncio.Event().wait()

    desk = Desk(2)
    first, second = desk.brokers
    await desk.hub.subscribe("a", [RELIANCE])
    hear(desk, 0, 0, 100, 1_000)
    first.__class__ = Hangs
    first.stream = second.stream = StreamState.DISCONNECTED
    second.known_quotes[RELIANCE] = traded(3, 103, 99)
    await desk.at(3)
    await desk.at(4)
    price = desk.hub.last(RELIANCE)
    assert (price.value, price.source, price.origin) == (Decimal(103), "second", Origin.POLL)


@runs
async def test_a_source_that_nobody_was_logged_in_to_is_asked_again():
    desk = Desk(2)
    desk.brokers[0].refuses = True
    await desk.hub.subscribe("a", [RELIANCE, TCS])
    assert desk.events == [SourceTrouble("first", "no answer")]
    assert desk.brokers[1].subscribed == [(["RELIANCE", "TCS"], "full")]
    await desk.hub.unsubscribe("a", [TCS])
    await desk.at(5)
    assert len(desk.events) == 1  # the same trouble is told once
    desk.brokers[0].refuses = False
    await desk.at(7)
    assert desk.brokers[0].subscribed == []
    await desk.at(10)
    assert desk.brokers[0].subscribed == [(["RELIANCE"], "full")]
    await desk.at(20)
    assert len(desk.brokers[0].subscribed) == 1


@runs
async def test_an_instrument_that_a_source_does_not_list_keeps_no_other_from_being_heard():
    class Lists(FakeBroker):
        async def subscribe(self, instruments, mode):
            if TCS in instruments:
                raise UnknownInstrumentError("NSE:TCS is not listed here")
            await super().subscribe(instruments, mode)

    desk = Desk(2)
    desk.hub._sources[1].adapter.__class__ = Lists
    await desk.hub.subscribe("a", [RELIANCE, TCS])
    assert desk.brokers[1].subscribed == [(["RELIANCE"], "full")]
    assert desk.events == [SourceTrouble("second", "NSE:TCS is not listed here")]


@runs
async def test_hubs_that_share_an_account_do_not_take_each_others_instruments_away():
    broker = FakeBroker()
    lines = shared_lines({"z": ["z"], "z+y": ["z", "y"]}, {"z": broker, "y": FakeBroker()})
    one, other = lines["z"][0], lines["z+y"][0]
    assert isinstance(one, TickSource)
    await one.adapter.subscribe([RELIANCE], StreamMode.FULL)
    await other.adapter.subscribe([RELIANCE], StreamMode.LTP)
    assert broker.subscribed == [(["RELIANCE"], "full"), (["RELIANCE"], "full")]
    await one.adapter.unsubscribe([RELIANCE])
    assert broker.left == []
    await one.adapter.unsubscribe([RELIANCE])
    assert broker.left == []
    await other.adapter.unsubscribe([RELIANCE])
    assert broker.left == [["RELIANCE"]]
    broker.refuses = True
    with pytest.raises(BrokerUnavailableError):
        await one.adapter.subscribe([RELIANCE], StreamMode.FULL)
    await one.adapter.unsubscribe([RELIANCE])
    assert broker.left == [["RELIANCE"]]


@dataclass
class Seen:
    """A choice between two sources that are looked at four times a second."""

    settings: SwitchSettings = field(default_factory=SwitchSettings)
    now: int = 0

    def __post_init__(self):
        self.choice = SourceChoice(2, self.settings, 0)
        self.changes = []

    def go(self, until, *, first=None, second=None, up=(True, True)):
        """Each source ticks at the seconds that its predicate allows; None: never."""
        while self.now < until * SECOND:
            self.now += SECOND // 4
            for number, ticks in enumerate((first, second)):
                self.choice.stream(number, self.now, is_up=up[number])
                if up[number] and ticks is not None and ticks(self.now / SECOND):
                    self.choice.heard(number, self.now)
            old = self.choice.active
            if self.choice.choose(self.now) != old:
                self.changes.append((self.now / SECOND, self.choice.active))


def always(_):
    return True


def test_in_a_quiet_market_the_source_that_ticks_second_is_not_silent():
    seen = Seen()
    seen.go(600, first=lambda at: at % 10 == 0.25, second=lambda at: at % 10 == 0)
    assert seen.changes == []
    assert not seen.choice.is_failing()


def test_a_source_that_comes_and_goes_must_prove_itself_longer_each_time():
    seen = Seen()
    for _ in range(40):
        seen.go(seen.now / SECOND + 70, first=always, second=always)
        seen.go(seen.now / SECOND + 5, second=always, up=(False, True))
    returns = [at for at, active in seen.changes if active == 0]
    assert len(returns) == 1  # its minute the first time; then it never works for two minutes without a break
    seen.go(seen.now / SECOND + 130, first=always, second=always)
    assert seen.choice.active == 0


def test_a_source_that_held_for_long_is_forgiven():
    seen = Seen()
    for _ in range(3):
        seen.go(seen.now / SECOND + 1_100, first=always, second=always)
        assert seen.choice.active == 0
        seen.go(seen.now / SECOND + 5, second=always, up=(False, True))
        assert seen.choice.active == 1
    seen.go(seen.now / SECOND + 61, first=always, second=always)
    assert seen.choice.active == 0


def test_when_neither_works_nothing_is_changed():
    seen = Seen()
    seen.go(60, up=(False, False))
    assert (seen.changes, seen.choice.is_failing()) == ([], True)
    seen.go(70, second=always, up=(False, True))
    assert seen.choice.active == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.booleans()), min_size=1, max_size=60))
def test_whatever_is_switched_what_is_shown_rises_by_what_the_heard_source_counts(steps):
    """Two sources that count the same trades from different beginnings; switches at any place."""
    desk = Desk(2)
    desk.hub.table.add(RELIANCE)
    totals, shown, true = desk.hub._totals, [], 0
    heard = 0
    for number in (0, 1):
        totals.note(number, [traded(0, 100, 1_000 * (number + 1))])
    for second, (switch, quantity, both) in enumerate(steps):
        if switch and both:
            heard = 1 - heard
            totals.switch(heard)
        true += quantity
        batches = [[traded(second, 100, 1_000 * (number + 1) + true)] for number in (0, 1)]
        shown.append(float(totals.shown(batch_of(batches[heard], desk.hub.table, OPENS), heard).total[0]))
        totals.note(1 - heard, batches[1 - heard])
    first = steps[0][1]
    assert [each - shown[0] for each in shown] == [
        sum(quantity for _, quantity, _ in steps[: i + 1]) - first for i in range(len(steps))
    ]
