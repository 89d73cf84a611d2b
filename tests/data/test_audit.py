"""Stored series against the calendars of their exchanges."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from trademantra.core.time import IST, ns_of
from trademantra.data.adjust import AdjustmentEvent, AdjustmentEvents
from trademantra.data.audit import Audit, audit
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.quality import Fault
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars


def flat(starts: list[datetime]) -> Bars:
    """A bar at each start, with prices that move a little."""
    close = 100 + np.arange(len(starts)) % 7 / 10
    return Bars.of(
        [ns_of(start) for start in starts], close, close + 0.5, close - 0.5, close, np.full(len(starts), 10.0)
    )


def day_of_minutes(day: date, first: time, count: int) -> list[datetime]:
    begin = datetime.combine(day, first, IST)
    return [begin + timedelta(minutes=i) for i in range(count)]


def audited(tmp_path: Path, name: str, bars: Bars, info: SeriesInfo | None = None) -> Audit:
    store = BarStore(tmp_path)
    store.append(Series.parse(name), bars, info)
    (entry,) = store.series()
    return audit(store, entry)


def faults(found: Audit) -> dict[Fault, int]:
    counts: dict[Fault, int] = {}
    for finding in found.report.findings:
        counts[finding.fault] = counts.get(finding.fault, 0) + finding.bars
    return counts


def test_a_whole_session_is_clean_and_a_gap_is_found(tmp_path: Path) -> None:
    minutes = day_of_minutes(date(2026, 1, 5), time(9, 15), 375)
    assert faults(audited(tmp_path / "a", "NSE:ALPHA:1m", flat(minutes))) == {}
    found = audited(tmp_path / "b", "NSE:ALPHA:1m", flat(minutes[:100] + minutes[103:]))
    assert faults(found) == {Fault.GAP: 3}
    assert found.report.missing == 3


@pytest.mark.parametrize(
    ("minutes", "missing"),
    [
        (range(360), 0), ([*range(360), 374], 0), ([*range(350), *range(355, 360), 374], 5),
        (range(375), 0), ([*range(362), *range(367, 375)], 5),
    ],
)  # fmt: skip
def test_a_share_has_the_hours_that_its_bars_show(
    tmp_path: Path, minutes: Sequence[int], missing: int
) -> None:
    """Since 2026-08-03 shares with derivatives trade until 15:15 and in one auction, others until 15:30."""
    begin = datetime(2026, 11, 18, 9, 15, tzinfo=IST)
    found = audited(tmp_path, "NSE:ALPHA:1m", flat([begin + timedelta(minutes=i) for i in minutes]))
    assert found.report.missing == missing
    assert faults(found) == ({Fault.GAP: missing} if missing else {})


def test_days_know_the_holidays(tmp_path: Path) -> None:
    """2026-01-26 is a holiday; 2026-02-01 is the Budget Sunday, and 2026-01-27 is left out."""
    days = [date(2026, 1, 23), date(2026, 1, 28), date(2026, 1, 29), date(2026, 1, 30), date(2026, 2, 1)]
    found = audited(tmp_path, "NSE:NIFTY:1d", flat([datetime.combine(day, time(), IST) for day in days]))
    assert faults(found) == {Fault.MISSING_SESSION: 1}


def test_crypto_never_closes_and_may_begin_and_end_at_any_time(tmp_path: Path) -> None:
    begin = datetime(2025, 1, 4, 11, 20, tzinfo=UTC)
    bars = [begin + timedelta(minutes=5 * i) for i in range(400)]
    assert faults(audited(tmp_path / "a", "BINANCE:BTCUSDT:5m", flat(bars))) == {}
    assert faults(audited(tmp_path / "b", "BINANCE:BTCUSDT:5m", flat(bars[:50] + bars[52:]))) == {
        Fault.GAP: 2
    }


def test_options_may_jump(tmp_path: Path) -> None:
    days = [datetime(2026, 1, 5, tzinfo=IST), datetime(2026, 1, 6, tzinfo=IST)]
    close = np.array([1.0, 5.0])
    bars = Bars.of([ns_of(day) for day in days], close, close, close, close, close)
    assert faults(audited(tmp_path / "a", "NSE:NIFTY:2026-01-27:25000:CE:1d", bars)) == {}
    assert faults(audited(tmp_path / "b", "NSE:ALPHA:1d", bars)) == {Fault.JUMP: 1}


def test_splits_on_file_explain_jumps(tmp_path: Path) -> None:
    days = [datetime(2026, 1, 5, tzinfo=IST), datetime(2026, 1, 6, tzinfo=IST)]
    close = np.array([100.0, 50.0])
    bars = Bars.of([ns_of(day) for day in days], close, close, close, close, close)
    store = BarStore(tmp_path)
    store.append(Series.parse("NSE:ALPHA:1d"), bars)
    store.put_events("NSE", AdjustmentEvents((AdjustmentEvent("ALPHA", date(2026, 1, 6), Fraction(1, 2)),)))
    (entry,) = store.series()
    assert faults(audit(store, entry)) == {}


@pytest.mark.parametrize("name", ["SOMEWHERE:X:1m", "MCX:GOLD:1m", "NSE:ALPHA:1m"])
def test_without_a_calendar_the_rest_is_still_checked(tmp_path: Path, name: str) -> None:
    """An exchange without a calendar, a commodity without its group, a year before the holiday lists."""
    minutes = day_of_minutes(date(1996, 1, 5), time(9, 15), 50)
    found = audited(tmp_path, name, flat(minutes[:20] + minutes[25:]), SeriesInfo(tick_size=Decimal("0.05")))
    assert faults(found) == {}
    assert len(found.remarks) == 1
    assert "were not looked for" in found.remarks[0]


def test_the_synthetic_market_trades_on_nse_days(tmp_path: Path) -> None:
    minutes = day_of_minutes(date(2026, 1, 5), time(9, 15), 375)
    found = audited(
        tmp_path, "SYNTH:X:1m", flat(minutes[:-5]), SeriesInfo(timezone="Asia/Kolkata", synthetic=True)
    )
    assert faults(found) == {Fault.GAP: 5}
    assert found.report.zone.key == "Asia/Kolkata"
