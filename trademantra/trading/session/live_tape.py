"""The tape of a session on the prices of now: what its strategies' exchange was fed, in order, and where they decided.

In the session's folder: `events-NNNNNN.parquet` (ticks) and `bars-NNNNNN.parquet` (bars as they were delivered, each with the number
of ticks of its instrument that had been fed before the decision), written every few minutes; `heard.json` says until
when prices were heard, and when the desk was away.  What is on disk stays whatever happens; memory holds what is not.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.brokers.paper.market import EventBatch
from trademantra.core.bar import Bar
from trademantra.core.errors import BadInputError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.data.durable import replace_file
from trademantra.engine.bars import Bars, Int64Array
from trademantra.trading.session.tape import bars_in, numbers_in, read_frame, save

_HEARD = "heard.json"
_EVENTS, _BARS = "events", "bars"
_EVERY_NS = 120 * NANOSECONDS_PER_SECOND
_MOST_TICKS = 200_000  # in memory, however long the disk takes
_TICKS = pl.Schema({"symbol": pl.String, "ts": pl.Int64, "close": pl.Float64, "volume": pl.Float64})
_DELIVERED = pl.Schema(
    {
        "symbol": pl.String, "ts": pl.Int64, "open": pl.Float64, "high": pl.Float64, "low": pl.Float64,
        "close": pl.Float64, "volume": pl.Float64, "fed": pl.Int64,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gap:
    """Prices between two instants did not reach a run (`run_id`, or all where it is empty).  `to_ns` 0: for good."""

    from_ns: int
    to_ns: int
    run_id: str = ""

    def holds(self, run_id: str, first_ns: int, last_ns: int) -> bool:
        """Whether something of `run_id` from `first_ns` to `last_ns` lies in it."""
        mine = not self.run_id or self.run_id == run_id
        return mine and last_ns >= self.from_ns and (not self.to_ns or first_ns <= self.to_ns)


@dataclass(frozen=True, slots=True)
class Heard:
    """Until when prices were heard, and what was missed."""

    until_ns: int
    gaps: Sequence[Gap]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Bars of one instrument as they reached its strategies; `fed` (n,): ticks before each decision."""

    bars: Bars
    fed: Int64Array


class LiveTape:
    """One session's.  `symbols`: its instruments by row of the market's listings.

    One at a time for each folder: nothing is written once `fence` raises, for then another process may go on with it.
    """

    def __init__(self, folder: Path, symbols: Mapping[int, str], fence: Callable[[], None]) -> None:
        self._folder, self._symbols, self._fence = folder, symbols, fence
        self._rows = np.array(sorted(symbols), np.int64)
        self._names = pl.Series([symbols[row] for row in self._rows.tolist()], dtype=pl.String)
        self._ticks: list[EventBatch] = []
        self._held = 0
        self._delivered: list[tuple[str, Bar, int]] = []
        self._fed: dict[str, int] = dict.fromkeys(symbols.values(), 0)
        self._last_ns: dict[str, int] = {}
        self._number = 0
        self._written_ns = 0
        self._gaps: list[Gap] = []

    @classmethod
    def open(
        cls, folder: Path, symbols: Mapping[int, str], now_ns: int, fence: Callable[[], None], *, again: bool
    ) -> "LiveTape":
        """Go on with what an earlier process wrote (`again`), or begin.  Errors: `BadInputError` for a damaged folder."""
        made = cls(folder, symbols, fence)
        if again:
            made._numbers()
            heard = read_heard(folder)
            made._gaps = [*heard.gaps, Gap(heard.until_ns, now_ns)]
        made._write_heard(now_ns)
        return made

    def feed(self, events: EventBatch) -> None:
        """What goes to the exchange next."""
        at = np.searchsorted(self._rows, events.token_row)
        mine = np.flatnonzero(
            (at < len(self._rows)) & (self._rows[np.minimum(at, len(self._rows) - 1)] == events.token_row)
        )
        if not len(mine):
            return
        part = EventBatch(*(getattr(events, name)[mine] for name in EventBatch.__slots__))
        self._ticks.append(part)
        self._held += len(mine)
        for row in part.token_row.tolist():
            self._fed[self._symbols[row]] += 1

    @property
    def fed(self) -> int:
        """How many prices the exchange was fed since the session began."""
        return sum(self._fed.values())

    def deliver(self, symbol: str, bar: Bar) -> None:
        """A bar that is decided on now; one that is known already is left out."""
        if symbol in self._fed and bar.start_ns > self._last_ns.get(symbol, 0):
            self._last_ns[symbol] = bar.start_ns
            self._delivered.append((symbol, bar, self._fed[symbol]))

    def missing(self, gap: Gap) -> None:
        """A run heard nothing from then on; what happened before is compared all the same."""
        self._gaps.append(gap)

    def is_due(self, now_ns: int) -> bool:
        """Whether it is time to write."""
        return now_ns - self._written_ns >= _EVERY_NS or self._held >= _MOST_TICKS

    def write(self, now_ns: int) -> None:
        """What is in memory, durably."""
        ticks, delivered = self._ticks, self._delivered
        self._fence()
        if ticks or delivered:
            self._number += 1
            save(self._folder / f"{_EVENTS}-{self._number:06d}.parquet", self._frame(ticks))
            rows = [
                (symbol, bar.start_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, fed)
                for symbol, bar, fed in delivered
            ]
            made = pl.DataFrame(rows, schema=_DELIVERED, orient="row")
            save(self._folder / f"{_BARS}-{self._number:06d}.parquet", made)
            self._ticks, self._held, self._delivered = [], 0, []
        self._write_heard(now_ns)

    def _frame(self, ticks: Sequence[EventBatch]) -> pl.DataFrame:
        if not ticks:
            return pl.DataFrame(schema=_TICKS)
        rows = np.concatenate([batch.token_row for batch in ticks])
        return pl.DataFrame(
            {
                "symbol": self._names.gather(np.searchsorted(self._rows, rows)),
                "ts": np.concatenate([batch.at_ns for batch in ticks]),
                "close": np.concatenate([batch.close for batch in ticks]),
                "volume": np.concatenate([batch.volume for batch in ticks]),
            },
            schema=_TICKS,
        )

    def _write_heard(self, now_ns: int) -> None:
        self._fence()
        self._written_ns = now_ns
        plain = {"until_ns": now_ns, "gaps": [[gap.from_ns, gap.to_ns, gap.run_id] for gap in self._gaps]}
        replace_file(self._folder / _HEARD, json.dumps(plain).encode())

    def _numbers(self) -> None:
        """How far the files on disk go: a chunk of ticks whose bars were not written any more counts too."""
        files = _chunks(self._folder, _EVENTS)
        self._number = int(files[-1].stem.rpartition("-")[2]) if files else 0
        for symbol, one in read_ticks(self._folder).items():
            self._fed[symbol] = len(one)
        for symbol, delivered in read_delivered(self._folder).items():
            self._last_ns[symbol] = int(delivered.bars.ts[-1])


def read_heard(folder: Path) -> Heard:
    """Errors: `BadInputError`."""
    file = folder / _HEARD
    try:
        plain = json.loads(file.read_bytes())
        return Heard(int(plain["until_ns"]), [Gap(int(a), int(b), str(run)) for a, b, run in plain["gaps"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(file, f"cannot be read: {error}") from error


def is_live(folder: Path) -> bool:
    """Whether a session's tape was made of the prices of now."""
    return (folder / _HEARD).exists()


def read_ticks(folder: Path) -> dict[str, Bars]:
    """Ticks by symbol, in the order in which they were fed, as bars of one price; several may have one time."""
    return bars_in(_all_ticks(folder).with_columns(open="close", high="close", low="close"))


def read_tick_order(folder: Path) -> dict[str, Int64Array]:
    """For the ticks of `read_ticks` their numbers among all of the session."""
    return numbers_in(_all_ticks(folder))


def _all_ticks(folder: Path) -> pl.DataFrame:
    return pl.concat(
        [pl.DataFrame(schema=_TICKS), *(read_frame(file, _TICKS) for file in _chunks(folder, _EVENTS))]
    )


def read_delivered(folder: Path) -> dict[str, Delivered]:
    """Bars by symbol as they were decided on."""
    found = pl.concat(
        [pl.DataFrame(schema=_DELIVERED), *(read_frame(file, _DELIVERED) for file in _chunks(folder, _BARS))]
    )
    fed = {
        str(symbol): one["fed"].to_numpy() for (symbol,), one in found.group_by("symbol", maintain_order=True)
    }
    return {symbol: Delivered(bars, fed[symbol]) for symbol, bars in bars_in(found).items()}


def _chunks(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*.parquet"))
