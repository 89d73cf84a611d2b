"""Upstox's instruments: the CSV (and Parquet of its columns) and the JSON, which differ in more than form."""

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
from trademantra.data.instruments.readers.securities import MAIN_SERIES
from trademantra.data.instruments.readers.source import is_json, read_text_table
from trademantra.data.instruments.readers.tails import underlying_of

_EXCHANGES = MappingProxyType(
    {
        **dict.fromkeys(("NSE_EQ", "NSE_FO", "NCD_FO", "NSE_COM", "NSE_INDEX"), Exchange.NSE.value),
        **dict.fromkeys(("BSE_EQ", "BSE_FO", "BCD_FO", "BSE_INDEX"), Exchange.BSE.value),
        **dict.fromkeys(("MCX_FO", "MCX_INDEX"), Exchange.MCX.value),
    }
)
_MARKETS = MappingProxyType(
    {
        **dict.fromkeys(("NSE_FO", "BSE_FO"), EQUITY),
        **dict.fromkeys(("NCD_FO", "BCD_FO"), CURRENCY),
        **dict.fromkeys(("MCX_FO", "NSE_COM"), COMMODITY),
    }
)
_CASH = ("NSE_EQ", "BSE_EQ")
_INDICES = ("NSE_INDEX", "BSE_INDEX", "MCX_INDEX")
# Every row there has lot_size 1 although a lot is 1000 dollars or a kilogram (file of 2026-03): lots are counted.
_IN_LOTS = ("NCD_FO", "BCD_FO", "NSE_COM")
# The CSV writes ticks of shares and their derivatives in rupees, of currencies and commodities in paise:
# USDINR 0.25 is 0.0025 (specs/india-markets.md 2.4), MCX gold 100 is one rupee (file of 2026-03).
_CSV_TICK_IN_RUPEES = ("NSE_EQ", "BSE_EQ", "NSE_FO", "BSE_FO")
_CSV = (
    "instrument_key",
    "exchange_token",
    "tradingsymbol",
    "name",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "option_type",
    "exchange",
)
_CSV_NAMES = MappingProxyType(
    {
        "token": "instrument_key",
        "symbol": "tradingsymbol",
        "venue": "exchange",
        "kind": "instrument_type",
        "underlying": "tradingsymbol",
        "expiry": "expiry",
        "strike": "strike",
        "right": "option_type",
        "lot": "lot_size",
        "tick": "tick_size",
    }
)
_JSON = ("instrument_key", "segment", "instrument_type", "trading_symbol", "exchange_token")
_JSON_OPTIONAL = (
    "name",
    "isin",
    "expiry",
    "strike_price",
    "tick_size",
    "lot_size",
    "freeze_quantity",
    "underlying_symbol",
    "asset_symbol",
    "qty_multiplier",
)
_JSON_NAMES = MappingProxyType(
    {
        "token": "instrument_key",
        "symbol": "trading_symbol",
        "venue": "segment",
        "kind": "instrument_type",
        "underlying": "underlying_symbol",
        "expiry": "expiry",
        "strike": "strike_price",
        "right": "instrument_type",
        "lot": "lot_size",
        "tick": "tick_size",
    }
)
_IST_MILLISECONDS = 19_800_000


def read(file: Path) -> Dump:
    """Rows of an Upstox file: `complete.json.gz` and its like, or the older CSV."""
    if is_json(file):
        return settle(read_text_table(file, _JSON, _JSON_OPTIONAL), _json_layout())
    return settle(read_text_table(file, _CSV), _csv_layout())


def _csv_layout() -> Layout:
    return Layout(
        convert=_from_csv,
        names=_CSV_NAMES,
        whole=pl.col("exchange").is_in(_CASH),
        checks=[
            Check(
                pl.col("expiry").is_not_null() & pl.col("~expiry").is_null(), "expiry", "a date is YYYY-MM-DD"
            ),
            *(
                Check(not_a_number(name), name, "this is not a number")
                for name in ("strike", "lot_size", "tick_size")
            ),
        ],
        skipped={
            "commodities' spot rows left out": (pl.col("exchange") == "NSE_COM")
            & (pl.col("option_type") == "COM")
        },
    )


def _from_csv(rows: pl.DataFrame) -> pl.DataFrame:
    venue, symbol, type_ = pl.col("exchange"), pl.col("tradingsymbol"), pl.col("instrument_type")
    tick, strike = number("tick_size"), number("strike")
    expiry = pl.col("expiry").str.to_date("%Y-%m-%d", strict=False)
    kind = (
        pl.when(venue.is_in(_INDICES))
        .then(pl.lit(INDEX))
        .when(venue.is_in(_CASH))
        .then(pl.lit(CASH))
        .when(type_.str.starts_with("FUT"))
        .then(pl.lit(FUTURE))
        .when(type_.str.starts_with("OPT"))
        .then(pl.lit(OPTION))
    )
    ending = pl.when(type_.str.starts_with("OPT")).then(pl.col("option_type")).otherwise(pl.lit("FUT"))
    isin = pl.col("instrument_key").str.split("|").list.last()
    # No series here: of two securities under one symbol only the ISIN tells which is which.
    full = pl.concat_str(symbol, pl.lit("-"), isin)
    return _with_unique_symbols(
        rows,
        {
            "exchange": lookup(venue, _EXCHANGES),
            "venue": venue,
            "kind": kind,
            "market": lookup(venue, _MARKETS),
            "base": symbol,
            "full": full,
            "underlying": pl.coalesce(underlying_of(symbol, strike, ending), "name"),
            "expiry": expiry,
            "strike": strike,
            "right": pl.col("option_type"),
            "isin": pl.when(venue.is_in(_CASH)).then(isin),
            "tick": pl.when(venue.is_in(_CSV_TICK_IN_RUPEES)).then(tick).otherwise(tick / 100),
        },
    )


def _json_layout() -> Layout:
    return Layout(
        convert=_from_json,
        names=_JSON_NAMES,
        whole=pl.col("segment").is_in(_CASH),
        checks=[
            Check(
                pl.col("~kind").is_in([FUTURE, OPTION])
                & pl.col("expiry").is_not_null()
                & pl.col("~expiry").is_null(),
                "expiry",
                "a date is a count of milliseconds since 1970",
            ),
            *(
                Check(not_a_number(name), name, "this is not a number")
                for name in ("strike_price", "lot_size", "tick_size", "freeze_quantity")
            ),
        ],
        skipped={
            "commodities' spot rows left out": pl.col("segment").is_in(["NSE_COM", "MCX_COM"])
            & ~pl.col("instrument_type").is_in(["FUT", "CE", "PE"]),
            "rows of foreign indices left out": pl.col("segment") == "GLOBAL_INDEX",
        },
    )


def _from_json(rows: pl.DataFrame) -> pl.DataFrame:
    venue, symbol, type_ = pl.col("segment"), pl.col("trading_symbol"), pl.col("instrument_type")
    milliseconds = number("expiry").cast(pl.Int64, strict=False) + _IST_MILLISECONDS
    # A commodity's big and small contracts differ in nothing but the symbol, so its first word goes first.
    first_word = symbol.str.extract(r"^(\S+) ")
    series = pl.when(venue.is_in(_CASH)).then(type_)
    key_isin = pl.col("instrument_key").str.split("|").list.last()
    other_series = pl.when((venue == "NSE_EQ") & ~series.is_in(MAIN_SERIES)).then(series)
    kind = (
        pl.when(venue.is_in(_INDICES))
        .then(pl.lit(INDEX))
        .when(venue.is_in(_CASH))
        .then(pl.lit(CASH))
        .when(type_ == "FUT")
        .then(pl.lit(FUTURE))
        .when(type_.is_in(["CE", "PE"]))
        .then(pl.lit(OPTION))
    )
    return _with_unique_symbols(
        rows,
        {
            "exchange": lookup(venue, _EXCHANGES),
            "venue": venue,
            "kind": kind,
            "market": lookup(venue, _MARKETS),
            "base": symbol,
            "full": pl.concat_str(symbol, pl.lit("-"), pl.coalesce(other_series, key_isin)),
            "underlying": pl.coalesce(
                pl.when(venue.is_in(["MCX_FO", "NSE_COM"])).then(first_word),
                "underlying_symbol",
                "asset_symbol",
                first_word,
            ),
            "expiry": pl.from_epoch(milliseconds, time_unit="ms").dt.date(),
            "strike": number("strike_price"),
            "right": type_,
            "isin": pl.when(venue.is_in(_CASH)).then(pl.coalesce("isin", key_isin)),
            "series": series,
            "tick": number("tick_size") / 100,
            "freeze": number("freeze_quantity"),
            "multiplier": pl.when(lookup(venue, _MARKETS).is_not_null()).then(number("qty_multiplier")),
        },
    )


def _with_unique_symbols(rows: pl.DataFrame, said: dict[str, pl.Expr]) -> pl.DataFrame:
    """What both layouts share.  A security's symbol here is its unique name: Upstox's own may name three bonds."""
    venue = said["venue"]
    common = {
        "token": pl.col("instrument_key"),
        "exchange_token": pl.col("exchange_token"),
        "symbol": said["base"],
        "name": pl.col("name"),
        "lot": number("lot_size"),
        "in_lots": venue.is_in(_IN_LOTS),
    }
    cash = pl.col("=kind").is_in(["share", "etf", "bond"])
    return assemble(rows, {**common, **said}).with_columns(
        pl.when(cash).then(pl.col("=root")).otherwise(pl.col("=symbol")).alias("=symbol")
    )
