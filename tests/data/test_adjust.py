import operator
from datetime import date, time, timedelta
from fractions import Fraction
from functools import reduce

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.bar_making import bars_at, same
from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.time import ist_date, ist_ns
from trademantra.data.adjust import AdjustmentEvent, AdjustmentEvents, adjusted, factor_of, unadjusted
from trademantra.data.series import Series
from trademantra.data.store import BarStore, SeriesInfo

DAYS = [date(2026, 1, 1) + timedelta(days=i) for i in range(60)]
SERIES = Series.parse("NSE:RELIANCE:1d")

FACTORS = st.builds(Fraction, st.integers(1, 12), st.integers(1, 12))
EVENTS = st.lists(
    st.builds(
        AdjustmentEvent, st.just("A"), st.sampled_from(DAYS), FACTORS, st.sampled_from(["split", "bonus"])
    ),
    max_size=5,
    unique_by=lambda event: (event.ex_date, event.kind),
)


def daily(at=time(9, 15), seed=0, days=DAYS):
    return bars_at(np.array([ist_ns(day, at) for day in days]), seed)


def event(factor, day, symbol="RELIANCE", kind="bonus"):
    return AdjustmentEvent(symbol, day, Fraction(factor), kind)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from([time(), time(9, 15), time(23, 59)]), st.none() | st.sampled_from(DAYS))
def test_each_bar_is_multiplied_by_the_factors_of_later_events_and_nothing_else(events, at, as_of):
    bars = daily(at)
    done = adjusted(bars, events, as_of=as_of)
    days = [day for day in DAYS if as_of is None or day <= as_of]
    assert len(done) == len(days)
    for i, day in enumerate(days):
        later = [e.factor for e in events if day < e.ex_date <= days[-1]]
        beyond = [e.factor for e in events if as_of is None and e.ex_date > days[-1]]
        factor = reduce(operator.mul, later + beyond, Fraction(1))
        for name in ("open", "high", "low", "close"):
            assert getattr(done, name)[i] == pytest.approx(
                float(Fraction(getattr(bars, name)[i]) * factor), rel=1e-15
            )
        assert done.volume[i] == pytest.approx(float(Fraction(bars.volume[i]) / factor), rel=1e-15)
    done.check()


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 1000), st.none() | st.sampled_from(DAYS))
def test_raw_bars_come_back_exactly(events, seed, as_of):
    bars = daily(seed=seed)
    done = adjusted(bars, events, as_of=as_of)
    assert same(unadjusted(done, events, as_of=as_of), bars.slice(0, len(done)))


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS, st.sampled_from(DAYS), st.integers(1, 9))
def test_what_happens_after_the_day_asked_for_changes_nothing(events, others, as_of, seed):
    known = [e for e in events if e.ex_date <= as_of]
    future = [e for e in others if e.ex_date > as_of]
    past = DAYS.index(as_of) + 1
    bars, other = daily(seed=0), daily(seed=seed)
    told = adjusted(bars, known + future, as_of=as_of)
    fields = ("ts", "open", "high", "low", "close", "volume")
    mixed = type(bars)(*(np.append(getattr(bars, f)[:past], getattr(other, f)[past:]) for f in fields))
    assert same(told, adjusted(mixed, known, as_of=as_of))
    assert len(told) == past


def test_the_ex_date_begins_at_midnight_of_the_exchange():
    day = date(2026, 1, 10)
    ts = np.array([ist_ns(day, time()) - 1, ist_ns(day, time())])
    done = adjusted(bars_at(ts), [event("1/2", day)])
    assert (done.close / bars_at(ts).close).tolist() == [0.5, 1.0]


def test_a_factor_that_is_no_binary_fraction_is_applied_without_its_rounding():
    bars = daily(days=DAYS[:1])
    raw = type(bars)(bars.ts, *(np.array([value]) for value in (300.0, 303.0, 300.0, 303.0, 1000.0)))
    done = adjusted(raw, [event("1/3", DAYS[5])])
    assert (done.open[0], done.high[0], done.volume[0]) == (100.0, 101.0, 3000.0)


def test_events_of_several_symbols_are_refused():
    with pytest.raises(InvalidValueError, match="several"):
        adjusted(daily(), [event(2, DAYS[1], "A"), event(2, DAYS[1], "B")])


@pytest.mark.parametrize(
    ("text", "factor"),
    [("0.5", "1/2"), ("1/2", "1/2"), ("0.333333", "1/3"), ("0.666667", "2/3"), ("0.833333", "5/6"), ("10", "10"),
     ("0.0769231", "1/13"), ("0.333334", "333334/1000000"), ("0.98573", "98573/100000"), ("0.33", "33/100"),
     (" 2 / 3 ", "2/3")],
)  # fmt: skip
def test_factors_are_read_exactly(text, factor):
    assert factor_of(text) == Fraction(factor)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1/0", "nan", "1/x", "1/2/3", "inf"])
def test_what_is_no_factor_is_refused(text):
    with pytest.raises(InvalidValueError):
        factor_of(text)


@given(EVENTS)
def test_an_event_given_twice_is_held_once(events):
    table = AdjustmentEvents(tuple(events))
    assert table.joined(table) == table
    assert AdjustmentEvents(tuple(reversed(events))) == table
    assert set(table.of("A")) == set(events)
    assert table.of("B") == ()


def test_one_event_with_two_factors_is_a_conflict():
    with pytest.raises(DataConflictError, match="1/2 and 1/5"):
        AdjustmentEvents((event("1/2", DAYS[1]), event("1/5", DAYS[1])))
    both = AdjustmentEvents((event("1/2", DAYS[1], kind="split"), event("1/5", DAYS[1])))
    assert (
        adjusted(daily(days=DAYS[:1]), both.of("RELIANCE")).volume[0] == 10 * daily(days=DAYS[:1]).volume[0]
    )
    with pytest.raises(DataConflictError, match="both"):
        AdjustmentEvents((event("1/2", DAYS[1], kind="split_or_bonus"), event("1/2", DAYS[1])))


def test_a_table_is_read_from_csv_and_parquet_alike(tmp_path):
    text = (
        "\ufeffsymbol,date,kind,factor,applied,evidence\n"
        'WIPRO,2024-12-03,bonus,0.5,true,"ratio, exact"\n'
        "SIEMENS,2025-04-07,demerger,,false,\n"
        "BAJFINANCE,2025-06-16,,1/10,TRUE,x\n"
    )
    csv = tmp_path / "events.csv"
    csv.write_text(text, encoding="utf-8")
    table = AdjustmentEvents.load(csv)
    assert table.events == (
        AdjustmentEvent("BAJFINANCE", date(2025, 6, 16), Fraction(1, 10), "split_or_bonus", "x"),
        AdjustmentEvent("WIPRO", date(2024, 12, 3), Fraction(1, 2), "bonus", "ratio, exact"),
    )
    written = tmp_path / "events.parquet"
    written.write_bytes(table.encoded())
    assert AdjustmentEvents.load(written) == table
    pl.read_csv(csv, try_parse_dates=True, infer_schema_length=None).write_parquet(
        tmp_path / "as_they_are.parquet"
    )
    assert AdjustmentEvents.load(tmp_path / "as_they_are.parquet") == table


def test_factors_that_divide_are_turned_over(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "symbol,ex_date,factor,factor_kind\nHDFCBANK,2025-08-26,2,divide_price\nX,2025-01-01,2,\n"
    )
    assert [e.factor for e in AdjustmentEvents.load(path).events] == [Fraction(1, 2), Fraction(2)]


@pytest.mark.parametrize(
    ("row", "column"),
    [("A,2025-13-01,0.5,true", "ex_date"), ("A,2025-01-01,half,true", "factor"), ("A,2025-01-01,0,true", "factor"),
     (",2025-01-01,0.5,true", "symbol"), ("A,2025-01-01,0.5,maybe", "applied"), ("A,2025-01-01", ""),
     ("A,2025-01-01,0.5,true,5", ""), ('A,2025-01-01,"0.5,true', "")],
)  # fmt: skip
def test_a_bad_row_names_file_line_and_column(tmp_path, row, column):
    path = tmp_path / "events.csv"
    path.write_text(f"symbol,ex_date,factor,applied\nB,2025-01-01,0.5,true\n{row}\n")
    with pytest.raises(BadInputError, match=r"events\.csv, line 3") as caught:
        AdjustmentEvents.load(path)
    assert (caught.value.column or "") == column


def test_files_that_are_no_tables_are_named(tmp_path):
    with pytest.raises(NotFoundError, match="no event table"):
        AdjustmentEvents.load(tmp_path / "none.csv")
    for name, content, message in (
        ("a.csv", b"symbol,when\nA,2025-01-01\n", "no column 'ex_date'"),
        ("empty.csv", b"", "no column 'symbol'"),
        ("b.csv", b"symbol,ex_date,factor\n\xff,2025-01-01,1\n", "line 2: not UTF-8"),
        ("c.parquet", b"nothing", "not a readable Parquet"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInputError, match=message):
            AdjustmentEvents.load(tmp_path / name)


def test_the_store_adjusts_on_read_and_keeps_raw_bars(tmp_path):
    store, bars = BarStore(tmp_path), daily()
    store.append(SERIES, bars)
    with pytest.raises(NotFoundError, match="event table"):
        store.read(SERIES, adjusted=True)
    table = AdjustmentEvents((event("1/2", DAYS[30]), event("1/5", DAYS[30], "OTHER")))
    store.put_events("NSE", table)
    assert store.put_events("NSE", AdjustmentEvents((event("1/2", DAYS[50]), *table.events))) == store.events(
        "NSE"
    )
    assert len(store.events("NSE").events) == 3
    once = store.read(SERIES, adjusted=True)
    assert (once.close / bars.close).tolist() == [0.25] * 30 + [0.5] * 20 + [1.0] * 10
    assert same(store.read(SERIES, adjusted=True), once)
    assert same(store.read(SERIES), bars)
    part = store.read(SERIES, int(bars.ts[10]), int(bars.ts[20]), adjusted=True)
    assert same(part, once.slice(10, 20))
    as_of = store.read(SERIES, adjusted=True, as_of=DAYS[40])
    assert ist_date(int(as_of.ts[-1])) == DAYS[40]
    assert as_of.close[0] == bars.close[0] / 2
    assert len(store.series()) == 1


def test_bars_that_their_source_adjusted_are_not_adjusted_again(tmp_path):
    store = BarStore(tmp_path)
    store.append(SERIES, daily(), SeriesInfo(source="yfinance", adjusted=True))
    store.put_events("NSE", AdjustmentEvents((event("1/2", DAYS[30]),)))
    with pytest.raises(DataConflictError, match="its source has adjusted"):
        store.read(SERIES, adjusted=True)
    with pytest.raises(InvalidValueError, match="as_of"):
        store.read(SERIES, as_of=DAYS[3])


def test_the_name_of_an_event_table_cannot_leave_the_store(tmp_path):
    with pytest.raises(InvalidValueError):
        BarStore(tmp_path).events("../../etc")
