"""Dhan's scrip masters, compact (SEM_ columns) and detailed: ticks in paise, strikes in rupees."""

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
from trademantra.data.instruments.readers.source import TextTable, has_column, read_text_table

# Names here -> (compact, detailed).  specs/brokers.md section 4.2; the detailed header as published in 2026.
_FIELDS = MappingProxyType(
    {
        "exchange": ("SEM_EXM_EXCH_ID", "EXCH_ID"),
        "segment": ("SEM_SEGMENT", "SEGMENT"),
        "id": ("SEM_SMST_SECURITY_ID", "SECURITY_ID"),
        "instrument": ("SEM_INSTRUMENT_NAME", "INSTRUMENT"),
        "trading": ("SEM_TRADING_SYMBOL", "SYMBOL_NAME"),
        "custom": ("SEM_CUSTOM_SYMBOL", "DISPLAY_NAME"),
        "lot": ("SEM_LOT_UNITS", "LOT_SIZE"),
        "expiry": ("SEM_EXPIRY_DATE", "SM_EXPIRY_DATE"),
        "strike": ("SEM_STRIKE_PRICE", "STRIKE_PRICE"),
        "right": ("SEM_OPTION_TYPE", "OPTION_TYPE"),
        "tick": ("SEM_TICK_SIZE", "TICK_SIZE"),
        "series": ("SEM_SERIES", "SERIES"),
        "name": ("SM_SYMBOL_NAME", "SYMBOL_NAME"),
        "under": ("SM_SYMBOL_NAME", "UNDERLYING_SYMBOL"),
        "isin": ("", "ISIN"),
        "freeze": ("", "SM_FREEZE_QTY"),
    }
)
_NEEDED = ("exchange", "segment", "id", "instrument", "trading")
_VENUES = MappingProxyType(
    {
        "NSE E": "NSE_EQ",
        "BSE E": "BSE_EQ",
        "NSE D": "NSE_FNO",
        "BSE D": "BSE_FNO",
        "NSE C": "NSE_CURRENCY",
        "BSE C": "BSE_CURRENCY",
        "MCX M": "MCX_COMM",
        "NSE M": "NSE_COMM",
        "BSE M": "BSE_COMM",
        "NSE I": "IDX_I",
        "BSE I": "IDX_I",
        "MCX I": "IDX_I",
    }
)
_EXCHANGES = MappingProxyType({name.value: name.value for name in (Exchange.NSE, Exchange.BSE, Exchange.MCX)})
_MARKETS = MappingProxyType({"D": EQUITY, "C": CURRENCY, "M": COMMODITY})
_ROOT = r"^(.+?)-(?:[0-9]{1,2})?[A-Za-z]{3}[0-9]{4}(?:-|$)"


def read(file: Path) -> Dump:
    """Rows of a Dhan scrip master, either layout, told apart by the header."""
    column = 1 if has_column(file, "SECURITY_ID") else 0
    theirs = {name: both[column] for name, both in _FIELDS.items() if both[column]}
    needed = [theirs[name] for name in _NEEDED]
    found = read_text_table(
        file, needed, list(dict.fromkeys(name for name in theirs.values() if name not in needed))
    )
    blank = [pl.lit(None, pl.String).alias(name) for name in _FIELDS if name not in theirs]
    rows = found.rows.with_columns(pl.col(pl.String).replace({"NA": None, "XX": None})).with_columns(
        *(pl.col(raw).alias(f"dhan_{name}") for name, raw in theirs.items()),
        *(value.alias(f"dhan_{value.meta.output_name()}") for value in blank),
    )
    return settle(TextTable(found.file, rows, found.rejects), _layout(theirs))


def _layout(theirs: dict[str, str]) -> Layout:
    numbers = [
        Check(not_a_number(f"dhan_{name}"), theirs[name], "this is not a number")
        for name in ("lot", "strike", "tick", "freeze")
        if name in theirs
    ]
    names = {
        "token": theirs["id"],
        "symbol": theirs["trading"],
        "venue": theirs["segment"],
        "kind": theirs["instrument"],
        "underlying": theirs["under"],
        **{name: theirs[name] for name in ("expiry", "strike", "right", "lot", "tick")},
    }
    contract = pl.col("dhan_segment").is_in(["D", "C", "M"])
    derivative = pl.col("dhan_instrument").str.contains("^(?:FUT|OPT)").fill_null(value=False)
    return Layout(
        convert=_convert,
        names=names,
        whole=pl.lit(value=True),  # unique names are made from what other rows are called
        checks=numbers,
        skipped={"spot rows left out": contract & ~derivative},
    )


def _convert(rows: pl.DataFrame) -> pl.DataFrame:
    exchange, segment = pl.col("dhan_exchange"), pl.col("dhan_segment")
    instrument, trading, custom = pl.col("dhan_instrument"), pl.col("dhan_trading"), pl.col("dhan_custom")
    kind = (
        pl.when(segment == "I")
        .then(pl.lit(INDEX))
        .when(segment == "E")
        .then(pl.lit(CASH))
        .when(instrument.str.starts_with("FUT"))
        .then(pl.lit(FUTURE))
        .when(instrument.str.starts_with("OPT"))
        .then(pl.lit(OPTION))
    )
    detailed = "SECURITY_ID" in rows.columns
    base = pl.coalesce("dhan_under", trading) if detailed else trading
    series = pl.col("dhan_series")
    other_series = pl.when((exchange == "NSE") & ~series.is_in(MAIN_SERIES)).then(series)
    expiry = pl.col("dhan_expiry").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    # Weeklies and the monthly share one trading symbol (specs/india-markets.md 2.6): options go by the custom
    # symbol, which has the day.  It has no year, and futures' have no day, so what is still twice gets its date.
    shown = (
        pl.when((kind == FUTURE) & trading.str.ends_with("-FUT"))
        .then(trading)
        .otherwise(pl.coalesce(custom, trading))
    )
    rows = assemble(
        rows,
        {
            "venue": lookup(pl.concat_str(exchange, pl.lit(" "), segment), _VENUES),
            "token": pl.col("dhan_id"),
            "exchange_token": pl.when(segment != "I").then(pl.col("dhan_id")),
            "symbol": pl.when(segment.is_in(["E", "I"])).then(base).otherwise(shown),
            "exchange": lookup(exchange, _EXCHANGES),
            "kind": kind,
            "market": lookup(segment, _MARKETS),
            "base": base,
            "full": pl.concat_str(base, pl.lit("-"), pl.coalesce(other_series, "dhan_isin", "dhan_id")),
            "underlying": pl.coalesce("dhan_under", trading.str.extract(_ROOT))
            if detailed
            else pl.coalesce(trading.str.extract(_ROOT), "dhan_under"),
            "expiry": expiry,
            "strike": number("dhan_strike"),
            "right": pl.col("dhan_right"),
            "isin": pl.when(segment == "E").then(pl.col("dhan_isin")),
            "series": series,
            "name": pl.col("dhan_name"),
            "lot": number("dhan_lot"),
            "tick": number("dhan_tick") / 100,
            "freeze": number("dhan_freeze"),
            "in_lots": segment.is_in(["C", "M"]),  # lot_units is 1 there
        },
    )
    cash, contract = pl.col("=segment") == "equity", pl.col("=expiry").is_not_null()
    twice = pl.struct("=venue", "=symbol").is_duplicated()
    return rows.with_columns(
        pl.when(cash).then(pl.col("=root")).otherwise(pl.col("=symbol")).alias("=symbol")
    ).with_columns(
        pl.when(contract & twice)
        .then(pl.concat_str("=symbol", pl.lit(" "), pl.col("=expiry").dt.to_string("iso")))
        .otherwise(pl.col("=symbol"))
        .alias("=symbol")
    )
