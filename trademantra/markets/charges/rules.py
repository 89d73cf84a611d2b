"""One charge as one rule: what it is counted on, how much, whether GST is due on it, and for which dates."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from trademantra.core.errors import InvalidValueError

ZERO = Decimal(0)


class Levy(StrEnum):
    """The lines of a note.  Outside India `exchange_txn` carries the fees of the market and its regulators."""

    BROKERAGE = "brokerage"
    STT = "stt"
    CTT = "ctt"
    EXCHANGE_TXN = "exchange_txn"
    IPFT = "ipft"
    SEBI = "sebi"
    GST = "gst"
    STAMP = "stamp"
    DP = "dp"


class Base(StrEnum):
    """What a rule is counted on.

    BUY, SELL, TURNOVER: rate × value of that side (ad valorem: splitting an order changes nothing).
    ORDER, SELL_ORDER: once per executed order, fixed + rate × value, then floor and cap.
    UNITS, SELL_UNITS: once per executed order, fixed × quantity, then floor and cap.
    SELL_DAY: fixed, once per security sold out of holdings on a day.
    """

    BUY = "buy"
    SELL = "sell"
    TURNOVER = "turnover"
    ORDER = "order"
    SELL_ORDER = "sell_order"
    UNITS = "units"
    SELL_UNITS = "sell_units"
    SELL_DAY = "sell_day"

    @property
    def is_ad_valorem(self) -> bool:
        return self in _AD_VALOREM

    @property
    def is_per_order(self) -> bool:
        """Counted order by order, with a floor and a cap that bind each order."""
        return self in _PER_ORDER


_AD_VALOREM = frozenset({Base.BUY, Base.SELL, Base.TURNOVER})
_PER_ORDER = frozenset({Base.ORDER, Base.SELL_ORDER, Base.UNITS, Base.SELL_UNITS})


class ValueOf(StrEnum):
    """Which value a rate is taken of: the trade, an exercised option's intrinsic value, or premium + strike."""

    TRADE = "trade"
    INTRINSIC = "intrinsic"
    STRIKE_AND_PREMIUM = "strike_and_premium"


class Confidence(StrEnum):
    """How well a fact is known; `user` is a value that the user set.  See specs/india-markets.md, status words."""

    HIGH = "high"
    MED = "med"
    LOW = "low"
    DISPUTED = "disputed"
    USER = "user"


class Facts(NamedTuple):
    """What a rule may depend on, apart from the date: all that sorts one order from another."""

    exchange: str
    segment: str
    trade: str  # delivery, mtf, intraday, position, exercise, physical_delivery
    asset: str  # share, etf, non_equity_etf, bond; non_agri, agri, agri_exempt; empty elsewhere
    contract: str  # BSE scrip group or option underlying; MCX and NCDEX contract groups; empty elsewhere
    liquidity: str  # maker, taker
    square_off: str  # own, auto
    pricing: str  # calculator when the broker's calculator prices differently from its bill, else note


NO_FACTS = Facts("", "", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRule:
    """One dated charge.  `rate` is a fraction of value, `fixed` an amount per order, unit or sell day.

    `where` lists, by name of a field of `Facts`, the words that the rule applies to; a field that is not
    listed does not matter.  Rules of one `table` follow each other in time: exactly one holds on a day.
    `valid_from` and `valid_to` are inclusive; None is open.  `warning` is shown on every note that uses the rule.
    Errors: `InvalidValueError` for a negative amount, a cap below the floor or dates in the wrong order.
    """

    table: str
    levy: Levy
    base: Base
    rate: Decimal = ZERO
    fixed: Decimal = ZERO
    floor: Decimal | None = None
    cap: Decimal | None = None
    gst: bool = False
    value: ValueOf = ValueOf.TRADE
    where: tuple[tuple[str, frozenset[str]], ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""
    confidence: Confidence = Confidence.HIGH
    warning: str = ""
    woman_discount: Decimal = ZERO

    def __post_init__(self) -> None:
        amounts = (self.rate, self.fixed, self.floor or ZERO, self.cap or ZERO)
        if min(amounts) < 0:
            raise InvalidValueError(f"charge rule {self.table}: amounts are never negative")
        if self.floor is not None and self.cap is not None and self.floor > self.cap:
            raise InvalidValueError(
                f"charge rule {self.table}: the minimum {self.floor} is above the cap {self.cap}"
            )
        if self.valid_from and self.valid_to and self.valid_from > self.valid_to:
            raise InvalidValueError(
                f"charge rule {self.table}: {self.valid_from} is later than {self.valid_to}"
            )

    def fits(self, facts: Facts) -> bool:
        """Whether the rule concerns orders with these facts, on whatever date."""
        return all(getattr(facts, field) in words for field, words in self.where)

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    @property
    def is_zero(self) -> bool:
        return not (self.rate or self.fixed or self.floor)

    def of_order(self, value: Decimal, quantity: Decimal) -> Decimal:
        """Charge of one executed order under a per-order base.

        >>> ChargeRule(table="t", levy=Levy.BROKERAGE, base=Base.ORDER, rate=Decimal("0.0003"), cap=Decimal(20)
        ...            ).of_order(Decimal(50_000), Decimal(100))
        Decimal('15.0000')
        """
        units = self.base in (Base.UNITS, Base.SELL_UNITS)
        amount = self.fixed * quantity if units else self.fixed + self.rate * value
        if self.floor is not None and amount < self.floor:
            amount = self.floor
        if self.cap is not None and amount > self.cap:
            amount = self.cap
        return amount
