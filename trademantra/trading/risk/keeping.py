"""The risk books of one account over a restart: a limit of the day holds also when the process dies in between.

Invariants:
- what an order or a fill does to the books is written in the same transaction as the order or the fill;
- a stop is written at the next look after it came, everything else within a second;
- books of an earlier day are rolled as at midnight before they count.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

import sqlalchemy
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trademantra.core.time import Clock, ist_date
from trademantra.kit.database import Database
from trademantra.kit.lease import Lease
from trademantra.trading.journal import Change, OrderJournal
from trademantra.trading.order_store import OrderStore
from trademantra.trading.orders import Changes
from trademantra.trading.risk.books import NOTHING, Book, BookRecord, Stop
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.models import RiskBookRow
from trademantra.trading.risk.state import RiskState

_MONEY = ("realised_today", "earlier", "highest", "highest_today")
_COUNTS = ("trades_today", "losses_in_row", "last_loss_ns")
_NEW = ("user_id", "day", "books", "updated_ns")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row, read: its books, and the open results at the day's start by strategy, instrument and product."""

    day: date
    books: Mapping[str, object]


class RiskKeeper:
    """Of one account.  `load` before the desk opens, `restore` right after its positions are, then `keep` every second."""

    def __init__(
        self, state: RiskState, account_id: str, database: Database, journal: OrderJournal, lease: Lease, clock: Clock
    ) -> None:  # fmt: skip
        self._state, self._account_id, self._clock = state, account_id, clock
        self._database, self._journal, self._lease = database, journal, lease
        self._user_id = state.user_of(account_id)
        self._put = _upsert(sqlite_dialect=database.is_sqlite)
        self._mine: _Kept | None = None
        self._users: _Kept | None = None
        self._restored = False
        self._written = ""
        self._stops: Mapping[Book, object] = {}

    # -- back

    async def load(self) -> None:
        """Read what was kept."""
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(RiskBookRow)
                .where((RiskBookRow.user_id == self._user_id) | (RiskBookRow.account_id == self._account_id))
                .order_by(RiskBookRow.updated_ns)
            )
            for row in rows:
                kept = _Kept(row.day, json.loads(row.books))
                self._users = kept
                if row.account_id == self._account_id:
                    self._mine = kept

    def restore(self, *, with_user: bool) -> None:
        """Put it in force; `with_user`: the book of the account's user too, which several accounts share.

        Call it when positions and working orders are restored, before anything else happens.
        """
        today = ist_date(self._clock.now_ns())
        if self._mine is not None:
            for plain in _rows(self._mine.books["books"]):
                if plain["scope"] != Scope.USER:
                    self._restore(plain, self._mine.day == today)
            self._restore_openings(self._mine.books["openings"], self._mine.day == today)
        if with_user and self._users is not None:
            for plain in _rows(self._users.books["books"]):
                if plain["scope"] == Scope.USER:
                    self._restore(plain, self._users.day == today)
        self._restored = True

    def _restore(self, plain: Mapping[str, object], same_day: bool) -> None:
        record = _record(plain)
        if not same_day:
            record = rolled(record, Decimal(str(plain["open_result"])))
        self._state.restore_book(Scope(str(plain["scope"])), self._account_id, str(plain["name"]), record)

    def _restore_openings(self, plain: object, same_day: bool) -> None:
        """Open results at the day's start: of an earlier day, those at its end.

        A position that was not kept was opened after the last writing, at 0.
        """
        known = {
            (str(strategy), str(key), str(product)): opening if same_day else ending
            for strategy, key, product, opening, ending in cast(list[list[object]], plain)
        }
        for holding in self._state.holdings_of(self._account_id):
            _, strategy_id, instrument_key, product = holding.key
            told = known.get((strategy_id, instrument_key, product.value), "0")
            if told is not None and holding.held.quantity:
                self._state.opening_told(holding, Decimal(str(told)))

    # -- kept

    def keep(self) -> None:
        """Write what changed.  A write that fails is told by what failed with it, and tried again at the next change."""
        rows = self.rows()
        if rows:
            self._journal.enqueue(rows, self._lease).add_done_callback(self._done)

    def keep_stops(self) -> None:
        """As `keep`, when a stop came or went."""
        stops = {book: dict(book.stops) for book in self._state.result_books(self._account_id) if book.stops}
        if stops != self._stops:
            self._stops = stops
            self.keep()

    def rows(self) -> list[Change]:
        """The row, where it changed since the last time."""
        if not self._restored:
            return []
        day = ist_date(self._clock.now_ns())
        text = json.dumps({"books": self._books(), "openings": self._openings()})
        written = f"{day} {text}"
        if written == self._written:
            return []
        self._written = written
        row = {
            "account_id": self._account_id, "user_id": self._user_id, "day": day, "books": text,
            "updated_ns": self._clock.now_ns(),
        }  # fmt: skip
        return [(self._put, row)]

    def _done(self, done: "asyncio.Future[None]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._written = ""

    def _books(self) -> list[dict[str, object]]:
        return [
            _plain(book, self._state.record(book.scope, self._account_id, book.name))
            for book in self._state.result_books(self._account_id)
        ]

    def _openings(self) -> list[list[str | None]]:
        return [
            [
                holding.key[1], holding.key[2], holding.key[3].value, _text(holding.base),
                _text(holding.unrealised if holding.market.last is not None else holding.base),
            ]
            for holding in self._state.holdings_of(self._account_id)
            if holding.held.quantity
        ]  # fmt: skip


class KeepingStore(OrderStore):
    """An order store whose every change carries what it did to the risk books."""

    def __init__(self, database: Database, keeper: RiskKeeper) -> None:
        super().__init__(database)
        self._keeper = keeper

    def rows(self, changes: Changes) -> list[Change]:
        """The rows of `changes`, then that of the books."""
        return [*super().rows(changes), *self._keeper.rows()]


def rolled(record: BookRecord, open_result: Decimal) -> BookRecord:
    """A book of an earlier day as the next one begins with it; `open_result`: what its positions had made that day.

    >>> rolled(BookRecord(realised_today=Decimal(-5), trades_today=3), Decimal(2)).earlier
    Decimal('-3')
    """
    return BookRecord(
        earlier=record.earlier + record.realised_today + open_result,
        highest=record.highest,
        last_loss_ns=record.last_loss_ns,
        stops=tuple(stop for stop in record.stops if not stop.for_the_day),
    )


def _plain(book: Book, record: BookRecord) -> dict[str, object]:
    return {
        "scope": book.scope.value,
        "name": book.name,
        **{name: str(getattr(record, name)) for name in _MONEY},
        **{name: getattr(record, name) for name in _COUNTS},
        "open_result": str(book.unrealised - book.base),
        "stops": [[stop.rule, stop.text, stop.for_the_day] for stop in record.stops],
    }


def _record(plain: Mapping[str, object]) -> BookRecord:
    money = {name: Decimal(str(plain.get(name, NOTHING))) for name in _MONEY}
    counts = {name: int(str(plain.get(name, 0))) for name in _COUNTS}
    stops = tuple(
        Stop(str(rule), str(text), bool(for_the_day))
        for rule, text, for_the_day in cast(list[list[object]], plain["stops"])
    )
    return BookRecord(
        realised_today=money["realised_today"], earlier=money["earlier"], highest=money["highest"],
        highest_today=money["highest_today"], trades_today=counts["trades_today"],
        losses_in_row=counts["losses_in_row"], last_loss_ns=counts["last_loss_ns"], stops=stops,
    )  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _rows(plain: object) -> list[Mapping[str, object]]:
    return cast(list[Mapping[str, object]], plain)


def _upsert(*, sqlite_dialect: bool) -> sqlalchemy.Insert:
    table = cast(sqlalchemy.Table, RiskBookRow.__table__)
    made = sqlite.insert(table) if sqlite_dialect else postgresql.insert(table)
    return made.on_conflict_do_update(
        index_elements=("account_id",), set_={name: made.excluded[name] for name in _NEW}
    )
