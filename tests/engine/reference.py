"""A slow engine in plain Python, written from docs/engine.md: one loop over bars, one instrument, floats.

It exists to disagree with the compiled engine.  Nothing here is shared with it but the words (`TradingRules`,
`Reason`, `Signal`) and the charges (`charges_of`).
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, inf, isnan, nan, sqrt

from trademantra.core.order import Side
from trademantra.engine.bars import Bars, Float64Array
from trademantra.engine.records import LevelKind, Reason, Signal, SizeKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, TradingRules
from trademantra.markets.charges.numeric import ChargeRules, charges_of

KELLY_TRADES = 20
ENTRY_CODES = {1: Signal.ENTER_LONG, -1: Signal.ENTER_SHORT}
EXIT_CODES = {1: Signal.EXIT_LONG, -1: Signal.EXIT_SHORT}


@dataclass(frozen=True)
class Say:
    """What the strategy says at one close."""

    code: int = 0
    limit: float = nan
    trigger: float = nan
    stop: float = nan
    target: float = nan


@dataclass
class Bar:
    index: int
    day: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    low_band: float = -inf
    high_band: float = inf
    square_off: bool = False
    closes: bool = True  # the last of the finer bars inside a bar of the strategy
    room: float = inf  # volume that may still be taken from this bar

    def best(self, side: int) -> float:
        return self.high if side > 0 else self.low

    def worst(self, side: int) -> float:
        return self.low if side > 0 else self.high

    def take(self, quantity: float) -> None:
        """Use up some of the volume; a rounding residue is nothing."""
        self.room = self.room - quantity if self.room - quantity > 1e-9 * quantity else 0.0

    def has_no_other_side(self, side: int) -> bool:
        """Locked at the upper limit nobody sells, at the lower nobody buys."""
        return self.low >= self.high_band if side > 0 else self.high <= self.low_band


@dataclass
class Order:
    """A working entry.  `left` is None until it is sized."""

    side: int
    kind: str
    price: float
    stop: float
    target: float
    atr: float
    deviation: float
    left: float | None = None
    age: int = 0
    filled: bool = False


@dataclass
class Holding:
    """A position, from its first fill until it is flat: one trade."""

    side: int
    index: int
    day: int
    peak: float
    average: float
    quantity: float = 0.0
    entries: int = 0
    stop: float = nan
    target: float = nan
    atr: float = nan
    leaving: Reason = Reason.NONE
    bought: float = 0.0  # quantities and values of all entries and all exits
    bought_value: float = 0.0
    sold: float = 0.0
    sold_value: float = 0.0
    costs: float = 0.0


@dataclass(frozen=True)
class Fill:
    index: int
    side: int
    quantity: float
    price: float
    costs: float
    reason: Reason


@dataclass(frozen=True)
class Trade:
    side: int
    entry_index: int
    exit_index: int
    quantity: float
    entry_price: float
    exit_price: float
    gross: float
    costs: float
    net: float
    reason: Reason
    entry_value: float


@dataclass
class ReferenceEngine:
    rules: TradingRules
    charges: ChargeRules
    bars_per_year: float = 252.0
    cash: float = 0.0
    holding: Holding | None = None
    order: Order | None = None
    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    refused: int = 0
    debit_day: int = -1

    def run(
        self,
        bars: Bars,
        days: list[int],
        says: list[Say],
        square_off: set[int],
        bands: Float64Array | None = None,
        finer: Bars | None = None,
    ) -> "ReferenceEngine":
        """With `finer` bars orders meet those that start within each bar, one after the other."""
        self.cash = self.rules.cash
        ranges, deviations = true_range_average(bars), return_deviation(bars)
        starts = [*bars.ts.tolist(), 2**63]
        for i, say in enumerate(says):
            source, places = bars, [i]
            if finer is not None:
                source = finer
                places = [k for k, ts in enumerate(finer.ts.tolist()) if starts[i] <= ts < starts[i + 1]]
            for k in places:
                fields = (source.open, source.high, source.low, source.close, source.volume)
                bar = Bar(i, days[i], *(float(a[k]) for a in fields))
                bar.square_off = i in square_off and k == places[0]
                bar.closes = k == places[-1]
                if bands is not None:
                    bar.low_band, bar.high_band = float(bands[0, i]), float(bands[1, i])
                if self.rules.participation > 0.0:
                    bar.room = self.rules.participation * bar.volume
                self.meet(bar)
            self.listen(say, ranges[i], deviations[i], bar)
            if self.rules.fill_at is FillAt.CLOSE:
                self.fill_at_close(bar)
            self.curve.append(self.equity(bar.close))
        return self

    # ---- one bar -------------------------------------------------------------------------------------------

    def meet(self, bar: Bar) -> None:
        if bar.square_off:
            self.order = None
            if self.holding:
                self.want_out(self.holding, Reason.SQUARE_OFF)
        if self.holding:
            self.leave_at_open(bar)
        level = self.order.price if self.order else nan
        there = self.holding  # a position whose protection rests before this bar, as it rests
        resting = (*self.stop_of(there), there.target) if there else (nan, Reason.NONE, nan)
        how = self.try_entry(bar)
        held = self.holding
        fresh = self.rules.as_live and not there  # its protection is placed after this bar
        if held and held.leaving is Reason.NONE and self.guards(held, bar) and not fresh:
            levels = resting if self.rules.as_live else (*self.stop_of(held), held.target)
            self.protect(bar, how, level, *levels)
        held = self.holding
        if not held:
            return
        reached = bar.close if how == "limit" else bar.best(held.side)
        if held.side * (reached - held.peak) > 0 and not fresh:
            held.peak = reached
        if held.leaving is Reason.NONE and bar.closes:
            # decided at this close, so that the exit comes at bar index + time_exit
            wait = bar.index - held.index + (0 if self.rules.fill_at is FillAt.CLOSE else 1)
            if self.rules.time_exit and wait >= self.rules.time_exit:
                held.leaving = Reason.TIME
            if self.equity(bar.close) <= 0.0:
                held.leaving = Reason.MARGIN

    def guards(self, held: Holding, bar: Bar) -> bool:
        """Whether protection works: always, or only from the bar after the entry on."""
        return self.rules.entry_bar or held.index < bar.index

    def leave_at_open(self, bar: Bar) -> None:
        held = self.holding
        assert held
        if held.leaving is not Reason.NONE:
            self.exit(bar, bar.open, True, held.leaving)
            return
        if not self.guards(held, bar):
            return
        stop, why = self.stop_of(held)
        past = held.side * (bar.open - held.target)
        if past > 0 or (past == 0 and self.rules.limit_touch):
            self.exit(bar, bar.open, False, Reason.TARGET)
        elif held.side * (bar.open - stop) <= 0:
            self.exit(bar, bar.open, True, why)

    def try_entry(self, bar: Bar) -> str:
        """How a position was opened: at the `open`, or inside the bar by a `limit` or a `stop`; else nothing."""
        order, rules = self.order, self.rules
        if not order or (self.holding and (self.holding.side != order.side or self.holding.leaving)):
            return ""
        was_flat, how = self.holding is None, ""
        better = order.side * (order.price - bar.open)  # > 0: the open is better than the price of the order
        if order.kind == "market":
            how = "open" if self.enter(bar, order, bar.open, True) else ""
        elif order.kind == "limit":
            through = order.side * (order.price - bar.worst(order.side))
            if better > 0:
                how = "open" if self.enter(bar, order, bar.open, False) else ""
            elif through > 0 or (through == 0 and rules.limit_touch):
                how = "limit" if self.enter(bar, order, order.price, False) else ""
        elif better <= 0:
            how = "open" if self.enter(bar, order, bar.open, True) else ""
        elif order.side * (bar.best(order.side) - order.price) >= 0:
            how = "stop" if self.enter(bar, order, order.price, True) else ""
        if self.order and bar.closes:
            self.order.age += 1
            if rules.entry_valid and self.order.age >= rules.entry_valid:
                self.order = None
        return how if was_flat else ""

    def protect(self, bar: Bar, how: str, level: float, stop: float, why: Reason, target: float) -> None:
        """`level` is the price of an order that opened the position inside the bar."""
        held, rules = self.holding, self.rules
        assert held
        hit = held.side * (bar.worst(held.side) - stop) <= 0
        past = held.side * (bar.best(held.side) - target)
        since = level if how in ("limit", "stop") else bar.open  # the price at which protection began
        won = (past > 0 or (past == 0 and rules.limit_touch)) and how != "limit"
        if hit and not (won and rules.target_first):
            self.exit(bar, stop if held.side * (since - stop) > 0 else since, True, why)
        elif won:
            self.exit(bar, target if held.side * (target - since) > 0 else since, False, Reason.TARGET)
            if hit and self.holding:
                self.holding.leaving = why

    def listen(self, say: Say, atr: float, deviation: float, bar: Bar) -> None:
        held, rules = self.holding, self.rules
        if held and say.code & EXIT_CODES[held.side]:
            self.want_out(held, Reason.SIGNAL)
        if self.order and say.code & EXIT_CODES[self.order.side]:
            self.order = None
        allowed = {1: rules.allow_long, -1: rules.allow_short}
        sides = [side for side in (1, -1) if say.code & ENTRY_CODES[side] and allowed[side]]
        if not sides:
            return
        side = sides[0]
        if isnan(atr) and LevelKind.ATR in (rules.stop.kind, rules.target.kind, rules.trail.kind):
            self.refused += 1
            return  # the protection that was asked for has no distance yet
        if held and held.side != side:
            self.want_out(held, Reason.SIGNAL)
        elif held and held.leaving is Reason.NONE and held.entries >= rules.max_entries:
            return
        kind, price = "market", nan
        if not isnan(say.limit):
            kind, price = "limit", self.on_tick(side, say.limit)
        elif not isnan(say.trigger):
            kind, price = "stop", self.on_tick(side, say.trigger)
        self.order = Order(side, kind, price, say.stop, say.target, atr, deviation)
        if rules.as_live:
            quantity = self.wanted(self.order, bar.close)
            self.order.left = self.lots(self.affordable(side, bar.close, quantity, bar.day))
            if self.order.left <= 0.0:
                self.refuse()

    def want_out(self, held: Holding, reason: Reason) -> None:
        if not (self.rules.as_live and held.leaving):
            held.leaving = reason

    def fill_at_close(self, bar: Bar) -> None:
        if self.holding and self.holding.leaving is not Reason.NONE:
            self.exit(bar, bar.close, True, self.holding.leaving)
        order, held = self.order, self.holding
        if order and order.kind == "market" and not (held and (held.side != order.side or held.leaving)):
            self.enter(bar, order, bar.close, True)

    # ---- executions ----------------------------------------------------------------------------------------

    def exit(self, bar: Bar, price: float, slips: bool, reason: Reason) -> None:
        held = self.holding
        assert held
        quantity = min(held.quantity, self.lots(bar.room))
        if bar.has_no_other_side(-held.side) or quantity <= 0.0:
            if reason is not Reason.TARGET:  # a target rests at its level until it finds volume
                held.leaving = reason
            return
        if slips:
            price = self.slipped(bar, -held.side, price, quantity)
        price = within(price, bar)
        bar.take(quantity)
        debit = held.side > 0 and held.day < bar.day and self.debit_day != bar.day
        if debit:
            self.debit_day = bar.day
        costs = self.cost(-held.side, price, quantity, bar.day, debit)
        value = price * quantity * self.rules.multiplier
        self.cash += held.side * value - costs
        self.fills.append(Fill(bar.index, -held.side, quantity, price, costs, reason))
        held.quantity -= quantity
        held.sold += quantity
        held.sold_value += value
        held.costs += costs
        if held.quantity > 1e-9 * max(1.0, held.bought):
            if reason is not Reason.TARGET:
                held.leaving = reason
            elif self.order and self.order.filled:
                self.order = None
            return
        gross = held.side * (held.sold_value - held.bought_value)
        unit = self.rules.multiplier
        self.trades.append(
            Trade(held.side, held.index, bar.index, held.bought, held.bought_value / held.bought / unit,
                  held.sold_value / held.sold / unit, gross, held.costs, gross - held.costs, reason, held.bought_value)
        )  # fmt: skip
        self.holding = None
        if self.order and self.order.filled:  # the rest of an entry goes with its position
            self.order = None

    def enter(self, bar: Bar, order: Order, price: float, slips: bool) -> bool:
        side, rules = order.side, self.rules
        quantity = self.wanted(order, price) if order.left is None else order.left
        if bar.has_no_other_side(side):
            return self.refuse()
        if slips:
            covered = quantity if rules.as_live else self.affordable(side, price, quantity, bar.day)
            likely = min(covered, self.lots(bar.room))
            price = self.slipped(bar, side, price, self.lots(likely))
        price = within(price, bar)
        if not rules.as_live:
            quantity = self.lots(self.affordable(side, price, quantity, bar.day))
        if quantity <= 0.0:
            return self.refuse()
        order.left = quantity
        quantity = min(quantity, self.lots(bar.room))
        if quantity <= 0.0:
            return False
        bar.take(quantity)
        costs = self.cost(side, price, quantity, bar.day, False)
        value = price * quantity * rules.multiplier
        self.cash -= side * value + costs
        self.fills.append(Fill(bar.index, side, quantity, price, costs, Reason.ENTRY))
        held = self.holding or Holding(side, bar.index, bar.day, price, price)
        self.holding = held
        held.average += (price - held.average) * (quantity / (held.quantity + quantity))
        held.quantity += quantity
        held.bought += quantity
        held.bought_value += value
        held.costs += costs
        held.entries += 0 if order.filled else 1
        held.atr = order.atr
        stop = held.average - side * distance(rules.stop, held.average, order.atr)
        target = held.average + side * distance(rules.target, held.average, order.atr)
        held.stop = first_known(self.on_tick(-side, first_known(order.stop, stop)), held.stop)
        held.target = first_known(self.on_tick(-side, first_known(order.target, target)), held.target)
        order.filled = True
        order.left -= quantity
        if order.left <= 1e-9 * max(1.0, quantity):
            self.order = None
        return True

    def refuse(self) -> bool:
        self.refused += 1
        self.order = None
        return False

    # ---- money ---------------------------------------------------------------------------------------------

    def equity(self, price: float) -> float:
        held = self.holding
        return self.cash + (held.side * held.quantity * self.rules.multiplier * price if held else 0.0)

    def cost(self, side: int, price: float, quantity: float, day: int, debit: bool) -> float:
        return charges_of(
            self.charges,
            Side.BUY if side > 0 else Side.SELL,
            price,
            quantity * self.rules.multiplier,
            day,
            first_debit_of_day=debit,
        )

    def affordable(self, side: int, price: float, wanted: float, day: int) -> float:
        """`wanted`, or the largest quantity whose margin and costs the free equity covers."""
        unit = price * self.rules.multiplier
        stays = self.holding and self.holding.leaving is Reason.NONE
        tied = self.holding.quantity * unit * self.rules.margin if self.holding and stays else 0.0
        free = self.equity(price) - tied
        if unit <= 0.0 or free <= max(0.0, 1e-9 * self.equity(price)) or wanted <= 0.0:
            return 0.0

        def fits(quantity: float) -> bool:
            return quantity * unit * self.rules.margin + self.cost(side, price, quantity, day, False) <= free

        low, high = 0.0, min(wanted, free / (unit * self.rules.margin))
        if fits(high):
            return high
        while high - low > 1e-13 * high:
            middle = (low + high) / 2.0
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def wanted(self, order: Order, price: float) -> float:
        size, value, equity = self.rules.size, price * self.rules.multiplier, self.equity(price)
        if size.kind is SizeKind.QUANTITY:
            return size.value
        if size.kind is SizeKind.CASH:
            return size.value / value
        if size.kind is SizeKind.EQUITY:
            return equity * size.value / value
        if size.kind is SizeKind.RISK:
            risk = distance(self.rules.stop, price, order.atr)
            if not isnan(order.stop):
                risk = order.side * (price - order.stop)
            return equity * size.value / (risk * self.rules.multiplier) if risk > 0 else 0.0
        if size.kind is SizeKind.ATR_TARGET:
            return equity * size.value / (order.atr * self.rules.multiplier) if order.atr > 0 else 0.0
        if size.kind is SizeKind.VOLATILITY_TARGET:
            yearly = order.deviation * sqrt(self.bars_per_year)
            return equity * size.value / yearly / value if yearly > 0 else 0.0
        if size.kind is SizeKind.EQUAL:
            return equity / (size.value * self.rules.max_entries) / value
        if size.kind is SizeKind.INVERSE_VOLATILITY:
            yearly = order.deviation * sqrt(self.bars_per_year)
            share = min(1.0, size.value / yearly) if yearly > 0 else 0.0
            return equity * share / self.rules.max_entries / value
        wins = [trade.net / trade.entry_value for trade in self.trades if trade.net > 0]
        losses = [trade.net / trade.entry_value for trade in self.trades if trade.net <= 0]
        if len(self.trades) < KELLY_TRADES or not wins or not losses or sum(losses) == 0.0:
            return self.rules.lot
        share = len(wins) / len(self.trades)
        ratio = (sum(wins) / len(wins)) / -(sum(losses) / len(losses))
        return max(0.0, equity * size.value * (share - (1 - share) / ratio) / value)

    def lots(self, quantity: float) -> float:
        lot = self.rules.lot
        if lot <= 0.0 or quantity == inf:
            return quantity
        return floor(quantity / lot + 1e-9) * lot

    def slipped(self, bar: Bar, side: int, price: float, quantity: float) -> float:
        kind, value, tick = self.rules.slippage.kind, self.rules.slippage.value, self.rules.tick
        if kind is SlippageKind.NONE or (kind is SlippageKind.SQUARE_ROOT and bar.volume <= 0.0):
            return price
        price += side * {
            SlippageKind.BPS: price * value * 1e-4,
            SlippageKind.TICKS: value * tick,
            SlippageKind.RANGE: value * (bar.high - bar.low),
            SlippageKind.SQUARE_ROOT: price * value * sqrt(quantity / bar.volume) if bar.volume > 0.0 else 0.0,
        }[kind]  # fmt: skip
        return max(self.on_tick(-side, price), tick)

    def on_tick(self, side: int, level: float) -> float:
        """Where the order of a buyer is moved down to, and that of a seller up."""
        tick = self.rules.tick
        if tick == 0.0 or isnan(level):
            return level
        steps = floor(level / tick + 1e-6) if side > 0 else ceil(level / tick - 1e-6)
        return max(float(steps * Fraction(str(tick))), tick)

    def stop_of(self, held: Holding) -> tuple[float, Reason]:
        """The nearer of the fixed and the trailing stop, and which it is."""
        trail = held.peak - held.side * distance(self.rules.trail, held.peak, held.atr)
        trail = self.on_tick(-held.side, trail)
        if isnan(trail) or held.side * (held.stop - trail) >= 0:
            return held.stop, Reason.STOP
        return trail, Reason.TRAIL


def distance(level: Level, price: float, atr: float) -> float:
    return {
        LevelKind.NONE: nan,
        LevelKind.PERCENT: price * level.value / 100.0,
        LevelKind.POINTS: level.value,
        LevelKind.ATR: atr * level.value,
    }[level.kind]


def first_known(*values: float) -> float:
    return next((value for value in values if not isnan(value)), nan)


def within(price: float, bar: Bar) -> float:
    """No trade outside the circuit limits; a limit that is not known (NaN) limits nothing."""
    if price < bar.low_band:
        return bar.low_band
    return min(price, bar.high_band)


def true_range_average(bars: Bars, length: int = 14) -> list[float]:
    """Wilder's average true range, NaN for the first length - 1 bars."""
    high, low, close = bars.high.tolist(), bars.low.tolist(), bars.close.tolist()
    ranges = [
        max(h, before) - min(w, before) for h, w, before in zip(high, low, [low[0], *close[:-1]], strict=True)
    ]
    ranges[0] = high[0] - low[0]
    averages = [nan] * min(length - 1, len(ranges))
    for i in range(length - 1, len(ranges)):
        whole = sum(ranges[:length]) / length
        averages.append(whole if i == length - 1 else averages[-1] + (ranges[i] - averages[-1]) / length)
    return averages


def return_deviation(bars: Bars, length: int = 20) -> list[float]:
    """Sample standard deviation of the last `length` bar-to-bar returns, NaN before there are so many."""
    close = bars.close.tolist()
    returns = [now / before - 1.0 for now, before in zip(close[1:], close, strict=False)]
    deviations = [nan] * min(length, len(close))
    for i in range(length, len(close)):
        window = returns[i - length : i]
        mean = sum(window) / length
        deviations.append(sqrt(sum((r - mean) ** 2 for r in window) / (length - 1)))
    return deviations


def drawdown(curve: list[float], cash: float) -> float:
    peak, worst = cash, 0.0
    for value in curve:
        peak = max(peak, value)
        worst = min(worst, value / peak - 1.0)
    return worst
