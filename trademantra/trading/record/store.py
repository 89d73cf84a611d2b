"""Sessions and closed trades, as rows and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from sqlalchemy import func, insert, select

from trademantra.core.errors import DataConflictError, InvalidValueError, NotFoundError
from trademantra.core.order import Side
from trademantra.kit.database import Database
from trademantra.trading.positions import on_grid
from trademantra.trading.record.models import SessionRow, TradeRow

_PRICE_GRID = Decimal("0.00000001")


class SessionMode(StrEnum):
    """What a session traded on.  Replays are stored prices: they prove nothing about going live."""

    PAPER = "paper"
    REPLAY = "replay"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One run of a strategy with one set of parameters.  `strategy` is the name in the library.

    `capital` is what it began with, in the account's currency.  `details` are plain JSON values: parameters, symbols,
    time frame and whatever else is needed to run it again.  `ended_ns`: when it ended, or until when it is known to
    have run; None while nobody said.
    """

    session_id: str
    account_id: str
    strategy: str
    parameters_hash: str
    mode: SessionMode
    capital: Decimal
    started_ns: int
    ended_ns: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("session_id", "account_id", "strategy", "parameters_hash"):
            if not getattr(self, name):
                raise InvalidValueError(f"a session needs a {name}")
        if self.capital <= 0:
            raise InvalidValueError(f"session {self.session_id}: capital must be above 0, got {self.capital}")
        if self.ended_ns is not None and self.ended_ns < self.started_ns:
            raise InvalidValueError(f"session {self.session_id} would end before it starts")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecord:
    """A trade from its entry to its exit.  `side` of the entry; `quantity` in units; amounts in the account's currency.

    Prices are means of fills: they are kept to 1/100 000 000, amounts to 1/10 000.
    """

    session_id: str
    strategy_id: str
    symbol: str
    side: Side
    entry_ns: int
    exit_ns: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    gross: Decimal
    costs: Decimal
    reason: str

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise InvalidValueError(f"a trade of {self.quantity} {self.symbol}")
        if self.exit_ns < self.entry_ns:
            raise InvalidValueError(f"a trade in {self.symbol} that ends before it begins")
        for name in ("entry_price", "exit_price"):
            object.__setattr__(self, name, getattr(self, name).quantize(_PRICE_GRID, ROUND_HALF_EVEN))
        for name in ("gross", "costs"):
            object.__setattr__(self, name, on_grid(getattr(self, name)))

    @property
    def net(self) -> Decimal:
        return self.gross - self.costs


class RecordStore:
    """The record in one database.  Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write_session(self, record: SessionRecord) -> None:
        """A session that starts.  Errors: `DataConflictError` for an id that is there."""
        async with self._database.writing() as session:
            if await session.get(SessionRow, record.session_id) is not None:
                raise DataConflictError(f"there is a session {record.session_id} already")
            session.add(
                SessionRow(
                    session_id=record.session_id, account_id=record.account_id, strategy=record.strategy,
                    parameters_hash=record.parameters_hash, mode=record.mode.value, capital=record.capital,
                    details=json.dumps(record.details), started_ns=record.started_ns, ended_ns=record.ended_ns,
                )
            )  # fmt: skip

    async def ran_until(self, session_id: str, ended_ns: int) -> None:
        """The session is known to have run until then.  It never goes back.  Errors: `NotFoundError`."""
        async with self._database.writing() as session:
            row = await session.get(SessionRow, session_id)
            if row is None:
                raise NotFoundError(f"there is no session {session_id}", hint="write it when it starts")
            row.ended_ns = max(ended_ns, row.started_ns, row.ended_ns or 0)

    async def write_trades(self, trades: Sequence[TradeRecord]) -> None:
        """Closed trades, in the order of closing; all or none.  Errors: `NotFoundError` for a session that is not there."""
        async with self._database.writing() as session:
            numbers: dict[str, int] = {}
            rows = []
            for trade in trades:
                if trade.session_id not in numbers:
                    numbers[trade.session_id] = await session.scalar(
                        select(func.count()).where(TradeRow.session_id == trade.session_id)
                    ) or 0  # fmt: skip
                    if await session.get(SessionRow, trade.session_id) is None:
                        raise NotFoundError(f"there is no session {trade.session_id}", hint="write it first")
                numbers[trade.session_id] += 1
                rows.append(_row(trade, numbers[trade.session_id]))
            if rows:
                await session.execute(insert(TradeRow), rows)

    async def session(self, session_id: str) -> SessionRecord:
        """Errors: `NotFoundError`."""
        async with self._database.reading() as session:
            row = await session.get(SessionRow, session_id)
        if row is None:
            raise NotFoundError(
                f"there is no session {session_id}", hint="tm desk status lists the last ones"
            )
        return _session(row)

    async def sessions(
        self, *, account_id: str | None = None, strategy: str | None = None, mode: SessionMode | None = None
    ) -> Sequence[SessionRecord]:
        """Sessions in the order of their start."""
        wanted = select(SessionRow).order_by(SessionRow.started_ns, SessionRow.session_id)
        for column, value in (
            (SessionRow.account_id, account_id),
            (SessionRow.strategy, strategy),
            (SessionRow.mode, mode),
        ):
            if value is not None:
                wanted = wanted.where(column == value)
        async with self._database.reading() as session:
            return [_session(row) for row in await session.scalars(wanted)]

    async def trades(self, session_ids: Sequence[str]) -> Sequence[TradeRecord]:
        """Closed trades of these sessions, by exit."""
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(TradeRow)
                .where(TradeRow.session_id.in_(session_ids))
                .order_by(TradeRow.exit_ns, TradeRow.session_id, TradeRow.number)
            )
            return [_trade(row) for row in rows]


def _row(trade: TradeRecord, number: int) -> dict[str, object]:
    return {
        "session_id": trade.session_id, "number": number, "strategy_id": trade.strategy_id, "symbol": trade.symbol,
        "side": trade.side.value, "entry_ns": trade.entry_ns, "exit_ns": trade.exit_ns, "quantity": trade.quantity,
        "entry_price": trade.entry_price, "exit_price": trade.exit_price, "gross": trade.gross, "costs": trade.costs,
        "net": trade.net, "reason": trade.reason,
    }  # fmt: skip


def _trade(row: TradeRow) -> TradeRecord:
    return TradeRecord(
        session_id=row.session_id, strategy_id=row.strategy_id, symbol=row.symbol, side=Side(row.side),
        entry_ns=row.entry_ns, exit_ns=row.exit_ns, quantity=row.quantity, entry_price=row.entry_price,
        exit_price=row.exit_price, gross=row.gross, costs=row.costs, reason=row.reason,
    )  # fmt: skip


def _session(row: SessionRow) -> SessionRecord:
    return SessionRecord(
        session_id=row.session_id, account_id=row.account_id, strategy=row.strategy,
        parameters_hash=row.parameters_hash, mode=SessionMode(row.mode), capital=row.capital,
        started_ns=row.started_ns, ended_ns=row.ended_ns, details=json.loads(row.details),
    )  # fmt: skip
