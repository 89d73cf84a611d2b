"""Zerodha Kite: compact contracts; shares plain, with `-SERIES` on NSE when the series is not EQ."""

import re
from datetime import date

from trademantra.core.instrument import Exchange, Instrument
from trademantra.markets.symbols.compact import parse_compact, write_compact
from trademantra.markets.symbols.names import ContractName, SecurityName
from trademantra.markets.symbols.parts import split_prefix

# -RE (rights entitlement) belongs to the symbol: the master has HCG-RE-BE, series BE.
_WITH_SERIES = re.compile(r"(.+)-(?!RE$)([A-Z][A-Z0-9])")


def parse_contract(text: str, exchange: Exchange | None, on: date | None) -> ContractName:
    """`NIFTY26N1724500CE`, also with a prefix as in quote keys: `NFO:NIFTY26N1724500CE`."""
    exchange, symbol = split_prefix(text, exchange)
    return parse_compact(symbol, "Kite", exchange=exchange, on=on)


def write_contract(name: ContractName) -> str:
    return write_compact(name)


def parse_security(text: str, exchange: Exchange | None) -> SecurityName:
    """`SBIN` (series EQ on NSE), `RELINFRA-BE`; BSE names carry no series, a hyphen there is a part of the name."""
    exchange, symbol = split_prefix(text, exchange)
    found = None if exchange is Exchange.BSE else _WITH_SERIES.fullmatch(symbol)
    if found:
        return SecurityName(symbol=found[1], series=found[2], exchange=exchange)
    return SecurityName(symbol=symbol, series="EQ" if exchange is Exchange.NSE else None, exchange=exchange)


def write_security(instrument: Instrument) -> str:
    if instrument.exchange is Exchange.NSE and instrument.series not in (None, "EQ"):
        return f"{instrument.symbol}-{instrument.series}"
    return instrument.symbol
