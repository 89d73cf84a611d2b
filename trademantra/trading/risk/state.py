"""What the risk gate knows of accounts, orders, positions and markets.  The desk tells it; it asks nobody.

Invariants:
- every sum of a book equals the sum over its holdings, after every event;
- an order counts from `order_taken` on as if it were filled on its worse side, until `order_ended`;
- what was filled counts also when the news comes after the order's end; an hour after it the order itself is forgotten,
  and such news moves the position alone;
- what nobody told is unknown (None, `unpriced`), never zero.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, Segment
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.trading.fills import Execution
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import PositionKey
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.books import (
    NOTHING,
    BookRecord,
    Holding,
    HoldingKey,
    route_of,
)
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.market_books import MarketBooks
from trademantra.trading.risk.taken import Fingerprint, Pair, PairKey, RiskOrder, Trade, Working

_KEPT_NS = 60 * NANOSECONDS_PER_MINUTE  # after an order's end


@dataclass(slots=True)
class RiskState(MarketBooks):
    """All that the rules may ask.  One process, all its accounts."""

    _holdings: dict[HoldingKey, Holding] = field(default_factory=dict)
    _sectors: dict[str, str] = field(default_factory=dict)
    _orders: dict[str, Working] = field(default_factory=dict)
    _ended: deque[tuple[int, str]] = field(default_factory=deque)
    _now_ns: int = 0  # when the last order was taken
    _trades: dict[str, Trade] = field(default_factory=dict)
    _pairs: dict[PairKey, Pair] = field(default_factory=dict)
    _looks: dict[Fingerprint, int] = field(default_factory=dict)

    # -- orders

    def order_taken(self, order: RiskOrder) -> None:
        """It will be sent, or may have been: call it in the same breath as `RiskGate.check`, before anything is awaited.

        Errors: `InvalidValueError` for an order that is known.
        """
        if order.order_id in self._orders:
            raise InvalidValueError(f"order {order.order_id} was taken before")
        self._now_ns = max(self._now_ns, order.taken_ns)
        self._forget_ended()
        holding = self.holding(
            order.account_id, order.strategy_id, order.instrument, order.product, order.sector
        )
        entry = order.purpose is Purpose.ENTRY and not (
            holding.held.quantity * order.side.sign < 0 and order.quantity <= holding.free_to_close()
        )
        working = Working(order, holding, order.quantity, self._pair(holding, order))
        self._orders[order.order_id] = working
        if order.looks is not None:
            self._looks[order.looks] = order.taken_ns
        trade = self._trades.get(order.intent_id)
        if trade is None and entry:
            trade = self._trades[order.intent_id] = Trade()
        if trade is not None:
            trade.live += 1
            trade.filled = trade.filled or order.intent_filled
            _count(trade, holding)
        self._work(working, order.quantity)
        for book in holding.result_books:
            book.count_message(holding.route, order.taken_ns)

    def knows_order(self, order_id: str) -> bool:
        """Whether it was taken since the start, and did not end long ago."""
        return order_id in self._orders

    def message_sent(
        self, account_id: str, strategy_id: str, exchange: Exchange, segment: Segment, now_ns: int
    ) -> None:
        """A change or a cancel left too: they count towards the orders of a second (`order_taken` counts itself)."""
        route = route_of(exchange, segment)
        self.book(Scope.STRATEGY, account_id, strategy_id).count_message(route, now_ns)
        self.book(Scope.ACCOUNT, account_id).count_message(route, now_ns)
        self.book(Scope.USER, account_id).count_message(route, now_ns)

    def order_left(self, order_id: str, left: Decimal) -> None:
        """What may still fill of a working order is another now.  What is added must have passed the gate."""
        working = self._working(order_id)
        before = working.left
        working.quantity = working.filled + left
        self._work(working, working.left - before)

    def order_ended(self, order_id: str) -> None:
        """Filled, cancelled, rejected, expired, absent or never sent.  Twice is once."""
        working = self._working(order_id)
        if working.ended:
            return
        left = working.left
        working.ended = True
        self._ended.append((self._now_ns, order_id))
        self._work(working, -left)
        trade = self._trades.get(working.order.intent_id)
        if trade is None:
            return
        trade.live -= 1
        if not trade.live and not trade.filled:
            trade.counted = False
            for book in working.holding.result_books:
                book.trades_today -= 1

    def executed(self, execution: Execution, charges: Decimal = NOTHING) -> None:
        """A fill, or a correction of one's value; also of an order that ended."""
        working = self._working(execution.order_id)
        holding, side = working.holding, working.order.side
        before = working.left
        working.filled += execution.quantity
        trade = self._trades.get(working.order.intent_id)
        if trade is not None and execution.quantity:
            trade.filled = True
            _count(trade, holding)  # it may have ended before the news of its fill came
        self._book_fill(holding, side, execution, charges)
        self._work(working, working.left - before)

    def pair_room(self, holding: Holding, side: Side, intent_id: str, exit_with: str) -> Decimal:
        """What an exit may close beside the other one of its pair, which already counts for it."""
        if not exit_with:
            return NOTHING
        pair = self._pairs.get((holding.key, side, frozenset((intent_id, exit_with))))
        return NOTHING if pair is None else pair.room(intent_id)

    def working_left(self, order_id: str) -> Decimal:
        """What of an order may still fill.  Errors: `NotFoundError`."""
        return self._working(order_id).left

    def closing_orders(self, holding: Holding) -> tuple[str, ...]:
        """Working orders on the side that makes a position smaller."""
        side = Side.SELL if holding.held.quantity > 0 else Side.BUY
        return tuple(
            name
            for name, each in self._orders.items()
            if each.holding is holding and each.order.side is side and each.left
        )

    # -- positions

    def holding(
        self, account_id: str, strategy_id: str, instrument: Instrument, product: Product, sector: str = ""
    ) -> Holding:
        """What a strategy holds of an instrument; a new one is flat.  Its sector is the first that was told."""
        key = (account_id, strategy_id, instrument.key, product)
        found = self._holdings.get(key)
        if found is None:
            found = self._holdings[key] = self._new_holding(key, instrument, sector)
        return found

    def holdings_of(self, account_id: str) -> Sequence[Holding]:
        return [holding for key, holding in self._holdings.items() if key[0] == account_id]

    def opening_told(self, holding: Holding, opening_unrealised: Decimal) -> None:
        """The open result at the day's start of a position that was restored without it."""
        self._rebase(holding, opening_unrealised)
        self._refresh(holding)

    def held(
        self, account_id: str, strategy_id: str, instrument_key: str, product: Product
    ) -> Holding | None:
        return self._holdings.get((account_id, strategy_id, instrument_key, product))

    def sector_told(self, instrument_key: str, sector: str) -> None:
        """The sector of an instrument and of contracts on it.  Counts from its next new holding on."""
        self._sectors[instrument_key] = sector

    def sector_of(self, instrument: Instrument, asked: str) -> str:
        """The first that was told is the one: a strategy cannot move an instrument from sector to sector."""
        told = self._sectors.get(instrument.key)
        if told is None and instrument.underlying is not None:
            told = self._sectors.get(f"{instrument.exchange}:{instrument.underlying}")
        return told or asked

    def restore_position(
        self, account_id: str, strategy_id: str, instrument: Instrument, product: Product, position: HeldPosition,
        *, sector: str = "", opening_unrealised: Decimal | None = None,
    ) -> None:  # fmt: skip
        """A position that was there before a restart, or that the desk did not make.

        After a restart: first positions, then working orders (`RiskOrder.restored`), then books.

        `opening_unrealised` is its open result at the day's start (0 for one opened today); None: the first price told
        is taken for the day's start.
        """
        holding = self.holding(account_id, strategy_id, instrument, product, sector)
        holding.held = position
        holding.trip_start = position.realised - position.charges
        self._rebase(holding, opening_unrealised if position.quantity else NOTHING)
        self._refresh(holding)

    def converted(
        self, account_id: str, old: PositionKey, stays: HeldPosition, new: PositionKey, joined: HeldPosition
    ) -> None:
        """Units of a position went to another product: what stays, and what is held there with them.

        Results go on: only what closed against the other side there is realised.  Errors: `NotFoundError`.
        """
        here = self.held(account_id, old.strategy_id, old.instrument_key, old.product)
        if here is None:
            raise NotFoundError(f"the risk gate does not know position {old}")
        there = self.holding(account_id, new.strategy_id, here.instrument, new.product)
        made = NOTHING
        for holding, position in ((here, stays), (there, joined)):
            before, was_flat = holding.held, not holding.held.quantity
            made += position.realised - position.charges - (before.realised - before.charges)
            holding.held = replace(position)
            if was_flat:
                holding.trip_start = position.realised - position.charges
        if here.base is None or there.base is None:  # no price yet: the first one is the day's start of both
            self._rebase(here, None if stays.quantity else NOTHING)
            self._rebase(there, None if joined.quantity else NOTHING)
        for book in here.result_books:
            book.realised += made
        self._refresh(here)
        self._refresh(there)

    def restore_book(self, scope: Scope, account_id: str, name: str, record: BookRecord) -> None:
        book = self.book(scope, account_id, name)
        book.realised, book.earlier = record.realised_today, record.earlier
        book.highest, book.highest_today = record.highest, record.highest_today
        book.trades_today, book.losses_in_row = record.trades_today, record.losses_in_row
        book.last_loss_ns = record.last_loss_ns
        book.stops = {stop.rule: stop for stop in record.stops}

    def record(self, scope: Scope, account_id: str, name: str = "") -> BookRecord:
        """What `restore_book` takes back."""
        book = self.book(scope, account_id, name)
        return BookRecord(
            realised_today=book.realised, earlier=book.earlier, highest=book.highest,
            highest_today=book.highest_today, trades_today=book.trades_today, losses_in_row=book.losses_in_row,
            last_loss_ns=book.last_loss_ns, stops=tuple(book.stops.values()),
        )  # fmt: skip

    # -- prices

    def price(self, instrument_key: str, price: Decimal, at_ns: int) -> None:
        """The last price.  One that is older than the known one is left out; the same one again says that it lives."""
        market = self.market(instrument_key)
        if market.price is not None and at_ns < market.price_ns:
            return
        if not price > 0:
            raise InvalidValueError(f"{instrument_key}: a price must be positive, got {price}")
        moved = price != market.price
        market.hear(price, at_ns)
        if moved:
            for holding in market.holdings:
                if holding.worst:
                    self._refresh(holding)

    def price_lost(self, instrument_key: str) -> None:
        """The feed went silent or was cut: the price is not known any more."""
        market = self.market(instrument_key)
        market.price = None
        for holding in market.holdings:
            self._refresh(holding)

    def last_alike(self, intent_looks: Fingerprint) -> int | None:
        """When an intent that looks the same was last taken."""
        return self._looks.get(intent_looks)

    def day_rolled(self) -> None:
        """A new trading day: results, trades and stops of the day begin anew; positions and working orders stay."""
        for book in self._books.values():
            book.earlier += book.result_today
            book.realised = book.highest_today = NOTHING
            book.trades_today = book.losses_in_row = 0
            book.stops = {rule: stop for rule, stop in book.stops.items() if not stop.for_the_day}
        for holding in self._holdings.values():
            priced = holding.market.last is not None or not holding.worst
            self._rebase(holding, holding.unrealised if priced else None)
        self._orders = {name: each for name, each in self._orders.items() if not each.ended}
        self._pairs = {names: pair for names, pair in self._pairs.items() if pair.counted}
        self._trades.clear()
        self._looks.clear()
        self.forget_day_of_markets()

    # -- inside

    def _forget_ended(self) -> None:
        """Nobody asks for an order that ended an hour ago, and a day of thousands is not to be carried along."""
        while self._ended and self._now_ns - self._ended[0][0] >= _KEPT_NS:
            _, order_id = self._ended.popleft()
            working = self._orders.pop(order_id, None)
            if working is None:  # a day has passed since
                continue
            trade = self._trades.get(working.order.intent_id)
            if trade is not None and not trade.live:
                del self._trades[working.order.intent_id]
            if working.pair is not None and not working.pair.counted:
                self._pairs.pop(_pair_key(working.holding, working.order), None)

    def _working(self, order_id: str) -> Working:
        found = self._orders.get(order_id)
        if found is None:
            raise NotFoundError(f"the risk gate does not know order {order_id!r}")
        return found

    def _new_holding(self, key: HoldingKey, instrument: Instrument, sector: str) -> Holding:
        account_id, strategy_id = key[0], key[1]
        sector = self.sector_of(instrument, sector)
        if sector:
            self._sectors[instrument.key] = sector
        results = (
            self.book(Scope.STRATEGY, account_id, strategy_id),
            self.book(Scope.ACCOUNT, account_id),
            self.book(Scope.USER, account_id),
        )
        for book in results:
            book.strategies[account_id, strategy_id] = None
        mine = self.book(Scope.INSTRUMENT, account_id, instrument.key)
        sectors = self.book(Scope.SECTOR, account_id, sector)
        books = (*results, mine, sectors)
        made = Holding(
            key, instrument, instrument.key, route_of(instrument.exchange, instrument.segment),
            self.market(instrument.key), books, mine, sectors, results,
        )  # fmt: skip
        made.market.holdings.append(made)
        return made

    def _pair(self, holding: Holding, order: RiskOrder) -> Pair | None:
        """The pair of an exit; both of its intents name the other, whichever comes first."""
        if not order.exit_with:
            return None
        return self._pairs.setdefault(_pair_key(holding, order), Pair())

    def _work(self, working: Working, quantity: Decimal) -> None:
        holding, side = working.holding, working.order.side
        if working.pair is not None:
            quantity = working.pair.moved(working.order.intent_id, quantity)
        if side is Side.BUY:
            holding.buying += quantity
        else:
            holding.selling += quantity
        self._refresh(holding)

    def _book_fill(self, holding: Holding, side: Side, execution: Execution, charges: Decimal) -> None:
        held = holding.held
        before, earned = held.quantity, held.realised - held.charges
        held.book(side, execution, holding.instrument.multiplier, charges)
        result = held.realised - held.charges
        for book in holding.result_books:
            book.realised += result - earned
        if before and before * held.quantity <= 0:  # a trade is closed
            lost = result < holding.trip_start
            for book in holding.result_books:
                book.losses_in_row = book.losses_in_row + 1 if lost else 0
                book.last_loss_ns = execution.at_ns if lost else book.last_loss_ns
            holding.trip_start = result
        elif not before:
            holding.trip_start = earned
        self._refresh(holding)

    def _rebase(self, holding: Holding, base: Decimal | None) -> None:
        old, new = holding.base or NOTHING, base or NOTHING
        holding.base = base
        for book in holding.result_books:
            book.base += new - old

    def _refresh(self, holding: Holding) -> None:
        """Bring the sums of a holding's books up to its present quantities and price."""
        price = holding.market.price
        worst, exposure = holding.at_worst(holding.buying, holding.selling, price)
        unpriced = price is None and worst > 0
        unrealised = NOTHING
        if (last := holding.market.last) is not None:
            unrealised = holding.held.unrealised(last, holding.instrument.multiplier)
            if holding.base is None:
                self._rebase(holding, unrealised)
        grown, gained = exposure - holding.exposure, unrealised - holding.unrealised
        unknown = unpriced - holding.unpriced
        opened = (worst > 0) - (holding.worst > 0)
        holding.instrument_book.quantity += worst - holding.worst
        for book in holding.books:
            book.exposure += grown
            book.unrealised += gained
            book.unpriced += unknown
            if opened > 0:
                book.open[holding] = None
            elif opened < 0:
                del book.open[holding]
        holding.worst, holding.exposure, holding.unrealised = worst, exposure, unrealised
        holding.unpriced = unpriced
        for book in holding.result_books:
            book.mark_highest()


def _pair_key(holding: Holding, order: RiskOrder) -> PairKey:
    return holding.key, order.side, frozenset((order.intent_id, order.exit_with))


def _count(trade: Trade, holding: Holding) -> None:
    if trade.counted:
        return
    trade.counted = True
    for book in holding.result_books:
        book.trades_today += 1
