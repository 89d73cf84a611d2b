"""What becomes of orders that no session tells of: by hand, and of strategies that are not run here, or no more."""

from collections.abc import Callable
from dataclasses import dataclass

from trademantra.core.order import OrderStatus
from trademantra.trading.algos.view import base_name
from trademantra.trading.desk_events import Booked, Heard, OrderMoved
from trademantra.trading.house.held import order_words
from trademantra.trading.intents import MANUAL
from trademantra.trading.orders import Booking, ManagedOrder, OrderBook, PositionKey


@dataclass(slots=True)
class ToldOrders:
    """Of one desk.  `is_told`: whether a session tells the owner of what fills in a position of an account."""

    say: Callable[[str], None]
    is_told: Callable[[str, PositionKey], bool]

    def hear(self, book: OrderBook, heard: Heard) -> None:
        """What the desk of an account, with this book, tells its listeners."""
        if isinstance(heard, Booked):
            if not self.is_told(book.account_id, heard.booking.key):
                self._tell_fill(book, heard.booking)
        elif isinstance(heard, OrderMoved):
            self._tell_end(book.account_id, heard.order)

    def _tell_fill(self, book: OrderBook, booking: Booking) -> None:
        execution, order = booking.execution, booking.order
        if execution.price is None:
            return  # a correction of the value alone
        side = "bought" if order.side.sign > 0 else "sold"
        held = f"{booking.position.quantity.normalize():f} held now"
        self.say(
            f"{book.account_id} {booking.key.strategy_id}: {side} {execution.quantity.normalize():f} {booking.key.instrument_key} at "
            f"{execution.price:.2f} ({_why(book[order.order_id])}); {held}"
        )

    def _tell_end(self, account_id: str, managed: ManagedOrder) -> None:
        status = managed.order.status
        if status is OrderStatus.ABSENT:
            by_hand = managed.strategy_id == MANUAL
            again = "; place it anew, under a new --id, if it is still wanted" if by_hand else ""
            self.say(
                f"{account_id}: {order_words(managed)} never reached the broker, whose book does not have it; nothing of it is "
                f"held, and it is not sent again{again}"
            )
        elif status is OrderStatus.REJECTED and not self.is_told(account_id, managed.key):
            self.say(f"{account_id}: {order_words(managed)} was rejected: {managed.order.reason}")


def _why(managed: ManagedOrder) -> str:
    """An exit of an algorithm by its own name, unless it was turned into an order at market."""
    child = base_name(managed.intent_id.rpartition("/")[2])
    kind = managed.order.order_type
    if (child == "stop" and kind.has_trigger) or (child == "target" and kind.has_limit):
        return child
    return managed.purpose.value
