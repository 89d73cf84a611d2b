"""`tm desk` as a person and a program use it, on both databases; killing needs none."""

import asyncio
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from trademantra.cli import app
from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database, DatabaseError
from trademantra.trading.control.requests import DeskAnswer, NoAnswerError, RequestFailedError, RequestStore
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.models import OrderRow, PositionRow
from trademantra.trading.risk.kill import KillSwitch, ReleaseRefusedError
from trademantra.trading.terms import terms_to_json

runner = CliRunner()
NOW = SystemClock().now_ns()
SHARE = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")


def tm(home: Path, *words: str, typed: str | None = None) -> Result:
    environment = {
        "COLUMNS": "160",
        "TRADEMANTRA_HOME": str(home),
        "TRADEMANTRA_KEY": str(home.parent / "key"),
    }
    result = runner.invoke(app, ["desk", *words], env=environment, input=typed)
    if isinstance(result.exception, TradeMantraError):
        raise result.exception
    return result


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "home"


def put(url: str, *, state_ns: int | None = None) -> None:
    """An order that works, one that is done, a position and one that is flat again."""

    async def write() -> None:
        database = await Database.open(url)
        async with database.writing() as session:
            for number, status in enumerate((OrderStatus.OPEN, OrderStatus.REJECTED)):
                order = Order(
                    order_id=f"o{number}", instrument=SHARE, side=Side.BUY, quantity=Decimal(10),
                    order_type=OrderType.LIMIT, product=Product.MIS, price=Decimal("1500.50"),
                )  # fmt: skip
                session.add(
                    OrderRow(
                        order_id=order.order_id, account_id="asha", strategy_id="orb[1]", intent_id=f"i{number}", part=0,
                        purpose="entry", tag=f"t{number}", instrument_key=SHARE.key, request=terms_to_json(order),
                        status=status.value, reason="no [money]" if number else "", broker_order_id=None,
                        filled_quantity=Decimal(4), filled_value=Decimal(6000), created_ns=NOW + number, updated_ns=NOW,
                    )
                )  # fmt: skip
            for name, quantity in (("orb[1]", 4), ("trend", 0)):
                session.add(
                    PositionRow(
                        account_id="asha", strategy_id=name, instrument_key=SHARE.key, product="MIS",
                        quantity=Decimal(quantity), cost=Decimal(6000 if quantity else 0), realised=Decimal("12.5"),
                        charges=Decimal("1.25"),
                    )
                )  # fmt: skip
        if state_ns is not None:
            await StateStore(database).write(
                [DeskState("asha", {"orders": 1, "strategies": ["orb[1]"]}, state_ns)]
            )
        await database.close()

    asyncio.run(write())


def test_empty_states_say_what_to_do(empty: Path) -> None:
    assert "tm account add practice" in tm(empty, "status").stdout
    assert tm(empty, "positions").stdout == "nothing is held\n"
    assert "--all shows those that are done" in tm(empty, "orders").stdout
    assert tm(empty, "orders", "--all").stdout == "there never was an order\n"
    assert json.loads(tm(empty, "status", "--json").stdout) == {
        "kills": [], "accounts": [], "sessions": [], "dead_men": [],
    }  # fmt: skip
    for words in ("positions", "orders"):
        assert json.loads(tm(empty, words, "--json").stdout) == []
    with pytest.raises(NoAnswerError, match=r"no desk runs [(]tm paper and tm live start one"):
        tm(empty, "reconcile")


def test_orders_and_positions_are_shown_without_a_desk_and_say_how_old_they_are(
    url: str, empty: Path
) -> None:
    put(url, state_ns=NOW - 3600 * NANOSECONDS_PER_SECOND)
    shown = tm(empty, "positions", "--database", url).stdout
    for words in ("orb[1]", "NSE:INFY", "1,500.00", "12.50", "asha: not running; as of "):
        assert words in shown
    assert "trend" not in shown
    assert "trend" in tm(empty, "positions", "--all", "--database", url).stdout
    assert tm(empty, "positions", "--account", "other", "--database", url).stdout == "nothing is held\n"
    working = tm(empty, "orders", "--database", url).stdout
    for words in ("LIMIT MIS at 1500.5", "open", "BUY"):
        assert words in working
    assert "rejected" not in working
    assert "rejected: no [money]" in tm(empty, "orders", "--all", "--database", url).stdout
    told = json.loads(tm(empty, "orders", "--json", "--all", "--database", url).stdout)
    assert [(each["order_id"], each["status"], each["average_price"]) for each in told] == [
        ("o0", "open", "1500"), ("o1", "rejected", "1500")
    ]  # fmt: skip
    status = tm(empty, "status", "--database", url).stdout
    assert "orders 1 · strategies orb[1]" in status
    account = json.loads(tm(empty, "status", "--json", "--database", url).stdout)["accounts"][0]
    assert (account["account_id"], account["running"], account["state"]["orders"]) == ("asha", False, 1)
    # what is held and nobody runs is named, also where no desk tells of it
    assert (
        "asha orb[1]: 4 NSE:INFY (MIS) held, UNPROTECTED: no stop rests at the broker; no desk runs there"
        in status
    )
    assert [(each["strategy_id"], each["protected"]) for each in account["held"]] == [("orb[1]", False)]


def test_no_colour_and_no_control_characters_off_a_terminal(url: str, empty: Path) -> None:
    put(url)
    for words in (("status",), ("positions",), ("orders", "--all")):
        assert "\x1b" not in tm(empty, *words, "--database", url).output


def test_a_running_desk_answers(url: str, empty: Path) -> None:
    """The desk side runs in a thread with its own loop, as another process would."""
    import threading

    answers = {
        "reconcile": DeskAnswer(True, "12 orders read, all settled", {"orders": 12}),
        "pause": DeskAnswer(False, "no strategy nosuch runs here"),
        "resume": DeskAnswer(True, "resumed"),
        "cancel_all": DeskAnswer(True, "2 cancelled"),
        "close_all": DeskAnswer(True, "1 position is being closed"),
    }
    seen: list[tuple[str, object]] = []
    stop, ready = threading.Event(), threading.Event()

    async def desk() -> None:
        database = await Database.open(url)
        store, states = RequestStore(database), StateStore(database)
        while not stop.is_set():
            await states.write([DeskState("asha", {}, SystemClock().now_ns())])
            ready.set()
            for request in await store.take(["asha"], SystemClock().now_ns()):
                seen.append((request.kind.value, request.arguments.get("strategy")))
                await store.answer(request.request_id, answers[request.kind.value], SystemClock().now_ns())
            await asyncio.sleep(0.01)
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(desk()))
    thread.start()
    ready.wait(20)
    try:
        fresh = ("--database", url, "--timeout", "20")
        assert tm(empty, "reconcile", *fresh).stdout == "12 orders read, all settled\n"
        assert json.loads(tm(empty, "resume", "--json", *fresh).stdout)["done"] is True
        with pytest.raises(RequestFailedError, match="pause of account asha: no strategy nosuch runs here"):
            tm(empty, "pause", "--strategy", "nosuch", *fresh)
        assert "2 cancelled" in tm(empty, "cancel-all", "--account", "asha", *fresh).stdout
        assert "being closed" in tm(empty, "close-all", *fresh).stdout  # on paper nobody is asked
        assert "being closed" in tm(empty, "close-all", "--strategy", "orb", "--yes", *fresh).stdout
        with pytest.raises(NoAnswerError, match="no desk runs for account other"):
            tm(empty, "reconcile", "--account", "other", *fresh)
    finally:
        stop.set()
        thread.join(20)
    assert seen == [
        ("reconcile", None), ("resume", None), ("pause", "nosuch"), ("cancel_all", None), ("close_all", None),
        ("close_all", "orb"),
    ]  # fmt: skip


def test_kill_and_release(empty: Path) -> None:
    said = tm(empty, "kill", "--why", "odd fills").stdout
    assert "everything was killed" in said
    assert "odd fills" in said
    tm(empty, "kill", "--account", "asha", "--flatten")
    told = json.loads(tm(empty, "kill", "--strategy", "orb", "--json").stdout)
    assert (told["scope"], told["id"], told["flatten"]) == ("strategy", "orb", False)
    switch = KillSwitch(empty, NOW)
    assert [(kill.scope.value, kill.name, kill.flatten) for kill in switch.in_force()] == [
        ("all", "", False), ("account", "asha", True), ("strategy", "orb", False)
    ]  # fmt: skip
    assert tm(empty, "status").stdout.count("KILLED:") == 3
    with pytest.raises(InvalidValueError, match="say why"):
        tm(empty, "release", "--yes")
    with pytest.raises(InvalidValueError, match="nothing was released: there is nobody to ask"):
        tm(empty, "release", "--why", "it was the feed")
    assert len(KillSwitch(empty, NOW).in_force()) == 3
    done = tm(empty, "release", "--why", "it was the feed", "--yes").stdout
    assert "released: all" in done
    assert "KILLED: account asha" in done
    told = json.loads(tm(empty, "release", "--account", "asha", "--why", "looked", "--yes", "--json").stdout)
    assert told["released"] == ["account", "asha"]
    with pytest.raises(NotFoundError, match="account asha is not killed"):
        tm(empty, "release", "--account", "asha", "--why", "again", "--yes")
    with pytest.raises(InvalidValueError, match="one account, one strategy or one user"):
        tm(empty, "kill", "--account", "a", "--user", "b")
    with pytest.raises(InvalidValueError, match="has no name"):
        tm(empty, "kill", "--account", " ")
    audit = (empty / "kill-audit.jsonl").read_text()
    assert audit.count('"event":"killed"') == 3
    assert audit.count('"event":"released"') == 2
    assert "it was the feed" in audit


@pytest.mark.parametrize("trouble", ["rubbish", "locked", "no file"])
def test_the_kill_switch_needs_no_database(empty: Path, trouble: str) -> None:
    empty.mkdir()
    file = empty / "desk.db"
    if trouble == "rubbish":
        file.write_bytes(b"this is no database" * 100)
        with pytest.raises(DatabaseError):
            tm(empty, "status")
    with closing(sqlite3.connect(file) if trouble == "locked" else sqlite3.connect(":memory:")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "everything was killed" in tm(empty, "kill").stdout
        assert KillSwitch(empty, NOW).blocking("owner", "any", "any", NOW) is not None
        assert "released" in tm(empty, "release", "--why", "tried it out", "--yes").stdout


def test_a_switch_that_cannot_be_written_is_made_by_the_file(empty: Path) -> None:
    (empty / "kill.json").mkdir(parents=True)  # damage: nothing can be replaced there
    said = tm(empty, "kill")
    assert "EVERYTHING is killed" in said.output
    assert (empty / "KILL").exists()
    with pytest.raises(ReleaseRefusedError, match="remove the file, then release"):
        tm(empty, "release", "--why", "looked at it", "--yes")


def test_every_command_has_help_with_an_example() -> None:
    for name in (
        "status", "positions", "orders", "kill", "release", "reconcile", "cancel-all", "close-all", "pause", "resume"
    ):  # fmt: skip
        assert "Example" in runner.invoke(app, ["desk", name, "--help"]).stdout, name


HELD = {
    "strategy_id": "manual", "instrument": "NSE:INFY", "product": "MIS", "quantity": "7", "stopped": "0", "triggers": [],
    "sessions": [], "watched": False, "protected": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({}, "asha manual: 7 NSE:INFY (MIS) held by hand, UNPROTECTED: no stop rests at the broker"),
        ({"strategy_id": "orb"}, "asha orb: 7 NSE:INFY (MIS) held, no strategy runs it, UNPROTECTED"),
        (
            {"strategy_id": "orb", "stopped": "7", "triggers": ["95.5"]},
            "no strategy runs it, a stop rests at the broker at 95.5",
        ),
        (
            {"strategy_id": "orb", "stopped": "3", "triggers": ["95.5"]},
            "UNPROTECTED for the most part: a stop for 3 only",
        ),
        ({"watched": True}, "held by hand, no stop rests at the broker, the desk watches its level"),
        ({"stopped": "7", "triggers": ["95.5"]}, None),
        ({"strategy_id": "orb", "sessions": ["s1"]}, None),
    ],
)
def test_status_names_what_somebody_must_look_at(
    tmp_path: Path, empty: Path, held: dict[str, object], says: str | None
) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"

    async def write() -> None:
        database = await Database.open(url)
        state = DeskState(
            "asha", {"held": [HELD | held]}, SystemClock().now_ns() + 3 * NANOSECONDS_PER_SECOND
        )
        await StateStore(database).write([state])
        await database.close()

    asyncio.run(write())
    status = tm(empty, "status", "--database", url).stdout
    assert ("asha manual:" in status or "asha orb:" in status) is (says is not None)
    assert says is None or says in status
    assert says is None or "tm desk close-all --account asha --strategy" in status
