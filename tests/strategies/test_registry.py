"""Strategies by name and from files: what is loaded, and what a user is told when it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

import trademantra.strategies
from tests.strategies.tape import input_of, walk
from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.engine.backtest import backtest
from trademantra.engine.events import EventStrategy
from trademantra.engine.panel import AllocationStrategy
from trademantra.engine.strategy import SignalStrategy
from trademantra.strategies.registry import load_strategy, load_strategy_file, strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type feature")
ROOT = Path(__file__).parents[2]

EVENT = """
from trademantra.engine.events import BarView, Context, EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.minute == 0:
            context.buy()
        if bar.minute == 60:
            context.exit()
"""
SIGNAL = """
from trademantra.engine.compile import signal_kernel
from trademantra.engine.strategy import SignalStrategy

@signal_kernel
def kernel(bars, session, minute, columns, use, parameters, state, codes, levels, start, stop):
    for j in range(stop - start):
        codes[j] = 1 if minute[start + j] == 0 else 2 if minute[start + j] == 60 else 0

STRATEGY = SignalStrategy(
    name="mine", title="", idea="", source="", market="", parameters=(), columns=(), kernel=kernel
)
"""


def test_the_names_are_the_files_of_the_folder() -> None:
    folder = Path(trademantra.strategies.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "registry", "signals"}
    assert set(strategy_names()) == files
    assert list(strategy_names()) == sorted(files)
    assert len(files) == 16


@pytest.mark.parametrize("name", strategy_names())
def test_each_declares_what_it_is(name: str) -> None:
    strategy = load_strategy(name)
    assert strategy.name == name
    for fact in (strategy.title, strategy.idea, strategy.source, strategy.market):
        assert 4 < len(fact) < 140
    assert strategy.parameters
    for parameter in strategy.parameters:
        assert 8 < len(parameter.description) < 80
        assert parameter.low < parameter.high
        assert not parameter.integer or parameter.step == int(parameter.step)
    source = Path(sys.modules[f"trademantra.strategies.{name}"].__file__ or "").read_text()
    assert len(source.splitlines()) < 95
    assert source.startswith('"""')


def test_names_are_read_as_people_write_them() -> None:
    assert load_strategy(" SMA-Cross ") is load_strategy("sma_cross")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("smacross", "did you mean sma_cross"), ("supertrand", "supertrend"), ("", "there are: "), ("range", "opening_range_breakout"),
     ("registry", "there are: "), ("../sma_cross", "sma_cross")],
)  # fmt: skip
def test_an_unknown_name_brings_near_ones(name: str, hint: str) -> None:
    with pytest.raises(NotFoundError, match="no strategy") as caught:
        load_strategy(name)
    assert hint in caught.value.hint


def test_loading_one_loads_no_other() -> None:
    code = (
        "import sys; from trademantra.strategies.registry import load_strategy, strategy_names\n"
        "strategy_names(); assert 'numba' not in sys.modules and 'trademantra.engine.panel' not in sys.modules\n"
        "load_strategy('sma_cross')\n"
        "print([n for n in strategy_names() if f'trademantra.strategies.{n}' in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['sma_cross']"


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_may_hold_any_kind(tmp_path: Path) -> None:
    signal = load_strategy_file(write(tmp_path, SIGNAL, "one.py"))
    event = load_strategy_file(write(tmp_path, EVENT, "two.py"))
    assert isinstance(signal, SignalStrategy)
    assert isinstance(event, type)
    assert issubclass(event, EventStrategy)
    given = input_of(walk(1, 5))
    first, second = backtest(signal, given), backtest(event, given)
    assert len(first.trades) == 5
    assert first.trades["entry_price"].tolist() == second.trades["entry_price"].tolist()
    copied = (ROOT / "trademantra" / "strategies" / "dual_momentum.py").read_text()
    assert isinstance(load_strategy_file(write(tmp_path, copied, "three.py")), AllocationStrategy)


def test_a_named_strategy_comes_before_classes(tmp_path: Path) -> None:
    second = EVENT.replace("Mine", "Other").replace('"mine"', '"other"')
    both = write(tmp_path, EVENT + second + "\nSTRATEGY = Mine\n")
    assert load_strategy_file(both).name == "mine"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, EVENT)
    load_strategy_file(path)
    path.write_text(EVENT.replace('"mine"', '"changed"'))
    assert load_strategy_file(str(path)).name == "changed"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a = 1\ndef f(:\n", "not valid Python: invalid syntax", 2),
        ("a = 1\n  b = 2\n", "not valid Python: unexpected indent", 2),
        ("\0", "not valid Python: source code string cannot contain null bytes", None),
        ("import trademantra\n\nx = undefined_name\n", "NameError: name 'undefined_name' is not defined", 3),
        ("import nothing_like_it\n", "ModuleNotFoundError: No module named 'nothing_like_it'", 1),
        ("import sys\nsys.exit(0)\n", "SystemExit", 2),
        ("a = 1\n", "declares no STRATEGY and no EventStrategy class", None),
        ("STRATEGY = 5\n", "STRATEGY is a int, not a strategy", None),
        (EVENT + EVENT.replace("Mine", "Other"), "declares no STRATEGY and 2 EventStrategy classes", None),
        (EVENT + "\nSTRATEGY = Mine()\n", "STRATEGY is an object", None),
        (EVENT.replace("name = title = idea", "title = idea"), "class Mine does not say its name", None),
        (SIGNAL.replace("@signal_kernel", ""), "strategy mine: its kernel is not compiled", None),
        (SIGNAL.replace("codes[j] = 1", "codes[j] = undefined_name"), "TypingError: .*undefined_name", 5),
        (SIGNAL.replace("parameters=()", "parameters=(Parameter('a', 5, 1, 2),)").replace(
            "import SignalStrategy", "import SignalStrategy; from trademantra.engine.parameters import Parameter"),
         r"parameter a: default 5 must lie within \[1, 2\]", 11),
    ],
)  # fmt: skip
def test_a_bad_file_is_explained(tmp_path: Path, text: str, message: str, line: int | None) -> None:
    path, before = write(tmp_path, text), set(sys.modules)
    with pytest.raises(BadInputError, match=message) as caught:
        load_strategy_file(path)
    assert caught.value.file == str(path)
    assert caught.value.line == line
    assert len(caught.value.message) < 400
    ran = line is None and text != "\0"
    assert ran == any(name.startswith("strategy_file_") for name in set(sys.modules) - before)


def test_a_path_that_is_no_strategy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no strategy file"):
        load_strategy_file(tmp_path / "absent.py")
    with pytest.raises(NotFoundError, match="there is no strategy file"):
        load_strategy_file(tmp_path)
    with pytest.raises(BadInputError, match=r"ends in \.py"):
        load_strategy_file(write(tmp_path, EVENT, "mine.txt"))
