"""What futures and short options need, leg by leg and together.

No SPAN file is used: a leg needs a fraction of its value (of an option: of its strike), and two benefits are known:
- a short option and a long one of the same underlying, expiry and right need the spread's greatest loss as SPAN, when
  that is less; the exposure margin stays;
- a future against one of another expiry needs a small fraction as SPAN and a part of the exposure.
A benefit needs at least one leg that is held: two orders that wait never lower each other's margin.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import ZERO
from trademantra.core.instrument import OptionRight
from trademantra.core.money import PAISA, round_half_up


class Leg(NamedTuple):
    """An open quantity (signed) at a price, or what a working order would open.  `factor` scales its margin."""

    listing: Listing
    quantity: Decimal
    price: Decimal
    factor: Decimal
    working: bool


class Risk(NamedTuple):
    span: Decimal
    exposure: Decimal

    @property
    def total(self) -> Decimal:
        return self.span + self.exposure


NO_RISK = Risk(ZERO, ZERO)


class RiskBook:
    """Legs of one underlying, whose margin together can be asked for the first so many of them.

    Never more than the legs alone need; in paise.
    """

    __slots__ = ("_alone", "_legs", "_pairs")

    def __init__(self, legs: Sequence[Leg], settings: MarginSettings) -> None:
        self._legs = legs
        units = [_unit(leg, settings) for leg in legs]
        self._alone = [NO_RISK]
        for leg, unit in zip(legs, units, strict=True):
            so_far, size = self._alone[-1], abs(leg.quantity)
            self._alone.append(Risk(so_far.span + unit.span * size, so_far.exposure + unit.exposure * size))
        self._pairs = _pairs(legs, units, settings) if settings.hedge_benefit else []

    def of_first(self, count: int) -> Risk:
        span, exposure = self._alone[count]
        left = [abs(leg.quantity) for leg in self._legs[:count]]
        for pair in self._pairs:
            if pair.first >= count or pair.second >= count:
                continue
            matched = min(left[pair.first], left[pair.second])
            if matched:
                left[pair.first] -= matched
                left[pair.second] -= matched
                span -= pair.saved.span * matched
                exposure -= pair.saved.exposure * matched
        return Risk(round_half_up(span, PAISA), round_half_up(exposure, PAISA))


def _unit(leg: Leg, settings: MarginSettings) -> Risk:
    """Margin of one unit by itself; a long option has none, its premium is paid."""
    instrument = leg.listing.instrument
    if instrument.segment.is_options and leg.quantity > 0:
        return NO_RISK
    fractions = settings.fractions(leg.listing.symbol, instrument)
    value = _value(leg) * leg.factor
    return Risk(value * fractions.span, value * fractions.exposure)


def _value(leg: Leg) -> Decimal:
    """Value of one unit that margin is a fraction of."""
    instrument = leg.listing.instrument
    price = leg.price if instrument.strike is None else instrument.strike
    return price * instrument.multiplier


class _Pair(NamedTuple):
    """A possible hedge of one unit; sorted so that the greatest saving is taken first."""

    cost: Decimal
    tokens: tuple[int, int]
    first: int
    second: int
    saved: Risk


def _pairs(legs: Sequence[Leg], units: Sequence[Risk], settings: MarginSettings) -> list[_Pair]:
    longs = [number for number, leg in enumerate(legs) if leg.quantity > 0]
    return sorted(
        pair
        for i, short in enumerate(legs)
        if short.quantity < 0
        for j in longs
        if not (short.working and legs[j].working)
        if (pair := _pair(i, j, legs, units, settings)) is not None
    )


def _pair(
    i: int, j: int, legs: Sequence[Leg], units: Sequence[Risk], settings: MarginSettings
) -> _Pair | None:
    short, long = legs[i], legs[j]
    sold, bought = short.listing.instrument, long.listing.instrument
    of_short, of_long = units[i], units[j]
    tokens = (short.listing.token, long.listing.token)
    if sold.strike is not None and bought.strike is not None:
        if (sold.expiry, sold.right) != (bought.expiry, bought.right):
            return None
        width = bought.strike - sold.strike if sold.right is OptionRight.CALL else sold.strike - bought.strike
        loss = max(width, ZERO) * sold.multiplier
        if loss >= of_short.span:
            return None
        return _Pair(loss - of_short.span, tokens, i, j, Risk(of_short.span - loss, ZERO))
    if sold.segment.is_futures and bought.segment.is_futures and sold.expiry != bought.expiry:
        # every contract has an expiry (Instrument)
        assert sold.expiry is not None
        assert bought.expiry is not None
        far, of_far = (short, of_short) if sold.expiry > bought.expiry else (long, of_long)
        factor = max(short.factor, long.factor)
        span = _value(far) * settings.calendar_spread_span * factor
        exposure = of_far.exposure * settings.calendar_spread_exposure
        both = of_short.span + of_long.span, of_short.exposure + of_long.exposure
        saved = Risk(max(both[0] - span, ZERO), max(both[1] - exposure, ZERO))
        return _Pair(-saved.total, tokens, i, j, saved)
    return None
