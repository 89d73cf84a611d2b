"""A broker that tells what a test puts into it, and the facts of a desk that asks it."""

import asyncio
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from tests.trading.risk.scene import share
from trademantra.brokers.errors import BrokerUnavailableError
from trademantra.brokers.events import SessionState
from trademantra.brokers.market import Quote
from trademantra.core.time import IST, NANOSECONDS_PER_SECOND, ist_date, ist_ns, ns_of
from trademantra.engine.bars import Bars
from trademantra.kit.timer import ManualTimer
from trademantra.trading.accounts.index_names import parse_indices
from trademantra.trading.house.fact_parts import FactParts, Notes, Watched
from trademantra.trading.house.market_facts import MarketFacts
from trademantra.trading.risk.state import RiskState

SECOND = NANOSECONDS_PER_SECOND
DAY = date(2026, 11, 20)
TCS, INFY = share("TCS"), share("INFY")
NIFTY, SENSEX = parse_indices("NSE:NIFTY 50,BSE:SENSEX")
D = Decimal
CLOSE = D(100)


def at(text, day=DAY):
    return ist_ns(day, time.fromisoformat(text))


def trading_days(last, count):
    """Weekdays before `last`, the newest last."""
    found = []
    day = last
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found.append(day)
    return found[::-1]


class Broker:
    """`told` quotes by instrument, `candles` closes by instrument and day; `fails` while it does not answer."""

    def __init__(self, clock):
        self.clock = clock
        self.session = SessionState.ACTIVE
        self.told, self.candles, self.asked = {}, {}, []
        self.fails = self.fails_for = None

    def band(self, instrument, lower, upper):
        self.told[instrument] = Quote(
            instrument=instrument, at_ns=self.clock.now_ns(), last_price=D(100),
            lower_circuit=lower and D(lower), upper_circuit=upper and D(upper),
        )  # fmt: skip

    def index(self, instrument, price, before=CLOSE, at_ns=None):
        self.told[instrument] = Quote(
            instrument=instrument, at_ns=self.clock.now_ns() if at_ns is None else at_ns, last_price=D(price),
            previous_close=before,
        )  # fmt: skip

    async def quotes(self, instruments):
        self.asked.append(tuple(instruments))
        if self.fails:
            raise BrokerUnavailableError(self.fails)
        return {each: self.told[each] for each in instruments if each in self.told}

    async def history(self, instrument, timeframe, first, last):
        self.asked.append((instrument.key, str(timeframe), first, last))
        if self.fails or self.fails_for == instrument.key:
            raise BrokerUnavailableError(self.fails or "no candles today")
        days = sorted(self.candles.get(instrument, {}).items())
        stamps = [ns_of(datetime.combine(day, time(), IST)) for day, _ in days]
        closes = [close for _, close in days]
        return Bars.of(stamps, closes, closes, closes, closes, [1.0] * len(days)).between(
            ns_of(first), ns_of(last) + 1
        )


class Facts:
    """Facts of one feed account; time moves by `step`."""

    def __init__(self, start="11:00", day=DAY, **watched):
        self.wall = ManualTimer(at(start, day))
        self.broker, self.state, self.said = Broker(self.wall.clock), RiskState(), []
        parts = FactParts(
            state=self.state, clock=self.wall.clock, wall=self.wall, notes=Notes(self.said.append)
        )
        self.facts = MarketFacts(parts, [Watched(name="kite", source=self.broker, **watched)])

    @property
    def today(self):
        return ist_date(self.wall.now_ns())

    def band(self, instrument):
        return self.state.market(instrument.key).band

    def halt(self, exchange):
        return self.state.halt(exchange, self.wall.now_ns())

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def step(self, seconds):
        """Time passes second by second, as the desk looks."""
        for _ in range(seconds):
            self.wall.advance_to(self.wall.now_ns() + SECOND)
            await self.settle()
            self.facts.look()

    async def jump(self, to_ns):
        self.wall.advance_to(to_ns)
        await self.settle()
        self.facts.look()


def play(facts, story):
    """Run the readings while `story` is told."""

    async def run():
        task = asyncio.ensure_future(facts.facts.run())
        try:
            await facts.settle()
            await story()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
