"""Whether an order by hand is too large for its account: one zero too many is found before it is sent.

Strategies size their orders by rules that a back-test has played; a person types a number.
"""

from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument, InstrumentKind
from trademantra.core.order import Side
from trademantra.trading.risk.limits import OrderLimits

_HUNDRED = Decimal(100)
_MANY = 10


def check_size(
    instrument: Instrument,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    limits: OrderLimits,
    capital: Decimal,
) -> None:
    """`quantity` units that would be added at `price`; `capital`: the account's own money.

    Futures count in full and sold options at the strike, against `hand_contract_percent`; all else, bought options at the
    premium, against `hand_order_percent`.  Errors: `InvalidValueError`.
    """
    is_sold_option = instrument.strike is not None and side is Side.SELL
    unit = instrument.strike if instrument.strike is not None and is_sold_option else price
    is_contract = is_sold_option or instrument.kind is InstrumentKind.FUTURE
    name = "hand_contract_percent" if is_contract else "hand_order_percent"
    percent: Decimal | None = getattr(limits, name)
    value = quantity * unit * instrument.multiplier
    if percent is None or value <= capital * percent / _HUNDRED:
        return
    times = value / capital if capital > 0 else None
    share = (
        "beyond"
        if times is None
        else f"{times * _HUNDRED:.0f} % of"
        if times < _MANY
        else f"{times:,.0f} times"
    )
    raise InvalidValueError(
        f"{side} {quantity.normalize():f} {instrument.key} is worth {value:,.0f}, {share} the {capital:,.0f} that the account "
        f"has; an order by hand may be at most {percent.normalize():f} % ({name})",
        hint=f'check the quantity; to allow more: tm account limits, with {{"order": {{"{name}": …}}}}, and start the desk again',
    )
