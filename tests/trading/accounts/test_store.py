"""Accounts in both databases: what was put in comes out, and what is fixed stays fixed."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from trademantra.brokers.paper.settings import Meets
from trademantra.core.errors import DataConflictError, InvalidValueError, NotFoundError
from trademantra.kit.database import Database
from trademantra.trading.accounts.account import Account, check_name
from trademantra.trading.accounts.settings import (
    AccountMode,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
    parse_settings,
    settings_from_json,
    settings_to_json,
)
from trademantra.trading.accounts.store import AccountClosedError, AccountStore
from trademantra.trading.policy import OutsideHours
from trademantra.trading.risk.limits_json import parse_limits

PAPER = Account(
    account_id="p1",
    broker=Broker.PAPER,
    mode=AccountMode.PAPER,
    settings=PaperAccountSettings(cash=Decimal("250000.50"), slippage="bps:2", meets=Meets.STANDING),
    title="Practice",
    limits=parse_limits({"order": {"max_order_value": 50000}}),
    created_ns=7,
)
LIVE = Account(
    account_id="z1",
    broker=Broker.ZERODHA,
    mode=AccountMode.LIVE,
    settings=ZerodhaAccountSettings(api_key="abc123", user_id="AB1234", registered_address="203.0.113.7"),
    outside_hours=OutsideHours.AFTER_MARKET,
    rest_target=False,
)


def run(url, story):
    async def told():
        database = await Database.open(url)
        try:
            return await story(AccountStore(database), database)
        finally:
            await database.close()

    return asyncio.run(told())


@asynccontextmanager
async def refused(kind, words):
    with pytest.raises(kind, match=words):
        yield


def test_what_was_put_in_comes_out(url):
    async def story(store, _):
        await store.add(PAPER)
        await store.add(replace(LIVE, data_sources=("own",)))
        assert await store.get("p1") == PAPER
        assert await store.accounts() == [PAPER, LIVE]
        changed = replace(
            PAPER, title="Other", limits=parse_limits({}), data_sources=("z1",), rest_target=False
        )
        await store.change(changed)
        assert await store.get("p1") == changed

    run(url, story)


def test_broker_mode_and_user_are_for_ever(url):
    async def story(store, database):
        await store.add(PAPER)
        await store.add(LIVE)
        async with refused(InvalidValueError, "the mode of account z1 is live for ever.*make a new account"):
            sandbox = ZerodhaAccountSettings(api_key="abc123", root="http://127.0.0.1:8700")
            await store.change(replace(LIVE, mode=AccountMode.PAPER, settings=sandbox))
        async with refused(InvalidValueError, "the user_id of account z1"):
            await store.change(replace(LIVE, user_id="somebody"))
        async with refused(InvalidValueError, "the broker of account p1"):
            await store.change(
                replace(PAPER, broker=Broker.ZERODHA, mode=AccountMode.LIVE, settings=LIVE.settings)
            )
        for change in (
            "mode = 'paper'",
            "broker = 'paper', mode = 'paper'",
            "user_id = 'x'",
            "account_id = 'y'",
        ):
            # whoever writes past the store
            async with refused(IntegrityError, "are fixed"), database.writing() as session:
                await session.execute(text(f"UPDATE desk_account SET {change} WHERE account_id = 'z1'"))
        same = "user_id, title, broker, data_source, settings, limits, outside_hours, rest_target, go_live, created_ns"
        copied = (
            f"INSERT INTO desk_account (account_id, mode, {same}) "
            f"SELECT 'n', 'demo', {same} FROM desk_account WHERE account_id = 'z1'"
        )
        async with refused(IntegrityError, "ck_desk_account_mode"), database.writing() as session:
            await session.execute(text(copied))
        assert await store.accounts() == [PAPER, LIVE]

    run(url, story)


def test_a_name_is_given_once_and_a_removed_account_stays_on_file(url):
    async def story(store, _):
        await store.add(PAPER)
        async with refused(DataConflictError, "there is an account p1 already"):
            await store.add(PAPER)
        await store.add(LIVE)
        await store.change(replace(PAPER, data_sources=("z1",)))
        async with refused(DataConflictError, "z1 is the data source of p1"):
            await store.close("z1", 9)
        await store.close("p1", 9)
        await store.close("z1", 10)
        assert await store.accounts() == []
        assert [each.closed_ns for each in await store.accounts(closed=True)] == [9, 10]
        async with refused(DataConflictError, "was removed and whose orders are kept"):
            await store.add(PAPER)
        async with refused(AccountClosedError, "p1 was removed"):
            await store.change(PAPER)
        async with refused(NotFoundError, "no account nosuch .make one: tm account add"):
            await store.get("nosuch")

    run(url, story)


def test_a_source_of_prices_is_an_open_account_with_prices_of_its_own(url):
    async def story(store, _):
        await store.add(LIVE)
        await store.add(replace(PAPER, data_sources=("z1",)))
        third = replace(PAPER, account_id="p2", data_sources=("p1",))
        async with refused(InvalidValueError, "p1 takes its prices from z1 itself"):
            await store.add(third)
        async with refused(InvalidValueError, "no account nosuch to take prices from"):
            await store.add(replace(third, data_sources=("nosuch",)))
        async with refused(NotFoundError, "there are: p1, z1"):
            await store.get("p2")

    run(url, story)


def test_a_paper_account_never_speaks_to_the_real_broker():
    with pytest.raises(InvalidValueError, match="would send orders to Zerodha itself"):
        replace(LIVE, mode=AccountMode.PAPER)
    half = ZerodhaAccountSettings(
        api_key="a1", root="http://127.0.0.1:8700", stream_root="wss://ws.kite.trade"
    )
    with pytest.raises(InvalidValueError, match="would send orders"):
        replace(LIVE, mode=AccountMode.PAPER, settings=half)
    sandbox = ZerodhaAccountSettings(api_key="a1", root="http://127.0.0.1:8700")
    assert replace(LIVE, mode=AccountMode.PAPER, settings=sandbox).mode is AccountMode.PAPER
    made = sandbox.adapter_settings()
    assert (made.login_page, made.stream_root) == (
        "http://127.0.0.1:8700/connect/login",
        "ws://127.0.0.1:8700",
    )
    with pytest.raises(InvalidValueError, match="the paper broker has no live accounts"):
        replace(PAPER, mode=AccountMode.LIVE)
    with pytest.raises(InvalidValueError, match="not settings of zerodha"):
        replace(PAPER, broker=Broker.ZERODHA)


@pytest.mark.parametrize("name", ["", "A1", "own", "all", "a b", "-a", "a" * 41, "a/b", "über"])
def test_names_that_cannot_be(name):
    with pytest.raises(InvalidValueError, match="cannot be the name"):
        check_name(name)


@given(
    cash=st.decimals(min_value="0.01", max_value=10**9, places=2),
    latency_ms=st.integers(0, 1_000_000).map(lambda n: n / 100),
    slippage=st.sampled_from(["none", "bps:3", "ticks:1"]),
    meets=st.sampled_from(Meets),
    flag=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_settings_survive_json(cash, latency_ms, slippage, meets, flag, seed):
    settings = PaperAccountSettings(
        cash=cash, latency_ms=latency_ms, slippage=slippage, meets=meets, queue=flag, seed=seed
    )
    assert settings_from_json(Broker.PAPER, settings_to_json(settings)) == settings
    assert settings.exchange_settings().seed == seed


@pytest.mark.parametrize(
    ("broker", "given", "words"),
    [
        (Broker.PAPER, {"cash": "-1"}, "cash must be above 0"),
        (Broker.PAPER, {"cash": "much"}, "cash must be a number"),
        (Broker.PAPER, {"seed": 1.5}, "seed must be a whole number"),
        (Broker.PAPER, {"queue": "perhaps"}, "queue must be yes or no"),
        (Broker.PAPER, {"meets": "soon"}, "meets must be one of next_price, standing"),
        (Broker.PAPER, {"slippage": "bps:-2"}, "slippage"),
        (Broker.PAPER, {"tariff": "nosuch"}, "unknown broker 'nosuch'"),
        (Broker.PAPER, {"square_off": "nosuch"}, "nobody knows the times of 'nosuch'"),
        (Broker.PAPER, {"cash": [1]}, "cash must be a single value"),
        (Broker.PAPER, ["cash"], "must be a table"),
        (Broker.ZERODHA, {}, "needs api_key"),
        (Broker.ZERODHA, {"api_key": "a b"}, "letters and digits"),
        (Broker.ZERODHA, {"api_key": 7}, "api_key must be a text"),
        (Broker.ZERODHA, {"api_key": "a", "api_secret": "x"}, "'api_secret' is no setting"),
        (Broker.ZERODHA, {"api_key": "a", "root": "http://example.com"}, "in the clear"),
        (Broker.ZERODHA, {"api_key": "a", "order_address": "home"}, "order_address must be an IP address"),
        (Broker.ZERODHA, {"api_key": "a", "order_proxy": "http://u:p@h:1"}, "belongs in the secrets box"),
        (Broker.ZERODHA, {"api_key": "a", "login_port": 0}, "login_port is 1 to 65535"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_named(broker, given, words):
    with pytest.raises(InvalidValueError, match=words):
        parse_settings(broker, given)
