"""The exchange's orders, trades, holdings and quotes in the words of `BrokerAdapter`."""

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.errors import (
    BrokerError,
    BrokerUnavailableError,
    FundsRefusedError,
    PermissionRefusedError,
    RequestRefusedError,
)
from trademantra.brokers.market import DepthLevel, Quote, StreamMode
from trademantra.brokers.orders import BrokerOrder, BrokerTrade
from trademantra.brokers.paper.account.views import AccountHolding, AccountPosition, SegmentMargin
from trademantra.brokers.paper.market import MarketState
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade, Refusal, RefusedRequestError

_ERRORS: dict[Refusal, type[BrokerError]] = {
    Refusal.INPUT: RequestRefusedError,
    Refusal.ORDER: RequestRefusedError,
    Refusal.MARGIN: FundsRefusedError,
    Refusal.HOLDING: FundsRefusedError,
    Refusal.PERMISSION: PermissionRefusedError,
    Refusal.USER: PermissionRefusedError,
    Refusal.GENERAL: BrokerUnavailableError,
}


def error_of(refused: RefusedRequestError) -> BrokerError:
    return _ERRORS[refused.kind](refused.message, hint=refused.hint, broker_code=refused.kind)


def order_of(order: ExchangeOrder) -> BrokerOrder:
    request = order.request
    return BrokerOrder(
        broker_order_id=order.order_id,
        instrument=order.listing.instrument,
        side=request.side,
        quantity=request.quantity,
        order_type=request.order_type,
        product=request.product,
        status=order.status,
        raw_status=order.stage,
        price=request.price,
        trigger_price=request.trigger_price,
        validity=request.validity,
        variety=request.variety,
        filled_quantity=order.filled_quantity,
        cancelled_quantity=order.cancelled_quantity,
        average_price=order.average_price if order.filled_quantity else None,
        tag=request.tag,
        message=order.status_message or "",
        parent_order_id=order.parent_order_id,
        exchange_order_id=order.exchange_order_id,
        placed_ns=order.placed_ns,
        updated_ns=order.updated_ns,
    )


def trade_of(trade: ExchangeTrade) -> BrokerTrade:
    return BrokerTrade(
        trade_id=trade.trade_id,
        broker_order_id=trade.order_id,
        exchange_order_id=trade.exchange_order_id,
        instrument=trade.listing.instrument,
        side=trade.side,
        product=trade.product,
        quantity=trade.quantity,
        price=trade.price,
        at_ns=trade.at_ns,
    )


def position_of(position: AccountPosition) -> Position:
    return Position(
        instrument=position.listing.instrument,
        product=position.product,
        quantity=position.quantity,
        overnight_quantity=position.overnight_quantity,
        average_price=position.average_price,
        last_price=position.last_price,
        realised=position.realised,
        unrealised=position.unrealised,
        buy_quantity=position.buy_quantity,
        buy_value=position.buy_value,
        sell_quantity=position.sell_quantity,
        sell_value=position.sell_value,
    )


def holding_of(holding: AccountHolding) -> Holding:
    return Holding(
        instrument=holding.listing.instrument,
        quantity=holding.quantity,
        t1_quantity=holding.t1_quantity,
        average_price=holding.average_price,
        last_price=holding.last_price,
        isin=holding.listing.instrument.isin,
        product=holding.product,
    )


def funds_of(segment: str, margin: SegmentMargin) -> Funds:
    return Funds(
        segment=segment,
        available=margin.net,
        used=margin.utilised.debits,
        opening=margin.available.opening_balance,
    )


def quote_of(state: MarketState, mode: StreamMode = StreamMode.FULL) -> Quote | None:
    """What a stream of that mode shows; None before the first price."""
    if state.last_price is None or state.at_ns is None:
        return None
    if mode is StreamMode.LTP:
        return Quote(instrument=state.listing.instrument, at_ns=state.at_ns, last_price=state.last_price)
    full = mode is StreamMode.FULL
    return Quote(
        instrument=state.listing.instrument,
        at_ns=state.at_ns,
        last_price=state.last_price,
        last_quantity=state.last_quantity,
        last_trade_ns=state.at_ns if full else None,
        average_price=state.average_price,
        volume=state.volume,
        buy_quantity=_offered(state.bids),
        sell_quantity=_offered(state.asks),
        open=state.open,
        high=state.high,
        low=state.low,
        previous_close=state.previous_close,
        open_interest=state.open_interest if full else None,
        open_interest_high=state.open_interest_high if full else None,
        open_interest_low=state.open_interest_low if full else None,
        lower_circuit=state.lower_circuit if full else None,
        upper_circuit=state.upper_circuit if full else None,
        bids=state.bids if full else (),
        asks=state.asks if full else (),
    )


def _offered(levels: tuple[DepthLevel, ...]) -> int | None:
    """What is visible on one side; None where nothing can be seen."""
    return sum(level.quantity for level in levels) if levels else None
