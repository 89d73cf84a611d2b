"""Kite's instruments CSV: strike and tick in rupees, no ISIN, NSE series behind a hyphen."""

from pathlib import Path
from types import MappingProxyType

import polars as pl

from trademantra.core.instrument import Exchange
from trademantra.data.instruments.readers.assemble import (
    CASH,
    COMMODITY,
    CURRENCY,
    EQUITY,
    FUTURE,
    INDEX,
    OPTION,
    assemble,
)
from trademantra.data.instruments.readers.rows import (
    Check,
    Dump,
    Layout,
    lookup,
    not_a_number,
    number,
    settle,
)
from trademantra.data.instruments.readers.securities import series_of, without_series
from trademantra.data.instruments.readers.source import read_text_table
from trademantra.data.instruments.readers.tails import underlying_of

# specs/brokers.md section 1, "instrument CSV"; NCO (commodities of NSE) and NSEIX are newer than that list.
_COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
_EXCHANGES = MappingProxyType(
    {
        **dict.fromkeys(("NSE", "NFO", "CDS", "NCO"), Exchange.NSE.value),
        **dict.fromkeys(("BSE", "BFO", "BCD"), Exchange.BSE.value),
        "MCX": Exchange.MCX.value,
        "NSEIX": Exchange.GIFT.value,
    }
)
_MARKETS = MappingProxyType(
    {
        **dict.fromkeys(("NFO", "BFO"), EQUITY),
        **dict.fromkeys(("CDS", "BCD"), CURRENCY),
        **dict.fromkeys(("MCX", "NCO"), COMMODITY),
    }
)
_KINDS = MappingProxyType({"EQ": CASH, "FUT": FUTURE, "CE": OPTION, "PE": OPTION})
_IN_LOTS = (
    "MCX",
    "CDS",
    "BCD",
    "NCO",
)  # orders count lots and lot_size is 1 there (specs/brokers.md section 1)
_NAMES = MappingProxyType(
    {
        "token": "instrument_token",
        "symbol": "tradingsymbol",
        "venue": "exchange",
        "kind": "instrument_type",
        "underlying": "name",
        "expiry": "expiry",
        "strike": "strike",
        "right": "instrument_type",
        "lot": "lot_size",
        "tick": "tick_size",
    }
)


def read(file: Path) -> Dump:
    """Rows of a Kite dump: CSV, or Parquet of the same columns."""
    layout = Layout(
        convert=_convert,
        names=_NAMES,
        whole=pl.col("instrument_type") == "EQ",
        checks=[
            Check(
                pl.col("instrument_token").cast(pl.Int64, strict=False).is_null(),
                "instrument_token",
                "a token is a whole number",
            ),
            Check(
                pl.col("expiry").is_not_null() & pl.col("~expiry").is_null(), "expiry", "a date is YYYY-MM-DD"
            ),
            *(
                Check(not_a_number(name), name, "this is not a number")
                for name in ("strike", "lot_size", "tick_size")
            ),
        ],
        skipped={"rows of foreign indices left out": pl.col("exchange") == "GLOBAL"},
    )
    return settle(read_text_table(file, _COLUMNS), layout)


def _convert(rows: pl.DataFrame) -> pl.DataFrame:
    venue, symbol, type_ = pl.col("exchange"), pl.col("tradingsymbol"), pl.col("instrument_type")
    nse = venue == "NSE"
    index = pl.col("segment") == "INDICES"
    expiry = pl.col("expiry").str.to_date("%Y-%m-%d", strict=False)
    strike = number("strike")
    return assemble(
        rows,
        {
            "venue": venue,
            "token": pl.col("instrument_token"),
            "exchange_token": pl.col("exchange_token"),
            "symbol": symbol,
            "exchange": lookup(venue, _EXCHANGES),
            "kind": pl.when(index).then(pl.lit(INDEX)).otherwise(lookup(type_, _KINDS)),
            "market": lookup(venue, _MARKETS),
            "base": pl.when(nse & ~index).then(without_series(symbol)).otherwise(symbol),
            "full": symbol,
            "underlying": pl.coalesce(underlying_of(symbol, strike, type_), "name"),
            "expiry": expiry,
            "strike": strike,
            "right": type_,
            "series": pl.when(nse).then(pl.coalesce(series_of(symbol), pl.lit("EQ"))),
            "name": pl.col("name"),
            "lot": number("lot_size"),
            "tick": number("tick_size"),
            "in_lots": venue.is_in(_IN_LOTS),
        },
    )
