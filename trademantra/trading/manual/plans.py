"""What a wish becomes: an intent for the desk, or the spec of an algorithm.  Pure: the same wish gives the same plan.

The name of everything comes from the request, so a request that is answered twice is placed once.
"""

from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.algos.bracket import BracketSpec, GuardSpec
from trademantra.trading.algos.chase import ChaseSpec
from trademantra.trading.algos.iceberg import IcebergSpec
from trademantra.trading.algos.levels import Protection
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.slices import Finish, Style
from trademantra.trading.algos.view import AlgoSpec
from trademantra.trading.intents import MANUAL, OrderIntent, Purpose
from trademantra.trading.manual.wishes import AlgoKind, AlgoWish, Levels, OrderWish
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
    """Errors: `InvalidValueError`."""
    return BracketSpec(
        algo_id=terms.name, account_id=terms.account_id, strategy_id=MANUAL, instrument=terms.instrument, side=wish.side,
        quantity=wish.quantity, product=wish.product, decided_ns=terms.now_ns, protection=_protection(wish.levels),
        order_type=wish.order_type, price=wish.price, trigger_price=wish.trigger, validity=wish.validity,
        reference_price=terms.last, rest_target=terms.rest_target,
    )  # fmt: skip


def guard_of(levels: Levels, product: Product, position: HeldPosition, terms: Terms) -> GuardSpec:
    """Exits for what is held.  Errors: `InvalidValueError` where nothing is."""
    if not position.quantity:
        raise InvalidValueError(f"nothing of {terms.instrument.key} ({product}) is held by hand")
    average = position.cost / position.quantity / terms.instrument.multiplier
    return GuardSpec(
        algo_id=terms.name, account_id=terms.account_id, strategy_id=MANUAL, instrument=terms.instrument,
        side=side_to_flatten(position.quantity).opposite, quantity=abs(position.quantity), product=product,
        decided_ns=terms.now_ns, average=float(average), protection=_protection(levels), rest_target=terms.rest_target,
    )  # fmt: skip


def parts_of(algo: AlgoWish) -> int:
    """Of a schedule: those that are wished, else one a minute."""
    minutes = -(-algo.length_ns // NANOSECONDS_PER_MINUTE)
    return algo.parts or max(1, min(_MOST_PARTS, minutes))


def algo_of(wish: OrderWish, algo: AlgoWish, terms: Terms, weights: tuple[float, ...] = ()) -> AlgoSpec:
    """`weights`: the volume curve of a VWAP.  Errors: `InvalidValueError`."""
    check_lots(terms.instrument, wish.quantity)
    words = {
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
                **words,  # type: ignore[arg-type]  # fields by name
            )  # fmt: skip
        case AlgoKind.ICEBERG:
            return IcebergSpec(shown=algo.shown or wish.quantity, **words)  # type: ignore[arg-type]
        case AlgoKind.PARTICIPATION:
            lot = terms.instrument.lot_size
            least = max(lot, wish.quantity / _LEAST_SLICE_SHARE // lot * lot)
            return ParticipationSpec(
                share=algo.share or 0.0, least=least, end_ns=end_ns, style=style,
                **words,  # type: ignore[arg-type]
            )  # fmt: skip
        case AlgoKind.CHASE:
            return ChaseSpec(end_ns=end_ns, follows=algo.follows, finish=finish, **words)  # type: ignore[arg-type]


def key_of(instrument: Instrument, product: Product, strategy_id: str = MANUAL) -> PositionKey:
    return PositionKey(strategy_id, instrument.key, product)


def _protection(levels: Levels) -> Protection:
    return Protection(stop_rule=levels.stop, target_rule=levels.target, trail=levels.trail)
