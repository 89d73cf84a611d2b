"""What a run decided for the open of a day and its desk did not order any more, because it ended in between."""

from collections.abc import Sequence

from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.live.wants import LiveSession
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.session_logs import SessionLogs
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.intents import Purpose
from trademantra.trading.runner.run_log import LogEntry, SessionBegan
from trademantra.trading.runner.spec import RunSpec

_MORNING_NS = 120 * NANOSECONDS_PER_MINUTE  # before the open: an order made since then is of today


def is_carried_out(
    spec: SessionSpec, run: RunSpec, room: AccountRoom, logs: SessionLogs, today: LiveSession
) -> bool:
    """Whether orders of this morning's decisions were made, or all of them were carried out."""
    if logs.carried().get(run.run_id) == today.day:
        return True
    names = tuple(f"{spec.session_id}.{symbol}." for symbol in run.symbols)
    return any(
        managed.created_ns >= today.open_ns - _MORNING_NS
        and managed.intent_id.startswith(names)
        and (spec.weights or managed.purpose is Purpose.ENTRY)
        for managed in room.desk.book.all()
    )


def begin_of(log: Sequence[LogEntry], today: LiveSession) -> int:
    """Where in a log the run was told of today; its length when it was not.

    >>> begin_of([SessionBegan(LiveSession(2, 10, 20), {}), SessionBegan(LiveSession(3, 30, 40), {})], LiveSession(3, 30, 40))
    1
    """
    for place, entry in enumerate(log):
        if isinstance(entry, SessionBegan) and entry.session.day == today.day:
            return place
    return len(log)
