"""Instruments as a command line names them: enough of one to know its hours."""

import re
from datetime import date
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment

_INDICES = {
    **dict.fromkeys(
        (
            "NIFTY",
            "NIFTY 50",
            "BANKNIFTY",
            "NIFTY BANK",
            "FINNIFTY",
            "NIFTY FIN SERVICE",
            "MIDCPNIFTY",
            "NIFTYNXT50",
        ),
        Exchange.NSE,
    ),
    **dict.fromkeys(("SENSEX", "BANKEX", "SENSEX50"), Exchange.BSE),
}
_CURRENCY_PAIRS = frozenset({"USDINR", "EURINR", "GBPINR", "JPYINR", "EURUSD", "GBPUSD", "USDJPY"})
# Kite writes the segment in front of a symbol: NFO:NIFTY26NOVFUT.
_PREFIXES = {"NFO": Exchange.NSE, "BFO": Exchange.BSE, "CDS": Exchange.NSE, "BCD": Exchange.BSE}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHLY = re.compile(
    rf"(?P<root>.+?)(?P<year>\d\d)(?P<month>{'|'.join(_MONTHS)})(?P<strike>[\d.]*)(?P<kind>FUT|CE|PE)"
)
_WEEKLY = re.compile(
    r"(?P<root>.+?)(?P<year>\d\d)(?P<month>[1-9OND])(?P<day>\d\d)(?P<strike>[\d.]+)(?P<kind>CE|PE)"
)


def instrument_of(
    symbol: str, exchange: Exchange | None, segment: Segment | None, closing_auction: bool | None
) -> Instrument:
    """Enough of an instrument to know its hours, read from the symbol as Kite writes it."""
    from trademantra.markets.sessions.tables import commodity_groups

    name = symbol.strip().upper()
    if ":" in name:
        prefix, name = name.split(":", 1)
        exchange = _PREFIXES.get(prefix) or _exchange(prefix)
    if not name:
        raise UnknownInstrumentError("the symbol is empty", hint="examples: RELIANCE, NIFTY, NIFTY26NOVFUT")
    if exchange is not None and exchange not in (Exchange.NSE, Exchange.BSE, Exchange.MCX):
        return abroad(name, exchange)
    written = _MONTHLY.fullmatch(name) or _WEEKLY.fullmatch(name)
    if written is not None:
        root = written["root"]
        suits = "options" if written["kind"] in ("CE", "PE") else "futures"
        if exchange is Exchange.MCX or (exchange is None and root in commodity_groups()):
            return contract(root, Exchange.MCX, Segment(f"commodity_{suits}"), _expiry(written), name)
        where = exchange or _INDICES.get(root, Exchange.NSE)
        family = "currency" if root in _CURRENCY_PAIRS else "equity"
        return contract(root, where, Segment(f"{family}_{suits}"), _expiry(written), name)
    if exchange is Exchange.MCX or (exchange is None and segment is None and name in commodity_groups()):
        return contract(name, Exchange.MCX, Segment.COMMODITY_FUTURES, date.max, name)
    if segment is not None and segment.is_derivative:
        raise UnknownInstrumentError(
            f"{symbol!r} names no contract of {segment}",
            hint="write it as Kite does: NIFTY26NOVFUT, NIFTY26N2324500CE",
        )
    if segment is Segment.INDEX or (segment is None and name in _INDICES):
        where = exchange or _INDICES.get(name, Exchange.NSE)
        return share(name, where, closing_auction, InstrumentKind.INDEX)
    return share(name, exchange or Exchange.NSE, closing_auction)


def _exchange(text: str) -> Exchange:
    try:
        return Exchange(text)
    except ValueError as error:
        raise InvalidValueError(
            f"{text!r} is not an exchange", hint=f"one of: {', '.join(Exchange)}"
        ) from error


def _expiry(written: re.Match[str]) -> date:
    """The date of a weekly contract; for a monthly one a day of its month, as only the month decides its hours."""
    month, day = written["month"], written.groupdict().get("day")
    number = _MONTHS.index(month) + 1 if month in _MONTHS else "123456789OND".index(month) + 1
    try:
        return date(2000 + int(written["year"]), number, int(day) if day else 28)
    except ValueError as error:
        raise UnknownInstrumentError(f"{written[0]!r} expires on a day that does not exist") from error


def share(
    symbol: str,
    exchange: Exchange,
    has_derivatives: bool | None,
    kind: InstrumentKind = InstrumentKind.SHARE,
) -> Instrument:
    """A share, or an index."""
    segment = Segment.INDEX if kind is InstrumentKind.INDEX else Segment.EQUITY
    return Instrument(
        exchange=exchange, segment=segment, kind=kind, symbol=symbol, has_derivatives=has_derivatives
    )


def contract(root: str, exchange: Exchange, segment: Segment, expiry: date, symbol: str = "") -> Instrument:
    """A future or an option."""
    option = segment.is_options
    return Instrument(
        exchange=exchange,
        segment=segment,
        kind=InstrumentKind.OPTION if option else InstrumentKind.FUTURE,
        symbol=symbol or root,
        underlying=root,
        expiry=expiry,
        strike=Decimal(1) if option else None,  # no hours depend on the strike or the right
        right=OptionRight.CALL if option else None,
    )


def abroad(symbol: str, exchange: Exchange) -> Instrument:
    """A currency pair, a coin or a US share, by its exchange."""
    if exchange is Exchange.FOREX:
        return Instrument(
            exchange=exchange, segment=Segment.FOREX, kind=InstrumentKind.CURRENCY_PAIR, symbol=symbol
        )
    if exchange in (Exchange.BINANCE, Exchange.COINBASE, Exchange.WAZIRX):
        return Instrument(
            exchange=exchange, segment=Segment.CRYPTO_SPOT, kind=InstrumentKind.COIN, symbol=symbol
        )
    return share(symbol, exchange, None)
