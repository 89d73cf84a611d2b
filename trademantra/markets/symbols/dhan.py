"""Dhan: trading symbols with a month only, `NIFTY-Nov2026-24500-CE`; custom symbols with a day and no year."""

import re
from datetime import date
from decimal import Decimal
from types import MappingProxyType

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
    is_plausible_month,
    refused,
    split_prefix,
)

_EXAMPLES = "NIFTY-Nov2026-24500-CE, NIFTY-Nov2026-FUT, NIFTY 17 NOV 24500 CALL"
_TRADING = re.compile(
    rf"({UNDERLYING})-({'|'.join(month.title() for month in MONTHS)})(20[0-9]{{2}})-(?:FUT|({STRIKE})-(CE|PE))"
)
_CUSTOM_OPTION = re.compile(rf"({UNDERLYING}) ([0-9]{{1,2}}) ({MONTH}) ({STRIKE}) (CALL|PUT)")
_CUSTOM_FUTURE = re.compile(rf"({UNDERLYING}) ({MONTH}) FUT")
_RIGHTS = MappingProxyType({"CALL": OptionRight.CALL, "PUT": OptionRight.PUT})
_WORDS = MappingProxyType({OptionRight.CALL: "CALL", OptionRight.PUT: "PUT"})

# 29 February comes back after at most eight years.
_YEARS_TO_TRY = 9


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    """Trading symbols give the month only: `with_expiry` finds the day where it is the only one.

    Custom symbols give day and month: they need `on`, and their year is the first in which that day comes.
    """
    exchange, symbol = split_prefix(text, exchange)
    found = _TRADING.fullmatch(symbol)
    if not found:
        return _parse_custom(symbol, exchange, on)
    underlying, month_name, year, strike, right = found.groups()
    month = MONTH_NUMBERS[month_name.upper()]
    if not is_plausible_month(int(year), month, on):
        raise refused(text, "Dhan", _EXAMPLES, why=f"{month_name} {year} is no listed expiry on {on}")
    return ContractName(
        underlying=underlying,
        kind=InstrumentKind.OPTION if right else InstrumentKind.FUTURE,
        year=int(year),
        month=month,
        strike=Decimal(strike) if strike else None,
        right=OptionRight(right) if right else None,
        exchange=exchange,
    )


def write_contract(name: ContractName) -> str:
    """The trading symbol, the same for all contracts of a month: send Dhan's securityId in orders."""
    stem = f"{name.underlying}-{MONTHS[name.month - 1].title()}{name.year}"
    return f"{stem}-FUT" if name.strike is None else f"{stem}-{plain(name.strike)}-{name.right}"


def write_custom_contract(name: ContractName) -> str:
    """The custom symbol, which people see."""
    month = MONTHS[name.month - 1]
    if name.strike is None or name.right is None:
        return f"{name.underlying} {month} FUT"
    if name.expiry is None:
        raise InvalidValueError(f"the Dhan custom symbol of {name.underlying} needs the day of its expiry")
    return f"{name.underlying} {name.expiry.day:02} {month} {plain(name.strike)} {_WORDS[name.right]}"


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """Plain on both exchanges; the series stands in a field of its own (SEM_SERIES)."""
    exchange, symbol = split_prefix(text, exchange)
    return SecurityName(symbol=symbol, exchange=exchange)


def write_security(instrument: Instrument) -> str:
    return instrument.symbol


def _parse_custom(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    option, future = _CUSTOM_OPTION.fullmatch(text), _CUSTOM_FUTURE.fullmatch(text)
    if not option and not future:
        raise refused(text, "Dhan", _EXAMPLES)
    if on is None:
        raise refused(
            text, "Dhan", _EXAMPLES, why="a custom symbol has no year, so the day it was read must be given"
        )
    if option:
        underlying, day, month_name, strike, word = option.groups()
        month = MONTH_NUMBERS[month_name]
        years = range(on.year, on.year + _YEARS_TO_TRY)
        days = (date_of(year, month, int(day)) for year in years)
        expiry = next((day for day in days if day is not None and day >= on), None)
        if expiry is None:
            raise refused(text, "Dhan", _EXAMPLES, why=f"there is no {day} {month_name}")
        return ContractName(
            underlying=underlying,
            kind=InstrumentKind.OPTION,
            year=expiry.year,
            month=month,
            expiry=expiry,
            strike=Decimal(strike),
            right=_RIGHTS[word],
            exchange=exchange,
        )
    assert future is not None
    month = MONTH_NUMBERS[future[2]]
    return ContractName(
        underlying=future[1],
        kind=InstrumentKind.FUTURE,
        year=on.year + (month < on.month),
        month=month,
        exchange=exchange,
    )
