"""The record in both databases."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from trademantra.core.errors import DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.order import Side
from trademantra.kit.database import Database
from trademantra.trading.record.store import RecordStore, SessionMode, SessionRecord, TradeRecord

SESSION = SessionRecord(
    session_id="s1", account_id="p1", strategy="orb", parameters_hash="h1", mode=SessionMode.PAPER,
    capital=Decimal(100_000), started_ns=100, details={"symbols": ["NSE:INFY"], "parameters": {"minutes": 15}},
)  # fmt: skip
TRADE = TradeRecord(
    session_id="s1", strategy_id="orb", symbol="NSE:INFY", side=Side.BUY, entry_ns=110, exit_ns=120,
    quantity=Decimal(3), entry_price=Decimal(100) / 3, exit_price=Decimal("34.5"), gross=Decimal("3.50006"),
    costs=Decimal("0.12"), reason="target",
)  # fmt: skip


def run(url, story):
    async def told():
        database = await Database.open(url)
        try:
            return await story(RecordStore(database))
        finally:
            await database.close()

    return asyncio.run(told())


def test_what_was_written_is_read(url):
    async def story(store):
        await store.write_session(SESSION)
        await store.write_session(replace(SESSION, session_id="s2", mode=SessionMode.LIVE, started_ns=50))
        later = replace(TRADE, exit_ns=130, side=Side.SELL)
        await store.write_trades([TRADE])
        await store.write_trades([later, replace(TRADE, session_id="s2", exit_ns=125)])
        assert await store.session("s1") == SESSION
        assert await store.trades(["s1"]) == [TRADE, later]
        assert [each.exit_ns for each in await store.trades(["s1", "s2"])] == [120, 125, 130]
        assert [each.session_id for each in await store.sessions(strategy="orb")] == ["s2", "s1"]
        assert await store.sessions(mode=SessionMode.PAPER, account_id="p1") == [SESSION]
        assert await store.sessions(account_id="other") == []
        for until, known in ((500, 500), (400, 500), (600, 600)):
            await store.ran_until("s1", until)
            assert (await store.session("s1")).ended_ns == known

    run(url, story)


def test_all_trades_of_a_call_or_none(url):
    async def story(store):
        await store.write_session(SESSION)
        with pytest.raises(NotFoundError, match="no session s9"):
            await store.write_trades([TRADE, replace(TRADE, session_id="s9")])
        assert await store.trades(["s1"]) == []
        with pytest.raises(DataConflictError):
            await store.write_session(SESSION)
        with pytest.raises(NotFoundError):
            await store.ran_until("s9", 1)
        with pytest.raises(NotFoundError):
            await store.session("s9")

    run(url, story)


def test_what_cannot_be_is_refused():
    assert TRADE.entry_price == Decimal("33.33333333")
    assert (TRADE.gross, TRADE.net) == (Decimal("3.5001"), Decimal("3.3801"))
    for wrong in ({"quantity": Decimal(0)}, {"exit_ns": 1}):
        with pytest.raises(InvalidValueError):
            replace(TRADE, **wrong)
    for wrong in ({"capital": Decimal(0)}, {"ended_ns": 1}, {"parameters_hash": ""}):
        with pytest.raises(InvalidValueError):
            replace(SESSION, **wrong)
