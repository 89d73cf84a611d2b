"""Angel One's OpenAPIScripMaster.json: every value is text, strike and tick are in paise."""

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

# specs/brokers.md 2.2, "Instruments"
_COLUMNS = (
    "token",
    "symbol",
    "name",
    "expiry",
    "strike",
    "lotsize",
    "instrumenttype",
    "exch_seg",
    "tick_size",
)
_NEEDED = ("token", "symbol", "exch_seg")
_OPTIONAL = tuple(name for name in _COLUMNS if name not in _NEEDED)
_EXCHANGES = MappingProxyType(
    {
        **dict.fromkeys(("NSE", "NFO", "CDS", "NCO"), Exchange.NSE.value),
        **dict.fromkeys(("BSE", "BFO", "BCD"), Exchange.BSE.value),
        "MCX": Exchange.MCX.value,
        "NCDEX": Exchange.NCDEX.value,
    }
)
_MARKETS = MappingProxyType(
    {
        **dict.fromkeys(("NFO", "BFO"), EQUITY),
        **dict.fromkeys(("CDS", "BCD"), CURRENCY),
        **dict.fromkeys(("MCX", "NCO", "NCDEX"), COMMODITY),
    }
)
_INDEX_TYPES = ("AMXIDX", "INDEX")
_NAMES = MappingProxyType(
    {
        "token": "token",
        "symbol": "symbol",
        "venue": "exch_seg",
        "kind": "instrumenttype",
        "underlying": "name",
        "expiry": "expiry",
        "strike": "strike",
        "right": "symbol",
        "lot": "lotsize",
        "tick": "tick_size",
    }
)


def read(file: Path) -> Dump:
    """Rows of an Angel One scrip master: JSON, or CSV of the same columns."""
    venue, type_ = pl.col("exch_seg"), pl.col("instrumenttype")
    derivative = type_.str.contains("^(?:FUT|OPT)").fill_null(value=False)
    is_index = type_.is_in(_INDEX_TYPES).fill_null(value=False)
    layout = Layout(
        convert=_convert,
        names=_NAMES,
        whole=venue.is_in(["NSE", "BSE"]),
        checks=[
            Check(
                pl.col("expiry").is_not_null() & pl.col("~expiry").is_null(), "expiry", "a date is DDMMMYYYY"
            ),
            *(
                Check(not_a_number(name), name, "this is not a number")
                for name in ("strike", "lotsize", "tick_size")
            ),
        ],
        skipped={
            # NIFTY with the old token 26000 beside "Nifty 50" with 99926000: the same index, twice.
            "old index rows left out": (venue == "NSE")
            & type_.is_null()
            & series_of(pl.col("symbol")).is_null(),
            "spot and auction rows left out": ~venue.is_in(["NSE", "BSE"]) & ~derivative,
            "rows of other markets left out": is_index & ~venue.is_in(["NSE", "BSE", "MCX"]),
        },
    )
    return settle(read_text_table(file, _NEEDED, _OPTIONAL), layout)


def _convert(rows: pl.DataFrame) -> pl.DataFrame:
    venue, symbol, type_ = pl.col("exch_seg"), pl.col("symbol"), pl.col("instrumenttype")
    nse = venue == "NSE"
    kind = (
        pl.when(type_.is_in(_INDEX_TYPES))
        .then(pl.lit(INDEX))
        .when(type_.str.starts_with("FUT"))
        .then(pl.lit(FUTURE))
        .when(type_.str.starts_with("OPT"))
        .then(pl.lit(OPTION))
        .when(venue.is_in(["NSE", "BSE"]))
        .then(pl.lit(CASH))
    )
    # An index goes by its derivatives' name: symbol "Nifty 50", name "NIFTY".
    base = pl.when(kind == INDEX).then(pl.coalesce("name", "symbol")).when(nse).then(without_series(symbol))
    return assemble(
        rows,
        {
            "venue": venue,
            "token": pl.col("token"),
            "exchange_token": pl.col("token"),
            "symbol": symbol,
            "exchange": lookup(venue, _EXCHANGES),
            "kind": kind,
            "market": lookup(venue, _MARKETS),
            "base": base.otherwise(symbol),
            "full": symbol,
            "underlying": pl.col("name"),
            "expiry": pl.col("expiry").str.to_titlecase().str.to_date("%d%b%Y", strict=False),
            "strike": number("strike") / 100,
            "right": symbol.str.extract("(CE|PE)$"),
            "series": pl.when(nse).then(series_of(symbol)),
            "name": pl.col("name"),
            "lot": number("lotsize"),
            "tick": number("tick_size") / 100,
            "in_lots": pl.lit(value=False),
        },
    )
