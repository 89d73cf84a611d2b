"""Intraday positions are closed some minutes before the broker closes them, whoever opened them and whatever runs.

Strategies leave by themselves earlier (`SessionSpec.leave_minute`).  What is still there then belongs to one that was
stopped, paused or refused, and a broker charges extra for its own closing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product
from trademantra.core.time import IST, NANOSECONDS_PER_SECOND, ist_date, ns_of
from trademantra.engine.records import Reason
from trademantra.kit.timer import Timer
from trademantra.markets.sessions import session_on, square_off_time
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import Broker, PaperAccountSettings
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.orders import PositionKey
from trademantra.trading.targets import close_one

_AGAIN_NS = 20 * NANOSECONDS_PER_SECOND
"""An exit at market that has not filled by then is asked for again: what covers the position is cancelled first."""


@dataclass(slots=True)
class SquareOff:
    """Of one desk.  `minutes` before the broker's own time; `say` hears what is closed."""

    timer: Timer
    minutes: int
    say: Callable[[str], None]
    _asked: dict[tuple[str, PositionKey], int] = field(default_factory=dict)
    _number: int = 0

    def due(self, room: AccountRoom) -> list[PositionKey]:
        """Positions of an account whose time has come, and that were not asked for just now."""
        now_ns = self.timer.now_ns()
        found = []
        for key, position in room.desk.book.positions.items():
            if not position.quantity or key.product is not Product.MIS:
                continue
            asked_ns = self._asked.get((room.account_id, key))
            if asked_ns is not None and now_ns - asked_ns < _AGAIN_NS:
                continue
            span = self._span(room.account, instrument_of(room, key), now_ns)
            if span is not None and span[0] <= now_ns < span[1]:
                self._asked[room.account_id, key] = now_ns
                found.append(key)
        return found

    async def close(self, room: AccountRoom, key: PositionKey) -> None:
        """Errors: `TradeMantraError`; the position is asked for again."""
        self._number += 1
        self.say(
            f"{room.account_id}: {key.instrument_key} of {key.strategy_id} is closed before the broker's square-off"
        )
        name = f"square-off-{self.timer.now_ns()}-{self._number}"
        await close_one(room.desk, room.algos, self.timer, key, name, Reason.SQUARE_OFF)

    def _span(self, account: Account, instrument: Instrument, now_ns: int) -> tuple[int, int] | None:
        """From when on positions of an instrument are closed, and when it trades no more today; None: not at all."""
        broker = _profile(account)
        if broker is None:
            return None
        today = ist_date(now_ns)
        try:
            session = session_on(today, instrument)
            if session is None:
                return None
            try:
                at = square_off_time(broker, instrument, today)
            except MissingFactError:
                at = square_off_time(DEFAULT_BROKER, instrument, today)
        except (MissingFactError, InvalidValueError):
            return None
        begin = datetime.combine(today, at, IST) - timedelta(minutes=self.minutes)
        return ns_of(begin), session.close_ns


def _profile(account: Account) -> str | None:
    """Whose times they are; None for a paper account that nobody squares off."""
    settings = account.settings
    if isinstance(settings, PaperAccountSettings):
        return settings.square_off or None
    return Broker(account.broker).value


def instrument_of(room: AccountRoom, key: PositionKey) -> Instrument:
    """A position comes from orders of the book: one of them names it."""
    found = room.desk.book.instrument(key.instrument_key)
    assert found is not None
    return found
