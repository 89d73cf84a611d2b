"""A strategy of the user that is wrong: one message that names it and what to do, exit code 2, no traceback."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trademantra.cli import main

SIGNAL = """
import numpy as np
from trademantra.engine.compile import signal_kernel
from trademantra.engine.strategy import SignalStrategy

@signal_kernel
def kernel(bars, session, minute, columns, use, parameters, state, codes, levels, start, stop):
    for i in range(start, stop):
        {line}

STRATEGY = SignalStrategy(name="mine", title="Mine", idea="i", source="s", market="m", parameters=(), columns=(),
                          kernel=kernel)
"""
ALLOCATION = """
import numpy as np
from trademantra.engine.panel import AllocationStrategy, weight_kernel
from trademantra.engine.parameters import Parameter

@weight_kernel
def kernel(values, i, parameters, state, weights):
    {line}

STRATEGY = AllocationStrategy(name="mine", title="Mine", idea="i", source="s", market="m",
                              parameters=(Parameter("every", 5, 1, 50), Parameter("wait", 3, 0, 50)),
                              kernel=kernel, every="every", warm_up=("wait",))
"""
EVENTS = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"
    def {line}
"""
SIGNATURE = """
from trademantra.engine.compile import signal_kernel

@signal_kernel
def kernel(bars, codes):
    codes[:] = 0
"""

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def tm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path))
    rows = ["symbol,date,open,high,low,close,volume"]
    for symbol in ("AAA", "BBB"):
        for k in range(600):
            day, price = 1 + k % 28, 100 + k % 7
            date = f"{2000 + k // 336}-{1 + k // 28 % 12:02d}-{day:02d}"
            rows.append(f"{symbol},{date},{price},{price + 1},{price - 1},{price},1000")
    prices = tmp_path / "prices.csv"
    prices.write_text("\n".join(rows) + "\n")

    def run(text: str, *more: str, symbols: tuple[str, ...] = ("AAA",)) -> tuple[int, str]:
        strategy = tmp_path / "mine.py"
        strategy.write_text(text)
        chosen = [word for symbol in symbols for word in ("--symbol", symbol)]
        words = [
            "tm",
            "backtest",
            str(strategy),
            "--bars",
            str(prices),
            "--exchange",
            "BINANCE",
            *chosen,
            *more,
        ]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr().err
        assert "Traceback" not in said
        code = left.value.code
        assert isinstance(code, int)
        return code, " ".join(said.split())

    return run


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SIGNAL.format(line="codes[i] = 1"), "strategy mine: its kernel leaves its arrays"),
        (SIGNAL.format(line="codes[i - start] = 1 if columns[3, 0] > 0 else 0"), "strategy mine: its kernel leaves"),
        (SIGNAL.format(line="levels[0, i - start] = 1.0; codes[i - start] = 1"), "has_levels=True"),
        (SIGNAL.format(line="codes[0] = 0"), "strategy mine: its kernel writes no code for bar 513"),
        (SIGNAL.format(line="codes[i - start] = 64"), "strategy mine: its kernel writes the code 64"),
        (SIGNAL.format(line="codes[i - start] = 0").replace("\nSTRATEGY", "    return codes\n\nSTRATEGY"), "mine.py, line 6"),
        (SIGNATURE, "mine.py, line 4"),
        ("print(1)", "declares no STRATEGY"),
        ("STRATEGY = 3", "STRATEGY is a int, not a strategy"),
    ],
)  # fmt: skip
def test_kernels_and_files(tm: Said, text: str, told: str) -> None:
    code, said = tm(text)
    assert code == 2
    assert told in said
    assert "mine.py" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("weights[len(weights)] = 1.0", "strategy mine: its kernel leaves its arrays"),
        ("weights[:] = np.nan", "strategy mine: its weight of AAA at bar 3 (2000-01-04T00:00:00Z) is not a finite number"),
        ("weights[1] = 1.0 / values[4, i, 0] * np.inf", "strategy mine: its weight of BBB at bar 3"),
        ("return weights", "mine.py, line 6"),
    ],
)  # fmt: skip
def test_weights(tm: Said, line: str, told: str) -> None:
    code, said = tm(ALLOCATION.format(line=line), symbols=("AAA", "BBB"))
    assert code == 2
    assert told in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("on_bar(self, context, bar): 1 / 0", "strategy mine raised ZeroDivisionError"),
        ("on_start(self, context): self.nothing", "strategy mine raised AttributeError"),
        ("on_bar(self, context): pass", "strategy mine raised TypeError"),
        ("on_bar(self, context, bar): context.buy('CCC')", "strategy mine: no instrument 'CCC'"),
        (
            "on_bar(self, context, bar): context.buy(quantity=-1)",
            "strategy mine: AAA: quantity must be a positive number, got -1",
        ),
        ("__init__(self): pass", "strategy mine cannot be made: TypeError"),
    ],
)
def test_callbacks(tm: Said, line: str, told: str) -> None:
    code, said = tm(EVENTS.format(line=line), *(("--set", "x=1") if "__init__" in line else ()))
    assert code == 2
    assert told in said


def test_what_is_right_runs(tm: Said) -> None:
    assert tm(SIGNAL.format(line="codes[i - start] = 1 + i % 2"))[0] == 0
    assert tm(ALLOCATION.format(line="weights[i % 2] = 1.0"), symbols=("AAA", "BBB"))[0] == 0
    assert tm(EVENTS.format(line="on_bar(self, context, bar): context.buy(stop=bar.close * 0.9)"), "--size", "risk:0.01")[0] == 0  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--size risk:0.01", "strategy mine: size risk needs the distance to a stop"),
        ("--size risk:0.01 --trail 2%", "a trailing stop does not size"),
        ("--risk-free nan", "--risk-free nan is not an annual rate"),
        ("--risk-free 6.5", "write 0.065 for 6.5 %"),
        ("--slippage bps:10000", "slippage bps = 10000 is out of range"),
        ("--slippage ticks:1", "slippage in ticks needs to know the tick"),
        ("--slippage range:3", "fraction of the bar's range"),
        ("--stop 100%", "a stop of 100% lies at a price of zero"),
        ("--trail 250%", "a trail of 250% lies at a price of zero"),
        ("--stop 500pt", "a stop of 500 points is never reached: no price is above 107"),
        ("--size equal:1.5", "not a number of slots"),
        ("--cash nan", "cash = nan is out of range"),
        ("--margin inf", "margin = inf is out of range"),
    ],
)
def test_rules_that_cannot_work(tm: Said, options: str, told: str) -> None:
    code, said = tm(SIGNAL.format(line="codes[i - start] = 1 + i % 2"), *options.split())
    assert code == 2
    assert told in said


def test_risk_without_a_stop_in_callbacks_and_levels(tm: Said) -> None:
    code, said = tm(EVENTS.format(line="on_bar(self, context, bar): context.buy()"), "--size", "risk:0.01")
    assert (code, "strategy mine: AAA: size risk needs the distance to a stop" in said) == (2, True)
    never = SIGNAL.format(line="codes[i - start] = 1 + i % 2").replace(
        "kernel=kernel", "kernel=kernel, has_levels=True"
    )
    code, said = tm(never, "--size", "risk:0.01")
    assert (code, "none of its" in said) == (2, True)
