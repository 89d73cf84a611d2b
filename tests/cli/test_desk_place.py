"""`tm desk place`, `basket` and the like, as a person types them: what is wrong is told before any desk is asked."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest

from tests.cli.test_desk import put, tm
from trademantra.cli import desk_algos
from trademantra.cli.desk_basket import rows_of
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.trading.control.requests import DeskAnswer, NoAnswerError, RequestKind, RequestStore
from trademantra.trading.control.state import DeskState, StateStore


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("place", "INFY", "buy", "0"), "quantity: must be above 0"),
        (("place", "INFY", "buy", "--", "-5"), "quantity: must be above 0, got -5"),
        (("place", "INFY", "buy", "nan"), "is no number"),
        (("place", "INFY", "buy", "1e30"), "more than any exchange takes"),
        (("place", "INFY", "long", "1"), "side: 'long' is not known"),
        (("place", "INFY", "buy", "1", "--algo", "twap"), "twap needs minutes"),
        (("place", "INFY", "buy", "1", "--stop", "1"), "is not a distance"),
        (("target", "INFY", "much"), "is no number"),
        (("convert", "INFY", "--from", "MIS", "--to", "MIS"), "both MIS"),
        (("protect", "INFY"), "nothing to protect with"),
    ],
)
def test_what_cannot_be_is_told_at_once(home, words, says):
    with pytest.raises(InvalidValueError) as caught:
        tm(home, *words)
    assert says in str(caught.value)


def test_the_products_of_the_help_are_those_of_the_errors(home):
    known = "CNC, MIS, NRML, MTF"
    with pytest.raises(InvalidValueError, match=f"'XYZ' is not known .one of {known}"):
        tm(home, "place", "INFY", "buy", "1", "--product", "XYZ")
    for name in ("place", "target", "protect", "convert"):
        assert known in tm(home, name, "--help").output


def test_algorithms_are_asked_of_every_desk_and_one_is_stopped_where_it_runs(home, url):
    asked = answering(url, {"practice": ["a1"], "other": ["b1", "b2"]})
    with asked:
        shown = json.loads(tm(home, "algos", "--json", "--database", url).output)
        assert {(each["account"], each["id"]) for each in shown} == {
            ("practice", "a1"),
            ("other", "b1"),
            ("other", "b2"),
        }
        assert [
            each["id"]
            for each in json.loads(
                tm(home, "algos", "--account", "other", "--json", "--database", url).output
            )
        ] == ["b1", "b2"]
        assert "2 orders" in tm(home, "algos", "--database", url).output
        tm(home, "algo-stop", "b2", "--database", url)
        assert asked.stopped == [("other", "b2")]
        with pytest.raises(InvalidValueError, match="desks run for other, practice"):
            tm(home, "algo-stop", "nobody", "--database", url)


class answering:  # noqa: N801  (reads as a sentence in a test)
    """A desk that runs accounts with algorithms, and answers from a thread."""

    def __init__(self, url, algos):
        self.url, self.algos, self.stopped, self.over = url, algos, [], threading.Event()

    def __enter__(self):
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()))
        self.thread.start()
        assert self.ready.wait(20)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(20)

    async def serve(self):
        database = await Database.open(self.url)
        states, requests = StateStore(database), RequestStore(database)
        while not self.over.is_set():
            now_ns = SystemClock().now_ns()
            await states.write([DeskState(name, {}, now_ns) for name in self.algos])
            self.ready.set()
            for request in await requests.take(list(self.algos), now_ns):
                if request.kind is RequestKind.ALGOS:
                    made = [
                        {"id": each, "kind": "twap", "strategy": "manual", "order": "", "quantity": "9", "instrument": "NSE:INFY",
                         "product": "MIS", "filled": "0", "average_price": None, "closed": "0", "working": [1, 2]}
                        for each in self.algos[request.account_id]
                    ]  # fmt: skip
                    answer = DeskAnswer(True, "", {"algos": made})
                else:
                    self.stopped.append((request.account_id, request.arguments["id"]))
                    answer = DeskAnswer(True, "taken back")
                await requests.answer(request.request_id, answer, now_ns)
            await asyncio.sleep(0.02)
        await database.close()


def test_without_a_desk_nothing_is_sent(home):
    for words in (
        ("place", "INFY", "buy", "1"),
        ("target", "INFY", "--", "-5"),
        ("algos",),
        ("algo-stop", "manual.x"),
    ):
        with pytest.raises(NoAnswerError, match="no desk runs"):
            tm(home, *words)
    with pytest.raises(InvalidValueError, match="--id"):
        tm(home, "place", "INFY", "buy", "1", "--id", "a/b")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "symbol,side,quantity\nINFY,buy,10\nTCS,keep,5\n", "row 2: side: 'keep'"),
        ("a.csv", "symbol,side\nINFY,buy,10\n", "more fields than"),
        ("a.csv", "", "without rows"),
        ("a.csv", "symbol,side,quantity,colour\nINFY,buy,10,red\n", "'colour' is not known"),
        ("a.json", "{}", "must be a list"),
        ("a.json", "[{]", "is no JSON"),
        ("a.json", '[{"symbol": "INFY", "side": "buy", "quantity": NaN}]', "is no number"),
    ],
)
def test_a_basket_that_cannot_be_read_names_its_row(home, tmp_path, name, text, says):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(BadInputError) as caught:
        tm(home, "basket", str(file))
    assert says in str(caught.value)
    with pytest.raises(BadInputError, match="cannot be read"):
        tm(home, "basket", str(tmp_path / "missing.csv"))


def test_a_basket_that_can_be_read_gets_to_the_desk(home, tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text("\ufeffSymbol, Side, Quantity, Price\nINFY, buy, 10,\n\nNSE:TCS, sell, 5, 4100.5\n")
    with pytest.raises(NoAnswerError, match="no desk runs"):
        tm(home, "basket", str(file))


def test_a_live_account_is_asked_about_first(home, url):
    put(url, state_ns=SystemClock().now_ns() + 3 * 10**9)
    live(url)
    with pytest.raises(InvalidValueError, match="asha is live, and there is nobody to ask"):
        tm(home, "place", "INFY", "buy", "1", "--database", url)
    with pytest.raises(InvalidValueError, match="asha is live, and there is nobody to ask"):
        tm(home, "close-all", "--database", url)
    with pytest.raises(NoAnswerError, match="no desk took the request"):  # asked for, and void
        tm(home, "place", "INFY", "buy", "1", "--database", url, "--yes", "--timeout", "0.5", "--json")


def live(url):
    """The account `asha`, at a broker, live."""
    import asyncio

    from trademantra.kit.database import Database
    from trademantra.trading.accounts.account import Account
    from trademantra.trading.accounts.settings import AccountMode, Broker, ZerodhaAccountSettings
    from trademantra.trading.accounts.store import AccountStore

    async def write():
        database = await Database.open(url)
        settings = ZerodhaAccountSettings(api_key="key")
        await AccountStore(database).add(
            Account(account_id="asha", broker=Broker.ZERODHA, mode=AccountMode.LIVE, settings=settings)
        )
        await database.close()

    asyncio.run(write())


def test_a_column_that_comes_twice_is_named(tmp_path):
    file = tmp_path / "basket.csv"
    file.write_text("symbol,side,Quantity,quantity\nINFY,buy,1,100\n")
    with pytest.raises(BadInputError, match="column 'quantity' more than once"):
        rows_of(file)


@pytest.mark.parametrize(
    ("protects", "words", "person", "asked"),
    [
        (True, (), None, None),
        (True, (), "n\n", None),
        (True, (), "y\n", True),
        (True, ("--yes",), None, True),
        (True, ("--leave",), None, False),
        (False, (), None, False),
    ],
)
def test_the_stop_of_a_position_is_not_taken_away_unasked(
    home, tmp_path, monkeypatch, protects, words, person, asked
):
    """`asked`: what the desk is asked to do without protection; None: it is not asked at all."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    algo = {
        "id": "manual.p",
        "kind": "guard",
        "quantity": "7",
        "instrument": "NSE:INFY",
        "protects": protects,
    }
    monkeypatch.setattr(desk_algos, "is_person", lambda: person is not None)
    with a_desk(url, {"algos": [algo]}) as seen:
        arguments = ("algo-stop", "manual.p", *words, "--database", url, "--timeout", "20")
        if asked is None and person is None:
            with pytest.raises(InvalidValueError, match="the stop of 7 NSE:INFY goes with it"):
                tm(home, *arguments)
        else:
            done = tm(home, *arguments, typed=person)
            assert done.exit_code == (0 if asked is not None else 1)
    stops = [each.arguments for each in seen if each.kind == "algo_stop"]
    assert [bool(each.get("unprotect")) for each in stops] == ([] if asked is None else [asked])


@contextmanager
def a_desk(url, facts):
    """One that answers everything with these, in a thread, as another process would."""
    seen, stop, ready = [], threading.Event(), threading.Event()

    async def serve():
        database = await Database.open(url)
        store, states = RequestStore(database), StateStore(database)
        while not stop.is_set():
            await states.write([DeskState("asha", {}, SystemClock().now_ns())])
            ready.set()
            for request in await store.take(["asha"], SystemClock().now_ns()):
                seen.append(request)
                await store.answer(
                    request.request_id, DeskAnswer(True, "done", facts), SystemClock().now_ns()
                )
            await asyncio.sleep(0.01)
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield seen
    finally:
        stop.set()
        thread.join(20)
