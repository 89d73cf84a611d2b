"""An exchange and a careful trader in front of it, in plain Python: they drive a live run over recorded prices.

The trader does what a desk does: what a run wants is placed before the next price, protective orders are placed after
the fill of the entry and moved after each price, two protective orders cancel each other.  The exchange fills what
rests when a price comes.  Neither knows the engine's step; they share with it the slippage model and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from math import ceil, floor, isnan, nan

from trademantra.core.bar import Bar
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Bars
from trademantra.engine.compile import uncompiled
from trademantra.engine.finer import length_of
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Drop, Enter, Leave, LiveFill, LiveSession, Protection, Want
from trademantra.engine.matching import slipped
from trademantra.engine.records import EntryKind, LevelKind, Reason
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.ticks import Tick, ToldTicks
from trademantra.engine.timeline import Timeline


@dataclass
class Held:
    """A position and the protective orders that rest for it."""

    side: int
    quantity: float
    average: float
    peak: float
    plan: Protection
    stop: float = nan
    target: float = nan
    trail: float = nan

    def nearer(self) -> tuple[float, Reason]:
        if isnan(self.trail) or self.side * (self.stop - self.trail) >= 0.0:
            return self.stop, Reason.STOP
        return self.trail, Reason.TRAIL


@dataclass
class Desk:
    """One instrument: what works for it."""

    entry: Enter | None = None
    leaves: list[Leave] = field(default_factory=list)
    held: Held | None = None


@dataclass(frozen=True)
class Price:
    at_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass
class Trader:
    run: LiveRun
    rules: TradingRules
    log: list[Callable[[LiveRun], object]] = field(default_factory=list)  # every call, to be replayed
    desks: dict[str, Desk] = field(default_factory=dict)
    wanted: list[Want] = field(default_factory=list)
    told: list[ToldTicks] = field(default_factory=list)

    def call(self, made: Callable[[LiveRun], list[Want]]) -> None:
        self.log.append(made)
        for want in made(self.run):
            self.wanted.append(want)
            desk = self.desks.setdefault(want.symbol, Desk())
            if isinstance(want, Leave):
                desk.leaves.append(want)
            elif isinstance(want, Drop):
                assert desk.entry is not None, f"{want} cancels nothing"
                desk.entry = None
            else:
                assert desk.entry is None, f"{want} while {desk.entry} works"
                assert want.quantity > 0.0
                desk.entry = want

    def price(self, symbol: str, price: Price) -> None:
        """Everything that works meets one price (or a stretch of prices)."""
        desk = self.desks.setdefault(symbol, Desk())
        there = desk.held
        resting = (*there.nearer(), there.target) if there else (nan, Reason.NONE, nan)
        if desk.leaves:
            for leave in desk.leaves:
                assert desk.held, f"{leave} of nothing"
                quantity = desk.held.quantity if isnan(leave.quantity) else leave.quantity
                self.exit(symbol, price, price.open, True, leave.reason, quantity)
            desk.leaves = []
        elif desk.held:
            self.protect(symbol, price, price.open, price.open, *resting)
        before = desk.held
        if desk.entry:
            self.enter(symbol, price, desk.entry)
        if before and desk.held is before:
            self.protect(symbol, price, price.high, price.low, *resting)
        held = desk.held
        if held and held is before:
            best = price.high if held.side > 0 else price.low
            held.peak = max(held.peak, best) if held.side > 0 else min(held.peak, best)
            self.place(held)

    def protect(
        self, symbol: str, price: Price, high: float, low: float, stop: float, why: Reason, target: float
    ) -> None:
        held = self.desks[symbol].held
        assert held
        side, worst, best = held.side, low if held.side > 0 else high, high if held.side > 0 else low
        hit = side * (worst - stop) <= 0.0
        reach = side * (best - target)
        won = reach > 0.0 or (reach == 0.0 and self.rules.limit_touch)
        gapped = side * (price.open - stop) <= 0.0
        # one price passes both only where the stop lies beyond the target: the limit order has the better right
        if won and (not hit or self.rules.target_first or high == low == price.open):
            at = target if side * (target - price.open) > 0.0 else price.open
            self.exit(symbol, price, at, False, Reason.TARGET, held.quantity)
        elif hit:
            self.exit(symbol, price, price.open if gapped else stop, True, why, held.quantity)

    def enter(self, symbol: str, price: Price, entry: Enter) -> None:
        side, at, slips = entry.side, nan, entry.kind is not EntryKind.LIMIT
        reach = side * (entry.price - (price.low if side > 0 else price.high))
        if entry.kind is EntryKind.MARKET:
            at = price.open
        elif entry.kind is EntryKind.LIMIT:
            if side * (entry.price - price.open) > 0.0:
                at = price.open
            elif reach > 0.0 or (reach == 0.0 and self.rules.limit_touch):
                at = entry.price
        elif side * (price.open - entry.price) >= 0.0:
            at = price.open
        elif side * ((price.high if side > 0 else price.low) - entry.price) >= 0.0:
            at = entry.price
        if isnan(at):
            return
        if slips:
            at = self.slipped(price, side, at, entry.quantity)
        desk = self.desks[symbol]
        desk.entry = None
        held = desk.held
        if held is None:
            desk.held = Held(side, entry.quantity, at, at, entry.protection)
        elif held.side == side:
            held.average += (at - held.average) * (entry.quantity / (held.quantity + entry.quantity))
            held.quantity += entry.quantity
            held.plan = entry.protection
        else:
            raise AssertionError(f"{entry} against a position")
        self.place(desk.held)
        self.tell(symbol, price, side, entry.quantity, at, Reason.ENTRY)

    def exit(
        self, symbol: str, price: Price, at: float, slips: bool, reason: Reason, quantity: float
    ) -> None:
        desk = self.desks[symbol]
        held = desk.held
        assert held
        if slips:
            at = self.slipped(price, -held.side, at, quantity)
        held.quantity -= quantity
        if held.quantity == 0.0:
            desk.held = None
        self.tell(symbol, price, -held.side, quantity, at, reason)

    def tell(self, symbol: str, price: Price, side: int, quantity: float, at: float, reason: Reason) -> None:
        fill = LiveFill(symbol, side, quantity, at, reason, price.at_ns)
        self.call(lambda run: run.on_fill(fill))

    def slipped(self, price: Price, side: int, at: float, quantity: float) -> float:
        slippage = self.rules.slippage
        return uncompiled(slipped)(
            int(slippage.kind), slippage.value, self.rules.tick, side, at, price.high, price.low, price.volume, quantity
        )  # fmt: skip

    def place(self, held: Held | None) -> None:
        """The levels of the protective orders: a plan's own, else its distances from average and peak."""
        assert held
        plan, side = held.plan, held.side
        stop = held.average - side * distance(plan.stop_rule, held.average, plan.atr)
        target = held.average + side * distance(plan.target_rule, held.average, plan.atr)
        held.stop = self.on_tick(side, plan.stop if not isnan(plan.stop) else stop)
        held.target = self.on_tick(side, plan.target if not isnan(plan.target) else target)
        held.trail = self.on_tick(side, held.peak - side * distance(plan.trail, held.peak, plan.atr))

    def on_tick(self, side: int, level: float) -> float:
        """The protective orders of a long position sell: up; those of a short one buy: down."""
        tick = self.rules.tick
        if tick == 0.0 or isnan(level):
            return level
        steps = ceil(level / tick - 1e-6) if side > 0 else floor(level / tick + 1e-6)
        return max(float(steps * Fraction(str(tick))), tick)


def distance(level: Level, price: float, atr: float) -> float:
    return {
        LevelKind.NONE: nan,
        LevelKind.PERCENT: price * level.value / 100.0,
        LevelKind.POINTS: level.value,
        LevelKind.ATR: atr * level.value,
    }[level.kind]


def bar_of(bars: Bars, i: int) -> Bar:
    fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bar(int(bars.ts[i]), *(float(each[i]) for each in fields))


def price_of(prices: Bars, k: int) -> Price:
    fields = (prices.open, prices.high, prices.low, prices.close, prices.volume)
    return Price(int(prices.ts[k]), *(float(each[k]) for each in fields))


@dataclass(frozen=True)
class Days:
    """What is replayed: bars and the prices inside them by symbol, hours of the sessions, length of a bar."""

    bars: Mapping[str, Bars]
    prices: Mapping[str, Bars]
    timelines: Mapping[str, Timeline]
    sessions: Sequence[LiveSession]
    timeframe_ns: int

    @property
    def step_ns(self) -> int:
        """How long each price inside a bar lasts: nothing, for ticks."""
        return length_of(next(iter(self.prices.values())))

    @property
    def begin_ns(self) -> int:
        return self.sessions[0].open_ns

    def before(self) -> tuple[dict[str, Bars], dict[str, Timeline]]:
        """Bars of the past, and their timelines."""
        past, lines = {}, {}
        for symbol, bars in self.bars.items():
            n = int((bars.ts < self.begin_ns).sum())
            line = self.timelines[symbol]
            ends = line.ends[line.ends < n]
            past[symbol] = bars.slice(0, n)
            lines[symbol] = Timeline(line.session[:n], line.minute[:n], line.day[:n], ends, line.allowed[:0])
        return past, lines


def replay(
    run: LiveRun,
    days: Days,
    rules: TradingRules,
    auction: bool = True,
    told: Callable[[int], bool] = lambda number: True,
) -> Trader:
    """Bars close, the clock is told, then the prices of the next bar come; symbols in their order.

    A run that hears ticks is told of the moments whose number `told` lets through: the last price of each instrument.
    """
    trader = Trader(run, rules)
    moments, traded = 0, dict.fromkeys(days.bars, 0.0)
    past, lines = days.before()
    trader.log.append(lambda one: one.warm_up(past, lines))
    run.warm_up(past, lines)
    start = {symbol: {int(ts): i for i, ts in enumerate(bars.ts)} for symbol, bars in days.bars.items()}
    for session in days.sessions:
        opens = {
            symbol: float(days.bars[symbol].open[at[session.open_ns]])
            for symbol, at in start.items()
            if auction and session.open_ns in at
        }
        trader.call(lambda one, s=session, o=opens: one.on_session(s, o))  # type: ignore[misc]
        now, traded = session.open_ns, dict.fromkeys(days.bars, 0.0)
        while True:
            closed = [
                (symbol, bar_of(days.bars[symbol], at[now - days.timeframe_ns]))
                for symbol, at in start.items()
                if now - days.timeframe_ns in at and now > session.open_ns
            ]
            if closed:
                trader.call(lambda one, c=closed: one.on_bars(c))  # type: ignore[misc]
            trader.call(lambda one, t=now: one.on_clock(t))  # type: ignore[misc]
            if now >= session.close_ns:
                break
            coming = [
                (price.at_ns, j, symbol, price)
                for j, (symbol, prices) in enumerate(days.prices.items())
                for k in range(*prices_within(prices, now, now + days.timeframe_ns))
                for price in (price_of(prices, k),)
            ]
            coming.sort(key=lambda each: each[:2])
            for at_ns, together in groupby(coming, key=lambda each: each[0]):
                newest = {}
                for _, _, symbol, price in together:
                    trader.price(symbol, price)
                    traded[symbol] += price.volume
                    newest[symbol] = Tick(symbol, at_ns + days.step_ns, price.close, nan, nan, traded[symbol])
                moments += 1
                if run.hears_ticks and told(moments):
                    ticks = tuple(newest.values())
                    trader.told.append(ToldTicks(at_ns + 1, now, ticks))
                    trader.call(lambda one, t=ticks: one.on_ticks(t))  # type: ignore[misc]
            now += days.timeframe_ns
    return trader


def prices_within(prices: Bars, start_ns: int, stop_ns: int) -> tuple[int, int]:
    first, last = prices.ts.searchsorted([start_ns, stop_ns])
    return int(first), int(last)


MINUTE = NANOSECONDS_PER_MINUTE
