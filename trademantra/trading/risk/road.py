"""One account's way through the risk gate: checked, followed, forgotten in step with its order book."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from trademantra.brokers.orders import OrderChange
from trademantra.core.time import Clock
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.orders import Changes, ManagedOrder, OrderBook, PositionKey
from trademantra.trading.policy import cut_to
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.decisions import BreachRequest, Decision
from trademantra.trading.risk.follow import follow, forget
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.hints import hint_of
from trademantra.trading.risk.taken import RiskOrder


class RiskRoad:
    """The gate as `AccountDesk` needs it.  `on_request` hears what a breach asks for (pause, flatten).

    `not_ready` says why entries are not taken at the moment (login, feed, session), "" when they are.
    """

    def __init__(
        self,
        gate: RiskGate,
        account_id: str,
        clock: Clock,
        on_request: Callable[[BreachRequest], None],
        not_ready: Callable[[], str] = lambda: "",
    ) -> None:
        self._gate, self._account_id, self._clock = gate, account_id, clock
        self._on_request = on_request
        self._not_ready = not_ready

    def restore(self, book: OrderBook) -> None:
        """First positions, then what works on them.  The open result at the day's start counts from the first price."""
        state = self._gate.state
        instruments = {managed.order.instrument.key: managed.order.instrument for managed in book.all()}
        for key, held in book.positions.items():
            position = HeldPosition(held.quantity, held.cost, held.realised, held.charges)
            state.restore_position(
                self._account_id, key.strategy_id, instruments[key.instrument_key], key.product, position
            )
        for managed in book.working():
            filled = any(each.order.filled_quantity for each in book.of_intent(managed.intent_id))
            state.order_taken(RiskOrder.restored(managed, intent_filled=filled))

    def check(self, intent: OrderIntent) -> OrderIntent:
        free = self._gate.free_to_close(intent)  # before the gate's answer counts for anything
        decision = self._decided(self._gate.check(intent, self._clock.now_ns()))
        if not decision.is_allowed:
            raise RefusedIntentError(decision.rule, decision.text, hint=hint_of(decision, intent))
        quantity, reason = decision.quantity, self._not_ready()
        if reason and intent.purpose is Purpose.ENTRY and quantity > free:
            if not free:
                raise self._is_not_ready(reason)
            quantity = free
        return intent if quantity == intent.quantity else cut_to(intent, quantity)

    def check_change(self, managed: ManagedOrder, change: OrderChange) -> OrderChange:
        """An exit grows as far as there is something to close; where nothing is, its levels move all the same."""
        intent, added = _as_changed(managed, change)
        reason = self._not_ready()
        if reason and added > 0 and intent.purpose is Purpose.ENTRY:
            raise self._is_not_ready(reason)
        decision = self._decided(self._gate.check_change(intent, added, self._clock.now_ns()))
        if not decision.is_allowed:
            if decision.rule == "exit_beyond_held" and _moves_a_level(intent, managed):
                return replace(change, quantity=None)
            raise RefusedIntentError(decision.rule, decision.text, hint=hint_of(decision, intent))
        if decision.quantity != intent.quantity:
            change, added = _cut(managed, change, decision.quantity)
        if added > 0:  # it may fill before the answer comes
            state, order_id = self._gate.state, managed.order.order_id
            state.order_left(order_id, state.working_left(order_id) + added)
        return change

    def follow(self, changes: Changes, intent: OrderIntent | None = None) -> None:
        follow(self._gate.state, changes, self._clock.now_ns(), intent)

    def converted(
        self, old: PositionKey, stays: HeldPosition, new: PositionKey, joined: HeldPosition
    ) -> None:
        """What `conversion.convert_product` tells."""
        self._gate.state.converted(self._account_id, old, stays, new, joined)

    def forget(self, changes: Changes) -> None:
        forget(self._gate.state, changes)

    def message_sent(self, managed: ManagedOrder) -> None:
        instrument = managed.order.instrument
        self._gate.state.message_sent(
            managed.account_id,
            managed.strategy_id,
            instrument.exchange,
            instrument.segment,
            self._clock.now_ns(),
        )

    def _decided(self, decision: Decision) -> Decision:
        for request in decision.requests:
            self._on_request(request)
        return decision

    def _is_not_ready(self, reason: str) -> RefusedIntentError:
        return RefusedIntentError(
            "not_ready",
            f"account {self._account_id} is not ready: {reason}",
            hint=f"tm account check {self._account_id}",
        )


def _moves_a_level(changed: OrderIntent, managed: ManagedOrder) -> bool:
    order = managed.order
    present = order.order_type, order.price, order.trigger_price
    return (changed.order_type, changed.price, changed.trigger_price) != present


def _cut(managed: ManagedOrder, change: OrderChange, quantity: Decimal) -> tuple[OrderChange, Decimal]:
    return replace(change, quantity=quantity), quantity - managed.order.quantity


def _as_changed(managed: ManagedOrder, change: OrderChange) -> tuple[OrderIntent, Decimal]:
    """The order with its new terms as an intent, and by how much more of it may fill."""
    order = managed.order
    kind = change.order_type or order.order_type
    quantity = change.quantity or order.quantity
    intent = OrderIntent(
        intent_id=managed.intent_id,
        account_id=managed.account_id,
        strategy_id=managed.strategy_id,
        instrument=order.instrument,
        side=order.side,
        quantity=quantity,
        product=order.product,
        purpose=managed.purpose,
        decided_ns=managed.created_ns,
        order_type=kind,
        price=(change.price or order.price) if kind.has_limit else None,
        trigger_price=(change.trigger_price or order.trigger_price) if kind.has_trigger else None,
        validity=order.validity,
        exit_with=managed.exit_with,
    )
    return intent, quantity - order.quantity
