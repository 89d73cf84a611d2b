"""One Parquet file of bars: its columns, the facts in its footer, and how both turn into engine arrays."""

import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.data import bar_checksum
from trademantra.data.series import Series, year_bounds
from trademantra.engine.bars import PRICE_FIELDS, Bars, Float64Array

_FIELDS = (*PRICE_FIELDS, "volume")
_FOOTER_KEY = "trademantra"
# Measured in bench/bars.py on a year of 1-minute bars: a level above 3 costs four times the writing time for a
# tenth of the size; row groups of this size are decompressed in parallel, and passed over in a read of a range.
_ZSTD_LEVEL = 3
_ROWS_PER_GROUP = 16_384
_COLUMN = re.compile(r"_x10*$")
_LARGEST_EXPONENT = 8
_LARGEST_INT32 = 2**31 - 1

_FooterValue: TypeAlias = str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesInfo:
    """Where the bars of a series come from.

    `source` names it for a person; `timezone` is the IANA zone of the exchange's days (the store fills it in);
    `adjusted` says that the source had already adjusted prices for splits (raw is what should be stored);
    `tick_size` in the instrument's currency, where known; `synthetic` marks generated bars, which never mix
    with real ones; `label` is free text.
    Errors: `InvalidValueError` for an unknown zone or a tick size that is not positive.

    >>> SeriesInfo(source="NSE bhavcopy").adjusted
    False
    """

    source: str = ""
    timezone: str = ""
    adjusted: bool = False
    tick_size: Decimal | None = None
    synthetic: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if self.tick_size is not None and not self.tick_size > 0:
            raise InvalidValueError(f"tick size {self.tick_size} is not positive")
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise InvalidValueError(
                    f"{self.timezone!r} is not a time zone", hint="write an IANA name such as Asia/Kolkata"
                ) from error

    def followed_by(self, newer: "SeriesInfo") -> "SeriesInfo":
        """What holds of a series once bars of `newer` join bars of this.

        Both sources are named; otherwise the newer statement wins where it makes one.
        Errors: `DataConflictError` when real bars would mix with synthetic ones, or raw with adjusted ones.
        """
        if self.synthetic != newer.synthetic:
            raise DataConflictError(
                f"{_kind(newer)} bars cannot join {_kind(self)} ones",
                hint="delete the stored series first, or store under another symbol",
            )
        if self.adjusted != newer.adjusted:
            raise DataConflictError(
                "raw bars and bars that are adjusted for splits cannot join",
                hint="store raw bars: they are adjusted when they are read",
            )
        sources = self.source.split(" + ") if self.source else []
        sources += [name for name in newer.source.split(" + ") if name and name not in sources]
        return replace(
            newer,
            source=" + ".join(sources),
            timezone=newer.timezone or self.timezone,
            tick_size=newer.tick_size if newer.tick_size is not None else self.tick_size,
            label=newer.label or self.label,
        )


def _kind(info: SeriesInfo) -> str:
    return "synthetic" if info.synthetic else "real"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a bar file says of itself without being read: first and last bar start, rows, provenance, size.

    `has_checksum` is False for files of versions that wrote none: damage inside those is not noticed.
    """

    first_ns: int
    last_ns: int
    rows: int
    info: SeriesInfo
    bytes: int
    has_checksum: bool


def encode(series: Series, year: int, bars: Bars, info: SeriesInfo) -> bytes:
    """The bytes of a Parquet file (zstd) of at least one bar of that series and year.

    Columns: `ts` in UTC nanoseconds; prices as whole numbers `open_x100 …` (100 or whichever power of ten makes
    them whole), or as float64 `open …` where none does; `volume` whole where it is, else float64.  Whole numbers
    of 32 bits are read in half the time of floats (bench/bars.py), and come back as the very floats they were.
    """
    prices = [getattr(bars, name) for name in PRICE_FIELDS]
    exponent = _exponent_of(prices)
    volume = bars.volume.astype(np.int32) if _exponent_of([bars.volume]) == 0 else bars.volume
    frame = pl.DataFrame(
        [
            pl.Series("ts", bars.ts).cast(pl.Datetime("ns", "UTC")),
            *(
                pl.Series(name, field)
                if exponent is None
                else pl.Series(f"{name}_x{10**exponent}", np.rint(field * 10.0**exponent).astype(np.int32))
                for name, field in zip(PRICE_FIELDS, prices, strict=True)
            ),
            pl.Series("volume", volume),
        ]
    )
    footer: dict[str, _FooterValue] = {
        "series": str(series),
        "year": year,
        "first_ns": int(bars.ts[0]),
        "last_ns": int(bars.ts[-1]),
        "rows": len(bars),
        "source": info.source,
        "timezone": info.timezone,
        "adjusted": info.adjusted,
        "tick_size": None if info.tick_size is None else str(info.tick_size),
        "synthetic": info.synthetic,
        "label": info.label,
    }
    facts = json.dumps(footer)
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROWS_PER_GROUP,
        metadata={_FOOTER_KEY: facts, bar_checksum.KEY: bar_checksum.placeholder(facts)},
    )
    return bar_checksum.seal(buffer.getvalue())


def read_footer(path: Path, series: Series) -> Footer:
    """What the file of a series and of the year that its name says tells of itself; its bars are not looked at.

    Errors: `FileNotFoundError`; `BadInputError` for a file that the store did not write whole, or for another series
    or year, or that cannot be opened.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            metadata = pl.read_parquet_metadata(file)
    except FileNotFoundError:
        _refuse_dangling(path)
        raise
    except OSError as error:
        raise _closed(path, error) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _unreadable(path, str(error)) from error
    return _checked_footer(path, series, metadata, size)


def read_columns(
    path: Path, series: Series, start_ns: int | None = None, stop_ns: int | None = None
) -> pl.DataFrame:
    """The columns of a bar file as they are stored, for bars that start in [start_ns, stop_ns).

    Every byte of the file is held against its checksum first, where it has one.  Errors: as `read_footer`, and
    `BadInputError` for a file that is not what was written.
    """
    # The bytes are taken in one go: the file is open for the shortest time (Windows cannot replace it meanwhile).
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        _refuse_dangling(path)
        raise
    except OSError as error:
        raise _closed(path, error) from error
    if bar_checksum.is_whole(content) is False:
        raise _unreadable(path, "it is damaged: its content does not agree with its checksum")
    try:
        footer = _checked_footer(path, series, pl.read_parquet_metadata(content), len(content))
        if start_ns is None and stop_ns is None:
            frame = pl.read_parquet(content)
        else:
            # Row groups outside the range are passed over by their statistics.
            frame = pl.scan_parquet(content).filter(_in_range(start_ns, stop_ns)).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _unreadable(path, str(error)) from error
    if not _is_of_bars(frame):
        raise _unreadable(path, f"its columns are not those of bars: {dict(frame.schema)}")
    if start_ns is None and stop_ns is None and not _agrees(frame, footer):
        raise _unreadable(path, "it is damaged: its bars are not those that its footer names")
    return frame


def bars_of(frames: list[pl.DataFrame]) -> Bars:
    """Files in time order, joined into fresh arrays (polars' own are read-only, which compiled kernels refuse)."""
    count = sum(frame.height for frame in frames)
    ts = np.empty(count, np.int64)
    values = np.empty((len(_FIELDS), count), np.float64)
    begin = 0
    for frame in frames:
        end = begin + frame.height
        for chunk, place in _chunks(frame.to_series(0).to_physical(), begin):
            ts[place] = chunk
        for i, row in enumerate(values, start=1):
            column = frame.to_series(i)
            scale = float(column.name.partition("_x")[2] or 1)
            for chunk, place in _chunks(column, begin):
                np.divide(chunk, scale, out=row[place])
        begin = end
    return Bars(ts, *values)


def _chunks(column: pl.Series, begin: int) -> Iterator[tuple[NDArray[np.generic], slice]]:
    """The pieces of a column as they were read, and where each goes: `to_numpy` of the whole would copy it twice."""
    for chunk in column.get_chunks():
        yield chunk.to_numpy(), slice(begin, begin + len(chunk))
        begin += len(chunk)


def _exponent_of(fields: Sequence[Float64Array]) -> int | None:
    """The smallest power of ten that makes every number a whole one of 32 bits, losing nothing; None without one."""
    largest = max(float(field.max()) for field in fields)
    for exponent in range(_LARGEST_EXPONENT + 1):
        scale = 10.0**exponent
        if largest * scale > _LARGEST_INT32:
            return None
        if all(np.array_equal(np.rint(field * scale) / scale, field) for field in fields):
            return exponent
    return None


def _in_range(start_ns: int | None, stop_ns: int | None) -> pl.Expr:
    instant = pl.Datetime("ns", "UTC")
    conditions = []
    if start_ns is not None:
        conditions.append(pl.col("ts") >= pl.lit(start_ns).cast(instant))
    if stop_ns is not None:
        conditions.append(pl.col("ts") < pl.lit(stop_ns).cast(instant))
    return pl.all_horizontal(conditions)


def _is_of_bars(frame: pl.DataFrame) -> bool:
    names = tuple(_COLUMN.sub("", name) for name in frame.columns)
    types = frame.dtypes
    return (
        names == ("ts", *_FIELDS)
        and types[0] == pl.Datetime("ns", "UTC")
        and all(kind in (pl.Float64, pl.Int32) for kind in types[1:])
        and not any(column.null_count() for column in frame)
    )


def _checked_footer(path: Path, series: Series, metadata: Mapping[str, str], size: int) -> Footer:
    """The footer of the file of this series and of the year in its name.  Errors: `BadInputError`."""
    facts = metadata.get(_FOOTER_KEY)
    if facts is None:
        raise _unreadable(path, "it has no Trade Mantra footer")
    checksum = metadata.get(bar_checksum.KEY)
    if checksum is not None and not bar_checksum.agrees_with(checksum, facts):
        raise _unreadable(path, "it is damaged: its footer does not agree with its checksum")
    year = int(path.stem)
    try:
        stored = json.loads(facts)
        footer = _footer_of(stored, size, has_checksum=checksum is not None)
        owner = stored.get("series"), stored.get("year")
    except (ValueError, KeyError, AttributeError, TypeError, InvalidValueError) as error:
        raise _unreadable(path, f"its footer is damaged: {error!r}") from error
    if checksum is None and owner != (None, None):
        raise _unreadable(path, "it is damaged: its checksum is gone")
    begin, end = year_bounds(year, series.zone)
    if checksum is not None and owner != (str(series), year):
        raise _misplaced(path, f"it holds {owner[0]} of {owner[1]}, not {series} of {year}")
    if not begin <= footer.first_ns <= footer.last_ns < end or footer.rows < 1:
        raise _misplaced(path, f"its bars are not of {year}")
    return footer


def _agrees(frame: pl.DataFrame, footer: Footer) -> bool:
    """Whether whole columns are as many as their footer says, from its first bar to its last."""
    ts = frame.to_series(0).to_physical()
    return len(ts) == footer.rows and ts[0] == footer.first_ns and ts[-1] == footer.last_ns


def _footer_of(stored: Mapping[str, _FooterValue], size: int, *, has_checksum: bool) -> Footer:
    tick_size = stored["tick_size"]
    return Footer(
        int(stored["first_ns"] or 0),
        int(stored["last_ns"] or 0),
        int(stored["rows"] or 0),
        SeriesInfo(
            source=str(stored["source"]),
            timezone=str(stored["timezone"]),
            adjusted=stored["adjusted"] is True,
            tick_size=None if tick_size is None else decimal_of(str(tick_size), "tick_size"),
            synthetic=stored["synthetic"] is True,
            label=str(stored["label"]),
        ),
        size,
        has_checksum,
    )


def _unreadable(path: Path, why: str) -> BadInputError:
    return BadInputError(
        path,
        f"not a readable bar file: {(why.splitlines() or ['no reason was given'])[0]}",
        hint="move it away, then import that year again or copy it from a backup",
    )


def _misplaced(path: Path, why: str) -> BadInputError:
    return BadInputError(
        path,
        f"this file belongs elsewhere: {why}",
        hint="move it away, then import that year again or put the right file there",
    )


def _closed(path: Path, error: OSError) -> BadInputError:
    return BadInputError(
        path, f"cannot be opened: {error.strerror or error}", hint="check what it is and its permissions"
    )


def _refuse_dangling(path: Path) -> None:
    """A link to nothing is damage; no file at all may be a writer's doing."""
    if path.is_symlink():
        raise _unreadable(path, f"it is a link to {path.readlink()}, which is not there")
