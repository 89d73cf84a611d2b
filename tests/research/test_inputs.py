"""What a person names becomes what the engine runs on: adjusted alike, inside trading hours, with the right charges."""

from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, MissingFactError, NotFoundError
from trademantra.core.time import IST, ist_ns
from trademantra.data.adjust import AdjustmentEvent, AdjustmentEvents
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars
from trademantra.engine.rules import TradingRules
from trademantra.markets.charges.numeric import LEVIES
from trademantra.research.inputs import RunSpec, prepare_run

INFO = SeriesInfo(source="a test", timezone="Asia/Kolkata")


def minutes(day: date, count: int, start_minute: int = 0) -> Bars:
    """Bars of one session from 09:15 plus `start_minute`, at rising prices."""
    from datetime import time

    begin = ist_ns(day, time(9, 15)) + start_minute * 60_000_000_000
    close = 100.0 + np.arange(count) * 0.05
    ts = begin + np.arange(count) * 60_000_000_000
    return Bars.of(ts, close, close + 0.05, close - 0.05, close, np.full(count, 1_000.0))


def days(count: int) -> Bars:
    from datetime import time, timedelta

    from trademantra.core.instrument import Exchange, Segment
    from trademantra.markets.sessions import is_trading_day

    dates = [date(2024, 1, 1) + timedelta(days=k) for k in range(2 * count)]
    open_days = [day for day in dates if is_trading_day(day, Exchange.NSE, Segment.EQUITY)][:count]
    close = 100.0 + np.arange(count)
    ts = np.array([ist_ns(day, time()) for day in open_days])
    return Bars.of(ts, close, close + 1.0, close - 1.0, close, np.full(count, 1_000.0))


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    made = BarStore(tmp_path / "bars")
    joined = [minutes(date(2024, 10, day), 375) for day in (7, 8, 9)]
    fields = (np.concatenate([getattr(one, name) for one in joined]) for name in Bars.__slots__)
    made.append(Series.parse("NSE:INFY:1m"), Bars.of(*fields), INFO)
    made.append(Series.parse("NSE:TCS:1d"), days(60), INFO)
    return made


def test_minutes_become_longer_bars_on_their_sessions(store: BarStore) -> None:
    prepared = prepare_run(RunSpec(sources=("INFY",), timeframe=Timeframe.parse("15m")), store)
    [bars], [timeline] = prepared.given.bars.values(), prepared.given.timelines.values()
    assert len(bars) == 75
    assert timeline.ends.tolist() == [24, 49, 74]
    assert timeline.minute[:3].tolist() == [0, 15, 30]
    assert prepared.zone is IST


def test_the_range_is_inclusive_and_an_empty_one_says_what_there_is(store: BarStore) -> None:
    spec = RunSpec(sources=("NSE:INFY:1m",), first=date(2024, 10, 8), last=date(2024, 10, 8))
    assert len(prepare_run(spec, store).given.bars["INFY"]) == 375
    with pytest.raises(NotFoundError, match="no bars from 2025-01-01") as told:
        prepare_run(RunSpec(sources=("INFY",), first=date(2025, 1, 1)), store)
    assert "2024-10-07 to 2024-10-09" in told.value.hint


def test_a_run_and_its_benchmark_are_adjusted_alike(store: BarStore) -> None:
    split = days(60).ts[30]
    ex_date = np.datetime64(int(split) + 19_800_000_000_000, "ns").astype("datetime64[D]").item()
    store.put_events(
        "NSE", AdjustmentEvents((AdjustmentEvent("TCS", ex_date, Fraction(1, 2), "split", "a test"),))
    )
    prepared = prepare_run(RunSpec(sources=("TCS",), benchmark="TCS"), store)
    assert prepared.given.bars["TCS"].close[0] == 50.0
    assert prepared.given.benchmark is not None
    np.testing.assert_array_equal(prepared.given.benchmark, prepared.given.bars["TCS"].close)
    raw = prepare_run(RunSpec(sources=("TCS",), benchmark="TCS", adjusted=False), store)
    assert raw.given.bars["TCS"].close[0] == 100.0
    np.testing.assert_array_equal(raw.given.benchmark, raw.given.bars["TCS"].close)


def test_bars_outside_trading_hours_are_left_out_and_told(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    early = minutes(date(2024, 10, 7), 20, start_minute=-8)
    store.append(Series.parse("NSE:INFY:1m"), early, INFO)
    prepared = prepare_run(RunSpec(sources=("INFY",)), store)
    assert len(prepared.given.bars["INFY"]) == 12
    assert any("8 bars outside trading hours" in note for note in prepared.notes)


def test_a_product_brings_its_charges_its_leverage_and_its_square_off(store: BarStore) -> None:
    prepared = prepare_run(RunSpec(sources=("INFY",), costs="zerodha:MIS"), store)
    charged = {LEVIES[row["levy"]].value for row in prepared.given.charges}
    assert {"brokerage", "stt", "exchange_txn", "sebi", "stamp"} <= charged
    rules = prepared.rules(TradingRules())
    assert (rules.margin, rules.lot) == (0.2, 1.0)
    [timeline] = prepared.given.timelines.values()
    leaving = timeline.minute[(timeline.allowed & 16) != 0]
    assert len(leaving) == 3
    assert len(set(leaving.tolist())) == 1
    delivery = prepare_run(RunSpec(sources=("INFY",), costs="zerodha:CNC"), store)
    assert delivery.rules(TradingRules()).margin == 1.0
    assert len(next(iter(delivery.given.timelines.values())).allowed) == 0


@pytest.mark.parametrize(
    ("costs", "fault"),
    [
        ("zerodha", "name no product"),
        ("zerodha:XYZ", "name no product"),
        ("acme:CNC", "acme"),
        ("flat:x", "flat"),
    ],
)
def test_unknown_costs_are_refused(store: BarStore, costs: str, fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        prepare_run(RunSpec(sources=("INFY",), costs=costs), store)


def test_unknown_names_are_refused_with_near_ones(store: BarStore) -> None:
    with pytest.raises(NotFoundError, match="INFI") as told:
        prepare_run(RunSpec(sources=("INFI",)), store)
    assert "NSE:INFY" in told.value.hint
    with pytest.raises(NotFoundError, match="no file"):
        prepare_run(RunSpec(sources=("nowhere/prices.csv",)), store)
    with pytest.raises(InvalidValueError, match="several timeframes"):
        prepare_run(RunSpec(sources=("INFY", "TCS")), store)


def test_a_file_runs_without_being_stored(store: BarStore, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    rows = [f"2024-10-{day:02},100,101,99,100.5,1000" for day in (7, 8, 9, 10)]
    file.write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    prepared = prepare_run(RunSpec(sources=(str(file),), exchange="NSE", symbols=()), store)
    assert {name: len(bars) for name, bars in prepared.given.bars.items()} == {"PRICES": 4}
    assert len(store.series()) == 2


def test_what_a_bare_file_leaves_open_is_told(store: BarStore, tmp_path: Path) -> None:
    file = tmp_path / "my prices.csv"
    rows = [f"2024-10-07 10:{minute:02}:00,100,101,99,100.5,1000" for minute in range(30)]
    file.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    prepared = prepare_run(RunSpec(sources=(str(file),), symbols=("GOLD",)), store)
    assert list(prepared.given.bars) == ["GOLD"]
    assert any("read as UTC" in note for note in prepared.notes)
    assert any("no exchange is named" in note for note in prepared.notes)


def test_daily_bars_need_no_trading_hours(tmp_path: Path) -> None:
    """NSE opened on Saturday 2012-01-07 for a drill whose hours no table knows; a day bar does not ask."""
    store = BarStore(tmp_path / "bars")
    close = 100.0 + np.arange(9)
    ts = [ist_ns(date(2012, 1, day), datetime.min.time()) for day in (2, 3, 4, 5, 6, 7, 9, 10, 11)]
    store.append(Series.parse("NSE:TCS:1d"), Bars.of(ts, close, close, close, close, close), INFO)
    assert len(prepare_run(RunSpec(sources=("TCS",)), store).given.bars["TCS"]) == 9
    weekly = prepare_run(RunSpec(sources=("TCS",), timeframe=Timeframe.parse("1w")), store).given.bars["TCS"]
    assert weekly.close.tolist() == [105.0, 108.0]


def test_longer_bars_are_scaled_by_their_own_number_a_year(store: BarStore) -> None:
    for text, expected in (("1d", 252.0), ("1w", 52.0), ("1mo", 12.0), ("3mo", 4.0)):
        spec = RunSpec(sources=("TCS",), timeframe=Timeframe.parse(text))
        assert prepare_run(spec, store).given.sessions_per_year == expected
    assert prepare_run(RunSpec(sources=("INFY",)), store).given.sessions_per_year == 252.0


def test_a_day_of_unknown_hours_matters_only_where_it_has_bars(tmp_path: Path) -> None:
    """NSE held Muhurat trading on Sunday 2026-11-08; its hour is not known."""
    store = BarStore(tmp_path / "bars")
    series = Series.parse("NSE:INFY:1m")
    store.append(series, minutes(date(2026, 11, 6), 30), INFO)
    store.append(series, minutes(date(2026, 11, 9), 30), INFO)
    assert len(prepare_run(RunSpec(sources=("INFY",)), store).given.bars["INFY"]) == 60
    store.replace(series, minutes(date(2026, 11, 8), 5), INFO)
    with pytest.raises(MissingFactError, match="2026-11-08"):
        prepare_run(RunSpec(sources=("INFY",)), store)


def test_times_of_a_file_are_those_of_the_named_exchange_and_a_wrong_zone_is_refused(
    store: BarStore, tmp_path: Path
) -> None:
    file = tmp_path / "INFY.csv"
    rows = [f"2024-10-07 09:{minute:02}:00,100,101,99,100.5,1000" for minute in range(15, 60)]
    file.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    prepared = prepare_run(RunSpec(sources=(str(file),), exchange="NSE"), store)
    assert next(iter(prepared.given.timelines.values())).minute[0] == 0
    assert any("Asia/Kolkata" in note for note in prepared.notes)
    with pytest.raises(InvalidValueError, match="outside the trading hours"):
        prepare_run(
            RunSpec(sources=(str(file),), exchange="NSE", timezone=ZoneInfo("America/New_York")), store
        )


def test_summer_time_moves_no_day(tmp_path: Path) -> None:
    """Daily bars of New York stand at its midnight, 05:00 UTC in winter and 04:00 in summer."""
    store, new_york = BarStore(tmp_path / "bars"), ZoneInfo("America/New_York")
    for name, first in (("AAPL", date(2024, 1, 2)), ("MSFT", date(2024, 7, 1))):
        stamps = [
            int(datetime.combine(day, datetime.min.time(), new_york).timestamp()) * 1_000_000_000
            for day in (first, date(2024, 7, 2), date(2024, 12, 2))
        ]
        close = np.array([10.0, 11.0, 12.0])
        store.append(Series.parse(f"NASDAQ:{name}:1d"), Bars.of(stamps, close, close, close, close, close))
    given = prepare_run(RunSpec(sources=("AAPL", "MSFT")), store).given
    assert given.timelines["AAPL"].day[1:].tolist() == given.timelines["MSFT"].day[1:].tolist()
