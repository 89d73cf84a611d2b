"""No two contracts under one name: what the rows of one import must not contradict."""

from collections.abc import Sequence

import polars as pl

from trademantra.data.instruments.readers.rows import COLUMNS
from trademantra.data.instruments.readers.source import Reject

_FACTS = [name for name in COLUMNS if name != "line"]


def unique_rows(files: Sequence[tuple[str, pl.DataFrame]]) -> tuple[pl.DataFrame, tuple[Reject, ...]]:
    """The rows of all files as one table (without `line`), and the rows that share a name with another.

    A row that stands in two files, the same in every field, counts once.  Rejected are **all** rows of one symbol,
    token, ISIN or contract with different facts: which of them is right nobody can tell.
    """
    table = pl.concat([rows.with_columns(file=pl.lit(i, pl.Int32)) for i, (_, rows) in enumerate(files)])
    if len(files) > 1:
        table = table.unique(_FACTS, keep="first", maintain_order=True)
    table = _apart_from_indices(table).with_row_index("place")
    rejects: dict[int, Reject] = {}
    for column, what, key in (
        ("symbol", "the symbol", ["exchange", "venue", "symbol"]),
        ("token", "the token", ["exchange", "venue", "token"]),
        ("isin", "the ISIN", ["exchange", "isin"]),
        ("root", "the name", ["exchange", "segment", "root"]),
        ("underlying", "one contract of", ["exchange", "underlying", "expiry", "strike", "right"]),
    ):
        named = table.filter(pl.col(column).is_not_null())
        for group in named.filter(pl.struct(key).is_duplicated()).partition_by(key, maintain_order=True):
            places = [
                (row["place"], files[row["file"]][0], row["line"], row["symbol"])
                for row in group.iter_rows(named=True)
            ]
            for place, file, line, _ in places:
                others = ", ".join(
                    f"line {other_line} ({symbol})" + (f" of {other_file}" if other_file != file else "")
                    for _, other_file, other_line, symbol in places
                    if (other_file, other_line) != (file, line)
                )
                reason = (
                    f"{what} {group[column][0]!r} names two different instruments: this line and {others}"
                )
                rejects.setdefault(place, Reject(file, line, "", reason))
    if rejects:
        table = table.filter(~pl.col("place").is_in(list(rejects)))
    return table.drop("place", "line", "file"), tuple(rejects[place] for place in sorted(rejects))


def _apart_from_indices(table: pl.DataFrame) -> pl.DataFrame:
    """Rename an index that has the symbol of a share of its exchange (METAL on BSE is an ETF and an index)."""
    index = pl.col("segment") == "index"
    shares = table.filter(~index & pl.col("root").is_not_null()).select("exchange", "root").unique()
    taken = table.filter(index).join(shares, on=["exchange", "root"], how="semi")
    if taken.is_empty():
        return table
    clash = pl.struct("exchange", "root").is_in(
        taken.select(pl.struct("exchange", "root")).to_series().implode()
    )
    return table.with_columns(
        pl.when(index & clash)
        .then(pl.concat_str("root", pl.lit(" INDEX")))
        .otherwise(pl.col("root"))
        .alias("root")
    )
