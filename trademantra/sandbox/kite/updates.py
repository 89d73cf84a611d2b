"""Order updates: from the exchange's events to socket messages and postbacks (specs/brokers.md 1.10 and 1.11)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trademantra.brokers.paper.terms import ExchangeEvent, ExchangeOrder, OrderChanged, Stage
from trademantra.sandbox.kite import shapes
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.faults import FaultBook, FaultKind
from trademantra.sandbox.kite.json_form import Json, count, encode
from trademantra.sandbox.kite.order_forms import units_in
from trademantra.sandbox.kite.postback import Postbacks
from trademantra.sandbox.kite.sessions import checksum
from trademantra.sandbox.kite.ticker import Ticker

UPDATE = "UPDATE"
_TOLD = frozenset({Stage.OPEN, Stage.TRIGGER_PENDING, Stage.COMPLETE, Stage.CANCELLED, Stage.REJECTED})
_FINAL = frozenset({Stage.COMPLETE, Stage.CANCELLED, Stage.REJECTED})


@dataclass(frozen=True, slots=True)
class _Update:
    account: KiteAccount
    body: Mapping[str, Json]
    posted: bool


@dataclass(slots=True)
class OrderUpdates:
    """Listens to the exchange.

    An order that comes to a state for the first time is told under that state's name; a partial fill or a change of
    its terms while it stays there is told as UPDATE.  Postbacks tell only UPDATE and final states.
    """

    accounts: Mapping[str, KiteAccount]
    ticker: Ticker
    postbacks: Postbacks
    faults: FaultBook
    after_a_while: Callable[[Callable[[], None]], None]
    _stages: dict[str, Stage] = field(default_factory=dict)
    _held: list[_Update] = field(default_factory=list)

    def __call__(self, event: ExchangeEvent) -> None:
        """To be subscribed to the exchange."""
        if not isinstance(event, OrderChanged) or event.order.stage not in _TOLD:
            return
        order = event.order
        status = UPDATE if self._stages.get(order.order_id) is order.stage else order.stage.value
        if order.stage in _FINAL:
            self._stages.pop(order.order_id, None)
        else:
            self._stages[order.order_id] = order.stage
        account = self.accounts.get(order.account_id)
        if account is None or not (account.postback_url or self.ticker.listens(order.account_id)):
            return
        posted = bool(account.postback_url) and (status == UPDATE or order.stage in _FINAL)
        self._send(_Update(account, update_body(order, status, account), posted))

    def release(self) -> None:
        """Send what the reorder fault holds back."""
        held, self._held = self._held, []
        for update in held:
            self._deliver(update)

    def _send(self, update: _Update) -> None:
        if self.faults.strike(FaultKind.DROP_UPDATE):
            return
        if self.faults.strike(FaultKind.REORDER_UPDATES):
            self._held.append(update)
            self.after_a_while(self.release)
            return
        self._deliver(update)
        if self.faults.strike(FaultKind.DUPLICATE_UPDATE):
            self._deliver(update)
        self.release()

    def _deliver(self, update: _Update) -> None:
        self.ticker.tell(update.account.user_id, {"type": "order", "id": "", "data": update.body})
        if update.posted:
            self.postbacks.put(update.account.postback_url, encode(update.body))


def update_body(order: ExchangeOrder, status: str, account: KiteAccount) -> dict[str, Json]:
    """The body of a postback: the order's fields and the checksum over id, time and secret."""
    body = shapes.order(order)
    unfilled = (order.request.quantity - order.filled_quantity) / units_in(order.listing)
    return {
        **body,
        "user_id": account.user_id,
        "app_id": 0,
        "status": status,
        "unfilled_quantity": count(unfilled),
        "checksum": checksum(order.order_id, str(body["order_timestamp"]), account.api_secret),
    }
