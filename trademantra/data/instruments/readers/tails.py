"""Underlyings out of symbols of the form NIFTY26N1724500CE, with the row's own strike and right taken off first."""

import polars as pl

# Both forms of a date have five characters: 26NOV (monthly) and 26N17, 26917 (weekly).
_DATE = r"[0-9]{2}(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|[1-9OND][0-9]{2})$"
_DATE_LENGTH = 5


def underlying_of(symbol: pl.Expr, strike: pl.Expr, right: pl.Expr) -> pl.Expr:
    """What is left of a symbol when the strike and right that its row states, and a date, are taken off its end.

    Upstox's CSV names a share's options by the company, so the exchange's symbol stands only here.  The date itself
    is not compared: commodity options may carry the month of their future.  `strike` is a Float64, `right` is CE, PE
    or FUT.  Null where the symbol does not end so.
    """
    written = strike.cast(pl.String).str.strip_suffix(".0")
    ending = pl.when(right == "FUT").then(right).otherwise(pl.concat_str(written, right))
    stem = symbol.str.strip_suffix(ending)
    fits = symbol.str.ends_with(ending) & stem.str.contains(_DATE) & (stem.str.len_bytes() > _DATE_LENGTH)
    return pl.when(fits).then(stem.str.head(-_DATE_LENGTH))
