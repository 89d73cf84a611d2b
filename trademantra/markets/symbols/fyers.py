"""Fyers: the compact form behind `NSE:` or `BSE:`; shares with `-SERIES`, EQ too."""

import re
from datetime import date

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument
from trademantra.markets.symbols.compact import parse_compact, write_compact
from trademantra.markets.symbols.names import ContractName, SecurityName
from trademantra.markets.symbols.parts import split_prefix

# NSE series have two characters, BSE groups (A, B, XT ...) one or two.
_SECURITY = re.compile(r"(.+)-([A-Z][A-Z0-9]?)")


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    """`NSE:NIFTY26N1724500CE`."""
    exchange, symbol = split_prefix(text, exchange)
    return parse_compact(symbol, "Fyers", exchange=exchange, on=on)


def write_contract(name: ContractName) -> str:
    if name.exchange is None:
        raise InvalidValueError(f"the Fyers symbol of {name.underlying} needs its exchange")
    return f"{name.exchange}:{write_compact(name)}"


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """`NSE:SBIN-EQ`, `BSE:SBIN-A`."""
    exchange, symbol = split_prefix(text, exchange)
    found = _SECURITY.fullmatch(symbol)
    if not found:
        raise InvalidValueError(
            f"{text!r} is no Fyers symbol of a share", hint="examples: NSE:SBIN-EQ, BSE:SBIN-A"
        )
    return SecurityName(symbol=found[1], series=found[2], exchange=exchange)


def write_security(instrument: Instrument) -> str:
    if instrument.series is None and instrument.exchange is not Exchange.NSE:
        raise InvalidValueError(
            f"the Fyers symbol of {instrument.symbol} needs its BSE group", hint="set the instrument's series"
        )
    return f"{instrument.exchange}:{instrument.symbol}-{instrument.series or 'EQ'}"
