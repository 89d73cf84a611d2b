"""The common columns of `rows.COLUMNS` out of what a broker's reader says of its file."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from trademantra.core.instrument import InstrumentKind, QuantityUnit, Segment
from trademantra.data.instruments.readers.rows import lookup, scaled
from trademantra.data.instruments.readers.securities import (
    index_root,
    is_bse_debt,
    is_nav_value,
    kind_of,
    name_securities,
)

CASH, INDEX, FUTURE, OPTION = "cash", "index", "future", "option"
EQUITY, CURRENCY, COMMODITY = "equity", "currency", "commodity"
_SEGMENTS = MappingProxyType(
    {
        f"{market} {kind}": segment.value
        for market, futures, options in (
            (EQUITY, Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS),
            (CURRENCY, Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS),
            (COMMODITY, Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS),
        )
        for kind, segment in ((FUTURE, futures), (OPTION, options))
    }
)
_ABSENT = MappingProxyType(
    {
        "exchange_token": pl.String,
        "isin": pl.String,
        "series": pl.String,
        "freeze": pl.Float64,
        "multiplier": pl.Float64,
    }
)


def assemble(rows: pl.DataFrame, said: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Add the columns of `rows.COLUMNS`, prefixed with `=`, to a frame of text columns.

    `said`, each an expression over `rows`: `kind` (cash, index, future, option; null when unknown), `market`
    (equity, currency, commodity), `venue`, `token`, `symbol`, `exchange`, `base` and `full` (a security's bare
    symbol and one that tells the securities under it apart), `underlying`, `expiry` (Date), `strike lot tick` in
    rupees and units (Float64), `right`, `name`, `in_lots` (Boolean); and where the file has them `isin series
    freeze multiplier exchange_token`.
    """
    absent = {name: pl.lit(None, kind) for name, kind in _ABSENT.items() if name not in said}
    rows = rows.with_columns(value.alias(f"~{name}") for name, value in {**absent, **said}.items())
    nav = (pl.col("~kind") == CASH) & is_nav_value(pl.col("~base"))
    rows = rows.with_columns(
        pl.when(nav).then(pl.lit(INDEX)).otherwise(pl.col("~kind")).alias("~kind"),
        pl.when(nav).then(pl.col("~symbol")).otherwise(pl.col("~base")).alias("~base"),
    )
    kind = pl.col("~kind")
    cash, index, contract = kind == CASH, kind == INDEX, kind.is_in([FUTURE, OPTION])
    nse = pl.col("~exchange") == "NSE"
    rows = rows.with_columns(
        pl.col("~venue").alias("=venue"),
        pl.when(
            cash
            & (pl.col("~exchange") == "BSE")
            & pl.col("~isin").is_null()
            & is_bse_debt(pl.col("~exchange_token"))
        )
        .then(pl.lit(InstrumentKind.BOND.value))
        .when(cash)
        .then(
            kind_of(pl.col("~isin"), pl.when(nse).then(pl.col("~series")), (pl.col("~name"), pl.col("~base")))
        )
        .when(index)
        .then(pl.lit(InstrumentKind.INDEX.value))
        .when(kind == FUTURE)
        .then(pl.lit(InstrumentKind.FUTURE.value))
        .when(kind == OPTION)
        .then(pl.lit(InstrumentKind.OPTION.value))
        .alias("=kind"),
        pl.when(nse).then(pl.col("~series")).alias("~nse_series"),
    )
    rows = name_securities(
        rows, cash.fill_null(value=False), base="~base", full="~full", isin="~isin", series="~nse_series"
    )
    root = pl.when(index).then(index_root(pl.col("~base"))).otherwise(pl.col("=root"))
    return rows.with_columns(
        root.alias("=root"),
        *(pl.col(f"~{name}").alias(f"={name}") for name in ("token", "exchange_token", "exchange")),
        pl.col("~symbol").alias("=symbol"),
        pl.when(cash)
        .then(pl.lit(Segment.EQUITY.value))
        .when(index)
        .then(pl.lit(Segment.INDEX.value))
        .otherwise(lookup(pl.concat_str("~market", pl.lit(" "), kind), _SEGMENTS))
        .alias("=segment"),
        *(pl.when(contract).then(pl.col(f"~{name}")).alias(f"={name}") for name in ("underlying", "expiry")),
        pl.when(kind == OPTION).then(scaled(pl.col("~strike"))).alias("=strike"),
        pl.when((kind == OPTION) & pl.col("~right").is_in(["CE", "PE"]))
        .then(pl.col("~right"))
        .alias("=right"),
        *(pl.when(cash).then(pl.col(f"~{name}")).alias(f"={name}") for name in ("isin", "series")),
        pl.when(~contract).then(pl.col("~name")).alias("=name"),
        *(pl.when(~index).then(scaled(pl.col(f"~{name}"))).alias(f"={name}") for name in ("lot", "tick")),
        *(
            pl.when(pl.col(f"~{name}") > 0).then(scaled(pl.col(f"~{name}"))).alias(f"={name}")
            for name in ("freeze", "multiplier")
        ),
        pl.when("~in_lots")
        .then(pl.lit(QuantityUnit.LOTS.value))
        .otherwise(pl.lit(QuantityUnit.UNITS.value))
        .alias("=unit"),
    )
