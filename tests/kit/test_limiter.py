"""The limiter keeps every window and wastes no slot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import ManualClock
from trademantra.kit.limiter import Counting, LimitReachedError, RateLimiter, Window

windows = st.builds(
    Window,
    count=st.integers(1, 5),
    length_ns=st.integers(1, 50),
    counting=st.sampled_from(Counting),
    offset_ns=st.integers(0, 20),
)
steps = st.lists(st.integers(0, 30), min_size=1, max_size=40)


def _allows(window: Window, instants: list[int], at: int) -> bool:
    """The rule itself, written plainly: would one more at `at` break it?"""
    everything = [*instants, at]
    if window.counting is Counting.CALENDAR:
        place = (at + window.offset_ns) // window.length_ns
        return (
            sum((one + window.offset_ns) // window.length_ns == place for one in everything) <= window.count
        )
    return all(
        sum(start <= one < start + window.length_ns for one in everything) <= window.count
        for start in everything
    )


@given(st.integers(1, 12), st.integers(0, 4), st.sampled_from(Counting))
def test_spare_slots_stay_free_for_those_who_ask_without(count: int, spare: int, counting: Counting) -> None:
    limiter = RateLimiter([Window(count, 100, counting)], ManualClock(1_000))
    taken = 0
    while not limiter.wait_ns(spare):
        limiter.reserve()
        taken += 1
    assert taken == count - min(spare, count // 4)
    assert limiter.wait_ns(spare) == 100
    while not limiter.wait_ns():
        limiter.reserve()
        taken += 1
    assert taken == count


@given(st.lists(windows, min_size=1, max_size=3), steps)
def test_gives_the_earliest_instant_that_breaks_no_window(limits: list[Window], pauses: list[int]) -> None:
    clock = ManualClock(1_000)
    limiter = RateLimiter(limits, clock)
    given_out: list[int] = []
    for pause in pauses:
        clock.advance_to(clock.now_ns() + pause)
        at = max([clock.now_ns(), *given_out[-1:]])
        while not all(_allows(window, given_out, at) for window in limits):
            at += 1
        assert limiter.wait_ns() == at - clock.now_ns()
        assert limiter.reserve() == at
        given_out.append(at)


def test_refuses_to_wait_longer_than_asked_and_books_nothing() -> None:
    limiter = RateLimiter([Window(1, 100)], ManualClock(30))
    limiter.reserve()
    with pytest.raises(LimitReachedError) as refusal:
        limiter.reserve(longest_wait_ns=69)
    assert refusal.value.wait_ns == 70
    assert [limiter.reserve(longest_wait_ns=70), limiter.wait_ns()] == [100, 170]


def test_a_clock_that_goes_back_gives_no_slot_twice() -> None:
    class Backwards:
        now = 150

        def now_ns(self) -> int:
            return self.now

    clock = Backwards()
    limiter = RateLimiter([Window(2, 100)], clock)
    first = [limiter.reserve(), limiter.reserve()]
    clock.now = 40
    assert [*first, limiter.reserve()] == [150, 150, 200]


def test_a_day_of_india_begins_at_its_own_midnight() -> None:
    hour = 3_600_000_000_000
    day = Window(1, 24 * hour, offset_ns=5 * hour + hour // 2)
    assert day.start_of(20 * hour) == 18 * hour + hour // 2


@pytest.mark.parametrize(("count", "length"), [(0, 1), (1, 0), (-1, 5)])
def test_a_window_that_allows_nothing_is_refused(count: int, length: int) -> None:
    with pytest.raises(InvalidValueError):
        Window(count, length)
