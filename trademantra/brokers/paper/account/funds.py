"""The money of an account at one moment, and what of it a new order may use.

free = ledger - debits of the two segments; debits = margins + blocks - money moved today, with the premium of options
as a pool of its own: what was received less what was paid and is blocked for buying.  A negative pool is a debit; a
positive one buys options of its segment only (`premium_buys_options_only`).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from trademantra.brokers.paper.account.blocking import COMMODITY, Block, GroupMargin
from trademantra.brokers.paper.account.holdings import HoldingState, security_of
from trademantra.brokers.paper.account.positions import PositionState
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import ZERO
from trademantra.core.money import PAISA, round_half_up
from trademantra.core.order import Product

HoldingKey: TypeAlias = tuple[str, Product]


class Flows(NamedTuple):
    """What today's trades did to the money that may be used, before margins."""

    delivery: Decimal
    premium: Decimal
    m2m: Decimal
    holding_sales: Decimal


class SegmentFunds(NamedTuple):
    """What one segment uses.  Flows: credits positive; margins and blocks positive."""

    flows: Flows
    span: Decimal
    exposure: Decimal
    var: Decimal
    blocks: Block
    premium_buys_options_only: bool

    @property
    def premium_pool(self) -> Decimal:
        return self.flows.premium - self.blocks.option_premium

    @property
    def premium_credit(self) -> Decimal:
        """Premium that only buys options of this segment."""
        return max(self.premium_pool, ZERO) if self.premium_buys_options_only else ZERO

    @property
    def span_used(self) -> Decimal:
        return self.span + self.blocks.span

    @property
    def exposure_used(self) -> Decimal:
        """Of contracts, and the margin of intraday shares."""
        return self.exposure + self.blocks.exposure + self.var + self.blocks.var

    @property
    def premium_used(self) -> Decimal:
        return self.premium_credit - self.premium_pool

    @property
    def delivery_used(self) -> Decimal:
        return self.blocks.delivery - self.flows.delivery

    @property
    def debits(self) -> Decimal:
        """All that lessens the free funds; a credit is negative."""
        return self.span_used + self.exposure_used + self.premium_used + self.delivery_used - self.flows.m2m


class Funds(NamedTuple):
    """The one pool of money: `ledger` as settled, and what each segment uses of it."""

    ledger: Decimal
    equity: SegmentFunds
    commodity: SegmentFunds

    @property
    def free(self) -> Decimal:
        """What any order may use."""
        return self.ledger - self.equity.debits - self.commodity.debits

    def of(self, segment: str) -> SegmentFunds:
        return self.commodity if segment == COMMODITY else self.equity


def segment_funds(
    groups: Iterable[GroupMargin],
    shares: Iterable[PositionState],
    holdings: Mapping[HoldingKey, HoldingState],
    settings: MarginSettings,
) -> SegmentFunds:
    """`shares`: today's positions in shares for delivery."""
    span = exposure = var = premium = m2m = ZERO
    blocks = Block()
    for group in groups:
        span += group.risk.span
        exposure += group.risk.exposure
        var += group.var
        premium += group.premium
        m2m += group.m2m
        blocks = blocks.plus(group.blocked)
    if not settings.use_todays_profit:
        m2m = min(m2m, ZERO)
    delivery, sales = _delivery(shares, holdings, settings)
    flows = Flows(delivery, premium, m2m, sales)
    return SegmentFunds(flows, span, exposure, var, blocks, settings.premium_buys_options_only)


def _delivery(
    shares: Iterable[PositionState], holdings: Mapping[HoldingKey, HoldingState], settings: MarginSettings
) -> tuple[Decimal, Decimal]:
    """(money that moved and may be used, value of holdings sold)."""
    delivery = sales = ZERO
    securities: dict[HoldingKey, list[PositionState]] = {}
    for position in shares:
        delivery += position.day_flow
        key = (security_of(position.listing.instrument), position.product)
        securities.setdefault(key, []).append(position)
    for key, of_security in securities.items():
        quantity = sum((p.quantity for p in of_security), ZERO)
        delivery += lent(key, of_security, holdings.get(key), settings)
        if quantity < 0:
            sold = _sold_value(of_security, -quantity)
            sales += sold
            delivery -= round_half_up(_withheld(sold, -quantity, holdings.get(key), settings), PAISA)
    return delivery, sales


def lent(
    key: HoldingKey,
    positions: Iterable[PositionState],
    holding: HoldingState | None,
    settings: MarginSettings,
) -> Decimal:
    """What the broker lends for funded shares bought today, or takes back (negative) for those sold."""
    if key[1] is not Product.MTF:
        return ZERO
    of_security = list(positions)
    quantity = sum((p.quantity for p in of_security), ZERO)
    if quantity > 0:
        bought = sum((p.day_buy_value for p in of_security), ZERO)
        units = sum((p.day_buy_quantity for p in of_security), ZERO)
        return round_half_up(bought * quantity / units * (1 - settings.mtf), PAISA)
    return -holding.loan_of(-quantity) if quantity and holding else ZERO


def _sold_value(positions: list[PositionState], quantity: Decimal) -> Decimal:
    value = sum((p.day_sell_value for p in positions), ZERO)
    units = sum((p.day_sell_quantity for p in positions), ZERO)
    return value * quantity / units


def _withheld(
    value: Decimal, quantity: Decimal, holding: HoldingState | None, settings: MarginSettings
) -> Decimal:
    """Part of a sale out of holdings that may not be used today.  Delivered shares are sold first."""
    delivered = min(holding.quantity, quantity) / quantity if holding else ZERO
    usable = delivered * settings.holding_sale_credit + (1 - delivered) * settings.t1_sale_credit
    return value * (1 - usable)
