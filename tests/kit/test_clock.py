"""The system's clock is the system's clock."""

import time

from trademantra.kit.clock import SystemClock


def test_lies_between_two_readings_of_the_system() -> None:
    before = time.time_ns()
    now = SystemClock().now_ns()
    assert before <= now <= time.time_ns()
