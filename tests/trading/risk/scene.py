"""A small desk for the tests of the risk gate: one account or two, a few instruments, orders in one line."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count

from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND, ist_ns, parse_instant
from trademantra.trading.fills import Execution
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.limits import RiskLimits
from trademantra.trading.risk.limits_json import parse_limits
from trademantra.trading.risk.state import RiskState
from trademantra.trading.risk.taken import RiskOrder

SECOND = NANOSECONDS_PER_SECOND
NOON = ist_ns(date(2026, 11, 20), parse_instant("2026-11-20T12:00+05:30").time())


def share(symbol, **words):
    return Instrument(
        exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol, **words
    )  # fmt: skip


TCS, INFY, SBIN = share("TCS"), share("INFY"), share("SBIN")
CALL = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="NIFTY26N2324500CE",
    underlying="NIFTY", expiry=date(2026, 11, 23), strike=Decimal(24500), right=OptionRight.CALL, lot_size=Decimal(65),
)  # fmt: skip


@dataclass
class Block:
    """A kill switch in the hand of a test."""

    text: str | None = None

    def blocking(self, user_id, account_id, strategy_id, now_ns):
        return self.text


@dataclass
class Scene:
    """Time in seconds after noon; `ask` asks the gate, `take` also takes what was allowed and answers the order's id."""

    limits: RiskLimits | dict | None = None
    owners: tuple = ()
    state: RiskState = field(default_factory=RiskState)
    block: Block = field(default_factory=Block)
    now: float = 0.0
    plans: object = None

    def __post_init__(self):
        self._numbers = count(1)
        self.gate = RiskGate(self.state, self.block, self.plans)
        self.open("a1")
        for instrument, price in ((TCS, 100), (INFY, 50), (SBIN, 10), (CALL, 200)):
            self.price(instrument, price)

    def open(self, account, user="u1"):
        limits = self.limits if isinstance(self.limits, RiskLimits) else parse_limits(self.limits)
        self.state.account_opened(account, user)
        self.gate.set_limits(account, limits, *self.owners)

    @property
    def now_ns(self):
        return NOON + int(self.now * SECOND)

    def price(self, instrument, price, now=None):
        self.state.price(instrument.key, Decimal(str(price)), self.now_ns)

    def intent(self, side=Side.BUY, quantity=10, instrument=TCS, *, strategy="s1", account="a1", purpose=Purpose.ENTRY,
               price=None, trigger=None, reference=None, product=Product.MIS, sector="", order_type=None):  # fmt: skip
        if order_type is None:
            order_type = {
                (False, False): OrderType.MARKET, (True, False): OrderType.LIMIT,
                (True, True): OrderType.SL, (False, True): OrderType.SL_M,
            }[price is not None, trigger is not None]  # fmt: skip
        return OrderIntent(
            intent_id=f"i{next(self._numbers)}", account_id=account, strategy_id=strategy, instrument=instrument, side=side,
            quantity=Decimal(str(quantity)), product=product, purpose=purpose, decided_ns=self.now_ns,
            order_type=order_type, price=exact(price), trigger_price=exact(trigger), reference_price=exact(reference),
            sector=sector,
        )  # fmt: skip

    def ask(self, side=Side.BUY, quantity=10, instrument=TCS, **words):
        return self.gate.check(self.intent(side, quantity, instrument, **words), self.now_ns)

    def take(self, side=Side.BUY, quantity=10, instrument=TCS, **words):
        intent = self.intent(side, quantity, instrument, **words)
        decision = self.gate.check(intent, self.now_ns)
        assert decision.is_allowed, decision.text
        order_id = f"o{intent.intent_id}"
        self.state.order_taken(RiskOrder.of(intent, order_id, self.now_ns, decision.quantity))
        return order_id

    def fill(self, order_id, quantity, price, charges=0, end=True):
        quantity, price = exact(quantity), exact(price)
        self.state.executed(
            Execution(order_id, 1, quantity, quantity * price, quantity, quantity * price, self.now_ns), exact(charges)
        )  # fmt: skip
        if end:
            self.state.order_ended(order_id)

    def trade(self, side, quantity, price, instrument=TCS, **words):
        """Asked, allowed, filled at once."""
        charges = words.pop("charges", 0)
        self.fill(self.take(side, quantity, instrument, **words), quantity, price, charges)

    def hold(self, quantity, instrument=TCS, price=None, **words):
        """A position of `quantity`, at the present price."""
        at = self.state.market(instrument.key).price if price is None else exact(price)
        side = Side.BUY if quantity > 0 else Side.SELL
        intent = self.intent(side, abs(quantity), instrument, **words)
        order_id = f"o{intent.intent_id}"
        self.state.order_taken(RiskOrder.of(intent, order_id, self.now_ns))
        self.fill(order_id, abs(quantity), at)


def exact(number):
    return None if number is None else Decimal(str(number))
