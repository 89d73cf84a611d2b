"""The one table that every broker's file is turned into, and the checks that each row passes.

| column | type | meaning |
|---|---|---|
| line | Int64 | line of the file (see `source.TextTable`) |
| venue | String | the broker's own code of exchange and segment: `NFO`, `NSE_FO`, `NSE_FNO` |
| token | String | the broker's number or key, unique within its venue |
| exchange_token | String? | the exchange's number |
| symbol | String | the broker's symbol |
| exchange, segment, kind | String | core enums' values |
| root | String? | securities and indices: the exchange's symbol, without series |
| underlying, expiry, strike, right | | contracts only |
| isin, series, name | String? | securities |
| lot, tick, strike, freeze, multiplier | Int64 | in 1/100 000 000: exact for every tick from 0.00000001 |
| unit | String | core `QuantityUnit`: how this broker counts an order's quantity |
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from trademantra.core.instrument import InstrumentKind, Segment
from trademantra.data.instruments.readers.source import Reject, TextTable

SCALE = 100_000_000
COLUMNS: Mapping[str, type[pl.DataType]] = {
    "line": pl.Int64,
    "venue": pl.Categorical,
    "token": pl.String,
    "exchange_token": pl.String,
    "symbol": pl.String,
    "exchange": pl.Categorical,
    "segment": pl.Categorical,
    "kind": pl.Categorical,
    "root": pl.String,
    "underlying": pl.Categorical,
    "expiry": pl.Date,
    "strike": pl.Int64,
    "right": pl.Categorical,
    "isin": pl.String,
    "series": pl.String,
    "name": pl.String,
    "lot": pl.Int64,
    "tick": pl.Int64,
    "freeze": pl.Int64,
    "multiplier": pl.Int64,
    "unit": pl.Categorical,
}
CONTRACTS = (InstrumentKind.FUTURE.value, InstrumentKind.OPTION.value)
_PART = 25_000
_ISIN = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
# Exchanges keep symbols for their mock sessions (011NSETEST) and for demergers (DUMMY...) in the live files.
_TEST = r"(?:NSE|BSE|MCX|NCDEX)TEST|INSTEST|^DUMMY"


@dataclass(frozen=True, slots=True)
class Dump:
    """One broker's file, read: good rows (`COLUMNS`), rejects, and remarks: what was left out on purpose, counted."""

    file: str
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    remarks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Check:
    """Rows for which `bad` holds are rejected; `column` is the file's name of the field at fault."""

    bad: pl.Expr
    column: str
    reason: str


def number(column: str) -> pl.Expr:
    """A text column as Float64; null where it is not a number."""
    return pl.col(column).cast(pl.Float64, strict=False)


def scaled(value: pl.Expr) -> pl.Expr:
    """A Float64 in 1/100 000 000 as Int64; null where it does not fit."""
    return (value * SCALE).round().cast(pl.Int64, strict=False)


def not_a_number(column: str) -> pl.Expr:
    return pl.col(column).is_not_null() & number(column).is_null()


def lookup(column: pl.Expr, table: Mapping[str, str]) -> pl.Expr:
    """The table's word for each value; null where it has none."""
    return column.replace_strict(dict(table), default=None, return_dtype=pl.String)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one broker's file becomes rows.

    `convert` adds to a frame of text columns those of `COLUMNS`, prefixed with `=`.  `names` tells the file's name
    of a field, for messages.  `whole` marks the rows that must be converted together (windows over symbols);
    the others come in parts, so that memory stays small.  `skipped` are rows that are right but are no instruments.
    """

    convert: Callable[[pl.DataFrame], pl.DataFrame]
    names: Mapping[str, str]
    whole: pl.Expr
    checks: Sequence[Check]
    skipped: Mapping[str, pl.Expr]


def settle(source: TextTable, layout: Layout) -> Dump:
    """Leave out what is meant to be left out, reject what is wrong, keep the rest."""
    rows = source.rows
    checks = [*layout.checks, *_common_checks(layout.names)]
    remarks: Counter[str] = Counter()
    rejects = list(source.rejects)
    whole = layout.whole.fill_null(value=False)
    parts = (rows.filter(whole), *rows.filter(~whole).iter_slices(_PART))
    good = [
        _settle_part(source.file, layout.convert(part), checks, layout.skipped, remarks, rejects)
        for part in parts
        if part.height
    ]
    rejects.sort(key=lambda reject: reject.line)
    return Dump(
        source.file, pl.concat([pl.DataFrame(schema=dict(COLUMNS)), *good]), tuple(rejects), dict(remarks)
    )


def _settle_part(
    file: str,
    rows: pl.DataFrame,
    checks: Sequence[Check],
    skipped: Mapping[str, pl.Expr],
    remarks: Counter[str],
    rejects: list[Reject],
) -> pl.DataFrame:
    masks = {
        "exchange test and dummy rows left out": pl.any_horizontal(
            pl.col("=symbol", "=root", "=underlying").str.contains(_TEST).fill_null(value=False)
        ),
        **skipped,
    }
    for reason, mask in masks.items():
        kept = rows.filter(~mask.fill_null(value=False))
        if kept.height < rows.height:
            remarks[reason] += rows.height - kept.height
            rows = kept
    # A row of the Upstox file of 2026-03 has a letter l for a 1.  The bond trades; only its ISIN is not known.
    isin = pl.col("=isin")
    wrong = rows.select((isin.is_not_null() & ~isin.str.contains(_ISIN)).sum()).item()
    if wrong:
        remarks["malformed ISINs taken as unknown"] += wrong
        rows = rows.with_columns(pl.when(isin.str.contains(_ISIN)).then(isin).alias("=isin"))
    fault = pl.coalesce(
        *(
            pl.when(check.bad.fill_null(value=False)).then(pl.lit(i, pl.Int32))
            for i, check in enumerate(checks)
        )
    )
    rows = rows.with_columns(fault.alias("=fault"))
    for row in rows.filter(pl.col("=fault").is_not_null()).iter_rows(named=True):
        check = checks[row["=fault"]]
        value = row.get(check.column)
        shown = "it is empty" if value is None else f"it is {value!r}"
        rejects.append(Reject(file, row["line"], check.column, f"{check.reason}; {shown}"))
    return rows.filter(pl.col("=fault").is_null()).select(
        (pl.col("line") if name == "line" else pl.col(f"={name}")).cast(kind).alias(name)
        for name, kind in COLUMNS.items()
    )


def _common_checks(names: Mapping[str, str]) -> list[Check]:
    kind = pl.col("=kind")
    contract = kind.is_in(CONTRACTS)
    option = kind == InstrumentKind.OPTION.value
    index = pl.col("=segment") == Segment.INDEX.value
    return [
        Check(pl.col("=token").is_null(), names["token"], "every row needs a token"),
        Check(pl.col("=symbol").is_null(), names["symbol"], "every row needs a symbol"),
        Check(pl.col("=exchange").is_null(), names["venue"], "the exchange or segment is unknown"),
        Check(kind.is_null(), names["kind"], "the kind of instrument is unknown"),
        Check(
            contract & pl.col("=underlying").is_null(), names["underlying"], "a contract needs an underlying"
        ),
        Check(contract & pl.col("=expiry").is_null(), names["expiry"], "a contract needs an expiry date"),
        Check(
            option & (pl.col("=strike").is_null() | (pl.col("=strike") <= 0)),
            names["strike"],
            "an option needs a strike above zero",
        ),
        Check(option & pl.col("=right").is_null(), names["right"], "an option is CE or PE"),
        Check(
            ~index & (pl.col("=lot").is_null() | (pl.col("=lot") <= 0)),
            names["lot"],
            "the lot must be above zero",
        ),
        Check(
            ~index & (pl.col("=tick").is_null() | (pl.col("=tick") <= 0)),
            names["tick"],
            "the tick must be above zero",
        ),
    ]
