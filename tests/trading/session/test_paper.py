"""`tm paper` and `tm parity` on one small recorded day: what breaks parity is seen, and trouble is told."""

import json
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tests.trading.session.market import generated, table_of
from trademantra.cli import app
from trademantra.core.errors import BadInputError, NotFoundError, TradeMantraError
from trademantra.engine.bars import Bars
from trademantra.trading.session.facts import SessionFacts
from trademantra.trading.session.parity import parity
from trademantra.trading.session.tape import EVENTS
from trademantra.trading.session.trades import read_trades, write_trades

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

WORDS = (
    "--set",
    "length=3",
    "--set",
    "multiplier=0.8",
    "--size",
    "quantity:10",
    "--short",
    "--intraday",
    "--stop",
    "0.37%",
)
HEAD = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"
"""


def run(home: Path, *words: str) -> tuple[int, str]:
    """Exit code and output.  Errors: those that the command would show."""
    result = CliRunner().invoke(app, [*words, "--data-dir", str(home)], catch_exceptions=False)
    return result.exit_code, result.stdout


def played(home: Path, strategy: str, file: Path, *words: str) -> dict:
    return json.loads(
        run(home, "paper", strategy, "--replay", str(file), *words, "--json")[1].splitlines()[-1]
    )


def own(folder: Path, body: str) -> str:
    file = folder / "mine.py"
    file.write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "), encoding="utf-8")
    return str(file)


def write(file: Path, market: dict[str, Bars]) -> Path:
    table_of(market).write_parquet(file)
    return file


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of one share in quarters of an hour."""
    [symbol] = list(generated(4, bar="15m"))[:1]
    return write(tmp_path_factory.mktemp("day") / "bars.parquet", {symbol: generated(4, bar="15m")[symbol]})


@pytest.fixture(scope="module")
def session(day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session that is identical with its back-test.  Copy it before anything is changed."""
    told = played(tmp_path_factory.mktemp("home"), "supertrend", day, *WORDS, "--from", "2026-06-02")
    assert {trade["reason"] for trade in told["trades"]} >= {"stop", "signal"}
    assert parity(Path(told["folder"])).is_identical
    return Path(told["folder"])


@pytest.fixture
def copy(session: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(session, tmp_path / session.name))


def verdict(copy: Path) -> tuple[int, str]:
    code, output = run(copy.parent, "parity", str(copy))
    return code, output.splitlines()[-1]


# -- what parity sees


def test_an_untouched_copy_is_identical(copy: Path) -> None:
    assert verdict(copy) == (0, "identical")


def test_one_price_of_the_tape(copy: Path) -> None:
    [(_, trades)] = read_trades(copy).items()
    tape = pl.read_parquet(copy / EVENTS)
    entered = (pl.col("ts") == trades[0].entry_ns) & (pl.col("open") == trades[0].entry_price)
    assert tape.filter(entered).height == 1
    moved = [
        pl.when(entered).then(pl.col(name) + 0.05).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    ]
    tape.with_columns(moved).write_parquet(copy / EVENTS)
    code, last = verdict(copy)
    assert code == 1
    assert last.endswith(("differs", "differ"))


@pytest.mark.parametrize(
    "change",
    [
        {"exit_price": 0.05}, {"quantity": 1.0}, {"costs": 0.01}, {"exit_ns": 900 * 10**9}, {"entry_ns": 900 * 10**9},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_one_field_of_one_trade(copy: Path, change: dict[str, float]) -> None:
    [(run_id, trades)] = read_trades(copy).items()
    [(name, by)] = change.items()
    changed = replace(trades[1], **{name: getattr(trades[1], name) + by})
    write_trades(copy, {run_id: [trades[0], changed, *trades[2:]]})
    found = parity(copy).differences
    assert len(found) == (2 if name == "entry_ns" else 1)
    assert name == "entry_ns" or f"{name} is" in found[0].text
    assert verdict(copy)[0] == 1


def test_a_trade_that_is_missing_and_one_too_many(copy: Path) -> None:
    [(run_id, trades)] = read_trades(copy).items()
    write_trades(copy, {run_id: trades[1:]})
    assert verdict(copy) == (1, "1 trade differs")
    assert "only in the back-test" in parity(copy).differences[0].text
    write_trades(copy, {run_id: [*trades, replace(trades[0], entry_ns=trades[0].entry_ns - 1)]})
    assert "only in the session" in parity(copy).differences[0].text


def test_protection_that_works_one_event_early(day: Path, tmp_path: Path) -> None:
    """Stop entries fill inside an event, and their stops and targets lie near: the back-test's own habit differs."""
    words = (
        "--set length=3 --set trend=2 --set reward=0.1 --set buffer=0 --size quantity:10 --from 2026-06-02"
    )
    told = played(tmp_path, "nr7_breakout", day, *words.split())
    folder = Path(told["folder"])
    assert parity(folder).is_identical
    facts = SessionFacts.read(folder)
    changed = [replace(run, rules=replace(run.rules, as_live=False)) for run in facts.runs]
    replace(facts, runs=changed).write(folder)
    assert verdict(folder)[0] == 1


@pytest.mark.parametrize("change", [{"tick": 0.0}, {"lot": 4.0}], ids=["tick rounding", "lot"])
def test_one_rule(copy: Path, change: dict[str, float]) -> None:
    """Each of them is what makes paper and back-test alike: without it trades differ."""
    facts = SessionFacts.read(copy)
    changed = [replace(run, rules=replace(run.rules, **change)) for run in facts.runs]
    replace(facts, runs=changed).write(copy)
    assert verdict(copy)[0] == 1


def test_a_session_that_did_not_end_says_what_to_do(copy: Path) -> None:
    (copy / "trades.json").unlink()
    with pytest.raises(BadInputError, match="not ended") as told:
        verdict(copy)
    assert "paper again" in told.value.hint


def test_a_library_strategy_that_was_changed_since(copy: Path) -> None:
    facts = SessionFacts.read(copy)
    changed = [replace(run, strategy=replace(run.strategy, sha256="0" * 64)) for run in facts.runs]
    replace(facts, runs=changed).write(copy)
    with pytest.raises(BadInputError, match="was changed since"):
        verdict(copy)


def test_sessions_are_listed_newest_first_with_what_came_of_them(session: Path) -> None:
    home = session.parents[1]
    [row] = json.loads(run(home, "parity", "--json")[1])
    assert (row["session"], row["day"], row["state"]) == (session.name, "2026-06-02", "ended")
    assert session.name in run(home, "parity")[1]
    with pytest.raises(NotFoundError) as told:
        run(home, "parity", "none-of-them")
    assert session.name in told.value.hint


def test_no_session_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    assert "tm paper" in run(tmp_path, "parity")[1]


# -- strategies that misbehave


def test_a_strategy_that_raises_is_stopped_and_its_stop_still_fills(tmp_path: Path) -> None:
    """It holds 5 with a stop, raises, and the price falls through the stop an hour later."""
    bars = falling()
    strategy = own(tmp_path, """
        def on_bar(self, context, bar):
            if bar.index == 27:
                context.buy(bar.symbol, quantity=5, stop=95.0)
            if bar.index == 29:
                raise ValueError("bad luck")
        """)  # fmt: skip
    code, output = run(
        tmp_path,
        "paper",
        strategy,
        "--replay",
        str(write(tmp_path / "falling.parquet", {"FALL": bars})),
        "--json",
    )
    told = json.loads(output.splitlines()[-1])
    assert code == 1
    assert "bad luck" in told["stopped"][0]["text"]
    assert told["positions"] == {"mine:FALL": {}}
    assert (told["totals"]["orders"], told["calls"]) == (2, [])
    with pytest.raises(BadInputError, match="stopped in the session"):
        run(tmp_path, "parity", told["session"])


def test_a_strategy_that_raises_while_nothing_moves_goes_on_holding(tmp_path: Path) -> None:
    strategy = own(tmp_path, """
        def on_bar(self, context, bar):
            if bar.index == 40:
                context.buy(bar.symbol, quantity=5, stop=50.0)
            if bar.index == 43:
                raise ValueError("bad luck")
        """)  # fmt: skip
    file = write(tmp_path / "falling.parquet", {"FALL": falling()})
    code, output = run(tmp_path, "paper", strategy, "--replay", str(file))
    assert code == 1
    assert "still held: FALL 5" in output


def test_the_file_of_a_strategy_may_change_after_its_session(day: Path, tmp_path: Path) -> None:
    body = """
        def on_bar(self, context, bar):
            if bar.index % 6 == 0:
                context.buy(bar.symbol, quantity=3, stop=bar.close * 0.998)
            elif bar.index % 6 == 4:
                context.exit(bar.symbol)
        """
    told = played(tmp_path, own(tmp_path, body), day)
    assert told["totals"]["trades"] > 0
    own(tmp_path, "")
    assert run(tmp_path, "parity", told["session"])[1].splitlines()[-1] == "identical"


# -- limits and prices


def test_what_the_limits_refuse_is_told_to_strategy_and_user(day: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text(json.dumps(ONE_SHARE))
    told = played(tmp_path, "supertrend", day, *WORDS, "--limits", str(limits))
    assert told["trades"] == []
    assert told["refused"]
    assert (
        run(tmp_path, "paper", "supertrend", "--replay", str(day), *WORDS, "--limits", str(limits))[1].count(
            "refused:"
        )
        > 0
    )


def test_a_limit_that_cuts_an_order_says_by_how_much_and_parity_shows_it(day: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text(
        json.dumps({"order": {"max_order_quantity": "4"}, "actions": {"order_quantity": "reduce"}})
    )
    told = played(tmp_path, "supertrend", day, *WORDS, "--limits", str(limits))
    assert {trade["quantity"] for trade in told["trades"]} == {4.0}
    assert {each["text"] for each in told["refused"]} == {"a limit cut the order by 6"}
    code, output = run(tmp_path, "parity", told["session"])
    assert code == 1
    assert "quantity is 4.0 in the session, 10.0 in the back-test" in output


@pytest.mark.parametrize(
    ("limits", "held"),
    [
        ({"account": {"max_daily_loss_marked": 30}, "actions": {"daily_loss_marked": "flatten"}}, {}),
        (
            {"strategy": {"max_daily_loss_marked": 30}, "actions": {"daily_loss_marked": "pause_strategy"}},
            {"FALL": 5.0},
        ),
    ],
    ids=["flatten", "pause"],
)
def test_a_loss_closes_the_position_or_pauses_the_strategy(
    tmp_path: Path, limits: dict[str, object], held: dict[str, float]
) -> None:
    """5 are bought at 100, and the price falls to 90: 50 are lost, 30 may be."""
    strategy = own(tmp_path, """
        def on_bar(self, context, bar):
            context.buy(bar.symbol, quantity=5)
        """)  # fmt: skip
    (tmp_path / "limits.json").write_text(json.dumps(limits))
    file = write(tmp_path / "falling.parquet", {"FALL": falling()})
    told = played(tmp_path, strategy, file, "--limits", str(tmp_path / "limits.json"))
    assert "down today" in told["breaches"][0]
    assert told["positions"] == {"mine:FALL": held}
    assert [(trade["reason"], trade["net"]) for trade in told["trades"]] == (
        [] if held else [("risk_limit", -50.0)]
    )


def test_prices_beside_the_tick_are_moved_onto_it(tmp_path: Path) -> None:
    [(symbol, bars), *_] = generated(4, bar="15m").items()
    off = Bars(
        bars.ts, *(getattr(bars, name) + 0.01234567 for name in ("open", "high", "low", "close")), bars.volume
    )
    told = played(tmp_path, "supertrend", write(tmp_path / "off.parquet", {symbol: off}), *WORDS)
    assert any("moved onto it" in note for note in told["notes"])
    assert told["calls"] == []
    assert run(tmp_path, "parity", told["session"])[1].splitlines()[-1] == "identical"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tick", "5000"), "below one tick"),
        (("--tick", "0"), "no price step"),
        (("--tick", "0.00001"), "finer than"),
        (("--lot", "0.0001"), "finer than"),
        (("--short",), "cannot be carried overnight"),
        (("--from", "2027-01-01"), "the bars end on"),
        (("--timeframe", "10m"), "cannot be made of bars"),
        (("--timeframe", "1w"), "cannot be made of bars"),
        (("--timeframe", "1d", "--intraday"), "intraday positions leave before it"),
        (("--symbol", "NOBODY"), "NOBODY"),
        (("--limits", "nowhere.json"), "nowhere.json"),
    ],
)
def test_a_session_that_cannot_be_is_refused_before_it_begins(
    day: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(TradeMantraError, match=message):
        run(tmp_path, "paper", "supertrend", "--replay", str(day), *words)
    assert list(tmp_path.iterdir()) == []


def test_days_cannot_be_replayed(home: Path) -> None:
    with pytest.raises(NotFoundError, match="intraday"):
        run(home, "paper", "supertrend", "--replay", str(home), "--symbol", "AAPL")


def test_the_last_line_can_be_copied(day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run(tmp_path, "paper", "supertrend", "--replay", str(day), *WORDS)[1].splitlines()
    command, name, session = lines[-1].split()
    assert (command, name) == ("tm", "parity")
    assert run(tmp_path, "parity", session)[1].splitlines()[-1] == "identical"


ONE_SHARE = {"order": {"max_order_quantity": "1"}}


def falling() -> Bars:
    """Two days in quarters of an hour: 100, and from the tenth bar of the second day on 90."""
    [(_, bars), *_] = generated(4, bar="15m").items()
    ts = bars.ts[:50]
    price = np.where(np.arange(50) < 35, 100.0, 90.0)
    return Bars.of(ts, price, price, price, price, np.full(50, 1_000.0))


def test_a_strategy_that_never_ends_its_start_is_named_and_holds_the_replay_no_longer_than_it_may(
    day: Path, tmp_path: Path
) -> None:
    file = own(tmp_path, "def on_start(self, context):\n    while True:\n        pass\n")
    with pytest.raises(TradeMantraError, match=r"run mine:\w+ was not started: no answer within 2 s"):
        run(tmp_path, "paper", file, "--replay", str(day), "--start-seconds", "2")
