"""Turning (a part of) a position into another product.

Money moves only in what is blocked: the shares change product at the average price of the open quantity, so wealth and
profit stay as they are.  The day's trades are re-labelled, the newest first, so that the contract note charges the
product that they ended in.
"""

import copy
from dataclasses import dataclass, replace
from decimal import Decimal

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.blocking import group_of
from trademantra.brokers.paper.account.checks import DEMAT, no_holdings, no_product, too_little
from trademantra.brokers.paper.account.holdings import security_of
from trademantra.brokers.paper.account.positions import PositionState, is_offered
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.state import AccountState, Execution, to_give
from trademantra.brokers.paper.account.views import ZERO
from trademantra.brokers.paper.terms import Refusal
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import plain
from trademantra.core.money import round_half_up
from trademantra.core.order import Product, Side

_FINE = Decimal("1E-8")  # moved values are cut to this, so that sums over both products stay exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """`side` of the position that is converted: BUY of a long one.  `overnight`: what was carried, not today's part."""

    listing: Listing
    side: Side
    quantity: Decimal
    old: Product
    new: Product
    overnight: bool


def convert(state: AccountState, wanted: Conversion) -> None:
    """Errors: `AccountRejectionError`, and nothing is changed; `InvalidValueError` for a quantity that is not positive."""
    if wanted.quantity <= 0:
        raise InvalidValueError(f"a conversion needs a positive quantity, got {wanted.quantity}")
    _check(state, wanted)
    groups = {group_of(wanted.listing, wanted.old), group_of(wanted.listing, wanted.new)}
    keys = [(wanted.listing.token, wanted.old), (wanted.listing.token, wanted.new)]
    kept = {key: copy.copy(p) if key in keys else p for key, p in state.positions.items()}
    executions = state.executions
    before = state.funds().free
    move(state, wanted)
    for group in groups:
        state.refresh(group)
    after = state.funds().free
    if after >= 0 or after >= before:
        return
    state.positions, state.executions = kept, executions
    state.regroup()
    raise too_little(state, before - after, before)


def _check(state: AccountState, wanted: Conversion) -> None:
    listing = wanted.listing
    for product in (wanted.old, wanted.new):
        if not is_offered(listing, product) or wanted.old is wanted.new:
            raise no_product(state, product, listing.symbol)
    position = state.positions.get((listing.token, wanted.old))
    free = _convertible(position, wanted) if position else ZERO
    if wanted.quantity > free:
        text = state.settings.texts.conversion.format(
            quantity=plain(wanted.quantity), symbol=listing.symbol, free=plain(free)
        )
        raise AccountRejectionError(Refusal.INPUT, text)
    if wanted.side is Side.SELL and wanted.new in DEMAT:
        key = (security_of(listing.instrument), wanted.new)
        free = state.held(key) - to_give(state.sales(key), state.settings)
        if wanted.quantity > free:
            raise no_holdings(state, listing.symbol, wanted.quantity, free)
    if wanted.side is Side.BUY and wanted.old in DEMAT:
        # what working sales count on must stay
        key = (security_of(listing.instrument), wanted.old)
        free = state.held(key) - to_give(state.sales(key), state.settings)
        if wanted.quantity > free:
            raise no_holdings(state, listing.symbol, wanted.quantity, free)


def _convertible(position: PositionState, wanted: Conversion) -> Decimal:
    if wanted.overnight:
        part = position.overnight_quantity * wanted.side.sign
    else:
        part = position.day_buy_quantity if wanted.side is Side.BUY else position.day_sell_quantity
    return max(min(position.quantity * wanted.side.sign, part), ZERO)


def move(state: AccountState, wanted: Conversion) -> None:
    """Change product without any check."""
    old = state.positions[(wanted.listing.token, wanted.old)]
    new = state.position(wanted.listing, wanted.new)
    if wanted.overnight:
        _move_carried(old, new, wanted)
        return
    price, quantity = old.mark_average, wanted.quantity
    value = round_half_up(price * quantity * old.multiplier, _FINE)
    new.trade(wanted.side, quantity, price, value)
    if wanted.side is Side.BUY:
        old.day_buy_quantity -= quantity
        old.day_buy_value -= value
    else:
        old.day_sell_quantity -= quantity
        old.day_sell_value -= value
    if not old.quantity:
        old.average_price = old.mark_average = ZERO
    state.executions = _relabelled(state.executions, wanted)


def _move_carried(old: PositionState, new: PositionState, wanted: Conversion) -> None:
    signed = wanted.quantity * wanted.side.sign
    value = round_half_up(old.overnight_value * wanted.quantity / abs(old.overnight_quantity), _FINE)
    before = new.quantity
    total = before + signed
    if before * signed >= 0:
        new.average_price = (before * new.average_price + signed * old.average_price) / total
        new.mark_average = (before * new.mark_average + signed * old.mark_average) / total
    elif before * total <= 0:  # the other way round before: what remains is of this part
        new.average_price = old.average_price if total else ZERO
        new.mark_average = old.mark_average if total else ZERO
    new.overnight_quantity += signed
    new.overnight_value += value
    new.mark_price = old.mark_price
    old.overnight_quantity -= signed
    old.overnight_value -= value
    if not old.quantity:
        old.average_price = old.mark_average = ZERO


def _relabelled(
    executions: dict[str, tuple[Execution, ...]], wanted: Conversion
) -> dict[str, tuple[Execution, ...]]:
    left = wanted.quantity
    result = dict(executions)
    for trade_id, parts in reversed(executions.items()):
        changed: list[Execution] = []
        for part in parts:
            fits = (part.listing.token, part.product, part.side) == (
                wanted.listing.token,
                wanted.old,
                wanted.side,
            )
            taken = min(left, part.quantity) if fits else ZERO
            left -= taken
            if taken < part.quantity:
                changed.append(replace(part, quantity=part.quantity - taken))
            if taken:
                # an executed order has one product: the converted part is an order of its own on the note
                name = f"{part.order_id} as {wanted.new}"
                changed.append(replace(part, product=wanted.new, quantity=taken, order_id=name))
        result[trade_id] = tuple(changed)
    return result
