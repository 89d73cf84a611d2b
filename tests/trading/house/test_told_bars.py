"""Every bar of a session once, in order, whatever the feed and history tell twice."""

from hypothesis import given
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import MINUTE, ONE_MINUTE, OPENS, index, share
from trademantra.core.bar import Bar, Timeframe
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.house.told_bars import ToldBars
from trademantra.trading.runner.run_log import BarsClosed

NIFTY, RELIANCE = index(), share()


def bar(number, instrument=RELIANCE, timeframe=ONE_MINUTE):
    start = OPENS + number * MINUTE
    return BarClosed(instrument, timeframe, Bar(start, 1.0, 2.0, 1.0, 2.0, 5.0), start + MINUTE, True, 1)


def numbers(found):
    return [(each.bar.start_ns - OPENS) // MINUTE for each in found]


def told(*instruments):
    return ToldBars({each.symbol: each for each in instruments or (RELIANCE,)}, ONE_MINUTE)


def test_what_history_and_the_log_have_is_not_told_again():
    bars = told()
    warm = Bars.of([OPENS, OPENS + MINUTE], [1, 1], [2, 2], [1, 1], [2, 2], [1, 1])
    bars.knows({RELIANCE.symbol: warm}, [BarsClosed(((RELIANCE.symbol, bar(2).bar),))])
    assert numbers(bars.fresh([bar(number) for number in range(5)])) == [3, 4]
    assert bars.fresh([bar(4)]) == []


def test_bars_of_others_are_not_its_own():
    bars = told()
    assert bars.fresh([bar(0, NIFTY), bar(0, timeframe=Timeframe(5, "m"))]) == []
    assert numbers(bars.fresh([bar(0)])) == [0]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([NIFTY, RELIANCE]), st.integers(0, 8)), max_size=40))
def test_of_each_series_every_bar_is_told_at_most_once_and_in_order(events):
    bars, heard = told(NIFTY, RELIANCE), {NIFTY: [], RELIANCE: []}
    for keeps, instrument, number in events:
        if keeps:
            bars.keep([bar(number, instrument)])
            found = bars.fresh(bars.take_kept())
        else:
            found = bars.fresh([bar(number, instrument)])
        for each in found:
            heard[each.instrument].append(each.bar.start_ns)
    for starts in heard.values():
        assert starts == sorted(set(starts))


def test_what_closed_while_it_opened_waits_in_order():
    bars = told(NIFTY, RELIANCE)
    bars.keep([bar(2), bar(1, NIFTY), bar(3, timeframe=Timeframe(5, "m"))])
    bars.keep([bar(1)])
    assert numbers(bars.take_kept()) == [1, 1, 2]
    assert bars.take_kept() == []
