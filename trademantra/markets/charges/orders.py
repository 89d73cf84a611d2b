"""Executed orders as the charges see them, and the facts by which the rules are chosen."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, OptionRight, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.rules import ZERO, Facts, ValueOf
from trademantra.markets.charges.tables import bse_groups, symbol_words

_DELIVERY = {Product.CNC: "delivery", Product.MTF: "mtf", Product.MIS: "intraday"}
_INDIAN_SEGMENTS = {
    Exchange.NSE: (
        Segment.EQUITY,
        Segment.EQUITY_FUTURES,
        Segment.EQUITY_OPTIONS,
        Segment.CURRENCY_FUTURES,
        Segment.CURRENCY_OPTIONS,
    ),
    Exchange.MCX: (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS),
    Exchange.NCDEX: (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS),
}
_SEGMENTS = {
    **_INDIAN_SEGMENTS,
    Exchange.BSE: _INDIAN_SEGMENTS[Exchange.NSE],
    Exchange.NYSE: (Segment.EQUITY,),
    Exchange.NASDAQ: (Segment.EQUITY,),
    Exchange.BINANCE: (Segment.CRYPTO_SPOT, Segment.CRYPTO_PERPETUAL),
    Exchange.COINBASE: (Segment.CRYPTO_SPOT, Segment.CRYPTO_PERPETUAL),
    Exchange.WAZIRX: (Segment.CRYPTO_SPOT,),
    Exchange.FOREX: (Segment.FOREX,),
}
# SENSEX 50 by name, or by name and expiry; SENSEX50000CE is a strike of the SENSEX.
_SENSEX_50 = re.compile(
    r"SX50|SENSEX ?50(?![0-9])|SENSEX50(2[4-9]|3[0-9])([A-Z]{3}|[1-9OND][0-9]{2})[0-9.]+(CE|PE)$"
)
_OPTION_CONTRACT = re.compile(r"[A-Z][A-Z&\-]*[ \-]?[0-9].*(CE|PE)$|[A-Z].*[ \-](CE|PE|CALL|PUT)\b")
INDIAN_EXCHANGES = frozenset({Exchange.NSE, Exchange.BSE, Exchange.MCX, Exchange.NCDEX})


class AssetKind(StrEnum):
    """What a cash-segment security is for STT and stamp duty."""

    SHARE = "share"
    ETF = "etf"  # holds Indian shares
    NON_EQUITY_ETF = "non_equity_etf"  # gold, silver, liquid, debt, overseas: no STT
    BOND = "bond"


class TradeEvent(StrEnum):
    """How a position changed hands: on the order book, by exercise at expiry, or by delivery at expiry."""

    TRADE = "trade"
    EXERCISE = "exercise"
    PHYSICAL_DELIVERY = "physical_delivery"


class Liquidity(StrEnum):
    """Whether the order rested (maker) or took (taker); crypto fees differ."""

    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedOrder:
    """One executed order, or one fill of it (fills of one order share an `order_id`).

    `quantity` in units (lots × lot size), `price` per unit in the currency of the market; an option's price is
    its premium.  `multiplier` turns price × quantity into money where the quote is per another unit.
    For `event` exercise, `price` is the settlement price of the underlying and `strike` and `right` are needed;
    the holder's side is SELL, the writer's BUY.  For physical delivery `price` is the price of delivery.
    `kind`, `group` (BSE scrip group), `underlying` and `agri` are told by the symbol where they are absent.
    Errors: `InvalidValueError` for a price or quantity that is not positive, or a contradiction.
    """

    exchange: Exchange
    segment: Segment
    product: Product
    side: Side
    symbol: str
    quantity: Decimal
    price: Decimal
    order_id: str = ""
    isin: str = ""
    kind: AssetKind | None = None
    group: str = ""
    underlying: str = ""
    strike: Decimal | None = None
    right: OptionRight | None = None
    multiplier: Decimal = Decimal(1)
    event: TradeEvent = TradeEvent.TRADE
    liquidity: Liquidity = Liquidity.TAKER
    auto_square_off: bool = False
    agri: bool | None = None
    option_in_goods: bool = False

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise InvalidValueError(f"{self.symbol}: quantity must be positive, got {self.quantity}")
        if self.price <= 0:
            raise InvalidValueError(f"{self.symbol}: price must be positive, got {self.price}")
        if self.multiplier <= 0:
            raise InvalidValueError(f"{self.symbol}: multiplier must be positive, got {self.multiplier}")
        allowed = _SEGMENTS.get(self.exchange, ())
        if self.segment not in allowed:
            raise InvalidValueError(
                f"{self.symbol}: {self.exchange} has no charges for segment {self.segment}",
                hint="allowed: " + (", ".join(allowed) or "none; GIFT is not covered"),
            )
        if self.exchange in INDIAN_EXCHANGES:
            self._check_product()
        if self.group and self.group not in bse_groups():
            raise InvalidValueError(
                f"{self.symbol}: unknown BSE group {self.group!r}",
                hint="allowed: " + " ".join(sorted(bse_groups())),
            )
        if self.event is TradeEvent.EXERCISE and (
            not self.segment.is_options or self.strike is None or self.right is None
        ):
            raise InvalidValueError(f"{self.symbol}: an exercise needs an option with its strike and right")
        if self.event is TradeEvent.PHYSICAL_DELIVERY and self.segment not in (
            Segment.EQUITY_FUTURES,
            Segment.EQUITY_OPTIONS,
        ):
            raise InvalidValueError(
                f"{self.symbol}: only stock futures and options are settled by delivery here"
            )

    def _check_product(self) -> None:
        cash = self.segment is Segment.EQUITY
        allowed = tuple(_DELIVERY) if cash else (Product.NRML, Product.MIS)
        if self.product not in allowed:
            raise InvalidValueError(
                f"{self.symbol}: product {self.product} does not exist in segment {self.segment}",
                hint="allowed: " + ", ".join(sorted(allowed)),
            )

    @property
    def value(self) -> Decimal:
        """Price × quantity × multiplier."""
        return self.price * self.quantity * self.multiplier

    def value_of(self, kind: ValueOf) -> Decimal:
        """The value that a rule is a rate of; without a strike the intrinsic value is 0."""
        if kind is ValueOf.TRADE:
            return self.value
        strike = self.strike or ZERO
        if kind is ValueOf.STRIKE_AND_PREMIUM:
            return (self.price + strike) * self.quantity * self.multiplier
        inside = self.price - strike if self.right is OptionRight.CALL else strike - self.price
        return max(inside, ZERO) * self.quantity * self.multiplier

    @property
    def security(self) -> str:
        """What one debit from the demat account is counted by: the ISIN, or the symbol when it is absent."""
        return self.isin or self.symbol


def facts_of(order: ExecutedOrder, calculator: bool = False) -> tuple[Facts, str]:
    """The facts of an order, and a warning when one had to be read from a symbol that leaves room for doubt.

    >>> from trademantra.core.instrument import Exchange, Segment
    >>> order = ExecutedOrder(exchange=Exchange.NSE, segment=Segment.EQUITY, product=Product.CNC, side=Side.BUY,
    ...                       symbol="GOLDBEES", quantity=Decimal(1), price=Decimal(70))
    >>> facts_of(order)[0].asset
    'non_equity_etf'
    """
    asset, contract, warning = "", "", ""
    if order.exchange in INDIAN_EXCHANGES:
        if order.segment is Segment.EQUITY:
            asset, warning = _cash_asset(order)
            contract = (order.group or "B") if order.exchange is Exchange.BSE else ""
        elif order.segment in (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS):
            asset = _commodity_asset(order)
            contract = _commodity_contract(order)
        elif order.exchange is Exchange.BSE and order.segment is Segment.EQUITY_OPTIONS:
            contract, warning = bse_option_underlying(order.underlying or order.symbol)
    priced_as_shown = calculator and order.segment is Segment.COMMODITY_OPTIONS and order.strike is not None
    facts = Facts(
        exchange=order.exchange.value,
        segment=order.segment.value,
        trade=_trade(order),
        asset=asset,
        contract=contract,
        liquidity=order.liquidity.value,
        square_off="auto" if order.auto_square_off else "own",
        pricing="calculator" if priced_as_shown else "note",
    )
    return facts, warning


def _trade(order: ExecutedOrder) -> str:
    if order.event is not TradeEvent.TRADE:
        return order.event.value
    if order.segment is not Segment.EQUITY:
        return "position"
    return _DELIVERY.get(order.product, "delivery")  # US shares: every product is delivery


def _cash_asset(order: ExecutedOrder) -> tuple[str, str]:
    if order.kind is not None:
        return order.kind.value, ""
    kind = kind_of_symbol(order.symbol)
    if kind is AssetKind.SHARE:
        return kind.value, ""
    return (
        kind.value,
        f"{order.symbol} is charged as {kind.value}, read from its symbol; state kind to be sure",
    )


def kind_of_symbol(symbol: str) -> AssetKind:
    """What an exchange's symbol says of a cash security; a fund that follows no habit of naming reads as a share.

    >>> [kind_of_symbol(s).value for s in ("RELIANCE", "NIFTYBEES", "LIQUIDBEES", "BRAINBEES")]
    ['share', 'etf', 'non_equity_etf', 'share']
    """
    words = symbol_words()
    name = symbol.upper().removesuffix("-EQ")
    if name.startswith(words.bond_beginnings):
        return AssetKind.BOND
    fund = (
        name.endswith(words.fund_endings)
        or name.startswith(words.fund_beginnings)
        or name in words.fund_names
    )
    if not fund or name in words.shares_named_like_funds:
        return AssetKind.SHARE
    if any(word in name for word in words.non_equity_words):
        return AssetKind.NON_EQUITY_ETF
    return AssetKind.ETF


def bse_option_underlying(symbol: str) -> tuple[str, str]:
    """Which BSE rate an option falls under, and a warning when the symbol does not name a contract.

    >>> bse_option_underlying("SENSEX26N1983000CE")[0], bse_option_underlying("RELIANCE26NOV1400CE")[0]
    ('SENSEX', 'stock')
    """
    name = symbol.upper().strip()
    if _SENSEX_50.match(name):
        return "SENSEX50", ""
    for word in ("SENSEX", "BANKEX"):
        if re.match(rf"{word}([^A-Z]|$)", name):
            return word, ""
    if re.match(r"(BSE)?(FOCIT|FOCUSED ?IT)", name):
        return "FOCIT", ""
    if _OPTION_CONTRACT.match(name):
        return "stock", ""
    return "SENSEX", (
        f"BSE option {symbol}: no contract could be read from the symbol, so the SENSEX and BANKEX rate is used; "
        "give underlying (for a stock: the contract's whole symbol)"
    )


def _commodity_asset(order: ExecutedOrder) -> str:
    words = symbol_words()
    name = (order.underlying or order.symbol).upper()
    exempt = max((len(w) for w in words.ctt_exempt if name.startswith(w)), default=0)
    farmed = max((len(w) for w in words.agri_not_exempt if name.startswith(w)), default=0)
    if order.agri is not None:
        return ("agri" if farmed > exempt else "agri_exempt") if order.agri else "non_agri"
    if not (exempt or farmed):
        return "non_agri"
    return "agri" if farmed > exempt else "agri_exempt"


def _commodity_contract(order: ExecutedOrder) -> str:
    if order.option_in_goods:
        return "goods"
    name = (order.underlying or order.symbol).upper()
    if order.exchange is Exchange.NCDEX:
        return "guar" if order.segment is Segment.COMMODITY_OPTIONS and name.startswith("GUAR") else ""
    if order.segment is not Segment.COMMODITY_FUTURES:
        return ""
    for beginning, word in symbol_words().mcx_group_b:
        if name.startswith(beginning):
            return word
    return ""
