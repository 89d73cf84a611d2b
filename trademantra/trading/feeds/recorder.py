"""Records every tick, so that a session can be played again.  Recording may fail; trading goes on.

`add` costs next to nothing; `flush` writes, and is called from another thread about twice a second.  A process that is
killed loses what came since the last flush (after a power cut: what the operating system had not written either; parts
and finished days are synced).
"""

import os
import re
import threading
from collections.abc import Callable
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.core.time import ist_date
from trademantra.data.durable import remove_leftovers, replace_file
from trademantra.trading.feeds.recording import (
    LOG,
    PART,
    Footer,
    Recording,
    block_of,
    encoded,
    frame_of,
    parts_of,
    read_log,
    read_recording,
)
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

_ROWS_PER_PART = 500_000
_IS_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_JOINING = ".writing-day.parquet"


class _Day:
    """The files of the day that is being recorded."""

    def __init__(self, root: Path, day: date) -> None:
        self.day = day
        self.folder = root / day.isoformat()
        self.finished = root / f"{day.isoformat()}.parquet"
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        self.instruments: dict[int, Instrument] = {}
        self.number = self._number_in_files = 0
        blocks, whole, _ = read_log(self.folder / LOG)
        if blocks or self.finished.exists() or parts_of(self.folder):
            earlier = read_recording(self.folder)
            self.instruments |= earlier.instruments
            self.number, self._number_in_files = earlier.last_number, earlier.number_in_files
        self._log = self.folder / LOG
        self._log.touch()
        os.truncate(self._log, whole)  # a block that was cut off would hide those after it
        self.rows_in_log = sum(pl.read_parquet(block.content, columns=["row"]).height for block in blocks)
        self._rows = {each.key: row for row, each in self.instruments.items()}

    def append(self, batches: list[TickBatch], table: InstrumentTable) -> None:
        """Write ticks as one block."""
        file_row = np.zeros(len(table), np.int64)
        seen = np.unique(np.concatenate([batch.row for batch in batches])).tolist()
        new: dict[int, Instrument] = {}
        for row in seen:
            instrument = table[row]
            place = self._rows.get(instrument.key)
            if place is None:
                place = self._rows[instrument.key] = len(self._rows)
                new[place] = self.instruments[place] = instrument
            file_row[row] = place
        frame = pl.concat([frame_of(batch, file_row) for batch in batches], how="diagonal")
        content = encoded(frame, Footer(self.number + 1, new))
        with self._log.open("ab") as log:  # opened each time: a recorder that is dropped leaves nothing open
            log.write(block_of(self.number + 1, content))
        self.number += 1
        self.rows_in_log += frame.height

    def make_part(self) -> None:
        """Put what is in the log into a part of its own.  A crash in between leaves both, which readers know."""
        blocks = [block for block in read_log(self._log)[0] if block.number > self._number_in_files]
        if blocks:
            frame = pl.concat([pl.read_parquet(block.content) for block in blocks], how="diagonal")
            replace_file(
                self.folder / PART.format(self.number), encoded(frame, Footer(self.number, self.instruments))
            )
            self._number_in_files = self.number
        os.truncate(self._log, 0)
        self.rows_in_log = 0

    def finish(self) -> None:
        """One file of everything; then the folder goes."""
        self.make_part()
        files = Recording(self.folder, InstrumentTable()).files if self.number else []
        if files and files != [self.finished]:
            joined = self.folder / _JOINING
            pl.concat([pl.scan_parquet(file) for file in files], how="diagonal").sink_parquet(
                joined,
                compression="zstd",
                metadata=Footer(self.number, self.instruments).metadata(),
                maintain_order=True,
            )
            with joined.open("rb+") as whole:
                os.fsync(whole.fileno())
            joined.replace(self.finished)
        for file in (*parts_of(self.folder), self._log):
            file.unlink(missing_ok=True)
        self.folder.rmdir()


class Recorder:
    """Ticks of each day (of arrival, in India unless `day_of` says otherwise) below `root`.  One recorder a folder.

    Every method may be called from any thread.
    """

    def __init__(
        self,
        root: Path,
        table: InstrumentTable,
        *,
        with_depth: bool = False,
        rows_per_part: int = _ROWS_PER_PART,
        day_of: Callable[[int], date] = ist_date,
    ) -> None:
        self.root, self.table, self.with_depth = root, table, with_depth
        self.stopped: str | None = None
        """Why nothing is recorded any more; None while all is well."""
        self.recorded = 0
        self._rows_per_part = rows_per_part
        self._day_of = day_of
        self._waiting: list[TickBatch] = []
        self._waiting_lock = threading.Lock()
        self._writing = threading.Lock()
        self._day: _Day | None = None

    def add(self, batch: TickBatch) -> None:
        """Take ticks; they are written by the next `flush`.  Nothing is kept once recording has stopped."""
        if self.stopped is None and len(batch):
            with self._waiting_lock:
                self._waiting.append(batch)

    def flush(self) -> str | None:
        """Write what waits.  Answers why recording stopped, once, and None otherwise."""
        return self._write(finish=False)

    def finish(self) -> str | None:
        """The session is over: make one file of each day that has none yet.  Answers as `flush`."""
        return self._write(finish=True)

    def _write(self, *, finish: bool) -> str | None:
        with self._writing:
            if self.stopped is not None:
                return None
            with self._waiting_lock:
                batches, self._waiting = self._waiting, []
            try:
                for day, of_day in groupby(batches, key=self._day_of_batch):
                    self._put(day, list(of_day))
                if finish:
                    self._finish_all()
            except (OSError, pl.exceptions.PolarsError, BadInputError, NotFoundError) as error:
                self.stopped = f"ticks are not recorded any more: {error}"
                self._waiting = []
                return self.stopped
            return None

    def _finish_all(self) -> None:
        """This day, and days of which a process that was killed left the folder."""
        if self._day is not None:
            self._day.finish()
            self._day = None
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if folder.is_dir() and _IS_DAY.fullmatch(folder.name):
                _Day(self.root, date.fromisoformat(folder.name)).finish()

    def _day_of_batch(self, batch: TickBatch) -> date:
        return self._day_of(int(batch.received_ns[0]))

    def _put(self, day: date, batches: list[TickBatch]) -> None:
        if self._day is None or self._day.day != day:
            if self._day is not None:
                self._day.finish()
            self._day = _Day(self.root, day)
        self._day.append(batches, self.table)
        self.recorded += sum(len(batch) for batch in batches)
        if self._day.rows_in_log >= self._rows_per_part:
            self._day.make_part()
