"""5paisa: names of the scrip master, `NIFTY 17 Nov 2026 CE 24500.00` and `NIFTY 23 Nov 2026`."""

import re
from datetime import date
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight
from trademantra.markets.symbols.names import ContractName, SecurityName
from trademantra.markets.symbols.parts import (
    MONTH_NUMBERS,
    MONTHS,
    UNDERLYING,
    date_of,
    is_plausible,
    refused,
    split_prefix,
)

_EXAMPLES = "NIFTY 17 Nov 2026 CE 24500.00, NIFTY 23 Nov 2026"
_CONTRACT = re.compile(
    rf"({UNDERLYING}) ([0-9]{{2}}) ({'|'.join(month.title() for month in MONTHS)}) (20[0-9]{{2}})"
    r"(?: (CE|PE) ([0-9]+\.[0-9]{2,}))?"
)


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    exchange, symbol = split_prefix(text, exchange)
    found = _CONTRACT.fullmatch(symbol)
    if not found:
        raise refused(text, "5paisa", _EXAMPLES)
    underlying, day, month_name, year, right, strike = found.groups()
    expiry = date_of(int(year), MONTH_NUMBERS[month_name.upper()], int(day))
    if expiry is None or not is_plausible(expiry, on) or (strike and not Decimal(strike)):
        raise refused(text, "5paisa", _EXAMPLES, why="its expiry or strike is not plausible")
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
    """Strikes with two decimals, or with as many as they need (currency pairs)."""
    if name.expiry is None:
        raise InvalidValueError(f"the 5paisa symbol of {name.underlying} needs the day of its expiry")
    day = name.expiry
    stem = f"{name.underlying} {day.day:02} {MONTHS[day.month - 1].title()} {day.year}"
    if name.strike is None:
        return stem
    strike = name.strike.quantize(Decimal("0.01")) if name.strike == round(name.strike, 2) else name.strike
    return f"{stem} {name.right} {strike:f}"


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """Plain on both exchanges; the series stands in a field of its own (Series)."""
    exchange, symbol = split_prefix(text, exchange)
    return SecurityName(symbol=symbol, exchange=exchange)


def write_security(instrument: Instrument) -> str:
    return instrument.symbol
