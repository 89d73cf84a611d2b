"""One account: checks and blocks money for orders, books trades, shows positions, holdings and funds.

Pure and deterministic: no clock, no prices of its own, Decimal throughout.  Positions, working orders, holdings and the
ledger are the state; every margin and block is worked out from them.

Invariants:
- wealth (ledger + today's money moved + open positions and holdings at their marks - loans) changes by price moves
  and by what the ledger says is charged: neither an order, nor a conversion, nor a trade at the mark changes it;
- after an order that needs money was accepted, free funds are not negative;
- an order that only reduces a position needs nothing and is accepted whatever the funds;
- a trade is booked once, however often it is told;
- an account read back from its JSON is equal to it and goes on equally.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from trademantra.brokers.listings import Listing
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.account import (
    basket,
    charges,
    checks,
    conversion,
    json_form,
    segments,
    settlement,
)
from trademantra.brokers.paper.account.basket import PricedOrder, working_order
from trademantra.brokers.paper.account.blocking import group_of
from trademantra.brokers.paper.account.checks import DEMAT
from trademantra.brokers.paper.account.funds import Funds
from trademantra.brokers.paper.account.holdings import holding_view, security_of
from trademantra.brokers.paper.account.json_form import Json
from trademantra.brokers.paper.account.ledger import Ledger
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.account.state import AccountState, Execution, to_give
from trademantra.brokers.paper.account.views import (
    ZERO,
    AccountHolding,
    BasketMargin,
    ContractNoteRow,
    LedgerEntry,
    Marks,
    NoteOrder,
    OpenPosition,
    OrderMargin,
    PositionBook,
    SegmentMargin,
    Settlement,
)
from trademantra.brokers.paper.terms import ExchangeOrder, ExchangeTrade
from trademantra.core.order import Product, Side

_NO_PRICES: Mapping[str, Decimal] = MappingProxyType({})


class Account:
    """See the module.  Made by the exchange; nothing else changes it."""

    def __init__(
        self, account_id: str, cash: Decimal, settings: MarginSettings, *, state: AccountState | None = None
    ) -> None:
        """`state`: what was stored of an account (`from_json`), in place of a new one."""
        self._state = state or AccountState(account_id, settings, Ledger(cash))

    @property
    def account_id(self) -> str:
        return self._state.account_id

    @property
    def settings(self) -> MarginSettings:
        return self._state.settings

    # orders

    def check_and_block(
        self, order: ExchangeOrder, reference_price: Decimal, *, one_cancels_other: str = ""
    ) -> None:
        """Accept the order and hold what it needs.

        `reference_price`: the last price, for orders without a price of their own.  `one_cancels_other` names a set of
        orders of which at most one will fill (a stop and its target): together they count as the largest of them.
        Errors: `AccountRejectionError`; then nothing is held.
        """
        self._accept(order, reference_price, one_cancels_other)

    def reblock(self, order: ExchangeOrder, reference_price: Decimal) -> None:
        """Hold what the order needs on its present terms; one that is final or filled is released.

        Errors: `AccountRejectionError` when new terms need more than there is; then the old ones still hold.
        """
        if order.status.is_final or _pending(order) <= 0:
            self.release(order.order_id)
            return
        before = self._state.working.get(order.order_id)
        self._accept(order, reference_price, before.one_cancels_other if before else "")

    def release(self, order_id: str) -> None:
        """Let go of what an order holds; nothing happens when it holds nothing."""
        self._state.release(order_id)

    def blocked(self, order_id: str) -> Decimal:
        """What a working order holds now; 0 for any other."""
        return self._state.block_of(order_id).total

    def required(
        self,
        listing: Listing,
        request: OrderRequest,
        reference_price: Decimal,
        *,
        day: date | None = None,
        consider_positions: bool = True,
    ) -> OrderMargin:
        """What an order would need; its charges too when the `day` is given.

        `consider_positions`: beside all that is open and working, as it would be checked; else by itself.
        Errors: `MissingFactError` for a day without charges.
        """
        order = PricedOrder(listing, request, reference_price)
        return basket.order_margin(self._state, order, day, considered=consider_positions)

    def basket(
        self, orders: Sequence[PricedOrder], *, consider_positions: bool, day: date | None = None
    ) -> BasketMargin:
        """What orders need one after the other, and what remains blocked once all are filled.

        Errors: `MissingFactError` for a day without charges.
        """
        return basket.basket_margin(self._state, orders, day, consider_positions=consider_positions)

    def charges(self, orders: Sequence[NoteOrder], day: date) -> tuple[ContractNoteRow, ...]:
        """The virtual contract note, order by order.  Errors: `MissingFactError` for a day without charges."""
        return charges.note_rows(orders, self.settings.tariff, day)

    # trades

    def book(self, trade: ExchangeTrade, *, auto_square_off: bool = False) -> None:
        """Take in an execution.  The same `trade_id` a second time within the day changes nothing.

        `auto_square_off`: the broker closed an intraday position and charges for it.
        """
        state = self._state
        if trade.trade_id in state.executions:
            return
        execution = Execution(
            trade_id=trade.trade_id,
            order_id=trade.order_id,
            listing=trade.listing,
            side=trade.side,
            product=trade.product,
            quantity=trade.quantity,
            price=trade.price,
            auto_square_off=auto_square_off,
        )
        state.executions[trade.trade_id] = (execution,)
        state.position(trade.listing, trade.product).trade(trade.side, trade.quantity, trade.price)
        state.fill(trade.order_id, trade.quantity)
        state.refresh(group_of(trade.listing, trade.product))

    def convert(
        self, listing: Listing, side: Side, quantity: Decimal, old: Product, new: Product, *, overnight: bool
    ) -> None:
        """Turn a part of a position into another product.

        `side` of the position: BUY for a long one; `overnight`: what was carried over, instead of today's part.
        Errors: `AccountRejectionError`, and nothing is changed; `InvalidValueError` for a quantity that is not positive.
        """
        wanted = conversion.Conversion(
            listing=listing, side=side, quantity=quantity, old=old, new=new, overnight=overnight
        )
        conversion.convert(self._state, wanted)

    def settle(
        self, day: date, marks: Marks, next_day: date, final_prices: Mapping[str, Decimal] = _NO_PRICES
    ) -> Settlement:
        """End the day: post obligations and charges, deliver shares, mark and expire contracts, begin `next_day`.

        `marks`: settlement prices; `final_prices`: the underlyings' final prices by name, for contracts that expire
        on `day`.  Working orders stay as they are.
        Errors: `MissingFactError` where the charges of the day are not known; then nothing is changed.
        """
        self._state, settled = settlement.settle(self._state, day, marks, next_day, final_prices)
        return settled

    # views

    def open_quantity(self, token: int, product: Product) -> Decimal:
        """Signed net quantity of the position; holdings that were sold today are negative."""
        position = self._state.positions.get((token, product))
        return position.quantity if position else ZERO

    def sellable(self, listing: Listing, product: Product) -> Decimal:
        """Shares that a new CNC or MTF sale may give: held and bought today, less what working sales will take."""
        key = (security_of(listing.instrument), product)
        return self._state.held(key) - to_give(self._state.sales(key), self._state.settings)

    def intraday_positions(self) -> Sequence[OpenPosition]:
        """MIS positions that are open, to be squared off, in the order in which they were first traded."""
        return tuple(
            OpenPosition(p.listing, p.product, p.quantity)
            for p in self._state.positions.values()
            if p.product is Product.MIS and p.quantity
        )

    def positions(self, marks: Marks) -> PositionBook:
        known = [(p, marks(p.listing.token)) for p in self._state.positions.values()]
        return PositionBook(
            net=tuple(p.view(mark) for p, mark in known),
            day=tuple(p.day_view(mark) for p, mark in known if p.traded_today),
        )

    def holdings(self, marks: Marks) -> tuple[AccountHolding, ...]:
        """Shares held when the day began; today's purchases are positions until they are settled."""
        state = self._state
        rows: list[AccountHolding] = []
        for security in dict.fromkeys(security for security, _ in state.holdings):
            own, funded = (state.holdings.get((security, product)) for product in DEMAT)
            first = own or funded
            if first is None:
                continue
            sold = {product: max(-state.traded((security, product)), ZERO) for product in DEMAT}
            rows.append(holding_view(own, funded, sold, marks(first.listing.token)))
        return tuple(rows)

    def margins(self, marks: Marks) -> Mapping[str, SegmentMargin]:
        """Funds of "equity" and "commodity"."""
        return segments.segment_margins(self._state, marks)

    def ledger(self) -> Sequence[LedgerEntry]:
        return tuple(self._state.ledger.entries)

    @property
    def cash(self) -> Decimal:
        """The ledger's balance: all that is settled."""
        return self._state.ledger.balance

    @property
    def available(self) -> Decimal:
        """Free funds: what a new order may use.  Option purchases also have `funds().of(segment).premium_credit`."""
        return self.funds().free

    def funds(self) -> Funds:
        return self._state.funds()

    def wealth(self, marks: Marks) -> Decimal | None:
        """Ledger, today's money moved, positions and holdings at their marks, less loans; None: a mark is unknown."""
        return self._state.wealth(marks)

    # storage

    def to_json(self) -> Mapping[str, Json]:
        """All of the account, exactly, without its settings."""
        return json_form.state_json(self._state)

    @classmethod
    def from_json(cls, data: Mapping[str, Json], settings: MarginSettings) -> "Account":
        """Inverse of `to_json`.  Errors: `BadInputError` for what `to_json` did not write."""
        state = json_form.state_of(data, settings)
        return cls(state.account_id, state.ledger.opening, settings, state=state)

    def _accept(self, order: ExchangeOrder, reference_price: Decimal, one_cancels_other: str) -> None:
        checks.accept(
            self._state,
            working_order(
                order.order_id,
                order.listing,
                order.request,
                _pending(order),
                reference_price,
                parent=order.parent_order_id,
                one_cancels_other=one_cancels_other,
            ),
        )


def _pending(order: ExchangeOrder) -> Decimal:
    return order.request.quantity - order.filled_quantity - order.cancelled_quantity
