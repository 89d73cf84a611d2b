"""Rules of how much is done: in a second and in a day."""

from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.risk.books import Book
from trademantra.trading.risk.limits import BookLimits
from trademantra.trading.risk.rules.rule import BOOKS, REFUSES, Asked, Breach, EntryRule, OrderCheck


def _trades(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_trades_per_day
    if limit is None:
        return None

    def check(_: Asked) -> Breach | None:
        if book.trades_today < limit:
            return None
        return Breach(
            f"{book} made {book.trades_today} trades today, entries that work included; max_trades_per_day is {limit}; "
            "no entries until tomorrow"
        )

    return check


def _orders_per_second(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_orders_per_second
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        sent = book.sent_in_second(asked.holding.route, asked.now_ns)
        if sent < limit:
            return None
        return Breach(
            f"{book} sent {sent} orders, changes and cancels to {asked.holding.route} in this second, "
            f"max_orders_per_second is {limit}; send it in the next",
            retry_ns=(asked.now_ns // NANOSECONDS_PER_SECOND + 1) * NANOSECONDS_PER_SECOND,
        )

    return check


PACE_RULES = (
    EntryRule(code="orders_per_second", scopes=BOOKS, bind=_orders_per_second, actions=REFUSES,
              description="messages of a calendar second to one exchange segment"),
    EntryRule(code="trades_per_day", scopes=BOOKS, bind=_trades, actions=REFUSES,
              description="entries of a day that filled or may"),
)  # fmt: skip
