import os
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.bar_making import any_bars, bars_at, same
from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.money import decimal_of
from trademantra.core.time import IST, NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE, ns_of
from trademantra.data import durable
from trademantra.data.series import Series
from trademantra.data.store import BarStore, SeriesInfo, Stored
from trademantra.engine.bars import Bars

SERIES = Series.parse("NSE:M&M:1m")
NEW_YEAR_NS = ns_of(datetime(2025, 1, 1, tzinfo=IST))


def minutes(count, first_ns=NEW_YEAR_NS, seed=0):
    return bars_at(first_ns + np.arange(count, dtype=np.int64) * NANOSECONDS_PER_MINUTE, seed)


# Weeks apart, so that a few dozen bars lie in three calendar years.
@settings(max_examples=40, deadline=None)
@given(any_bars(NEW_YEAR_NS - 20 * 7 * NANOSECONDS_PER_DAY, 7 * NANOSECONDS_PER_DAY, 30), st.data())
def test_bars_come_back_bit_for_bit_however_they_were_cut_for_appending(tmp_path_factory, bars, data):
    store = BarStore(tmp_path_factory.mktemp("bars"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(bars)), max_size=3)))
    for first, last in zip([0, *cuts], [*cuts, len(bars)], strict=True):
        assert store.append(SERIES, bars.slice(first, last)) == Stored(last - first)
    if not len(bars):
        assert store.series() == ()
        return
    assert same(store.read(SERIES), bars)
    start, stop = sorted(
        data.draw(st.tuples(*[st.sampled_from([*bars.ts, bars.ts[0] - 1, bars.ts[-1] + 1])] * 2))
    )
    assert same(store.read(SERIES, int(start), int(stop)), bars.between(start, stop))
    (entry,) = store.series()
    assert (entry.first_ns, entry.last_ns, entry.rows) == (bars.ts[0], bars.ts[-1], len(bars))
    assert entry.bytes == sum(path.stat().st_size for path in (store.root / SERIES.path).iterdir())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(1, 60), st.booleans()), min_size=1, max_size=6))
def test_any_run_of_writes_leaves_what_a_dictionary_would_hold(tmp_path_factory, writes):
    store = BarStore(tmp_path_factory.mktemp("bars"))
    model = {}
    for seed, (first, count, whole) in enumerate(writes):
        # Ten days a bar: 180 bars are five years.
        ts = (
            NEW_YEAR_NS
            + np.arange(first, first + count, 1 if whole else 3, np.int64) * 10 * NANOSECONDS_PER_DAY
        )
        bars = bars_at(ts, seed)
        covered = [at for at in model if ts[0] <= at <= ts[-1]]
        assert store.replace(SERIES, bars) == Stored(len(bars), removed=len(covered))
        for at in covered:
            del model[at]
        model |= {int(at): (seed, i) for i, at in enumerate(ts)}
    stored = store.read(SERIES)
    assert stored.ts.tolist() == sorted(model)
    lengths = {
        seed: len(range(first, first + count, 1 if whole else 3))
        for seed, (first, count, whole) in enumerate(writes)
    }
    for i, at in enumerate(sorted(model)):
        seed, place = model[at]
        assert stored.close[i] == bars_at(np.arange(lengths[seed], dtype=np.int64), seed).close[place]


def test_arrays_that_are_read_are_ready_for_compiled_kernels(tmp_path):
    store = BarStore(tmp_path)
    store.append(SERIES, minutes(40_000))
    bars = store.read(SERIES)
    for field in (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume):
        assert field.flags.c_contiguous
        assert field.flags.writeable
        assert field.dtype == (np.int64 if field is bars.ts else np.float64)
    bars.check()


def test_years_are_those_of_the_exchange(tmp_path):
    store = BarStore(tmp_path)
    around = minutes(2, NEW_YEAR_NS - NANOSECONDS_PER_MINUTE)
    store.append(SERIES, around)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet")) == [
        "NSE/M&M/1m/2024.parquet", "NSE/M&M/1m/2025.parquet",
    ]  # fmt: skip
    store.append(Series.parse("BINANCE:BTCUSDT:1m"), around)
    assert [p.name for p in (tmp_path / "BINANCE").rglob("*.parquet")] == ["2024.parquet"]


def test_other_programs_read_the_files(tmp_path):
    BarStore(tmp_path).append(SERIES, minutes(3))
    frame = pl.read_parquet(tmp_path / "NSE" / "M&M" / "1m" / "2025.parquet", glob=False)
    assert frame.columns == ["ts", "open_x100", "high_x100", "low_x100", "close_x100", "volume"]
    assert frame["ts"].dt.convert_time_zone("Asia/Kolkata")[0].isoformat() == "2025-01-01T00:00:00+05:30"


@pytest.mark.parametrize(
    ("prices", "names"),
    [([100.0, 250.0], "open"), ([100.05, 21474836.0], "open_x100"), ([100.05, 21474837.0], "open"),
     ([1.23456, 1.3], "open_x100000"), ([0.00001234, 0.5], "open_x100000000"), ([1 / 3, 2.0], "open"),
     ([0.1 + 0.2, 1.0], "open")],
)  # fmt: skip
def test_prices_on_any_grid_or_none_come_back_as_the_very_same_floats(tmp_path, prices, names):
    field = np.array(prices)
    volume = np.array([1.0, 2.5])
    bars = Bars.of(np.array([NEW_YEAR_NS, NEW_YEAR_NS + 1]), field, field, field, field, volume)
    store = BarStore(tmp_path)
    store.append(SERIES, bars)
    assert same(store.read(SERIES), bars)
    frame = pl.read_parquet(tmp_path / SERIES.path / "2025.parquet", glob=False)
    assert frame.columns[1].removesuffix("_x1") == names
    store.append(Series.parse("NSE:A:1m"), Bars(bars.ts, field, field, field, field, volume * 2**40))
    assert same(
        store.read(Series.parse("NSE:A:1m")), Bars(bars.ts, field, field, field, field, volume * 2**40)
    )


def test_bars_that_are_stored_already_are_skipped_and_counted(tmp_path):
    store, bars = BarStore(tmp_path), minutes(10)
    store.append(SERIES, bars.slice(0, 7))
    assert store.append(SERIES, bars.slice(4, 10)) == Stored(3, skipped=3)
    assert store.append(SERIES, bars) == Stored(0, skipped=10)
    assert store.append(SERIES, Bars.empty()) == Stored(0)
    assert same(store.read(SERIES), bars)


def test_a_bar_that_contradicts_the_stored_one_is_named_and_nothing_is_written(tmp_path):
    store, bars = BarStore(tmp_path), minutes(10)
    store.append(SERIES, bars.slice(0, 7))
    volume = bars.volume.copy()
    volume[5] += 1
    changed = Bars(bars.ts, bars.open, bars.high, bars.low, bars.close, volume)
    with pytest.raises(DataConflictError, match=r"2025-01-01T00:05:00\+05:30 contradicts .* volume"):
        store.append(SERIES, changed)
    assert same(store.read(SERIES), bars.slice(0, 7))
    assert store.replace(SERIES, changed) == Stored(10, removed=7)
    assert same(store.read(SERIES), changed)


@pytest.mark.parametrize("at", [0, 3])
def test_append_does_not_fill_a_hole_silently(tmp_path, at):
    store, bars = BarStore(tmp_path), minutes(10)
    store.append(SERIES, bars.slice(1, 3))
    store.append(SERIES, bars.slice(5, 7))
    with pytest.raises(DataConflictError, match=rf"00:0{at}:00\+05:30 is not stored"):
        store.append(SERIES, bars.slice(at, at + 1))


def test_replace_empties_a_range_and_removes_a_year_without_bars(tmp_path):
    store = BarStore(tmp_path)
    bars = minutes(10, NEW_YEAR_NS - 5 * NANOSECONDS_PER_MINUTE)
    store.append(SERIES, bars)
    removed = store.replace(SERIES, Bars.empty(), start_ns=int(bars.ts[2]), stop_ns=NEW_YEAR_NS + 10**15)
    assert removed == Stored(0, removed=8)
    assert same(store.read(SERIES), bars.slice(0, 2))
    assert [p.name for p in tmp_path.rglob("*.parquet")] == ["2024.parquet"]
    with pytest.raises(InvalidValueError, match="outside the range"):
        store.replace(SERIES, bars, start_ns=int(bars.ts[1]))
    with pytest.raises(InvalidValueError, match="a range to empty"):
        store.replace(SERIES, Bars.empty())


@pytest.mark.parametrize("first_ns", [-(10**18) * 3, 7 * 10**18 + 10**18])
def test_times_in_another_unit_are_refused(tmp_path, first_ns):
    with pytest.raises(InvalidValueError, match="nanoseconds"):
        BarStore(tmp_path).append(SERIES, minutes(2, first_ns))


def test_impossible_bars_are_refused(tmp_path):
    bars = minutes(3)
    with pytest.raises(InvalidValueError, match="earlier"):
        BarStore(tmp_path).append(
            SERIES, Bars(bars.ts[::-1], bars.open, bars.high, bars.low, bars.close, bars.volume)
        )
    assert BarStore(tmp_path).series() == ()


def test_provenance_is_kept_joined_and_never_mixed(tmp_path):
    store, bars = BarStore(tmp_path), minutes(10, NEW_YEAR_NS - 5 * NANOSECONDS_PER_MINUTE)
    store.append(SERIES, bars.slice(0, 4), SeriesInfo(source="Kite", tick_size=decimal_of("0.05"), label="x"))
    store.append(SERIES, bars.slice(4, 6))
    store.append(SERIES, bars.slice(6, 10), SeriesInfo(source="bhavcopy"))
    info = store.describe(SERIES)
    assert info == SeriesInfo(
        source="Kite + bhavcopy", timezone="Asia/Kolkata", tick_size=decimal_of("0.05"), label="x"
    )
    assert store.series()[0].info == info
    after = minutes(1, NEW_YEAR_NS + NANOSECONDS_PER_DAY)
    with pytest.raises(DataConflictError, match="synthetic bars cannot join real ones"):
        store.append(SERIES, after, SeriesInfo(synthetic=True))
    with pytest.raises(DataConflictError, match="adjusted"):
        store.append(SERIES, after, SeriesInfo(adjusted=True))
    with pytest.raises(DataConflictError, match="synthetic"):
        store.replace(SERIES, bars.slice(1, 10), SeriesInfo(synthetic=True))
    store.replace(SERIES, bars, SeriesInfo(synthetic=True, source="generator"))
    assert store.describe(SERIES).synthetic
    assert store.describe(SERIES).source == "generator"


def test_what_is_not_stored_is_an_error_that_says_what_is(tmp_path):
    store = BarStore(tmp_path / "none" / "yet")
    assert store.series() == ()
    with pytest.raises(NotFoundError, match="tm data list"):
        store.read(SERIES)
    store.append(Series.parse("NSE:M&M:5m"), minutes(1))
    for ask in (store.read, store.describe, store.delete):
        with pytest.raises(NotFoundError, match="stored for this symbol: 5m"):
            ask(SERIES)
    assert len(store.read(Series.parse("NSE:M&M:5m"), 0, 1)) == 0


def test_a_deleted_series_is_gone_and_can_be_stored_again(tmp_path):
    store = BarStore(tmp_path)
    store.append(SERIES, minutes(3))
    store.append(Series.parse("NSE:M&M:5m"), minutes(3))
    store.delete(SERIES)
    assert [str(entry.series) for entry in store.series()] == ["NSE:M&M:5m"]
    store.append(SERIES, minutes(2))
    assert len(store.read(SERIES)) == 2


def test_files_that_are_not_ours_are_ignored_and_leftovers_cleaned(tmp_path):
    store, bars = BarStore(tmp_path), minutes(4)
    store.append(SERIES, bars.slice(0, 2))
    folder = tmp_path / SERIES.path
    for name in (".writing-0123", "notes.txt", "2025.parquet.bak"):
        (folder / name).write_bytes(b"half a file")
    (tmp_path / "NSE" / "lowercase" / "1m").mkdir(parents=True)
    (tmp_path / "NSE" / "A" / "soon").mkdir(parents=True)
    assert same(store.read(SERIES), bars.slice(0, 2))
    assert len(store.series()) == 1
    store.append(SERIES, bars.slice(2, 4))
    assert sorted(p.name for p in folder.iterdir()) == ["2025.parquet", "2025.parquet.bak", "notes.txt"]


@pytest.mark.parametrize("damage", ["cut", "other", "empty"])
def test_a_damaged_file_is_named(tmp_path, damage):
    store = BarStore(tmp_path)
    store.append(SERIES, minutes(500))
    path = tmp_path / SERIES.path / "2025.parquet"
    if damage == "other":
        pl.DataFrame({"ts": [1], "price": [2.0]}).write_parquet(path)
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage == "cut" else b"")
    for ask in (store.read, store.describe):
        with pytest.raises(BadInputError, match=r"2025\.parquet: not a readable bar file"):
            ask(SERIES)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    store, bars = BarStore(tmp_path), minutes(4)
    store.append(SERIES, bars.slice(0, 2))

    def full_disk(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        store.append(SERIES, bars.slice(2, 4))
    monkeypatch.undo()
    assert same(store.read(SERIES), bars.slice(0, 2))
    assert [p.name for p in (tmp_path / SERIES.path).iterdir()] == ["2025.parquet"]


# Each fork of this program runs one append and is killed (SIGKILL) when it reaches the next (seventh) line of ours.
KILLED_AT_EVERY_LINE = """
import os, shutil, signal, sys
import numpy as np
from pathlib import Path
from tests.data.bar_making import bars_at
from trademantra.data import bar_file, durable, store
from trademantra.data.store import BarStore, Series

root, first_ns, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ours = {module.__file__ for module in (bar_file, durable, store)}
bars = bars_at(first_ns + np.arange(12, dtype=np.int64) * step)

def die_at_line(number):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

for number in range(1, 4000, 7):
    mine = root / str(number)
    shutil.copytree(root / "before", mine)
    child = os.fork()
    if child == 0:
        die_at_line(number)
        BarStore(mine).append(Series.parse("NSE:M&M:1m"), bars)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(number)
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to kill a writer at each line")
def test_a_writer_killed_at_any_line_leaves_whole_files_and_a_prefix_in_time(tmp_path):
    step = 120 * NANOSECONDS_PER_DAY
    bars = bars_at(NEW_YEAR_NS + np.arange(12, dtype=np.int64) * step)
    BarStore(tmp_path / "before").append(SERIES, bars.slice(0, 2))
    script = tmp_path / "killed.py"
    script.write_text(KILLED_AT_EVERY_LINE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(NEW_YEAR_NS), str(step)],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    last = int(done.stdout)
    lengths, leftovers = set(), 0
    for number in range(1, last + 1, 7):
        store = BarStore(tmp_path / str(number))
        found = store.read(SERIES)
        assert same(found, bars.slice(0, len(found))), number
        lengths.add(len(found))
        leftovers += len(list((store.root / SERIES.path).glob(".writing-*")))
        store.append(SERIES, bars)  # the lock died with its holder, and the rest can be written
        assert same(store.read(SERIES), bars), number
        assert all(p.suffix == ".parquet" for p in (store.root / SERIES.path).iterdir()), number
    # The kills did fall before, between and after the years, and into half-written files.
    assert {2, 12} < lengths
    assert leftovers > 0


def test_readers_see_whole_files_while_a_writer_appends(tmp_path):
    bars = minutes(3_000)
    store = BarStore(tmp_path)
    store.append(SERIES, bars.slice(0, 100))
    finished = threading.Event()

    def write():
        for last in range(100, 3_001, 100):
            BarStore(tmp_path).append(SERIES, bars.slice(last - 100, last))
        finished.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = {len(bars)}
    while not finished.is_set():
        found = store.read(SERIES)
        assert same(found, bars.slice(0, len(found)))
        seen.add(len(found))
    writer.join()
    assert all(length % 100 == 0 for length in seen)
    assert same(store.read(SERIES), bars)


def test_two_writers_of_one_series_do_not_lose_each_others_bars(tmp_path):
    bars = minutes(400)
    BarStore(tmp_path).append(SERIES, bars)
    changed = bars_at(bars.ts, seed=9)

    def rewrite(first):
        for i in range(first, 400, 40):
            BarStore(tmp_path).replace(SERIES, changed.slice(i, i + 10))

    writers = [threading.Thread(target=rewrite, args=(first,)) for first in (0, 10, 20, 30)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert same(BarStore(tmp_path).read(SERIES), changed)


def test_one_damaged_file_hides_no_other_series(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "bars")
    for name in ("NSE:AAA:1d", "NSE:BBB:1d"):
        one = Bars.of([1_700_000_000_000_000_000], [1.0], [1.0], [1.0], [1.0], [1.0])
        store.append(Series.parse(name), one)
    [file] = (store.root / Series.parse("NSE:AAA:1d").path).glob("*.parquet")
    file.write_bytes(file.read_bytes()[:50])
    damaged: list[BadInputError] = []
    assert [str(entry.series) for entry in store.series(damaged)] == ["NSE:BBB:1d"]
    assert len(damaged) == 1
    assert str(file) in damaged[0].message
    with pytest.raises(BadInputError):
        store.series()
