"""Each line of the report says what is, and what to do."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.brokers.accounts import Funds
from trademantra.brokers.events import SessionState
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_ns
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import (
    AccountMode,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
)
from trademantra.trading.feeds.hub_settings import FeedStatus
from trademantra.trading.readiness import checks
from trademantra.trading.readiness.clock_skew import ClockSkew, DatedAnswer, SkewUnknownError, skew_of
from trademantra.trading.readiness.report import AccountReadiness, Outcome, ReadinessReport

SECOND = NANOSECONDS_PER_SECOND
CLOSE = ist_ns(date(2026, 11, 23), time(15, 30))
ZERODHA = ZerodhaAccountSettings(api_key="abc", registered_address="203.0.113.7")
LIVE = Account(account_id="z1", broker=Broker.ZERODHA, mode=AccountMode.LIVE, settings=ZERODHA, title="Asha")
PAPER = Account(account_id="p1", broker=Broker.PAPER, mode=AccountMode.PAPER, settings=PaperAccountSettings())


@pytest.mark.parametrize(
    ("login", "outcome", "words"),
    [
        (None, Outcome.OK, "no login is needed"),
        (checks.Login(SessionState.LOGGED_OUT, None), Outcome.FAIL, "nobody is logged in"),
        (checks.Login(SessionState.EXPIRED, None), Outcome.FAIL, "the login has ended"),
        (checks.Login(SessionState.ACTIVE, None), Outcome.OK, "logged in"),
        (checks.Login(SessionState.ACTIVE, CLOSE), Outcome.OK, "logged in until 2026-11-23 15:30"),
        (checks.Login(SessionState.ACTIVE, CLOSE - 1), Outcome.FAIL, "before the close at 2026-11-23 15:30"),
    ],
)
def test_token(login, outcome, words):
    made = checks.token_check(LIVE, login, CLOSE)
    assert (made.outcome, words in made.text) == (outcome, True)
    assert outcome is Outcome.OK or made.hint == "tm account login z1"


def with_settings(**changes):
    return replace(LIVE, settings=replace(ZERODHA, **changes))


@pytest.mark.parametrize(
    ("account", "outcome"),
    [
        (PAPER, Outcome.OK),
        (with_settings(root="http://127.0.0.1:8700"), Outcome.OK),
        (with_settings(registered_address=""), Outcome.UNKNOWN),
        (LIVE, Outcome.UNKNOWN),
        (with_settings(order_address="203.0.113.7"), Outcome.OK),
        (
            with_settings(order_address="198.51.100.1"),
            Outcome.UNKNOWN,
        ),  # Python counts test networks as private
        (with_settings(order_address="8.8.8.8"), Outcome.FAIL),
        (with_settings(order_address="192.168.1.5"), Outcome.UNKNOWN),
        (with_settings(order_proxy="http://203.0.113.7:3128"), Outcome.OK),
        (with_settings(order_proxy="http://proxy.example:3128"), Outcome.UNKNOWN),
    ],
)
def test_static_address_says_unknown_where_it_cannot_know(account, outcome):
    made = checks.address_check(account)
    assert made.outcome is outcome
    assert made.hint or outcome is Outcome.OK


def test_clock():
    assert checks.clock_check(None).outcome is Outcome.OK
    unknown = checks.clock_check(None, "the broker does not answer")
    assert (unknown.outcome, unknown.text) == (Outcome.UNKNOWN, "the broker does not answer")
    for least, most, outcome in (
        (-SECOND, SECOND, Outcome.OK),
        (-SECOND - 1, SECOND, Outcome.WARN),
        (SECOND + 1, 2 * SECOND, Outcome.FAIL),
        (-3 * SECOND, -SECOND - 1, Outcome.FAIL),
    ):
        assert checks.clock_check(ClockSkew(least, most)).outcome is outcome
    assert "2.0 s behind the broker's" in checks.clock_check(ClockSkew(2 * SECOND, 2 * SECOND)).text
    assert "2.0 s ahead of the broker's" in checks.clock_check(ClockSkew(-2 * SECOND, -2 * SECOND)).text


@given(
    skew_ns=st.integers(-5 * SECOND, 5 * SECOND),
    asked=st.lists(
        st.tuples(st.integers(10**18, 10**18 + 100 * SECOND), st.integers(0, SECOND), st.integers(0, SECOND)),
        min_size=1, max_size=6,
    ),
)  # fmt: skip
def test_the_true_skew_lies_in_what_is_said(skew_ns, asked):
    """`Date` is the broker's time at some instant between asking and hearing, cut to the second."""
    answers = []
    for at, there, back in asked:
        stamped = at + there + skew_ns
        answers.append(DatedAnswer(at, at + there + back, stamped // SECOND * SECOND))
    said = skew_of(answers)
    assert said.least_ns <= skew_ns <= said.most_ns


def test_answers_that_contradict_each_other_say_nothing():
    with pytest.raises(SkewUnknownError):
        skew_of([])
    with pytest.raises(SkewUnknownError, match="contradict"):
        skew_of([DatedAnswer(0, 0, 10 * SECOND), DatedAnswer(0, 0, 20 * SECOND)])


def test_the_other_lines():
    today = date(2026, 11, 23)

    def outcome(check):
        return check.outcome

    assert outcome(checks.instruments_check(LIVE, today, today, needed=True)) is Outcome.OK
    assert outcome(checks.instruments_check(LIVE, None, today, needed=True)) is Outcome.FAIL
    assert outcome(checks.instruments_check(LIVE, date(2026, 11, 22), today, needed=True)) is Outcome.FAIL
    assert outcome(checks.instruments_check(LIVE, None, today, needed=False)) is Outcome.OK
    funds = [
        Funds(segment=name, available=Decimal(amount), used=Decimal(0), opening=Decimal(0))
        for name, amount in (("equity", 1000), ("commodity", 1000))
    ]
    assert outcome(checks.margin_check(funds, Decimal(1000))) is Outcome.OK
    assert outcome(checks.margin_check(funds, Decimal("1000.01"))) is Outcome.FAIL
    assert outcome(checks.margin_check(None, Decimal(0), "no answer")) is Outcome.FAIL
    assert outcome(checks.margin_check(None, Decimal(0))) is Outcome.UNKNOWN
    for free, wanted in ((499, Outcome.FAIL), (500, Outcome.WARN), (1999, Outcome.WARN), (2000, Outcome.OK)):
        assert outcome(checks.disk_check(free * 10**6)) is wanted
    assert outcome(checks.journal_check(None, "database is locked")) is Outcome.FAIL
    assert outcome(checks.journal_check(100.1)) is Outcome.WARN
    assert outcome(checks.journal_check(2.0)) is Outcome.OK
    assert outcome(checks.kill_check("everything was killed")) is Outcome.FAIL
    assert outcome(checks.kill_check(None)) is Outcome.OK
    for owner, own, wanted in (
        (None, "me", Outcome.OK),
        ("me", "me", Outcome.OK),
        ("you", "me", Outcome.FAIL),
        ("you", "", Outcome.OK),
    ):
        assert outcome(checks.lock_check(owner, own)) is wanted


def test_feed():
    up = FeedStatus(source="zerodha", is_down=False, age_ns=SECOND, instruments=30, stale=0, held_series=0)
    assert checks.feed_check(up).outcome is Outcome.OK
    assert checks.feed_check(replace(up, age_ns=None)).outcome is Outcome.OK
    assert checks.feed_check(replace(up, stale=2)).outcome is Outcome.WARN
    assert checks.feed_check(replace(up, is_down=True)).outcome is Outcome.FAIL
    assert checks.feed_check(None).outcome is Outcome.UNKNOWN


def test_one_message_for_all_accounts():
    good = AccountReadiness(
        "p1", "p1", AccountMode.PAPER, [checks.kill_check(None), checks.journal_check(150)]
    )
    bad = AccountReadiness(
        "z1", LIVE.shown, AccountMode.LIVE,
        [checks.token_check(LIVE, checks.Login(SessionState.EXPIRED, None), CLOSE), checks.disk_check(0), checks.kill_check(None)],
    )  # fmt: skip
    made = ReadinessReport(ist_ns(date(2026, 11, 23), time(9, 2)), [good, bad])
    assert made.text.splitlines() == [
        "Readiness at 2026-11-23 09:02: 1 of 2 accounts ready",
        "p1, paper: ready",
        "  ! journal: a write took 150 ms → each order waits for one; is the disk busy?",
        "z1 (Asha), live: NOT READY, no entries go out",
        "  ✗ token: the login has ended → tm account login z1",
        "  ✗ disk: 0.0 GB free → make room: a full disk stops the journal, and with it all orders",
        "  ✓ kill switch: not engaged",
    ]
    assert not made.is_ready
    assert bad.why_not == "token: the login has ended; tm account login z1 (and 1 more)"
    assert good.why_not is None
    told = made.as_json()["accounts"][1]["checks"][1]
    assert told == {
        "subject": "disk",
        "outcome": "fail",
        "text": "0.0 GB free",
        "hint": checks.disk_check(0).hint,
    }
