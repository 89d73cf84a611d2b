"""Funds as Kite shows them, segment by segment."""

from decimal import Decimal

from trademantra.brokers.paper.account.blocking import COMMODITY, EQUITY, group_of
from trademantra.brokers.paper.account.funds import Funds
from trademantra.brokers.paper.account.positions import Accounting
from trademantra.brokers.paper.account.state import AccountState
from trademantra.brokers.paper.account.views import (
    ZERO,
    AvailableFunds,
    Marks,
    SegmentMargin,
    UtilisedFunds,
)


def segment_margins(state: AccountState, marks: Marks) -> dict[str, SegmentMargin]:
    """Both segments; they share one pool of money, which stands in the equity segment."""
    funds = state.funds()
    return {segment: _segment(state, funds, segment, marks) for segment in (EQUITY, COMMODITY)}


def _segment(state: AccountState, funds: Funds, segment: str, marks: Marks) -> SegmentMargin:
    used = funds.of(segment)
    cash = funds.ledger if segment == EQUITY else ZERO
    return SegmentMargin(
        enabled=True,
        net=funds.free,
        available=AvailableFunds(cash=cash, opening_balance=cash, live_balance=funds.free),
        utilised=UtilisedFunds(
            debits=used.debits,
            span=used.span_used,
            exposure=used.exposure_used,
            option_premium=used.premium_used,
            delivery=used.delivery_used,
            m2m_realised=-used.flows.m2m,
            m2m_unrealised=_unrealised(state, segment, marks),
            holding_sales=used.flows.holding_sales,
        ),
    )


def _unrealised(state: AccountState, segment: str, marks: Marks) -> Decimal | None:
    """Loss (a profit negative) of open margined positions since they were last settled."""
    total = ZERO
    for position in state.positions.values():
        group = group_of(position.listing, position.product)
        if group[0] != segment or position.accounting is not Accounting.MARGINED or not position.quantity:
            continue
        mark = marks(position.listing.token)
        if mark is None:
            return None
        total -= (mark - position.mark_average) * position.quantity * position.multiplier
    return total
