"""Parts that several grammars share: months, days, strikes, exchange prefixes, the refusal."""

import re
from datetime import date
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH_NUMBERS = MappingProxyType({name: number for number, name in enumerate(MONTHS, start=1)})

# Pieces of the expressions.  A strike has no leading zero and no sign, so that it cannot swallow other digits.
UNDERLYING = r"[A-Z0-9][A-Z0-9&\-]*?"
MONTH = "|".join(MONTHS)
STRIKE = r"(?:[1-9][0-9]*|0(?=\.))(?:\.[0-9]+)?"

# Two-digit years stand for these.  Weekly contracts began in India in 2016; five-year options reach 2031.  The
# window is what keeps SENSEX50 in 2026 from reading as SENSEX in 2050.
FIRST_YEAR = 2016
LAST_YEAR = 2039

# No contract is listed more than five years before it expires (NIFTY half-yearly options).
LONGEST_LISTING_YEARS = 6

_SEGMENT_PREFIXES = MappingProxyType(
    {
        "NSE": Exchange.NSE,
        "NFO": Exchange.NSE,
        "CDS": Exchange.NSE,
        "NSE_EQ": Exchange.NSE,
        "NSE_FO": Exchange.NSE,
        "NCD_FO": Exchange.NSE,
        "NSE_COM": Exchange.NSE,
        "BSE": Exchange.BSE,
        "BFO": Exchange.BSE,
        "BCD": Exchange.BSE,
        "BSE_EQ": Exchange.BSE,
        "BSE_FO": Exchange.BSE,
        "BCD_FO": Exchange.BSE,
        "MCX": Exchange.MCX,
        "MCX_FO": Exchange.MCX,
    }
)
_PREFIX = re.compile(r"([A-Z_]+):(.*)", re.DOTALL)


def split_prefix(text: str, exchange: Exchange | None) -> tuple[Exchange | None, str]:
    """Exchange and the rest of `NFO:NIFTY26NOVFUT`; without a prefix `exchange` and the whole text.

    Errors: `InvalidValueError` for an unknown prefix or one of another exchange than the caller's.
    """
    if ":" not in text:
        return exchange, text
    found = _PREFIX.fullmatch(text)
    named = _SEGMENT_PREFIXES.get(found[1]) if found else None
    if found is None or named is None:
        known = ", ".join(sorted(_SEGMENT_PREFIXES))
        raise InvalidValueError(f"{text!r} begins with no exchange we know", hint=f"known: {known}")
    if exchange is not None and named is not exchange:
        raise InvalidValueError(f"{text!r} is of {named}, not of {exchange}")
    return named, found[2]


def date_of(year: int, month: int, day: int) -> date | None:
    """The date, or None when there is none."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def is_plausible(expiry: date, on: date | None) -> bool:
    """Whether a contract with this expiry can stand in a symbol that was read on day `on` (any day if None)."""
    if on is None:
        return FIRST_YEAR <= expiry.year <= LAST_YEAR
    return on <= expiry and expiry.year <= on.year + LONGEST_LISTING_YEARS


def is_plausible_month(year: int, month: int, on: date | None) -> bool:
    """As `is_plausible`, of a symbol that carries no day and no doubt about its year."""
    return on is None or ((on.year, on.month) <= (year, month) and year <= on.year + LONGEST_LISTING_YEARS)


def refused(text: str, grammar: str, examples: str, *, why: str = "") -> InvalidValueError:
    """The error for a text that a grammar cannot read."""
    reason = f": {why}" if why else ""
    return InvalidValueError(
        f"{text!r} is no {grammar} symbol of a contract{reason}", hint=f"examples: {examples}"
    )
