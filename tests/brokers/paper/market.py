"""A small exchange for tests: one share, one account, a clock that the test moves."""

from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.orders import OrderRequest, Variety
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.settings import ExchangeSettings, Hours
from trademantra.brokers.paper.terms import ExchangeEvent, ExchangeOrder, PriceEvent, Traded
from trademantra.core.instrument import Exchange as Venue
from trademantra.core.instrument import Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.core.time import NANOSECONDS_PER_SECOND, ManualClock, ist_ns

TOKEN = 408_065
ACCOUNT = "AB1234"
DAY = date(2026, 11, 20)
CASH = Decimal(1_000_000)


def share(symbol: str = "INFY", **facts: object) -> Instrument:
    stated: dict[str, object] = {"has_derivatives": True, **facts}
    return Instrument(
        exchange=Venue.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol, **stated  # type: ignore[arg-type]
    )  # fmt: skip


INFY = share()


def amount(value: float | str | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


@dataclass
class Fixture:
    """`at` moves the clock, `tick` feeds, `buy` and `sell` place; `events` is all that was told."""

    exchange: Exchange
    clock: ManualClock
    instrument: Instrument = INFY
    token: int = TOKEN
    events: list[ExchangeEvent] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)

    def at(self, hour: int, minute: int, second: int = 0, day: date = DAY) -> None:
        self.clock.advance_to(ist_ns(day, time(hour, minute, second)))
        self.exchange.advance()

    def tick(self, price: float, volume: float = 1_000.0) -> None:
        """One trade, a second later."""
        self.bar(price, price, price, price, volume)

    def bar(self, opening: float, high: float, low: float, close: float, volume: float = 1_000.0) -> None:
        self.clock.advance_to(self.clock.now_ns() + NANOSECONDS_PER_SECOND)
        self.exchange.feed([PriceEvent(self.token, self.clock.now_ns(), opening, high, low, close, volume)])

    def request(
        self,
        side: Side,
        quantity: float,
        kind: OrderType = OrderType.MARKET,
        *,
        price: float | str | None = None,
        trigger: float | str | None = None,
        product: Product = Product.MIS,
        stop: float | str | None = None,
        target: float | str | None = None,
        protection: float | None = None,
        validity: Validity = Validity.DAY,
        minutes: int | None = None,
        variety: Variety = Variety.REGULAR,
        legs: int | None = None,
        slices: bool = False,
        disclosed: float = 0,
    ) -> OrderRequest:
        return OrderRequest(
            instrument=self.instrument,
            side=side,
            quantity=Decimal(str(quantity)),
            order_type=kind,
            product=product,
            tag="test",
            price=amount(price),
            trigger_price=amount(trigger),
            stop_trigger=amount(stop),
            target_price=amount(target),
            market_protection=amount(protection),
            validity=validity,
            ttl_minutes=minutes,
            variety=variety,
            legs=legs,
            slice_automatically=slices,
            disclosed_quantity=Decimal(str(disclosed)),
        )

    def place(self, side: Side, quantity: float, kind: OrderType = OrderType.MARKET, **terms: object) -> str:
        return self.exchange.place(ACCOUNT, self.request(side, quantity, kind, **terms)).order_id  # type: ignore[arg-type]

    def buy(self, quantity: float, kind: OrderType = OrderType.MARKET, **terms: object) -> str:
        return self.place(Side.BUY, quantity, kind, **terms)

    def sell(self, quantity: float, kind: OrderType = OrderType.MARKET, **terms: object) -> str:
        return self.place(Side.SELL, quantity, kind, **terms)

    def order(self, order_id: str) -> ExchangeOrder:
        return self.exchange.history(ACCOUNT, order_id)[-1]

    def stages(self, order_id: str) -> list[str]:
        return [one.stage.value for one in self.exchange.history(ACCOUNT, order_id)]

    @property
    def fills(self) -> list[tuple[str, float, float]]:
        """Side, quantity, price of every trade that was told."""
        return [
            (event.trade.side.value, float(event.trade.quantity), float(event.trade.price))
            for event in self.events
            if isinstance(event, Traded)
        ]

    @property
    def held(self) -> Decimal:
        return sum((one.quantity for one in self.exchange.positions(ACCOUNT).net), Decimal(0))


def market(
    settings: ExchangeSettings | None = None,
    *,
    instrument: Instrument = INFY,
    start: tuple[int, int] = (9, 30),
    day: date = DAY,
    cash: Decimal = CASH,
    journal: bool = False,
) -> Fixture:
    clock = ManualClock(ist_ns(day, time(*start)))
    listings = Listings.of(
        [Listing("NSE", instrument.symbol, TOKEN, instrument, previous_close=Decimal(100))]
    )
    entries: list[JournalEntry] = []
    given = settings or ExchangeSettings()
    exchange = (
        Exchange(listings, clock, given, entries.append) if journal else Exchange(listings, clock, given)
    )
    exchange.open_account(ACCOUNT, cash)
    made = Fixture(exchange, clock, instrument, entries=entries)
    exchange.subscribe(made.events.append)
    return made


def always_open(**settings: object) -> ExchangeSettings:
    return ExchangeSettings(hours=Hours.ALWAYS, **settings)  # type: ignore[arg-type]
