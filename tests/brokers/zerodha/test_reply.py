"""What the broker answered, read into types."""

import pytest

from trademantra.brokers.zerodha.reply import Record
from trademantra.core.time import NANOSECONDS_PER_SECOND


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "0001-01-01T00:00:00Z", "9999-12-31 23:59:59"])
def test_a_time_that_no_broker_can_mean_is_no_time(text: str) -> None:
    assert Record({"at": text}, "trade").instant("at") is None


def test_a_wall_clock_of_india_is_read() -> None:
    assert (
        Record({"at": "2026-11-20 09:15:00"}, "trade").instant("at") == 1_795_146_300 * NANOSECONDS_PER_SECOND
    )
