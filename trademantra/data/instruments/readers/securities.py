"""What shares, funds, bonds and indices are called, whichever broker lists them."""

from types import MappingProxyType

import polars as pl

from trademantra.core.instrument import InstrumentKind

# Exchanges trade futures under the right-hand name and publish the index under the left-hand one
# (seen in the Kite and Upstox files of 2026-03; specs/india-markets.md 2.1 uses the names on the right).
INDEX_ROOTS = MappingProxyType(
    {
        "NIFTY 50": "NIFTY",
        "NIFTY BANK": "BANKNIFTY",
        "NIFTY FIN SERVICE": "FINNIFTY",
        "NIFTY MID SELECT": "MIDCPNIFTY",
        "NIFTY NEXT 50": "NIFTYNXT50",
        "SNSX50": "SENSEX50",
    }
)
# NSE series in which the shares of a company trade; every other series of its symbol is another security.
MAIN_SERIES = ("EQ", "BE", "BZ", "SM", "ST", "SZ")
_GOVERNMENT_SERIES = ("SG", "GS", "GB", "TB")
_SERIES_SUFFIX = r"-([A-Z0-9]{2})$"
_SHARE_SERIES = r"^(?:EQ|B[EZLT]|S[MTZL]|I[VLT]|RR|R[EL]|T[01]|[EPWXRC][0-9])$"
_FUND_SERIES = r"^M[EF0-9]$"
# Characters 8-9 of an Indian company's ISIN: what kind of security it is.
_SHARE_TYPES = ("01", "03", "04", "13", "20", "23", "25")
_NAV_VALUES = r"(?:INAV|-NAV)$"
_FUND_NAMES = r"(?i)\bETF\b|ETF$|BEES$"


def index_root(symbol: pl.Expr) -> pl.Expr:
    """The name under which an index's futures trade, or its own, in capitals."""
    return symbol.str.to_uppercase().replace(dict(INDEX_ROOTS))


def series_of(symbol: pl.Expr) -> pl.Expr:
    """The series that an NSE symbol ends with (`SBIN-EQ`, `749RJ35-SG`); null where there is none."""
    return symbol.str.extract(_SERIES_SUFFIX)


def without_series(symbol: pl.Expr) -> pl.Expr:
    return symbol.str.replace(_SERIES_SUFFIX, "")


def is_nav_value(symbol: pl.Expr) -> pl.Expr:
    """Indicative values of funds that files list among the shares; nobody can trade them."""
    return symbol.str.contains(_NAV_VALUES)


def is_bse_debt(scrip_code: pl.Expr) -> pl.Expr:
    """Whether a BSE code is in a range that held only debt in the Upstox file of 2026-03 (ISINs tell the kind there)."""
    return scrip_code.str.contains(r"^(?:7[23]|8[01]|9[1-7])[0-9]{4}$")


def kind_of(isin: pl.Expr, series: pl.Expr, names: tuple[pl.Expr, ...]) -> pl.Expr:
    """Share, ETF or bond: by ISIN, else by NSE series, else by the word ETF in a name, else a share."""
    share, fund, bond = (
        pl.lit(kind.value) for kind in (InstrumentKind.SHARE, InstrumentKind.ETF, InstrumentKind.BOND)
    )
    by_isin = (
        pl.when(isin.str.starts_with("INF"))
        .then(fund)
        .when(isin.str.starts_with("IN9"))  # partly paid shares
        .then(share)
        .when(isin.str.starts_with("INE"))
        .then(pl.when(isin.str.slice(7, 2).is_in(_SHARE_TYPES)).then(share).otherwise(bond))
        .when(isin.str.starts_with("IN"))
        .then(bond)
        .when(isin.is_not_null())
        .then(share)
    )
    by_series = (
        pl.when(series.str.contains(_FUND_SERIES))
        .then(fund)
        .when(series.is_not_null() & ~series.str.contains(_SHARE_SERIES))
        .then(bond)
    )
    named_fund = pl.any_horizontal(name.str.contains(_FUND_NAMES).fill_null(value=False) for name in names)
    return pl.coalesce(by_isin, by_series, pl.when(named_fund).then(fund).otherwise(share))


def name_securities(
    rows: pl.DataFrame, cash: pl.Expr, *, base: str, full: str, isin: str, series: str
) -> pl.DataFrame:
    """Add `=root`: one symbol for each of the `cash` rows of an exchange; null for the others.

    Columns: `=venue`, `=kind`, and by name the bare symbol (`base`), a symbol that tells the securities under one
    bare symbol apart (`full`), ISIN and NSE series, null where the file has none.  The share in its main series
    keeps the bare symbol; other securities under it (a company's debenture, its warrants) take the full one.
    Two main shares under one symbol both keep it: that is for the importer to refuse.
    """
    kind = pl.col("=kind")
    share = kind == InstrumentKind.SHARE.value
    ordinary = share & (pl.col(isin).is_null() | (pl.col(isin).str.slice(7, 2) == "01"))
    rank = (
        pl.when(ordinary & (pl.col(series).is_null() | (pl.col(series) == "EQ")))
        .then(0)
        .when(ordinary & pl.col(series).is_in(MAIN_SERIES))
        .then(1)
        .when(kind == InstrumentKind.ETF.value)
        .then(2)
        .when(share)
        .then(3)
        .otherwise(4)
    )
    window = ["=venue", base]
    best = pl.col("=rank").min().over(window)
    ties = (pl.col("=rank") == best).sum().over(window)
    # A company's debt may stand alone in a file of its own; by the company's symbol it would pass for the share.
    of_company = (
        (kind == InstrumentKind.BOND.value)
        & ~pl.col(series).is_in(_GOVERNMENT_SERIES).fill_null(value=True)
        & pl.col(base).str.contains("^[A-Z]")
    )
    first = (pl.col("=rank") == best) & ((best == 0) | (ties == 1))
    keeps = ~of_company & ((pl.len().over(window) == 1) | first)
    named = rows.filter(cash).with_columns(rank.alias("=rank"))
    named = named.with_columns(pl.when(keeps).then(pl.col(base)).otherwise(pl.col(full)).alias("=root"))
    others = rows.filter(~cash).with_columns(pl.lit(None, pl.String).alias("=root"))
    return pl.concat([named.drop("=rank"), others])
