"""Price factors of corporate actions, and what they do to prices, quantities and contracts.

A factor `f` is exact (a `Fraction`): prices before the ex-date are multiplied by it, quantities divided.
Source of all rules: specs/india-markets.md section 7.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import RUPEE, decimal_of


class FactorKind(StrEnum):
    """What a circular means by "adjustment factor": NSE prints K for splits and bonuses, f itself for rights."""

    MULTIPLY_PRICE = "multiply_price"
    DIVIDE_PRICE = "divide_price"


def price_factor(quoted: Decimal, kind: FactorKind) -> Fraction:
    """`f` from a factor as a circular quotes it.

    >>> price_factor(Decimal(2), FactorKind.DIVIDE_PRICE)
    Fraction(1, 2)
    """
    quoted_exactly = Fraction(_positive(quoted, "adjustment factor"))
    return quoted_exactly if kind is FactorKind.MULTIPLY_PRICE else 1 / quoted_exactly


def split_factor(old_face_value: Decimal, new_face_value: Decimal) -> Fraction:
    """Split of the face value, or its consolidation: new / old.

    >>> split_factor(Decimal(10), Decimal(2)), split_factor(Decimal(1), Decimal(10))
    (Fraction(1, 5), Fraction(10, 1))
    """
    return Fraction(_positive(new_face_value, "new face value")) / Fraction(
        _positive(old_face_value, "old face value")
    )


def bonus_factor(new_shares: int, held_shares: int) -> Fraction:
    """Bonus of `new_shares` for every `held_shares`: held / (new + held).

    >>> bonus_factor(1, 1), bonus_factor(3, 1)
    (Fraction(1, 2), Fraction(1, 4))
    """
    _ratio(new_shares, held_shares)
    return Fraction(held_shares, new_shares + held_shares)


def rights_factor(
    new_shares: int, held_shares: int, issue_price: Decimal, cum_rights_close: Decimal
) -> Fraction:
    """Rights of `new_shares` for every `held_shares` at `issue_price`, from the last close with the right.

    1 when the issue price is not below the close: such a right is worth nothing.

    >>> float(rights_factor(1, 3, Decimal(60), Decimal(100)))
    0.9
    """
    _ratio(new_shares, held_shares)
    close = Fraction(_positive(cum_rights_close, "close before the ex-date"))
    ratio = Fraction(new_shares, held_shares)
    ex_price = (close + Fraction(_positive(issue_price, "issue price")) * ratio) / (1 + ratio)
    return min(ex_price / close, Fraction(1))


def dividend_factor(dividend: Decimal, cum_dividend_close: Decimal, *, total_return: bool) -> Fraction:
    """Cash dividend per share: (P - D) / P for a total-return series, 1 for a price-return series.

    >>> dividend_factor(Decimal(5), Decimal(100), total_return=True)
    Fraction(19, 20)
    """
    close = _positive(cum_dividend_close, "close before the ex-date")
    if not 0 <= dividend < close:
        raise InvalidValueError(f"a dividend of {dividend} is not within 0 and the price {close}")
    return Fraction(close - dividend) / Fraction(close) if total_return else Fraction(1)


def adjusted_price(price: Decimal, factor: Fraction, tick_size: Decimal) -> Decimal:
    """Price before the ex-date in terms after it, on the nearest tick (halves up).

    >>> adjusted_price(Decimal(165), price_factor(Decimal("0.985730"), FactorKind.MULTIPLY_PRICE), Decimal("0.05"))
    Decimal('162.65')
    """
    return _nearest(Fraction(price) * _positive_factor(factor), tick_size)


def adjusted_quantity(quantity: Decimal, factor: Fraction) -> Decimal:
    """Shares held before the ex-date in terms after it, exact where it is a decimal number; a part of a share
    is paid in cash.

    >>> adjusted_quantity(Decimal(10), bonus_factor(1, 2))
    Decimal('15')
    """
    exact = Fraction(quantity) / _positive_factor(factor)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """Terms of a listed contract that a corporate action changes; a future has no strike."""

    lot_size: Decimal
    strike: Decimal | None = None


def adjusted_contract(terms: ContractTerms, factor: Fraction, tick_size: Decimal) -> ContractTerms:
    """Terms after a split, bonus or rights issue: strike x f on the nearest tick, lot / f to a whole number.

    The freeze quantity changes too: ask for it anew.

    >>> adjusted_contract(ContractTerms(Decimal(550), Decimal(1990)), bonus_factor(1, 1), Decimal("0.05"))
    ContractTerms(lot_size=Decimal('1100'), strike=Decimal('995.00'))
    """
    return ContractTerms(
        lot_size=_nearest(Fraction(terms.lot_size) / _positive_factor(factor), RUPEE),
        strike=None if terms.strike is None else adjusted_price(terms.strike, factor, tick_size),
    )


def dividend_adjusts_contracts(
    dividend: Decimal, price: Decimal, *, threshold_percent: Decimal = Decimal(2)
) -> bool:
    """Whether a dividend is large enough that strikes and futures' base prices fall by it.

    The threshold is 2 percent of the price (an older rule had 5).  Contracts then have `strike - dividend`.

    >>> dividend_adjusts_contracts(Decimal(10), Decimal(400))
    True
    """
    return dividend * 100 >= threshold_percent * _positive(price, "price")


def _nearest(exact: Fraction, step: Decimal) -> Decimal:
    if step <= 0:
        raise InvalidValueError(f"a rounding step must be positive, got {step}")
    steps = exact / Fraction(step)
    whole = (2 * steps.numerator + steps.denominator) // (2 * steps.denominator)  # halves up, exactly
    return Decimal(whole) * step


def _ratio(new_shares: int, held_shares: int) -> None:
    if new_shares <= 0 or held_shares <= 0:
        raise InvalidValueError(f"a ratio of {new_shares} new for {held_shares} held is not one")


def _positive(value: Decimal, name: str) -> Decimal:
    if not decimal_of(value, name) > 0:
        raise InvalidValueError(f"{name} must be positive, got {value}")
    return value


def _positive_factor(factor: Fraction) -> Fraction:
    if factor <= 0:
        raise InvalidValueError(f"a price factor must be positive, got {factor}")
    return factor
