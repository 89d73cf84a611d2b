"""Where the protective levels of a position lie: the engine's own arithmetic, on the tick."""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, isnan, nan

from trademantra.core.instrument import Instrument
from trademantra.core.order import Side
from trademantra.engine import sizing
from trademantra.engine.compile import uncompiled
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level

_distance = uncompiled(sizing.level_distance)
_NO_LEVEL = Level()
_OFF_GRID = 1e-6  # of a tick: what float arithmetic may be off


@dataclass(frozen=True, slots=True)
class Protection:
    """How a position is protected.  Own absolute levels (`stop`, `target`; NaN: none) win over the rules' distances.

    Distances are from the average price of entry; those of `trail` from the best price since.  `atr` is the average
    true range at the decision, in currency, for distances that are multiples of it.
    """

    stop: float = nan
    target: float = nan
    stop_rule: Level = _NO_LEVEL
    target_rule: Level = _NO_LEVEL
    trail: Level = _NO_LEVEL
    atr: float = nan


@dataclass(frozen=True, slots=True)
class ExitLevels:
    """What a position leaves at now, on the tick; None: no such level.  `stop_reason` tells the fixed stop from the trail."""

    stop: Decimal | None
    stop_reason: Reason
    target: Decimal | None


def exit_levels(
    protection: Protection, instrument: Instrument, entry_side: Side, average: float, peak: float
) -> ExitLevels:
    """The levels of a position that was entered on `entry_side` at `average`; `peak` is the best price since.

    As the engine (`step.enter`, `step.stop_level`): the nearer of the fixed and the trailing stop holds, and at the same
    tick the fixed one.

    >>> from trademantra.core.instrument import Exchange, InstrumentKind, Segment
    >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
    >>> found = exit_levels(Protection(stop_rule=Level.parse("1%"), trail=Level.parse("2pt")), share, Side.BUY, 100.03, 102.0)
    >>> found.stop, found.stop_reason.name, found.target
    (Decimal('100.00'), 'TRAIL', None)
    """
    sign = entry_side.sign
    stop, target = protection.stop, protection.target
    if isnan(stop):
        rule = protection.stop_rule
        stop = average - sign * _distance(rule.kind, rule.value, average, protection.atr)
    if isnan(target):
        rule = protection.target_rule
        target = average + sign * _distance(rule.kind, rule.value, average, protection.atr)
    trail = peak - sign * _distance(protection.trail.kind, protection.trail.value, peak, protection.atr)
    exit_side = entry_side.opposite
    fixed, trailing = on_tick(instrument, exit_side, stop), on_tick(instrument, exit_side, trail)
    nearer, reason = fixed, Reason.STOP
    if trailing is not None and (fixed is None or sign * (trailing - fixed) > 0):
        nearer, reason = trailing, Reason.TRAIL
    return ExitLevels(nearer, reason, on_tick(instrument, exit_side, target))


def on_tick(instrument: Instrument, side: Side, level: float) -> Decimal | None:
    """A level for an order of `side`: a buy down, a sell up, as the order policy rounds; None for NaN.

    At least one tick, for prices of zero and below are never reached.
    """
    if isnan(level):
        return None
    steps = level / float(instrument.tick_size)
    whole = floor(steps + _OFF_GRID) if side is Side.BUY else ceil(steps - _OFF_GRID)
    return max(whole, 1) * instrument.tick_size
