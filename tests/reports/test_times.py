from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of
from trademantra.reports.times import iso_times, local_days, local_minutes

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Asia/Kolkata", "America/New_York", "UTC", "Australia/Lord_Howe")]
)


@settings(max_examples=60)
@given(seconds=st.lists(st.integers(0, 2_200_000_000), min_size=1, max_size=40), zone=ZONES)
def test_times_are_those_of_datetime_whatever_the_zone_does(seconds: list[int], zone: ZoneInfo) -> None:
    ts = np.array(seconds, np.int64) * 1_000_000_000
    wanted = [datetime_of(int(one), zone) for one in ts]
    assert iso_times(ts, zone) == [one.isoformat() for one in wanted]
    assert local_days(ts, zone).tolist() == [one.toordinal() - 719_163 for one in wanted]
    minutes = [(one.toordinal() - 719_163) * 1_440 + one.hour * 60 + one.minute for one in wanted]
    assert local_minutes(ts, zone).tolist() == minutes


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/New_York", "2025-03-09T07:00"),
        ("America/New_York", "2025-11-02T06:00"),
        ("Australia/Lord_Howe", "2025-04-05T15:00"),
    ],
)
def test_the_offset_changes_with_the_minute_that_the_clocks_change(zone: str, change: str) -> None:
    at = np.datetime64(change, "ns").astype(np.int64) + np.arange(-3, 3) * NANOSECONDS_PER_MINUTE
    found = iso_times(at, ZoneInfo(zone))
    assert found == [datetime_of(int(one), ZoneInfo(zone)).isoformat() for one in at]
    assert found[2][-6:] != found[3][-6:]


def test_fractions_of_a_second_show_only_where_there_are_any() -> None:
    assert iso_times(np.array([1_500_000_000]), ZoneInfo("UTC")) == ["1970-01-01T00:00:01.500000+00:00"]
    assert iso_times(np.empty(0, np.int64), ZoneInfo("UTC")) == []
