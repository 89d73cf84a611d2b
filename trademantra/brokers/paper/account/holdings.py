"""Shares that an account owns: bought for delivery, delivered after settlement, sold again.

Invariants: quantities are never negative; `value` is what the shares still held cost (average cost); what the broker
lent for funded shares is `loan`, and is 0 when none is held.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.views import ZERO, AccountHolding, MtfHolding
from trademantra.core.instrument import Instrument
from trademantra.core.money import PAISA, round_half_up
from trademantra.core.order import Product


def security_of(instrument: Instrument) -> str:
    """One share is one security on every exchange: its ISIN, or its symbol where that is absent."""
    return instrument.isin or instrument.symbol


@dataclass(slots=True)
class UndeliveredLot:
    quantity: Decimal
    delivered_on: date


@dataclass(slots=True)
class HoldingState:
    """One security and product (CNC or MTF)."""

    listing: Listing
    product: Product
    quantity: Decimal = ZERO
    undelivered: list[UndeliveredLot] = field(default_factory=list)
    value: Decimal = ZERO
    loan: Decimal = ZERO
    close_price: Decimal | None = None

    @property
    def t1_quantity(self) -> Decimal:
        return sum((lot.quantity for lot in self.undelivered), ZERO)

    @property
    def total(self) -> Decimal:
        return self.quantity + self.t1_quantity

    @property
    def average_price(self) -> Decimal:
        return self.value / self.total if self.total else ZERO

    def loan_of(self, quantity: Decimal) -> Decimal:
        """What of the loan goes with so many of the shares; all of it with all of them."""
        return (
            self.loan if quantity >= self.total else round_half_up(self.loan * quantity / self.total, PAISA)
        )

    def add(self, quantity: Decimal, value: Decimal, loan: Decimal, delivered_on: date) -> None:
        self.undelivered.append(UndeliveredLot(quantity, delivered_on))
        self.value += value
        self.loan += loan

    def take(self, quantity: Decimal) -> None:
        """Shares leave: delivered ones first, then the oldest lot."""
        self.loan -= self.loan_of(quantity)
        self.value = ZERO if quantity >= self.total else self.value * (self.total - quantity) / self.total
        from_delivered = min(self.quantity, quantity)
        self.quantity -= from_delivered
        rest = quantity - from_delivered
        while rest:
            lot = self.undelivered[0]
            taken = min(lot.quantity, rest)
            lot.quantity -= taken
            rest -= taken
            if not lot.quantity:
                del self.undelivered[0]

    def deliver(self, day: date) -> None:
        """Lots that settle up to `day` come into the demat account."""
        for lot in [lot for lot in self.undelivered if lot.delivered_on <= day]:
            self.quantity += lot.quantity
            self.undelivered.remove(lot)


def holding_view(
    own: HoldingState | None, funded: HoldingState | None, sold: dict[Product, Decimal], last: Decimal | None
) -> AccountHolding:
    """One row of a security: its own shares, and what is funded beside them.  `sold` today, by product."""
    state = own or funded
    assert state is not None  # a row is made of at least one of them
    shares = own or HoldingState(state.listing, Product.CNC)
    lent = funded or HoldingState(state.listing, Product.MTF)
    close = state.close_price
    change = None if last is None or close is None else last - close
    return AccountHolding(
        listing=state.listing,
        product=Product.CNC if own else Product.MTF,
        quantity=shares.quantity,
        used_quantity=sold.get(Product.CNC, ZERO),
        t1_quantity=shares.t1_quantity,
        realised_quantity=shares.quantity,
        opening_quantity=shares.total,
        average_price=shares.average_price,
        last_price=last,
        close_price=close,
        pnl=None if last is None else shares.total * last - shares.value,
        day_change=change,
        day_change_percentage=change / close * 100 if change is not None and close else None,
        mtf=MtfHolding(
            quantity=lent.total,
            used_quantity=sold.get(Product.MTF, ZERO),
            average_price=lent.average_price,
            value=lent.value,
            initial_margin=lent.value - lent.loan,
        ),
    )
