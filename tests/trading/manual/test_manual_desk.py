"""Orders by hand at a running desk: an account at a broker and a paper one, neither with a strategy."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from tests.trading.house import scene as s
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.clock import SystemClock
from trademantra.kit.timer import ClockTimer
from trademantra.trading.control.requests import (
    DeskRequest,
    NoAnswerError,
    RequestFailedError,
    RequestKind,
    RequestStore,
)
from trademantra.trading.intents import MANUAL
from trademantra.trading.orders import PositionKey
from trademantra.trading.risk.kill_files import KillScope

PLACE, TARGET, BASKET = RequestKind.PLACE, RequestKind.TARGET, RequestKind.BASKET
_SPEED = 20.0
_PATIENCE_NS = 60 * NANOSECONDS_PER_SECOND


class Asking:
    """Asks as `tm desk` does, from another process."""

    def __init__(self, scene):
        self.scene, self.number = scene, 0

    async def __call__(self, account_id, kind, request_id=None, patience_ns=_PATIENCE_NS, **arguments):
        self.number += 1
        timer = ClockTimer(SystemClock())
        now_ns = timer.now_ns()
        request = DeskRequest(
            request_id=request_id or f"{now_ns}-{self.number}", account_id=account_id, kind=kind, asked_ns=now_ns,
            expires_ns=now_ns + patience_ns, arguments=arguments,
        )  # fmt: skip
        return await RequestStore(self.scene.database).ask(request, timer)


@asynccontextmanager
async def desk(folder, root, *accounts, sessions=()):
    """A desk that serves these, ready to trade."""
    names = [each.account_id for each in accounts]
    async with s.running(folder, root, accounts, sessions, names) as scene:
        house = scene.house
        await scene.until(lambda: not any(house._not_ready(name) for name in names), "ready accounts")
        yield scene, Asking(scene)


def order_count(scene, name, key):
    return sum(each.instrument.key == key for each in scene.orders(name))


def test_orders_of_people_go_the_road_of_every_order(tmp_path):
    async def play(root):
        async with desk(tmp_path, root, s.kite_account(root), s.paper_account()) as (scene, ask):
            bank, it = "NSE:SYNBANK1", "NSE:SYNIT1"
            for name in ("kite", "practice"):
                told = await ask(name, PLACE, symbol="SYNBANK1", side="buy", quantity="10")
                assert told.facts["outcome"] == "accepted", told
                await scene.until(lambda name=name: scene.held(name) == {bank: 10}, "it is bought")
            # the same request again is the same order; something else under its id is refused
            for _ in range(2):
                told = await ask("kite", PLACE, "twice", symbol="SYNIT1", side="sell", quantity="5")
                assert told.facts["outcome"] == "accepted"
            await scene.until(lambda: scene.held("kite").get(it) == -5, "it is sold")
            assert order_count(scene, "kite", it) == 1
            with pytest.raises(Exception, match="something else was asked"):
                await ask("kite", PLACE, "twice", symbol="SYNIT1", side="sell", quantity="6")
            # a target from any state: more, through nothing to the other side, flat
            for quantity in ("15", "-5", "0"):
                told = await ask("practice", TARGET, symbol="SYNBANK1", quantity=quantity)
                assert told.facts["outcome"] == "accepted", told
                await scene.until(
                    lambda quantity=quantity: scene.held("practice").get(bank, 0) == int(quantity), quantity
                )
            # a position goes to the other product
            told = await ask(
                "kite", RequestKind.CONVERT, symbol=bank, quantity="4", **{"from": "MIS", "to": "CNC"}
            )
            assert "4 of NSE:SYNBANK1 of manual are CNC now" in told.text
            positions = scene.room("kite").desk.book.positions
            assert positions[PositionKey(MANUAL, bank, Product.CNC)].quantity == 4
            assert positions[PositionKey(MANUAL, bank, Product.MIS)].quantity == 6
            await scene.agrees("kite")
            # each row is checked before the first is sent
            good = {"symbol": "SYNAUTO1", "side": "buy", "quantity": "3"}
            bad = {"symbol": "SYNIT1", "side": "buy", "quantity": "2.5"}
            with pytest.raises(RequestFailedError, match="nothing was sent: row 2 "):
                await ask("practice", BASKET, rows=[good, bad])
            assert "NSE:SYNAUTO1" not in scene.held("practice")
            told = await ask("practice", BASKET, rows=[good, bad], skip_refused=True)
            assert told.facts["outcome"] == "partly"
            assert [row["outcome"] for row in told.facts["rows"]] == ["accepted", "refused"]
            await scene.until(lambda: scene.held("practice") == {"NSE:SYNAUTO1": 3}, "the good row")
            # a zero too many is refused however it is asked for, and nothing of it is sent
            before = len(scene.orders("practice"))
            huge = {"symbol": "SYNBANK1", "quantity": "100000000"}
            for kind, words in (
                (PLACE, huge | {"side": "buy"}),
                (PLACE, huge | {"side": "sell", "stop": "1%"}),
                (PLACE, huge | {"side": "buy", "algo": "iceberg", "shown": "10", "price": "160"}),
                (TARGET, huge),
                (TARGET, huge | {"quantity": "-100000000"}),
                (BASKET, {"rows": [good, huge | {"side": "buy"}]}),
            ):
                with pytest.raises(RequestFailedError, match=r"at most 200 % \(hand_order_percent\)"):
                    await ask("practice", kind, **words)
            assert len(scene.orders("practice")) == before
            # killed: entries are refused, what only closes passes
            now_ns = SystemClock().now_ns()
            scene.house.switch.engage(KillScope.ALL, who="me", why="a test", now_ns=now_ns)
            with pytest.raises(RequestFailedError, match="killed"):
                await ask("kite", PLACE, symbol=bank, side="buy", quantity="1")
            told = await ask("kite", PLACE, symbol=bank, side="sell", quantity="6")
            assert told.facts["outcome"] == "accepted"
            told = await ask("kite", TARGET, symbol=it, quantity="0")
            await scene.until(lambda: scene.held("kite") == {bank: 4}, "closed while killed")
            with pytest.raises(RequestFailedError, match="killed"):
                await ask("kite", TARGET, symbol=it, quantity="5")
            await scene.agrees("kite")

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


def test_algorithms_by_hand_are_begun_shown_ended_and_outlive_the_desk(tmp_path):
    async def play(root):
        async with desk(tmp_path, root, s.kite_account(root), s.paper_account()) as (scene, ask):
            told = await ask(
                "practice", PLACE, "b", symbol="SYNBANK1", side="buy", quantity="10", stop="5%", target="5%"
            )
            assert told.facts["outcome"] == "accepted", told
            await scene.until(lambda: len(scene.exits("practice")) == 2, "a stop and a target rest")
            told = await ask(
                "practice",
                PLACE,
                "t",
                symbol="SYNIT1",
                side="buy",
                quantity="20",
                algo="twap",
                minutes="10",
                parts="10",
            )
            assert told.facts["algo"] == "manual.t"
            await scene.until(lambda: scene.held("practice").get("NSE:SYNIT1", 0) > 0, "the first part")
            told = await ask("practice", RequestKind.ALGOS)
            algos = {each["id"]: each for each in told.facts["algos"]}
            assert (algos["manual.b"]["filled"], len(algos["manual.b"]["working"])) == ("10", 2)
            assert 0 < int(algos["manual.t"]["filled"]) < 20
            assert 0 < algos["manual.t"]["ends_in_seconds"] <= 600
        # a new process: the listing that was added is there, prices of what is held are heard, the algorithms go on
        async with desk(tmp_path, root, s.kite_account(root), s.paper_account()) as (scene, ask):
            hub = scene.house.markets["kite"].hub
            await scene.until(lambda: hub.status().instruments == 2 and not hub.status().stale, "prices")
            assert len(scene.exits("practice")) == 2
            held = scene.held("practice")["NSE:SYNIT1"]
            await scene.until(lambda: scene.held("practice")["NSE:SYNIT1"] > held, "the next part")
            told = await ask("practice", RequestKind.ALGO_STOP, id="manual.t")
            await scene.until(
                lambda: [each.algo_id for each in scene.room("practice").algos.running()] == ["manual.b"],
                "ended",
            )
            with pytest.raises(RequestFailedError, match="works on NSE:SYNBANK1 already"):
                await ask("practice", RequestKind.PROTECT, symbol="SYNBANK1", stop="1%")
            await ask("practice", RequestKind.PROTECT, "p", symbol="SYNIT1", stop="5%")
            await scene.until(lambda: len(scene.exits("practice")) == 3, "what is held is protected")
            await ask("practice", RequestKind.ALGO_STOP, id="manual.b", leave=True)
            await scene.until(lambda: "NSE:SYNBANK1" not in scene.held("practice"), "the bracket left")
            with pytest.raises(RequestFailedError, match=r"there are: manual\.p"):
                await ask("practice", RequestKind.ALGO_STOP, id="manual.x")
            await scene.agrees("practice")

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))


def test_nonsense_and_lateness_place_nothing(tmp_path):
    async def play(root):
        async with desk(tmp_path, root, s.kite_account(root)) as (scene, ask):
            for quantity in ("0", "-5", "NaN", "1e30", "2.5"):
                with pytest.raises(RequestFailedError, match=r"quantity|lots"):
                    await ask("kite", PLACE, symbol="SYNIT1", side="buy", quantity=quantity)
            with pytest.raises(RequestFailedError, match="NSE:NOSUCH is not listed"):
                await ask("kite", PLACE, symbol="NOSUCH", side="buy", quantity="1")
            with pytest.raises(RequestFailedError, match="nothing of NSE:SYNIT1 is held"):
                await ask("kite", RequestKind.CONVERT, symbol="SYNIT1", **{"from": "MIS", "to": "CNC"})
            with pytest.raises(RequestFailedError, match="is held by hand"):
                await ask("kite", RequestKind.PROTECT, symbol="SYNIT1", stop="1%")
            with pytest.raises(RequestFailedError, match="Insufficient funds"):
                await ask("kite", PLACE, symbol="SYNIT1", side="buy", quantity="700", product="CNC")
            with pytest.raises(NoAnswerError, match="no desk took"):
                await ask("another", PLACE, patience_ns=10**9, symbol="SYNIT1", side="buy", quantity="1")
            # who asked has gone before it was taken: nothing is placed for him
            request = DeskRequest(
                request_id="late", account_id="kite", kind=PLACE, asked_ns=0, expires_ns=1,
                arguments={"symbol": "SYNIT1", "side": "buy", "quantity": "1"},
            )  # fmt: skip
            told = await scene.house._manual.answer(request)
            assert not told.done
            assert "nothing was sent" in told.text
            assert not scene.room("kite").desk.book.of_intent("manual.late")
            # an instrument that nobody holds or asks for is left after a while
            hub = scene.house.markets["kite"].hub
            assert hub.status().instruments == 1
            for heard in scene.house._hand_feed._heard["kite"].values():
                heard.needed_ns -= 61 * NANOSECONDS_PER_SECOND
            await scene.until(lambda: hub.status().instruments == 0, "it is left")
            assert scene.room("kite").desk.book.held(
                PositionKey(MANUAL, "NSE:SYNIT1", Product.MIS)
            ) == Decimal(0)

    with s.sandbox(_SPEED) as root:
        asyncio.run(play(root))
