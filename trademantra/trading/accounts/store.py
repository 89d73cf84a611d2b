"""Accounts in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from trademantra.core.errors import DataConflictError, InvalidValueError, NotFoundError, TradeMantraError
from trademantra.kit.database import Database
from trademantra.trading.accounts.account import OWN, Account, parse_sources
from trademantra.trading.accounts.models import AccountRow
from trademantra.trading.accounts.settings import AccountMode, Broker, settings_from_json, settings_to_json
from trademantra.trading.go_live import GoLiveThresholds
from trademantra.trading.policy import OutsideHours
from trademantra.trading.risk.limits_json import limits_from_json, limits_to_json

_FIXED = ("user_id", "broker", "mode", "created_ns")


class AccountClosedError(TradeMantraError):
    """The account was removed; its orders and trades are kept, and nothing new is done in it."""

    code: ClassVar[str] = "account_closed"


class AccountStore:
    """The accounts of one database.  Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, account: Account) -> None:
        """Errors: `DataConflictError` for a name that was ever used; `InvalidValueError` for its data source."""
        async with self._database.writing() as session:
            known = await session.get(AccountRow, account.account_id)
            if known is not None:
                when = "" if known.closed_ns is None else ", which was removed and whose orders are kept"
                raise DataConflictError(
                    f"there is an account {account.account_id} already{when}", hint="choose another name"
                )
            await _check_source(session, account)
            session.add(AccountRow(account_id=account.account_id, **_columns(account)))

    async def get(self, account_id: str) -> Account:
        """The account, also a closed one.  Errors: `NotFoundError` naming those that there are."""
        async with self._database.reading() as session:
            row = await session.get(AccountRow, account_id)
            if row is None:
                raise await _unknown(session, account_id)
            return _account(row)

    async def get_open(self, account_id: str) -> Account:
        """As `get`.  Errors: also `AccountClosedError`."""
        account = await self.get(account_id)
        if not account.is_open:
            raise AccountClosedError(
                f"account {account_id} was removed", hint="tm account list shows the open ones"
            )
        return account

    async def accounts(self, *, closed: bool = False) -> Sequence[Account]:
        """The open ones by name; with `closed` all."""
        async with self._database.reading() as session:
            rows = await session.scalars(select(AccountRow).order_by(AccountRow.account_id))
            return [_account(row) for row in rows if closed or row.closed_ns is None]

    async def change(self, account: Account) -> None:
        """Put the account's changeable fields in force.

        Errors: `InvalidValueError` for a change of user, broker or mode; `NotFoundError`, `AccountClosedError`.
        """
        present = await self.get_open(account.account_id)
        for name in _FIXED:
            old, new = getattr(present, name), getattr(account, name)
            if old != new:
                raise InvalidValueError(
                    f"the {name} of account {account.account_id} is {old} for ever; it cannot become {new}",
                    hint="make a new account: tm account add",
                )
        async with self._database.writing() as session:
            await _check_source(session, account)
            row = await session.get_one(AccountRow, account.account_id)
            for name, value in _columns(account).items():
                setattr(row, name, value)
            await _flush(session, account.account_id)

    async def close(self, account_id: str, now_ns: int) -> Account:
        """End an account.  Its rows stay, and its name is never given again.

        Errors: `NotFoundError`, `AccountClosedError`; `DataConflictError` while another one sees its prices.
        """
        account = await self.get_open(account_id)
        async with self._database.writing() as session:
            rows = await session.scalars(select(AccountRow).where(AccountRow.closed_ns.is_(None)))
            if seen := [row.account_id for row in rows if account_id in parse_sources(row.data_source)]:
                raise DataConflictError(
                    f"account {account_id} is the data source of {', '.join(sorted(seen))}",
                    hint="give those another source, or remove them first",
                )
            (await session.get_one(AccountRow, account_id)).closed_ns = now_ns
        return replace(account, closed_ns=now_ns)


async def _check_source(session: AsyncSession, account: Account) -> None:
    """A source is an open account with prices of its own: no chains, no circles."""
    for name in account.data_sources:
        row = None if name == OWN else await session.get(AccountRow, name)
        if name != OWN and (row is None or row.closed_ns is not None):
            raise InvalidValueError(f"there is no account {name} to take prices from", hint="tm account list")
        if row is not None and row.broker == Broker.PAPER.value and row.data_source == OWN:
            raise InvalidValueError(
                f"paper account {name} has no prices of its own", hint="name an account at a broker"
            )
        if row is not None and OWN not in parse_sources(row.data_source):
            raise InvalidValueError(
                f"account {name} takes its prices from {row.data_source} itself",
                hint=f"name {row.data_source} as the source",
            )


async def _unknown(session: AsyncSession, account_id: str) -> NotFoundError:
    known = list(await session.scalars(select(AccountRow.account_id).where(AccountRow.closed_ns.is_(None))))
    hint = f"there are: {', '.join(sorted(known))}" if known else "make one: tm account add --help"
    return NotFoundError(f"there is no account {account_id}", hint=hint)


async def _flush(session: AsyncSession, account_id: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise InvalidValueError(
            f"account {account_id}: the database refuses this change: {error.orig}",
            hint="make a new account: tm account add",
        ) from error


def _columns(account: Account) -> Mapping[str, object]:
    return {
        "user_id": account.user_id,
        "title": account.title,
        "broker": account.broker.value,
        "mode": account.mode.value,
        "data_source": ",".join(account.data_sources),
        "settings": settings_to_json(account.settings),
        "limits": limits_to_json(account.limits),
        "outside_hours": account.outside_hours.value,
        "rest_target": account.rest_target,
        "go_live": json.dumps(asdict(account.go_live)),
        "created_ns": account.created_ns,
        "closed_ns": account.closed_ns,
    }


def _account(row: AccountRow) -> Account:
    broker = Broker(row.broker)
    return Account(
        account_id=row.account_id,
        user_id=row.user_id,
        title=row.title,
        broker=broker,
        mode=AccountMode(row.mode),
        data_sources=parse_sources(row.data_source),
        settings=settings_from_json(broker, row.settings),
        limits=limits_from_json(row.limits),
        outside_hours=OutsideHours(row.outside_hours),
        rest_target=row.rest_target,
        go_live=GoLiveThresholds(**json.loads(row.go_live)),
        created_ns=row.created_ns,
        closed_ns=row.closed_ns,
    )
