"""Quotes in Kite's shapes (specs/brokers.md 1.4)."""

from collections.abc import Sequence
from decimal import Decimal

from trademantra.brokers.market import DepthLevel
from trademantra.brokers.paper.market import MarketState
from trademantra.core.instrument import InstrumentKind
from trademantra.sandbox.kite.json_form import Json, number, stamp_or_none

_LEVELS = 5
_NO_LEVEL: Json = {"price": 0, "quantity": 0, "orders": 0}


def quote(state: MarketState) -> Json:
    """`GET /quote`.  Indices have neither depth nor volume."""
    shape: dict[str, Json] = {
        "instrument_token": state.listing.token,
        "timestamp": stamp_or_none(state.at_ns),
        "last_trade_time": stamp_or_none(state.at_ns),
        "last_price": _price(state.last_price),
        "net_change": _change(state),
        "ohlc": _ohlc(state),
    }
    if state.listing.instrument.kind is InstrumentKind.INDEX:
        return shape
    return shape | {
        "last_quantity": state.last_quantity or 0,
        "buy_quantity": sum(level.quantity for level in state.bids),
        "sell_quantity": sum(level.quantity for level in state.asks),
        "volume": state.volume,
        "average_price": _price(state.average_price),
        "oi": state.open_interest or 0,
        "oi_day_high": state.open_interest_high or 0,
        "oi_day_low": state.open_interest_low or 0,
        "lower_circuit_limit": _price(state.lower_circuit),
        "upper_circuit_limit": _price(state.upper_circuit),
        "depth": {"buy": _levels(state.bids), "sell": _levels(state.asks)},
    }


def ohlc(state: MarketState) -> Json:
    """`GET /quote/ohlc`."""
    return {**_last(state), "ohlc": _ohlc(state)}


def ltp(state: MarketState) -> Json:
    """`GET /quote/ltp`."""
    return _last(state)


def _last(state: MarketState) -> dict[str, Json]:
    return {"instrument_token": state.listing.token, "last_price": _price(state.last_price)}


def _ohlc(state: MarketState) -> Json:
    """`close` is that of the day before, as the broker has it."""
    return {
        "open": _price(state.open),
        "high": _price(state.high),
        "low": _price(state.low),
        "close": _price(state.previous_close),
    }


def _change(state: MarketState) -> Json:
    if state.last_price is None or not state.previous_close:
        return 0
    return number(state.last_price - state.previous_close)


def _price(value: Decimal | None) -> int | float:
    """Kite writes 0 for a price that there is not yet."""
    return 0 if value is None else number(value)


def _levels(levels: Sequence[DepthLevel]) -> Json:
    shown: list[Json] = [
        {"price": number(level.price), "quantity": level.quantity, "orders": level.orders}
        for level in levels[:_LEVELS]
    ]
    return shown + [_NO_LEVEL] * (_LEVELS - len(shown))
