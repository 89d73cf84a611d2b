"""A strategy's decisions, carried out through the exchange as an algo trader would: decide at a close, place orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from math import isnan, nan

from tests.brokers.paper.market import ACCOUNT, TOKEN, share
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.prices import decimal_price
from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.brokers.paper.terms import ExchangeEvent, PriceEvent, Stage, Traded
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_MINUTE, ManualClock, ist_date, ist_ns
from trademantra.engine.bars import Bars
from trademantra.engine.rules import SizeKind, TradingRules

ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = 1, 2, 4, 8
_FINAL = (Stage.COMPLETE, Stage.CANCELLED, Stage.REJECTED)

Fill = tuple[int, float, float]  # bar, signed quantity, price


@dataclass(frozen=True)
class Said:
    """What is decided at a close; levels NaN where there are none."""

    code: int = 0
    limit: float = nan
    trigger: float = nan
    stop: float = nan
    target: float = nan


class Driver:
    """One instrument, one account, one strategy with one entry at a time.  Its bars are events of the path `bar`."""

    def __init__(
        self, rules: TradingRules, settings: ExchangeSettings, first: date, tick: str = "0.05"
    ) -> None:
        assert rules.size.kind is SizeKind.QUANTITY
        self.rules = rules
        self.tick = Decimal(tick)
        self.instrument = share(tick_size=self.tick)
        self.clock = ManualClock(ist_ns(first, time()))
        listings = Listings.of([Listing("NSE", "INFY", TOKEN, self.instrument)])
        self.exchange = Exchange(listings, self.clock, settings)
        self.exchange.open_account(ACCOUNT, Decimal(10) ** 12)
        self.exchange.subscribe(self._hear)
        self.fills: list[Fill] = []
        self.bar = 0
        self.position = Decimal(0)
        self.entry: str | None = None
        self.exit: str | None = None

    def run(self, bars: Bars, said: Sequence[Said]) -> list[Fill]:
        for i, one in enumerate(said):
            self.bar = i
            self.clock.advance_to(int(bars.ts[i]))
            self.exchange.feed(
                [
                    PriceEvent(
                        TOKEN, int(bars.ts[i]), float(bars.open[i]), float(bars.high[i]), float(bars.low[i]),
                        float(bars.close[i]), float(bars.volume[i]),
                    )
                ]
            )  # fmt: skip
            following = int(bars.ts[i]) + NANOSECONDS_PER_MINUTE
            if one.code and (
                i + 1 == len(bars) or ist_date(int(bars.ts[i + 1])) == ist_date(int(bars.ts[i]))
            ):
                self.clock.advance_to(following)
                self.exchange.advance()
                self.decide(one)
        return self.fills

    def decide(self, said: Said) -> None:
        """As `engine.account.decide`."""
        code, position = said.code, self.position
        if (position > 0 and code & EXIT_LONG) or (position < 0 and code & EXIT_SHORT):
            self._leave()
        entry_side = self._entry_side()
        if (entry_side > 0 and code & EXIT_LONG) or (entry_side < 0 and code & EXIT_SHORT):
            self._cancel_entry()
        want = 0
        if code & ENTER_LONG and self.rules.allow_long:
            want = 1
        elif code & ENTER_SHORT and self.rules.allow_short:
            want = -1
        if want == 0:
            return
        if position * want < 0:
            self._leave()
        elif position * want > 0 and not self._exit_works():
            return
        self._cancel_entry()
        kind, price, trigger = OrderType.MARKET, nan, nan
        if not isnan(said.limit):
            kind, price = OrderType.LIMIT, said.limit
        elif not isnan(said.trigger):
            kind, trigger = OrderType.SL_M, said.trigger
        self.entry = self._place(
            Side.BUY if want > 0 else Side.SELL, Decimal(str(self.rules.size.value)), kind, price, trigger, said.stop,
            said.target,
        )  # fmt: skip

    def _leave(self) -> None:
        if self._exit_works():
            return
        for order in self.exchange.orders(ACCOUNT):
            if order.placed_by_system and order.parent_order_id is not None and order.stage not in _FINAL:
                self.exchange.cancel(ACCOUNT, order.order_id)
        side = Side.SELL if self.position > 0 else Side.BUY
        self.exit = self._place(side, abs(self.position))

    def _exit_works(self) -> bool:
        """An exit at market is under way: our own, the broker's square-off, or a stop that was triggered."""
        return (self.exit is not None and not self._is_final(self.exit)) or any(
            order.placed_by_system and not order.request.order_type.has_limit and order.stage is Stage.OPEN
            for order in self.exchange.orders(ACCOUNT)
        )

    def _entry_side(self) -> int:
        if self.entry is None or self._is_final(self.entry):
            return 0
        return self.exchange.history(ACCOUNT, self.entry)[-1].request.side.sign

    def _cancel_entry(self) -> None:
        if self.entry is not None and not self._is_final(self.entry):
            self.exchange.cancel(ACCOUNT, self.entry)
        self.entry = None

    def _is_final(self, order_id: str) -> bool:
        known = {order.order_id: order.stage for order in self.exchange.orders(ACCOUNT)}
        return known.get(order_id, Stage.COMPLETE) in _FINAL

    def _place(
        self,
        side: Side,
        quantity: Decimal,
        kind: OrderType = OrderType.MARKET,
        price: float = nan,
        trigger: float = nan,
        stop: float = nan,
        target: float = nan,
    ) -> str:
        def level(value: float) -> Decimal | None:
            return None if isnan(value) else decimal_price(value, self.tick)

        placed = self.exchange.place(
            ACCOUNT,
            OrderRequest(
                instrument=self.instrument, side=side, quantity=quantity, order_type=kind, product=Product.MIS,
                tag="driver", price=level(price), trigger_price=level(trigger), stop_trigger=level(stop),
                target_price=level(target),
            ),
        )  # fmt: skip
        order = self.exchange.history(ACCOUNT, placed.order_id)[-1]
        assert order.stage is not Stage.REJECTED, order.status_message
        return placed.order_id

    def _hear(self, event: ExchangeEvent) -> None:
        if isinstance(event, Traded):
            signed = event.trade.side.sign * event.trade.quantity
            self.position += signed
            self.fills.append((self.bar, float(signed), round(float(event.trade.price), 6)))
