"""Upstox: trading symbols of the JSON master in words, `NIFTY 24500 CE 17 NOV 26`; the CSV master is compact."""

import re
from datetime import date
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, plain
from trademantra.markets.symbols.compact import parse_compact, write_compact
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

_EXAMPLES = "NIFTY 24500 CE 17 NOV 26, NIFTY FUT 23 NOV 26, NSE_FO:NIFTY26N1724500CE"
_CONTRACT = re.compile(rf"({UNDERLYING}) (?:FUT|({STRIKE}) (CE|PE)) ([0-9]{{1,2}}) ({MONTH}) ([0-9]{{2}})")


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    """Both spellings: words carry the day, the compact form (quote keys, CSV master) has a space nowhere."""
    exchange, symbol = split_prefix(text, exchange)
    if " " not in symbol:
        return parse_compact(symbol, "Upstox", exchange=exchange, on=on)
    found = _CONTRACT.fullmatch(symbol)
    if not found:
        raise refused(text, "Upstox", _EXAMPLES)
    underlying, strike, right, day, month_name, year = found.groups()
    expiry = date_of(2000 + int(year), MONTH_NUMBERS[month_name], int(day))
    if expiry is None or not is_plausible(expiry, on):
        raise refused(text, "Upstox", _EXAMPLES, why=f"{day} {month_name} 20{year} is no plausible expiry")
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
        raise InvalidValueError(f"the Upstox symbol of {name.underlying} needs the day of its expiry")
    day = name.expiry
    written = f"{day.day:02} {MONTHS[day.month - 1]} {day.year % 100:02}"
    contract = "FUT" if name.strike is None else f"{plain(name.strike)} {name.right}"
    return f"{name.underlying} {contract} {written}"


def write_compact_contract(name: ContractName) -> str:
    """As the CSV master and quote keys have it."""
    return write_compact(name)


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """Plain on both exchanges; the series stands in a field of its own (instrument_type)."""
    exchange, symbol = split_prefix(text, exchange)
    return SecurityName(symbol=symbol, exchange=exchange)


def write_security(instrument: Instrument) -> str:
    return instrument.symbol
