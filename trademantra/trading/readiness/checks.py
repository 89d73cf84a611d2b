"""The single checks: each turns what is known into one line.  No I/O; what could not be found out is None."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from urllib.parse import urlsplit

from trademantra.brokers.accounts import Funds
from trademantra.brokers.events import SessionState
from trademantra.core.plural import counted
from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import ZerodhaAccountSettings
from trademantra.trading.feeds.hub_settings import FeedStatus
from trademantra.trading.readiness.clock_skew import ClockSkew
from trademantra.trading.readiness.report import Check, Outcome, Subject

MOST_SKEW_NS = NANOSECONDS_PER_SECOND
LEAST_FREE_BYTES = 500 * 10**6
FEW_FREE_BYTES = 2 * 10**9
SLOW_WRITE_MILLISECONDS = 100.0
_HOW_TO_SEE_ADDRESS = (
    "compare the address registered at developers.kite.trade with what a what-is-my-IP page shows"
)


@dataclass(frozen=True, slots=True)
class Login:
    """`ends_ns` None: it does not end by itself."""

    state: SessionState
    ends_ns: int | None


def token_check(account: Account, login: Login | None, needed_until_ns: int | None) -> Check:
    """Whether the login is there and lasts until the close.  `login` None: the broker asks for none."""
    made = Subject.TOKEN
    if login is None:
        return Check(made, Outcome.OK, "no login is needed")
    hint = f"tm account login {account.account_id}"
    if login.state is not SessionState.ACTIVE:
        words = {SessionState.EXPIRED: "the login has ended", SessionState.LOGGING_IN: "a login is under way"}
        return Check(made, Outcome.FAIL, words.get(login.state, "nobody is logged in"), hint)
    if login.ends_ns is None:
        return Check(made, Outcome.OK, "logged in")
    settings = account.settings
    whose = " (sandbox)" if isinstance(settings, ZerodhaAccountSettings) and settings.is_sandbox else ""
    until = f"{datetime_of(login.ends_ns):%Y-%m-%d %H:%M}{whose}"
    if needed_until_ns is not None and login.ends_ns < needed_until_ns:
        close = f"{datetime_of(needed_until_ns):%Y-%m-%d %H:%M}{whose}"
        return Check(made, Outcome.FAIL, f"the login ends at {until}, before the close at {close}", hint)
    return Check(made, Outcome.OK, f"logged in until {until}")


def address_check(account: Account) -> Check:
    """Whether orders leave from the registered address, as far as the settings alone can say."""
    made, settings = Subject.ADDRESS, account.settings
    if not isinstance(settings, ZerodhaAccountSettings):
        return Check(made, Outcome.OK, "not needed")
    if settings.is_sandbox:
        return Check(made, Outcome.OK, "orders stay on this machine")
    registered = settings.registered_address
    if not registered:
        return Check(
            made, Outcome.UNKNOWN, "nobody said which address is registered at the broker",
            f"tm account set {account.account_id} registered_address=…; {_HOW_TO_SEE_ADDRESS}",
        )  # fmt: skip
    if settings.order_proxy:
        host = urlsplit(settings.order_proxy).hostname or ""
        if host == registered:
            return Check(
                made, Outcome.OK, f"orders go through the proxy at {registered}, which is registered"
            )
        return Check(
            made, Outcome.UNKNOWN, f"orders go through the proxy {host}; {registered} is registered",
            f"ask from that machine what its address is; {_HOW_TO_SEE_ADDRESS}",
        )  # fmt: skip
    if not settings.order_address:
        return Check(
            made, Outcome.UNKNOWN, f"{registered} is registered; what the broker sees of this machine cannot be told here",
            _HOW_TO_SEE_ADDRESS,
        )  # fmt: skip
    if ip_address(settings.order_address) == ip_address(registered):
        return Check(made, Outcome.OK, f"orders leave from {registered}, which is registered")
    if ip_address(settings.order_address).is_private:
        return Check(
            made, Outcome.UNKNOWN,
            f"orders leave from {settings.order_address}, behind a router; {registered} is registered",
            _HOW_TO_SEE_ADDRESS,
        )  # fmt: skip
    return Check(
        made, Outcome.FAIL, f"orders leave from {settings.order_address}, but {registered} is registered",
        "set order_address to the registered one, or register this one",
    )  # fmt: skip


def clock_check(skew: ClockSkew | None, why_unknown: str = "") -> Check:
    """`skew` None with no reason: there is no other clock to compare with."""
    made = Subject.CLOCK
    if skew is None:
        if not why_unknown:
            return Check(made, Outcome.OK, "this machine's own")
        return Check(
            made, Outcome.UNKNOWN, why_unknown, "is time kept by NTP? timedatectl says NTP service: active"
        )
    shown = f"{abs(skew.middle_ns) / NANOSECONDS_PER_SECOND:.1f} s {'behind' if skew.middle_ns > 0 else 'ahead of'} the broker's"
    hint = "switch NTP on (timedatectl set-ntp true) and check again"
    if skew.most_ns < -MOST_SKEW_NS or skew.least_ns > MOST_SKEW_NS:
        return Check(made, Outcome.FAIL, shown, hint)
    if skew.least_ns < -MOST_SKEW_NS or skew.most_ns > MOST_SKEW_NS:
        return Check(made, Outcome.WARN, f"{shown}, perhaps more than the second that is allowed", hint)
    return Check(made, Outcome.OK, f"within {_within(skew):.1f} s of the broker's")


def _within(skew: ClockSkew) -> float:
    return max(abs(skew.least_ns), abs(skew.most_ns)) / NANOSECONDS_PER_SECOND


def instruments_check(account: Account, newest: date | None, today: date, *, needed: bool) -> Check:
    """Whether the instrument master is of today; not `needed` where contracts come from elsewhere."""
    made = Subject.INSTRUMENTS
    if not needed:
        return Check(made, Outcome.OK, "the simulated exchange lists its own")
    hint = f"tm account check {account.account_id} --fetch-instruments"
    if newest is None:
        return Check(made, Outcome.FAIL, "no instrument file was ever imported", hint)
    if newest < today:
        return Check(
            made,
            Outcome.FAIL,
            f"the instrument master is of {newest}: lots, ticks and expiries may differ",
            hint,
        )
    return Check(made, Outcome.OK, f"the master is of {newest}")


def feed_check(status: FeedStatus | None) -> Check:
    """Whether prices arrive.  None: no feed runs in this process."""
    made = Subject.FEED
    if status is None:
        return Check(made, Outcome.UNKNOWN, "no feed runs here", "it is checked when the desk starts")
    if status.is_down:
        return Check(
            made, Outcome.FAIL, f"the feed of {status.source} is down", "the desk connects again by itself"
        )
    if status.age_ns is None:
        return Check(made, Outcome.OK, f"connected to {status.source}; no price came yet")
    age = f"{status.age_ns / NANOSECONDS_PER_SECOND:.1f} s"
    if status.stale:
        return Check(
            made, Outcome.WARN, f"{status.stale} of {status.instruments} instruments are stale (last price {age} ago)",
            "before the open that is usual; later it is not",
        )  # fmt: skip
    return Check(
        made,
        Outcome.OK,
        f"{status.source}, last price {age} ago, {counted(status.instruments, 'instrument')}",
    )


def margin_check(funds: Sequence[Funds] | None, least: Decimal, why_unknown: str = "") -> Check:
    """Whether the money can be read and is at least `least`.  None with no reason: the account is not open yet."""
    made = Subject.MARGIN
    if funds is None:
        if not why_unknown:
            return Check(made, Outcome.UNKNOWN, "no exchange runs here", "it is checked when the desk starts")
        return Check(
            made, Outcome.FAIL, f"the money could not be read: {why_unknown}", "log in, then check again"
        )
    # brokers with one ledger tell the same money in every segment: it is not added up
    available = max((each.available for each in funds), default=Decimal(0))
    if available < least:
        return Check(
            made,
            Outcome.FAIL,
            f"{available:,.2f} available, {least:,.2f} is the least",
            "add money, or lower least_funds",
        )
    return Check(made, Outcome.OK, f"{available:,.2f} available")


def disk_check(free_bytes: int) -> Check:
    made, free = Subject.DISK, f"{free_bytes / 10**9:.1f} GB free"
    if free_bytes < LEAST_FREE_BYTES:
        return Check(
            made, Outcome.FAIL, free, "make room: a full disk stops the journal, and with it all orders"
        )
    if free_bytes < FEW_FREE_BYTES:
        return Check(made, Outcome.WARN, free, "make room soon")
    return Check(made, Outcome.OK, free)


def journal_check(milliseconds: float | None, why_not: str = "") -> Check:
    """Whether a durable write works, and how long it took."""
    made = Subject.JOURNAL
    if milliseconds is None:
        return Check(
            made, Outcome.FAIL, f"nothing can be written: {why_not}", "no order goes out without its journal"
        )
    if milliseconds > SLOW_WRITE_MILLISECONDS:
        return Check(
            made,
            Outcome.WARN,
            f"a write took {milliseconds:.0f} ms",
            "each order waits for one; is the disk busy?",
        )
    return Check(made, Outcome.OK, f"a write took {milliseconds:.1f} ms")


def kill_check(killed: str | None) -> Check:
    if killed is None:
        return Check(Subject.KILL, Outcome.OK, "not engaged")
    return Check(Subject.KILL, Outcome.FAIL, killed)


def lock_check(owner: str | None, own_name: str) -> Check:
    """Who runs the account.  `owner` None: nobody; `own_name` "": asked from outside of a desk."""
    made = Subject.LOCK
    if owner is None:
        return Check(made, Outcome.OK, "no other program runs it")
    if owner == own_name:
        return Check(made, Outcome.OK, "held by this desk")
    if not own_name:
        return Check(made, Outcome.OK, f"a desk runs it: {owner}")
    return Check(
        made,
        Outcome.FAIL,
        f"another program runs it: {owner}",
        "stop that one, or wait until its lease runs out",
    )
