"""The phases of a trading day and the session that they make up."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of


class Phase(StrEnum):
    """What the exchange does with orders at a moment.  Names of specs/india-markets.md 3.1."""

    CLOSED = "closed"
    PREOPEN_ENTRY = "preopen_entry"
    """Orders are collected for the opening auction, limit and market."""
    PREOPEN_LIMIT_ONLY = "preopen_limit_only"
    """Only limit orders; market orders cannot be placed, changed or cancelled."""
    PREOPEN_MATCHING = "preopen_matching"
    BUFFER = "buffer"
    """No orders: between matching and trading, or while the closing price is computed."""
    CONTINUOUS = "continuous"
    CAS_REFERENCE = "cas_reference"
    """Closing auction: the reference price is computed; no orders."""
    CAS_ENTRY = "cas_entry"
    CAS_LIMIT_ONLY = "cas_limit_only"
    CAS_MATCHING = "cas_matching"
    POST_CLOSE = "post_close"
    """Trading at the closing price."""
    HALTED = "halted"
    """An outage or a market-wide circuit breaker stopped trading."""


class SessionKind(StrEnum):
    """Why a day has the hours that it has."""

    REGULAR = "regular"
    SPECIAL = "special"
    """A full day outside the weekly rhythm: a Budget Sunday, a Saturday in place of a holiday."""
    DRILL = "drill"
    """A short Saturday that tests software or the disaster-recovery site."""
    MUHURAT = "muhurat"
    """The ceremonial hour of Diwali."""
    PARTIAL = "partial"
    """A part of the usual day: the evening of an MCX holiday, a US early close."""
    DISRUPTED = "disrupted"
    """An outage changed the hours."""


@dataclass(frozen=True, slots=True)
class PhaseWindow:
    """One phase from `start_ns` (inclusive) to `end_ns` (exclusive), int64 nanoseconds UTC.

    `random_from_ns`: the exchange may end the phase at any moment from then on; `end_ns` is the latest.
    """

    phase: Phase
    start_ns: int
    end_ns: int
    random_from_ns: int | None = None


@dataclass(frozen=True, slots=True)
class BlockWindow:
    """A window for block deals, [start_ns, end_ns).  It overlaps the phases of the day."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of one kind of instrument.

    `windows` tile the day of the exchange without gap or overlap: midnight to midnight in India, New York (US)
    or UTC (crypto), 17:00 to 17:00 New York time for forex.  `trade_date` is the day that the exchange writes
    on its trades.
    """

    exchange: Exchange
    segment: Segment
    trade_date: date
    kind: SessionKind
    windows: tuple[PhaseWindow, ...]

    @property
    def continuous(self) -> tuple[tuple[int, int], ...]:
        """(start_ns, end_ns) of each stretch of continuous trading; a drill has two."""
        return tuple((w.start_ns, w.end_ns) for w in self.windows if w.phase is Phase.CONTINUOUS)

    @property
    def open_ns(self) -> int:
        """First instant of continuous trading."""
        return self.continuous[0][0]

    @property
    def close_ns(self) -> int:
        """First instant after the last stretch of continuous trading."""
        return self.continuous[-1][1]

    def window_at(self, ns: int) -> PhaseWindow:
        """The window that holds an instant.  Errors: `InvalidValueError` when it is not on this day."""
        place = bisect_right(self.windows, ns, key=_start_of) - 1
        if place < 0 or ns >= self.windows[-1].end_ns:
            raise InvalidValueError(
                f"{datetime_of(ns).isoformat()} is not on the trading day {self.trade_date}"
            )
        return self.windows[place]

    def phase_at(self, ns: int) -> Phase:
        """The phase of an instant.  Errors: as `window_at`."""
        return self.window_at(ns).phase

    def with_halt(self, start_ns: int, halt_minutes: int | None, preopen_minutes: int = 15) -> "Session":
        """The day after a market-wide circuit breaker: halt, call auction, then what was planned.

        `halt_minutes` None stops trading for the day; then no closing auction and no post-close session is held
        (C:CMTR74466).  How long each breaker halts depends on its percentage and hour, see the circuit-breaker
        table of `trademantra.markets`.  Errors: `InvalidValueError` when trading is not continuous at `start_ns`.
        """
        if self.phase_at(start_ns) is not Phase.CONTINUOUS:
            raise InvalidValueError(
                f"a halt at {datetime_of(start_ns).isoformat()}: trading is not continuous then"
            )
        last_ns = self.windows[-1].end_ns
        if halt_minutes is None:
            windows = _overlaid(self.windows, PhaseWindow(Phase.HALTED, start_ns, last_ns))
            return replace(self, kind=SessionKind.DISRUPTED, windows=windows)
        if halt_minutes <= 0 or preopen_minutes < 0:
            raise InvalidValueError(f"a halt of {halt_minutes} and a pre-open of {preopen_minutes} minutes")
        auction_ns = start_ns + halt_minutes * NANOSECONDS_PER_MINUTE
        resume_ns = auction_ns + preopen_minutes * NANOSECONDS_PER_MINUTE
        if resume_ns > last_ns:
            raise InvalidValueError(f"a halt of {halt_minutes} minutes does not end on {self.trade_date}")
        windows = _overlaid(self.windows, PhaseWindow(Phase.HALTED, start_ns, auction_ns))
        if preopen_minutes > 0:
            windows = _overlaid(windows, PhaseWindow(Phase.PREOPEN_ENTRY, auction_ns, resume_ns))
        return replace(self, kind=SessionKind.DISRUPTED, windows=windows)


def _overlaid(windows: tuple[PhaseWindow, ...], over: PhaseWindow) -> tuple[PhaseWindow, ...]:
    """`windows` with `over` laid on top; what it covers is cut away."""
    kept = [over]
    for window in windows:
        if window.start_ns < over.start_ns:
            kept.append(replace(window, end_ns=min(window.end_ns, over.start_ns)))
        if window.end_ns > over.end_ns:
            start_ns = max(window.start_ns, over.end_ns)
            random_ns = None if window.random_from_ns is None else max(window.random_from_ns, start_ns)
            kept.append(replace(window, start_ns=start_ns, random_from_ns=random_ns))
    return tuple(sorted(kept, key=_start_of))


def _start_of(window: PhaseWindow) -> int:
    return window.start_ns
