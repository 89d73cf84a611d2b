"""Rules of what would be held if the order and all that works filled."""

from decimal import Decimal

from trademantra.core.order import Side
from trademantra.trading.risk.books import Book
from trademantra.trading.risk.limits import BookLimits, InstrumentLimits, Scope, SectorLimits
from trademantra.trading.risk.rules.rule import (
    BOOKS,
    REDUCES,
    REFUSES,
    Asked,
    Breach,
    EntryRule,
    InstrumentRule,
    OrderCheck,
    SectorRule,
    amount,
    unpriced_breach,
)

DEFAULT_CORRELATION = Decimal("0.8")
DEFAULT_RANGE_MINUTES = 5


def _exposure_check(book: Book, name: str, limit: Decimal) -> OrderCheck:
    def check(asked: Asked) -> Breach | None:
        return _beyond(asked, book, name, limit)

    return check


def _beyond(asked: Asked, book: Book, name: str, limit: Decimal) -> Breach | None:
    if asked.market.price is None:
        return Breach(
            f"no price of {asked.intent.instrument.key} is known, which {name} needs; wait for the feed",
            unknown=True,
        )
    if book.unpriced:
        return unpriced_breach(book)
    others = book.exposure - asked.holding.exposure
    after = others + asked.exposure_after
    if after <= limit:
        return None
    return Breach(
        f"{book} would be exposed to {amount(after)} with its working orders, {name} allows {amount(limit)}; "
        "close or cancel something, or make it smaller",
        fits=asked.fitting_exposure(limit - others),
    )


def _exposure(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_exposure
    return None if limit is None else _exposure_check(book, "max_exposure", limit)


def _leverage(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_leverage
    if limit is None:
        return None
    name = f"max_leverage {amount(limit)}"

    def check(asked: Asked) -> Breach | None:
        if book.capital is None:
            return Breach(f"the capital of {book} is not known, which max_leverage needs", unknown=True)
        return _beyond(asked, book, name, limit * book.capital)

    return check


def _open_positions(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_open_positions
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        if asked.holding.worst or len(book.open) < limit:
            return None
        return Breach(
            f"{book} has {len(book.open)} open positions, entries that work included; max_open_positions is {limit}; close one first"
        )

    return check


def _correlated(limits: BookLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_correlated_positions
    if limit is None:
        return None
    threshold = float(limits.correlation_from or DEFAULT_CORRELATION)

    def check(asked: Asked) -> Breach | None:
        mine, between = asked.holding.instrument_key, asked.state.correlations.between
        long = asked.intent.side is Side.BUY
        alike = 0
        for holding in book.open:
            theirs = holding.instrument_key
            if theirs == mine:
                continue
            correlation = between(mine, theirs)
            if correlation is None:
                return Breach(
                    f"how {mine} and {theirs} move together is not known, which max_correlated_positions needs",
                    unknown=True,
                )
            may_be_long = holding.held.quantity + holding.buying > 0
            may_be_short = holding.selling - holding.held.quantity > 0
            same, opposite = (may_be_long, may_be_short) if long else (may_be_short, may_be_long)
            if (same and correlation >= threshold) or (opposite and correlation <= -threshold):
                alike += 1
        if alike <= limit:
            return None
        return Breach(
            f"{book} holds {alike} positions that move with {mine} (correlation from {threshold:g}); "
            f"max_correlated_positions is {limit}; close one first"
        )

    return check


def _position_quantity(limits: InstrumentLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_position_quantity
    if limit is None:
        return None

    def check(asked: Asked) -> Breach | None:
        others = book.quantity - asked.holding.worst
        after = others + asked.worst_after
        if after <= limit:
            return None
        return Breach(
            f"{amount(after)} of {book.name} would be held with working orders, max_position_quantity is {amount(limit)}; "
            "make it smaller",
            fits=asked.fitting_quantity(limit - others),
        )

    return check


def _position_value(limits: InstrumentLimits, book: Book) -> OrderCheck | None:
    limit = limits.max_position_value
    return None if limit is None else _exposure_check(book, "max_position_value", limit)


def _range(limits: InstrumentLimits, _: Book) -> OrderCheck | None:
    limit = limits.max_range_percent
    if limit is None:
        return None
    minutes = limits.range_window_minutes or DEFAULT_RANGE_MINUTES
    bound = float(limit) + 1e-9  # prices are binary there

    def check(asked: Asked) -> Breach | None:
        if asked.market.price is None:
            return Breach(
                f"no price of {asked.intent.instrument.key} is known, which max_range_percent needs",
                unknown=True,
            )
        seen = asked.market.range_percent(minutes, asked.now_ns)
        if seen <= bound:
            return None
        return Breach(
            f"{asked.intent.instrument.key} moved within {seen:.2f} percent in {minutes} minutes, max_range_percent is "
            f"{amount(limit)}; entries wait until it is calm"
        )

    return check


def _sector_exposure(limits: SectorLimits, sector: Book, _: Book) -> OrderCheck | None:
    limit = limits.max_sector_exposure
    return None if limit is None else _exposure_check(sector, "max_sector_exposure", limit)


def _sector_percent(limits: SectorLimits, sector: Book, account: Book) -> OrderCheck | None:
    limit = limits.max_sector_percent
    if limit is None:
        return None
    name = f"max_sector_percent {amount(limit)}"

    def check(asked: Asked) -> Breach | None:
        if account.capital is None:
            return Breach(
                f"the capital of {account} is not known, which max_sector_percent needs", unknown=True
            )
        return _beyond(asked, sector, name, account.capital * limit / 100)

    return check


ENTRY_RULES = (
    EntryRule(code="open_positions", scopes=BOOKS, bind=_open_positions, actions=REFUSES,
              description="positions open at once, working entries included"),
    EntryRule(code="exposure", scopes=BOOKS, bind=_exposure, actions=REDUCES,
              description="value held and working, without netting"),
    EntryRule(code="leverage", scopes=BOOKS, bind=_leverage, actions=REDUCES, description="exposure by capital"),
    EntryRule(code="correlation", scopes=BOOKS, bind=_correlated, actions=REFUSES,
              description="held positions that move together with the new one"),
)  # fmt: skip

_INSTRUMENT, _SECTOR = frozenset({Scope.INSTRUMENT}), frozenset({Scope.SECTOR})
INSTRUMENT_RULES = (
    InstrumentRule(code="position_quantity", scopes=_INSTRUMENT, bind=_position_quantity, actions=REDUCES,
                   description="units of one instrument"),
    InstrumentRule(code="position_value", scopes=_INSTRUMENT, bind=_position_value, actions=REDUCES,
                   description="value of one instrument"),
    InstrumentRule(code="price_range", scopes=_INSTRUMENT, bind=_range, actions=REFUSES,
                   description="the price has not been wild in the last minutes (volatility pause)"),
)  # fmt: skip
SECTOR_RULES = (
    SectorRule(code="sector_exposure", scopes=_SECTOR, bind=_sector_exposure, actions=REDUCES,
               description="value of one sector"),
    SectorRule(code="sector_percent", scopes=_SECTOR, bind=_sector_percent, actions=REDUCES,
               description="value of one sector in percent of the capital"),
)  # fmt: skip
