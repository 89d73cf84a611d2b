"""The prices of a session on disk: what warmed the strategies up, and every event that the market brought after that."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import polars as pl

from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import BadInputError
from trademantra.data.durable import replace_file
from trademantra.data.resample import SessionSpan
from trademantra.engine.bars import Bars, Int64Array
from trademantra.engine.records import RecordArray

WARM_UP, EVENTS, CHARGES = "warm_up.parquet", "events.parquet", "charges.npz"
_ONE_TABLE = "charges.npy"  # as sessions kept them while all their instruments had one
_VALUES = ("open", "high", "low", "close", "volume")
_SCHEMA = pl.Schema({"symbol": pl.String, "ts": pl.Int64, **dict.fromkeys(_VALUES, pl.Float64)})


def write_warm_up(folder: Path, bars: Mapping[str, Bars]) -> None:
    """Bars by symbol, in the timeframe of the strategies."""
    _write(
        folder / WARM_UP,
        [(symbol, one.ts, *(getattr(one, name) for name in _VALUES)) for symbol, one in bars.items()],
    )


def write_events(folder: Path, symbols: Sequence[str], batches: Sequence[EventBatch]) -> None:
    """Events in the order in which they came; `symbols` by row of the listings."""
    rows = np.concatenate([batch.token_row for batch in batches]) if batches else np.empty(0, np.int64)
    frame = pl.DataFrame(
        {
            "symbol": pl.Series(symbols, dtype=pl.String).gather(rows)
            if len(rows)
            else pl.Series([], dtype=pl.String),
            "ts": np.concatenate([batch.at_ns for batch in batches]) if batches else np.empty(0, np.int64),
            **{
                name: np.concatenate([getattr(batch, name) for batch in batches]) if batches else np.empty(0)
                for name in _VALUES
            },
        }
    )
    save(folder / EVENTS, frame)


def read_warm_up(folder: Path) -> dict[str, Bars]:
    """Errors: `BadInputError` for a file that is missing or damaged."""
    return _read(folder / WARM_UP)


def read_events(folder: Path) -> dict[str, Bars]:
    """The events by symbol, as bars of no length: a tick has one price.  Errors: as `read_warm_up`.

    Events of one instant are moved a nanosecond apart, in the order in which they came.
    """
    return {symbol: _apart(one) for symbol, one in _read(folder / EVENTS).items()}


def read_event_order(folder: Path) -> dict[str, Int64Array]:
    """For the events of `read_events` their numbers among all of the session.  Errors: as `read_warm_up`."""
    return numbers_in(read_frame(folder / EVENTS, _SCHEMA))


def write_charges(folder: Path, charges: Mapping[str, RecordArray]) -> None:
    """Numeric charge rules by symbol; nothing where there are none."""
    if charges:
        content, rules = BytesIO(), list(charges.values())
        stops = np.cumsum([len(each) for each in rules], dtype=np.int64)
        np.savez(content, symbols=np.array(list(charges)), rules=np.concatenate(rules), stops=stops)
        replace_file(folder / CHARGES, content.getvalue())


def read_charges(folder: Path, symbols: Sequence[str]) -> dict[str, RecordArray]:
    """By symbol, of those that cost something.  Errors: `BadInputError` for a damaged file."""
    file = folder / CHARGES if (folder / CHARGES).exists() else folder / _ONE_TABLE
    if not file.exists():
        return {}
    try:
        if file.name == _ONE_TABLE:
            return dict.fromkeys(symbols, np.load(file, allow_pickle=False))
        with np.load(file, allow_pickle=False) as kept:
            tables = np.split(kept["rules"], kept["stops"][:-1])
            return dict(zip(kept["symbols"].tolist(), tables, strict=True))
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise BadInputError(file, f"cannot be read: {error}") from error


def bars_of(events: Bars, spans: Sequence[SessionSpan], length_ns: int) -> Bars:
    """Bars of `length_ns` that the events make, counted from the start of each window; without a volume, no bar of ticks.

    Not by the desk's own bar builder: this is the other side of the comparison.
    """
    opens = np.array([span.open_ns for span in spans], np.int64)
    closes = np.array([span.close_ns for span in spans], np.int64)
    window = np.searchsorted(opens, events.ts, side="right") - 1
    inside = np.flatnonzero((window >= 0) & (events.ts < closes[np.maximum(window, 0)]))
    ts, window = events.ts[inside], window[inside]
    starts = opens[window] + (ts - opens[window]) // length_ns * length_ns
    first = np.flatnonzero(np.diff(starts, prepend=-1))
    if not len(first):
        return Bars.empty()
    last = np.append(first[1:], len(starts)) - 1
    return Bars.of(
        starts[first],
        events.open[inside][first],
        np.maximum.reduceat(events.high[inside], first),
        np.minimum.reduceat(events.low[inside], first),
        events.close[inside][last],
        np.add.reduceat(events.volume[inside], first),
    )


def _apart(events: Bars) -> Bars:
    steps = np.diff(events.ts, prepend=events.ts[:1] - 1)
    if (steps > 0).all():
        return events
    ts = events.ts - np.arange(len(events))
    moved: Int64Array = np.maximum.accumulate(ts) + np.arange(len(events))
    return Bars(moved, *(getattr(events, name) for name in _VALUES))


def _write(file: Path, parts: Sequence[tuple[str, Int64Array, *tuple[np.ndarray, ...]]]) -> None:
    frames = [
        pl.DataFrame({"symbol": [symbol] * len(ts), "ts": ts, **dict(zip(_VALUES, values, strict=True))})
        for symbol, ts, *values in parts
    ]
    empty = pl.DataFrame(schema=_SCHEMA)
    save(file, pl.concat([empty, *(frame.cast(_SCHEMA) for frame in frames)]))


def save(file: Path, frame: pl.DataFrame) -> None:
    """Durably, all or nothing."""
    content = BytesIO()
    frame.write_parquet(content, compression="zstd")
    replace_file(file, content.getvalue())


def read_frame(file: Path, schema: pl.Schema) -> pl.DataFrame:
    """The columns of `schema`.  Errors: `BadInputError` for a file that is missing, damaged, or of something else."""
    try:
        return pl.read_parquet(file, columns=list(schema)).cast(schema)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInputError(
            file, f"cannot be read: {error}", hint="the session's folder is damaged"
        ) from error


def bars_in(frame: pl.DataFrame) -> dict[str, Bars]:
    """The rows of each symbol, in their order."""
    made = {}
    for (symbol,), one in frame.group_by("symbol", maintain_order=True):
        columns = [one[name].to_numpy().astype(np.float64) for name in _VALUES]
        made[str(symbol)] = Bars(np.ascontiguousarray(one["ts"].to_numpy()), *columns)
    return made


def numbers_in(frame: pl.DataFrame) -> dict[str, Int64Array]:
    """The places of the rows of each symbol among all rows."""
    numbered = frame.with_row_index("number")
    return {
        str(symbol): one["number"].to_numpy().astype(np.int64)
        for (symbol,), one in numbered.group_by("symbol", maintain_order=True)
    }


def _read(file: Path) -> dict[str, Bars]:
    return bars_in(read_frame(file, _SCHEMA))
