"""Orders and trades of a day at the simulated exchange, which answers for the whole day as a broker does.

Invariants:
- what is asked of an order, in any of its stages, and of its trades is answered alike whether it is packed or not;
- orders are answered in the order of placing, trades in that of their numbers.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.entries import Fields, Json, order_json, order_of, trade_json, trade_of
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.kit.archive import Archive

_KEPT_NS = (
    60 * NANOSECONDS_PER_MINUTE
)  # after an order's end: then a kilobyte a stage becomes a few dozen bytes
_PACKED_AT_ONCE = 4


@dataclass(slots=True)
class _Entry:
    """An order in all its stages, the last one last, and what of it traded."""

    stages: list[ExchangeOrder]
    trades: list[ExchangeTrade] = field(default_factory=list)


class DayBook:
    """Of all accounts."""

    def __init__(self, listings: Listings) -> None:
        self._listings = listings
        self._entries: dict[str, _Entry] = {}
        self._of_account: dict[str, dict[str, _Entry]] = {}
        self._packed: dict[str, Archive] = {}
        self._ended: deque[tuple[int, str]] = deque()

    def open_account(self, account_id: str) -> None:
        """Twice is once."""
        self._of_account.setdefault(account_id, {})
        self._packed.setdefault(account_id, Archive())

    # -- asking

    def find(self, order_id: str) -> ExchangeOrder | None:
        """As it stands."""
        entry = self._entry(order_id)
        return None if entry is None else entry.stages[-1]

    def stages(self, order_id: str) -> Sequence[ExchangeOrder]:
        """Oldest first.  Errors: `KeyError`."""
        entry = self._entry(order_id)
        if entry is None:
            raise KeyError(order_id)
        return entry.stages

    def orders(self, account_id: str) -> Sequence[ExchangeOrder]:
        """In the order of placing, each as it stands."""
        packed = [self._last(text) for text in self._packed[account_id]]
        live = [entry.stages[-1] for entry in self._of_account[account_id].values()]
        return sorted(packed + live, key=_placed)

    def names(self, account_id: str) -> Iterator[str]:
        """Order ids in the order of placing."""
        return (order.order_id for order in self.orders(account_id))

    def trades(self, account_id: str) -> Sequence[ExchangeTrade]:
        """Oldest first."""
        packed = [trade for text in self._packed[account_id] for trade in self._trades(text)]
        live = [trade for entry in self._of_account[account_id].values() for trade in entry.trades]
        return sorted(packed + live, key=_number)

    def trades_of(self, order_id: str) -> Sequence[ExchangeTrade]:
        """Oldest first."""
        entry = self._entry(order_id)
        return () if entry is None else entry.trades

    # -- what happens

    def keep(self, order: ExchangeOrder) -> None:
        """A new order, or a new stage of one."""
        entry = self._entries.get(order.order_id)
        if entry is None:
            entry = self._entries[order.order_id] = _Entry([])
            self._of_account[order.account_id][order.order_id] = entry
        entry.stages.append(order)
        if order.status.is_final:
            self._ended.append((order.updated_ns, order.order_id))

    def keep_trade(self, trade: ExchangeTrade) -> None:
        self._entries[trade.order_id].trades.append(trade)

    def take_back(self, order_id: str) -> ExchangeOrder:
        """Forget the last stage of an order, to keep it anew."""
        return self._entries[order_id].stages.pop()

    def pack(self, now_ns: int) -> None:
        """Pack some of what ended an hour ago: more than an order each time, so that none waits for long."""
        for _ in range(_PACKED_AT_ONCE):
            if not self._ended or now_ns - self._ended[0][0] < _KEPT_NS:
                return
            _, order_id = self._ended.popleft()
            entry = self._entries.pop(order_id)
            last = entry.stages[-1]
            del self._of_account[last.account_id][order_id]
            parts: list[Json] = [
                order_json(last), [order_json(stage) for stage in entry.stages[:-1]],
                [trade_json(trade) for trade in entry.trades],
            ]  # fmt: skip
            text = "\t".join(json.dumps(part, separators=(",", ":")) for part in parts)
            self._packed[last.account_id].add([order_id], text)

    def begin_day(self, kept: set[str]) -> None:
        """Only orders in `kept` go on, without their trades."""
        self._ended.clear()
        self._entries = {name: _Entry(entry.stages) for name, entry in self._entries.items() if name in kept}
        for account_id, entries in self._of_account.items():
            self._of_account[account_id] = {name: self._entries[name] for name in entries if name in kept}
            self._packed[account_id] = Archive()

    # -- inside

    def _entry(self, order_id: str) -> _Entry | None:
        found = self._entries.get(order_id)
        if found is not None:
            return found
        for archive in self._packed.values():
            for filed in archive.find(order_id):
                last = self._last(filed.text)
                if last.order_id == order_id:
                    earlier = json.loads(filed.text.split("\t")[1])
                    stages = [order_of(Fields(item), self._listings) for item in earlier]
                    return _Entry([*stages, last], self._trades(filed.text))
        return None

    def _last(self, text: str) -> ExchangeOrder:
        return order_of(Fields(json.loads(text[: text.index("\t")])), self._listings)

    def _trades(self, text: str) -> list[ExchangeTrade]:
        return [trade_of(Fields(item), self._listings) for item in json.loads(text.split("\t")[2])]


def _placed(order: ExchangeOrder) -> str:
    return order.order_id


def _number(trade: ExchangeTrade) -> int:
    return int(trade.trade_id)
