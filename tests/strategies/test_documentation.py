"""docs/strategies.md: its table is that of the library, and its examples run."""

import re
from pathlib import Path

import pytest

from tests.strategies.tape import input_of, walk
from trademantra.engine.backtest import backtest
from trademantra.engine.strategy import SignalStrategy
from trademantra.strategies.registry import load_strategy, load_strategy_file, strategy_names

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type feature")
PAGE = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("name", strategy_names())
def test_the_table_says_what_the_library_holds(name: str) -> None:
    strategy = load_strategy(name)
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` ")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        f"`{name}`",
        strategy.idea,
        strategy.market,
        ", ".join(f"`{p.name}` {p.default:g} ({p.low:g} to {p.high:g})" for p in strategy.parameters),
        strategy.source,
    ]


def test_there_is_an_example_of_each_kind_and_one_on_ticks() -> None:
    assert set(EXAMPLES) == {"pullback.py", "calm.py", "first_hour.py", "sharp_fall.py"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(EXAMPLES[name])
    strategy = load_strategy_file(path)
    bars = {symbol: walk(k, 30) for k, symbol in enumerate("ABCDE")}
    given = input_of(
        bars["A"] if isinstance(strategy, SignalStrategy) else bars,
        intraday=name in {"first_hour.py", "sharp_fall.py"},
    )
    result = backtest(strategy, given)
    assert strategy.name == path.stem
    assert len(result.trades) > 5
    if name == "first_hour.py":
        assert set(result.symbols) == set("ABCDE")
