"""At what price, and how much of it, an order fills in a bar: pure rules over plain numbers.

The step of the back-test and the simulated exchange share them, so that paper fills are back-test fills.  Compiled
code calls the parts as they are; plain Python calls `uncompiled(part)`, which gives the same bits.

`side` is +1 for an order that buys and -1 for one that sells.  Prices are in the instrument's currency, quantities
and volumes in units.  A bar is given by its open, high and low; a tick is a bar of which all three are equal.
"""

from math import inf, nan

import numpy as np

from trademantra.engine.compile import compiled, part
from trademantra.engine.records import SlippageKind
from trademantra.engine.signature import INDEX, NUMBER

# numba reads plain integers faster to compile than enum members
BPS, TICKS, RANGE, SQUARE_ROOT = (
    int(SlippageKind.BPS),
    int(SlippageKind.TICKS),
    int(SlippageKind.RANGE),
    int(SlippageKind.SQUARE_ROOT),
)
DUST = 1e-9  # of a lot or of equity; below it a quantity is a rounding residue
_NOISE = 1e-6  # of a tick


@part
def limit_price(side: int, level: float, opening: float, high: float, low: float, touch: int) -> float:
    """Price at which a resting limit order at `level` fills in a bar; NaN when it does not fill.

    An open on the better side of the level gives the open.  Otherwise the bar must trade through the level, or with
    `touch` = 1 reach it, and gives the level.
    """
    if side * (opening - level) < 0.0:
        return opening
    reach = low if side > 0 else high
    if side * (reach - level) < 0.0 or (touch == 1 and reach == level):
        return level
    return nan


@part
def stop_price(side: int, level: float, opening: float, high: float, low: float) -> float:
    """Price, before slippage, at which a stop order with its trigger at `level` fills in a bar; NaN when it does not.

    An open at or beyond the trigger gives the open: a gap is not bought or sold at a price that never traded.
    """
    if side * (opening - level) >= 0.0:
        return opening
    reach = high if side > 0 else low
    if side * (reach - level) >= 0.0:
        return level
    return nan


@compiled(NUMBER(NUMBER, INDEX, NUMBER))  # for plain callers of `slipped`, who must not wait for a compiler
def on_tick(tick: float, side: int, level: float) -> float:
    """The level of an order on the tick: one that buys is moved down, one that sells up, by less than one tick.

    So a limit never pays more or sells for less than asked, and a trigger never triggers later.  A level that only
    the noise of arithmetic keeps off the tick lies on it, as the very float that a bar of that price holds (the
    quotient of two whole numbers is correctly rounded).  As it is with `tick` 0; NaN stays NaN; never below one tick.
    """
    if tick <= 0.0:
        return level
    steps = level / tick
    steps = np.floor(steps + _NOISE) if side > 0 else np.ceil(steps - _NOISE)
    parts = np.rint(1.0 / tick)  # ticks in one unit of price, where it holds whole ones
    price = steps / parts if parts > 0.0 and abs(1.0 / tick - parts) < DUST * parts else steps * tick
    return float(max(price, tick))


@part
def slipped(
    kind: int,
    value: float,
    tick: float,
    side: int,
    price: float,
    high: float,
    low: float,
    volume: float,
    quantity: float,
) -> float:
    """The price that a market order gets: worse than `price` by the slippage model, outward to the tick.

    `kind` is a `SlippageKind`; `tick` 0 leaves the price unrounded.
    """
    if kind == BPS:
        price += side * price * value * 1e-4
    elif kind == TICKS:
        price += side * value * tick
    elif kind == RANGE:
        price += side * value * (high - low)
    elif kind == SQUARE_ROOT and volume > 0.0:
        price += side * price * value * np.sqrt(quantity / volume)
    else:
        return price
    return float(max(on_tick(tick, -side, price), tick))


@part
def whole_lots(lot: float, quantity: float) -> float:
    """Largest multiple of the lot that is not above `quantity`; `quantity` itself where `lot` is 0."""
    if lot <= 0.0:
        return quantity
    return float(np.floor(quantity / lot + DUST) * lot)


@part
def room_of(participation: float, volume: float) -> float:
    """Quantity that may fill within a bar of such volume; no bound where `participation` is 0."""
    return participation * volume if participation > 0.0 else inf


@part
def rest_of(room: float, taken: float) -> float:
    """What a fill leaves of the room in a bar; a rounding residue is nothing."""
    return room - taken if room - taken > DUST * taken else 0.0
