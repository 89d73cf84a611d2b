"""What an account holds at a broker."""

from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.instrument import Instrument
from trademantra.core.order import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A net position of the day.  `quantity` signed, in units; `overnight_quantity` was carried from earlier days.

    `realised` and `unrealised` in currency, before charges; `last_price` and `unrealised` None where no price is known.
    """

    instrument: Instrument
    product: Product
    quantity: Decimal
    overnight_quantity: Decimal
    average_price: Decimal
    last_price: Decimal | None
    realised: Decimal
    unrealised: Decimal | None
    buy_quantity: Decimal
    buy_value: Decimal
    sell_quantity: Decimal
    sell_value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Shares in the demat account.  `t1_quantity` was bought but is not delivered yet; `last_price` None: not known."""

    instrument: Instrument
    quantity: Decimal
    t1_quantity: Decimal
    average_price: Decimal
    last_price: Decimal | None
    isin: str | None = None
    product: Product = Product.CNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """Money of one segment, in currency: `available` can be used for new orders, `used` is blocked or spent."""

    segment: str
    available: Decimal
    used: Decimal
    opening: Decimal
