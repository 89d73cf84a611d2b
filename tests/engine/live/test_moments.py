"""Named moments of a day, live as in a back-test: minutes before the open, a first entry, and days as bars."""

from dataclasses import replace

import pytest

from tests.engine.live.exchange import MINUTE, Days
from tests.engine.live.parity import CNC, LIVE, MIS, assert_same, both
from tests.engine.live.tapes import days_of, four_events, walks
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Enter
from trademantra.engine.rules import Level, Size
from trademantra.strategies.registry import load_strategy

OPEN_NS = 375 * MINUTE


class Scanner(EventStrategy):
    """Looks at the price of the auction before the open, and acts at minutes of the day."""

    name = title = idea = source = market = "scanner"
    times = (-5, -1, 0, 45, 200)

    def on_start(self, context: Context) -> None:
        self.heard: list[tuple[int, bool]] = []

    def on_time(self, context: Context, minute: int) -> None:
        for symbol in context.symbols:
            price, history = context.preopen(symbol), context.history(symbol)
            self.heard.append((minute, price == price))
            if minute == -1 and price == price and len(history) and price > float(history.close[-1]):
                context.buy(symbol, stop=price * 0.99)
            elif minute == 45 and context.position(symbol) == 0.0:
                context.buy(symbol)
            elif minute == 200:
                context.exit(symbol)

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index % 7 == 0 and context.position(bar.symbol) == 0.0:
            context.buy(bar.symbol, target=bar.close * 1.004)


def with_first_entry(days: Days, minute: int) -> Days:
    return replace(
        days,
        timelines={symbol: line.with_first_entry(minute) for symbol, line in days.timelines.items()},
        sessions=[replace(each, first_entry_minute=minute) for each in days.sessions],
    )


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("leave", [None, 360])
@pytest.mark.parametrize("first", [0, 5, 60])
def test_minutes_before_the_open_and_a_first_entry_are_those_of_the_back_test(
    count: int, leave: int | None, first: int
) -> None:
    days = with_first_entry(days_of(walks(count, 9, seed=70 + count), 2, 5, leave=leave, seed=4), first)
    result, trader = both(Scanner, days, LIVE, MIS if leave else CNC, {})
    assert_same(result, trader, 5)
    opens = {each.open_ns for each in days.sessions}
    early = [
        trade
        for trade in trader.run.trades()
        if (trade.entry_ns - max(o for o in opens if o <= trade.entry_ns)) < first * MINUTE
    ]
    assert not early
    assert bool(first) != any(trade.entry_ns in opens for trade in trader.run.trades())


def test_a_scan_before_the_open_wants_what_it_would_at_the_open() -> None:
    days = days_of(walks(2, 4, seed=31), 2, 5)
    past, lines = days.before()
    session = days.sessions[0]
    auction = {symbol: 1.01 * float(bars.close[-1]) for symbol, bars in past.items()}

    def told(*minutes: int) -> tuple[list[object], list[tuple[int, bool]]]:
        heard: list[tuple[int, bool]] = []

        class Heard(Scanner):
            def on_start(self, context: Context) -> None:
                self.heard = heard

        rules = replace(LIVE, size=Size.parse("equal:2"))
        run = LiveRun(Heard, list(past), 5 * MINUTE, {}, rules)
        run.warm_up(past, lines)
        heard.clear()
        wants: list[object] = list(run.on_session(session, auction))
        for minute in minutes:
            wants += run.on_clock(session.open_ns + minute * MINUTE)
        return wants, heard

    early, at_once = told(-5, -4, -1), told(0)
    assert [each.symbol for each in early[0] if isinstance(each, Enter)] == ["S0", "S1"]
    assert repr(early[0]) == repr(at_once[0])  # NaN is not equal to itself
    assert early[1] == [(-5, True)] * 2 + [(-1, True)] * 2
    assert at_once[1] == [*early[1], (0, False), (0, False)]


def days_as_bars(count: int, sessions: int, warm: int, seed: int) -> Days:
    """Each day one bar, stamped at its open, its prices within the hours of the day."""
    named = walks(count, sessions, bars_a_session=1, minutes=375, seed=seed)
    days = days_of(named, warm, 375)
    prices = {symbol: four_events(bars, OPEN_NS) for symbol, bars in named.items()}
    return replace(days, prices=prices, timeframe_ns=NANOSECONDS_PER_DAY)


@pytest.mark.parametrize("name", ["supertrend", "ema_cross", "donchian_breakout"])
def test_days_as_bars_are_decided_at_their_close_and_filled_at_the_next_open(name: str) -> None:
    strategy = load_strategy(name)
    rules = replace(LIVE, allow_short=False, stop=Level.parse("3%"), size=Size.parse("cash:200000"))
    days = days_as_bars(1, 320, 60, seed=11)
    result, trader = both(strategy, days, rules, CNC, {})
    assert_same(result, trader, 2)
    opens = {each.open_ns for each in days.sessions}
    assert all(trade.entry_ns in opens for trade in trader.run.trades())


@pytest.mark.parametrize("count", [1, 3])
def test_callbacks_on_days_as_bars(count: int) -> None:
    result, trader = both(Scanner, days_as_bars(count, 120, 20, seed=5), LIVE, CNC, {})
    assert_same(result, trader, 3)
