"""Sessions and phases of an instrument: the one place that turns tables into instants."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Instrument, Segment
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_date, ist_ns, ns_of
from trademantra.markets.sessions.calendar import check_range, trading_days_between
from trademantra.markets.sessions.closing_auction import (
    closing_auction_starts,
    joins_closing_auction,
    undecided,
)
from trademantra.markets.sessions.foreign import (
    NEW_YORK,
    foreign_day_bounds,
    foreign_session,
    foreign_trade_date,
    is_foreign,
)
from trademantra.markets.sessions.futures_preopen import has_futures_preopen
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import BlockWindow, Phase, PhaseWindow, Session, SessionKind
from trademantra.markets.sessions.rows import Closed, PhaseStart, windows_of
from trademantra.markets.sessions.tables import (
    OVERRIDE_HINT,
    block_windows,
    calendar_of,
    commodity_groups,
    facts,
    group_of,
    timetable,
    timetable_starts,
)

_MCX_EVENING_MINUTE = 17 * 60  # MCX splits its day at 17:00 (specs/india-markets.md 3.4)


class _Hours(StrEnum):
    """Instruments with one timetable on every day."""

    CASH = "cash"
    CLOSING_AUCTION = "cash_closing_auction"
    UNDECIDED = "undecided"
    EQUITY_FUTURES = "equity_futures"
    EQUITY_OPTIONS = "equity_options"
    CURRENCY = "currency"
    MCX_NON_AGRI = "mcx_non_agri"
    MCX_COTTON_OIL = "mcx_cotton_oil"
    MCX_AGRI = "mcx_agri"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class _Key:
    """All of an instrument that its sessions depend on.  Few keys exist, so their years are cached."""

    exchange: Exchange
    segment: Segment
    hours: _Hours
    expiry_month: date | None = None


class _Unknown(StrEnum):
    """Why the windows of a trading day cannot be told."""

    HOURS = "hours"
    TIMETABLE = "timetable"
    CLOSING_AUCTION = "closing_auction"


_Day: TypeAlias = Session | _Unknown


@dataclass(frozen=True, slots=True)
class _Year:
    dates: tuple[date, ...]
    days: tuple[_Day, ...]

    def get(self, day: date) -> _Day | None:
        place = bisect_left(self.dates, day)
        return self.days[place] if place < len(self.dates) and self.dates[place] == day else None


def session_on(day: date, instrument: Instrument, *, overrides: Overrides = NO_OVERRIDES) -> Session | None:
    """The session of a trading day; None on a day without one.

    Expiry is not looked at: a contract that has expired still gets the session of its segment.
    Errors: `MissingFactError` for a year without a holiday list, hours that are not known (a Muhurat that is not
    announced), and a share of which it is not known whether it has a closing auction.

    >>> from trademantra.core.instrument import InstrumentKind
    >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
    >>> session = session_on(date(2026, 11, 20), share)
    >>> [w.phase.value for w in session.windows][-4:]
    ['cas_matching', 'buffer', 'post_close', 'closed']
    """
    found = _find(day, _key_of(instrument), overrides)
    return _known(found, instrument, day) if found is not None else None


def sessions_between(
    first: date, last: date, instrument: Instrument, *, overrides: Overrides = NO_OVERRIDES
) -> tuple[Session, ...]:
    """Sessions from `first` to `last`, both inclusive, in order.  Whole years are cached.

    Errors: as `session_on`, and `InvalidValueError` when `first` is after `last`.
    """
    check_range(first, last)
    key = _key_of(instrument)
    sessions: list[Session] = []
    for number in range(first.year, last.year + 1):
        year = _year(_of_year(key, number), number, overrides)
        low, high = bisect_left(year.dates, first), bisect_right(year.dates, last)
        for day, found in zip(year.dates[low:high], year.days[low:high], strict=True):
            sessions.append(_known(found, instrument, day))
    return tuple(sessions)


def window_at(
    instant: datetime | int, instrument: Instrument, *, overrides: Overrides = NO_OVERRIDES
) -> PhaseWindow:
    """The window that holds an instant: an aware datetime or int64 nanoseconds UTC.

    A day without a session is one window of `Phase.CLOSED`.
    Errors: as `session_on`; an undecided closing auction only where it makes a difference to the phase.
    """
    ns = instant if isinstance(instant, int) else ns_of(instant)
    key = _key_of(instrument)
    foreign = key.hours is _Hours.FOREIGN
    day = foreign_trade_date(ns, key.exchange) if foreign else ist_date(ns)
    found = _find(day, key, overrides)
    if found is None:
        start_ns = ist_ns(day, time())
        bounds = (
            foreign_day_bounds(day, key.exchange) if foreign else (start_ns, start_ns + NANOSECONDS_PER_DAY)
        )
        return PhaseWindow(Phase.CLOSED, *bounds)
    if found is _Unknown.CLOSING_AUCTION:
        without, with_auction = (
            _find(day, _Key(key.exchange, key.segment, hours), overrides)
            for hours in (_Hours.CASH, _Hours.CLOSING_AUCTION)
        )
        window = _known(without, instrument, day).window_at(ns)
        if window.phase is not _known(with_auction, instrument, day).phase_at(ns):
            raise undecided(instrument, day)
        return window
    return _known(found, instrument, day).window_at(ns)


def phase_at(
    instant: datetime | int, instrument: Instrument, *, overrides: Overrides = NO_OVERRIDES
) -> Phase:
    """The phase at an instant.  Windows with a random end last to their outer bound.  Errors: as `window_at`.

    >>> from trademantra.core.instrument import InstrumentKind
    >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
    >>> from trademantra.core.time import IST
    >>> phase_at(datetime(2026, 11, 20, 15, 17, tzinfo=IST), share).value
    'cas_reference'
    """
    return window_at(instant, instrument, overrides=overrides).phase


def block_windows_on(
    day: date, instrument: Instrument, *, overrides: Overrides = NO_OVERRIDES
) -> tuple[BlockWindow, ...]:
    """Block-deal windows of a share; empty for anything else and on a day without session.

    Errors: `MissingFactError` before 2025-12-07 and on days of special hours, whose block windows are not known.
    """
    session = session_on(day, instrument, overrides=overrides)
    if session is None or instrument.segment is not Segment.EQUITY or is_foreign(instrument.exchange):
        return ()
    rows = [row for row in block_windows() if row.first <= day]
    if not rows or session.kind not in (SessionKind.REGULAR, SessionKind.SPECIAL):
        raise MissingFactError("timetables", f"block windows of {instrument.exchange} on {day}")
    return tuple(BlockWindow(ist_ns(day, row.start), ist_ns(day, row.end)) for row in rows)


def _key_of(instrument: Instrument) -> _Key:
    exchange, segment = instrument.exchange, instrument.segment
    if is_foreign(exchange):
        return _Key(exchange, segment, _Hours.FOREIGN)
    calendar_of(exchange, segment)
    if exchange is Exchange.MCX:
        return _Key(exchange, segment, _mcx_hours(instrument))
    if segment is Segment.EQUITY_FUTURES:
        assert instrument.expiry is not None
        return _Key(exchange, segment, _Hours.EQUITY_FUTURES, instrument.expiry.replace(day=1))
    if segment is Segment.EQUITY_OPTIONS:
        return _Key(exchange, segment, _Hours.EQUITY_OPTIONS)
    if segment in (Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS):
        return _Key(exchange, segment, _Hours.CURRENCY)
    return _Key(exchange, segment, _CASH_HOURS[joins_closing_auction(instrument)])


_CASH_HOURS = {True: _Hours.CLOSING_AUCTION, False: _Hours.CASH, None: _Hours.UNDECIDED}


def _mcx_hours(instrument: Instrument) -> _Hours:
    underlying = instrument.underlying or instrument.symbol
    group = commodity_groups().get(underlying)
    if group is None:
        raise MissingFactError(
            "commodities",
            f"{underlying} on MCX",
            hint="its hours are not known: non-agricultural, cotton or other",
        )
    return _Hours(f"mcx_{group}")


def _of_year(key: _Key, year: int) -> _Key:
    """The key without what makes no difference in `year`, so that cached years are shared."""
    if key.expiry_month is not None and year < timetable_starts("equity_futures_preopen").year:
        return _Key(key.exchange, key.segment, key.hours)
    return key


def _find(day: date, key: _Key, overrides: Overrides) -> _Day | None:
    if key.hours is _Hours.FOREIGN:
        return foreign_session(day, key.exchange, key.segment)
    return _year(_of_year(key, day.year), day.year, overrides).get(day)


def _known(found: _Day | None, instrument: Instrument, day: date) -> Session:
    if isinstance(found, Session):
        return found
    if found is _Unknown.CLOSING_AUCTION:
        raise undecided(instrument, day)
    if found is _Unknown.TIMETABLE:
        raise MissingFactError(
            "timetables",
            f"{instrument.exchange} {instrument.segment} on {day}",
            hint=f"the hours of that date are not known; {OVERRIDE_HINT} ([[session]])",
        )
    raise MissingFactError(
        "special_sessions",
        f"the hours of {instrument.exchange} {instrument.segment} on {day}",
        hint=f"a special session is held that day, its hours are not known; {OVERRIDE_HINT} ([[session]])",
    )


@lru_cache(maxsize=512)
def _year(key: _Key, year: int, overrides: Overrides) -> _Year:
    dates: list[date] = []
    days: list[_Day] = []
    trading_days = trading_days_between(
        date(year, 1, 1), date(year, 12, 31), key.exchange, key.segment, overrides=overrides
    )
    for day in trading_days:
        found = _build(day, key, overrides)
        if found is not None:
            dates.append(day)
            days.append(found)
    return _Year(tuple(dates), tuple(days))


def _build(day: date, key: _Key, overrides: Overrides) -> _Day | None:
    if key.hours is _Hours.FOREIGN:
        return foreign_session(day, key.exchange, key.segment)
    known = facts(overrides)
    special = known.specials.get((day, key.exchange, group_of(key.exchange, key.segment)))
    kind = SessionKind.REGULAR
    if special is not None:
        kind = special.kind
        if special.phases:
            return _session(day, key, kind, special.phases)
        if not special.regular:
            return _Unknown.HOURS
    if key.hours is _Hours.UNDECIDED and day >= closing_auction_starts():
        return _Unknown.CLOSING_AUCTION
    phases = timetable(_timetable_name(day, key, overrides), day)
    if phases is None:
        return _Unknown.TIMETABLE
    closed = known.holidays[calendar_of(key.exchange, key.segment)].get(day)
    if special is None and closed is not None:
        kind = SessionKind.PARTIAL
        phases = _evening(phases) if closed is Closed.MORNING else _morning(phases)
    return _session(day, key, kind, phases) if phases else None


def _timetable_name(day: date, key: _Key, overrides: Overrides) -> str:
    if key.hours in (_Hours.CLOSING_AUCTION, _Hours.UNDECIDED) and day < closing_auction_starts():
        return "cash"
    if key.hours is _Hours.EQUITY_FUTURES:
        preopen = key.expiry_month is not None and has_futures_preopen(
            day, key.exchange, key.expiry_month, overrides=overrides
        )
        return "equity_futures_preopen" if preopen else "equity_derivatives"
    if key.hours is _Hours.EQUITY_OPTIONS:
        return "equity_derivatives"
    if key.hours is _Hours.MCX_NON_AGRI:
        # The exchange follows New York's clock: second Sunday of March to first Sunday of November.
        summer = bool(datetime.combine(day, time(12), NEW_YORK).dst())
        return "mcx_non_agri_summer" if summer else "mcx_non_agri_winter"
    return key.hours.value


def _session(day: date, key: _Key, kind: SessionKind, phases: tuple[PhaseStart, ...]) -> Session:
    return Session(key.exchange, key.segment, day, kind, windows_of(phases, ist_ns(day, time())))


def _evening(phases: tuple[PhaseStart, ...]) -> tuple[PhaseStart, ...] | None:
    """What is left of an MCX day whose morning is closed; None when the contract closes by 17:00."""
    end = next(start.minute for start in reversed(phases) if start.phase is Phase.CLOSED)
    if end <= _MCX_EVENING_MINUTE:
        return None
    return (
        PhaseStart(0, Phase.CLOSED),
        PhaseStart(_MCX_EVENING_MINUTE, Phase.CONTINUOUS),
        PhaseStart(end, Phase.CLOSED),
    )


def _morning(phases: tuple[PhaseStart, ...]) -> tuple[PhaseStart, ...]:
    """What is left of an MCX day whose evening is closed."""
    kept = tuple(start for start in phases if start.minute < _MCX_EVENING_MINUTE)
    return (*kept, PhaseStart(_MCX_EVENING_MINUTE, Phase.CLOSED))
