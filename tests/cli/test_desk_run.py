"""The file of `tm desk run`: its example is read, and what is wrong in it is named by table and key."""

from datetime import time

import pytest
from typer.testing import CliRunner

from trademantra.cli import app
from trademantra.cli.desk_run import planned_in
from trademantra.core.errors import BadInputError

GOOD = 'strategy = "supertrend"\naccount = "p"\nsymbols = ["INFY"]\n'


def read(tmp_path, text):
    file = tmp_path / "desk.toml"
    file.write_text(text)
    return planned_in(file, None)


def test_the_example_is_read(tmp_path):
    shown = CliRunner().invoke(app, ["desk", "run", "--example"])
    first, second = read(tmp_path, shown.output)
    assert first.options.symbols == ("INFY", "NSE:TCS")
    assert set(first.options.settings) == {"length=10", "multiplier=3.0"}
    assert (first.account_id, first.leave, first.last_entry) == ("practice", time(15, 5), time(14, 30))
    assert (second.options.strategy, second.options.size, second.options.target) == (
        "opening_range_breakout",
        "risk:0.005",
        "1%",
    )
    assert first.wants_live is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no strategy"),
        ("strategy = 3", "names no strategy"),
        ("[[stratgy]]", "'stratgy' is not known"),
        ("x = [", "is no TOML"),
        (f"[[strategy]]\n{GOOD}stopp = '1%'", "strategy 1: 'stopp' is not known"),
        (f"[[strategy]]\n{GOOD}[[strategy]]\nstrategy = 'x'", "strategy 2: account is missing"),
        (f"[[strategy]]\n{GOOD}cash = true", "strategy 1: cash must be a number"),
        (f"[[strategy]]\n{GOOD}cash = -1", "strategy 1: cash must be a number"),
        (f"[[strategy]]\n{GOOD}stop = 1", "strategy 1: stop must be a text"),
        (f"[[strategy]]\n{GOOD}short = 'yes'", "strategy 1: short must be true or false"),
        (f"[[strategy]]\n{GOOD}set = {{ length = '3' }}", "strategy 1: set.length must be a number"),
        (f"[[strategy]]\n{GOOD}leave = '25:00'", "strategy 1: leave must be a time"),
        (
            "[[strategy]]\nstrategy = 'x'\naccount = 'p'\nsymbols = 'INFY'",
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
