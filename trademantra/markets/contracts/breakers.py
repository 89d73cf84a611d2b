"""Market-wide circuit breaker: what a fall or rise of the index does to trading."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum
from functools import cache

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.markets.contracts.facts import Confidence, read_rows


class HaltKind(StrEnum):
    NONE = "none"  # trading goes on
    PAUSE = "pause"  # trading stops, then a pre-open auction, then trading again
    REST_OF_DAY = "rest_of_day"  # trading stops; no closing auction is held either (C:CMTR74466)


@dataclass(frozen=True, slots=True)
class Halt:
    """Consequence of a trigger.  Minutes are counted from the trigger; the pre-open follows the halt."""

    kind: HaltKind
    halt_minutes: int = 0
    pre_open_minutes: int = 0

    @property
    def minutes(self) -> int | None:
        """Minutes without continuous trading; None when it does not come back that day."""
        return None if self.kind is HaltKind.REST_OF_DAY else self.halt_minutes + self.pre_open_minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRow:
    """One row of the table: a trigger from `time_from` (included) to `time_before` (not included)."""

    trigger_percent: Decimal
    time_from: time
    time_before: time | None
    halt: Halt
    source: str
    confidence: Confidence


def circuit_breaker(trigger_percent: Decimal, at: time) -> Halt:
    """What happens when the index has moved by `trigger_percent` at the time `at` of a day in India.

    NIFTY 50 or SENSEX, whichever crosses first, counted from its previous close, either way; 10, 15 and 20
    percent are the triggers and any other number acts as the highest of them that it reaches.
    Errors: `InvalidValueError` for a negative number or a time with a zone.
    Source: data/breakers.csv (specs/india-markets.md 2.5).

    >>> circuit_breaker(Decimal(10), time(13, 20))
    Halt(kind=<HaltKind.PAUSE: 'pause'>, halt_minutes=15, pre_open_minutes=15)
    """
    if not trigger_percent >= 0:
        raise InvalidValueError(f"a move is given without sign, got {trigger_percent} percent")
    if at.tzinfo is not None:
        raise InvalidValueError(f"{at} has a zone", hint="give the wall-clock time in India without one")
    reached = [row for row in breaker_rows() if row.trigger_percent <= trigger_percent]
    if not reached:
        return Halt(HaltKind.NONE)
    highest = max(row.trigger_percent for row in reached)
    return next(
        row.halt
        for row in reached
        if row.trigger_percent == highest
        and row.time_from <= at
        and (row.time_before is None or at < row.time_before)
    )


@cache
def breaker_rows() -> tuple[BreakerRow, ...]:
    """The shipped rows; those of one trigger cover the whole day."""
    return read_rows("breakers.csv", _breaker_row)


def _breaker_row(texts: Mapping[str, str]) -> BreakerRow:
    minutes = int(texts["halt_minutes"])
    if texts["rest_of_day"] == "yes":
        halt = Halt(HaltKind.REST_OF_DAY)
    elif minutes:
        halt = Halt(HaltKind.PAUSE, minutes, int(texts["pre_open_minutes"]))
    else:
        halt = Halt(HaltKind.NONE)
    return BreakerRow(
        trigger_percent=decimal_of(texts["trigger_percent"], "trigger_percent"),
        time_from=time.fromisoformat(texts["time_from"] or "00:00"),
        time_before=time.fromisoformat(texts["time_before"]) if texts["time_before"] else None,
        halt=halt,
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
