"""Recordings: what is written is read again, after kills, full disks and damage; and it builds the same bars."""

import asyncio
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.feeds.broker_fake import FakeBroker, quote
from tests.trading.feeds.tick_making import (
    EVENING_BEFORE,
    FRIDAY,
    HOURS,
    MINUTE,
    OPENS,
    SECOND,
    index,
    share,
)
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.market import DepthLevel
from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.time import ManualClock
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.events import RecordingStopped
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.recorder import Recorder
from trademantra.trading.feeds.recording import LOG, read_recording
from trademantra.trading.feeds.replay import ReplayAdapter, event_batches, replay
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch, batch_of

if sys.platform != "win32":
    import resource

NIFTY, RELIANCE = index(), share()
COLUMNS = ("at_ns", "trade_ns", "received_ns", "price", "total", "quantity", "open_interest", "origin")
FRIDAYS = FRIDAY.isoformat()
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX's")


def table_of(*instruments):
    table = InstrumentTable()
    for each in instruments:
        table.add(each)
    return table


def random_batch(seed, table, start_ns=OPENS, count=20):
    random = np.random.default_rng(seed)
    return TickBatch.of(
        random.integers(0, len(table), count),
        start_ns + np.sort(random.integers(0, SECOND, count)),
        np.round(random.integers(1, 10_000, count) * 0.05, 2),
        received_ns=np.full(count, start_ns + SECOND),
        total=random.integers(-1, 10_000, count),
        quantity=random.integers(-1, 100, count),
        trade_ns=random.integers(0, 2, count) * start_ns,
    )


def rows_of(batches, table):
    """Every tick as a plain tuple that names its instrument."""
    return [
        (table[row].key, *values)
        for batch in batches
        for row, *values in zip(
            batch.row.tolist(), *(getattr(batch, name).tolist() for name in COLUMNS), strict=True
        )
    ]


def read_rows(path):
    recording = read_recording(path)
    return rows_of(recording.batches(), recording.table)


@given(st.lists(st.sampled_from(["add", "flush", "finish", "restart"]), max_size=25), st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_whatever_is_flushed_is_read_once_and_in_order(tmp_path_factory, steps, rows_per_part):
    root = tmp_path_factory.mktemp("recordings")
    waiting, written = [], []
    table = table_of(NIFTY, RELIANCE)
    recorder = Recorder(root, table, rows_per_part=rows_per_part)
    for number, step in enumerate([*steps, "flush"]):
        if step == "add":
            batch = random_batch(number, table, OPENS + number * SECOND)
            recorder.add(batch)
            waiting += rows_of([batch], table)
        elif step == "restart":  # what was not flushed is lost; the new process has numbers of its own
            table = table_of(share(f"NEW{number}"), RELIANCE, NIFTY)
            recorder, waiting = Recorder(root, table, rows_per_part=rows_per_part), []
        else:
            assert (recorder.flush() if step == "flush" else recorder.finish()) is None
            written += waiting
            waiting = []
    if not written:
        with pytest.raises(NotFoundError, match="no recorded ticks"):
            read_recording(root / FRIDAYS)
        return
    assert read_rows(root / FRIDAYS) == written
    recorder.finish()
    assert [path.name for path in root.iterdir()] == [f"{FRIDAYS}.parquet"]
    assert read_rows(root / f"{FRIDAYS}.parquet") == written


def test_depth_is_kept_where_it_is_given(tmp_path):
    table = table_of(NIFTY, RELIANCE)
    bids = tuple(DepthLevel(100 - level, 10 * (level + 1), level + 1) for level in range(5))
    with_depth = batch_of(
        [quote(RELIANCE, OPENS, 100, bids=bids, asks=bids[:2])], table, OPENS, with_depth=True
    )
    without = batch_of([quote(NIFTY, OPENS, 100)], table, OPENS, with_depth=True)
    assert without.depth is None
    recorder = Recorder(tmp_path, table, with_depth=True)
    recorder.add(without)
    recorder.flush()
    recorder.add(with_depth)
    recorder.flush()
    recorder.add(without)
    recorder.finish()
    (read,) = read_recording(tmp_path / f"{FRIDAYS}.parquet").batches()
    assert read.depth.bid_price.tolist() == [[0] * 5, [100, 99, 98, 97, 96], [0] * 5]
    assert read.depth.bid_quantity[1].tolist() == [10, 20, 30, 40, 50]
    assert read.depth.ask_price[1].tolist() == [100, 99, 0, 0, 0]
    assert read.depth.ask_orders[1].tolist() == [1, 2, 0, 0, 0]
    assert read.slice(1, 2).depth.bid_orders.tolist() == [[1, 2, 3, 4, 5]]


def test_each_day_of_arrival_has_its_own_file(tmp_path):
    table = table_of(NIFTY)
    recorder = Recorder(tmp_path, table)
    days = [OPENS + number * 24 * 60 * MINUTE for number in range(3)]
    for start in days:
        recorder.add(random_batch(1, table, start))
    recorder.flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2026-11-20.parquet", "2026-11-21.parquet", "2026-11-22",
    ]  # fmt: skip
    assert len(read_rows(tmp_path / "2026-11-21")) == 20  # the name of the day finds the file too


_WRITER = """
import sys
from contextlib import contextmanager
from pathlib import Path
import tests.trading.feeds.test_recording as made
table = made.table_of(made.NIFTY, made.RELIANCE)
recorder = made.Recorder(Path(sys.argv[1]), table, rows_per_part=100)
for number in range(10_000):
    recorder.add(made.random_batch(number, table, made.OPENS + number * made.SECOND))
    recorder.flush()
    print(number, flush=True)
"""


@posix
@pytest.mark.parametrize("after", [3, 12])
def test_a_kill_at_any_moment_loses_nothing_that_was_flushed(tmp_path, after):
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        for _ in range(after):
            flushed = int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGKILL)
        flushed = max([flushed, *(int(line) for line in process.stdout.read().splitlines())])
        process.wait()
        process.stdout.close()
    table = table_of(NIFTY, RELIANCE)
    wanted = rows_of((random_batch(n, table, OPENS + n * SECOND) for n in range(flushed + 1)), table)
    assert read_rows(tmp_path / FRIDAYS)[: len(wanted)] == wanted
    assert len(read_rows(tmp_path / FRIDAYS)) - len(wanted) in (0, 20)  # the one that was being told


def written_day(tmp_path, flushes=3):
    table = table_of(NIFTY, RELIANCE)
    recorder = Recorder(tmp_path, table)
    for number in range(flushes):
        recorder.add(random_batch(number, table, OPENS + number * SECOND))
        recorder.flush()
    return table, recorder, tmp_path / FRIDAYS / LOG


@pytest.mark.parametrize("kept", [-1, -30, 5])
def test_a_block_that_was_cut_off_is_left_out_told_and_written_over(tmp_path, kept):
    table, _, log = written_day(tmp_path)
    content = log.read_bytes()
    log.write_bytes(content[:kept] if kept < 0 else content + content[:kept])
    recording = read_recording(tmp_path / FRIDAYS)
    assert recording.lost_bytes > 0
    rows = rows_of(recording.batches(), recording.table)
    assert len(rows) == (40 if kept < 0 else 60)
    again = Recorder(tmp_path, table)
    again.add(random_batch(7, table, OPENS + 9 * SECOND))
    again.flush()
    assert read_rows(tmp_path / FRIDAYS)[: len(rows)] == rows
    assert len(read_rows(tmp_path / FRIDAYS)) == len(rows) + 20


def test_a_block_whose_bytes_changed_is_not_read_as_prices(tmp_path):
    _, _, log = written_day(tmp_path)
    content = bytearray(log.read_bytes())
    content[-200] ^= 1
    log.write_bytes(bytes(content))
    recording = read_recording(tmp_path / FRIDAYS)
    assert sum(len(batch) for batch in recording.batches()) == 40
    assert recording.lost_bytes > 0


def test_what_a_crash_left_behind_a_finished_file_is_not_read_twice(tmp_path):
    """Killed after the part was written and before the log was emptied, or after the day and before its parts went."""
    table, recorder, log = written_day(tmp_path)
    old_log = log.read_bytes()
    recorder.add(random_batch(9, table, OPENS + 9 * SECOND))
    recorder.flush()
    other = Recorder(tmp_path, table, rows_per_part=1)
    other.add(random_batch(10, table, OPENS + 10 * SECOND))
    other.flush()
    (part,) = (tmp_path / FRIDAYS).glob("part-*")
    part_content, wanted = part.read_bytes(), read_rows(tmp_path / FRIDAYS)
    log.write_bytes(old_log)
    assert len(wanted) == 100
    assert read_rows(tmp_path / FRIDAYS) == wanted
    Recorder(tmp_path, table).finish()
    log.parent.mkdir()
    log.write_bytes(old_log)
    part.write_bytes(part_content)
    assert read_rows(tmp_path / FRIDAYS) == wanted
    again = Recorder(tmp_path, table)
    assert again.finish() is None
    assert [path.name for path in tmp_path.iterdir()] == [f"{FRIDAYS}.parquet"]
    assert read_rows(tmp_path / FRIDAYS) == wanted


def test_damage_and_absence_are_named(tmp_path):
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(NotFoundError, match="no recorded ticks"):
            read_recording(wrong)
    foreign = tmp_path / "2026-11-19.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(foreign)
    with pytest.raises(BadInputError, match="not a recording"):
        read_recording(foreign)
    foreign.write_bytes(b"rubbish")
    with pytest.raises(BadInputError, match="not a recording"):
        read_recording(foreign)


@contextmanager
def no_room_beyond(size):
    """The operating system lets no file grow beyond `size` bytes: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@posix
@pytest.mark.parametrize("room", [0, 10_000])
def test_a_full_disk_stops_recording_once_and_what_was_written_stays(tmp_path, room):
    table = table_of(NIFTY)
    recorder = Recorder(tmp_path, table)
    batch = random_batch(1, table)
    with no_room_beyond(room):
        told = []
        for _ in range(20):
            recorder.add(batch)
            told.append(recorder.flush())
        assert recorder.finish() is None
    (reason,) = [each for each in told if each is not None]
    assert "not recorded" in reason
    assert recorder.stopped == reason
    before = told.index(reason)
    assert (before > 0) == (room > 0)
    assert recorder.recorded == before * len(batch)
    if room:
        assert read_rows(tmp_path / FRIDAYS) == rows_of([batch] * before, table)


@posix
def test_trading_goes_on_when_recording_stops(tmp_path):
    async def scenario():
        clock = ManualClock(OPENS)
        recorder = Recorder(tmp_path, InstrumentTable())
        hub = TickHub([TickSource("only", FakeBroker())], clock, lambda _: HOURS, recorder=recorder)
        told, heard = [], []
        hub.on_event(told.append)
        hub.on_ticks(heard.append)
        await hub.subscribe("a", [NIFTY])
        for second in range(1, 6):
            clock.advance_to(OPENS + second * SECOND)
            hub.hear(0, [quote(NIFTY, clock.now_ns(), 100)])
            await hub.turn()
            await hub.settled()
        await hub.close()
        return told, heard

    with no_room_beyond(0):
        told, heard = asyncio.run(scenario())
    assert [type(each) for each in told] == [RecordingStopped]
    assert len(heard) == 5


def test_live_and_replayed_ticks_give_the_same_bits(tmp_path):
    """A hub records a busy, disorderly half hour; a second hub hears the recording; their bars are equal."""
    timeframes = [Timeframe.parse(text) for text in ("5s", "1m", "5m", "1d")]
    random = np.random.default_rng(5)

    async def live():
        clock = ManualClock(EVENING_BEFORE)
        recorder = Recorder(tmp_path, InstrumentTable(), rows_per_part=700)
        hub = TickHub([TickSource("only", FakeBroker())], clock, lambda _: HOURS, recorder=recorder)
        bars, ticks = [], []
        hub.on_bar(bars.append)
        hub.on_ticks(ticks.append)
        await hub.subscribe("a", [NIFTY, RELIANCE], timeframes=timeframes)
        total = 0
        for step in range(1, 4000):
            clock.advance_to(OPENS - 60 * SECOND + step * SECOND // 2 + int(random.integers(0, SECOND // 4)))
            stamps = clock.now_ns() - random.integers(0, 3 * SECOND, 3)
            total += int(random.integers(0, 3))
            quotes = [quote(NIFTY, int(at), round(100 + float(random.random()), 2)) for at in stamps[:2]]
            quotes.append(quote(RELIANCE, int(stamps[2]), 50 + step % 7, volume=total))
            hub.hear(0, quotes[: random.integers(0, 4)])
            if random.random() < 0.6:
                await hub.turn()
        clock.advance_to(HOURS.spans[-1].close_ns + SECOND)
        await hub.turn()
        await hub.close()
        recorder.finish()
        return bars, ticks, hub.builder.counts

    async def again():
        clock = ManualClock(EVENING_BEFORE)
        adapter = ReplayAdapter(lambda *_: Bars.empty())
        hub = TickHub([TickSource("recording", adapter)], clock, lambda _: HOURS)
        bars, ticks = [], []
        hub.on_bar(bars.append)
        hub.on_ticks(ticks.append)
        await hub.subscribe("a", [NIFTY, RELIANCE], timeframes=timeframes)
        await replay(read_recording(tmp_path / FRIDAYS, hub.table).batches(), hub, clock)
        clock.advance_to(HOURS.spans[-1].close_ns + SECOND)
        await hub.turn()
        await hub.close()
        return bars, ticks, hub.builder.counts

    (bars, ticks, counts), (bars_again, ticks_again, counts_again) = asyncio.run(live()), asyncio.run(again())
    assert counts.late > 50
    assert counts == counts_again
    assert sum(map(len, ticks)) == sum(map(len, ticks_again))
    for timeframe in timeframes:
        for instrument in (NIFTY, RELIANCE):
            one, other = (
                [each for each in told if (each.instrument, each.timeframe) == (instrument, timeframe)]
                for told in (bars, bars_again)
            )
            assert one == other
    assert bars == bars_again
    assert len({(each.instrument.key, each.timeframe) for each in bars}) == 8


def test_the_simulated_exchange_gets_ticks_as_events():
    table = table_of(share("UNLISTED"), NIFTY, RELIANCE)
    listings = Listings.of(
        [Listing("NSE", "RELIANCE", 738561, RELIANCE), Listing("NSE", "NIFTY 50", 256265, NIFTY)]
    )
    batch = TickBatch.of(
        [2, 1, 2, 0, 2, 2, 2], [OPENS] * 7, [50.0, 100.0, 51.0, 9.0, 52.0, 53.0, 0.0],
        received_ns=[OPENS + number for number in range(7)], total=[1000, -1, 1010, 5, 5, 7, 8],
        quantity=[9, 3, 9, 9, 9, 9, 9], open_interest=[-1, -1, -1, -1, 40, -1, -1],
    )  # fmt: skip
    later = TickBatch.of([2, 2], [OPENS] * 2, [54.0, 54.0], received_ns=[OPENS + 9] * 2, total=[20, 21])
    first, second = event_batches([batch, later], table, listings)
    first.check(2)
    assert first.token_row.tolist() == [0, 1, 0, 0, 0]
    assert (first.at_ns - OPENS).tolist() == [0, 1, 2, 4, 5]
    assert first.close.tolist() == [50, 100, 51, 52, 53]
    assert first.volume.tolist() == [0, 3, 10, 0, 2]
    assert np.flatnonzero(~np.isnan(first.open_interest)).tolist() == [3]
    assert second.volume.tolist() == [12, 1]  # since the last tick, also of one that was left out
