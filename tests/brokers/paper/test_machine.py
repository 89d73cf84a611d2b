"""Random commands and prices: what must hold after each, and that a restart at any point changes nothing."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.brokers.paper.market import ACCOUNT, TOKEN, Fixture, market
from trademantra.brokers.orders import OrderChange, Variety
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.gtt import GttOrder
from trademantra.brokers.paper.settings import ExchangeSettings, Hours, Latency, Liquidity, Meets
from trademantra.brokers.paper.terms import ExchangeOrder, PriceEvent, RefusedRequestError, Stage
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.core.time import NANOSECONDS_PER_MINUTE, NANOSECONDS_PER_SECOND
from trademantra.engine.rules import Slippage

FINAL = (Stage.COMPLETE, Stage.CANCELLED, Stage.REJECTED)
TICK = Decimal("0.05")
OTHER = "CD5678"
PRICES = st.integers(1_960, 2_040).map(lambda ticks: ticks * TICK)
SETTINGS = st.builds(
    ExchangeSettings,
    hours=st.sampled_from((Hours.EXCHANGE, Hours.ALWAYS)),
    meets=st.sampled_from((Meets.NEXT_PRICE, Meets.STANDING)),
    latency=st.sampled_from((Latency(), Latency(NANOSECONDS_PER_SECOND, 0.5))),
    liquidity=st.builds(
        Liquidity,
        limit_touch=st.booleans(),
        participation=st.sampled_from((0.0, 0.05, 0.5)),
        slippage=st.sampled_from((Slippage(), Slippage.parse("ticks:1"), Slippage.parse("bps:5"))),
        visible_depth=st.booleans(),
        queue=st.booleans(),
    ),
)


def views(exchange: Exchange) -> list[object]:
    """All that anybody can see."""
    seen: list[object] = [exchange.quote(TOKEN), exchange.accounts()]
    for account in exchange.accounts():
        orders = exchange.orders(account)
        seen += [
            orders,
            [exchange.history(account, order.order_id) for order in orders],
            exchange.trades(account),
            exchange.positions(account),
            exchange.holdings(account),
            exchange.margins(account),
            exchange.gtts(account),
        ]
    return seen


class Commands(RuleBasedStateMachine):
    fixture: Fixture

    @initialize(given=SETTINGS)
    def begin(self, given: ExchangeSettings) -> None:
        self.given = given
        self.fixture = market(given, journal=True, start=(14, 50))
        self.exchange.open_account(OTHER, Decimal(200_000))
        self.snapshot: bytes | None = None
        self.finished: dict[str, ExchangeOrder] = {}
        self.room = 0.0
        self.taken: dict[int, Decimal] = {}
        self.fixture.tick(100.0)

    @property
    def exchange(self) -> Exchange:
        return self.fixture.exchange

    @rule(
        account=st.sampled_from((ACCOUNT, OTHER)),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 300),
        kind=st.sampled_from(OrderType),
        price=PRICES,
        beyond=st.integers(0, 10),
        validity=st.sampled_from(Validity),
        variety=st.sampled_from(Variety),
        product=st.sampled_from((Product.MIS, Product.MIS, Product.CNC)),
        stop=st.one_of(st.none(), PRICES),
        aim=st.one_of(st.none(), PRICES),
        protection=st.sampled_from((None, 1.0, -1.0)),
    )
    def place(
        self, account: str, side: Side, quantity: int, kind: OrderType, price: Decimal, beyond: int, validity: Validity,
        variety: Variety, product: Product, stop: Decimal | None, aim: Decimal | None, protection: float | None,
    ) -> None:  # fmt: skip
        needs_trigger = kind.has_trigger or variety is Variety.COVER
        if variety is Variety.COVER and kind.has_trigger:
            kind = OrderType.MARKET
        request = self.fixture.request(
            side,
            quantity,
            kind,
            price=str(price + side.sign * beyond * TICK) if kind.has_limit else None,
            trigger=str(price) if needs_trigger else None,
            product=Product.MIS if variety is Variety.COVER else product,
            stop=None if stop is None else str(stop),
            target=None if aim is None else str(aim),
            protection=None if kind.has_limit else protection,
            validity=validity,
            minutes=2 if validity is Validity.TTL else None,
            variety=variety,
            legs=3 if variety is Variety.ICEBERG else None,
        )
        before = views(self.exchange)
        try:
            placed = self.exchange.place(account, request)
        except RefusedRequestError:
            assert views(self.exchange) == before
        else:
            assert self.exchange.history(account, placed.order_id)[0].stage is Stage.RECEIVED

    @precondition(lambda self: self.open_orders())
    @rule(data=st.data(), price=PRICES, quantity=st.integers(1, 300))
    def modify(self, data: st.DataObject, price: Decimal, quantity: int) -> None:
        order = data.draw(st.sampled_from(self.open_orders()))
        change = OrderChange(
            quantity=data.draw(st.sampled_from((None, Decimal(quantity)))),
            price=price if order.request.price is not None else None,
        )
        with contextlib.suppress(RefusedRequestError):
            self.exchange.modify(order.account_id, order.order_id, change)

    @precondition(lambda self: self.open_orders())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.open_orders()))
        with contextlib.suppress(RefusedRequestError):
            self.exchange.cancel(order.account_id, order.order_id)

    @rule(price=PRICES, volume=st.sampled_from((0.0, 10.0, 1_000.0)))
    def tick(self, price: Decimal, volume: float) -> None:
        self.feed(price, price, price, price, volume)

    @rule(prices=st.lists(PRICES, min_size=4, max_size=4), volume=st.sampled_from((0.0, 100.0, 5_000.0)))
    def bar(self, prices: list[Decimal], volume: float) -> None:
        self.feed(prices[0], max(prices), min(prices), prices[3], volume)

    @rule(minutes=st.sampled_from((1, 5, 30, 24 * 60)))
    def wait(self, minutes: int) -> None:
        self.fixture.clock.advance_to(self.fixture.clock.now_ns() + minutes * NANOSECONDS_PER_MINUTE)
        self.exchange.advance()

    @rule(lower=st.one_of(st.none(), st.just(Decimal(99))), upper=st.one_of(st.none(), st.just(Decimal(101))))
    def circuit(self, lower: Decimal | None, upper: Decimal | None) -> None:
        self.exchange.set_circuit_limits(TOKEN, lower, upper)

    @rule(trigger=PRICES, price=PRICES)
    def gtt(self, trigger: Decimal, price: Decimal) -> None:
        listing = self.exchange.listings.by_token(TOKEN)
        order = GttOrder(side=Side.BUY, quantity=Decimal(5), price=price, product=Product.CNC)
        with contextlib.suppress(RefusedRequestError):
            self.exchange.place_gtt(ACCOUNT, listing, [trigger], [order], Decimal(100))

    @rule(shorten=st.booleans())
    def restart(self, shorten: bool) -> None:
        """A new exchange out of what the old one wrote; both go on alike because the old one is gone."""
        lines = [entry.line() for entry in self.fixture.entries]
        before = views(self.exchange)
        again = Exchange.restore(
            self.snapshot, [JournalEntry.parse(line) for line in lines], self.exchange.listings, self.fixture.clock,
            self.given, self.fixture.entries.append,
        )  # fmt: skip
        assert views(again) == before
        assert again.snapshot() == self.exchange.snapshot()
        assert again.next_moment_ns <= self.exchange.next_moment_ns or again.next_moment_ns > again.now_ns
        again.subscribe(self.fixture.events.append)
        self.fixture.exchange = again
        if shorten:
            self.snapshot = again.snapshot()
            self.fixture.entries.clear()

    def feed(self, opening: Decimal, high: Decimal, low: Decimal, close: Decimal, volume: float) -> None:
        self.fixture.clock.advance_to(self.fixture.clock.now_ns() + NANOSECONDS_PER_SECOND)
        before = self.traded()
        event = PriceEvent(
            TOKEN, self.fixture.clock.now_ns(), float(opening), float(high), float(low), float(close), volume
        )
        self.exchange.advance()  # what time alone brings is not of this event
        before = self.traded()
        self.exchange.feed([event])
        share = self.given.liquidity.participation
        if share and self.given.meets is Meets.NEXT_PRICE:
            assert self.traded() - before <= Decimal(str(share)) * Decimal(str(volume))

    def traded(self) -> Decimal:
        return sum(
            (trade.quantity for account in (ACCOUNT, OTHER) for trade in self.exchange.trades(account)),
            Decimal(0),
        )

    def open_orders(self) -> Sequence[ExchangeOrder]:
        accounts = (ACCOUNT, OTHER)
        return [
            one for account in accounts for one in self.exchange.orders(account) if one.stage not in FINAL
        ]

    @invariant()
    def quantities_add_up(self) -> None:
        for account in (ACCOUNT, OTHER):
            for order in self.exchange.orders(account):
                done = order.filled_quantity + order.cancelled_quantity
                assert order.pending_quantity >= 0
                assert done + order.pending_quantity <= order.request.quantity
                if order.stage in FINAL:
                    assert order.pending_quantity == 0
                if order.stage is Stage.COMPLETE:
                    assert order.filled_quantity == order.request.quantity
                trades = self.exchange.trades(account, order.order_id)
                assert sum((trade.quantity for trade in trades), Decimal(0)) in (order.filled_quantity, 0)

    @invariant()
    def final_is_final(self) -> None:
        for account in (ACCOUNT, OTHER):
            for order in self.exchange.orders(account):
                if order.order_id in self.finished:
                    assert order == self.finished[order.order_id]
                elif order.stage in FINAL:
                    self.finished[order.order_id] = order

    @invariant()
    def fills_are_inside_limits(self) -> None:
        for account in (ACCOUNT, OTHER):
            for order in self.exchange.orders(account):
                if order.request.order_type is not OrderType.LIMIT or order.modified:
                    continue
                for trade in self.exchange.trades(account, order.order_id):
                    assert (trade.price - (order.request.price or 0)) * order.request.side.sign <= 0


TestCommands = Commands.TestCase
TestCommands.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_same_commands_give_the_same_exchange() -> None:
    """Delays and depth are drawn from the seed, not from the machine."""

    def run(seed: int) -> bytes:
        liquidity = Liquidity(visible_depth=True, queue=True)
        given = ExchangeSettings(latency=Latency(NANOSECONDS_PER_SECOND, 0.8), liquidity=liquidity, seed=seed)
        fixture = market(given)
        for step in range(30):
            fixture.tick(100.0 + step % 5 * 0.05, 300.0)
            if step % 3 == 0:
                fixture.buy(120)
            if step % 4 == 0:
                fixture.sell(70, OrderType.LIMIT, price="100.10")
        return fixture.exchange.snapshot()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_settings_are_not_in_a_snapshot() -> None:
    fixture = market(journal=True)
    fixture.tick(100.0)
    fixture.buy(10, OrderType.LIMIT, price="99")
    other = replace(fixture.exchange.settings, liquidity=Liquidity(limit_touch=True))
    again = Exchange.restore(fixture.exchange.snapshot(), [], fixture.exchange.listings, fixture.clock, other)
    again.feed([PriceEvent(TOKEN, fixture.clock.now_ns() + 1, 99.0, 99.0, 99.0, 99.0, 10.0)])
    assert again.orders(ACCOUNT)[0].stage is Stage.COMPLETE
