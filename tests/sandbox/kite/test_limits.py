import pytest

from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock
from trademantra.sandbox.kite.errors import KiteReplyError
from trademantra.sandbox.kite.limits import Budget, RateLimits

SECOND = NANOSECONDS_PER_SECOND


def taken(limits: RateLimits, budget: Budget, most: int = 1000, account: str = "A") -> int:
    for count in range(most):
        try:
            limits.take(account, budget)
        except KiteReplyError as error:
            return count if (error.status, error.error_type) == (429, "NetworkException") else -1
    return most


@pytest.mark.parametrize(
    ("budget", "count"), [(Budget.ORDERS, 10), (Budget.QUOTES, 1), (Budget.HISTORY, 3), (Budget.OTHER, 10)]
)
def test_each_calendar_second_has_its_own_count(budget: Budget, count: int) -> None:
    clock = ManualClock(1_000 * SECOND + SECOND // 2)
    limits = RateLimits(clock, enforced=True)
    assert taken(limits, budget) == count
    clock.advance_to(1_001 * SECOND - 1)
    assert taken(limits, budget) == 0
    clock.advance_to(1_001 * SECOND)  # half a second later, but the next calendar second
    assert taken(limits, budget) == count


def test_orders_have_a_minute_and_a_day_too() -> None:
    clock = ManualClock(0)
    limits = RateLimits(clock, enforced=True)
    minute = []
    for second in range(60):
        clock.advance_to(second * SECOND)
        minute.append(taken(limits, Budget.ORDERS))
    assert sum(minute) == 400
    total = sum(minute)
    for second in range(60, 1200):
        clock.advance_to(second * SECOND)
        total += taken(limits, Budget.ORDERS)
    assert total == 5000


def test_accounts_and_budgets_do_not_share() -> None:
    limits = RateLimits(ManualClock(0), enforced=True)
    assert taken(limits, Budget.QUOTES) == 1
    assert taken(limits, Budget.QUOTES, account="B") == 1
    assert taken(limits, Budget.HISTORY) == 3


def test_switched_off_nothing_is_counted() -> None:
    assert taken(RateLimits(ManualClock(0), enforced=False), Budget.QUOTES, 50) == 50
