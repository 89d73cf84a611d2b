"""What happens at which moment of a trading day: the 9:14 scan, the 9:15 entry, the square-off before the broker's own.

A moment is due once, whatever happens to the process or to the clock.  The caller keeps the `Mark` of the last moment
that it carried out (in the transaction of its effect), and gives it back after a restart.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.time import IST, NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, datetime_of, ns_of
from trademantra.kit.timer import Timer
from trademantra.markets.sessions import (
    NO_OVERRIDES,
    Overrides,
    Phase,
    Session,
    SessionKind,
    session_on,
    square_off_time,
)
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER

USUAL_DAYS = frozenset({SessionKind.REGULAR, SessionKind.DISRUPTED})
ALL_DAYS = frozenset(SessionKind)

_WHOLE_DAYS = frozenset({SessionKind.REGULAR, SessionKind.SPECIAL, SessionKind.DISRUPTED})
_WRITTEN = re.compile(r"(open|close|square_off)(?:([+-])([0-9]{1,3})m)?")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_LOOK_AHEAD = 40  # days: longer than any stretch without a session
_LOOK_EVERY_NS = 15 * NANOSECONDS_PER_SECOND


class Anchor(StrEnum):
    """What a moment is counted from."""

    CLOCK = "clock"
    OPEN = "open"
    """The first instant of continuous trading."""
    CLOSE = "close"
    SQUARE_OFF = "square_off"
    """When the broker starts to close intraday positions itself."""


class IfMissed(StrEnum):
    """What becomes of a moment that passed while nobody was looking."""

    SKIP = "skip"
    RUN_LATE = "run_late"
    """It happens as soon as possible, until the session closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A named moment of a trading day.

    `at` is the wall-clock time of an `Anchor.CLOCK` moment, `minutes` the distance from any other anchor.
    `kinds` are the kinds of day on which it happens: usual ones only, unless more are named; a square-off happens on
    all.  On short days (Muhurat, drills, MCX evenings) a clock time happens only while the market is not closed.
    Errors: `InvalidValueError` for a moment without a name, or with the wrong one of `at` and `minutes`.
    """

    name: str
    anchor: Anchor
    at: time | None = None
    minutes: int = 0
    if_missed: IfMissed = IfMissed.SKIP
    kinds: frozenset[SessionKind] | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidValueError("a moment needs a name")
        if (self.anchor is Anchor.CLOCK) != (self.at is not None) or (self.at is not None and self.minutes):
            raise InvalidValueError(
                f"moment {self.name}: a clock moment has a time, any other minutes from its anchor"
            )

    @classmethod
    def parse(
        cls,
        name: str,
        text: str,
        *,
        if_missed: IfMissed = IfMissed.SKIP,
        kinds: frozenset[SessionKind] | None = None,
    ) -> "Moment":
        """`9:14`, `15:15:30`, `open`, `open+30m`, `close-10m`, `square_off-5m`.

        >>> Moment.parse("leave", "square_off-5m").minutes
        -5
        """
        written = text.strip().lower()
        if found := _CLOCK.fullmatch(written):
            hour, minute, second = (int(each or 0) for each in found.groups())
            if hour < 24 and minute < 60 and second < 60:
                at = time(hour, minute, second)
                return cls(name=name, anchor=Anchor.CLOCK, at=at, if_missed=if_missed, kinds=kinds)
        if found := _WRITTEN.fullmatch(written):
            minutes = int(f"{found[2] or ''}{found[3] or 0}")
            return cls(name=name, anchor=Anchor(found[1]), minutes=minutes, if_missed=if_missed, kinds=kinds)
        raise InvalidValueError(
            f"{text!r} is not a moment of a trading day",
            hint="write 9:14, open+30m, close-10m or square_off-5m",
        )

    @property
    def on_kinds(self) -> frozenset[SessionKind]:
        if self.kinds is not None:
            return self.kinds
        return ALL_DAYS if self.anchor is Anchor.SQUARE_OFF else USUAL_DAYS


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the order of moments: all up to it are done.  `Mark(now_ns)` begins now."""

    at_ns: int
    name: str = "\U0010ffff"  # after every moment of its instant


@dataclass(frozen=True, slots=True)
class Due:
    """A moment that has come.  `latest_ns`: later than that it would make no sense."""

    moment: Moment
    day: date
    at_ns: int
    latest_ns: int

    @property
    def mark(self) -> Mark:
        return Mark(self.at_ns, self.moment.name)


@dataclass(frozen=True, slots=True)
class Come:
    """What came since the last look: to be carried out in this order; passed over; days whose hours nobody knows."""

    now: tuple[Due, ...]
    missed: tuple[Due, ...]
    unknown_days: tuple[date, ...]


class Schedule:
    """The moments of one market, each due once.

    `instrument` stands for the market whose sessions count, `broker` for whose square-off.  `mark` is where to go on.
    A moment that is seen within `grace_ns` is on time.
    Errors: `InvalidValueError` for two moments of one name.
    """

    def __init__(
        self,
        moments: Sequence[Moment],
        instrument: Instrument,
        mark: Mark,
        *,
        broker: str = DEFAULT_BROKER,
        overrides: Overrides = NO_OVERRIDES,
        zone: ZoneInfo = IST,
        grace_ns: int = NANOSECONDS_PER_MINUTE,
    ) -> None:
        names = [moment.name for moment in moments]
        if len(set(names)) != len(names):
            raise InvalidValueError(f"moments need different names, got {', '.join(sorted(names))}")
        self._moments, self._instrument, self._mark = tuple(moments), instrument, mark
        self._told_unknown: set[date] = set()
        self._broker, self._overrides, self._zone, self._grace_ns = broker, overrides, zone, grace_ns

    @property
    def mark(self) -> Mark:
        """All up to here was handed out by `due`."""
        return self._mark

    def on(self, day: date) -> tuple[Due, ...]:
        """The moments of a day, in order.  Errors: `MissingFactError` when the hours of that day are not known."""
        session = session_on(day, self._instrument, overrides=self._overrides)
        if session is None:
            return ()
        made = (self._due(moment, session) for moment in self._moments if session.kind in moment.on_kinds)
        return tuple(sorted((each for each in made if each is not None), key=_mark_of))

    def next_due(self, now_ns: int) -> Due | None:
        """The first moment after `now_ns` that was not handed out; None when none is known for weeks."""
        after = max(Mark(now_ns), self._mark)
        for _, found in self._days(_day(after.at_ns, self._zone) - timedelta(days=1), _LOOK_AHEAD):
            for each in found or ():
                if each.mark > after:
                    return each
        return None

    def due(self, now_ns: int) -> Come:
        """The moments that came since the last call, each handed out once.  A clock that went back brings none again."""
        until = Mark(now_ns)
        if until <= self._mark:
            return Come((), (), ())
        # a day earlier and later: a moment may lie on the day beside its session's
        first = _day(self._mark.at_ns, self._zone) - timedelta(days=1)
        last = _day(now_ns, self._zone) + timedelta(days=1)
        now: list[Due] = []
        missed: list[Due] = []
        unknown: list[date] = []
        for day, found in self._days(first, (last - first).days + 1):
            if found is None and first < day < last and day not in self._told_unknown:
                unknown.append(day)
                self._told_unknown.add(day)
            for each in found or ():
                if self._mark < each.mark <= until:
                    (now if self._may_run(each, now_ns) else missed).append(each)
        self._mark = until
        return Come(tuple(now), tuple(missed), tuple(unknown))

    def _may_run(self, due: Due, now_ns: int) -> bool:
        if now_ns - due.at_ns <= self._grace_ns:
            return True
        return due.moment.if_missed is IfMissed.RUN_LATE and now_ns < due.latest_ns

    def _days(self, first: date, count: int) -> Iterator[tuple[date, tuple[Due, ...] | None]]:
        """Days with their moments; None where the hours are not known."""
        for distance in range(count):
            day = first + timedelta(days=distance)
            try:
                yield day, self.on(day)
            except MissingFactError:
                yield day, None

    def _due(self, moment: Moment, session: Session) -> Due | None:
        at_ns = self._instant(moment, session)
        if moment.anchor is Anchor.CLOCK and session.kind not in _WHOLE_DAYS:
            first, last = session.windows[0].start_ns, session.windows[-1].end_ns
            if not first <= at_ns < last or session.phase_at(at_ns) is Phase.CLOSED:
                return None
        return Due(moment, session.trade_date, at_ns, max(session.close_ns, at_ns))

    def _instant(self, moment: Moment, session: Session) -> int:
        shift = moment.minutes * NANOSECONDS_PER_MINUTE
        match moment.anchor:
            case Anchor.CLOCK:
                assert moment.at is not None
                return ns_of(datetime.combine(session.trade_date, moment.at, self._zone))
            case Anchor.OPEN:
                return session.open_ns + shift
            case Anchor.CLOSE:
                return session.close_ns + shift
            case Anchor.SQUARE_OFF:
                return self._square_off_ns(session) + shift

    def _square_off_ns(self, session: Session) -> int:
        """The broker's time; the platform's own, 15 minutes before the close, where the broker's is not known."""
        day = session.trade_date
        try:
            at = square_off_time(self._broker, self._instrument, day, overrides=self._overrides)
        except MissingFactError:
            at = square_off_time(DEFAULT_BROKER, self._instrument, day, overrides=self._overrides)
        return ns_of(datetime.combine(day, at, IST))


async def keep(
    schedule: Schedule,
    timer: Timer,
    carry_out: Callable[[Due], Awaitable[None]],
    tell: Callable[[Come], None],
) -> None:
    """Carry out moments as they come, for ever.  `tell` hears of those that were missed, and of unknown days.

    It looks every few seconds also when nothing is due: a clock that was set, or a machine that slept, is noticed.
    """
    while True:
        now_ns = timer.now_ns()
        come = schedule.due(now_ns)
        if come.missed or come.unknown_days:
            tell(come)
        for each in come.now:
            await carry_out(each)
        coming = schedule.next_due(timer.now_ns())
        look_ns = timer.now_ns() + _LOOK_EVERY_NS
        await timer.until(look_ns if coming is None else min(look_ns, coming.at_ns))


def _day(ns: int, zone: ZoneInfo) -> date:
    return datetime_of(ns, zone).date()


def _mark_of(due: Due) -> Mark:
    return due.mark
