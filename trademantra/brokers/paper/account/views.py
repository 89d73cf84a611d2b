"""What an account shows: the fields of Kite's positions, holdings, margins and charges (specs/brokers.md 1.4).

Names are Kite's.  Money in the instrument's currency, quantities in units, prices per unit.  What depends on a price
that is not known is None, never 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.core.order import Product, Side

ZERO = Decimal(0)

Marks: TypeAlias = Callable[[int], Decimal | None]
"""The last price by token; None where none is known."""


def no_marks(token: int) -> Decimal | None:
    """Marks of a market in which nothing has traded."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPosition:
    """A position of one instrument and product.

    `quantity` and `overnight_quantity` signed.  value = sell_value - buy_value; pnl = value + quantity x last price x
    multiplier; m2m is the same with what was carried over counted at `close_price`.  `average_price` of the open
    quantity, 0 when flat.  realised + unrealised = pnl.
    """

    listing: Listing
    product: Product
    quantity: Decimal
    overnight_quantity: Decimal
    multiplier: Decimal
    average_price: Decimal
    close_price: Decimal | None
    last_price: Decimal | None
    value: Decimal
    pnl: Decimal | None
    m2m: Decimal | None
    unrealised: Decimal | None
    realised: Decimal
    buy_quantity: Decimal
    buy_price: Decimal
    buy_value: Decimal
    buy_m2m: Decimal
    sell_quantity: Decimal
    sell_price: Decimal
    sell_value: Decimal
    sell_m2m: Decimal
    day_buy_quantity: Decimal
    day_buy_price: Decimal
    day_buy_value: Decimal
    day_sell_quantity: Decimal
    day_sell_price: Decimal
    day_sell_value: Decimal


@dataclass(frozen=True, slots=True)
class PositionBook:
    """`net`: all that is open or was traded today; `day`: today's trades alone."""

    net: tuple[AccountPosition, ...]
    day: tuple[AccountPosition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MtfHolding:
    """The funded part of a holding.  `value` is what it cost, `initial_margin` what of that was the client's own."""

    quantity: Decimal
    used_quantity: Decimal
    average_price: Decimal
    value: Decimal
    initial_margin: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHolding:
    """Shares of one security.  `quantity` is delivered, `t1_quantity` bought and not delivered yet;
    opening_quantity = quantity + t1_quantity; `used_quantity` was sold today and leaves at settlement."""

    listing: Listing
    product: Product
    quantity: Decimal
    used_quantity: Decimal
    t1_quantity: Decimal
    realised_quantity: Decimal
    opening_quantity: Decimal
    average_price: Decimal
    last_price: Decimal | None
    close_price: Decimal | None
    pnl: Decimal | None
    day_change: Decimal | None
    day_change_percentage: Decimal | None
    mtf: MtfHolding
    price: Decimal = ZERO
    authorised_quantity: Decimal = ZERO
    authorised_date: date | None = None
    short_quantity: Decimal = ZERO
    collateral_quantity: Decimal = ZERO
    collateral_type: str = ""
    discrepancy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableFunds:
    """Where the money of a segment comes from."""

    cash: Decimal
    opening_balance: Decimal
    live_balance: Decimal
    adhoc_margin: Decimal = ZERO
    collateral: Decimal = ZERO
    intraday_payin: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilisedFunds:
    """What the money of a segment is used for, working orders among it.

    debits = span + exposure + option_premium + delivery + m2m_realised.  A credit is negative.  `exposure` holds the
    margin of intraday shares too; `delivery` is shares bought less the usable part of shares sold; `m2m_realised` is
    the counted loss; `m2m_unrealised` is shown and not counted (None: a price is unknown).
    """

    debits: Decimal
    span: Decimal
    exposure: Decimal
    option_premium: Decimal
    delivery: Decimal
    m2m_realised: Decimal
    m2m_unrealised: Decimal | None
    holding_sales: Decimal
    payout: Decimal = ZERO
    turnover: Decimal = ZERO
    liquid_collateral: Decimal = ZERO
    stock_collateral: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMargin:
    """Funds of one segment.  net = available.opening_balance + available.intraday_payin - utilised.debits, except
    that the commodity segment has no money of its own and shows the account's net (docs/paper-accounts.md)."""

    enabled: bool
    net: Decimal
    available: AvailableFunds
    utilised: UtilisedFunds


@dataclass(frozen=True, slots=True, kw_only=True)
class Gst:
    igst: Decimal = ZERO
    cgst: Decimal = ZERO
    sgst: Decimal = ZERO
    total: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCharges:
    """Charges of one order as the broker's API estimates them: exact, not rounded (specs/india-markets.md 1.5)."""

    transaction_tax: Decimal = ZERO
    transaction_tax_type: str = ""
    exchange_turnover_charge: Decimal = ZERO
    sebi_turnover_charge: Decimal = ZERO
    brokerage: Decimal = ZERO
    stamp_duty: Decimal = ZERO
    gst: Gst = Gst()
    total: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitAndLoss:
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMargin:
    """What an order needs.  total = span + exposure + option_premium + additional + bo + cash + var.

    `type` is the segment (equity, commodity); `var` is the margin of shares, value / `leverage`.
    """

    type: str = ""
    tradingsymbol: str = ""
    exchange: str = ""
    span: Decimal = ZERO
    exposure: Decimal = ZERO
    option_premium: Decimal = ZERO
    additional: Decimal = ZERO
    bo: Decimal = ZERO
    cash: Decimal = ZERO
    var: Decimal = ZERO
    pnl: ProfitAndLoss = ProfitAndLoss()
    leverage: Decimal = ZERO
    charges: OrderCharges = OrderCharges()
    total: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketMargin:
    """`initial`: each order for itself, summed; `final`: with what they save each other; `orders`: one by one."""

    initial: OrderMargin
    final: OrderMargin
    orders: tuple[OrderMargin, ...]
    charges: OrderCharges


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOrder:
    """An executed order, or one that is imagined to be executed, for the virtual contract note."""

    listing: Listing
    request: OrderRequest
    average_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractNoteRow:
    transaction_type: Side
    tradingsymbol: str
    exchange: str
    variety: str
    product: Product
    order_type: str
    quantity: Decimal
    price: Decimal
    charges: OrderCharges


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """An open intraday position that the day's end must close; `quantity` signed."""

    listing: Listing
    product: Product
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of the ledger: `amount` signed, `balance` after it."""

    day: date
    text: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a day's settlement did.  `charges` is the total of the contract note, a positive number."""

    day: date
    next_day: date
    entries: tuple[LedgerEntry, ...]
    charges: Decimal
    warnings: tuple[str, ...]
