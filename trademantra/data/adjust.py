"""Splits and bonuses: the event table, and prices adjusted for it when they are read.  Raw is what is stored."""

import csv
import io
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.money import decimal_of
from trademantra.core.time import IST, ns_of, parse_date
from trademantra.data import bar_checksum
from trademantra.engine.bars import PRICE_FIELDS, Bars, Float64Array

UNNAMED_KIND = "split_or_bonus"
_FACTS = "events"
_MEND = "move it away, then import the splits and bonuses of this exchange again or copy it from a backup"
_COLUMN_NAMES = {"date": "ex_date", "evidence": "source"}
_COLUMNS = frozenset({"symbol", "ex_date", "factor", "kind", "source", "factor_kind", "applied"})
_NEEDED = ("symbol", "ex_date", "factor")
# Splits and bonuses are ratios of small whole numbers (specs/india-markets.md section 7: F2/F1, b/(a+b)); tables
# print them as decimals.  A decimal of at least this many places which is the rounding of such a ratio is that ratio.
_LEAST_PLACES = 6
_LARGEST_DENOMINATOR = 20
_RAW_PLACES = 4


@dataclass(frozen=True, slots=True)
class AdjustmentEvent:
    """One corporate action: prices before `ex_date` are multiplied by `factor`, volumes divided by it.

    `ex_date` is the first day of the exchange on which the new shares trade.  `factor` is exact: 1/2 for a 1:1
    bonus or a split into two, 10 for ten shares made one.  Two events of a symbol and day differ in `kind`.
    Errors: `InvalidValueError` for an empty symbol or a factor that is not positive.

    >>> AdjustmentEvent("RELIANCE", date(2024, 10, 28), Fraction(1, 2), "bonus").factor
    Fraction(1, 2)
    """

    symbol: str
    ex_date: date
    factor: Fraction
    kind: str = UNNAMED_KIND
    source: str = ""

    def __post_init__(self) -> None:
        if not self.symbol:
            raise InvalidValueError("an adjustment event needs a symbol")
        if self.factor <= 0:
            raise InvalidValueError(f"{self.symbol} {self.ex_date}: factor {self.factor} is not positive")


@dataclass(frozen=True, slots=True)
class AdjustmentEvents:
    """The events of one exchange; each is held once, however often it was given.

    Errors: `DataConflictError` for one symbol, day and kind with two factors.
    """

    events: tuple[AdjustmentEvent, ...] = ()
    _by_symbol: dict[str, list[AdjustmentEvent]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        held: dict[tuple[str, date, str], AdjustmentEvent] = {}
        for event in self.events:
            known = held.setdefault((event.symbol, event.ex_date, event.kind), event)
            if known.factor != event.factor:
                raise DataConflictError(
                    f"{event.symbol} {event.ex_date} {event.kind}: factors {known.factor} and {event.factor}",
                    hint="correct the table; a split and a bonus of one day need different kinds",
                )
        by_symbol: dict[str, list[AdjustmentEvent]] = {}
        for event in held.values():
            # Tables name kinds differently; "split or bonus" beside "bonus" would be one event counted twice.
            if event.kind != UNNAMED_KIND and (event.symbol, event.ex_date, UNNAMED_KIND) in held:
                raise DataConflictError(
                    f"{event.symbol} {event.ex_date}: both {UNNAMED_KIND!r} and {event.kind!r} are given",
                    hint="keep the one that is right, or name both kinds",
                )
            insort(by_symbol.setdefault(event.symbol, []), event, key=lambda each: (each.ex_date, each.kind))
        object.__setattr__(self, "_by_symbol", by_symbol)
        object.__setattr__(
            self, "events", tuple(e for symbol in sorted(by_symbol) for e in by_symbol[symbol])
        )

    @classmethod
    def load(cls, path: Path) -> "AdjustmentEvents":
        """Read a CSV or Parquet table with the columns `symbol, ex_date, factor`.

        `date` is read as `ex_date`.  Optional: `kind`, `source` (or `evidence`), `applied` (rows that say false
        are passed over), `factor_kind` (`multiply_price`, or `divide_price` for circulars that print the
        inverse).  A factor is written as 0.5 or 1/2; six decimals of a simple ratio (0.333333) are that ratio.
        Errors: `NotFoundError`; `BadInputError` with line and column.
        """
        if path.is_symlink() and not path.exists():
            raise BadInputError(path, f"a link to {path.readlink()}, which is not there", hint=_MEND)
        if not path.is_file():
            raise NotFoundError(
                f"there is no event table {path}", hint="import the splits and bonuses of this exchange first"
            )
        rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
        return cls(tuple(event for line, row in rows if (event := _event_of(path, line, row)) is not None))

    def of(self, symbol: str) -> tuple[AdjustmentEvent, ...]:
        """Events of a symbol by day; none on file is an empty tuple."""
        return tuple(self._by_symbol.get(symbol, ()))

    def joined(self, others: "AdjustmentEvents") -> "AdjustmentEvents":
        """Both tables in one, each event once."""
        return AdjustmentEvents(self.events + others.events)

    def encoded(self) -> bytes:
        """The table as a Parquet file that `load` reads back equal, with a checksum of all its bytes."""
        frame = pl.DataFrame(
            {
                "symbol": [event.symbol for event in self.events],
                "ex_date": [event.ex_date for event in self.events],
                "factor": [str(event.factor) for event in self.events],
                "kind": [event.kind for event in self.events],
                "source": [event.source for event in self.events],
            },
            schema={
                "symbol": pl.String,
                "ex_date": pl.Date,
                "factor": pl.String,
                "kind": pl.String,
                "source": pl.String,
            },
        )
        buffer = io.BytesIO()
        checksum = {bar_checksum.KEY: bar_checksum.placeholder(_FACTS)}
        frame.write_parquet(buffer, compression="zstd", metadata=checksum)
        return bar_checksum.seal(buffer.getvalue())


def adjusted(
    bars: Bars, events: Sequence[AdjustmentEvent], zone: ZoneInfo = IST, as_of: date | None = None
) -> Bars:
    """Raw bars of one symbol, restated in the shares of `as_of` (or of the last event when it is None).

    A bar is earlier than an event when it starts before the ex-date begins in `zone`.  Prices are multiplied by
    the product of the factors of all later events, volumes divided by it; neither is rounded.  With `as_of`,
    events after that day are not used and bars after it are left out, so nothing of the future is in the answer.
    Errors: `InvalidValueError` for events of several symbols.
    """
    if as_of is not None:
        bars = bars.slice(0, int(np.searchsorted(bars.ts, _begin_of(as_of + timedelta(days=1), zone))))
        events = [event for event in events if event.ex_date <= as_of]
    multiplier, divisor = _factors(bars, events, zone)
    prices = (getattr(bars, name) * multiplier / divisor for name in PRICE_FIELDS)
    return _with_fields(bars, prices, bars.volume * divisor / multiplier)


def unadjusted(
    bars: Bars, events: Sequence[AdjustmentEvent], zone: ZoneInfo = IST, as_of: date | None = None
) -> Bars:
    """Inverse of `adjusted` with the same arguments: the raw bars, exactly.

    Where a factor applies, prices and volumes are rounded to 1/10 000, which undoes the last bit that a division
    lost: raw prices and volumes of an exchange lie on that grid.
    """
    if as_of is not None:
        events = [event for event in events if event.ex_date <= as_of]
    multiplier, divisor = _factors(bars, events, zone)

    def restored(field: Float64Array, over: Float64Array, under: Float64Array) -> Float64Array:
        return np.where(over == under, field, np.round(field * over / under, _RAW_PLACES))

    prices = (restored(getattr(bars, name), divisor, multiplier) for name in PRICE_FIELDS)
    return _with_fields(bars, prices, restored(bars.volume, multiplier, divisor))


def _with_fields(bars: Bars, prices: Iterable[Float64Array], volume: Float64Array) -> Bars:
    open_, high, low, close = prices
    return Bars(bars.ts.copy(), open_, high, low, close, volume)


def _factors(
    bars: Bars, events: Sequence[AdjustmentEvent], zone: ZoneInfo
) -> tuple[Float64Array, Float64Array]:
    """Numerator and denominator of the factor of each bar; apart, because 1/3 is not a float but 1 and 3 are."""
    if len({event.symbol for event in events}) > 1:
        raise InvalidValueError("bars of one symbol were to be adjusted with events of several")
    multiplier, divisor = np.ones(len(bars)), np.ones(len(bars))
    product = Fraction(1)
    end = len(bars)
    for event in sorted(events, key=lambda each: each.ex_date, reverse=True):
        begin = int(np.searchsorted(bars.ts, _begin_of(event.ex_date, zone)))
        multiplier[begin:end], divisor[begin:end] = float(product.numerator), float(product.denominator)
        product *= event.factor
        end = min(end, begin)
    multiplier[:end], divisor[:end] = float(product.numerator), float(product.denominator)
    return multiplier, divisor


def _begin_of(day: date, zone: ZoneInfo) -> int:
    return ns_of(datetime(day.year, day.month, day.day, tzinfo=zone))


def factor_of(text: str) -> Fraction:
    """A factor written as a ratio or a decimal.

    >>> factor_of("1/2"), factor_of("0.666667"), factor_of("0.98573")
    (Fraction(1, 2), Fraction(2, 3), Fraction(98573, 100000))
    """
    above, slash, below = text.partition("/")
    written = decimal_of(above.strip(), "factor")
    divisor = decimal_of(below.strip(), "factor") if slash else Decimal(1)
    if written <= 0 or divisor <= 0:
        raise InvalidValueError(f"factor {text!r} is not positive")
    if slash:
        return Fraction(written) / Fraction(divisor)
    exact = Fraction(written)
    exponent = written.as_tuple().exponent
    if isinstance(exponent, int) and -exponent >= _LEAST_PLACES:
        simple = exact.limit_denominator(_LARGEST_DENOMINATOR)
        rounded = round(Decimal(simple.numerator) / Decimal(simple.denominator), -exponent)
        if rounded == written:
            return simple
    return exact


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(path, f"not UTF-8 text: {error.reason}", line=line) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        names = _columns_of(path, reader.fieldnames or ())
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                raise BadInputError(path, f"does not have {len(reader.fieldnames or ())} fields", line=line)
            yield line, {names[name]: value.strip() for name, value in row.items() if name in names}
    except csv.Error as error:
        raise BadInputError(path, str(error), line=line + 1) from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    content = path.read_bytes()
    whole = bar_checksum.is_whole(content)
    try:
        # A table of the user's own has no checksum; in one of ours nothing but damage takes it away.
        damaged = whole is False or (
            whole is None and bar_checksum.KEY in pl.read_parquet_metadata(io.BytesIO(content))
        )
        frame = pl.DataFrame() if damaged else pl.read_parquet(content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        why = (str(error).splitlines() or ["no reason was given"])[0]
        raise BadInputError(path, f"not a readable Parquet file: {why}", hint=_MEND) from error
    if damaged:
        raise BadInputError(path, "it is damaged: its content does not agree with its checksum", hint=_MEND)
    names = _columns_of(path, frame.columns)
    for line, row in enumerate(frame.select(names.keys()).iter_rows(), start=1):
        values = (
            "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            for value in row
        )
        yield line, dict(zip(names.values(), values, strict=True))


def _columns_of(path: Path, columns: Iterable[str]) -> dict[str, str]:
    """Our name of each column of a file that means something to us, by the file's name."""
    named = {name: _COLUMN_NAMES.get(name.strip().lower(), name.strip().lower()) for name in columns}
    known = {name: ours for name, ours in named.items() if ours in _COLUMNS}
    for ours in _NEEDED:
        if ours not in known.values():
            raise BadInputError(
                path, f"there is no column {ours!r}", line=1, hint=f"columns: {', '.join(named)}"
            )
    return known


def _event_of(path: Path, line: int, row: Mapping[str, str]) -> AdjustmentEvent | None:
    applied = row.get("applied", "true").lower()
    if applied not in ("true", "false"):
        raise BadInputError(path, f"{applied!r} is neither true nor false", line=line, column="applied")
    if applied == "false":
        return None
    factor_kind = row.get("factor_kind") or "multiply_price"
    if factor_kind not in ("multiply_price", "divide_price"):
        raise BadInputError(
            path,
            f"{factor_kind!r} is neither multiply_price nor divide_price",
            line=line,
            column="factor_kind",
        )
    try:
        column = "ex_date"
        ex_date = parse_date(row["ex_date"])
        column = "factor"
        factor = factor_of(row["factor"])
        column = "symbol"
        return AdjustmentEvent(
            row["symbol"],
            ex_date,
            1 / factor if factor_kind == "divide_price" else factor,
            row.get("kind") or UNNAMED_KIND,
            row.get("source", ""),
        )
    except InvalidValueError as error:
        raise BadInputError(path, error.message, line=line, column=column, hint=error.hint) from error
