"""The name of a stored series of bars, and the file names that it turns into and back."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import (
    IST,
    NANOSECONDS_PER_DAY,
    NANOSECONDS_PER_HOUR,
    NANOSECONDS_PER_MINUTE,
    NANOSECONDS_PER_SECOND,
    ns_of,
)

_EXCHANGE = re.compile(r"[A-Z][A-Z0-9_]{0,15}")
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.&")
_LONGEST_FILE_NAME = 200
# Names that Windows gives to devices, with any extension; "EVENTS" is where the store keeps corporate actions.
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|EVENTS)(\..*)?")
_INDIAN = frozenset(
    {"NSE", "BSE", "MCX", "NCDEX", "GIFT", "SYNTH"}
)  # SYNTH: the invented market keeps NSE's hours
_AMERICAN = frozenset({"NYSE", "NASDAQ"})
_UNIT_NS = {
    "s": NANOSECONDS_PER_SECOND,
    "m": NANOSECONDS_PER_MINUTE,
    "h": NANOSECONDS_PER_HOUR,
    "d": NANOSECONDS_PER_DAY,
    "w": 7 * NANOSECONDS_PER_DAY,
    "mo": 30 * NANOSECONDS_PER_DAY,
}


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one symbol on one exchange in one timeframe: what the bar store files.

    `exchange` is upper case; `symbol` is the exchange's own spelling and may hold `&`, `-`, `.`, `:` and
    spaces.  Sorts by exchange, symbol, then from short bars to long ones.
    Errors: `InvalidValueError` for an exchange or symbol that cannot name a series.

    >>> str(Series("NSE", "M&M", Timeframe.parse("5m")))
    'NSE:M&M:5m'
    """

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __post_init__(self) -> None:
        if not _EXCHANGE.fullmatch(self.exchange) or _RESERVED.fullmatch(self.exchange):
            raise InvalidValueError(
                f"{self.exchange!r} cannot name an exchange",
                hint="1-16 capital letters, digits or _: NSE, BINANCE",
            )
        if not self.symbol.strip() or self.symbol != self.symbol.strip() or not self.symbol.isprintable():
            raise InvalidValueError(
                f"{self.symbol!r} cannot name a symbol", hint="no control characters, no space at either end"
            )
        if len(file_name_of(self.symbol)) > _LONGEST_FILE_NAME:
            raise InvalidValueError(f"symbol {self.symbol[:40]!r}… is too long to name a folder")

    @classmethod
    def parse(cls, text: str) -> "Series":
        """Read `EXCHANGE:SYMBOL:TIMEFRAME`; the symbol is what stands between the first and last colon.

        >>> Series.parse("NSE:NIFTY:2026-11-23:24500:CE:1m").symbol
        'NIFTY:2026-11-23:24500:CE'
        """
        exchange, colon, rest = text.strip().partition(":")
        symbol, last_colon, timeframe = rest.rpartition(":")
        if not colon or not last_colon:
            raise InvalidValueError(
                f"{text!r} does not name a series",
                hint="write EXCHANGE:SYMBOL:TIMEFRAME, for example NSE:RELIANCE:1m",
            )
        return cls(exchange, symbol, Timeframe.parse(timeframe))

    @property
    def zone(self) -> ZoneInfo:
        """Zone of the exchange's calendar; see `zone_of`."""
        return zone_of(self.exchange)

    @property
    def path(self) -> Path:
        """Folder of the series, relative to the root of the store."""
        return Path(self.exchange) / file_name_of(self.symbol) / str(self.timeframe)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"

    def __lt__(self, other: "Series") -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[str, str, int]:
        return self.exchange, self.symbol, self.timeframe.count * _UNIT_NS[self.timeframe.unit]


def zone_of(exchange: str) -> ZoneInfo:
    """Zone in which an exchange counts its days and years.

    India for NSE, BSE, MCX, NCDEX, GIFT and the invented market SYNTH, New York for NYSE and NASDAQ, UTC for everything else
    (crypto and foreign exchange trade around the clock, and an unknown exchange has no better answer).

    >>> zone_of("MCX").key, zone_of("BINANCE").key
    ('Asia/Kolkata', 'UTC')
    """
    if exchange in _INDIAN:
        return IST
    return ZoneInfo("America/New_York" if exchange in _AMERICAN else "UTC")


def year_bounds(year: int, zone: ZoneInfo) -> tuple[int, int]:
    """First instant of a year in a zone, and of the next."""
    return ns_of(datetime(year, 1, 1, tzinfo=zone)), ns_of(datetime(year + 1, 1, 1, tzinfo=zone))


def file_name_of(symbol: str) -> str:
    """A symbol as a file name that every file system keeps apart from every other symbol's.

    Capital letters, digits and `-_.&` stay; every other byte of the UTF-8 text becomes `%XX`.  Small letters
    are coded too, because `abc` and `ABC` are one name on Windows and macOS; so are a dot at either end, and
    the first letter of names that are special (`CON`).  `symbol_of` is the exact inverse.

    >>> file_name_of("M&M"), file_name_of("../x"), file_name_of("NIFTY 50")
    ('M&M', '%2E.%2F%78', 'NIFTY%2050')
    """
    raw = symbol.encode()
    coded = [chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in raw]
    if raw[:1] == b"." or _RESERVED.fullmatch(symbol):
        coded[0] = f"%{raw[0]:02X}"
    if raw[-1:] == b".":
        coded[-1] = "%2E"
    return "".join(coded)


def symbol_of(file_name: str) -> str | None:
    """The symbol that `file_name_of` turned into this name; None for any other name.

    >>> symbol_of("NIFTY%2050"), symbol_of("nifty")
    ('NIFTY 50', None)
    """
    try:
        symbol = unquote_to_bytes(file_name).decode()
    except UnicodeDecodeError:
        return None
    return symbol if symbol and file_name_of(symbol) == file_name else None
