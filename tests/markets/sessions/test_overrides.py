"""A user's sessions.toml wins over the shipped tables; rubbish in it is refused with its place."""

from datetime import date, datetime, time

import pytest

from trademantra.core.errors import BadInputError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, ist_ns
from trademantra.markets.sessions import (
    Overrides,
    Phase,
    SessionKind,
    is_settlement_day,
    is_trading_day,
    phase_at,
    session_on,
    sessions_between,
    settlement_date,
    square_off_time,
)

SHARE = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="ITC",
    has_derivatives=True,
)
MUHURAT = date(2026, 11, 8)
MINE = Overrides.from_toml(
    """
[[session]]
date = 2026-11-08
exchanges = ["NSE", "BSE"]
groups = ["cash", "equity_derivatives"]
kind = "muhurat"
phases = ["00:00 closed", "18:00 preopen_entry random from 18:07", "18:08 preopen_matching", "18:15 continuous", "19:15 closed"]

[[session]]
date = 2026-11-10
exchanges = ["NSE"]
groups = ["cash"]
kind = "special"
regular = true

[[holiday]]
date = 2026-12-18
calendar = "equity"

[[year]]
calendar = "equity"
year = 2027

[[year]]
calendar = "settlement"
year = 2027

[[holiday]]
date = 2027-01-26
calendar = "equity"

[[square_off]]
broker = "zerodha"
group = "closing_auction_share"
at = 15:05:00
""".replace("at = 15:05:00", 'at = "15:05"')
)


def test_an_announced_muhurat_has_hours() -> None:
    session = session_on(MUHURAT, SHARE, overrides=MINE)
    assert session is not None
    assert session.kind is SessionKind.MUHURAT
    assert session.continuous == ((ist_ns(MUHURAT, time(18, 15)), ist_ns(MUHURAT, time(19, 15))),)
    assert phase_at(datetime(2026, 11, 8, 18, 30, tzinfo=IST), SHARE, overrides=MINE) is Phase.CONTINUOUS
    assert session in sessions_between(date(2026, 11, 1), date(2026, 11, 30), SHARE, overrides=MINE)
    with pytest.raises(MissingFactError):  # what the package ships is not touched
        session_on(MUHURAT, SHARE)


def test_a_day_is_opened_and_another_closed() -> None:
    opened, closed = date(2026, 11, 10), date(2026, 12, 18)
    session = session_on(opened, SHARE, overrides=MINE)
    assert session is not None
    assert session.kind is SessionKind.SPECIAL
    assert session_on(opened, SHARE) is None
    assert session_on(closed, SHARE, overrides=MINE) is None
    assert session_on(closed, SHARE) is not None
    assert not is_settlement_day(closed, Exchange.NSE, Segment.EQUITY, overrides=MINE)


def test_a_shipped_special_session_can_be_called_off() -> None:
    off = Overrides.from_toml('[[holiday]]\ndate = 2026-11-08\ncalendar = "equity"')
    assert not is_trading_day(MUHURAT, Exchange.NSE, Segment.EQUITY, overrides=off)
    assert is_trading_day(MUHURAT, Exchange.MCX, Segment.COMMODITY_FUTURES, overrides=off)


def test_next_years_list_can_be_given() -> None:
    assert is_trading_day(date(2027, 1, 25), Exchange.NSE, Segment.EQUITY, overrides=MINE)
    assert not is_trading_day(date(2027, 1, 26), Exchange.NSE, Segment.EQUITY, overrides=MINE)
    assert settlement_date(date(2026, 12, 31), Exchange.NSE, Segment.EQUITY, overrides=MINE) == date(
        2027, 1, 1
    )
    with pytest.raises(MissingFactError, match="2028"):
        is_trading_day(date(2028, 1, 3), Exchange.NSE, Segment.EQUITY, overrides=MINE)


def test_a_brokers_time_can_be_given() -> None:
    day = date(2026, 11, 20)
    assert square_off_time("zerodha", SHARE, day, overrides=MINE) == time(15, 5)
    mine = Overrides.from_toml('[[square_off]]\nbroker = "own"\ngroup = "cash"\nminutes_before_close = 7')
    assert square_off_time("own", SHARE, date(2026, 7, 31), overrides=mine) == time(15, 23)


SESSION = '[[session]]\ndate = 2026-11-08\nexchanges = ["NSE"]\ngroups = ["cash"]\nkind = "muhurat"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[session", "is not TOML"),
        ("session = 3", r"written as \[\[session\]\]"),
        ("[[sesion]]\ndate = 2026-11-08", r"\[\[sesion\]\] is not known"),
        (SESSION.replace("2026-11-08", '"8 November"'), r"session\[1\]\.date.*not a date"),
        (SESSION.replace("NSE", "NES"), r"session\[1\]\.exchanges.*'NES' is not known"),
        (SESSION.replace("muhurat", "party"), r"session\[1\]\.kind"),
        (SESSION + "hours = 3", r"session\[1\]\.hours.*not a known field"),
        (SESSION + 'phases = ["18:15 continuous"]', "start at 00:00"),
        (SESSION + 'phases = ["00:00 closed", "25:00 continuous"]', "not a time and a phase"),
        (SESSION + 'phases = ["00:00 closed", "18:15 dancing"]', "phases: closed"),
        (SESSION + 'phases = ["00:00 closed"]', "no continuous trading"),
        (SESSION + 'phases = ["00:00 closed", "19:00 continuous", "18:00 closed"]', "ascend"),
        (SESSION + 'phases = ["00:00 continuous random from 12:00", "11:00 closed"]', "random end"),
        (SESSION + "phases = []", "list of texts"),
        (SESSION + 'regular = true\nphases = ["00:00 continuous"]', "regular day"),
        (SESSION + 'regular = "yes"', "true or false"),
        ('[[holiday]]\ndate = 2026-12-18\ncalendar = "equity"\nclosed = "morning"', "only MCX has half days"),
        ('[[year]]\ncalendar = "equity"\nyear = "soon"', "whole number"),
        ('[[square_off]]\nbroker = "x"\ngroup = "cash"', "either a time or minutes"),
        ('[[square_off]]\nbroker = "x"\ngroup = "cash"\nat = "late"', "time of day"),
        ('[[square_off]]\nbroker = ""\ngroup = "cash"\nat = "15:00"', "must be a text"),
    ],
)
def test_rubbish_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        Overrides.from_toml(text, "mine.toml")
    assert caught.value.file == "mine.toml"
