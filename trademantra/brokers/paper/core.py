"""The state of an exchange, and the one door through which it changes: every change is told and journaled here."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

import numpy as np

from trademantra.brokers.listings import Listings
from trademantra.brokers.market import DepthLevel
from trademantra.brokers.paper import scan
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.book import Working, levels_of
from trademantra.brokers.paper.day_book import DayBook
from trademantra.brokers.paper.entries import (
    EntryKind,
    JournalEntry,
    Json,
    order_json,
    trade_json,
    working_json,
    written,
)
from trademantra.brokers.paper.gtt import Gtt, GttStatus, gtt_json
from trademantra.brokers.paper.hours import TradingHours
from trademantra.brokers.paper.market import Depth, Market
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.brokers.paper.terms import (
    ExchangeEvent,
    ExchangeOrder,
    ExchangeTrade,
    OrderChanged,
    Refusal,
    RefusedRequestError,
    Traded,
)
from trademantra.core.errors import MissingFactError
from trademantra.core.order import Product, Side
from trademantra.core.time import Clock, ist_date


def nothing(entry: JournalEntry) -> None:
    """A journal that keeps nothing."""


class Core:
    """What every part of the exchange works on.

    Invariants: `working` holds exactly the orders that are not final; `books` the same by row, in time priority;
    a row of the market is armed where its book or a GTT can be concerned.
    """

    def __init__(
        self,
        listings: Listings,
        clock: Clock,
        settings: ExchangeSettings,
        margins: MarginSettings,
        sink: Callable[[JournalEntry], None],
    ) -> None:
        self.listings = listings
        self.clock = clock
        self.settings = settings
        self.margins = margins
        self.sink = sink
        self.market = Market(listings)
        self.hours = TradingHours(settings.hours, settings.overrides, settings.square_off)
        self.now_ns = clock.now_ns()
        self.day: date = ist_date(self.now_ns)
        self.accounts: dict[str, Account] = {}
        self.day_book = DayBook(listings)
        self.working: dict[str, Working] = {}
        self.books: dict[int, list[Working]] = {}
        self.gtts: dict[int, Gtt] = {}
        self.order_number = 0
        self.trade_number = 0
        self.gtt_number = 0
        self.sequence = 0
        self.listeners: list[Callable[[ExchangeEvent], None]] = []
        self.touched_rows: set[int] = set()
        self.unwatched: dict[str, Working] = {}
        self.completed_legs: list[ExchangeOrder] = []

    # -- reading

    def account(self, account_id: str) -> Account:
        """Errors: `RefusedRequestError`."""
        found = self.accounts.get(account_id)
        if found is None:
            raise RefusedRequestError(Refusal.USER, f"There is no account {account_id!r}.")
        return found

    def last(self, order_id: str) -> ExchangeOrder:
        return self.day_book.stages(order_id)[-1]

    def position(self, working: Working) -> Decimal:
        """Signed quantity that the account holds of the order's instrument and product."""
        order = working.order
        return self.accounts[order.account_id].open_quantity(order.listing.token, order.request.product)

    def next_order_id(self) -> str:
        """`YYMMDD` of the day and a number, as Kite numbers its orders."""
        self.order_number += 1
        return f"{self.day:%y%m%d}{self.order_number:09d}"

    def next_sequence(self) -> int:
        """The next place in time."""
        self.sequence += 1
        return self.sequence

    def delay(self) -> int:
        """How long the next request is under way.  Its number is journaled: delays go on alike after a restart."""
        latency = self.settings.latency
        if not latency.median_ns:
            return 0
        number = self.next_sequence()
        self.note_numbers()
        return latency.of(self.settings.seed, number)

    def next_exchange_order_id(self, order_id: str) -> str:
        return f"1{order_id}"

    # -- changing

    def note(self, kind: EntryKind, data: dict[str, Json]) -> None:
        if self.sink is not nothing:
            self.sink(JournalEntry(kind, self.now_ns, data))

    def tell(self, event: ExchangeEvent) -> None:
        for listener in self.listeners:
            listener(event)

    def open_account(self, account_id: str, cash: Decimal) -> None:
        self.accounts[account_id] = Account(account_id, cash, self.margins)
        self.day_book.open_account(account_id)
        self.note(EntryKind.ACCOUNT, {"account": account_id, "cash": str(cash)})

    def record(self, order: ExchangeOrder, working: Working | None) -> None:
        """A new stage of an order.  `working` is what matching keeps of it, None once it is final."""
        self.keep(order, working)
        self.day_book.pack(self.now_ns)
        if working is not None:
            self.unwatched[order.order_id] = working
        if self.sink is not nothing:
            data: dict[str, Json] = {"order": order_json(order)}
            if working is not None:
                data["work"] = working_json(working)
            self.note(EntryKind.ORDER, data)
        self.tell(OrderChanged(order))

    def keep(self, order: ExchangeOrder, working: Working | None) -> None:
        """Put the stage into the state, without a word."""
        self.day_book.keep(order)
        before = self.working.get(order.order_id)
        if working is not None:
            working.order = order
        if before is working:
            return
        if before is not None:
            before.order = order
            del self.working[order.order_id]
            self.books[before.row].remove(before)
            self.touched_rows.add(before.row)
        if working is not None:
            self.working[order.order_id] = working
            self.insert(working)

    def insert(self, working: Working) -> None:
        """Into its book, by time."""
        book = self.books.setdefault(working.row, [])
        book.append(working)
        book.sort(key=_in_time)
        self.touched_rows.add(working.row)

    def note_working(self, working: Working) -> None:
        """Journal what matching keeps of an order, when that alone changed."""
        if self.sink is not nothing:
            self.note(EntryKind.WORK, {"id": working.order.order_id, "work": working_json(working)})
        self.touched_rows.add(working.row)

    def block(self, working: Working, reference: Decimal) -> None:
        """Check and block margin.  Errors: `AccountRejectionError`, nothing changed."""
        order = working.order
        self.accounts[order.account_id].check_and_block(order, reference)
        working.blocked = True
        self.note(EntryKind.BLOCK, {"id": order.order_id, "price": str(reference), "again": False})

    def block_again(self, order: ExchangeOrder, reference: Decimal) -> None:
        """Bring what is blocked up to changed terms.  Errors: `AccountRejectionError`, nothing changed."""
        self.accounts[order.account_id].reblock(order, reference)
        if self.sink is not nothing:
            self.note(
                EntryKind.BLOCK,
                {"id": order.order_id, "price": str(reference), "again": True, "order": order_json(order)},
            )

    def release(self, working: Working) -> None:
        if working.blocked:
            order = working.order
            self.accounts[order.account_id].release(order.order_id)
            working.blocked = False
            self.note(EntryKind.RELEASE, {"id": order.order_id, "account": order.account_id})

    def book_trade(self, trade: ExchangeTrade) -> None:
        self.keep_trade(trade)
        if self.sink is not nothing:
            self.note(EntryKind.TRADE, trade_json(trade))
        self.tell(Traded(trade))

    def keep_trade(self, trade: ExchangeTrade) -> None:
        self.day_book.keep_trade(trade)
        order = self.last(trade.order_id)
        by_broker = order.placed_by_system and order.parent_order_id is None
        self.accounts[trade.account_id].book(trade, auto_square_off=by_broker)
        self.trade_number = max(self.trade_number, int(trade.trade_id))

    def convert(
        self,
        account_id: str,
        token: int,
        side: Side,
        quantity: Decimal,
        old: Product,
        new: Product,
        overnight: bool,
    ) -> None:
        """Errors: `AccountRejectionError`, nothing changed."""
        listing = self.listings.by_token(token)
        self.account(account_id).convert(listing, side, quantity, old, new, overnight=overnight)
        self.note(
            EntryKind.CONVERT,
            {"account": account_id, "token": token, "side": side, "quantity": str(quantity), "old": old, "new": new,
             "overnight": overnight},
        )  # fmt: skip

    def put_gtt(self, gtt: Gtt) -> None:
        self.gtts[gtt.gtt_id] = gtt
        self.gtt_number = max(self.gtt_number, gtt.gtt_id)
        self.touched_rows.add(self.listings.row_of(gtt.listing.token))
        self.note(EntryKind.GTT, gtt_json(gtt))

    def settle(self, day: date, following: date) -> None:
        """End a day in every account, or in none.  Errors: `MissingFactError` for a day without charges."""
        finals = self._final_prices(day)
        before = {account_id: account.to_json() for account_id, account in self.accounts.items()}
        try:
            for account in self.accounts.values():
                account.settle(day, self.market.mark, following, finals)
        except MissingFactError:
            for account_id, state in before.items():
                self.accounts[account_id] = Account.from_json(state, self.margins)
            raise

    def _final_prices(self, day: date) -> dict[str, Decimal]:
        """Last prices of what underlies contracts that are held and expire on `day`; those that are known."""
        found: dict[str, Decimal] = {}
        for account in self.accounts.values():
            for position in account.positions(self.market.mark).net:
                contract = position.listing.instrument
                if contract.expiry == day and contract.underlying is not None:
                    row = self.listings.row_of_key(f"{contract.exchange}:{contract.underlying}")
                    price = None if row is None else self.market.last_price(row)
                    if price is not None:
                        found[contract.underlying] = price
        return found

    def turn_day(self, today: date) -> None:
        """Begin the books of a new day, after the accounts have settled."""
        self.begin_day(today)
        self.note(EntryKind.DAY, {"day": today.isoformat()})
        if self.sink is nothing:
            return
        for account_id, account in self.accounts.items():
            self.note(EntryKind.STATE, {"account": account_id, "state": account.to_json()})

    def begin_day(self, today: date) -> None:
        self.day = today
        self.market.new_day()
        self.day_book.begin_day(set(self.working))
        self.trade_number = 0

    def note_numbers(self) -> None:
        if self.sink is not nothing:
            self.note(EntryKind.NUMBERS, {"order": self.order_number, "sequence": self.sequence})

    def note_prices(self, rows: Iterable[int]) -> None:
        if self.sink is not nothing and self.settings.journal_prices:
            self.note(EntryKind.PRICES, self.prices_json(rows))

    def prices_json(self, rows: Iterable[int]) -> dict[str, Json]:
        numbers = sorted(int(row) for row in rows)
        tokens: list[Json] = [int(self.listings.tokens[row]) for row in numbers]
        states: list[Json] = [self.market.columns[row, : scan.ARMED].tolist() for row in numbers]
        times: list[Json] = [int(self.market.last_ns[row]) for row in numbers]
        return {"tokens": tokens, "states": states, "times": times}

    def set_circuit(self, row: int, lower: Decimal | None, upper: Decimal | None) -> None:
        columns = self.market.columns
        columns[row, scan.LOWER] = 0.0 if lower is None else float(lower)
        columns[row, scan.UPPER] = 0.0 if upper is None else float(upper)
        self.note(EntryKind.CIRCUIT, self.circuit_json(row))

    def circuit_json(self, row: int) -> dict[str, Json]:
        lower, upper = self.market.price(row, scan.LOWER), self.market.price(row, scan.UPPER)
        return {"token": int(self.listings.tokens[row]), "lower": written(lower), "upper": written(upper)}

    def set_depth(self, row: int, depth: Depth) -> None:
        self.market.depths[row] = depth
        if self.sink is not nothing:
            self.note(EntryKind.DEPTH, self.depth_json(row))

    def depth_json(self, row: int) -> dict[str, Json]:
        depth = self.market.depths[row]

        def sides(levels: Iterable[DepthLevel]) -> list[Json]:
            return [
                {"price": str(one.price), "quantity": one.quantity, "orders": one.orders} for one in levels
            ]

        return {
            "token": int(self.listings.tokens[row]),
            "at": depth.at_ns,
            "bids": sides(depth.bids),
            "asks": sides(depth.asks),
        }

    def arm(self) -> None:
        """Bring the levels of every row whose book changed up to date."""
        columns = self.market.columns
        for row in self.touched_rows:
            levels = levels_of(self.books.get(row, []), self.settings.liquidity)
            for gtt in self.gtts.values():
                if gtt.status is GttStatus.ACTIVE and self.listings.row_of(gtt.listing.token) == row:
                    levels = gtt.watched(levels)
            armed = levels.below > -np.inf or levels.above < np.inf
            columns[row, scan.ARMED] = float(armed)
            columns[row, scan.BELOW] = levels.below
            columns[row, scan.ABOVE] = levels.above
        self.touched_rows.clear()


def _in_time(working: Working) -> int:
    return working.sequence
