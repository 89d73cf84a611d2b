"""Positions at the broker against those of the desk, looked at again and again; each difference is told once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.events import SessionState
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.bus import Bus
from trademantra.kit.timer import Timer
from trademantra.trading.desk_events import PersonNeeded
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.position_check import PositionDifference, position_differences

_EVERY_NS = 300 * NANOSECONDS_PER_SECOND
_CONFIRM_NS = 5 * NANOSECONDS_PER_SECOND
"""A fill that is on its way makes a difference too: one counts when a second look finds the same."""


@dataclass(slots=True)
class _Seen:
    next_ns: int = 0
    suspected: frozenset[PositionDifference] = frozenset()
    told: set[PositionDifference] = field(default_factory=set)


@dataclass(slots=True)
class PositionWatch:
    """Of one desk.  Positions of others are said once; what is missing calls a person, once."""

    timer: Timer
    bus: Bus
    say: Callable[[str], None]
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def soon(self, account_id: str) -> None:
        """Look again: the stream was away, or somebody logged in."""
        self._of(account_id).next_ns = 0

    async def look(self, room: AccountRoom) -> None:
        """When it is time.  A broker that does not answer is asked again at the next look."""
        seen, now_ns = self._of(room.account_id), self.timer.now_ns()
        if now_ns < seen.next_ns or room.adapter.session is not SessionState.ACTIVE:
            return
        seen.next_ns = now_ns + _EVERY_NS
        try:
            found = await differences(room)
        except BrokerError:
            seen.next_ns = now_ns + _CONFIRM_NS
            return
        seen.told &= found
        for each in sorted((found & seen.suspected) - seen.told, key=lambda one: one.instrument_key):
            seen.told.add(each)
            if each.is_missing:
                self.bus.tell(PersonNeeded(room.account_id, each.instrument_key, each.text))
            else:
                self.say(f"{room.account_id}: {each.text}")
        seen.suspected = frozenset(found)
        if found - seen.told:
            seen.next_ns = now_ns + _CONFIRM_NS

    def _of(self, account_id: str) -> _Seen:
        return self._seen.setdefault(account_id, _Seen())


async def differences(room: AccountRoom) -> set[PositionDifference]:
    """What does not agree now.  Errors: `BrokerError`."""
    positions = await room.adapter.positions()
    holdings = await room.adapter.holdings()
    found: Sequence[PositionDifference] = position_differences(room.desk.book.positions, positions, holdings)
    return set(found)
