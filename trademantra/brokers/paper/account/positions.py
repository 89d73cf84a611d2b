"""Positions of an account, from trade to trade and from day to day.

Invariants, for every position at every moment:
- quantity = overnight_quantity + day_buy_quantity - day_sell_quantity;
- money moved today = day_sell_value - day_buy_value; nothing of it depends on averages, so it stays exact;
- value = sell_value - buy_value and pnl = value + quantity x last x multiplier (specs/brokers.md 1.4), where buy and
  sell hold what was carried over at what it cost;
- realised + unrealised = pnl.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.views import ZERO, AccountPosition
from trademantra.core.instrument import Segment
from trademantra.core.order import Product, Side


class Accounting(StrEnum):
    """How a position's money moves.

    delivery: the whole value is paid and received (CNC).  funded: the broker lends a part (MTF).  premium: options.
    margined: a margin is blocked and only profit and loss is paid (MIS shares, futures).
    """

    DELIVERY = "delivery"
    FUNDED = "funded"
    PREMIUM = "premium"
    MARGINED = "margined"


def accounting_of(listing: Listing, product: Product) -> Accounting:
    segment = listing.instrument.segment
    if segment.is_options:
        return Accounting.PREMIUM
    if segment.is_futures or product is Product.MIS:
        return Accounting.MARGINED
    return Accounting.FUNDED if product is Product.MTF else Accounting.DELIVERY


def is_offered(listing: Listing, product: Product) -> bool:
    """Whether the product exists for the instrument: CNC, MIS, MTF for shares, NRML and MIS for contracts."""
    segment = listing.instrument.segment
    if segment is Segment.EQUITY:
        return product is not Product.NRML
    return segment.is_derivative and product in (Product.NRML, Product.MIS)


@dataclass(slots=True)
class PositionState:
    """One instrument and product.  Values in money (price x quantity x multiplier).

    `overnight_value` is what the carried quantity cost, signed as it.  `mark_price` is the price at which it was last
    settled: the ledger holds the profit up to there.  `average_price` is that of the open quantity; `mark_average` the
    same with the carried quantity counted at its mark.
    """

    listing: Listing
    product: Product
    overnight_quantity: Decimal = ZERO
    overnight_value: Decimal = ZERO
    mark_price: Decimal = ZERO
    day_buy_quantity: Decimal = ZERO
    day_buy_value: Decimal = ZERO
    day_sell_quantity: Decimal = ZERO
    day_sell_value: Decimal = ZERO
    average_price: Decimal = ZERO
    mark_average: Decimal = ZERO

    @property
    def accounting(self) -> Accounting:
        return accounting_of(self.listing, self.product)

    @property
    def multiplier(self) -> Decimal:
        return self.listing.instrument.multiplier

    @property
    def quantity(self) -> Decimal:
        return self.overnight_quantity + self.day_buy_quantity - self.day_sell_quantity

    @property
    def traded_today(self) -> bool:
        return bool(self.day_buy_quantity or self.day_sell_quantity)

    @property
    def day_flow(self) -> Decimal:
        """Money received less money paid today; of a margined position the carried part enters at its mark."""
        flow = self.day_sell_value - self.day_buy_value
        if self.accounting is Accounting.MARGINED:
            flow -= self.overnight_quantity * self.mark_price * self.multiplier
        return flow

    @property
    def realised_today(self) -> Decimal:
        """Of a margined position: profit since the last settlement on what is closed."""
        return self.day_flow + self.quantity * self.mark_average * self.multiplier

    def trade(self, side: Side, quantity: Decimal, price: Decimal, value: Decimal | None = None) -> None:
        """Take in a trade; `value` where a conversion carries an exact one that price x quantity would round."""
        before, signed = self.quantity, quantity * side.sign
        self.average_price = _average(self.average_price, before, signed, price)
        self.mark_average = _average(self.mark_average, before, signed, price)
        money = quantity * price * self.multiplier if value is None else value
        if side is Side.BUY:
            self.day_buy_quantity += quantity
            self.day_buy_value += money
        else:
            self.day_sell_quantity += quantity
            self.day_sell_value += money

    def carry(self, mark: Decimal) -> None:
        """Begin a new day: what is open is carried at `mark`, at which the ledger was settled."""
        open_quantity = self.quantity
        self.overnight_value = open_quantity * self.average_price * self.multiplier
        self.overnight_quantity = open_quantity
        self.mark_price = self.mark_average = mark if open_quantity else ZERO
        self.day_buy_quantity = self.day_buy_value = ZERO
        self.day_sell_quantity = self.day_sell_value = ZERO

    def view(self, last_price: Decimal | None) -> AccountPosition:
        """The net row."""
        carried_long, carried_short = max(self.overnight_quantity, ZERO), max(-self.overnight_quantity, ZERO)
        close = self.mark_price if self.overnight_quantity else self.listing.previous_close
        at_close = self.mark_price * self.multiplier
        return self._row(
            last_price=last_price,
            close=close,
            quantity=self.quantity,
            overnight=self.overnight_quantity,
            average=self.average_price,
            bought=(
                self.day_buy_quantity + carried_long,
                self.day_buy_value + max(self.overnight_value, ZERO),
                self.day_buy_value + carried_long * at_close,
            ),
            sold=(
                self.day_sell_quantity + carried_short,
                self.day_sell_value + max(-self.overnight_value, ZERO),
                self.day_sell_value + carried_short * at_close,
            ),
        )

    def day_view(self, last_price: Decimal | None) -> AccountPosition:
        """Today's trades alone, as if nothing had been carried over."""
        quantity = self.day_buy_quantity - self.day_sell_quantity
        if quantity > 0:
            average = _per_unit(self.day_buy_value, self.day_buy_quantity, self.multiplier)
        elif quantity < 0:
            average = _per_unit(self.day_sell_value, self.day_sell_quantity, self.multiplier)
        else:
            average = ZERO
        return self._row(
            last_price=last_price,
            close=self.listing.previous_close,
            quantity=quantity,
            overnight=ZERO,
            average=average,
            bought=(self.day_buy_quantity, self.day_buy_value, self.day_buy_value),
            sold=(self.day_sell_quantity, self.day_sell_value, self.day_sell_value),
        )

    def _row(
        self,
        *,
        last_price: Decimal | None,
        close: Decimal | None,
        quantity: Decimal,
        overnight: Decimal,
        average: Decimal,
        bought: tuple[Decimal, Decimal, Decimal],
        sold: tuple[Decimal, Decimal, Decimal],
    ) -> AccountPosition:
        multiplier = self.multiplier
        value = sold[1] - bought[1]
        realised = value + quantity * average * multiplier
        if not quantity:
            pnl: Decimal | None = value
            m2m: Decimal | None = sold[2] - bought[2]
        elif last_price is None:
            pnl = m2m = None
        else:
            pnl = value + quantity * last_price * multiplier
            m2m = sold[2] - bought[2] + quantity * last_price * multiplier
        return AccountPosition(
            listing=self.listing,
            product=self.product,
            quantity=quantity,
            overnight_quantity=overnight,
            multiplier=multiplier,
            average_price=average,
            close_price=close,
            last_price=last_price,
            value=value,
            pnl=pnl,
            m2m=m2m,
            unrealised=None if pnl is None else pnl - realised,
            realised=realised,
            buy_quantity=bought[0],
            buy_price=_per_unit(bought[1], bought[0], multiplier),
            buy_value=bought[1],
            buy_m2m=bought[2],
            sell_quantity=sold[0],
            sell_price=_per_unit(sold[1], sold[0], multiplier),
            sell_value=sold[1],
            sell_m2m=sold[2],
            day_buy_quantity=self.day_buy_quantity,
            day_buy_price=_per_unit(self.day_buy_value, self.day_buy_quantity, multiplier),
            day_buy_value=self.day_buy_value,
            day_sell_quantity=self.day_sell_quantity,
            day_sell_price=_per_unit(self.day_sell_value, self.day_sell_quantity, multiplier),
            day_sell_value=self.day_sell_value,
        )


def _average(average: Decimal, before: Decimal, signed: Decimal, price: Decimal) -> Decimal:
    after = before + signed
    if not after:
        return ZERO
    if before * signed >= 0:
        return (abs(before) * average + abs(signed) * price) / abs(after)
    return average if abs(signed) < abs(before) else price


def _per_unit(value: Decimal, quantity: Decimal, multiplier: Decimal) -> Decimal:
    return value / (quantity * multiplier) if quantity else ZERO
