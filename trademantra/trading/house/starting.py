"""One more session in a desk that runs: what would keep it from trading is told before it begins, the others notice nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from trademantra.core.errors import InvalidValueError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_date
from trademantra.kit.timer import Timer
from trademantra.trading.control.requests import DeskAnswer, DeskRequest
from trademantra.trading.house.parts import SessionPlan
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.house.symbols import with_instruments
from trademantra.trading.readiness.gate import AccountGate

_NEAR_NS = 10 * NANOSECONDS_PER_SECOND  # before a bar closes: its history would be read without it
_CLOSED_NS = 2 * NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterParts:
    """`rooms` and `sessions` are those of the house, as they are at the time; `sources` by feed.

    `plan` makes a session of a request's words, and asks the go-live gate; `open_session` warms it up and lets it run, and
    answers with a warning, or "".
    """

    rooms: Mapping[str, AccountRoom]
    sessions: Mapping[str, StrategySession]
    sources: Mapping[str, PriceReads]
    readiness: AccountGate
    enlist: Callable[[Collection[Instrument]], None]
    plan: SessionPlan | None
    open_session: Callable[[SessionSpec], Awaitable[str]]
    timer: Timer


class Starter:
    """Of one desk.  Sessions begin one after the other."""

    def __init__(self, parts: StarterParts) -> None:
        self._parts = parts
        self._one = asyncio.Lock()

    async def answer(self, request: DeskRequest) -> DeskAnswer:
        """Begin the session that a person asked for.  Errors become answers: who asked is told."""
        room = self._parts.rooms.get(request.account_id)
        if room is None:
            return DeskAnswer(False, f"account {request.account_id} is not open here")
        try:
            async with self._one:
                return await self._begin(room, request.arguments)
        except TradeMantraError as error:
            return DeskAnswer(False, f"{error.message}{f' ({error.hint})' if error.hint else ''}")
        except (SQLAlchemyError, OSError) as error:
            return DeskAnswer(False, f"it could not begin: {error}")

    async def _begin(self, room: AccountRoom, arguments: Mapping[str, object]) -> DeskAnswer:
        parts, table = self._parts, arguments.get("strategy")
        if parts.plan is None or not isinstance(table, Mapping):
            raise InvalidValueError("this desk cannot begin a session from words")
        spec = await parts.plan(room.account, table)
        if spec.session_id in parts.sessions:
            raise InvalidValueError(
                f"session {spec.session_id} runs already", hint="tm desk status shows what runs"
            )
        reason = parts.readiness.why_not_ready(room.account_id)
        if reason is not None:
            raise InvalidValueError(reason)
        source = parts.sources[room.account.feed]
        spec = await with_instruments(spec, source, ist_date(parts.timer.now_ns()))
        self._refuse_a_second(spec)
        parts.enlist(list(spec.instruments.values()))
        await self._between_bars(spec)
        warning = await parts.open_session(spec)
        text = f"{spec.strategy_id} runs in {room.account_id} as session {spec.session_id}"
        return DeskAnswer(
            True, f"{text}\n{warning}" if warning else text,
            {"session": spec.session_id, "strategy": spec.strategy_id, "instruments": sorted(spec.instruments)}
            | ({"warning": warning} if warning else {}),
        )  # fmt: skip

    def _refuse_a_second(self, spec: SessionSpec) -> None:
        """Positions are a strategy's, not a session's: two in one instrument would be netted.  Errors: `InvalidValueError`."""
        keys = {instrument.key for instrument in spec.instruments.values()}
        for other in self._parts.sessions.values():
            if (other.spec.account_id, other.spec.strategy_id) != (spec.account_id, spec.strategy_id):
                continue
            both = sorted(keys & {instrument.key for instrument in other.spec.instruments.values()})
            if both:
                raise InvalidValueError(
                    f"{spec.strategy_id} trades {', '.join(both)} in {spec.account_id} already, in session "
                    f"{other.spec.session_id}",
                    hint="end that one first: tm desk stop SESSION",
                )

    async def _between_bars(self, spec: SessionSpec) -> None:
        """No bar closes while the history is read, as far as can be helped."""
        if spec.timeframe.is_intraday:
            timer, length_ns = self._parts.timer, spec.timeframe.length_ns
            left_ns = length_ns - timer.now_ns() % length_ns
            if left_ns < min(_NEAR_NS, length_ns // 4):
                await timer.until(timer.now_ns() + left_ns + _CLOSED_NS)
