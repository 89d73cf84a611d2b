"""Money: `Decimal` in the product, whole 1/10 000 in storage, float64 only inside the engine."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

from trademantra.core.errors import InvalidValueError

UNITS_PER_CURRENCY = 10_000
PAISA = Decimal("0.01")
RUPEE = Decimal(1)
CRORE = Decimal(10_000_000)
LAKH = Decimal(100_000)

_MOST_DIGITS = 24  # before or after the decimal point
_LARGEST_UNITS = 2**63 - 1


def decimal_of(value: Decimal | int | str | float, name: str = "value") -> Decimal:
    """Parse a finite number exactly as it is written.

    A float is read through its shortest decimal form, so `0.1` is one tenth.
    Errors: `InvalidValueError` naming `name` for anything that is not a finite number.

    >>> decimal_of("1234.50") + decimal_of(0.1)
    Decimal('1234.60')
    """
    if isinstance(value, bool):
        raise InvalidValueError(f"{name} must be a number, got {value!r}")
    try:
        parsed = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise InvalidValueError(f"{name} must be a number, got {value!r}") from error
    if not parsed.is_finite():
        raise InvalidValueError(f"{name} must be finite, got {value!r}")
    if parsed and not -_MOST_DIGITS < parsed.adjusted() < _MOST_DIGITS:
        raise InvalidValueError(f"{name} is beyond any sensible range: {value!r}"[:120])
    return parsed


def units_of(amount: Decimal) -> int:
    """Amount in 1/10 000 of its currency, for a 64-bit column.  Finer amounts are an error, never rounded.

    >>> units_of(Decimal("12.3456"))
    123456
    """
    scaled = amount * UNITS_PER_CURRENCY
    units = int(scaled)
    if units != scaled:
        raise InvalidValueError(
            f"{amount} is finer than 1/10 000", hint="round it first, with the rule that applies"
        )
    if abs(units) > _LARGEST_UNITS:
        raise InvalidValueError(f"{amount} does not fit a 64-bit money column")
    return units


def amount_of(units: int) -> Decimal:
    """Inverse of `units_of`.

    >>> amount_of(123456)
    Decimal('12.3456')
    """
    return Decimal(units).scaleb(-4)


def round_half_up(amount: Decimal, step: Decimal) -> Decimal:
    """Nearest multiple of `step`, halves away from zero, as Indian contract notes round.

    >>> round_half_up(Decimal("8.50"), RUPEE), round_half_up(Decimal("4.905"), PAISA)
    (Decimal('9'), Decimal('4.91'))
    """
    return _to_step(amount, step, ROUND_HALF_UP)


def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of `step` that is not above `amount`.

    >>> round_down(Decimal("100.07"), Decimal("0.05"))
    Decimal('100.05')
    """
    return _to_step(amount, step, ROUND_FLOOR)


def round_up(amount: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of `step` that is not below `amount`.

    >>> round_up(Decimal("100.07"), Decimal("0.05"))
    Decimal('100.10')
    """
    return _to_step(amount, step, ROUND_CEILING)


def is_multiple(amount: Decimal, step: Decimal) -> bool:
    """Whether a price lies on its tick grid, or a quantity on its lot grid."""
    return amount % step == 0


def _to_step(amount: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise InvalidValueError(f"a rounding step must be positive, got {step}")
    return (amount / step).to_integral_value(rounding=rounding) * step
