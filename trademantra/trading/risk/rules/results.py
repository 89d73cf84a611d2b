"""Rules of what a book has won and lost.  They are watched between orders too."""

from decimal import Decimal

from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.risk.books import Book
from trademantra.trading.risk.limits import BookLimits, BreachAction
from trademantra.trading.risk.rules.rule import (
    BOOKS,
    REFUSES,
    BookCheck,
    Breach,
    ResultRule,
    amount,
    unpriced_breach,
)

DEFAULT_KEPT_PERCENT = Decimal(50)


def _loss_realised(limits: BookLimits, book: Book) -> BookCheck | None:
    limit = limits.max_daily_loss_realised
    if limit is None:
        return None

    def check(_: int) -> Breach | None:
        if -book.realised < limit:
            return None
        return Breach(
            f"{book} lost {amount(-book.realised)} today by closed trades and charges, max_daily_loss_realised is "
            f"{amount(limit)}; no entries until tomorrow"
        )

    return check


def _loss_marked(limits: BookLimits, book: Book) -> BookCheck | None:
    limit = limits.max_daily_loss_marked
    if limit is None:
        return None

    def check(_: int) -> Breach | None:
        if book.unpriced:
            return unpriced_breach(book)
        result = book.result_today
        if -result < limit:
            return None
        return Breach(
            f"{book} is {amount(-result)} down today, open positions included; max_daily_loss_marked is {amount(limit)}; "
            "no entries until tomorrow"
        )

    return check


def _drawdown(limits: BookLimits, book: Book) -> BookCheck | None:
    limit = limits.max_drawdown
    if limit is None:
        return None

    def check(_: int) -> Breach | None:
        if book.unpriced:
            return unpriced_breach(book)
        fallen = book.highest - book.result
        if fallen < limit:
            return None
        return Breach(
            f"{book} fell by {amount(fallen)} from its highest result, max_drawdown is {amount(limit)}; no entries until a "
            "person releases it"
        )

    return check


def _profit_lock(limits: BookLimits, book: Book) -> BookCheck | None:
    start = limits.profit_lock_from
    if start is None:
        return None
    kept = (limits.profit_lock_percent or DEFAULT_KEPT_PERCENT) / 100

    def check(_: int) -> Breach | None:
        if book.highest_today < start:
            return None
        if book.unpriced:
            return unpriced_breach(book)
        floor = book.highest_today * kept
        if book.result_today > floor:
            return None
        return Breach(
            f"{book} was {amount(book.highest_today)} up today and is at {amount(book.result_today)}; the profit lock keeps "
            f"{amount(floor)}; no entries until tomorrow"
        )

    return check


def _losses_in_row(limits: BookLimits, book: Book) -> BookCheck | None:
    limit = limits.max_consecutive_losses
    if limit is None:
        return None
    pause = limits.loss_pause_minutes
    length = None if pause is None else int(pause * NANOSECONDS_PER_MINUTE)

    def check(now_ns: int) -> Breach | None:
        if book.losses_in_row < limit:
            return None
        until = None if length is None else book.last_loss_ns + length
        if until is not None and now_ns >= until:
            return None
        return Breach(
            f"{book} lost {book.losses_in_row} trades in a row, max_consecutive_losses is {limit}; entries wait"
            + (" until tomorrow" if pause is None else f" for {amount(pause)} minutes"),
            retry_ns=until,
        )

    return check


RESULT_RULES = (
    ResultRule(code="daily_loss_realised", scopes=BOOKS, bind=_loss_realised, actions=REFUSES,
               description="loss of the day by closed trades and charges"),
    ResultRule(code="daily_loss_marked", scopes=BOOKS, bind=_loss_marked, actions=REFUSES,
               default=BreachAction.FLATTEN, description="loss of the day, open positions included"),
    ResultRule(code="drawdown", scopes=BOOKS, bind=_drawdown, actions=REFUSES, default=BreachAction.FLATTEN,
               for_the_day=False, description="fall from the highest result, over days"),
    ResultRule(code="profit_lock", scopes=BOOKS, bind=_profit_lock, actions=REFUSES, default=BreachAction.FLATTEN,
               description="part of the day's highest profit that is kept"),
    ResultRule(code="consecutive_losses", scopes=BOOKS, bind=_losses_in_row, actions=REFUSES, stops=False,
               description="closed trades in a row that lost"),
)  # fmt: skip
