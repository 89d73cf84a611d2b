"""Rows of a file turned into rows of bars: numbers and times read, impossible ones named."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.data.imports.model import (
    LINE,
    LOT,
    PRICES,
    STAMP,
    SYMBOL,
    VOLUME,
    Block,
    Layout,
    Prepared,
    Reject,
)
from trademantra.data.imports.stamps import StampKind, read

_GROUPED = r"^[-+]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?$"
_EMPTY = ("", "-", "--", "null", "none", "na", "n/a", "nan")
_SHORT_SCALE = ((r"(?i)k$", 1e3), (r"(?i)m$", 1e6), (r"(?i)b$", 1e9))
_CLOCK_DIGITS = re.compile(r"\d{3,6}")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A block's good rows: `line`, `symbol`, `ts` (int64 ns UTC as written), prices, volume; and what was not good.

    `times` are symbol and ts of all rows with a readable time, bad ones too: they show how far apart bars are.
    `left_out` and `changed` count, by reason, rows that were left out or altered on purpose.
    """

    frame: pl.DataFrame
    times: pl.DataFrame
    rejects: tuple[Reject, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)


def stamp_text(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The time of each row as one value: a column as it is where it is typed, else text, several joined."""
    if len(columns) == 1:
        column = frame[columns[0]]
        return column if isinstance(column.dtype, pl.Datetime | pl.Date) else _as_text(column)
    parts = [_as_text(frame[name]) for name in columns]
    parts[1:] = [_padded_clock(part) for part in parts[1:]]
    joined = parts[0].to_frame("0").with_columns(part.alias(str(i)) for i, part in enumerate(parts[1:], 1))
    # A midnight in the date column says nothing beside a time of day.
    day = pl.col("0").str.replace(r"[ T]00:00:00(\.0+)?$", "")
    return joined.select(
        pl.concat_str([day, *(str(i) for i in range(1, len(parts)))], separator=" ")
    ).to_series()


def parse(
    block: Block, layout: Layout, zone: ZoneInfo, file: str, *, decimal: str = ".", only: Sequence[str] = ()
) -> Parsed:
    """Read the rows of a block.

    `zone` is where times without an offset, and dates, are at home; `only` are the symbols (of derivatives: the
    underlyings) to take, all when empty; rows of others are not looked at.
    """
    asked = _asked_for(block.frame, layout, only) if only else block.frame
    prepared = layout.prepare(asked) if layout.prepare else _renamed(asked, layout)
    frame = prepared.frame
    faults = _Faults.of(frame.height)
    symbol = _symbols(frame, layout, faults)
    ts = _times(frame, layout, zone, faults)
    prices = {name: numbers(frame[name], decimal) for name in PRICES}
    for name, values in prices.items():
        faults.note_numbers(frame[name], values, name)
    volume, blank = _volumes(frame, decimal)
    faults.note_volume(frame, volume)
    faults.note_range(prices)
    if faults.code.any():
        kept = pl.Series(faults.code == 0)
        bad = faults.listed(frame, layout)
    else:
        kept, bad = None, []
    bad += list(prepared.rejects)
    bad.sort()
    lines = [line for line, _, _ in bad]
    rejects = [
        Reject(file, line, column, reason, row)
        for (line, column, reason), row in zip(bad, block.raw(lines) if lines else [], strict=True)
    ]
    rejects.extend(block.rejects)
    result = pl.DataFrame({LINE: frame[LINE], SYMBOL: symbol, STAMP: ts, **prices, VOLUME: volume})
    times = result.select(SYMBOL, STAMP)
    if kept is not None:
        result = result.filter(kept)
        times = times.drop_nulls(STAMP)
    changed = dict(prepared.changed)
    if blank:
        changed["had no volume: stored as 0"] = blank
    left_out = dict(prepared.left_out)
    if asked.height < block.frame.height:
        left_out["are of symbols not asked for"] = block.frame.height - asked.height
    return Parsed(result, times, tuple(rejects), left_out, changed)


def numbers(column: pl.Series, decimal: str = ".") -> pl.Series:
    """Text or numbers as float64; null for what is neither.  Groups of thousands (1,23,456.5 or 1,234) are read.

    >>> numbers(pl.Series(["1,23,456.50", "1e3", "abc"])).to_list()
    [123456.5, 1000.0, None]
    """
    if column.dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    text = column.str.strip_chars()
    if decimal == ",":
        text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    elif text.str.contains(",", literal=True).any():
        grouped = text.str.contains(_GROUPED)
        text = text.zip_with(~grouped.fill_null(value=False), text.str.replace_all(",", "", literal=True))
    return text.cast(pl.Float64, strict=False)


def _asked_for(frame: pl.DataFrame, layout: Layout, only: Sequence[str]) -> pl.DataFrame:
    if SYMBOL not in layout.columns:
        return frame
    symbol = _as_text(frame[layout.columns[SYMBOL][0]]).str.strip_chars().str.to_uppercase()
    return frame.filter(symbol.str.strip_prefix(f"{layout.exchange}:").is_in(only))


def _renamed(frame: pl.DataFrame, layout: Layout) -> Prepared:
    columns = [frame[LINE], stamp_text(frame, layout.columns[STAMP]).alias(STAMP)]
    columns += [frame[names[0]].alias(ours) for ours, names in layout.columns.items() if ours != STAMP]
    return Prepared(pl.DataFrame(columns))


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return column
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype.is_float():
        whole = column.round() == column
        return (
            column.cast(pl.Int64, strict=False)
            .cast(pl.String)
            .zip_with(whole.fill_null(value=False), column.cast(pl.String))
        )
    return column.cast(pl.String, strict=False)


def _padded_clock(text: pl.Series) -> pl.Series:
    """`915` as `0915` and `91500` as `091500`, where a column of times is digits only."""
    shown = text.drop_nulls().head(1_000).to_list()
    if not shown or not all(_CLOCK_DIGITS.fullmatch(value) for value in shown):
        return text
    return text.str.zfill(4 if max(len(value) for value in shown) <= 4 else 6)


def _symbols(frame: pl.DataFrame, layout: Layout, faults: "_Faults") -> pl.Series:
    if layout.symbol is not None:
        return pl.Series(SYMBOL, [layout.symbol], dtype=pl.String).new_from_index(0, frame.height)
    symbol = _as_text(frame[SYMBOL]).str.strip_chars().str.to_uppercase()
    symbol = symbol.str.strip_prefix(f"{layout.exchange}:").fill_null("")
    faults.note(symbol == "", SYMBOL, lambda _: "there is no symbol")
    return symbol


def _times(frame: pl.DataFrame, layout: Layout, zone: ZoneInfo, faults: "_Faults") -> pl.Series:
    written = frame[STAMP]
    ts = read(written, layout.stamps, zone)

    def reason(i: int) -> str:
        shown = written[i]
        if shown is None or shown == "":
            return "there is no time"
        if layout.stamps.kind is StampKind.EPOCH:
            return f"{str(shown)!r} is not a count of {layout.stamps.described}, from 1950 to 2099"
        if layout.stamps.native:
            return f"{shown} is not between 1950 and 2099, or is skipped or doubled by a clock change in {zone.key}"
        local = (
            f", or is skipped or doubled by a clock change in {zone.key}"
            if layout.stamps.kind is StampKind.LOCAL and not _never_shifts(zone)
            else ""
        )
        return f"{str(shown)!r} is not a time written {layout.stamps.described}, from 1950 to 2099{local}"

    faults.note(ts.is_null(), STAMP, reason)
    return ts


def _never_shifts(zone: ZoneInfo) -> bool:
    return zone.key in ("Asia/Kolkata", "Asia/Calcutta", "UTC", "Etc/UTC")


def _volumes(frame: pl.DataFrame, decimal: str) -> tuple[pl.Series, int]:
    """Units traded; 0 where the file has no volume, or none in this row (such rows are counted)."""
    if VOLUME not in frame.columns:
        return pl.Series(VOLUME, [0.0]).new_from_index(0, frame.height), 0
    column = frame[VOLUME]
    blank = column.is_null()
    if column.dtype == pl.String:
        blank = blank | column.str.to_lowercase().is_in(_EMPTY)
    volume = numbers(column, decimal)
    if column.dtype == pl.String and volume.null_count() > blank.sum():
        for ending, factor in _SHORT_SCALE:
            scaled = numbers(column.str.replace(ending, ""), decimal) * factor
            volume = volume.zip_with(volume.is_not_null() | ~column.str.contains(ending), scaled.round(6))
    volume = volume.zip_with(~blank, pl.Series([0.0]))
    if LOT in frame.columns:
        volume = volume * frame[LOT]
    return volume, int(blank.sum())


class _Faults:
    """The first fault of each row of a block, by number; 0 is none."""

    __slots__ = ("_kinds", "code")

    def __init__(self, code: NDArray[np.int8]) -> None:
        self.code = code
        self._kinds: list[tuple[str, Callable[[int], str]]] = []

    @classmethod
    def of(cls, rows: int) -> "_Faults":
        return cls(np.zeros(rows, np.int8))

    def note(self, bad: pl.Series | NDArray[np.bool_], column: str, reason: Callable[[int], str]) -> None:
        """Give rows that are `bad` and have no fault yet this one; `reason` words it for a row."""
        self._kinds.append((column, reason))
        mask = bad.fill_null(value=True).to_numpy() if isinstance(bad, pl.Series) else bad
        self.code[mask & (self.code == 0)] = len(self._kinds)

    def note_numbers(self, written: pl.Series, values: pl.Series, name: str) -> None:
        def unread(i: int) -> str:
            shown = written[i]
            if shown is None or str(shown).strip() == "":
                return f"there is no {name}"
            hint = "; write --decimal , if the comma is the decimal mark" if "," in str(shown) else ""
            return f"{str(shown)!r} is not a number{hint}"

        self.note(values.is_null(), name, unread)
        found = values.to_numpy()
        with np.errstate(invalid="ignore"):
            self.note(~np.isfinite(found), name, lambda i: f"{name} is {found[i]}, not a finite number")
            self.note(~(found > 0.0), name, lambda i: f"{name} {found[i]} is not positive")

    def note_volume(self, frame: pl.DataFrame, volume: pl.Series) -> None:
        found = volume.to_numpy()
        self.note(volume.is_null(), VOLUME, lambda i: f"{str(frame[VOLUME][i])!r} is not a number")
        with np.errstate(invalid="ignore"):
            self.note(
                ~(np.isfinite(found) & (found >= 0.0)),
                VOLUME,
                lambda i: f"volume {found[i]} is not 0 or more",
            )

    def note_range(self, prices: dict[str, pl.Series]) -> None:
        open_, high, low, close = (prices[name].to_numpy() for name in PRICES)
        with np.errstate(invalid="ignore"):
            self.note(high < low, "high", lambda i: f"high {high[i]} is below low {low[i]}")
            for name, price in (("open", open_), ("close", close)):
                self.note(high < price, name, _outside(name, price, "above high", high))
                self.note(low > price, name, _outside(name, price, "below low", low))

    def listed(self, frame: pl.DataFrame, layout: Layout) -> list[tuple[int, str, str]]:
        """Line, their column and reason of each row with a fault."""
        rows = []
        lines = frame[LINE]
        for i in np.flatnonzero(self.code):
            ours, reason = self._kinds[int(self.code[i]) - 1]
            theirs = "+".join(layout.columns.get(ours, (ours,)))
            rows.append((int(lines[int(i)]), theirs, reason(int(i))))
        return rows


def _outside(
    name: str, price: NDArray[np.float64], where: str, bound: NDArray[np.float64]
) -> Callable[[int], str]:
    return lambda i: f"{name} {price[i]} is {where} {bound[i]}"
