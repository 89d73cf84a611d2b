"""Instruments as a command line names them: enough of one to know its hours."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING

from trademantra.core.errors import (
    AmbiguousInstrumentError,
    InvalidValueError,
    NotFoundError,
    UnknownInstrumentError,
)
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.time import parse_date

if TYPE_CHECKING:
    from trademantra.data.series import Series

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
_COIN = re.compile(r"[A-Z0-9]{2,12}USD[TC]")
_MONEY = frozenset({"USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "NZD", "INR", "SGD", "HKD", "CNH"})
_NEARNESS = 0.6
_MOST_NEAR = 4
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHLY = re.compile(
    rf"(?P<root>.+?)(?P<year>\d\d)(?P<month>{'|'.join(_MONTHS)})(?P<strike>[\d.]*)(?P<kind>FUT|CE|PE)"
)
_KEY = re.compile(
    r"(?P<root>[^:]+):(?P<expiry>\d{4}-\d\d-\d\d):(?:(?P<future>FUT)|(?P<strike>\d+(?:\.\d+)?):(?P<right>CE|PE))"
)
_WEEKLY = re.compile(
    r"(?P<root>.+?)(?P<year>\d\d)(?P<month>[1-9OND])(?P<day>\d\d)(?P<strike>[\d.]+)(?P<kind>CE|PE)"
)


def instrument_of(
    symbol: str,
    exchange: Exchange | None,
    segment: Segment | None,
    closing_auction: bool | None,
    stored: "Sequence[Series]" = (),
) -> Instrument:
    """Enough of an instrument to know its hours, read from its key, or from the symbol as Kite writes it.

    A symbol for which neither an exchange nor anything else is stated must be known: from a table, the
    instrument master, or one of the `stored` series.  Errors: `UnknownInstrumentError` with near ones; `AmbiguousInstrumentError`.
    """
    from trademantra.markets.sessions.tables import commodity_groups

    name = symbol.strip().upper()
    if ":" in name and not _KEY.fullmatch(name):
        prefix, name = name.split(":", 1)
        exchange = _exchange(prefix)
    if not name:
        raise UnknownInstrumentError("the symbol is empty", hint="examples: RELIANCE, NIFTY, NIFTY26NOVFUT")
    if exchange is not None and exchange not in (Exchange.NSE, Exchange.BSE, Exchange.MCX):
        return abroad(name, exchange)
    if key := _KEY.fullmatch(name):
        expiry = parse_date(key["expiry"])
        return _contract(key["root"], exchange, "futures" if key["future"] else "options", expiry, name)
    written = _MONTHLY.fullmatch(name) or _WEEKLY.fullmatch(name)
    if written is not None:
        suits = "options" if written["kind"] in ("CE", "PE") else "futures"
        return _contract(written["root"], exchange, suits, _expiry(written), name)
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
    if exchange is None and segment is None and closing_auction is None:
        return _known(name, stored)
    return share(name, exchange or Exchange.NSE, closing_auction)


def _contract(root: str, exchange: Exchange | None, suits: str, expiry: date, symbol: str) -> Instrument:
    """A future or option of a root: of MCX where a commodity has its name, else of the stock exchange."""
    from trademantra.markets.sessions.tables import commodity_groups

    if exchange is Exchange.MCX or (exchange is None and root in commodity_groups()):
        return contract(root, Exchange.MCX, Segment(f"commodity_{suits}"), expiry, symbol)
    family = "currency" if root in _CURRENCY_PAIRS else "equity"
    where = exchange or _INDICES.get(root, Exchange.NSE)
    return contract(root, where, Segment(f"{family}_{suits}"), expiry, symbol)


def _known(name: str, stored: "Sequence[Series]") -> Instrument:
    """What a bare symbol means, as far as it is known; it is never taken for a share of NSE by guessing."""
    from trademantra.markets.sessions.tables import closing_auction_shares

    if any(symbol == name for symbol, _ in closing_auction_shares()):
        return share(name, Exchange.NSE, None)
    if len(name) == 6 and {name[:3], name[3:]} <= _MONEY:
        return abroad(name, Exchange.FOREX)
    if _COIN.fullmatch(name):
        return abroad(name, Exchange.BINANCE)
    if (listed := _in_master(name)) is not None:
        return listed
    homes = sorted({each.exchange for each in stored if each.symbol.upper() == name})
    if len(homes) > 1:
        raise AmbiguousInstrumentError(
            f"{name} is stored of {' and '.join(homes)}", hint=f"write {homes[0]}:{name}"
        )
    if homes:
        exchange = _exchange(homes[0])
        indian = exchange in (Exchange.NSE, Exchange.BSE)
        return share(name, exchange, None) if indian else abroad(name, exchange)
    names = {
        *_INDICES,
        *(symbol for symbol, _ in closing_auction_shares()),
        *(each.symbol for each in stored),
    }
    near = get_close_matches(name, sorted(names), _MOST_NEAR, _NEARNESS)
    raise UnknownInstrumentError(
        f"{name!r} is not a symbol that is known here",
        hint=(f"did you mean {', '.join(near)}?  " if near else "")
        + f"Say where it trades: NSE:{name}, BSE:{name}, NASDAQ:{name}",
    )


def _in_master(name: str) -> Instrument | None:
    """The share, index or pair that brokers' imported files list under this name, of NSE first."""
    from trademantra.data.instruments.index import InstrumentIndex
    from trademantra.data.instruments.master import master_path

    if not master_path().exists():
        return None
    index = InstrumentIndex(master_path())
    for exchange in (Exchange.NSE, Exchange.BSE, None):
        try:
            return index.by_symbol(name, exchange=exchange)
        except (UnknownInstrumentError, NotFoundError):
            continue
    return None


def _exchange(text: str) -> Exchange:
    """The exchange of a prefix; Kite writes segments there (NFO:NIFTY26NOVFUT), and SYNTH keeps the hours of NSE."""
    from trademantra.data.exchange_names import SYNTHETIC, UNNAMED, exchange_named

    name = exchange_named(text)
    if name == UNNAMED:
        raise InvalidValueError(f"{text!r} is not an exchange", hint=f"one of: {', '.join(Exchange)}")
    return Exchange.NSE if name == SYNTHETIC else Exchange(name)


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
