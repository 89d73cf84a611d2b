"""Where each bar lies in its trading day: what session-aware kernels and daily scores need to know."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Int8Array, Int64Array
from trademantra.engine.records import Signal

IST_OFFSET_NS = int(5.5 * 3_600) * 1_000_000_000
_NEVER = 2**63 - 1
_ALL = int(Signal.ENTER_LONG | Signal.EXIT_LONG | Signal.ENTER_SHORT | Signal.EXIT_SHORT)
_EXITS = int(Signal.EXIT_LONG | Signal.EXIT_SHORT)
_KEEPS = _EXITS | int(Signal.SQUARE_OFF)


class Span(Protocol):
    """A trading session: nanoseconds UTC of its first and its last instant (half open)."""

    @property
    def open_ns(self) -> int: ...
    @property
    def close_ns(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Per bar: `session` number from 0, `minute` since that session opened, `day` since 1970-01-01 local.

    `ends` (sessions,) is the index of the last bar of each session.
    `allowed` (n,) is empty, or a mask of `Signal`s per bar: entries are masked out after the cut-off, and the
    bar at which intraday positions leave carries `Signal.SQUARE_OFF`.  `first_entry` is the minute of a session before
    which nothing is entered.  `auction` (n,) is empty, or marks the bars of closing auctions: intraday positions leave before.
    """

    session: Int64Array
    minute: Int64Array
    day: Int64Array
    ends: Int64Array
    allowed: Int8Array
    first_entry: int = 0
    auction: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def __len__(self) -> int:
        return len(self.session)

    def with_square_off(self, leave_minute: int, last_entry_minute: int | None = None) -> "Timeline":
        """Intraday rules: no entry from `last_entry_minute`, flat at `leave_minute` (both since the open).

        The position leaves at the open of the first bar at or after `leave_minute`, or of the session's last bar
        when bars end before it; bars of a closing auction are not waited for.  Entries are masked at closes after which the next bar opens too late.
        """
        cut = leave_minute if last_entry_minute is None else min(last_entry_minute, leave_minute)
        happens = np.append(self.minute[1:], 0)  # a decision at a close happens when the next bar opens
        allowed = np.where(happens >= cut, _EXITS, _ALL).astype(np.int8)
        starts = np.concatenate(([0], self.ends[:-1] + 1))
        for start, end in zip(starts.tolist(), self.ends.tolist(), strict=True):
            leaving = start + int(np.searchsorted(self.minute[start : end + 1], leave_minute))
            leaving = min(leaving, self._last_continuous(start, end))
            allowed[leaving] = _EXITS | int(Signal.SQUARE_OFF)
            allowed[max(start, leaving - 1) : leaving] &= _EXITS
            allowed[leaving + 1 : end + 1] = _EXITS
            allowed[end] &= _EXITS | int(
                Signal.SQUARE_OFF
            )  # an entry at the last close would wait for tomorrow
        return replace(self, allowed=allowed)

    def _last_continuous(self, start: int, end: int) -> int:
        """The last bar of a session before its closing auction; the last of all where it has nothing else."""
        if not len(self.auction) or not self.auction[end]:
            return end
        before = int(np.argmax(self.auction[start : end + 1]))  # auctions come last
        return start + before - 1 if before else end

    def with_first_entry(self, first_entry_minute: int) -> "Timeline":
        """No entry before that minute since the open: those are masked at closes after which the next bar opens earlier."""
        allowed = self.allowed.copy() if len(self.allowed) else np.full(len(self), _ALL, np.int8)
        happens = np.append(self.minute[1:], 0)
        allowed[happens < first_entry_minute] &= _KEEPS
        return replace(self, allowed=allowed, first_entry=first_entry_minute)

    def silent_before(self, first: int) -> "Timeline":
        """Nothing is let in, or said, at the closes of bars before `first`: they warm up."""
        allowed = self.allowed.copy() if len(self.allowed) else np.full(len(self), _ALL, np.int8)
        allowed[:first] = 0
        return replace(self, allowed=allowed)


def by_sessions(
    ts: Int64Array,
    spans: Sequence[Span],
    zone_offset_ns: int = IST_OFFSET_NS,
    *,
    auctions_ns: Sequence[int | None] = (),
) -> Timeline:
    """Timeline of bars that start at `ts` (n,) in given sessions.

    `auctions_ns`: for each session when its closing auction begins, None where it has none.
    Errors: `InvalidValueError` naming the first bar that starts outside every session.
    """
    opens = np.array([span.open_ns for span in spans], np.int64)
    closes = np.array([span.close_ns for span in spans], np.int64)
    which = np.searchsorted(opens, ts, side="right") - 1
    outside = (which < 0) | (ts >= closes[np.maximum(which, 0)]) if len(spans) else np.ones(len(ts), bool)
    if outside.any():
        i = int(np.argmax(outside))
        raise InvalidValueError(
            f"bar {i} ({np.datetime64(int(ts[i]), 'ns').astype('datetime64[s]')}Z) lies outside every session",
            hint="check the exchange and the time zone of the data, or drop such bars",
        )
    fresh = np.concatenate(([False], which[1:] != which[:-1]))[: len(ts)]
    opened = opens[which]
    minute = (ts - opened) // NANOSECONDS_PER_MINUTE
    made = _timeline(np.cumsum(fresh), minute, (opened + zone_offset_ns) // NANOSECONDS_PER_DAY)
    if all(begin is None for begin in auctions_ns):
        return made
    begins = np.array([_NEVER if begin is None else begin for begin in auctions_ns], np.int64)
    return replace(made, auction=np.ascontiguousarray(ts >= begins[which]))


def by_days(ts: Int64Array, zone_offset_ns: int = 0) -> Timeline:
    """Timeline in which every calendar day of the zone is a session that opens with its first bar (24x7 markets)."""
    day = (ts + zone_offset_ns) // NANOSECONDS_PER_DAY
    fresh = np.concatenate(([False], day[1:] != day[:-1]))[: len(ts)]
    session = np.cumsum(fresh)
    first = np.concatenate(([0], np.flatnonzero(fresh)))
    minute = (ts - ts[first][session]) // NANOSECONDS_PER_MINUTE if len(ts) else session
    return _timeline(session, minute, day)


def _timeline(session: Int64Array, minute: Int64Array, day: Int64Array) -> Timeline:
    ends = np.flatnonzero(np.append(np.diff(session), 1)).astype(np.int64)
    return Timeline(
        np.ascontiguousarray(session, dtype=np.int64),
        np.ascontiguousarray(minute, dtype=np.int64),
        np.ascontiguousarray(day, dtype=np.int64),
        ends,
        np.empty(0, np.int8),
    )
