"""Rules of one order by itself: size, price, kind, time, repetition."""

from datetime import time
from decimal import Decimal

from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of
from trademantra.trading.risk.limits import OrderLimits, Scope
from trademantra.trading.risk.rules.rule import (
    REDUCES,
    REFUSES,
    Asked,
    Breach,
    OrderCheck,
    OrderRule,
    amount,
)
from trademantra.trading.risk.taken import fingerprint

_ORDER = frozenset({Scope.ORDER})
_HUNDRED = Decimal(100)
_INDEX_EXCHANGES = frozenset({Exchange.NSE, Exchange.BSE})
_INDEX_SEGMENTS = frozenset({Segment.EQUITY, Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS})


def _no_price(asked: Asked, rule: str) -> Breach:
    return Breach(
        f"no price of {asked.intent.instrument.key} is known, which {rule} needs; subscribe to it or wait for the feed",
        unknown=True,
    )


def _order_value(limits: OrderLimits) -> OrderCheck | None:
    limit = limits.max_order_value
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        """At the highest of last, limit, trigger and reference price: an asker cannot make an order look small."""
        price, intent = asked.market.price, asked.intent
        if price is None:
            return _no_price(asked, "max_order_value")
        for other in (intent.price, intent.trigger_price, intent.reference_price):
            if other is not None and other > price:
                price = other
        unit = price * intent.instrument.multiplier
        if asked.quantity * unit <= limit:
            return None
        return Breach(
            f"order value {amount(asked.quantity * unit)} is above max_order_value {amount(limit)}; make it smaller",
            fits=limit / unit,
        )

    return check


def _order_quantity(limits: OrderLimits) -> OrderCheck | None:
    limit = limits.max_order_quantity
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        if asked.quantity <= limit:
            return None
        return Breach(
            f"quantity {amount(asked.quantity)} is above max_order_quantity {amount(limit)}; make it smaller",
            fits=limit,
        )

    return check


def _price_deviation(limits: OrderLimits) -> OrderCheck | None:
    percent = limits.max_price_deviation_percent
    options = limits.option_deviation_percent or percent
    if percent is None or options is None:
        return None
    floor = limits.option_deviation_amount or Decimal(0)

    def check(asked: Asked) -> Breach | None:
        intent, last = asked.intent, asked.market.price
        if intent.price is None and intent.trigger_price is None and intent.reference_price is None:
            return None
        if last is None:
            return _no_price(asked, "max_price_deviation_percent")
        if intent.instrument.strike is None:
            width = last * percent / _HUNDRED
        else:
            width = max(last * options / _HUNDRED, floor)
        for name, price in (
            ("limit price", intent.price),
            ("trigger price", intent.trigger_price),
            ("reference price", intent.reference_price),
        ):
            if price is not None and abs(price - last) > width:
                return Breach(
                    f"{name} {price} is {amount(abs(price - last))} away from the last price {last}; at most "
                    f"{amount(width)} is allowed; check the price, or the symbol"
                )
        return None

    return check


def _price_band(limits: OrderLimits) -> OrderCheck | None:
    if not limits.require_price_band:
        return None

    def check(asked: Asked) -> Breach | None:
        intent, band = asked.intent, asked.market.band
        if band is None:
            return Breach(
                f"today's price band of {intent.instrument.key} is not known; wait for the broker's quote",
                unknown=True,
            )
        for price in (intent.price, intent.trigger_price):
            if price is not None and not band[0] <= price <= band[1]:
                return Breach(f"price {price} is outside today's band {band[0]} to {band[1]}; change it")
        return None

    return check


def _stale_price(limits: OrderLimits) -> OrderCheck | None:
    seconds = limits.max_price_age_seconds
    if seconds is None:
        return None
    longest = int(seconds * NANOSECONDS_PER_SECOND)

    def check(asked: Asked) -> Breach | None:
        if asked.market.price is None:
            return _no_price(asked, "max_price_age_seconds")
        age = asked.now_ns - asked.market.price_ns
        if age <= longest:
            return None
        return Breach(
            f"the price of {asked.intent.instrument.key} is {age // NANOSECONDS_PER_SECOND} s old, at most {amount(seconds)}"
            " s are allowed; see whether the feed is alive",
            unknown=True,
        )

    return check


def _duplicate(limits: OrderLimits) -> OrderCheck | None:
    seconds = limits.duplicate_window_seconds
    if seconds is None:
        return None
    window = int(seconds * NANOSECONDS_PER_SECOND)

    def check(asked: Asked) -> Breach | None:
        before = asked.state.last_alike(fingerprint(asked.intent, asked.holding.instrument_key))
        if before is None or asked.now_ns - before >= window:
            return None
        return Breach(
            f"the same order was taken {(asked.now_ns - before) // 1_000_000} ms ago; within {amount(seconds)} s that counts "
            "as a mistake; send it later if it is meant",
            retry_ns=before + window,
        )

    return check


def _products(limits: OrderLimits) -> OrderCheck | None:
    allowed = limits.allowed_products
    if allowed is None:
        return None

    def check(asked: Asked) -> Breach | None:
        if asked.intent.product in allowed:
            return None
        return Breach(
            f"product {asked.intent.product} is not among the allowed {', '.join(sorted(allowed)) or 'none'}"
        )

    return check


def _segments(limits: OrderLimits) -> OrderCheck | None:
    allowed = limits.allowed_segments
    if allowed is None:
        return None

    def check(asked: Asked) -> Breach | None:
        if asked.intent.instrument.segment in allowed:
            return None
        return Breach(
            f"segment {asked.intent.instrument.segment} is not among the allowed {', '.join(sorted(allowed)) or 'none'}"
        )

    return check


def _hours(limits: OrderLimits) -> OrderCheck | None:
    allowed = limits.allowed_hours
    if allowed is None:
        return None
    windows = tuple((_nanoseconds(each.start), _nanoseconds(each.end)) for each in allowed)

    def check(asked: Asked) -> Breach | None:
        since_midnight = (asked.now_ns + _IST_OFFSET) % _DAY
        for start, end in windows:
            if start <= since_midnight < end:
                return None
        return Breach(
            f"it is {datetime_of(asked.now_ns):%H:%M:%S} in India, outside the allowed hours "
            f"{', '.join(str(each) for each in allowed) or 'none'}"
        )

    return check


_DAY = 86_400 * NANOSECONDS_PER_SECOND
_IST_OFFSET = (5 * 3600 + 30 * 60) * NANOSECONDS_PER_SECOND  # India has no summer time


def _nanoseconds(at: time) -> int:
    return (at.hour * 3600 + at.minute * 60 + at.second) * NANOSECONDS_PER_SECOND + at.microsecond * 1000


def _index_move(limits: OrderLimits) -> OrderCheck | None:
    limit = limits.max_index_move_percent
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        """Of NIFTY 50 or SENSEX, so for what hangs on them: shares and their derivatives on NSE and BSE."""
        instrument = asked.intent.instrument
        if instrument.exchange not in _INDEX_EXCHANGES or instrument.segment not in _INDEX_SEGMENTS:
            return None
        move = asked.state.index_move_percent
        if move is None:
            return Breach(
                "the index is not known, which max_index_move_percent needs; wait until it can be read",
                unknown=True,
            )
        if abs(move) < limit:
            return None
        return Breach(
            f"the index moved by {amount(move)} percent today, entries stop at {amount(limit)}; wait for a calmer market"
        )

    return check


def _market_halt(_: OrderLimits) -> OrderCheck | None:
    def check(asked: Asked) -> Breach | None:
        exchange = asked.intent.instrument.exchange
        halt = asked.state.halt(exchange, asked.now_ns)
        if halt is None:
            return None
        until = "for the rest of the day" if halt[0] is None else f"until {datetime_of(halt[0]):%H:%M}"
        return Breach(f"trading on {exchange} is halted {until}; send it after that", retry_ns=halt[0])

    return check


def _currency(_: OrderLimits) -> OrderCheck | None:
    def check(asked: Asked) -> Breach | None:
        currency = asked.state.currency_of(asked.intent.account_id)
        if asked.intent.instrument.currency == currency:
            return None
        return Breach(
            f"{asked.intent.instrument.key} trades in {asked.intent.instrument.currency}, the account's limits are in "
            f"{currency}; trade it in an account of its own currency"
        )

    return check


ORDER_RULES = (
    OrderRule(code="currency", scopes=_ORDER, bind=_currency, actions=REFUSES,
              description="the instrument trades in the account's currency, in which all sums are"),
    OrderRule(code="product", scopes=_ORDER, bind=_products, actions=REFUSES, description="only allowed products"),
    OrderRule(code="segment", scopes=_ORDER, bind=_segments, actions=REFUSES, description="only allowed segments"),
    OrderRule(code="hours", scopes=_ORDER, bind=_hours, actions=REFUSES, description="only in allowed hours (India)"),
    OrderRule(code="market_halt", scopes=_ORDER, bind=_market_halt, actions=REFUSES,
              description="the exchange is not halted by its circuit breaker"),
    OrderRule(code="index_move", scopes=_ORDER, bind=_index_move, actions=REFUSES,
              description="the index has not moved too far today"),
    OrderRule(code="duplicate", scopes=_ORDER, bind=_duplicate, actions=REFUSES,
              description="the same order is not taken twice within moments"),
    OrderRule(code="stale_price", scopes=_ORDER, bind=_stale_price, actions=REFUSES,
              description="the price is known and fresh"),
    OrderRule(code="price_band", scopes=_ORDER, bind=_price_band, actions=REFUSES,
              description="prices lie in the exchange's band of the day"),
    OrderRule(code="price_deviation", scopes=_ORDER, bind=_price_deviation, actions=REFUSES,
              description="prices lie near the last price (fat finger)"),
    OrderRule(code="order_quantity", scopes=_ORDER, bind=_order_quantity, actions=REDUCES,
              description="units of one order"),
    OrderRule(code="order_value", scopes=_ORDER, bind=_order_value, actions=REDUCES, description="value of one order"),
)  # fmt: skip
