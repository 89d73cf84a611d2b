"""Angel One: contracts with the whole expiry date, `NIFTY17NOV2624500CE`; NSE shares with `-SERIES`, EQ too."""

import re
from datetime import date
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, plain
from trademantra.markets.symbols.names import ContractName, SecurityName
from trademantra.markets.symbols.parts import (
    MONTH,
    MONTH_NUMBERS,
    MONTHS,
    STRIKE,
    UNDERLYING,
    date_of,
    is_plausible,
    refused,
    split_prefix,
)

_EXAMPLES = "NIFTY17NOV2624500CE, NIFTY23NOV26FUT"
_CONTRACT = re.compile(rf"({UNDERLYING})([0-9]{{2}})({MONTH})([0-9]{{2}})(?:FUT|({STRIKE})(CE|PE))")
_SECURITY = re.compile(r"(.+)-([A-Z][A-Z0-9])")


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    """The month name just before the year fixes all parts, so there is one reading."""
    exchange, symbol = split_prefix(text, exchange)
    found = _CONTRACT.fullmatch(symbol)
    if not found:
        raise refused(text, "Angel One", _EXAMPLES)
    underlying, day, month_name, year, strike, right = found.groups()
    expiry = date_of(2000 + int(year), MONTH_NUMBERS[month_name], int(day))
    if expiry is None or not is_plausible(expiry, on):
        # Angel's older commodity options are written year first, CRUDEOIL25NOV5750CE, and would read as 2057.
        raise refused(text, "Angel One", _EXAMPLES, why=f"{day} {month_name} 20{year} is no plausible expiry")
    return ContractName(
        underlying=underlying,
        kind=InstrumentKind.OPTION if right else InstrumentKind.FUTURE,
        year=expiry.year,
        month=expiry.month,
        expiry=expiry,
        strike=Decimal(strike) if strike else None,
        right=OptionRight(right) if right else None,
        exchange=exchange,
    )


def write_contract(name: ContractName) -> str:
    if name.expiry is None:
        raise InvalidValueError(f"the Angel One symbol of {name.underlying} needs the day of its expiry")
    day = name.expiry
    stem = f"{name.underlying}{day.day:02}{MONTHS[day.month - 1]}{day.year % 100:02}"
    return f"{stem}FUT" if name.strike is None else f"{stem}{plain(name.strike)}{name.right}"


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """`SBIN-EQ` on NSE; BSE names carry no series."""
    exchange, symbol = split_prefix(text, exchange)
    found = None if exchange is Exchange.BSE else _SECURITY.fullmatch(symbol)
    if found:
        return SecurityName(symbol=found[1], series=found[2], exchange=exchange)
    if exchange is Exchange.NSE:
        raise InvalidValueError(f"{text!r} is no Angel One symbol of an NSE share", hint="example: SBIN-EQ")
    return SecurityName(symbol=symbol, exchange=exchange)


def write_security(instrument: Instrument) -> str:
    if instrument.exchange is Exchange.NSE:
        return f"{instrument.symbol}-{instrument.series or 'EQ'}"
    return instrument.symbol
