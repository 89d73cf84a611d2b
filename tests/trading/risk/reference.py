"""The limits, computed slowly and plainly from a list of what happened: what the gate's sums are judged by.

Nothing is kept up; each question walks through all orders and fills again.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.fills import Execution
from trademantra.trading.positions import HeldPosition

SCOPES = ("strategy", "account", "user")


@dataclass(eq=False)
class Ordered:
    intent: object
    quantity: Decimal
    at_ns: int
    day: int
    user: str
    entry: bool
    fills: list = field(default_factory=list)  # (step, day, at_ns, quantity, price, charges)
    ended: bool = False

    @property
    def holding(self):
        intent = self.intent
        return intent.account_id, intent.strategy_id, intent.instrument.key, intent.product

    @property
    def filled(self):
        return sum((fill[3] for fill in self.fills), Decimal(0))

    @property
    def left(self):
        return Decimal(0) if self.ended else max(Decimal(0), self.quantity - self.filled)


@dataclass
class Reference:
    limits: dict
    users: dict
    orders: list = field(default_factory=list)
    prices: dict = field(default_factory=dict)  # key -> (price or None, last price, ns)
    instruments: dict = field(default_factory=dict)
    sectors: dict = field(default_factory=dict)
    capital: dict = field(default_factory=dict)
    day: int = 0
    step: int = 0
    day_start: dict = field(default_factory=dict)  # book -> result when the day began
    highest: dict = field(default_factory=dict)
    highest_today: dict = field(default_factory=dict)
    stops: set = field(default_factory=set)  # (book, rule)

    # -- what is held

    def books(self):
        found = {("strategy", a, s) for a, s in {each.holding[:2] for each in self.orders}}
        return found | {("account", a) for a in self.users} | {("user", u) for u in self.users.values()}

    def is_in(self, holding, book):
        account, strategy = holding[:2]
        return book in (("strategy", account, strategy), ("account", account), ("user", self.users[account]))

    def holdings(self, book=None):
        found = {each.holding for each in self.orders}
        return [each for each in found if book is None or self.is_in(each, book)]

    def held(self, holding):
        return sum(
            (each.intent.side.sign * each.filled for each in self.orders if each.holding == holding),
            Decimal(0),
        )

    def working(self, holding, sign):
        mine = [each for each in self.orders if each.holding == holding and each.intent.side.sign == sign]
        return sum((each.left for each in mine), Decimal(0))

    def ends(self, holding):
        """Lowest and highest position over all subsets of the working orders that may fill."""
        held = self.held(holding)
        return held - self.working(holding, -1), held + self.working(holding, 1)

    def worst(self, holding):
        return max(abs(end) for end in self.ends(holding))

    def exposure(self, holding):
        """None when the price is not known."""
        key = holding[2]
        price, instrument = self.prices[key][0], self.instruments[key]
        if price is None:
            return None if self.worst(holding) else Decimal(0)
        return max(self._exposed(end, price, instrument) for end in self.ends(holding))

    @staticmethod
    def _exposed(quantity, price, instrument):
        each = price if quantity >= 0 or instrument.strike is None else max(price, instrument.strike)
        return abs(quantity) * each * instrument.multiplier

    def total(self, holdings):
        values = [self.exposure(each) for each in holdings]
        return None if None in values else sum(values, Decimal(0))

    def free_to_close(self, holding, sign):
        held = self.held(holding)
        if held * sign >= 0:
            return Decimal(0)
        return max(Decimal(0), abs(held) - self.working(holding, sign))

    # -- results

    def result(self, book):
        """Cash in and out, charges, and what is held at the last price: no average cost, no realised part."""
        made = Decimal(0)
        for each in self.orders:
            if self.is_in(each.holding, book):
                key, multiplier = each.holding[2], each.intent.instrument.multiplier
                for _, _, _, quantity, price, charges in each.fills:
                    signed = each.intent.side.sign * quantity
                    made += signed * (self.prices[key][1] - price) * multiplier - charges
        return made

    def trips(self, book):
        """Per fill in time: (day, at_ns, what it realised net of charges, whether a trade was closed with a loss or None)."""
        positions, starts, seen = {}, {}, []
        fills = sorted(
            ((*fill, each) for each in self.orders if self.is_in(each.holding, book) for fill in each.fills),
            key=lambda fill: fill[0],
        )
        for step, day, at_ns, quantity, price, charges, order in fills:
            position = positions.setdefault(order.holding, HeldPosition())
            before, earned = position.quantity, position.realised - position.charges
            value = quantity * price
            execution = Execution("o", step, quantity, value, quantity, value, at_ns)
            position.book(order.intent.side, execution, order.intent.instrument.multiplier, charges)
            now = position.realised - position.charges
            lost = None
            if not before:
                starts[order.holding] = earned
            elif before * position.quantity <= 0:
                lost, starts[order.holding] = now < starts[order.holding], now
            seen.append((day, at_ns, now - earned, lost))
        return seen

    def realised_today(self, book):
        return sum((won for day, _, won, _ in self.trips(book) if day == self.day), Decimal(0))

    def losses_in_row(self, book):
        row, last = 0, 0
        for day, at_ns, _, lost in self.trips(book):
            if day == self.day and lost is not None:
                row, last = (row + 1, at_ns) if lost else (0, last)
        return row, last

    def unpriced(self, book):
        return any(self.exposure(each) is None for each in self.holdings(book))

    def mark(self):
        """After every event: the highest results, and the stops that they lead to."""
        for book in self.books():
            if not self.unpriced(book):
                result = self.result(book)
                today = result - self.day_start.get(book, 0)
                self.highest[book] = max(self.highest.get(book, Decimal(0)), result)
                self.highest_today[book] = max(self.highest_today.get(book, Decimal(0)), today)

    def watch(self):
        for book in self.books():
            for rule in self.result_breaches(book):
                if not rule.startswith("unknown"):
                    self.stops.add((book, rule))

    def result_breaches(self, book):
        limits = self.limits.get(book[0], {})
        today = self.result(book) - self.day_start.get(book, 0)
        highest, highest_today = self.highest.get(book, 0), self.highest_today.get(book, 0)
        unknown = self.unpriced(book)
        if -self.realised_today(book) >= limits.get("max_daily_loss_realised", 10**9):
            yield "daily_loss_realised"
        if "max_daily_loss_marked" in limits:
            if unknown:
                yield "unknown"
            elif -today >= limits["max_daily_loss_marked"]:
                yield "daily_loss_marked"
        if "max_drawdown" in limits:
            if unknown:
                yield "unknown"
            elif highest - self.result(book) >= limits["max_drawdown"]:
                yield "drawdown"
        if highest_today >= limits.get("profit_lock_from", 10**9):
            if unknown:
                yield "unknown"
            elif today <= highest_today * limits["profit_lock_percent"] / 100:
                yield "profit_lock"

    def roll(self):
        for book in self.books():
            self.day_start[book] = self.result(book)
        self.day += 1
        self.highest_today.clear()
        self.stops = {stop for stop in self.stops if stop[1] == "drawdown"}

    # -- the question

    def breaches(self, order, now_ns):
        """All limits that would not be kept if `order`, an entry, were taken now."""
        found = set()
        mine = [
            ("strategy", order.intent.account_id, order.intent.strategy_id),
            ("account", order.intent.account_id), ("user", self.users[order.intent.account_id]),
        ]  # fmt: skip
        for book in mine:
            found |= {rule for each, rule in self.stops if each == book} | set(self.result_breaches(book))
            limits = self.limits.get(book[0], {})
            row, last = self.losses_in_row(book)
            if row >= limits.get("max_consecutive_losses", 10**9):
                pause = int(limits["loss_pause_minutes"] * 60 * NANOSECONDS_PER_SECOND)
                if now_ns < last + pause:
                    found.add("consecutive_losses")
        for each in self.orders:
            window = self.limits["order"].get("duplicate_window_seconds", 0) * NANOSECONDS_PER_SECOND
            if each.day == self.day and now_ns - each.at_ns < window and _same(each.intent, order.intent):
                found.add("duplicate")
        self.orders.append(order)
        try:
            found |= set(self._order(order, now_ns)) | set(self._sums(order, now_ns, mine))
        finally:
            self.orders.pop()
        return found

    def _order(self, order, now_ns):
        limits, intent = self.limits["order"], order.intent
        price, _, price_ns = self.prices[intent.instrument.key]
        if "max_price_age_seconds" in limits and (
            price is None or now_ns - price_ns > limits["max_price_age_seconds"] * NANOSECONDS_PER_SECOND
        ):
            yield "stale_price"
        if order.quantity > limits.get("max_order_quantity", 10**9):
            yield "order_quantity"
        value, percent = limits.get("max_order_value"), limits.get("max_price_deviation_percent")
        if value and (price is None or order.quantity * max(price, intent.price or 0) > value):
            yield "order_value"
        if percent and intent.price and (price is None or abs(intent.price - price) > price * percent / 100):
            yield "price_deviation"

    def _sums(self, order, now_ns, mine):
        key, account = order.intent.instrument.key, order.intent.account_id
        same = [each for each in self.holdings() if each[0] == account and each[2] == key]
        groups = [(self.limits["instrument"].get("max_position_value"), same)]
        if sum(self.worst(each) for each in same) > self.limits["instrument"].get(
            "max_position_quantity", 10**9
        ):
            yield "position_quantity"
        sector = self.sectors[key]
        groups.append(
            (
                self.limits["sector"].get("max_sector_exposure"),
                [each for each in self.holdings() if each[0] == account and self.sectors[each[2]] == sector],
            )
        )
        for book in mine:
            limits, inside = self.limits.get(book[0], {}), self.holdings(book)
            groups.append((limits.get("max_exposure"), inside))
            if "max_leverage" in limits:
                groups.append((limits["max_leverage"] * self.capital[book], inside))
            holding = order.holding
            self.orders.pop()
            opens = not self.worst(holding) if holding in self.holdings() else True
            self.orders.append(order)
            if opens and sum(self.worst(each) > 0 for each in inside) > limits.get(
                "max_open_positions", 10**9
            ):
                yield "open_positions"
            today = [each for each in self.orders if self.is_in(each.holding, book) and each.day == self.day]
            trades = [each for each in today if each.entry and (each.fills or not each.ended)]
            if len(trades) > limits.get("max_trades_per_day", 10**9):
                yield "trades_per_day"
            second = now_ns // NANOSECONDS_PER_SECOND
            sent = [
                each for each in self.orders
                if self.is_in(each.holding, book) and each.at_ns // NANOSECONDS_PER_SECOND == second
                and each.intent.instrument.segment is order.intent.instrument.segment
            ]  # fmt: skip
            if len(sent) > limits.get("max_orders_per_second", 10**9):
                yield "orders_per_second"
        for limit, inside in groups:
            if limit is not None:
                total = self.total(inside)
                if total is None or total > limit:
                    yield "exposure"


def _same(one, other):
    names = (
        "account_id",
        "strategy_id",
        "purpose",
        "instrument",
        "product",
        "side",
        "quantity",
        "order_type",
        "price",
    )
    return all(getattr(one, name) == getattr(other, name) for name in names)
