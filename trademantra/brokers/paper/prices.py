"""Between the engine's floats and the exchange's decimals."""

from decimal import Decimal

from trademantra.core.money import decimal_of

_NEAR = 1e-9


def decimal_price(value: float, tick: Decimal) -> Decimal:
    """The decimal on the tick grid that a float stands for; a price off the grid is kept as it is written.

    >>> decimal_price(100.1 + 0.05, Decimal("0.05")), decimal_price(100.12, Decimal("0.05"))
    (Decimal('100.15'), Decimal('100.12'))
    """
    on_grid = tick * round(value / float(tick))
    if abs(float(on_grid) - value) <= _NEAR * max(1.0, abs(value)):
        return on_grid
    return decimal_of(value)


def decimal_quantity(value: float, lot: Decimal) -> Decimal:
    """Whole lots of a quantity, exactly; what is above them is cut off.

    >>> decimal_quantity(149.99999999999, Decimal(75))
    Decimal('150')
    """
    return lot * int(value / float(lot) + _NEAR)
