from datetime import date, time, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.bar_making import bars_at
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ist_ns
from trademantra.data.adjust import AdjustmentEvent
from trademantra.data.quality import Fault, Finding, QualityLimits, check
from trademantra.data.resample import daily_spans, utc_day_spans
from trademantra.engine.bars import Bars

ONE_MINUTE, ONE_DAY = Timeframe.parse("1m"), Timeframe.parse("1d")
DAYS = [date(2026, 11, 16) + timedelta(days=i) for i in range(5)]
SPANS = daily_spans(DAYS, time(9, 15), time(9, 45))
PER_DAY = 30
GRID = np.concatenate([np.arange(s.open_ns, s.close_ns, NANOSECONDS_PER_MINUTE) for s in SPANS])
FIELDS = ("ts", "open", "high", "low", "close", "volume")


def clean():
    return bars_at(GRID, seed=3)


def changed(bars, **fields):
    """A copy with some fields' values put at some places: `close={3: 0.0}`."""
    arrays = {name: getattr(bars, name).copy() for name in FIELDS}
    for name, values in fields.items():
        for place, value in values.items():
            arrays[name][place] = value
    return Bars(**arrays)


def rows(bars, places):
    return Bars(*(getattr(bars, name)[places] for name in FIELDS))


def test_sound_bars_have_no_findings():
    report = check(clean(), ONE_MINUTE, SPANS)
    assert report.is_clean
    assert (report.bars, report.expected, report.missing) == (150, 150, 0)
    assert report.rows() == ()
    assert report.quarantine == ()


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, len(GRID) - 1), max_size=140))
def test_missing_bars_are_found_exactly_as_ranges_inside_sessions(gone):
    kept = np.array([i for i in range(len(GRID)) if i not in gone], np.int64)
    report = check(rows(clean(), kept), ONE_MINUTE, SPANS)
    assert report.missing == len(gone)
    found = []
    for finding in report.of(Fault.GAP) + report.of(Fault.MISSING_SESSION):
        first, last = np.searchsorted(GRID, [finding.first_ns, finding.last_ns])
        assert (GRID[first], GRID[last]) == (finding.first_ns, finding.last_ns)
        assert finding.bars == last - first + 1
        found += range(first, last + 1)
        one_day = first // PER_DAY == last // PER_DAY
        whole_days = first % PER_DAY == 0 and last % PER_DAY == PER_DAY - 1
        assert whole_days if finding.fault is Fault.MISSING_SESSION else one_day
    assert sorted(found) == sorted(gone)


def test_sessions_in_a_row_are_one_finding():
    report = check(rows(clean(), np.r_[0:30, 120:150]), ONE_MINUTE, SPANS)
    (finding,) = report.findings
    assert finding == Finding(Fault.MISSING_SESSION, int(GRID[30]), int(GRID[119]), 90, "3 in a row")
    assert report.rows() == (("missing session", "2026-11-17 09:15", "2026-11-19 09:44", "90", "3 in a row"),)


def test_no_bars_at_all_are_all_missing():
    assert check(Bars.empty(), ONE_MINUTE, SPANS).missing == 150
    assert check(Bars.empty(), ONE_DAY, SPANS).missing == 5
    assert check(Bars.empty(), ONE_MINUTE, ()).is_clean
    outside = check(clean(), ONE_MINUTE, ())
    assert [(f.fault, f.bars) for f in outside.findings] == [(Fault.OUTSIDE, 150)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(GRID) - 1), min_size=1, max_size=4, unique=True), st.booleans())
def test_doubled_bars_are_found_and_told_apart(doubled, other):
    places = np.sort(np.concatenate([np.arange(len(GRID)), doubled]))
    bars = rows(clean(), places)
    if other:
        again = np.flatnonzero(np.diff(places) == 0) + 1
        bars = changed(bars, volume={int(i): bars.volume[i] + 1 for i in again})
    report = check(bars, ONE_MINUTE, SPANS)
    expected = "with other numbers" if other else "identical"
    assert [(f.fault, f.first_ns, f.bars, f.detail) for f in report.findings] == [
        (Fault.DUPLICATE, GRID[i], 1, expected) for i in sorted(doubled)
    ]


def test_bars_out_of_order_are_found_and_nothing_else():
    order = np.arange(150)
    order[[40, 41]] = [41, 40]
    (finding,) = check(rows(clean(), order), ONE_MINUTE, SPANS).findings
    assert (finding.fault, finding.first_ns, finding.detail) == (
        Fault.UNSORTED, GRID[40], "row 41 is earlier than row 40",
    )  # fmt: skip


def test_bars_outside_sessions_are_ranges_and_auctions_are_not_outside():
    first = ist_ns(DAYS[0], time(9, 0))
    extra = np.array([first + i * NANOSECONDS_PER_MINUTE for i in (7, 8)] + [ist_ns(DAYS[2], time(9, 50))])
    bars = bars_at(np.sort(np.concatenate([GRID, extra])))
    found = check(bars, ONE_MINUTE, SPANS).findings
    assert [(f.fault, f.first_ns, f.last_ns, f.bars) for f in found] == [
        (Fault.OUTSIDE, extra[0], extra[1], 2), (Fault.OUTSIDE, extra[2], extra[2], 1),
    ]  # fmt: skip
    auctions = daily_spans(DAYS, time(9, 45), time(10, 0))
    found = check(bars, ONE_MINUTE, SPANS, auctions=auctions).findings
    assert [(f.fault, f.bars) for f in found] == [(Fault.OUTSIDE, 2)]


def test_a_shifted_clock_is_off_the_grid():
    late = GRID[:30] + 40 * 10**9
    (finding,) = check(bars_at(np.concatenate([late, GRID[30:]])), ONE_MINUTE, SPANS).findings
    assert (finding.fault, finding.bars) == (Fault.OFF_GRID, 30)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
def test_impossible_prices_are_found_once(field, value):
    bars = changed(clean(), **{field: {7: value, 8: value}})
    found = check(bars, ONE_MINUTE, SPANS).findings
    assert [(f.fault, f.first_ns, f.last_ns, f.bars) for f in found] == [
        (Fault.BAD_PRICE, GRID[7], GRID[8], 2)
    ]
    assert f"{field} {value}" in found[0].detail


def test_prices_that_contradict_each_other_are_found():
    bars = clean()
    bars = changed(bars, high={5: min(bars.open[5], bars.close[5]) - 0.05}, low={9: bars.high[9] + 0.05})
    assert [(f.fault, f.first_ns) for f in check(bars, ONE_MINUTE, SPANS).findings] == [
        (Fault.CONTRADICTION, GRID[5]), (Fault.CONTRADICTION, GRID[9]),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_impossible_volumes_are_found(value):
    (finding,) = check(changed(clean(), volume={7: value}), ONE_MINUTE, SPANS).findings
    assert (finding.fault, finding.first_ns) == (Fault.BAD_VOLUME, GRID[7])


def scaled(bars, place, factor):
    """From `place` on every price is multiplied, as by a split."""
    after = np.where(np.arange(len(bars)) >= place, factor, 1.0)
    return Bars(bars.ts, *(getattr(bars, name) * after for name in FIELDS[1:5]), bars.volume)


@pytest.mark.parametrize(
    ("factor", "found"), [(0.5, True), (2.0, True), (0.8, True), (0.87, False), (1.14, False)]
)
def test_a_jump_without_an_event_on_file_quarantines(factor, found):
    report = check(scaled(clean(), 60, factor), ONE_MINUTE, SPANS)
    assert [f.fault for f in report.findings] == ([Fault.JUMP] if found else [])
    assert len(report.quarantine) == found
    if found:
        (finding,) = report.findings
        assert (finding.first_ns, finding.last_ns) == (GRID[59], GRID[60])
        assert finding.detail.endswith("no event on file")


def test_an_event_explains_its_own_jump_only():
    bars = scaled(clean(), 60, 0.5)
    half = AdjustmentEvent("A", DAYS[2], Fraction(1, 2))
    assert check(bars, ONE_MINUTE, SPANS, events=[half]).is_clean
    for wrong in (
        AdjustmentEvent("A", DAYS[2], Fraction(1, 5)),
        AdjustmentEvent("A", DAYS[1], Fraction(1, 2)),
    ):
        assert check(bars, ONE_MINUTE, SPANS, events=[wrong]).quarantine
    # A split that left no trace in the prices: they were adjusted already, or the event is wrong.
    (finding,) = check(clean(), ONE_MINUTE, SPANS, events=[half]).quarantine
    assert "explain a factor of 0.5" in finding.detail


def test_a_bad_tick_is_a_spike_in_minutes_but_not_in_days():
    bars = clean()
    spiked = changed(bars, high={20: bars.high[20] * 1.2}, low={25: bars.low[25] * 0.8})
    assert [(f.fault, f.first_ns) for f in check(spiked, ONE_MINUTE, SPANS).findings] == [
        (Fault.SPIKE, GRID[20]), (Fault.SPIKE, GRID[25]),
    ]  # fmt: skip
    daily = bars_at(np.array([span.open_ns for span in SPANS]))
    assert check(changed(daily, high={2: daily.high[2] * 1.3}), ONE_DAY, SPANS).is_clean


def test_long_runs_without_volume_are_found_unless_there_is_never_any():
    limits = QualityLimits(intraday_run=10)
    bars = changed(clean(), volume=dict.fromkeys(range(50, 60), 0.0))
    (finding,) = check(bars, ONE_MINUTE, SPANS, limits=limits).findings
    assert (finding.fault, finding.first_ns, finding.last_ns, finding.bars) == (
        Fault.ZERO_VOLUME, GRID[50], GRID[59], 10,
    )  # fmt: skip
    assert check(bars, ONE_MINUTE, SPANS, limits=QualityLimits(intraday_run=11)).is_clean
    index = changed(clean(), volume=dict.fromkeys(range(150), 0.0))
    assert check(index, ONE_MINUTE, SPANS, limits=limits).is_clean


def test_a_feed_that_stopped_is_stale():
    limits = QualityLimits(intraday_run=10)
    bars = clean()
    price = bars.close[39]
    stopped = changed(bars, **{name: dict.fromkeys(range(40, 52), price) for name in FIELDS[1:5]})
    (finding,) = check(stopped, ONE_MINUTE, SPANS, limits=limits).findings
    assert (finding.fault, finding.first_ns, finding.bars) == (Fault.STALE, GRID[40], 12)


def test_days_and_weeks_are_counted_by_the_calendar():
    opens = np.array([span.open_ns for span in SPANS])
    report = check(bars_at(opens[[0, 3, 4]]), ONE_DAY, SPANS)
    assert [(f.fault, f.first_ns, f.last_ns, f.bars) for f in report.findings] == [
        (Fault.MISSING_SESSION, opens[1], opens[2], 2)
    ]
    midnights = np.array([ist_ns(day, time()) for day in DAYS])
    assert check(bars_at(midnights), ONE_DAY, SPANS).is_clean
    (twice,) = check(bars_at(np.sort(np.append(midnights, opens[1]))), ONE_DAY, SPANS).findings
    assert (twice.fault, twice.detail) == (Fault.DUPLICATE, "a second bar of one 1d")
    weeks = utc_day_spans(int(opens[0]), int(opens[0]) + 20 * 86_400 * 10**9)
    report = check(bars_at(np.array([weeks[0].open_ns, weeks[14].open_ns])), Timeframe.parse("1w"), weeks)
    assert [(f.fault, f.first_ns) for f in report.findings] == [(Fault.GAP, weeks[7].open_ns)]


def test_findings_stand_in_the_order_of_faults_and_times_and_nothing_is_changed():
    bars = changed(rows(clean(), np.r_[0:10, 12:150]), volume={3: -1.0}, close={100: 0.0})
    before = {name: getattr(bars, name).tobytes() for name in FIELDS}
    report = check(bars, ONE_MINUTE, SPANS)
    assert [f.fault for f in report.findings] == [Fault.GAP, Fault.BAD_PRICE, Fault.BAD_VOLUME]
    assert before == {name: getattr(bars, name).tobytes() for name in FIELDS}


def test_arrays_of_unequal_length_are_refused():
    bars = clean()
    with pytest.raises(InvalidValueError, match="differ in length"):
        check(Bars(bars.ts, bars.open[1:], bars.high, bars.low, bars.close, bars.volume), ONE_MINUTE, SPANS)


def test_a_doubled_bad_bar_is_one_bad_bar():
    bars = rows(changed(clean(), volume={7: -1.0}), np.sort(np.append(np.arange(150), 7)))
    assert [(f.fault, f.bars) for f in check(bars, ONE_MINUTE, SPANS).findings] == [
        (Fault.DUPLICATE, 1), (Fault.BAD_VOLUME, 1),
    ]  # fmt: skip
