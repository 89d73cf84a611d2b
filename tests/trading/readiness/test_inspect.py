"""A whole check of paper accounts and of one in the Kite sandbox, on both databases."""

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from random import Random

import pytest
from sqlalchemy import text

from tests.brokers.contract.simulated import START_NS, listings
from tests.brokers.contract.zerodha.venue import open_venue
from trademantra.brokers.events import SessionState
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock, ns_of
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.kit.lease import take_lease
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.adapters import AdapterParts, adapter_for, paper_exchange
from trademantra.trading.accounts.settings import (
    AccountMode,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
)
from trademantra.trading.lease_names import lease_name
from trademantra.trading.readiness.clock_skew import SkewUnknownError, read_skew
from trademantra.trading.readiness.inspect import Candidate, Surroundings, inspect_all, last_close_ns
from trademantra.trading.readiness.report import Outcome, Subject
from trademantra.trading.readiness.store import ReadinessStore
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.kill_files import KillScope

PAPER = Account(
    account_id="p1", broker=Broker.PAPER, mode=AccountMode.PAPER,
    settings=PaperAccountSettings(cash=Decimal(5000), least_funds=Decimal(4000)),
)  # fmt: skip


def run(url, story):
    async def told():
        database = await Database.open(url)
        try:
            return await story(database)
        finally:
            await database.close()

    return asyncio.run(told())


def around(database, home, clock, **changes):
    seconds = count()
    made = Surroundings(
        database=database, home=home, master=home / "instruments.sqlite3", clock=clock,
        kill_switch=KillSwitch(home, clock.now_ns()), read_seconds=lambda: next(seconds) / 1_000, lease_name=lease_name,
    )  # fmt: skip
    return replace(made, **changes)


def by_subject(account):
    return {check.subject: check for check in account.checks}


def test_a_paper_account_with_its_exchange_is_ready_and_the_report_is_kept(url, tmp_path):
    async def story(database):
        clock = ManualClock(START_NS)
        host = paper_exchange(PAPER, listings(), clock)
        adapter = adapter_for(PAPER, AdapterParts(clock=clock, random=Random(1), host=host))
        await adapter.complete_login({})
        other = replace(PAPER, account_id="p2", settings=PaperAccountSettings(least_funds=Decimal(10**9)))
        surroundings = around(database, tmp_path, clock, own_name="me")
        await take_lease(database, lease_name("p2"), "another desk", clock, length_ns=10**12)
        report = await inspect_all([Candidate(PAPER, adapter), Candidate(other)], surroundings)
        first, second = report.accounts
        assert first.is_ready, report.text
        assert [check.subject for check in first.checks] == list(Subject)
        assert "5,000.00 available" in by_subject(first)[Subject.MARGIN].text
        assert by_subject(first)[Subject.JOURNAL].text.startswith("a write took ")
        assert not second.is_ready
        assert by_subject(second)[Subject.LOCK].text == "another program runs it: another desk"
        kept = await ReadinessStore(database).last()
        assert kept["p1"].told == first.as_json()
        assert kept["p2"].told["ready"] is False
        clock.advance_to(START_NS + 2 * 10**12)  # the lease ran out
        surroundings.kill_switch.engage(KillScope.ACCOUNT, "p1", who="me", why="odd", now_ns=clock.now_ns())
        first, second = (
            await inspect_all([Candidate(PAPER, adapter), Candidate(other)], surroundings)
        ).accounts
        assert by_subject(first)[Subject.KILL].outcome is Outcome.FAIL
        assert second.is_ready
        await adapter.close()
        host.close()

    run(url, story)


def test_a_database_that_takes_nothing_is_a_line_of_the_report(url, tmp_path):
    async def story(database):
        async with database.writing() as session:
            await session.execute(text("DROP TABLE desk_readiness"))
            await session.execute(text("DROP TABLE lease"))
        report = await inspect_all([Candidate(PAPER)], around(database, tmp_path, ManualClock(START_NS)))
        failed = [c.subject for c in report.accounts[0].checks if c.outcome is Outcome.FAIL]
        assert failed == [Subject.JOURNAL]

    run(url, story)


def test_an_account_in_the_sandbox_logged_out_logged_in_and_expired(tmp_path):
    async def story(database):
        async with open_venue(tmp_path / "venue") as venue:
            settings = ZerodhaAccountSettings(api_key="contractkey", root=venue._root)
            account = Account(
                account_id="k1", broker=Broker.ZERODHA, mode=AccountMode.PAPER, settings=settings
            )
            surroundings = around(database, tmp_path, SystemClock())

            async def look():
                report = await inspect_all([Candidate(account, venue.adapter)], surroundings)
                return by_subject(report.accounts[0])

            before = await look()
            assert before[Subject.TOKEN].text == "nobody is logged in"
            assert before[Subject.MARGIN].outcome is Outcome.FAIL
            await venue.adapter.complete_login(await venue.login_answer())
            during = await look()
            failed = [check for check in during.values() if check.outcome is Outcome.FAIL]
            assert failed == []
            assert "available" in during[Subject.MARGIN].text
            await venue.expire_session()
            after = await look()
            assert after[Subject.MARGIN].outcome is Outcome.FAIL
            assert venue.adapter.session is SessionState.EXPIRED
            assert (await look())[Subject.TOKEN].text == "the login has ended"
            await venue.adapter.close()

    (tmp_path / "venue").mkdir()
    run(f"sqlite:///{tmp_path / 'tm.db'}", story)


@contextmanager
def broker_with_a_clock(date_text):
    """Answers with 403 and the `Date` that `date_text()` gives; None: without one."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response_only(403)
            if (said := date_text()) is not None:
                self.send_header("Date", said)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SteppingClock:
    """Each look is a tenth of a second later; `sleep` moves it too."""

    def __init__(self):
        self.ns = ns_of(datetime(2026, 11, 23, 3, 30, tzinfo=UTC))

    def now_ns(self):
        self.ns += NANOSECONDS_PER_SECOND // 10
        return self.ns

    async def sleep(self, seconds):
        self.ns += int(seconds * NANOSECONDS_PER_SECOND)


def test_the_skew_of_a_brokers_clock_is_found_to_a_fraction_of_a_second():
    for true_seconds in (-2.4, 0.0, 0.7, 3.0):
        clock = SteppingClock()

        def said(clock=clock, seconds=true_seconds):
            there = datetime.fromtimestamp(clock.ns / NANOSECONDS_PER_SECOND, UTC) + timedelta(
                seconds=seconds
            )
            return format_datetime(there.replace(microsecond=0), usegmt=True)

        with broker_with_a_clock(said) as url:
            skew = asyncio.run(read_skew(url, clock, clock.sleep))
        true_ns = int(true_seconds * NANOSECONDS_PER_SECOND)
        assert skew.least_ns <= true_ns <= skew.most_ns
        assert skew.most_ns - skew.least_ns < NANOSECONDS_PER_SECOND


def test_a_broker_that_does_not_tell_the_time():
    clock = SteppingClock()
    for said, words in ((lambda: None, "did not tell"), (lambda: "yesterday", "cannot be read")):
        with broker_with_a_clock(said) as url, pytest.raises(SkewUnknownError, match=words):
            asyncio.run(read_skew(url, clock, clock.sleep))
    with pytest.raises(SkewUnknownError, match="does not answer"):
        asyncio.run(read_skew("http://127.0.0.1:9", clock, clock.sleep))


def test_the_close_of_a_day():
    assert last_close_ns(date(2026, 11, 22)) is None  # a Sunday
    assert last_close_ns(date(2190, 1, 2)) is None  # no table
    close = last_close_ns(date(2026, 11, 23))
    assert close is not None
    assert datetime.fromtimestamp(close / 10**9, UTC).time() in (time(10, 0), time(9, 45))
