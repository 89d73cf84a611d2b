"""The go-live gate: figures checked by hand, against the engine's own, and what must never open it."""

import asyncio
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError
from trademantra.core.order import Side
from trademantra.core.time import ist_ns
from trademantra.engine.metrics import drawdown_of
from trademantra.kit.database import Database
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import (
    AccountMode,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
)
from trademantra.trading.accounts.store import AccountStore
from trademantra.trading.go_live import (
    GoLiveThresholds,
    Measure,
    checklist_lines,
    thresholds_of,
    trading_days,
)
from trademantra.trading.go_live_overrides import (
    AUDIT_NAME,
    GoLiveGate,
    GoLiveOverrides,
    OverrideRefusedError,
    Subject,
)
from trademantra.trading.record.store import RecordStore, SessionMode, SessionRecord, TradeRecord

MONDAY = date(2026, 11, 2)
CAPITAL = Decimal(100_000)
NEED = GoLiveThresholds()
LIVE = Account(
    account_id="z1", broker=Broker.ZERODHA, mode=AccountMode.LIVE, settings=ZerodhaAccountSettings(api_key="abc")
)  # fmt: skip
WHY = "it ran two years at another broker"


def at(day, hour=10, minute=0):
    return ist_ns(day, time(hour, minute))


def session(session_id="s1", days=1, first=MONDAY, **changes):
    made = SessionRecord(
        session_id=session_id, account_id="p1", strategy="orb", parameters_hash="h1", mode=SessionMode.PAPER,
        capital=CAPITAL, started_ns=at(first, 9), ended_ns=at(first + timedelta(days=days - 1), 15),
    )  # fmt: skip
    return replace(made, **changes)


def trade(net, day=MONDAY, minute=0, session_id="s1"):
    return TradeRecord(
        session_id=session_id, strategy_id="orb", symbol="NSE:INFY", side=Side.BUY, entry_ns=at(day),
        exit_ns=at(day, 11, minute), quantity=Decimal(1), entry_price=Decimal(100), exit_price=Decimal(101),
        gross=Decimal(net), costs=Decimal(0), reason="signal",
    )  # fmt: skip


def by_measure(sessions, trades, need=NEED):
    return {line.measure: line for line in checklist_lines(sessions, trades, need)}


def test_nothing_is_known_of_nothing_and_nothing_of_it_is_met():
    for line in checklist_lines([], [], NEED):
        assert not line.is_ok
    assert by_measure([], [])[Measure.WIN_RATE].have is None


def test_figures_checked_by_hand():
    """100,000 → +1,000 → -3,000 | +2,000 next day: returns -2 % and +2,000/98,000."""
    second = MONDAY + timedelta(days=1)
    found = by_measure([session(days=2)], [trade(1000), trade(-3000, minute=1), trade(2000, second)])
    assert found[Measure.DAYS].have == 2
    assert found[Measure.TRADES].have == 3
    assert found[Measure.WIN_RATE].have == pytest.approx(2 / 3)
    assert found[Measure.WIN_RATE].is_ok
    assert found[Measure.DRAWDOWN].have == pytest.approx(3000 / 101_000)
    returns = np.array([-0.02, 2000 / 98_000])
    assert found[Measure.SHARPE].have == pytest.approx(returns.mean() / returns.std(ddof=1) * sqrt(252))
    assert found[Measure.LOSSES_IN_A_ROW].have == 1


def test_thresholds_are_strict_where_the_issue_says_so():
    wins = [trade(10, minute=k) for k in range(3)] + [trade(-10, minute=k) for k in range(3, 5)]
    assert not by_measure([session()], wins)[Measure.WIN_RATE].is_ok  # 60 % is not more than 60 %
    assert by_measure([session()], [*wins, trade(10, minute=9)])[Measure.WIN_RATE].is_ok
    fall = by_measure([session()], [trade(-10_000)])[Measure.DRAWDOWN]
    assert (fall.have, fall.is_ok) == (pytest.approx(0.1), False)
    for losses, good in ((4, True), (5, False)):
        run = [trade(-1, minute=k) for k in range(losses)]
        assert by_measure([session()], [trade(1), *run])[Measure.LOSSES_IN_A_ROW].is_ok is good
    assert by_measure([session()], [trade(0)])[Measure.WIN_RATE].have == 0  # nothing won is no win


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-30_000, 30_000)), min_size=1, max_size=40),
    st.booleans(),
)
def test_one_session_or_one_a_day_with_the_equity_of_that_morning_tell_the_same(made, split):
    """The curve of one long session is its equity; sessions that begin with what the last one left are the same."""
    made = sorted(made, key=lambda each: each[0])
    equity, curve, sessions, trades = CAPITAL, [], [session(days=10)], []
    if split:
        sessions = []
    for k, (day_number, net) in enumerate(made):
        day = MONDAY + timedelta(days=day_number)
        if split and (not sessions or sessions[-1].session_id != f"d{day_number}"):
            if equity <= 0:
                return
            sessions.append(session(f"d{day_number}", first=day, capital=equity))
        trades.append(trade(net, day, k, sessions[-1].session_id))
        equity += net
        curve.append(float(equity))
        if equity <= 0:
            return  # ruin has its own test
    found = by_measure(sessions, trades)[Measure.DRAWDOWN]
    assert found.have == pytest.approx(-drawdown_of(np.array(curve), float(CAPITAL))[0], abs=1e-9)


def test_ruin_is_a_drawdown_of_everything():
    found = by_measure([session(days=2)], [trade(-150_000), trade(300_000, MONDAY + timedelta(days=1))])
    assert found[Measure.DRAWDOWN].have == 1.0


def test_days_are_trading_days_on_which_it_ran():
    # 2 to 13 November 2026: ten weekdays and the Muhurat Sunday, without Balipratipada on the 10th
    assert len(trading_days([session(days=12)], [])) == 10
    assert trading_days([session(ended_ns=None)], []) == []  # nobody knows how long
    assert trading_days([session(ended_ns=None)], [trade(1, MONDAY + timedelta(days=1))]) == [
        MONDAY, MONDAY + timedelta(days=1)
    ]  # fmt: skip
    far = date(2190, 1, 1)
    assert len(trading_days([session(first=far, days=7)], [])) == 5


def good_record(session_id="s1", **changes):
    """15 weekdays, 60 trades, four of five won."""
    days = [MONDAY + timedelta(days=k) for k in range(21)]
    days = [day for day in days if day.isoweekday() <= 5]
    trades = [
        trade(-500 if k == 2 else 400 + 10 * number, day, k, session_id)
        for number, day in enumerate(days)
        for k in range(4)
    ]
    return session(session_id, days=21, **changes), trades


def run(url, story):
    async def told():
        database = await Database.open(url)
        try:
            return await story(database)
        finally:
            await database.close()

    return asyncio.run(told())


def test_only_a_paper_record_of_the_same_parameters_opens_the_gate(url, tmp_path):
    async def story(database):
        record, accounts = RecordStore(database), AccountStore(database)
        gate = GoLiveGate(record, accounts, GoLiveOverrides(tmp_path))

        async def may(strategy="orb", parameters="h1", account=LIVE):
            return await gate.why_not_live(account, strategy, parameters) is None

        await accounts.add(LIVE)
        sandbox = ZerodhaAccountSettings(api_key="k", root="http://127.0.0.1:8700")
        await accounts.add(replace(LIVE, account_id="sand", mode=AccountMode.PAPER, settings=sandbox))
        foreign = Account(
            account_id="theirs", broker=Broker.PAPER, mode=AccountMode.PAPER, settings=PaperAccountSettings(),
            user_id="somebody",
        )  # fmt: skip
        await accounts.add(foreign)
        assert not await may()
        for number, changes in enumerate(
            (
                {"mode": SessionMode.REPLAY},
                {"mode": SessionMode.LIVE},
                {"account_id": "sand"},
                {"account_id": "theirs"},
                {"parameters_hash": "h2"},
                {"strategy": "other"},
            )
        ):
            made, trades = good_record(f"n{number}", **changes)
            await record.write_session(made)
            await record.write_trades(trades)
            assert not await may()
        assert await may(parameters="h2")
        made, trades = good_record("good")
        await record.write_session(made)
        await record.write_trades(trades)
        assert await may()
        assert await may(account=foreign, parameters="whatever")  # paper asks for nothing
        assert not await may(account=replace(LIVE, go_live=GoLiveThresholds(trades=61)))

    run(url, story)


def test_the_same_days_in_two_accounts_are_one_experience(url, tmp_path):
    async def story(database):
        record = RecordStore(database)
        for account_id in ("p1", "p2"):
            made, trades = good_record(account_id, account_id=account_id)
            await record.write_session(made)
            await record.write_trades(trades[:30])
        gate = GoLiveGate(record, AccountStore(database), GoLiveOverrides(tmp_path))
        found = await gate.checklist(LIVE, "orb", "h1")
        assert (found.paper_account, found.sessions) == ("p1", 1)
        why = await gate.why_not_live(LIVE, "orb", "h1")
        assert "closed trades 30, needed 50" in why
        assert "tm account go-live orb --account z1" in why

    run(url, story)


def test_an_override_is_the_owners_with_a_reason_for_one_subject_and_audited(url, tmp_path):
    async def story(database):
        overrides = GoLiveOverrides(tmp_path)
        gate = GoLiveGate(RecordStore(database), AccountStore(database), overrides)
        checklist = await gate.checklist(LIVE, "orb", "h1")
        good = {"who": "owner", "why": WHY, "typed_name": "z1", "now_ns": 5}
        for wrong, words in (
            ({"who": "somebody"}, "belongs to owner, not to somebody"),
            ({"why": "  because I want to  "}, "the reason has 17 characters, 20 are the least"),
            ({"typed_name": "z2"}, "'z2' is not the name of the account"),
            ({"typed_name": ""}, "is not the name"),
        ):
            with pytest.raises(OverrideRefusedError, match=words):
                overrides.make(checklist, LIVE, **good | wrong)
        assert not (tmp_path / AUDIT_NAME).exists()
        assert await gate.why_not_live(LIVE, "orb", "h1") is not None
        overrides.make(checklist, LIVE, **good)
        assert await gate.why_not_live(LIVE, "orb", "h1") is None
        assert await gate.why_not_live(LIVE, "orb", "h2") is not None  # other parameters need their own
        assert await gate.why_not_live(LIVE, "other", "h1") is not None
        assert await gate.why_not_live(replace(LIVE, account_id="z2"), "orb", "h1") is not None
        assert str(GoLiveOverrides(tmp_path).find(Subject("orb", "h1", "z1"))).endswith(WHY)
        line = (tmp_path / AUDIT_NAME).read_text()
        assert '"missing":"days, trades, win_rate, drawdown, sharpe, losses_in_a_row"' in line
        overrides.withdraw(Subject("orb", "h1", "z1"), who="owner", why="enough", now_ns=6)
        assert await gate.why_not_live(LIVE, "orb", "h1") is not None
        with pytest.raises(NotFoundError):
            overrides.withdraw(Subject("orb", "h1", "z1"), who="owner", why="enough", now_ns=7)
        overrides.make(checklist, LIVE, **good)
        audit = tmp_path / AUDIT_NAME
        lines = audit.read_bytes().splitlines(keepends=True)
        for damaged in (
            lines[0].replace(b'"h1"', b'"h2"') + b"".join(lines[1:]),
            lines[0] + lines[2],
            b"".join(lines) + b"{}\n",
        ):
            audit.write_bytes(damaged)
            assert "cannot be trusted" in await gate.why_not_live(LIVE, "orb", "h1")
            with pytest.raises(BadInputError):
                overrides.make(checklist, LIVE, **good)

    run(url, story)


def test_thresholds_from_texts():
    assert thresholds_of({"days": "30", "win_rate_above": "0.5"}) == GoLiveThresholds(
        days=30, win_rate_above=0.5
    )
    for wrong in (
        {"day": "1"},
        {"days": "1.5"},
        {"days": "0"},
        {"win_rate_above": "60"},
        {"sharpe_above": "nan"},
    ):
        with pytest.raises(InvalidValueError):
            thresholds_of(wrong)
