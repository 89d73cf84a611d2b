"""The compact form of Kite, which Fyers and Upstox's CSV master and quote keys share.

Monthly: underlying, year, month name, strike and right: `NIFTY26NOV24500CE`, `NIFTY26NOVFUT`.
Weekly: underlying, year, month code (1-9, O, N, D), day, strike and right: `NIFTY26N1724500CE`.

A weekly symbol is digits from end to end, so several readings may exist.  Reading, in this order:
1. a month name before the strike makes it the monthly form, in one way only;
2. otherwise the expiry must be a real date in a plausible year, and the strike has no leading zero;
3. the digits begin with the year, but for the two underlyings that end in digits themselves: so
   `GBPINR26306127PE` is GBPINR, not GBPINR26, and `NIFTY2622924500CE` (29 February 2026) is refused.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, InstrumentKind, OptionRight, plain
from trademantra.markets.symbols.names import ContractName
from trademantra.markets.symbols.parts import (
    MONTH,
    MONTH_NUMBERS,
    MONTHS,
    STRIKE,
    UNDERLYING,
    date_of,
    is_plausible,
    is_plausible_month,
    refused,
)

EXAMPLES = "NIFTY26NOV24500CE (monthly), NIFTY26N1724500CE (weekly), NIFTY26NOVFUT"

_MONTHLY = re.compile(rf"({UNDERLYING})([0-9]{{2}})({MONTH})(?:FUT|({STRIKE})(CE|PE))")
_WEEKLY_LETTER = re.compile(rf"({UNDERLYING})([0-9]{{2}})([OND])([0-9]{{2}})(?:FUT|({STRIKE})(CE|PE))")
_WEEKLY_FUTURE = re.compile(rf"({UNDERLYING})([0-9]{{2}})([1-9])([0-9]{{2}})FUT")
_WEEKLY_DIGITS = re.compile(r"([A-Z0-9&\-]*[A-Z&\-])([0-9]{6,})(\.[0-9]+)?(CE|PE)")

# Indices that have or had weekly options and end in digits.  Any other such name is refused rather than guessed.
_END_IN_DIGITS = ("SENSEX50", "NIFTYNXT50")

_CODE_OF_MONTH = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "O", "N", "D")
_MONTH_OF_CODE = MappingProxyType({code: number for number, code in enumerate(_CODE_OF_MONTH, start=1)})
_RIGHTS = MappingProxyType({right.value: right for right in OptionRight})


def parse_compact(text: str, grammar: str, *, exchange: Exchange | None, on: date | None) -> ContractName:
    """Errors: `InvalidValueError` naming the text and the grammar."""
    monthly = _MONTHLY.fullmatch(text)
    if monthly:
        underlying, year, month_name, strike, right = monthly.groups()
        month = MONTH_NUMBERS[month_name]
        if not is_plausible_month(2000 + int(year), month, on):
            raise refused(text, grammar, EXAMPLES, why=f"{month_name} 20{year} is no listed expiry on {on}")
        return ContractName(
            underlying=underlying,
            kind=InstrumentKind.OPTION if right else InstrumentKind.FUTURE,
            year=2000 + int(year),
            month=month,
            strike=Decimal(strike) if strike else None,
            right=_RIGHTS[right] if right else None,
            is_monthly=True,
            exchange=exchange,
        )
    for underlying, expiry, strike, right in _weekly_readings(text):
        if is_plausible(expiry, on):
            return ContractName(
                underlying=underlying,
                kind=InstrumentKind.OPTION if right else InstrumentKind.FUTURE,
                year=expiry.year,
                month=expiry.month,
                expiry=expiry,
                strike=Decimal(strike) if strike else None,
                right=_RIGHTS[right] if right else None,
                is_monthly=False,
                exchange=exchange,
            )
    raise refused(text, grammar, EXAMPLES)


def write_compact(name: ContractName) -> str:
    """Errors: `InvalidValueError` when the name leaves open what the form needs."""
    stem = f"{name.underlying}{name.year % 100:02}"
    if name.is_monthly is None:
        raise InvalidValueError(
            f"the symbol of {name.underlying} {name.expiry} depends on whether it is the monthly contract",
            hint="pass is_monthly",
        )
    if name.is_monthly:
        stem += MONTHS[name.month - 1]
    elif name.expiry is None:
        raise InvalidValueError(f"the weekly symbol of {name.underlying} needs the day of its expiry")
    else:
        stem += f"{_CODE_OF_MONTH[name.month - 1]}{name.expiry.day:02}"
    return f"{stem}FUT" if name.strike is None else f"{stem}{plain(name.strike)}{name.right}"


def _weekly_readings(text: str) -> Iterator[tuple[str, date, str | None, str | None]]:
    """All ways to split a weekly symbol with a real date, the shortest underlying first."""
    found = _WEEKLY_LETTER.fullmatch(text) or _WEEKLY_FUTURE.fullmatch(text)
    if found:
        underlying, year, code, day, *contract = found.groups()
        expiry = date_of(2000 + int(year), _MONTH_OF_CODE[code], int(day))
        if expiry:
            yield underlying, expiry, contract[0] if contract else None, contract[1] if contract else None
    found = _WEEKLY_DIGITS.fullmatch(text)
    if not found:
        return
    head, digits, fraction, right = found[1], found[2], found[3] or "", found[4]
    starts = [0, *(len(name) - len(head) for name in _END_IN_DIGITS if text.startswith(name))]
    for start in starts:
        whole = digits[start + 5 :]
        if not whole or (whole[0] == "0" and not (whole == "0" and fraction)):
            continue
        month = int(digits[start + 2])
        expiry = date_of(2000 + int(digits[start : start + 2]), month, int(digits[start + 3 : start + 5]))
        if expiry:
            yield head + digits[:start], expiry, whole + fraction, right
