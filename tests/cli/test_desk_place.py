"""`tm desk place`, `basket` and the like, as a person types them: what is wrong is told before any desk is asked."""

import pytest

from tests.cli.test_desk import put, tm
from trademantra.cli.desk_basket import rows_of
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.kit.clock import SystemClock
from trademantra.trading.control.requests import NoAnswerError


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
