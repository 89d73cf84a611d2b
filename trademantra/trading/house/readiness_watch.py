"""When the accounts of a running desk are looked at, and what is told of it."""

import time
from collections.abc import Mapping
from dataclasses import replace

from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND, ist_date
from trademantra.kit.bus import Bus
from trademantra.trading.feeds.hub_settings import FeedStatus
from trademantra.trading.house.market import Market
from trademantra.trading.house.parts import HouseParts
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.lease_names import lease_name
from trademantra.trading.readiness.gate import AccountGate
from trademantra.trading.readiness.inspect import Candidate, Surroundings, inspect_all, last_close_ns
from trademantra.trading.risk.kill import KillSwitch

_RECHECK_NS = 60 * NANOSECONDS_PER_SECOND
_BEFORE_OPEN_NS = 15 * NANOSECONDS_PER_MINUTE  # accounts are looked at again


class ReadinessWatch:
    """Of one desk.  `rooms`, `markets` and `sessions` are those of the house, as they are at the time.

    `owner`: the name of this process in leases.
    """

    def __init__(
        self,
        parts: HouseParts,
        gate: AccountGate,
        switch: KillSwitch,
        bus: Bus,
        owner: str,
        rooms: Mapping[str, AccountRoom],
        markets: Mapping[str, Market],
        sessions: Mapping[str, StrategySession],
    ) -> None:
        self._parts, self._gate, self._switch, self._bus, self._owner = parts, gate, switch, bus, owner
        self._rooms, self._markets, self._sessions = rooms, markets, sessions
        self._checked_ns = 0
        self._said = ""
        self._opens_checked: set[int] = set()

    def soon(self) -> None:
        """Something changed: accounts that are not ready are looked at with the next look."""
        self._checked_ns = 0

    async def look(self, *, force: bool = False) -> None:
        """Look, when it is time: at the start, before each open, each minute while an account is not ready, and when a login changed."""
        now_ns = self._parts.clock.now_ns()
        waiting = [each for each in self._rooms if self._gate.why_not_ready(each) is not None]
        opens_ns = self._coming_open(now_ns)
        if opens_ns is not None:
            self._opens_checked.add(opens_ns)
            force = True
        if not force and (not waiting or 0 <= now_ns - self._checked_ns < _RECHECK_NS):
            return
        self._checked_ns = now_ns
        parts = self._parts
        around = Surroundings(
            database=parts.database, home=parts.home, master=parts.home / "instruments.sqlite3", kill_switch=self._switch,
            clock=parts.clock, read_seconds=time.perf_counter, lease_name=lease_name, own_name=self._owner,
            needed_until_ns=last_close_ns(ist_date(now_ns)),
        )  # fmt: skip
        report = await inspect_all(
            [Candidate(room.account, room.adapter, self._feed_of(room)) for room in self._rooms.values()],
            around,
        )
        self._gate.heard(report)
        self._bus.tell(report)
        verdict = "; ".join(f"{each.account_id} {each.why_not}" for each in report.accounts)
        if force or verdict != self._said:  # each minute of a night without a login says the same
            self._said = verdict
            parts.say(replace(report, is_sandbox=parts.is_sandbox).text)

    def _coming_open(self, now_ns: int) -> int | None:
        """The open that is near and before which nobody looked yet."""
        for session in self._sessions.values():
            begins_ns = session.begins_ns
            if begins_ns is None or begins_ns in self._opens_checked:
                continue
            if begins_ns - _BEFORE_OPEN_NS <= now_ns < begins_ns:
                return begins_ns
        return None

    def _feed_of(self, room: AccountRoom) -> FeedStatus | None:
        market = self._markets.get(room.account.feed)
        return None if market is None or not market.hub.status().instruments else market.hub.status()
