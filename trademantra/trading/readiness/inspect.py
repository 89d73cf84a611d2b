"""Looks at everything that an account needs today, and reports; nothing is changed but the row of the report."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from trademantra.brokers.accounts import Funds
from trademantra.brokers.errors import BrokerError
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import MissingFactError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import Clock, ist_date
from trademantra.data.instruments.master import summaries
from trademantra.kit.database import Database
from trademantra.kit.models import LeaseRow
from trademantra.markets.sessions import session_on
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import ZerodhaAccountSettings
from trademantra.trading.feeds.hub_settings import FeedStatus
from trademantra.trading.readiness import checks
from trademantra.trading.readiness.clock_skew import ClockSkew, SkewUnknownError, read_skew
from trademantra.trading.readiness.report import AccountReadiness, Check, Outcome, ReadinessReport, Subject
from trademantra.trading.readiness.store import ReadinessStore
from trademantra.trading.risk.kill import KillSwitch

MASTER_BROKER = "kite"
"""Zerodha's name in the instrument master."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a check looks at beside the account.  `read_seconds`: a clock that never goes back, for durations.

    `market`: the clock of the account's market, where that is another than `clock`.

    `own_name`: the owner of the desk's leases, "" outside of a desk; `lease_name` gives an account's.
    `needed_until_ns`: when the last session of the day closes; None: no session today, or not known.
    """

    database: Database
    home: Path
    master: Path
    kill_switch: KillSwitch
    clock: Clock
    read_seconds: Callable[[], float]
    lease_name: Callable[[str], str]
    own_name: str = ""
    needed_until_ns: int | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    market: Clock | None = None

    @property
    def market_now_ns(self) -> int:
        """What the time of a check is kept as."""
        return (self.market or self.clock).now_ns()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account to look at, with its adapter and feed where this process has them."""

    account: Account
    adapter: BrokerAdapter | None = None
    feed: FeedStatus | None = None


def last_close_ns(day: date) -> int | None:
    """When NSE's shares close on that day; None for a day without a session, or one that no table covers."""
    share = Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY,
        kind=InstrumentKind.SHARE,
        symbol="ANY",
        has_derivatives=False,  # such shares trade on while the closing auction of the others runs
    )
    try:
        session = session_on(day, share)
    except MissingFactError:
        return None
    return None if session is None else session.close_ns


async def inspect_all(candidates: Sequence[Candidate], around: Surroundings) -> ReadinessReport:
    """One report for all; each account's part is kept in the database.  Accounts are looked at side by side."""
    found = await asyncio.gather(*(inspect_account(each, around) for each in candidates))
    return ReadinessReport(around.clock.now_ns(), found)


async def inspect_account(candidate: Candidate, around: Surroundings) -> AccountReadiness:
    """Everything that this account needs.  Errors: none for what fails; that is a line of the report."""
    account, now_ns = candidate.account, around.clock.now_ns()
    skew, why_no_skew = await _skew(account, around)
    login = _login(candidate)
    funds, why_no_funds = await _funds(candidate)
    made: list[Check] = [
        checks.token_check(account, login, around.needed_until_ns),
        checks.address_check(account),
        checks.clock_check(skew, why_no_skew),
        checks.instruments_check(
            account, _newest(around.master), ist_date(now_ns), needed=needs_master(account)
        ),
        checks.feed_check(candidate.feed),
        checks.margin_check(funds, account.settings.least_funds, why_no_funds),
        checks.disk_check(shutil.disk_usage(_existing(around.home)).free),
        checks.kill_check(
            around.kill_switch.blocking(account.user_id, account.account_id, "", around.clock.now_ns())
        ),
        checks.lock_check(await _lock_owner(account, around), around.own_name),
    ]
    readiness = AccountReadiness(account.account_id, account.shown, account.mode, made)
    journal = await _write(readiness, around)
    order = list(Subject)
    whole = replace(readiness, checks=sorted([*made, journal], key=lambda check: order.index(check.subject)))
    if journal.outcome is not Outcome.FAIL:
        await ReadinessStore(around.database).write(whole, around.market_now_ns)
    return whole


def _login(candidate: Candidate) -> checks.Login | None:
    adapter = candidate.adapter
    if adapter is None or not adapter.login_url():
        return None
    return checks.Login(adapter.session, adapter.session_ends_ns)


async def _skew(account: Account, around: Surroundings) -> tuple[ClockSkew | None, str]:
    settings = account.settings
    if not isinstance(settings, ZerodhaAccountSettings) or settings.is_sandbox:
        return None, ""
    try:
        return await read_skew(settings.adapter_settings().root, around.clock, around.sleep), ""
    except SkewUnknownError as error:
        return None, error.message


async def _funds(candidate: Candidate) -> tuple[Sequence[Funds] | None, str]:
    if candidate.adapter is None:
        return None, ""
    try:
        return await candidate.adapter.funds(), ""
    except BrokerError as error:
        return None, error.message


def needs_master(account: Account) -> bool:
    """Whether the account trades the broker's contracts: a sandbox's and a paper exchange's are their own."""
    settings = account.settings
    return isinstance(settings, ZerodhaAccountSettings) and not settings.is_sandbox


def _newest(master: Path) -> date | None:
    try:
        return max((each.newest for each in summaries(master) if each.broker == MASTER_BROKER), default=None)
    except NotFoundError:
        return None


async def _lock_owner(account: Account, around: Surroundings) -> str | None:
    try:
        async with around.database.reading() as session:
            row = await session.scalar(
                select(LeaseRow).where(LeaseRow.name == around.lease_name(account.account_id))
            )
    except SQLAlchemyError:
        return None  # the journal's line says what is wrong
    return None if row is None or row.expires_ns <= around.clock.now_ns() else row.owner


async def _write(readiness: AccountReadiness, around: Surroundings) -> Check:
    """A durable write, as the journal makes them, and how long it took."""
    begun = around.read_seconds()
    try:
        await ReadinessStore(around.database).write(readiness, around.market_now_ns)
    except (SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", error)).splitlines()[0]
        return checks.journal_check(None, cause)
    return checks.journal_check((around.read_seconds() - begun) * 1_000)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
