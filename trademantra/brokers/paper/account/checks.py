"""Accepting an order: product, shares to sell, money.  Refusals are in the broker's words (`RejectionTexts`)."""

from decimal import Decimal

from trademantra.brokers.paper.account.blocking import WorkingOrder, funds_segment
from trademantra.brokers.paper.account.holdings import security_of
from trademantra.brokers.paper.account.positions import is_offered
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.state import AccountState, to_give
from trademantra.brokers.paper.account.views import ZERO
from trademantra.brokers.paper.terms import Refusal
from trademantra.core.instrument import plain
from trademantra.core.money import PAISA, round_half_up
from trademantra.core.order import Product, Side

DEMAT = (Product.CNC, Product.MTF)


def accept(state: AccountState, order: WorkingOrder) -> None:
    """Hold what the order needs, or raise `AccountRejectionError` and leave all as it was.

    An order that holds no more than before is accepted whatever the funds.
    """
    _check_product(state, order)
    if order.side is Side.SELL and order.product in DEMAT:
        _check_holdings(state, order)
    old = state.working.get(order.order_id)
    held = state.block_of(order.order_id).total
    state.work(order)
    block = state.block_of(order.order_id)
    if block.total <= held or state.funds().free >= 0:
        return
    if old is None:
        state.release(order.order_id)
    else:
        state.work(old)
    before = state.funds()
    of_segment = before.of(funds_segment(order.listing.instrument.segment))
    credit = of_segment.premium_credit if block.option_premium else ZERO
    raise too_little(state, block.total, before.free + credit + held)


def too_little(state: AccountState, required: Decimal, available: Decimal) -> AccountRejectionError:
    words = {"account": state.account_id, "required": _money(required), "available": _money(available)}
    texts = state.settings.texts
    return AccountRejectionError(Refusal.MARGIN, texts.funds.format(**words), texts.funds_raw.format(**words))


def no_holdings(state: AccountState, symbol: str, quantity: Decimal, free: Decimal) -> AccountRejectionError:
    words = {
        "account": state.account_id,
        "symbol": symbol,
        "quantity": plain(quantity),
        "free": plain(max(free, ZERO)),
    }
    texts = state.settings.texts
    return AccountRejectionError(
        Refusal.HOLDING, texts.holdings.format(**words), texts.holdings_raw.format(**words)
    )


def no_product(state: AccountState, product: Product, symbol: str) -> AccountRejectionError:
    text = state.settings.texts.product.format(product=product, symbol=symbol)
    return AccountRejectionError(Refusal.INPUT, text)


def _check_product(state: AccountState, order: WorkingOrder) -> None:
    if not is_offered(order.listing, order.product):
        raise no_product(state, order.product, order.listing.symbol)


def _check_holdings(state: AccountState, order: WorkingOrder) -> None:
    key = (security_of(order.listing.instrument), order.product)
    sales = state.sales(key)
    others = [other for other in sales if other.order_id != order.order_id]
    held = state.held(key)
    if to_give([*others, order], state.settings) > max(held, to_give(sales, state.settings)):
        raise no_holdings(state, order.listing.symbol, order.pending, held - to_give(others, state.settings))


def _money(amount: Decimal) -> str:
    return f"{round_half_up(amount, PAISA):.2f}"
