"""Sessions and phases: they tile every day, and stand where the exchanges' circulars put them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.time import IST, NANOSECONDS_PER_DAY, datetime_of, ist_ns, ns_of
from trademantra.markets.sessions import (
    Phase,
    Session,
    SessionKind,
    block_windows_on,
    is_trading_day,
    joins_closing_auction,
    next_trading_day,
    phase_at,
    previous_trading_day,
    session_on,
    sessions_between,
    trading_days_between,
    window_at,
)


def share(
    symbol: str = "ITC",
    exchange: Exchange = Exchange.NSE,
    has_derivatives: bool | None = True,
    kind: InstrumentKind = InstrumentKind.SHARE,
) -> Instrument:
    return Instrument(
        exchange=exchange, segment=Segment.EQUITY, kind=kind, symbol=symbol, has_derivatives=has_derivatives
    )


def index(symbol: str = "NIFTY") -> Instrument:
    return Instrument(exchange=Exchange.NSE, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol=symbol)


def future(
    expiry: date,
    underlying: str = "NIFTY",
    segment: Segment = Segment.EQUITY_FUTURES,
    exchange: Exchange = Exchange.NSE,
) -> Instrument:
    return Instrument(
        exchange=exchange,
        segment=segment,
        kind=InstrumentKind.FUTURE,
        symbol=f"{underlying} FUT",
        underlying=underlying,
        expiry=expiry,
    )


def option(underlying: str = "NIFTY") -> Instrument:
    return Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY_OPTIONS,
        kind=InstrumentKind.OPTION,
        symbol=f"{underlying} CE",
        underlying=underlying,
        expiry=date(2026, 11, 23),
        strike=Decimal(24500),
        right=OptionRight.CALL,
    )


def commodity(underlying: str) -> Instrument:
    return future(date(2026, 12, 31), underlying, Segment.COMMODITY_FUTURES, Exchange.MCX)


CURRENCY = future(date(2026, 12, 31), "USDINR", Segment.CURRENCY_FUTURES)
INDIAN = [
    share(),
    share("SMALLCO", has_derivatives=False),
    share("ITC", Exchange.BSE),
    share("NIFTYBEES", has_derivatives=None, kind=InstrumentKind.ETF),
    index(),
    option(),
    future(date(2026, 1, 27)),
    future(date(2026, 11, 23)),
    future(date(2026, 11, 26), "SENSEX", exchange=Exchange.BSE),
    CURRENCY,
    commodity("GOLD"),
    commodity("COTTON"),
    commodity("MENTHAOIL"),
]

days = st.dates(date(2024, 1, 1), date(2026, 12, 31))


def known_session(day: date, instrument: Instrument) -> Session | None:
    """The session, or None too where its hours are not known (2026-11-08)."""
    try:
        return session_on(day, instrument)
    except MissingFactError:
        assert day == date(2026, 11, 8)
        return None


def hours(session: Session | None) -> list[tuple[str, str]]:
    """(start, phase) of each window, in India."""
    assert session is not None
    return [(f"{datetime_of(w.start_ns):%H:%M}", w.phase.value) for w in session.windows]


def continuous(day: date, instrument: Instrument) -> list[str]:
    session = session_on(day, instrument)
    assert session is not None
    return [f"{datetime_of(a):%H:%M}-{datetime_of(b):%H:%M}" for a, b in session.continuous]


# ---- properties -------------------------------------------------------------------------------------------------


@given(days, st.sampled_from(INDIAN))
@example(date(2024, 3, 2), INDIAN[0])
@example(date(2026, 8, 3), INDIAN[0])
@settings(max_examples=300, deadline=None)
def test_windows_tile_the_indian_day(day: date, instrument: Instrument) -> None:
    session = known_session(day, instrument)
    if session is None:
        return
    midnight = ist_ns(day, time())
    assert session.windows[0].start_ns == midnight
    assert session.windows[-1].end_ns == midnight + NANOSECONDS_PER_DAY
    assert all(a.end_ns == b.start_ns for a, b in pairwise(session.windows))
    assert all(a.phase is not b.phase for a, b in pairwise(session.windows))
    assert all(w.start_ns < w.end_ns for w in session.windows)
    assert all(w.random_from_ns is None or w.start_ns <= w.random_from_ns < w.end_ns for w in session.windows)
    assert session.open_ns < session.close_ns


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 30), timezones=st.just(UTC)),
    st.sampled_from(INDIAN),
)
@settings(max_examples=300, deadline=None)
def test_the_phase_is_that_of_the_window_which_holds_the_instant(
    instant: datetime, instrument: Instrument
) -> None:
    try:
        window = window_at(instant, instrument)
    except MissingFactError:
        assert instant.astimezone(IST).date() == date(2026, 11, 8)
        return
    ns = ns_of(instant)
    assert window.start_ns <= ns < window.end_ns
    assert phase_at(instant, instrument) is phase_at(ns, instrument) is window.phase
    assert phase_at(window.start_ns, instrument) is window.phase
    day = instant.astimezone(IST).date()
    session = session_on(day, instrument)
    if session is None:
        assert window.phase is Phase.CLOSED
        assert window.end_ns - window.start_ns == NANOSECONDS_PER_DAY
    else:
        assert is_trading_day(day, instrument.exchange, instrument.segment)
        assert session.window_at(ns) == window


@given(days, st.integers(0, 60), st.sampled_from(INDIAN))
@settings(max_examples=60, deadline=None)
def test_a_range_is_the_list_of_its_days(first: date, length: int, instrument: Instrument) -> None:
    last = min(first + timedelta(days=length), date(2026, 11, 7))
    if first > last:
        return
    each = [session_on(first + timedelta(days=i), instrument) for i in range((last - first).days + 1)]
    assert list(sessions_between(first, last, instrument)) == [s for s in each if s is not None]


@given(st.dates(date(2024, 1, 10), date(2026, 12, 20)))
def test_next_and_previous_trading_day_are_neighbours(day: date) -> None:
    after = next_trading_day(day, Exchange.NSE, Segment.EQUITY)
    assert after > day
    days_to = trading_days_between(day + timedelta(days=1), after, Exchange.NSE, Segment.EQUITY)
    assert days_to == (after,)
    if is_trading_day(day, Exchange.NSE, Segment.EQUITY):
        assert previous_trading_day(after, Exchange.NSE, Segment.EQUITY) == day


# ---- equity phases by date (specs/india-markets.md 3.1) ----------------------------------------------------------

OLD_DAY, AUCTION_DAY, NEW_DAY = date(2026, 7, 31), date(2026, 8, 3), date(2026, 9, 7)
OLD_PREOPEN = [
    ("00:00", "closed"), ("09:00", "preopen_entry"), ("09:08", "preopen_matching"), ("09:12", "buffer"),
    ("09:15", "continuous"),
]  # fmt: skip
NEW_PREOPEN = [
    ("00:00", "closed"), ("09:00", "preopen_entry"), ("09:05", "preopen_limit_only"), ("09:10", "preopen_matching"),
    ("09:12", "buffer"), ("09:15", "continuous"),
]  # fmt: skip
AUCTION = [
    ("15:15", "cas_reference"), ("15:20", "cas_entry"), ("15:25", "cas_limit_only"), ("15:30", "cas_matching"),
    ("15:35", "buffer"), ("15:50", "post_close"), ("16:00", "closed"),
]  # fmt: skip


def test_share_phases_before_the_closing_auction() -> None:
    expected = [*OLD_PREOPEN, ("15:30", "buffer"), ("15:40", "post_close"), ("16:00", "closed")]
    for instrument in (
        share(),
        share(has_derivatives=False),
        share("SMALLCO", has_derivatives=None),
        index(),
    ):
        assert hours(session_on(OLD_DAY, instrument)) == expected


def test_share_phases_with_closing_auction() -> None:
    assert hours(session_on(AUCTION_DAY, share())) == OLD_PREOPEN + AUCTION
    assert hours(session_on(date(2026, 9, 4), share())) == OLD_PREOPEN + AUCTION
    assert hours(session_on(NEW_DAY, share())) == NEW_PREOPEN + AUCTION
    assert hours(session_on(NEW_DAY, index())) == NEW_PREOPEN + AUCTION


def test_other_shares_trade_until_half_past_three() -> None:
    rest = [("15:30", "buffer"), ("15:50", "post_close"), ("16:00", "closed")]
    assert hours(session_on(AUCTION_DAY, share(has_derivatives=False))) == OLD_PREOPEN + rest
    assert hours(session_on(NEW_DAY, share(has_derivatives=False))) == NEW_PREOPEN + rest
    etf = share("GOLDBEES", has_derivatives=None, kind=InstrumentKind.ETF)
    assert continuous(NEW_DAY, etf) == ["09:15-15:30"]


@pytest.mark.parametrize(
    ("day", "phase", "from_minute"),
    [
        (OLD_DAY, Phase.PREOPEN_ENTRY, time(9, 7)),
        (NEW_DAY, Phase.PREOPEN_LIMIT_ONLY, time(9, 8)),
        (NEW_DAY, Phase.CAS_LIMIT_ONLY, time(15, 28)),
    ],
)
def test_random_ends_are_told(day: date, phase: Phase, from_minute: time) -> None:
    session = session_on(day, share())
    assert session is not None
    window = next(w for w in session.windows if w.phase is phase)
    assert window.random_from_ns == ist_ns(day, from_minute)
    random = {w.phase for w in session.windows if w.random_from_ns is not None}
    assert random <= {phase, Phase.CAS_LIMIT_ONLY, Phase.PREOPEN_LIMIT_ONLY}


def test_who_joins_the_closing_auction() -> None:
    assert joins_closing_auction(share("RELIANCE", has_derivatives=None)) is True
    assert joins_closing_auction(share("RELIANCE", has_derivatives=False)) is False
    assert joins_closing_auction(share("SMALLCO", has_derivatives=None)) is None
    assert joins_closing_auction(share("BSE", Exchange.NSE)) is True
    assert joins_closing_auction(share("BSE", Exchange.BSE)) is False
    assert joins_closing_auction(share("CDSL", Exchange.BSE)) is False
    assert joins_closing_auction(option()) is False


def test_an_undecided_share_is_an_error_only_where_it_matters() -> None:
    unknown = share("SMALLCO", has_derivatives=None)
    with pytest.raises(MissingFactError, match=r"closing_auction_shares.*SMALLCO.*has_derivatives"):
        session_on(AUCTION_DAY, unknown)
    with pytest.raises(MissingFactError, match="closing_auction_shares"):
        sessions_between(date(2026, 7, 1), AUCTION_DAY, unknown)
    for at, expected in [
        (time(9, 3), Phase.PREOPEN_ENTRY),
        (time(12), Phase.CONTINUOUS),
        (time(15, 40), Phase.BUFFER),
        (time(15, 55), Phase.POST_CLOSE),
        (time(20), Phase.CLOSED),
    ]:
        assert phase_at(datetime.combine(AUCTION_DAY, at, IST), unknown) is expected
    for at in (time(15, 15), time(15, 29, 59), time(15, 34, 59)):
        with pytest.raises(MissingFactError, match="closing_auction_shares"):
            phase_at(datetime.combine(AUCTION_DAY, at, IST), unknown)
    assert phase_at(datetime.combine(OLD_DAY, time(15, 20), IST), unknown) is Phase.CONTINUOUS


def test_block_windows_overlap_the_phases() -> None:
    windows = block_windows_on(NEW_DAY, share())
    assert [(f"{datetime_of(w.start_ns):%H:%M}", f"{datetime_of(w.end_ns):%H:%M}") for w in windows] == [
        ("08:45", "09:00"),
        ("14:05", "14:20"),
    ]
    assert phase_at(windows[1].start_ns, share()) is Phase.CONTINUOUS
    assert block_windows_on(NEW_DAY, option()) == ()
    assert block_windows_on(date(2026, 9, 6), share()) == ()
    with pytest.raises(MissingFactError, match="block"):
        block_windows_on(date(2025, 12, 5), share())


# ---- derivatives, currency, commodities (3.2) --------------------------------------------------------------------


def test_derivatives_close_ten_minutes_later_with_the_auction() -> None:
    assert hours(session_on(OLD_DAY, option())) == [
        ("00:00", "closed"),
        ("09:15", "continuous"),
        ("15:30", "closed"),
    ]
    assert continuous(AUCTION_DAY, option()) == ["09:15-15:40"]


@pytest.mark.parametrize(
    ("day", "expiry", "preopen"),
    [
        (date(2025, 12, 5), date(2025, 12, 30), False),  # the day before the rule
        (date(2025, 12, 8), date(2025, 12, 30), True),
        (date(2025, 12, 8), date(2026, 1, 27), False),
        (date(2025, 12, 22), date(2026, 1, 27), False),  # December expires on the 30th, the 25th is closed
        (date(2025, 12, 23), date(2026, 1, 27), True),
        (date(2025, 12, 30), date(2025, 12, 30), True),
        (date(2025, 12, 31), date(2026, 1, 27), True),  # now the current month
        (date(2025, 12, 31), date(2026, 2, 24), False),
        (date(2026, 11, 16), date(2026, 12, 29), False),
        (date(2026, 11, 17), date(2026, 12, 29), True),  # November expires on Monday 23: Tuesday 24 is closed
        (date(2026, 11, 24 + 1), date(2026, 12, 29), True),
        (date(2026, 12, 30), date(2027, 1, 25), True),  # without the list of 2027
    ],
)
def test_pre_open_of_futures(day: date, expiry: date, preopen: bool) -> None:
    phases = {phase for _, phase in hours(session_on(day, future(expiry)))}
    assert ("preopen_entry" in phases) is preopen


def test_pre_open_of_futures_on_bse_follows_its_thursday() -> None:
    sensex = future(date(2026, 12, 31), "SENSEX", exchange=Exchange.BSE)  # November expires on Thursday 26
    assert "preopen_entry" not in {phase for _, phase in hours(session_on(date(2026, 11, 18), sensex))}
    assert "preopen_entry" in {phase for _, phase in hours(session_on(date(2026, 11, 19), sensex))}


def test_currency_hours_and_bank_holidays() -> None:
    assert continuous(NEW_DAY, CURRENCY) == ["09:00-17:00"]
    assert session_on(date(2025, 9, 8), CURRENCY) is None
    assert session_on(date(2025, 9, 8), share()) is not None
    assert session_on(date(2024, 1, 20), CURRENCY) is None
    with pytest.raises(MissingFactError, match="currency in 2023"):
        session_on(date(2023, 6, 1), CURRENCY)


@pytest.mark.parametrize(
    ("day", "close"),
    [
        (date(2024, 3, 8 - 1), "23:55"),
        (date(2024, 3, 11), "23:30"),
        (date(2024, 10, 31), "23:30"),
        (date(2024, 11, 4), "23:55"),
        (date(2026, 3, 6), "23:55"),
        (date(2026, 3, 9), "23:30"),
        (date(2026, 10, 30), "23:30"),
        (date(2026, 11, 2), "23:55"),
    ],
)
def test_mcx_closes_with_new_yorks_clock(day: date, close: str) -> None:
    assert continuous(day, commodity("CRUDEOIL")) == [f"09:00-{close}"]
    assert continuous(day, commodity("KAPAS")) == ["09:00-21:00"]
    assert continuous(day, commodity("MENTHAOIL")) == ["09:00-17:00"]


def test_mcx_half_days() -> None:
    diwali = date(2026, 11, 10)
    assert continuous(diwali, commodity("GOLD")) == ["17:00-23:55"]
    assert continuous(diwali, commodity("COTTON")) == ["17:00-21:00"]
    assert session_on(diwali, commodity("MENTHAOIL")) is None
    assert is_trading_day(diwali, Exchange.MCX, Segment.COMMODITY_FUTURES)
    assert not is_trading_day(diwali, Exchange.NSE, Segment.EQUITY)
    new_year = session_on(date(2026, 1, 1), commodity("GOLD"))
    assert new_year is not None
    assert new_year.kind is SessionKind.PARTIAL
    assert continuous(date(2026, 1, 1), commodity("GOLD")) == ["09:00-17:00"]
    for full in (date(2026, 1, 26), date(2026, 4, 3), date(2026, 10, 2), date(2026, 12, 25)):
        assert session_on(full, commodity("GOLD")) is None
    for evening in (
        date(2026, 6, 26),
        date(2026, 11, 24),
    ):  # a circular summary says closed: wrong (section 9, 7)
        assert continuous(evening, commodity("GOLD"))[0].startswith("17:00")


def test_a_commodity_of_unknown_hours_is_an_error() -> None:
    with pytest.raises(MissingFactError, match=r"commodities.*UNOBTAINIUM"):
        session_on(NEW_DAY, commodity("UNOBTAINIUM"))


# ---- special days (3.3) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "kind", "expected"),
    [
        (date(2024, 1, 20), SessionKind.SPECIAL, ["09:15-15:30"]),
        (date(2024, 3, 2), SessionKind.DRILL, ["09:15-10:00", "11:30-12:30"]),
        (date(2024, 5, 18), SessionKind.DRILL, ["09:15-10:00", "11:30-12:30"]),
        (date(2024, 11, 1), SessionKind.MUHURAT, ["18:00-19:00"]),
        (date(2025, 2, 1), SessionKind.SPECIAL, ["09:15-15:30"]),
        (date(2025, 10, 21), SessionKind.MUHURAT, ["13:45-14:45"]),
        (date(2026, 2, 1), SessionKind.SPECIAL, ["09:15-15:30"]),
        (date(2021, 2, 24), SessionKind.DISRUPTED, ["09:15-11:40", "15:45-17:00"]),
    ],
)
def test_special_sessions(day: date, kind: SessionKind, expected: list[str]) -> None:
    for instrument in (share(), option(), index()):
        session = session_on(day, instrument)
        assert session is not None
        assert session.kind is kind
        assert continuous(day, instrument) == expected


def test_the_drill_has_a_call_auction_before_each_part() -> None:
    assert [w for w in hours(session_on(date(2024, 3, 2), share())) if w[1] == "preopen_entry"] == [
        ("09:00", "preopen_entry"),
        ("11:15", "preopen_entry"),
    ]


def test_on_2021_02_24_bse_did_not_stop() -> None:
    assert continuous(date(2021, 2, 24), share("ITC", Exchange.BSE)) == ["09:15-17:00"]


def test_the_muhurat_of_2026_is_held_at_an_unknown_hour() -> None:
    day = date(2026, 11, 8)
    assert is_trading_day(day, Exchange.NSE, Segment.EQUITY)
    for instrument in (share(), option(), index(), CURRENCY, commodity("GOLD")):
        with pytest.raises(MissingFactError, match=r"special_sessions.*2026-11-08.*sessions\.toml"):
            session_on(day, instrument)
    with pytest.raises(MissingFactError, match="2026-11-08"):
        phase_at(datetime(2026, 11, 8, 3, tzinfo=IST), share())
    with pytest.raises(MissingFactError, match="2026-11-08"):
        sessions_between(date(2026, 11, 1), date(2026, 11, 30), share())
    assert day in trading_days_between(date(2026, 11, 1), date(2026, 11, 30), Exchange.NSE, Segment.EQUITY)
