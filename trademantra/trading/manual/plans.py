"""What a wish becomes: an intent for the desk, or the spec of an algorithm.  Pure: the same wish gives the same plan.

The name of everything comes from the request, so a request that is answered twice is placed once.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.records import LevelKind
from trademantra.engine.rules import Level
from trademantra.trading.algos.bracket import BracketSpec, GuardSpec
from trademantra.trading.algos.chase import ChaseSpec
from trademantra.trading.algos.iceberg import IcebergSpec
from trademantra.trading.algos.levels import Protection, exit_levels
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.slices import Finish, Style
from trademantra.trading.algos.view import AlgoSpec
from trademantra.trading.intents import MANUAL, OrderIntent, Purpose
from trademantra.trading.manual.wishes import (
    AlgoKind,
    AlgoWish,
    Levels,
    OrderWish,
    check_percent,
    level_words,
)
from trademantra.trading.orders import PositionKey, side_to_flatten
from trademantra.trading.positions import HeldPosition

_MOST_PARTS = 500
_LEAST_SLICE_SHARE = 100  # a participation slice is at least this part of the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is known when a wish is planned.  `held` by hand in the instrument and product, signed; `last` None: no price."""

    name: str
    account_id: str
    instrument: Instrument
    held: Decimal
    last: Decimal | None
    now_ns: int
    rest_target: bool = True


class _SliceWords(TypedDict):
    """What every algorithm that works in parts is told."""

    algo_id: str
    account_id: str
    strategy_id: str
    instrument: Instrument
    side: Side
    quantity: Decimal
    product: Product
    decided_ns: int
    purpose: Purpose
    price_limit: Decimal | None


def request_name(request_id: str) -> str:
    """The name of what a request places.

    >>> request_name("3f2a")
    'manual.3f2a'
    """
    return f"{MANUAL}.{request_id}"


def check_lots(instrument: Instrument, quantity: Decimal) -> None:
    """Errors: `InvalidValueError`."""
    if quantity % instrument.lot_size:
        raise InvalidValueError(
            f"{quantity.normalize():f} of {instrument.key} is not a number of lots of {instrument.lot_size.normalize():f}"
        )


def purpose_of(wish: OrderWish, held: Decimal) -> Purpose:
    """An order that only closes what is held is an exit: it goes before entries, and whatever blocks them."""
    closes = held * wish.side.sign < 0 and wish.quantity <= abs(held)
    return Purpose.EXIT if closes and not wish.levels.is_some else Purpose.ENTRY


def intent_of(wish: OrderWish, terms: Terms) -> OrderIntent:
    """Errors: `InvalidValueError`."""
    check_lots(terms.instrument, wish.quantity)
    return OrderIntent(
        intent_id=terms.name, account_id=terms.account_id, strategy_id=MANUAL, instrument=terms.instrument, side=wish.side,
        quantity=wish.quantity, product=wish.product, purpose=purpose_of(wish, terms.held), decided_ns=terms.now_ns,
        order_type=wish.order_type, price=wish.price, trigger_price=wish.trigger, validity=wish.validity,
        reference_price=terms.last,
    )  # fmt: skip


def bracket_of(wish: OrderWish, terms: Terms) -> BracketSpec:
    """Errors: `InvalidValueError`, also where a level would lie at or below zero."""
    check_above_zero(wish.levels, wish.side, _entry_price(wish, terms.last))
    return BracketSpec(
        algo_id=terms.name, account_id=terms.account_id, strategy_id=MANUAL, instrument=terms.instrument, side=wish.side,
        quantity=wish.quantity, product=wish.product, decided_ns=terms.now_ns, protection=_protection(wish.levels),
        order_type=wish.order_type, price=wish.price, trigger_price=wish.trigger, validity=wish.validity,
        reference_price=terms.last, rest_target=terms.rest_target,
    )  # fmt: skip


def guard_of(levels: Levels, product: Product, position: HeldPosition, terms: Terms) -> GuardSpec:
    """Exits for what is held.

    Errors: `InvalidValueError` where nothing is, for a level at or below zero, and for one that the last price has passed.
    """
    if not position.quantity:
        raise InvalidValueError(f"nothing of {terms.instrument.key} ({product}) is held by hand")
    average = position.cost / position.quantity / terms.instrument.multiplier
    side = side_to_flatten(position.quantity).opposite
    check_above_zero(levels, side, average)
    if terms.last is not None:
        _check_ahead(levels, side, average, terms.last, terms.instrument)
    return GuardSpec(
        algo_id=terms.name, account_id=terms.account_id, strategy_id=MANUAL, instrument=terms.instrument,
        side=side, quantity=abs(position.quantity), product=product,
        decided_ns=terms.now_ns, average=float(average), protection=_protection(levels), rest_target=terms.rest_target,
    )  # fmt: skip


def check_above_zero(levels: Levels, side: Side, price: Decimal | None) -> None:
    """Levels of an entry on `side` at `price` (None: not known, only percents are looked at).

    Errors: `InvalidValueError` for one at or below zero: no price reaches it, so it protects nothing.
    """
    check_percent(levels, side)
    if price is None:
        return
    for name in ("stop", "trail") if side is Side.BUY else ("target",):
        level: Level = getattr(levels, name)
        if level.kind is LevelKind.POINTS and level.value >= price:
            raise InvalidValueError(
                f"{name}: {level_words(level)} below {price:.2f} is {float(price) - level.value:g}, and no price gets there",
                hint=f"write less than {price:.2f}pt, or a percentage such as 1.5%",
            )


def _check_ahead(levels: Levels, side: Side, average: Decimal, last: Decimal, instrument: Instrument) -> None:
    """Errors: `InvalidValueError` for a level on the wrong side of the last price: it would sell out at once."""
    fixed = Levels(stop=levels.stop, target=levels.target)
    found = exit_levels(_protection(fixed), instrument, side, float(average), float(average))
    for name, level, sign in (("stop", found.stop, side.sign), ("target", found.target, -side.sign)):
        if level is not None and sign * (last - level) <= 0:
            where = "below" if sign > 0 else "above"
            raise InvalidValueError(
                f"{name}: {level:f} must lie {where} the last price, {last:f}; distances are from the average price, {average:.2f}",
                hint="give another distance, or close the position",
            )


def _entry_price(wish: OrderWish, last: Decimal | None) -> Decimal | None:
    """Where an order is expected to fill: at its trigger, else at the better of its limit and the last price."""
    if wish.trigger is not None:
        return wish.trigger
    known = [price for price in (wish.price, last) if price is not None]
    if not known:
        return None
    return min(known) if wish.side is Side.BUY else max(known)


def parts_of(algo: AlgoWish) -> int:
    """Of a schedule: those that are wished, else one a minute."""
    minutes = -(-algo.length_ns // NANOSECONDS_PER_MINUTE)
    return algo.parts or max(1, min(_MOST_PARTS, minutes))


def algo_of(wish: OrderWish, algo: AlgoWish, terms: Terms, weights: tuple[float, ...] = ()) -> AlgoSpec:
    """`weights`: the volume curve of a VWAP.  Errors: `InvalidValueError`."""
    check_lots(terms.instrument, wish.quantity)
    words: _SliceWords = {
        "algo_id": terms.name, "account_id": terms.account_id, "strategy_id": MANUAL, "instrument": terms.instrument,
        "side": wish.side, "quantity": wish.quantity, "product": wish.product, "decided_ns": terms.now_ns,
        "purpose": purpose_of(wish, terms.held), "price_limit": wish.price,
    }  # fmt: skip
    style = Style.REST if algo.rests else Style.CROSS
    finish = Finish.GIVE_UP if algo.gives_up else Finish.CROSS
    end_ns = terms.now_ns + algo.length_ns
    match algo.kind:
        case AlgoKind.TWAP | AlgoKind.VWAP:
            return ScheduleSpec(
                start_ns=terms.now_ns, end_ns=end_ns, weights=weights or (1.0,) * parts_of(algo), style=style, finish=finish,
                **words,
            )  # fmt: skip
        case AlgoKind.ICEBERG:
            return IcebergSpec(shown=algo.shown or wish.quantity, **words)
        case AlgoKind.PARTICIPATION:
            lot = terms.instrument.lot_size
            least = max(lot, wish.quantity / _LEAST_SLICE_SHARE // lot * lot)
            return ParticipationSpec(
                share=algo.share or 0.0, least=least, end_ns=end_ns, style=style,
                **words,
            )  # fmt: skip
        case AlgoKind.CHASE:
            return ChaseSpec(end_ns=end_ns, follows=algo.follows, finish=finish, **words)


def key_of(instrument: Instrument, product: Product, strategy_id: str = MANUAL) -> PositionKey:
    return PositionKey(strategy_id, instrument.key, product)


def _protection(levels: Levels) -> Protection:
    return Protection(stop_rule=levels.stop, target_rule=levels.target, trail=levels.trail)
