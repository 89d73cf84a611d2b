"""Sessions outside India, trading halts, and what is refused."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ist_ns, ns_of
from trademantra.markets.sessions import (
    Phase,
    Session,
    SessionKind,
    is_trading_day,
    phase_at,
    session_on,
    sessions_between,
    trading_days_between,
    window_at,
)

SHARE = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="ITC",
    has_derivatives=True,
)
NEW_DAY = date(2026, 9, 7)
FOREIGN = [
    Instrument(exchange=Exchange.NASDAQ, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="AAPL", currency="USD"),
    Instrument(exchange=Exchange.FOREX, segment=Segment.FOREX, kind=InstrumentKind.CURRENCY_PAIR, symbol="EURUSD", currency="USD"),
    Instrument(exchange=Exchange.BINANCE, segment=Segment.CRYPTO_SPOT, kind=InstrumentKind.COIN, symbol="BTCUSDT", currency="USDT"),
]  # fmt: skip
CRYPTO = FOREIGN[2]


@given(st.dates(date(2000, 1, 1), date(2027, 12, 30)), st.sampled_from(FOREIGN))
@settings(max_examples=100, deadline=None)
def test_windows_of_consecutive_foreign_days_meet(day: date, instrument: Instrument) -> None:
    today, tomorrow = session_on(day, instrument), session_on(day + timedelta(days=1), instrument)
    for session in (today, tomorrow):
        if session is not None:
            assert all(a.end_ns == b.start_ns for a, b in pairwise(session.windows))
    if today is not None and tomorrow is not None:
        assert today.windows[-1].end_ns == tomorrow.windows[0].start_ns


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2027, 12, 30), timezones=st.just(UTC)),
    st.sampled_from(FOREIGN),
)
@settings(max_examples=100, deadline=None)
def test_the_window_holds_its_instant(instant: datetime, instrument: Instrument) -> None:
    window = window_at(instant, instrument)
    assert window.start_ns <= ns_of(instant) < window.end_ns
    assert phase_at(window.start_ns, instrument) is phase_at(window.end_ns - 1, instrument) is window.phase


def test_a_foreign_range_is_the_list_of_its_days() -> None:
    first, days = date(2026, 11, 20), 30
    for instrument in FOREIGN:
        each = [session_on(first + timedelta(days=i), instrument) for i in range(days)]
        found = sessions_between(first, first + timedelta(days=days - 1), instrument)
        assert list(found) == [session for session in each if session is not None]


def share_session() -> Session:
    session = session_on(NEW_DAY, SHARE)
    assert session is not None
    return session


def test_us_hours_follow_new_york() -> None:
    apple = FOREIGN[0]
    for day, opening, kind in [
        (date(2026, 3, 6), (14, 30), SessionKind.REGULAR),
        (date(2026, 3, 9), (13, 30), SessionKind.REGULAR),
        (date(2026, 11, 27), (14, 30), SessionKind.PARTIAL),
    ]:
        session = session_on(day, apple)
        assert session is not None
        assert session.open_ns == ns_of(datetime(day.year, day.month, day.day, *opening, tzinfo=UTC))
        assert session.kind is kind
    assert session_on(date(2026, 11, 26), apple) is None
    with pytest.raises(MissingFactError, match="2028"):
        session_on(date(2028, 1, 3), apple)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # exchange_calendars uses what pandas 3 deprecates
def test_forex_weekdays_are_those_of_exchange_calendars() -> None:
    from exchange_calendars import get_calendar

    first, last = date(2020, 1, 1), date(2026, 12, 31)
    theirs = get_calendar("24/5", start=str(first), end=str(last)).sessions
    assert trading_days_between(first, last, Exchange.FOREX, Segment.FOREX) == tuple(s.date() for s in theirs)


def test_forex_opens_on_sunday_at_five_in_new_york() -> None:
    euro = FOREIGN[1]
    for closed, opened in [
        (datetime(2026, 1, 11, 21, 59, tzinfo=UTC), datetime(2026, 1, 11, 22, tzinfo=UTC)),
        (datetime(2026, 7, 12, 20, 59, tzinfo=UTC), datetime(2026, 7, 12, 21, tzinfo=UTC)),
        (datetime(2026, 7, 17, 21, tzinfo=UTC), datetime(2026, 7, 17, 20, 59, tzinfo=UTC)),
    ]:
        assert phase_at(closed, euro) is Phase.CLOSED
        assert phase_at(opened, euro) is Phase.CONTINUOUS


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
@settings(max_examples=30, deadline=None)
def test_crypto_never_closes(instant: datetime) -> None:
    assert phase_at(instant, CRYPTO) is Phase.CONTINUOUS
    session = session_on(instant.date(), CRYPTO)
    assert session is not None
    assert session.open_ns == ns_of(datetime.combine(instant.date(), time(), UTC))


@given(st.integers(0, 359), st.integers(1, 200), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_a_halted_day_still_tiles(after_open: int, minutes: int, preopen: int) -> None:
    session = share_session()
    start = session.open_ns + after_open * NANOSECONDS_PER_MINUTE
    halted = session.with_halt(start, minutes, preopen)
    assert halted.windows[0].start_ns == session.windows[0].start_ns
    assert halted.windows[-1].end_ns == session.windows[-1].end_ns
    assert all(a.end_ns == b.start_ns for a, b in pairwise(halted.windows))
    assert halted.phase_at(start) is Phase.HALTED
    resumed = start + (minutes + preopen) * NANOSECONDS_PER_MINUTE
    assert halted.phase_at(resumed) is session.phase_at(resumed)
    assert halted.phase_at(resumed - 1) is (Phase.PREOPEN_ENTRY if preopen else Phase.HALTED)


def test_a_halt_for_the_day_holds_no_closing_auction() -> None:
    session = share_session()
    halted = session.with_halt(ist_ns(NEW_DAY, time(14, 10)), None)
    assert [w.phase for w in halted.windows][-2:] == [Phase.CONTINUOUS, Phase.HALTED]
    with pytest.raises(InvalidValueError, match="not continuous"):
        session.with_halt(ist_ns(NEW_DAY, time(15, 20)), 15)
    with pytest.raises(InvalidValueError, match="halt of 0"):
        session.with_halt(session.open_ns, 0)
    with pytest.raises(InvalidValueError, match="does not end"):
        session.with_halt(session.open_ns, 24 * 60)


def test_rubbish_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no zone"):
        phase_at(datetime(2026, 11, 20, 10), SHARE)
    with pytest.raises(InvalidValueError, match="after the last day"):
        sessions_between(date(2026, 2, 1), date(2026, 1, 1), SHARE)
    session = share_session()
    with pytest.raises(InvalidValueError, match="not on the trading day"):
        session.window_at(session.windows[-1].end_ns)
    for exchange, segment in [
        (Exchange.GIFT, Segment.EQUITY_FUTURES),
        (Exchange.NCDEX, Segment.COMMODITY_FUTURES),
    ]:
        with pytest.raises(MissingFactError, match=f"calendars.*{exchange}"):
            is_trading_day(NEW_DAY, exchange, segment)
