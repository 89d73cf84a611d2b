"""A strategy that hears ticks: on paper over seconds it trades as its back-test with those seconds as finer bars, and parity says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trading.session.market import generated, spans_over
from tests.trading.session.test_paper import own, played, run, write
from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.data.resample import resample
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.timeline import by_sessions
from trademantra.strategies.registry import load_strategy_file
from trademantra.trading.runner.run_log import TicksTold, from_line, to_line
from trademantra.trading.session.facts import SessionFacts
from trademantra.trading.session.parity import parity
from trademantra.trading.session.tape import read_charges
from trademantra.trading.session.told import log_file, read_told
from trademantra.trading.session.trades import read_trades

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

STEP = 5 * SECOND
S5, M1 = Timeframe.parse("5s"), Timeframe.parse("1m")
DIPS = """
times = (3,)

def on_session(self, context):
    self.highest, self.lowest, self.seen = {}, {}, 0

def on_time(self, context, minute):
    self.seen += 100

def on_tick(self, context, tick):
    name = tick.symbol
    self.seen += 1
    high = self.highest[name] = max(self.highest.get(name, 0.0), tick.price)
    low = self.lowest[name] = min(self.lowest.get(name, 1e9), tick.price)
    held, other = context.position(name), [each for each in context.symbols if each != name]
    if held == 0.0 and tick.price < high * 0.998:
        context.buy(name, quantity=5.0 + self.seen % 4)
        self.lowest[name] = tick.price
    elif held != 0.0 and tick.price > low * 1.002 and self.seen % 3 == 0:
        context.exit(name)
        self.highest[name] = tick.price
        for each in other:
            context.cancel(each)
            if context.position(each) == 0.0:
                context.buy(each, limit=context.history(each).close[-1] * 0.999 if len(context.history(each)) else None)

def on_bar(self, context, bar):
    if bar.minute % 17 == 16:
        context.exit(bar.symbol)
"""


def seconds(symbol_number: int) -> Bars:
    """The first 40 minutes of two days in steps of five seconds, without one of them here and there."""
    minutes = generated(4)[list(generated(4))[symbol_number]]
    random = np.random.default_rng(20 + symbol_number)
    rows, times = [], []
    for day in spans_over(minutes)[:2]:
        price = float(minutes.close[np.searchsorted(minutes.ts, day.open_ns)])
        for k in range(480):
            opened, price = price, price * float(np.exp(random.normal(0.0, 3e-4)))
            path = (
                np.round(np.array([opened, price, *(price * (1 + random.normal(0, 2e-4, 2)))]) * 20.0) / 20.0
            )
            price = float(path[1])
            if k and random.random() < 0.05:
                continue
            times.append(day.open_ns + k * STEP)
            rows.append((path[0], path.max(), path.min(), path[1], float(random.integers(1, 900))))
    return Bars.of(times, *zip(*rows, strict=True))


@pytest.fixture(scope="module")
def market() -> dict[str, Bars]:
    names = list(generated(4))
    return {names[number]: seconds(number) for number in (0, 1)}


@pytest.fixture(scope="module")
def session(market: dict[str, Bars], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    told = played(
        home, own(home, DIPS), write(home / "bars.parquet", market), "--timeframe", "1m", "--stop", "1%", "--size",
        "quantity:5", "--costs", "zerodha:MIS", "--from", "2026-06-02",
    )  # fmt: skip
    assert (told["stopped"], told["refused"]) == ([], [])
    assert told["totals"]["trades"] >= 10
    return Path(told["folder"])


def test_parity_of_ticks_is_identical(session: Path) -> None:
    compared = parity(session)
    assert compared.is_identical, [each.text for each in compared.differences]
    code, output = run(session.parents[1], "parity", session.name)
    assert (code, output.splitlines()[-1]) == (0, "identical")


def test_a_backtest_with_finer_bars_trades_the_same(session: Path, market: dict[str, Bars]) -> None:
    """Nothing of the session takes part but its rules: the ticks are the closes of the stored bars."""
    facts = SessionFacts.read(session)
    [run] = facts.runs
    bars = {symbol: resample(one, S5, M1, spans_over(one)) for symbol, one in market.items()}
    given = BacktestInput(
        bars,
        {
            symbol: by_sessions(one.ts, spans_over(one)).with_square_off(facts.leave_minute)
            for symbol, one in bars.items()
        },
        read_charges(session, ())["SYNBANK1"],
        finer=market,
        begin_ns=facts.begin_ns,
    )
    result = backtest(load_strategy_file(session / "strategy.py"), given, {}, run.rules)
    [trades] = read_trades(session).values()
    theirs = [
        (float(t["entry_price"]), float(t["exit_price"]), float(t["quantity"]), float(t["net"]))
        for t in result.trades
    ]
    ours = [(t.entry_price, t.exit_price, t.quantity, t.net) for t in trades]
    assert sorted(theirs) == sorted(ours)


def test_what_was_told_is_the_close_of_each_stored_bar(session: Path, market: dict[str, Bars]) -> None:
    facts = SessionFacts.read(session)
    [run] = facts.runs
    told = read_told(session, run.run_id, facts.begin_ns)
    for symbol, bars in market.items():
        mine = [tick for each in told.told for tick in each.ticks if tick.symbol == symbol]
        played = bars.ts >= facts.begin_ns
        assert [tick.ts for tick in mine] == (bars.ts[played] + STEP).tolist()
        assert [tick.price for tick in mine] == bars.close[played].tolist()
        assert [tick.volume for tick in mine] == np.cumsum(bars.volume[played]).tolist()
    orders = [each.order for each in told.told]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("change", ["price", "place", "missing"])
def test_other_ticks_are_seen(session: Path, tmp_path: Path, change: str) -> None:
    """A tick that was not told, another price, another place among the prices: the trades are others."""
    folder = shutil.copytree(session, tmp_path / session.name)
    [run] = SessionFacts.read(folder).runs
    file = log_file(folder, run.run_id)
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):
        entry = from_line(line)
        if not isinstance(entry, TicksTold):
            continue
        if change == "place":
            entry = replace(entry, fed=entry.fed + 8)
        elif change == "price":
            entry = replace(
                entry,
                ticks=tuple(replace(tick, price=tick.price + 9.0 * (number % 2)) for tick in entry.ticks),
            )
        lines[number] = "" if change == "missing" and number % 2 else to_line(entry)
    file.write_text("".join(f"{line}\n" for line in lines if line))
    assert not parity(folder).is_identical


def test_without_its_log_it_is_not_compared(session: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(session, tmp_path / session.name)
    [run] = SessionFacts.read(folder).runs
    log_file(folder, run.run_id).unlink()
    with pytest.raises(BadInputError, match="cannot be read") as refused:
        parity(folder)
    assert "nothing can be compared" in refused.value.hint
    log_file(folder, run.run_id).write_text('["ticks",1,[["X",0,-1,1,1,1]]]\n')
    with pytest.raises(BadInputError, match="cannot be read"):
        parity(folder)


def test_bars_alone_write_no_log(tmp_path: Path, market: dict[str, Bars]) -> None:
    calm = "def on_bar(self, context, bar):\n    context.buy(bar.symbol)\n"
    short = {symbol: bars.slice(0, 520) for symbol, bars in market.items()}
    told = played(tmp_path, own(tmp_path, calm), write(tmp_path / "bars.parquet", short), "--timeframe", "1m")
    assert not list(Path(told["folder"]).glob("*.log"))


def test_one_that_raises_in_a_tick_keeps_its_stop(tmp_path: Path, market: dict[str, Bars]) -> None:
    raises = """
def on_tick(self, context, tick):
    if context.position(tick.symbol) != 0.0:
        raise ZeroDivisionError("a mistake of its writer")
    context.buy(tick.symbol, stop=tick.price * 0.9995)
"""
    words = ("--timeframe", "1m", "--size", "quantity:5", "--from", "2026-06-02")
    told = played(tmp_path, own(tmp_path, raises), write(tmp_path / "bars.parquet", market), *words)
    [stopped] = told["stopped"]
    assert "a mistake of its writer" in json.dumps(stopped)
    assert told["totals"]["fills"] >= 2, "its stop went on without it"
