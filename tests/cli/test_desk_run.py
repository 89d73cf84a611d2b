"""The file of `tm desk run`: its example is read, and what is wrong in it is named by table and key."""

from dataclasses import replace
from datetime import date, datetime, time

import pytest
from typer.testing import CliRunner

from tests.trading.feeds.tick_making import share
from trademantra.cli import app
from trademantra.cli.desk_run import planned_in
from trademantra.cli.planned_session import _spec
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.time import IST, ManualClock, ns_of
from trademantra.trading.house.session_terms import with_terms

GOOD = 'strategy = "supertrend"\naccount = "p"\nsymbols = ["INFY"]\n'
NOON = ns_of(datetime(2026, 11, 20, 12, tzinfo=IST))
SCAN = """
from trademantra.engine.events import EventStrategy

class Scan(EventStrategy):
    name = title = idea = source = market = "scan"
    times = (-1, 30)
"""


def read(tmp_path, text):
    file = tmp_path / "desk.toml"
    file.write_text(text)
    return planned_in(file, None)


def test_the_example_is_read(tmp_path):
    shown = CliRunner().invoke(app, ["desk", "run", "--example"])
    first, second, third = read(tmp_path, shown.output)
    assert first.options.symbols == ("INFY", "NSE:TCS")
    assert set(first.options.settings) == {"length=10", "multiplier=3.0"}
    assert (first.account_id, first.leave, first.last_entry) == ("practice", time(15, 5), time(14, 30))
    assert (second.options.strategy, second.options.size, second.options.target) == (
        "opening_range_breakout",
        "risk:0.005",
        "1%",
    )
    assert (third.options.timeframe, third.options.costs) == ("1d", "zerodha:CNC")
    assert first.first_entry == time(9, 20)
    assert first.wants_live is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no strategy"),
        ("strategy = 3", "names no strategy"),
        ("[[stratgy]]", "'stratgy' is not known"),
        ("x = [", "is no TOML"),
        (f"[[strategy]]\n{GOOD}stopp = '1%'", "strategy 1: 'stopp' is not known (did you mean stop?"),
        (f"[[strategy]]\n{GOOD}simbols = ['X']", "did you mean symbols?"),
        (f"[[strategy]]\n{GOOD}symbol = 'INFY'", "symbol and symbols say the same"),
        (f"[[strategy]]\n{GOOD}[[strategy]]\nstrategy = 'x'", "strategy 2: account is missing"),
        (f"[[strategy]]\n{GOOD}cash = true", "strategy 1: cash must be a number"),
        (f"[[strategy]]\n{GOOD}cash = -1", "strategy 1: cash must be a number"),
        (f"[[strategy]]\n{GOOD}stop = 1", "strategy 1: stop must be a text"),
        (f"[[strategy]]\n{GOOD}short = 'yes'", "strategy 1: short must be true or false"),
        (f"[[strategy]]\n{GOOD}set = {{ length = '3' }}", "strategy 1: set.length must be a number"),
        (f"[[strategy]]\n{GOOD}leave = '25:00'", "strategy 1: leave must be a time"),
        (
            "[[strategy]]\nstrategy = 'x'\naccount = 'p'\nsymbols = 3",
            "strategy 1: symbols must be a list",
        ),
        (
            f"[[strategy]]\n{GOOD}session = 'a'\n[[strategy]]\n{GOOD}session = 'a'",
            "two strategies name one session",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "words", ["symbols = ['INFY', 'NSE:TCS']", "symbol = ['INFY', 'NSE:TCS']", "symbol = 'INFY, NSE:TCS'"]
)
def test_symbols_are_named_as_the_file_or_the_option_spells_them(tmp_path, words):
    [planned] = read(tmp_path, f"[[strategy]]\nstrategy = 'supertrend'\naccount = 'p'\n{words}")
    assert planned.options.symbols == ("INFY", "NSE:TCS")


def _known(spec):
    """With its instruments found."""
    infy = replace(share("INFY"), has_derivatives=True)
    return with_terms(replace(spec, instruments={"INFY": infy}), date(2026, 11, 20))


DAILY = f"[[strategy]]\n{GOOD}timeframe = '1d'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DAILY, "an MIS position is closed before it"),
        (DAILY + "costs = 'zerodha:CNC'\nlast_entry = '14:30'", "orders of daily bars go at the open"),
        (DAILY + "costs = 'zerodha:CNC'\nfirst_entry = '09:20'", "orders of daily bars go at the open"),
        (DAILY + "costs = 'zerodha:CNC'\nleave = '15:00'", "leaves within the day"),
        (DAILY.replace("1d", "1w") + "costs = 'zerodha:CNC'", "bars of 1w are not traded live"),
        (
            DAILY.replace("supertrend", "opening_range_breakout") + "costs = 'zerodha:CNC'",
            "leaves within the day",
        ),
        (f"[[strategy]]\n{GOOD}costs = 'zerodha:NMRL'", "name no product"),
        (f"[[strategy]]\n{GOOD}first_entry = '15:00'\nlast_entry = '14:00'", "nothing could be entered"),
        (f"[[strategy]]\n{GOOD}first_entry = '15:20'", "nothing could be entered"),
    ],
)
def test_what_daily_bars_and_moments_cannot_do_is_refused_before_anything_is_opened(tmp_path, text, says):
    [planned] = read(tmp_path, text)
    with pytest.raises(InvalidValueError, match=says):
        _known(_spec(planned, ManualClock(NOON)))


def test_moments_count_from_the_open(tmp_path):
    [planned] = read(tmp_path, f"[[strategy]]\n{GOOD}first_entry = '09:20'\nlast_entry = '14:30'")
    spec = _known(_spec(planned, ManualClock(NOON)))
    assert (spec.first_entry_minute, spec.last_entry_minute, spec.begins_minute) == (5, 315, 0)
    file = tmp_path / "scan.py"
    file.write_text(SCAN)
    [planned] = read(tmp_path, f"[[strategy]]\n{GOOD}".replace("supertrend", str(file)))
    assert _spec(planned, ManualClock(NOON)).begins_minute == -1
