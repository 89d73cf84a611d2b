"""The instrument file: Kite's 12 columns in their order, gzip (specs/brokers.md 1.4)."""

import gzip

import polars as pl

from trademantra.brokers.listings import Listings
from trademantra.core.instrument import InstrumentKind, QuantityUnit
from trademantra.data.instruments.readers.rows import SCALE

_LEVEL = 1  # the file is made at the first request; small enough, and five times faster than the default


class InstrumentFile:
    """Made when it is first asked for, and kept compressed."""

    def __init__(self, listings: Listings) -> None:
        self._listings = listings
        self._files: dict[str | None, bytes | None] = {}

    def compressed(self, venue: str | None) -> bytes | None:
        """All instruments, or those of a venue; None for a venue that is not known."""
        if venue not in self._files:
            self._files[venue] = self._make(venue)
        return self._files[venue]

    def _make(self, venue: str | None) -> bytes | None:
        rows = _as_kite(self._listings.rows)
        if venue is not None:
            rows = rows.filter(pl.col("exchange") == venue)
            if rows.is_empty():
                return None
        return gzip.compress(rows.write_csv().encode(), _LEVEL, mtime=0)


def _as_kite(rows: pl.DataFrame) -> pl.DataFrame:
    venue, kind = pl.col("venue").cast(pl.String), pl.col("kind").cast(pl.String)
    index = kind == InstrumentKind.INDEX.value
    future, option = kind == InstrumentKind.FUTURE.value, kind == InstrumentKind.OPTION.value
    counts_lots = pl.col("unit").cast(pl.String) == QuantityUnit.LOTS.value
    token = pl.col("token").cast(pl.Int64)
    segment = (
        pl.when(index).then(pl.lit("INDICES"))
        .when(future).then(venue + "-FUT")
        .when(option).then(venue + "-OPT")
        .otherwise(venue)
    )  # fmt: skip
    kind_of = pl.when(future).then(pl.lit("FUT")).when(option).then(pl.col("right").cast(pl.String))
    lot = pl.when(index).then(0).when(counts_lots).then(1).otherwise(pl.col("lot") // SCALE)
    return rows.select(
        token.alias("instrument_token"),
        (token // 256).alias("exchange_token"),
        pl.col("symbol").alias("tradingsymbol"),
        pl.coalesce(pl.col("underlying").cast(pl.String), pl.col("name")).alias("name"),
        pl.lit(0).alias("last_price"),
        pl.col("expiry").dt.to_string("%Y-%m-%d").alias("expiry"),
        _number(pl.col("strike").fill_null(0)).alias("strike"),
        _number(pl.when(index).then(0).otherwise(pl.col("tick"))).alias("tick_size"),
        lot.cast(pl.Int64).alias("lot_size"),
        kind_of.otherwise(pl.lit("EQ")).alias("instrument_type"),
        segment.alias("segment"),
        venue.alias("exchange"),
    )


def _number(scaled: pl.Expr) -> pl.Expr:
    """A scaled whole number as a float, exact: the scale is a power of ten far below 2**53."""
    return scaled.cast(pl.Float64) / SCALE
