"""The simulated exchange: many accounts, one market, one clock; synchronous, deterministic, without I/O.

Prices come in by `feed` or `feed_batch`, orders by `place`, `modify` and `cancel`; events go out to listeners and changes
to the journal.  Its time is the later of the clock and the newest price.  docs/paper.md says how it matches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.market import DepthLevel
from trademantra.brokers.orders import OrderChange, OrderRequest
from trademantra.brokers.paper import desk, scan
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.basket import PricedOrder
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.views import AccountHolding, BasketMargin, PositionBook, SegmentMargin
from trademantra.brokers.paper.clockwork import Clockwork
from trademantra.brokers.paper.core import Core, nothing
from trademantra.brokers.paper.desk import ChildOutcome, Placed
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.gtt import Gtt, GttOrder
from trademantra.brokers.paper.gtt_desk import delete_gtt, find_gtt, modify_gtt, place_gtt, trigger_gtts
from trademantra.brokers.paper.lifecycle import reference_of
from trademantra.brokers.paper.market import Depth, EventBatch, Market, MarketState
from trademantra.brokers.paper.matching import meet
from trademantra.brokers.paper.restoring import read_back, whole_state
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.brokers.paper.terms import (
    ExchangeEvent,
    ExchangeOrder,
    ExchangeTrade,
    PriceEvent,
    Refusal,
    RefusedRequestError,
)
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.order import Product, Side
from trademantra.core.time import Clock
from trademantra.engine.compile import on_views

__all__ = ["ChildOutcome", "Exchange", "Placed"]

_MARGINS = MarginSettings()
_SETTINGS = ExchangeSettings()
_NEVER = -1


class Exchange:
    """See the module.  Not thread-safe; a listener or sink must not call back into it.

    Requests raise `RefusedRequestError`, and then nothing happened; what the risk system or the exchange turns down is
    an order in stage REJECTED.
    """

    def __init__(
        self,
        listings: Listings,
        clock: Clock,
        settings: ExchangeSettings = _SETTINGS,
        sink: Callable[[JournalEntry], None] = nothing,
        *,
        margins: MarginSettings = _MARGINS,
    ) -> None:
        self._core = Core(listings, clock, settings, margins, sink)
        self._clockwork = Clockwork(self._core)
        self._scan = scan.scan if settings.is_compiled else on_views(scan.scan)

    # -- what it is

    @property
    def listings(self) -> Listings:
        return self._core.listings

    @property
    def clock(self) -> Clock:
        return self._core.clock

    @property
    def settings(self) -> ExchangeSettings:
        return self._core.settings

    @property
    def market(self) -> Market:
        """The state of every instrument in columns, for reading."""
        return self._core.market

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        return max(self._core.now_ns, self._core.clock.now_ns())

    @property
    def next_moment_ns(self) -> int:
        """When `advance` will next have something to do."""
        return self._clockwork.next_ns

    # -- accounts

    def open_account(self, account_id: str, cash: Decimal) -> None:
        """Errors: `RefusedRequestError` for an account that is there already."""
        self._begin()
        if account_id in self._core.accounts:
            raise RefusedRequestError(Refusal.USER, f"Account {account_id!r} is open already.")
        self._core.open_account(account_id, cash)

    def accounts(self) -> Sequence[str]:
        return tuple(self._core.accounts)

    def account(self, account_id: str) -> Account:
        """For reading: ledger, charges, settlement."""
        return self._core.account(account_id)

    # -- orders

    def place(self, account_id: str, request: OrderRequest) -> Placed:
        """A new order; with automatic slicing or as an iceberg, several."""
        self._begin()
        try:
            return desk.place(self._core, account_id, request)
        finally:
            self._end()

    def modify(self, account_id: str, order_id: str, change: OrderChange) -> str:
        """New terms.  A new price, trigger or larger quantity loses the place in time."""
        self._begin()
        try:
            return desk.modify(self._core, account_id, order_id, change)
        finally:
            self._end()

    def cancel(self, account_id: str, order_id: str) -> str:
        """Cancel; a cover order whose entry is done, or its stop, leaves the position instead."""
        self._begin()
        try:
            return desk.cancel(self._core, account_id, order_id)
        finally:
            self._end()

    def orders(self, account_id: str) -> Sequence[ExchangeOrder]:
        """Today's, in the order of placing, each as it stands."""
        self._core.account(account_id)
        return tuple(self._core.day_book.orders(account_id))

    def history(self, account_id: str, order_id: str) -> Sequence[ExchangeOrder]:
        """Every stage, oldest first."""
        desk.find(self._core, account_id, order_id)
        return tuple(self._core.day_book.stages(order_id))

    def trades(self, account_id: str, order_id: str | None = None) -> Sequence[ExchangeTrade]:
        self._core.account(account_id)
        if order_id is None:
            return tuple(self._core.day_book.trades(account_id))
        desk.find(self._core, account_id, order_id)
        return tuple(self._core.day_book.trades_of(order_id))

    # -- what accounts hold

    def positions(self, account_id: str) -> PositionBook:
        return self._core.account(account_id).positions(self._core.market.mark)

    def holdings(self, account_id: str) -> Sequence[AccountHolding]:
        return self._core.account(account_id).holdings(self._core.market.mark)

    def margins(self, account_id: str) -> Mapping[str, SegmentMargin]:
        return self._core.account(account_id).margins(self._core.market.mark)

    def margin_of(
        self, account_id: str, requests: Sequence[OrderRequest], consider_positions: bool = True
    ) -> BasketMargin:
        """What orders need, one after the other.  Errors: `RefusedRequestError`, `MissingFactError`."""
        core = self._core
        priced = []
        for request in requests:
            row = desk.listed_row(core, request)
            reference = reference_of(core, row, request)
            if reference is None:
                raise RefusedRequestError(
                    Refusal.INPUT, f"No price of {core.listings.at(row).symbol} is known yet."
                )
            priced.append(PricedOrder(core.listings.at(row), request, reference))
        return core.account(account_id).basket(priced, consider_positions=consider_positions, day=core.day)

    def convert(
        self,
        account_id: str,
        listing: Listing,
        side: Side,
        quantity: Decimal,
        old: Product,
        new: Product,
        overnight: bool,
    ) -> None:
        """Change the product of a position."""
        self._begin()
        try:
            self._core.convert(account_id, listing.token, side, quantity, old, new, overnight)
        except AccountRejectionError as error:
            raise RefusedRequestError(error.kind, error.message) from error
        finally:
            self._end()

    # -- GTT

    def place_gtt(
        self,
        account_id: str,
        listing: Listing,
        triggers: Sequence[Decimal],
        orders: Sequence[GttOrder],
        last_price: Decimal,
    ) -> int:
        self._begin()
        gtt_id = place_gtt(self._core, account_id, listing, triggers, orders, last_price)
        self._clockwork.watch_gtt(gtt_id)
        self._end()
        return gtt_id

    def modify_gtt(
        self,
        account_id: str,
        gtt_id: int,
        triggers: Sequence[Decimal],
        orders: Sequence[GttOrder],
        last_price: Decimal,
    ) -> int:
        self._begin()
        modify_gtt(self._core, account_id, gtt_id, triggers, orders, last_price)
        self._clockwork.watch_gtt(gtt_id)
        self._end()
        return gtt_id

    def delete_gtt(self, account_id: str, gtt_id: int) -> int:
        self._begin()
        delete_gtt(self._core, account_id, gtt_id)
        self._end()
        return gtt_id

    def gtt(self, account_id: str, gtt_id: int) -> Gtt:
        return find_gtt(self._core, account_id, gtt_id)

    def gtts(self, account_id: str) -> Sequence[Gtt]:
        """All that are not deleted, oldest first."""
        self._core.account(account_id)
        return tuple(gtt for gtt in self._core.gtts.values() if gtt.account_id == account_id)

    # -- the market

    def feed(self, events: Sequence[PriceEvent]) -> None:
        """Errors: `UnknownInstrumentError`, `InvalidValueError`; then nothing happened."""
        self.feed_batch(EventBatch.of(self.listings, events))

    def feed_batch(self, batch: EventBatch) -> None:
        """Move the market.  Errors: `InvalidValueError`, then nothing happened."""
        core = self._core
        batch.check(len(core.listings))
        self._begin()
        market, count = core.market, len(batch)
        start, forced = 0, _NEVER
        while True:
            at = self._scan(
                batch.token_row, batch.at_ns, batch.open, batch.high, batch.low, batch.close, batch.volume,
                batch.open_interest, market.columns, market.last_ns, start, count, self._clockwork.next_ns, forced,
            )  # fmt: skip
            if at == count:
                break
            self._stop_at(batch, at)
            start = forced = at
        if count:
            core.now_ns = max(core.now_ns, int(batch.at_ns.max()))
            core.note_prices(np.unique(batch.token_row))
        self._end()

    def _stop_at(self, batch: EventBatch, at: int) -> None:
        """Deal with an event that the scan did not take: the time before it, and who it concerns."""
        core = self._core
        at_ns, row = int(batch.at_ns[at]), int(batch.token_row[at])
        self._clockwork.run(at_ns)
        self._settle_down()
        if core.market.columns[row, scan.ARMED]:
            prices = tuple(
                float(column[at]) for column in (batch.open, batch.high, batch.low, batch.close, batch.volume)
            )
            meet(core, row, at_ns, prices)  # type: ignore[arg-type]  # five of them
            trigger_gtts(core, row, prices[2], prices[1])
        self._settle_down()

    def set_circuit_limits(self, token: int, lower: Decimal | None, upper: Decimal | None) -> None:
        """The lowest and highest price of the day; None: not known, not checked."""
        self._begin()
        self._core.set_circuit(self._core.listings.row_of(token), lower, upper)
        self._end()

    def set_depth(self, token: int, bids: Iterable[DepthLevel], asks: Iterable[DepthLevel]) -> None:
        """The visible orders that the source shows, best first.  They hold until the next ones."""
        self._begin()
        depth = Depth(tuple(bids), tuple(asks), self._core.now_ns)
        self._core.set_depth(self._core.listings.row_of(token), depth)
        self._end()

    def quote(self, token: int) -> MarketState | None:
        """None for an unknown token and before the first price."""
        try:
            row = self._core.listings.row_of(token)
        except UnknownInstrumentError:
            return None
        return self._core.market.state(row, self._core.settings.seed)

    def advance(self) -> None:
        """The clock moved: let happen what is due by now."""
        self._begin()
        self._end()

    # -- out

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> None:
        """Called at once, in order, with every new stage of an order and every trade."""
        self._core.listeners.append(listener)

    def snapshot(self) -> bytes:
        """The whole state, for `restore`."""
        return whole_state(self._core)

    @classmethod
    def restore(
        cls,
        snapshot: bytes | None,
        entries: Iterable[JournalEntry],
        listings: Listings,
        clock: Clock,
        settings: ExchangeSettings = _SETTINGS,
        sink: Callable[[JournalEntry], None] = nothing,
        *,
        margins: MarginSettings = _MARGINS,
    ) -> "Exchange":
        """The exchange that wrote `snapshot` and then `entries`, as it was.  Settings are not in them.

        Errors: `BadInputError` for what no exchange with these listings can have written.
        """
        made = cls(listings, clock, settings, nothing, margins=margins)
        read_back(made._core, snapshot, entries)
        made._core.sink = sink
        made._core.unwatched.clear()
        made._core.touched_rows.update(made._core.books)
        made._core.touched_rows.update(
            made._core.listings.row_of(gtt.listing.token) for gtt in made._core.gtts.values()
        )
        made._core.arm()
        made._clockwork.watch_all()
        return made

    # -- inside

    def _begin(self) -> None:
        """Before a request: time has passed until now."""
        self._clockwork.run(max(self._core.clock.now_ns(), self._core.now_ns))
        self._settle_down()

    def _end(self) -> None:
        self._settle_down()

    def _settle_down(self) -> None:
        """Follow up what happened: next iceberg legs, moments to watch, levels at which rows are armed."""
        core = self._core
        desk.place_next_legs(core)
        for order_id, working in core.unwatched.items():
            if order_id in core.working:
                self._clockwork.watch(working)
        core.unwatched.clear()
        core.arm()
