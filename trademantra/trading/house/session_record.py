"""What the database knows of a session: that it ran, its closed trades, and the executions booked for it."""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import select

from trademantra.core.order import OrderType, Side
from trademantra.engine.live.wants import LiveFill, LiveTrade
from trademantra.engine.records import Reason
from trademantra.trading.algos.store import leaving_of
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.models import ExecutionRow, OrderRow
from trademantra.trading.record.store import SessionMode, SessionRecord, TradeRecord


def session_record(spec: SessionSpec, parts: SessionParts) -> SessionRecord:
    """That it began, and with what."""
    return SessionRecord(
        session_id=spec.session_id,
        account_id=spec.account_id,
        strategy=spec.strategy.name,
        parameters_hash=spec.parameters_hash,
        mode=SessionMode(parts.room.account.mode.value),
        capital=spec.capital,
        started_ns=parts.clock.now_ns(),
        details={
            "symbols": list(spec.instruments),
            "timeframe": str(spec.timeframe),
            "values": dict(spec.values),
        },
    )


def trade_record(spec: SessionSpec, trade: LiveTrade) -> TradeRecord:
    """A closed trade."""
    return TradeRecord(
        session_id=spec.session_id,
        strategy_id=spec.strategy_id,
        symbol=trade.symbol,
        side=Side.BUY if trade.side > 0 else Side.SELL,
        entry_ns=trade.entry_ns,
        exit_ns=trade.exit_ns,
        quantity=Decimal(str(trade.quantity)),
        entry_price=Decimal(str(trade.entry_price)),
        exit_price=Decimal(str(trade.exit_price)),
        gross=Decimal(str(trade.gross)),
        costs=Decimal(str(trade.costs)),
        reason=trade.reason.name.lower(),
    )


async def booked(
    spec: SessionSpec, parts: SessionParts, symbol: str, heard: Mapping[str, int]
) -> list[LiveFill]:
    """Every execution of this session in an instrument, in the order of booking; of each order
    up to `heard`.

    Orders that the book no longer holds ended long ago; one that it holds and `heard` does not was made since.
    """
    prefix = f"{spec.session_id}.{symbol}."
    left_for = await leaving_of(parts.database, spec.account_id, prefix)
    made_since = {each.order.order_id for each in parts.room.desk.book.all()} - heard.keys()
    async with parts.database.reading() as session:
        rows = await session.execute(
            select(OrderRow.intent_id, OrderRow.request, ExecutionRow)
            .join(OrderRow, OrderRow.order_id == ExecutionRow.order_id)
            .where(
                OrderRow.account_id == spec.account_id,
                OrderRow.intent_id.startswith(prefix, autoescape=True),
                ExecutionRow.quantity > Decimal(0),
            )
            .order_by(ExecutionRow.execution_id)
        )
        return [
            LiveFill(
                symbol,
                1 if f'"side":"{Side.BUY.value}"' in request else -1,
                float(execution.quantity),
                float(execution.value / execution.quantity / spec.instruments[symbol].multiplier),
                reason_of(intent_id, left_for, is_stop=f'"order_type":"{OrderType.SL_M.value}"' in request),
                execution.at_ns,
            )
            for intent_id, request, execution in rows
            if execution.order_id not in made_since
            and execution.sequence <= heard.get(execution.order_id, execution.sequence)
        ]


def reason_of(intent_id: str, left_for: Mapping[str, Reason], *, is_stop: bool) -> Reason:
    """Why an order of a bracket filled: by the name of its child, and why the bracket was left, if it was.

    What a stop was, fixed or trailing, is not told; one that was turned into an order at market is no stop any more.
    """
    algo_id, _, name = intent_id.rpartition("/")
    child, leaving = name.partition(".")[0], left_for.get(algo_id, Reason.NONE)
    if child == "entry":
        return Reason.ENTRY
    if child == "stop" and (is_stop or leaving is Reason.NONE):
        return Reason.STOP
    if leaving is not Reason.NONE:
        return leaving
    return Reason.TARGET if child == "target" else Reason.SIGNAL
