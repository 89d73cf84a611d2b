"""`tm desk cancel` and `modify` as a person types them: names, questions and what the desk is asked."""

import asyncio
from decimal import Decimal

import pytest

from tests.cli.test_desk import NOW, SHARE, put, tm
from tests.cli.test_desk_place import a_desk
from trademantra.cli import desk_orders
from trademantra.core.errors import InvalidValueError
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.models import OrderRow, PositionRow
from trademantra.trading.record.store import RecordStore, SessionMode, SessionRecord
from trademantra.trading.terms import terms_to_json

ENTRY, STOP, BRACKET, OTHER = "3f2a91c0aa00", "3f2a91d4bb00", "77c0de00cc00", "9900aa00dd00"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def url(tmp_path):
    """An entry, a stop by hand and one of a bracket in `asha`, an entry in `other`; 10 are held."""
    made = f"sqlite:///{tmp_path / 'desk.db'}"

    async def write():
        database = await Database.open(made)
        async with database.writing() as session:
            for name, account, purpose, intent in (
                (ENTRY, "asha", "entry", "manual.a"), (STOP, "asha", "exit", "manual.b"),
                (BRACKET, "asha", "exit", "manual.c/stop"), (OTHER, "other", "entry", "manual.d"),
            ):  # fmt: skip
                is_exit = purpose == "exit"
                order = Order(
                    order_id=name, instrument=SHARE, side=Side.SELL if is_exit else Side.BUY, quantity=Decimal(10),
                    order_type=OrderType.SL_M if is_exit else OrderType.LIMIT, product=Product.MIS,
                    price=None if is_exit else Decimal(1500), trigger_price=Decimal(1400) if is_exit else None,
                )  # fmt: skip
                session.add(
                    OrderRow(
                        order_id=name, account_id=account, strategy_id="manual", intent_id=intent, part=0, purpose=purpose,
                        tag=name, instrument_key=SHARE.key, request=terms_to_json(order), status=OrderStatus.OPEN.value,
                        broker_order_id=f"26{name}", created_ns=NOW, updated_ns=NOW,
                    )
                )  # fmt: skip
            session.add(
                PositionRow(
                    account_id="asha", strategy_id="manual", instrument_key=SHARE.key, product="MIS",
                    quantity=Decimal(10), cost=Decimal(15000), realised=Decimal(0), charges=Decimal(0),
                )
            )  # fmt: skip
        await database.close()

    asyncio.run(write())
    return made


def test_the_ids_that_are_shown_name_their_orders(home, url):
    shown = tm(home, "orders", "--database", url).stdout
    for name in ("3f2a91c ", "3f2a91d ", "77c0de ", "9900aa "):
        assert name in shown
    with a_desk(url, {"outcome": "accepted"}) as seen:
        words = ("--database", url, "--timeout", "20")
        for name in ("3f2a91c", "3F2A91C0", f"26{ENTRY}"):
            assert tm(home, "cancel", name, *words).exit_code == 0
        with pytest.raises(
            InvalidValueError, match=r"'3f2a91' begins several orders: 3f2a91c .BUY 10 NSE:INFY LIMIT"
        ):
            tm(home, "cancel", "3f2a91", *words)
        with pytest.raises(InvalidValueError, match="'3f2' is too short"):
            tm(home, "modify", "3f2", "--price", "3", *words)
        with pytest.raises(InvalidValueError, match="these are orders of asha and other"):
            tm(home, "cancel", ENTRY, OTHER, *words)
        for wrong in (
            ("cancel",),
            ("cancel", ENTRY, "--all"),
            ("cancel", "--all", "--id", "x"),
            ("modify", ENTRY),
        ):
            with pytest.raises(InvalidValueError):
                tm(home, *wrong, *words)
        tm(home, "cancel", "260001", "--account", "asha", *words)  # the desk knows the broker's orders too
        tm(home, "modify", "3f2a91c", "--price", "1490", "--quantity", "5", *words)
        tm(home, "cancel", "--all", *words)
    assert [(each.kind.value, dict(each.arguments)) for each in seen] == [
        *[("cancel", {"orders": [ENTRY]})] * 3,
        ("cancel", {"orders": ["260001"]}),
        ("modify", {"order": ENTRY, "price": "1490", "quantity": "5"}),
        ("cancel_all", {}),
    ]


@pytest.mark.parametrize(
    ("words", "person", "asked"),
    [
        (("cancel", STOP), None, None),
        (("cancel", STOP), "n\n", None),
        (("cancel", STOP), "y\n", True),
        (("cancel", STOP, "--yes"), None, True),
        (("modify", STOP, "--quantity", "4"), None, None),
        (("modify", STOP, "--quantity", "4"), "y\n", True),
        (("modify", STOP, "--trigger", "1410"), None, False),
        (("cancel", BRACKET), None, False),  # the desk says what ends it
    ],
)
def test_the_stop_of_a_position_is_not_taken_away_unasked(home, url, monkeypatch, words, person, asked):
    """`asked`: whether the desk is told that the position may stay without; None: it is not asked at all."""
    monkeypatch.setattr(desk_orders, "is_person", lambda: person is not None)
    with a_desk(url, {"outcome": "accepted"}) as seen:
        given = (*words, "--database", url, "--timeout", "20")
        if asked is None and person is None:
            with pytest.raises(InvalidValueError, match=r"is the stop of 10 NSE:INFY: .* stays UNPROTECTED"):
                tm(home, *given)
        else:
            assert tm(home, *given, typed=person).exit_code == (0 if asked is not None else 1)
    assert [bool(each.arguments.get("unprotect")) for each in seen] == ([] if asked is None else [asked])


def test_what_is_not_all_done_ends_with_two(home, url):
    with a_desk(url, {"outcome": "unknown"}):
        assert tm(home, "cancel", ENTRY, "--database", url, "--timeout", "20").exit_code == 2


@pytest.mark.parametrize("runs", [True, False])
def test_a_session_that_runs_is_told_so(home, tmp_path, runs):
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    put(url)

    async def write():
        database = await Database.open(url)
        now_ns = SystemClock().now_ns() + 3 * 10**9
        await RecordStore(database).write_session(
            SessionRecord(
                session_id="s1", account_id="asha", strategy="orb", parameters_hash="h", mode=SessionMode.PAPER,
                capital=Decimal(1), started_ns=NOW - 10**9, ended_ns=NOW,
            )
        )  # fmt: skip
        await StateStore(database).write([DeskState("asha", {"sessions": ["s1"] if runs else []}, now_ns)])
        await database.close()

    asyncio.run(write())
    status = tm(home, "status", "--database", url).stdout
    line = next(each for each in status.splitlines() if " s1 " in each)
    assert line.rstrip().endswith("runs") is runs
    assert "sessions" not in status.replace("last sessions", "")
