"""Times as files write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import IST, ns_of
from trademantra.data.imports.stamps import (
    DateFields,
    StampKind,
    detect,
    has_numeric_dates,
    native_format,
    order_of,
    read,
    stated,
)

FROM, TO = datetime(1970, 1, 2), datetime(2068, 12, 31)
SECONDS = st.datetimes(FROM, TO).map(lambda at: at.replace(microsecond=0))

DATES = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d-%b-%Y", "%d-%B-%Y", "%d %b %Y", "%d%b%Y", "%d-%b-%y", "%b %d, %Y",
    "%d-%m-%Y", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%y",
]  # fmt: skip
TIMES = [" %H:%M:%S", "T%H:%M:%S", " %H:%M:%S.%f", "  %H:%M:%S", " %I:%M:%S %p", " %I:%M:%S%p", " %H%M%S"]


@given(st.lists(SECONDS, min_size=1, max_size=20), st.sampled_from(DATES), st.sampled_from(TIMES))
@settings(max_examples=120, deadline=None)
def test_what_python_writes_is_read_or_refused(moments: list[datetime], day: str, clock: str) -> None:
    """Any format gives the very instants back, or is refused as ambiguous; never others."""
    form = day + clock
    written = [moment.strftime(form) for moment in moments]
    seen = DateFields().joined(written)
    if has_numeric_dates(written) and len(seen.orders) > 1:
        with pytest.raises(InvalidValueError, match="told apart"):
            detect(written, seen.orders)
        return
    found = detect(written, seen.orders)
    assert read(pl.Series(written), found, IST).to_list() == [
        ns_of(each.replace(tzinfo=IST)) for each in moments
    ] or (found.kind is StampKind.DATE and all(each.time() == datetime.min.time() for each in moments))


@given(
    SECONDS, st.integers(-14 * 4, 14 * 4), st.sampled_from(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%:z"])
)
@settings(max_examples=60, deadline=None)
def test_offsets_name_the_instant(moment: datetime, quarters: int, form: str) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    text = zoned.isoformat() if ":z" in form else zoned.strftime(form)
    found = detect([text], ())
    assert found.kind is StampKind.OFFSET
    assert read(pl.Series([text]), found, None).to_list() == [ns_of(zoned)]


@pytest.mark.parametrize(
    ("text", "offset"), [("2024-01-05 09:15:00Z", 0), ("2024-01-05T09:15 UTC", 0), ("2024-01-05 09:15:00+05", 5),
                         ("2024-01-05 09:15:00 IST", 5.5), ("05-Jan-2024 9:15 AM +05:30", 5.5)]
)  # fmt: skip
def test_zones_in_letters(text: str, offset: float) -> None:
    at = datetime(2024, 1, 5, 9, 15, tzinfo=timezone(timedelta(hours=offset)))
    assert read(pl.Series([text]), detect([text], ()), None).to_list() == [ns_of(at)]


@given(st.datetimes(datetime(1973, 3, 4), datetime(2099, 12, 31)), st.sampled_from([10**9, 10**6, 10**3, 1]))
@settings(max_examples=60, deadline=None)
def test_epochs_are_told_by_their_size(moment: datetime, unit: int) -> None:
    ns = ns_of(moment.replace(tzinfo=UTC, microsecond=0))
    for value in (str(ns // unit), f"{ns // unit}.0"):
        found = detect([value], ())
        assert found.kind is StampKind.EPOCH
        assert read(pl.Series([value]), found, None).to_list() == [ns]
    assert read(pl.Series([ns // unit]), found, None).to_list() == [ns]


def test_day_and_month_are_decided_by_a_number_above_12() -> None:
    assert DateFields().joined(["01/02/2024"]).orders == ("dmy", "mdy")
    assert DateFields().joined(["01/02/2024", "13/02/2024"]).orders == ("dmy",)
    assert DateFields().joined(["01/13/2024"]).orders == ("mdy",)
    assert DateFields().joined(["13/13/2024"]).orders == ()
    assert DateFields().joined(["01/02/03"]).orders == ("dmy", "mdy", "ymd")
    assert DateFields().joined(["31/12/99"]).orders == ("dmy",)


def test_ambiguity_names_the_option() -> None:
    with pytest.raises(InvalidValueError, match="told apart") as caught:
        detect(["01/02/2024"], ("dmy", "mdy"))
    assert "--date-format dd-mm-yyyy" in caught.value.hint


@pytest.mark.parametrize("text", ["yyyy/dd/mm", "dd", "", "month"])
def test_orders_that_mean_nothing(text: str) -> None:
    with pytest.raises(InvalidValueError):
        order_of(text)


@pytest.mark.parametrize(("text", "order"), [("mm/dd/yy", "mdy"), ("YYYY-MM-DD", "ymd"), ("d.m.y", "dmy")])
def test_orders(text: str, order: str) -> None:
    assert order_of(text) == order


def test_a_stated_format_says_what_it_knows() -> None:
    assert stated("%d.%m.%Y").kind is StampKind.DATE
    assert stated("%d.%m.%Y %H:%M").kind is StampKind.LOCAL
    assert stated("%d.%m.%Y %H:%M%z").kind is StampKind.OFFSET
    with pytest.raises(InvalidValueError):
        stated("%q")


def test_kinds_do_not_mix() -> None:
    with pytest.raises(InvalidValueError, match="different ways"):
        detect(["2024-01-05", "2024-01-05 09:15"], ())


def test_midnights_are_dates() -> None:
    found = detect(["2024-01-05 00:00:00", "2024-01-08 00:00:00"], ())
    assert found.kind is StampKind.DATE
    days = pl.Series(["2024-01-05 00:00:00", "2024-01-08 10:00:00", "rubbish", None])
    assert read(days, found, IST).to_list() == [ns_of(datetime(2024, 1, 5, tzinfo=IST)), None, None, None]


def test_times_that_a_clock_change_skips_or_doubles_are_no_instants() -> None:
    form = detect(["2024-03-10 02:30:00"], ())
    zone = ZoneInfo("America/New_York")
    assert read(pl.Series(["2024-03-10 02:30:00", "2024-11-03 01:30:00"]), form, zone).to_list() == [
        None,
        None,
    ]


@pytest.mark.parametrize("text", ["0024-01-05", "1949-12-31", "2100-01-02"])
def test_years_nobody_trades_in_are_no_times(text: str) -> None:
    form = detect(["2024-01-05"], ())
    assert read(pl.Series([text]), form, IST).to_list() == [None]


def test_typed_columns() -> None:
    day = pl.Series([date(2024, 1, 5)])
    form = native_format(day.dtype)
    assert form is not None
    assert read(day, form, IST).to_list() == [ns_of(datetime(2024, 1, 5, tzinfo=IST))]
    zoned = pl.Series([datetime(2024, 1, 5, 9, 15)]).dt.replace_time_zone("Asia/Kolkata")
    form = native_format(zoned.dtype)
    assert form is not None
    assert read(zoned, form, None).to_list() == [ns_of(datetime(2024, 1, 5, 9, 15, tzinfo=IST))]
    assert native_format(pl.String()) is None
