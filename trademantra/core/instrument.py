"""Instruments: what can be traded, described by its fields and never by a parsed symbol."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError


class Exchange(StrEnum):
    """Where an instrument trades.  Indian segments (NFO, CDS …) are `Segment`s of their exchange here."""

    NSE = "NSE"
    BSE = "BSE"
    MCX = "MCX"
    NCDEX = "NCDEX"
    GIFT = "GIFT"
    NYSE = "NYSE"
    NASDAQ = "NASDAQ"
    BINANCE = "BINANCE"
    COINBASE = "COINBASE"
    WAZIRX = "WAZIRX"
    FOREX = "FOREX"


class Segment(StrEnum):
    """Which set of rules (hours, charges, margins) an instrument trades under."""

    EQUITY = "equity"
    EQUITY_FUTURES = "equity_futures"
    EQUITY_OPTIONS = "equity_options"
    CURRENCY_FUTURES = "currency_futures"
    CURRENCY_OPTIONS = "currency_options"
    COMMODITY_FUTURES = "commodity_futures"
    COMMODITY_OPTIONS = "commodity_options"
    INDEX = "index"
    CRYPTO_SPOT = "crypto_spot"
    CRYPTO_PERPETUAL = "crypto_perpetual"
    FOREX = "forex"

    @property
    def is_futures(self) -> bool:
        return self in _FUTURES

    @property
    def is_options(self) -> bool:
        return self in _OPTIONS

    @property
    def is_derivative(self) -> bool:
        """Listed futures and options; they have an underlying and an expiry."""
        return self in _FUTURES or self in _OPTIONS


_FUTURES = frozenset({Segment.EQUITY_FUTURES, Segment.CURRENCY_FUTURES, Segment.COMMODITY_FUTURES})
_OPTIONS = frozenset({Segment.EQUITY_OPTIONS, Segment.CURRENCY_OPTIONS, Segment.COMMODITY_OPTIONS})


class InstrumentKind(StrEnum):
    """What the thing is, apart from where it trades."""

    SHARE = "share"
    ETF = "etf"
    BOND = "bond"
    INDEX = "index"
    FUTURE = "future"
    OPTION = "option"
    COIN = "coin"
    PERPETUAL = "perpetual"
    CURRENCY_PAIR = "currency_pair"


class OptionRight(StrEnum):
    """The right that an option gives, in the exchanges' spelling."""

    CALL = "CE"
    PUT = "PE"


class QuantityUnit(StrEnum):
    """How a broker counts the quantity of an order in this instrument (MCX: it differs by broker)."""

    UNITS = "units"
    LOTS = "lots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable contract or security.  Immutable, hashable, equal by all its fields.

    Units: `strike` and `tick_size` in `currency`; `lot_size` and `freeze_quantity` in units of the
    underlying (shares, coins); `multiplier` turns price × quantity into `currency`.
    `symbol` is the exchange's name for shares, indices and pairs; contracts are told apart by `key`.
    `has_derivatives` says of a share whether futures or options on it are listed on any exchange, which decides
    its closing auction (specs/india-markets.md 3.1); None where that is not known.
    Errors: `InvalidValueError` for a contradiction, such as an option without strike.
    """

    exchange: Exchange
    segment: Segment
    kind: InstrumentKind
    symbol: str
    underlying: str | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    right: OptionRight | None = None
    lot_size: Decimal = Decimal(1)
    tick_size: Decimal = Decimal("0.05")
    freeze_quantity: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    quantity_unit: QuantityUnit = QuantityUnit.UNITS
    currency: str = "INR"
    isin: str | None = None
    series: str | None = None
    name: str | None = None
    has_derivatives: bool | None = None

    def __post_init__(self) -> None:
        if not self.symbol:
            raise InvalidValueError("an instrument needs a symbol")
        for name in ("lot_size", "tick_size", "multiplier"):
            if not getattr(self, name) > 0:
                raise InvalidValueError(f"{self.symbol}: {name} must be positive, got {getattr(self, name)}")
        if self.freeze_quantity is not None and self.freeze_quantity <= 0:
            raise InvalidValueError(f"{self.symbol}: freeze_quantity must be positive or absent")
        contract = self.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
        if contract != self.segment.is_derivative:
            raise InvalidValueError(f"{self.symbol}: a {self.kind} does not trade in segment {self.segment}")
        if contract != (self.underlying is not None) or contract != (self.expiry is not None):
            raise InvalidValueError(
                f"{self.symbol}: futures and options, and only they, have underlying and expiry"
            )
        option = self.kind is InstrumentKind.OPTION
        if option != (self.strike is not None) or option != (self.right is not None):
            raise InvalidValueError(f"{self.symbol}: options, and only they, have a strike and a right")
        if option != self.segment.is_options:
            raise InvalidValueError(f"{self.symbol}: a {self.kind} does not trade in segment {self.segment}")

    @property
    def key(self) -> str:
        """Canonical name made of fields; two instruments of one key are the same contract.

        >>> Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION,
        ...            symbol="NIFTY26N2324500CE", underlying="NIFTY", expiry=date(2026, 11, 23),
        ...            strike=Decimal(24500), right=OptionRight.CALL).key
        'NSE:NIFTY:2026-11-23:24500:CE'
        """
        if self.expiry is None:
            return f"{self.exchange}:{self.symbol}"
        stem = f"{self.exchange}:{self.underlying}:{self.expiry.isoformat()}"
        if self.strike is None:
            return f"{stem}:FUT"
        return f"{stem}:{plain(self.strike)}:{self.right}"


def plain(number: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, as symbols write strikes.

    >>> plain(Decimal("24500.00")), plain(Decimal("82.50"))
    ('24500', '82.5')
    """
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
