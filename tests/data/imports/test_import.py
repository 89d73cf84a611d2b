"""The whole import of tables: what reaches the store, and what leaves it untouched."""

import csv
import gzip
import io
import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, DataConflictError, NotFoundError
from trademantra.core.time import IST, datetime_of, ns_of
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.imports import merging
from trademantra.data.imports import text as text_module
from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions, ImportReport, Stamp
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

Load = Callable[..., ImportReport]
Write = Callable[[str, str | bytes], Path]
NSE = {"exchange": "NSE", "symbol": "ALPHA"}
MINUTE = {"timeframe": Timeframe(1, "m")}
ALPHA = Series.parse("NSE:ALPHA:1m")
HEAD = "ts,open,high,low,close,volume\n"


def minutes(count: int, start: datetime | None = None, step: int = 60) -> list[str]:
    begin = start or datetime(2024, 1, 5, 9, 15, tzinfo=IST)
    return [
        f"{(begin + timedelta(seconds=step * i)).isoformat()},{100 + i},{101 + i},{99 + i},{100.5 + i},{i}"
        for i in range(count)
    ]


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*.parquet"))} if root.exists() else {}


PRICE = st.integers(1, 10_000_000).map(lambda paise: paise / 100)


@st.composite
def bar_sets(draw: st.DrawFn) -> Bars:
    count = draw(st.integers(3, 12))
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 375]), min_size=count, max_size=count))
    minute = list(itertools.accumulate([0, 1, 1, *steps]))[:count]
    begin = ns_of(datetime(2024, 1, 15, 9, 15, tzinfo=IST))
    prices = [sorted(draw(st.tuples(PRICE, PRICE, PRICE, PRICE))) for _ in minute]
    return Bars.of(
        [begin + 60_000_000_000 * at for at in minute],
        [each[1] for each in prices], [each[3] for each in prices], [each[0] for each in prices], [each[2] for each in prices],
        [draw(st.integers(0, 10**9)) for _ in minute],
    )  # fmt: skip


@given(
    bars=bar_sets(),
    order=st.randoms(use_true_random=False),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    times=st.sampled_from(["iso", "epoch", "epoch ms", "two columns", "local"]),
    grouped=st.booleans(),
    packed=st.booleans(),
    doubled=st.booleans(),
    block=st.sampled_from([64, 1 << 20]),
)
@settings(max_examples=40, deadline=None)
def test_any_table_gives_back_its_bars(
    tmp_path_factory: pytest.TempPathFactory, bars: Bars, order: "object", delimiter: str, times: str, block: int,
    *, grouped: bool, packed: bool, doubled: bool,
) -> None:  # fmt: skip
    """However the file is written, sorted, packed and cut into blocks, the stored bars are the given ones."""
    folder = tmp_path_factory.mktemp("table")
    rows = list(range(len(bars)))
    order.shuffle(rows)  # type: ignore[attr-defined]
    rows += rows[:1] * doubled
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    first = ["Date", "Time"] if times == "two columns" else ["timestamp"]
    writer.writerow([*first, "OPEN", "High", "low", "Close ", "Vol"])
    for i in rows:
        at = datetime_of(int(bars.ts[i]))
        written = {
            "iso": [at.isoformat()], "epoch": [str(bars.ts[i] // 10**9)], "epoch ms": [str(bars.ts[i] // 10**6)],
            "two columns": [f"{at:%d-%m-%Y}", f"{at:%H:%M:%S}"], "local": [f"{at:%Y-%m-%d %H:%M}"],
        }[times]  # fmt: skip
        numbers = [float(getattr(bars, name)[i]) for name in ("open", "high", "low", "close", "volume")]
        writer.writerow(written + [f"{each:,.2f}" if grouped else repr(each) for each in numbers])
    text = out.getvalue().encode()
    path = folder / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(text, mtime=0) if packed else text)
    store = BarStore(folder / "bars")
    options = ImportOptions(
        exchange="NSE", symbol="ALPHA", timezone=IST, timeframe=Timeframe(1, "m"), stamp=Stamp.START
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BLOCK_BYTES", block)
        report = run(ImportJob(paths=[path], options=options, rejects=folder / "r.csv"), store)
    stored = store.read(ALPHA)
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(stored, name), getattr(bars, name)), name
    assert report.doubles == doubled


# What leaves the question open, and what answers it.


@pytest.mark.parametrize(
    ("options", "column", "hint"),
    [
        ({"symbol": "ALPHA", "timezone": IST}, None, "--exchange"),
        ({"exchange": "NSE", "timezone": IST}, None, "--symbol"),
        (NSE, "ts", "--timezone"),
    ],
)
def test_nothing_is_assumed(
    load: Load, write: Write, options: dict[str, object], column: str | None, hint: str
) -> None:
    path = write("a.csv", HEAD + "2024-01-05 09:15,1,2,1,2,5\n2024-01-05 09:16,1,2,1,2,5\n")
    with pytest.raises(BadInputError) as caught:
        load(path, **options)
    assert hint in caught.value.hint
    assert caught.value.column == column


def test_the_zone_that_is_stated_is_used(load: Load, store: BarStore, write: Write) -> None:
    path = write("a.csv", HEAD + "2024-01-05 09:30,1,2,1,2,5\n2024-01-05 09:31,1,2,1,2,5\n")
    load(path, exchange="NYSE", symbol="SPY", timezone=ZoneInfo("America/New_York"), **MINUTE)
    assert store.read(Series.parse("NYSE:SPY:1m")).ts[0] == ns_of(datetime(2024, 1, 5, 14, 30, tzinfo=UTC))


def test_day_and_month_are_searched_in_the_whole_file(load: Load, store: BarStore, write: Write) -> None:
    """5,000 ambiguous rows, then one that decides."""
    first = datetime(2024, 1, 5, 9, 15)
    rows = [f"{first + timedelta(seconds=i):%d/%m/%Y %H:%M:%S},1,2,1,2,5" for i in range(5_000)]
    path = write("a.csv", HEAD + "\n".join(rows) + "\n")
    with pytest.raises(BadInputError, match="told apart"):
        load(path, timezone=IST, **NSE)
    path = write("a.csv", HEAD + "\n".join([*rows, "13/01/2024 09:15:00,1,2,1,2,5"]) + "\n")
    load(path, timezone=IST, **NSE)
    assert datetime_of(int(store.read(Series.parse("NSE:ALPHA:1s")).ts[0])).date() == date(2024, 1, 5)
    load(
        write("b.csv", HEAD + "\n".join(rows)),
        timezone=IST,
        date_format="mm/dd/yyyy",
        exchange="NSE",
        symbol="B",
    )
    assert datetime_of(int(store.read(Series.parse("NSE:B:1s")).ts[0])).date() == date(2024, 5, 1)


def test_dates_need_no_zone_and_are_those_of_the_exchange(load: Load, store: BarStore, write: Write) -> None:
    path = write(
        "a.csv",
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-04,1,2,1,2,1.5,5\n2024-01-05,1,2,1,2,1.5,5\n",
    )
    load(path, **NSE)
    bars = store.read(Series.parse("NSE:ALPHA:1d"))
    assert bars.ts.tolist() == [ns_of(datetime(2024, 1, day, tzinfo=IST)) for day in (4, 5)]
    assert bars.close.tolist() == [2, 2]


@pytest.mark.parametrize("clock", ["18:30:00", "00:00:00", "03:45:00"])
def test_days_as_instants_become_dates_of_the_exchange(
    load: Load, store: BarStore, write: Write, clock: str
) -> None:
    """Midnight in India, midnight UTC and 09:15 in India all mean the same day."""
    start = datetime.fromisoformat(f"2024-01-05T{clock}+00:00") - timedelta(days=clock == "18:30:00")
    rows = [f"{int((start + timedelta(days=i)).timestamp())},1,2,1,2,5" for i in range(4)]
    load(write("a.csv", HEAD + "\n".join(rows)), **NSE)
    assert datetime_of(int(store.read(Series.parse("NSE:ALPHA:1d")).ts[0])) == datetime(
        2024, 1, 5, tzinfo=IST
    )


def test_midnight_utc_is_a_date_everywhere(load: Load, store: BarStore, write: Write) -> None:
    """In New York it is the evening before, but that is not what is meant."""
    rows = [f"2024-01-0{day}T00:00:00Z,1,2,1,2,5" for day in (2, 3, 4)]
    load(write("a.csv", HEAD + "\n".join(rows)), exchange="NYSE", symbol="SPY")
    zone = ZoneInfo("America/New_York")
    assert datetime_of(store.series()[0].first_ns, zone) == datetime(2024, 1, 2, tzinfo=zone)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(1, "1s"), (60, "1m"), (300, "5m"), (4500, "75m"), (3600, "1h"), (86_400, "1d"), (604_800, "1w")],
)
def test_the_timeframe_is_that_of_the_spacing(
    load: Load, store: BarStore, write: Write, step: int, expected: str
) -> None:
    load(write("a.csv", HEAD + "\n".join(minutes(6, step=step))), **NSE)
    assert str(store.series()[0].series.timeframe) == expected


def test_months(load: Load, store: BarStore, write: Write) -> None:
    rows = [f"{date(2024, month, 1)},1,2,1,2,5" for month in range(1, 13)]
    load(write("a.csv", HEAD + "\n".join(rows)), **NSE)
    assert str(store.series()[0].series.timeframe) == "1mo"


def test_a_timeframe_that_does_not_fit_is_refused(load: Load, write: Write) -> None:
    path = write("a.csv", HEAD + "\n".join(minutes(6)))
    with pytest.raises(BadInputError, match="too close for 5m"):
        load(path, timeframe=Timeframe(5, "m"), **NSE)
    with pytest.raises(BadInputError, match="too close for 1d"):
        load(path, timeframe=Timeframe(1, "d"), **NSE)
    with pytest.raises(BadInputError, match="so few bars"):
        load(write("one.csv", HEAD + minutes(1)[0]), **NSE)
    odd = [*minutes(6), minutes(1, datetime(2024, 1, 5, 9, 20, 30, tzinfo=IST))[0]]
    with pytest.raises(BadInputError, match="no one timeframe"):
        load(write("odd.csv", HEAD + "\n".join(odd)), **NSE)


def test_ends_are_moved_to_starts(load: Load, store: BarStore, write: Write) -> None:
    ends = minutes(375, datetime(2024, 1, 5, 9, 16, tzinfo=IST))
    path = write("a.csv", HEAD + "\n".join(ends))
    with pytest.raises(BadInputError, match="ends of bars") as caught:
        load(path, **NSE)
    assert "--stamp end" in caught.value.hint
    load(path, stamp=Stamp.END, **NSE)
    assert datetime_of(store.series()[0].first_ns) == datetime(2024, 1, 5, 9, 15, tzinfo=IST)
    last_seconds = minutes(5, datetime(2024, 1, 5, 9, 19, 59, tzinfo=IST), step=300)
    path = write("b.csv", HEAD + "\n".join(last_seconds))
    with pytest.raises(BadInputError, match=":59"):
        load(path, exchange="NSE", symbol="B")
    load(path, exchange="NSE", symbol="B", stamp=Stamp.END)
    assert datetime_of(int(store.read(Series.parse("NSE:B:5m")).ts[0])) == datetime(
        2024, 1, 5, 9, 15, tzinfo=IST
    )


def test_week_and_month_ends_move_to_their_first_day(load: Load, store: BarStore, write: Write) -> None:
    fridays = [f"{date(2024, 1, 5) + timedelta(weeks=i)},1,2,1,2,5" for i in range(4)]
    load(write("w.csv", HEAD + "\n".join(fridays)), stamp=Stamp.END, **NSE)
    assert datetime_of(store.series()[0].first_ns) == datetime(2024, 1, 1, tzinfo=IST)


# Columns.


def test_a_symbol_column_makes_many_series(load: Load, store: BarStore, write: Write) -> None:
    rows = [f"{row},{symbol}" for row in minutes(4) for symbol in ("ALPHA", "nse:Beta", "M&M")]
    report = load(write("a.csv", HEAD.strip() + ",Ticker\n" + "\n".join(rows)), exchange="NSE")
    assert {str(each.series) for each in report.series} == {"NSE:ALPHA:1m", "NSE:BETA:1m", "NSE:M&M:1m"}
    assert all(each.bars == 4 for each in report.series)
    assert not report.files[0].notices
    assert load(
        write("a.csv", HEAD.strip() + ",Ticker\n" + "\n".join(rows)), exchange="NSE", only=("BETA",)
    ).files[0].left_out == {"are of symbols not asked for": 8}


def test_columns_by_number_without_a_header(load: Load, store: BarStore, write: Write) -> None:
    """As old Indian minute files are: symbol, date, time, prices, volume."""
    path = write("a.txt", "ALPHA,20240115,09:15,1,2,1,2,5,0\nALPHA,20240115,09:16,1,2,1,2,5,0\n")
    with pytest.raises(BadInputError, match="no header"):
        load(path, exchange="NSE", timezone=IST)
    mapping = {
        "symbol": ("1",),
        "ts": ("2", "3"),
        "open": ("4",),
        "high": ("5",),
        "low": ("6",),
        "close": ("7",),
        "volume": ("8",),
    }
    load(path, exchange="NSE", timezone=IST, mapping=mapping, **MINUTE)
    assert store.series()[0].rows == 2


@pytest.mark.parametrize(
    ("date_text", "time_text"),
    [
        ("20240115", "915"),
        ("15-01-2024", "0915"),
        ("2024-01-15 00:00:00", "09:15:00"),
        ("15-Jan-2024", "91500"),
    ],
)
def test_a_date_beside_a_time(
    load: Load, store: BarStore, write: Write, date_text: str, time_text: str
) -> None:
    second = time_text.replace("15", "16") if "1500" not in time_text else "91600"
    head = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\n"
    rows = f"{date_text}\t{time_text}\t1\t2\t1\t2\t5\n{date_text}\t{second}\t1\t2\t1\t2\t5\n"
    report = load(write("a.csv", head + rows), timezone=IST, **NSE, **MINUTE)
    assert datetime_of(store.series()[0].first_ns) == datetime(2024, 1, 15, 9, 15, tzinfo=IST)
    assert "price changes" in report.files[0].notices[0]


def test_a_mapping_overrides_and_is_checked(load: Load, store: BarStore, write: Write) -> None:
    path = write(
        "a.csv",
        "ts,open,high,low,close,settle,volume\n"
        + "\n".join(f"{row},7".replace(",7", ",5") for row in minutes(3)).replace("100.5,", "100.5,101,"),
    )
    with pytest.raises(BadInputError, match="no column 'Settled'"):
        load(path, mapping={"close": ("Settled",)}, **NSE, **MINUTE)
    load(
        write("b.csv", "ts,o,h,l,close,settle\n2024-01-05T09:15Z,1,9,1,2,3\n2024-01-05T09:16Z,1,9,1,2,4\n"),
        mapping={"close": ("SETTLE",)},
        **NSE,
        **MINUTE,
    )
    assert store.read(ALPHA).close.tolist() == [3, 4]


def test_two_columns_of_one_name_are_a_question(load: Load, write: Write) -> None:
    path = write("a.csv", "ts,open,high,low,close,CLOSE,volume\n2024-01-05T09:15Z,1,2,1,2,2,5\n")
    with pytest.raises(BadInputError, match="could both be 'close'"):
        load(path, **NSE)


def test_no_volume_is_zero_and_told(load: Load, store: BarStore, write: Write) -> None:
    report = load(
        write("a.csv", "ts,open,high,low,close\n2024-01-05T09:15Z,1,2,1,2\n2024-01-05T09:16Z,1,2,1,2\n"),
        **NSE,
        **MINUTE,
    )
    assert store.read(ALPHA).volume.tolist() == [0, 0]
    assert "no volume column" in report.files[0].notices[0]
    report = load(
        write("b.csv", HEAD + "2024-01-05T09:15Z,1,2,1,2,-\n2024-01-05T09:16Z,1,2,1,2,1.5M\n"),
        exchange="NSE",
        symbol="B",
        **MINUTE,
    )
    assert store.read(Series.parse("NSE:B:1m")).volume.tolist() == [0, 1_500_000]
    assert report.files[0].changed == {"had no volume: stored as 0": 1}


def test_decimal_comma(load: Load, store: BarStore, write: Write) -> None:
    path = write(
        "a.csv",
        "ts;open;high;low;close;volume\n2024-01-05T09:15Z;1.234,5;1.235;1.234;1.235;5\n2024-01-05T09:16Z;1,5;2;1;2;5\n",
    )
    with pytest.raises(BadInputError, match="--decimal ,"):
        load(path, **NSE, **MINUTE)
    load(path, decimal=",", **NSE, **MINUTE)
    assert store.read(ALPHA).open.tolist() == [1234.5, 1.5]


@pytest.mark.parametrize("typed", ["datetime", "zoned", "date", "text", "epoch"])
def test_parquet(load: Load, store: BarStore, tmp_path: Path, typed: str) -> None:
    moments = [datetime(2024, 1, 15, 9, 15), datetime(2024, 1, 15, 9, 16)]
    stamps = {
        "datetime": pl.Series(moments), "zoned": pl.Series(moments).dt.replace_time_zone("Asia/Kolkata"),
        "date": pl.Series([date(2024, 1, 15), date(2024, 1, 16)]), "text": pl.Series([f"{each}" for each in moments]),
        "epoch": pl.Series([ns_of(each.replace(tzinfo=IST)) for each in moments]),
    }[typed]  # fmt: skip
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "ts": stamps,
            "open": [1.0, 2.0],
            "high": [2, 3],
            "low": [1.0, 2.0],
            "close": [2.0, 3.0],
            "sym": pl.Series(["ALPHA", "ALPHA"], dtype=pl.Categorical),
        }
    ).write_parquet(path)
    if typed in ("datetime", "text"):
        with pytest.raises(BadInputError, match="no zone"):
            load(path, exchange="NSE", mapping={"symbol": ("sym",)})
    load(
        path,
        exchange="NSE",
        mapping={"symbol": ("sym",)},
        timezone=IST,
        timeframe=None if typed == "date" else Timeframe(1, "m"),
    )
    first = datetime(2024, 1, 15, tzinfo=IST) if typed == "date" else datetime(2024, 1, 15, 9, 15, tzinfo=IST)
    assert datetime_of(store.series()[0].first_ns) == first


def test_damaged_parquet(load: Load, write: Write, tmp_path: Path) -> None:
    pl.DataFrame({"ts": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(BadInputError, match="cut off"):
        load(write("b.parquet", (tmp_path / "a.parquet").read_bytes()[:-9]), **NSE)


# Bad rows.

BAD_CELLS = [
    ("open", "x", "open"), ("open", "", "open"), ("high", "nan", "high"), ("low", "inf", "low"), ("close", "-5", "close"),
    ("open", "0", "open"), ("high", "1", "high"), ("low", "300", "high"), ("close", "150", "close"), ("volume", "-1", "volume"),
    ("volume", "inf", "volume"), ("volume", "many", "volume"), ("ts", "yesterday", "ts"), ("ts", "", "ts"),
    ("ts", "2024-13-05T09:17:00+05:30", "ts"), ("ts", "1066-10-14T09:17:00+05:30", "ts"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "column"), BAD_CELLS)
def test_a_bad_cell_names_file_line_column_and_why(
    load: Load, store: BarStore, write: Write, field: str, value: str, column: str
) -> None:
    rows = minutes(6)
    cells = rows[2].split(",")
    cells[HEAD.strip().split(",").index(field)] = value
    path = write("a.csv", HEAD + "\n\n" + "\n".join([*rows[:2], ",".join(cells), *rows[3:]]) + "\n")
    good = write("good.csv", HEAD + "\n".join(minutes(6)))
    load(good, **NSE)
    before = snapshot(store.root)
    with pytest.raises(BadInputError) as caught:
        load(good, path, **NSE)
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 6, column)
    assert caught.value.reason
    assert "--skip-bad" in caught.value.hint
    assert snapshot(store.root) == before


def test_bad_rows_are_counted(load: Load, write: Write) -> None:
    rows = minutes(9)
    path = write("a.csv", HEAD + "\n".join([rows[0], "x,1,2,1,2,3", rows[1], "1,2", rows[2], "y,1,2,1,2,3"]))
    with pytest.raises(BadInputError) as caught:
        load(path, **NSE)
    assert caught.value.line == 3
    assert caught.value.hint.startswith("2 more bad rows in this file, the next on line 5;")


def test_skip_bad_imports_the_rest_and_keeps_the_rejects(
    load: Load, store: BarStore, write: Write, tmp_path: Path
) -> None:
    rows = minutes(6)
    bad = '"2024-01-05T09:18+05:30",abc,2,1,2,5'
    path = write("a.csv", HEAD + "\n".join([*rows[:3], bad, "1,2", *rows[4:]]) + "\n")
    report = load(path, skip_bad=True, **NSE)
    assert (report.rejected, store.series()[0].rows) == (2, 5)
    with (tmp_path / "rejects.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert kept == [
        {"file": str(path), "line": "5", "column": "open", "reason": "'abc' is not a number", "row": bad},
        {"file": str(path), "line": "6", "column": "", "reason": "2 fields where 6 belong", "row": "1,2"},
    ]


def test_nothing_good_is_an_error_that_keeps_the_rejects(
    load: Load, store: BarStore, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="no row is usable"):
        load(write("a.csv", HEAD + "2024-01-05T09:15Z,x,2,1,2,3\n"), skip_bad=True, **NSE)
    assert (tmp_path / "rejects.csv").read_text().count("\n") == 2
    assert store.series() == ()


def test_a_symbol_that_can_name_nothing_is_a_bad_row(load: Load, write: Write) -> None:
    rows = [f"{minutes(3)[i]},{symbol}" for i, symbol in enumerate(["ALPHA", "", "A\x07"])]
    path = write("a.csv", HEAD.strip() + ",symbol\n" + "\n".join(rows))
    report = load(path, exchange="NSE", skip_bad=True, timeframe=Timeframe(1, "m"))
    assert (report.rejected, len(report.series)) == (2, 1)


# Doubles, and what is stored already.


def test_exact_doubles_go_and_contradictions_are_named(
    load: Load, store: BarStore, write: Write, tmp_path: Path
) -> None:
    rows = minutes(5)
    other = rows[1].replace(",1\n", "").rsplit(",", 1)[0] + ",77"
    assert load(write("a.csv", HEAD + "\n".join([*rows, rows[1]])), **NSE).doubles == 1
    path = write("b.csv", HEAD + "\n".join([*rows, other]))
    with pytest.raises(BadInputError, match="two different bars of 2024-01-05 09:16") as caught:
        load(path, exchange="NSE", symbol="B")
    assert caught.value.line == 3
    assert "line 7" in caught.value.message
    report = load(path, exchange="NSE", symbol="B", skip_bad=True)
    assert (report.rejected, report.series[0].bars, report.files[0].rows) == (2, 4, 4)
    with (tmp_path / "rejects.csv").open(newline="") as file:
        assert [(row["line"], row["row"]) for row in csv.DictReader(file)] == [("3", rows[1]), ("7", other)]


def test_contradictions_between_files(load: Load, write: Write) -> None:
    first = write("a.csv", HEAD + "\n".join(minutes(5)))
    second = write("b.csv", HEAD + "\n".join(row + "9" for row in minutes(5)))
    with pytest.raises(BadInputError, match=r"b\.csv, line 2") as caught:
        load(first, second, **NSE)
    assert caught.value.file == str(first)


def test_the_same_import_twice_changes_nothing(load: Load, store: BarStore, write: Write) -> None:
    path = write("a.csv", HEAD + "\n".join(minutes(5)))
    load(path, **NSE)
    before = snapshot(store.root)
    report = load(path, **NSE)
    assert (report.series[0].new, report.series[0].same) == (0, 5)
    assert snapshot(store.root) == before


def test_earlier_later_and_missing_bars_join(load: Load, store: BarStore, write: Write) -> None:
    rows = minutes(10)
    load(write("a.csv", HEAD + "\n".join([rows[3], rows[4], rows[6]])), **NSE)
    load(write("b.csv", HEAD + "\n".join([*rows[:4], rows[5], *rows[7:]])), **NSE)
    assert store.read(ALPHA).open.tolist() == [100 + i for i in range(10)]


def test_a_contradiction_with_the_store_needs_replace(load: Load, store: BarStore, write: Write) -> None:
    rows = minutes(6)
    load(write("a.csv", HEAD + "\n".join(rows)), **NSE)
    before = snapshot(store.root)
    changed = write("b.csv", HEAD + "\n".join([rows[1], rows[2].rsplit(",", 1)[0] + ",99", rows[4]]))
    fresh = write("c.csv", HEAD + "\n".join(minutes(6, datetime(2024, 1, 8, 9, 15, tzinfo=IST))))
    with pytest.raises(DataConflictError, match=r"volume 2\.0 is stored and 99.0 is new"):
        load(fresh, changed, timeframe=Timeframe(1, "m"), **NSE)
    assert snapshot(store.root) == before
    report = load(changed, replace=True, timeframe=Timeframe(1, "m"), **NSE)
    assert (report.series[0].same, report.series[0].changed) == (2, 1)
    assert store.read(ALPHA).volume.tolist() == [0, 1, 99, 3, 4, 5]


def test_a_contradiction_in_one_series_stores_no_other(load: Load, store: BarStore, write: Write) -> None:
    load(write("a.csv", HEAD + "\n".join(minutes(6))), **NSE)
    before = snapshot(store.root)
    changed = [row.rsplit(",", 1)[0] + ",99" for row in minutes(6)]
    rows = [f"{row},{symbol}" for row in changed for symbol in ("AAA", "ALPHA", "ZZZ")]
    with pytest.raises(DataConflictError, match="NSE:ALPHA:1m"):
        load(write("b.csv", HEAD.strip() + ",symbol\n" + "\n".join(rows)), exchange="NSE")
    assert snapshot(store.root) == before


def test_real_bars_do_not_join_synthetic_ones(load: Load, store: BarStore, write: Write) -> None:
    load(write("a.csv", HEAD + "\n".join(minutes(3))), exchange="NSE", symbol="X")
    bars = store.read(Series.parse("NSE:X:1m"))
    store.append(ALPHA, bars, SeriesInfo(source="made up", synthetic=True))
    fresh = write("b.csv", HEAD + "\n".join(minutes(6, datetime(2024, 1, 8, 9, 15, tzinfo=IST))))
    with pytest.raises(DataConflictError, match="cannot join"):
        load(fresh, replace=True, **NSE)


def test_dry_run_checks_all_and_writes_nothing(load: Load, store: BarStore, write: Write) -> None:
    report = load(write("a.csv", HEAD + "\n".join(minutes(5))), dry_run=True, **NSE)
    assert (report.written, report.series[0].new) == (False, 5)
    assert not store.root.exists()


def test_many_series_come_in_batches(
    load: Load, store: BarStore, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Series are cut apart the same however few rows fit into memory at once."""
    monkeypatch.setattr(merging, "_ROWS_AT_ONCE", 7)
    rows = [f"{row},S{i % 5}" for i, row in enumerate(minutes(60))]
    report = load(
        write("a.csv", HEAD.strip() + ",symbol\n" + "\n".join(rows)),
        exchange="NSE",
        timeframe=Timeframe(1, "m"),
    )
    assert [(str(each.series), each.bars) for each in report.series] == [
        (f"NSE:S{i}:1m", 12) for i in range(5)
    ]
    for i in range(5):
        assert store.read(Series.parse(f"NSE:S{i}:1m")).open.tolist() == [100.0 + k for k in range(i, 60, 5)]


def test_files_of_different_timeframes_and_names(load: Load, store: BarStore, write: Write) -> None:
    paths = [
        write("in/alpha.csv", HEAD + "\n".join(minutes(4))),
        write("in/BETA.csv", HEAD + "\n".join(minutes(4, step=300))),
    ]
    load(*paths, exchange="NSE", symbol_from_name=True)
    assert {str(entry.series) for entry in store.series()} == {"NSE:ALPHA:1m", "NSE:BETA:5m"}


def test_no_files_no_import(load: Load, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load(tmp_path / "nothing.csv", **NSE)


def test_all_rows_left_out_is_said(load: Load, write: Write) -> None:
    rows = [f"{row},ALPHA" for row in minutes(3)]
    with pytest.raises(BadInputError, match="3 rows are of symbols not asked for"):
        load(write("a.csv", HEAD.strip() + ",symbol\n" + "\n".join(rows)), exchange="NSE", only=("BETA",))
