"""An event strategy on many instruments that uses all that a context offers."""

from math import sqrt

from trademantra.engine.events import BarView, Context, EventStrategy, FillEvent, TickView
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules


class Rotator(EventStrategy):
    """Markets, limits and triggers, own sizes and those of the rules, exits, cancels, times, sessions."""

    name = "rotator"
    title = "Rotator"
    idea = source = market = ""
    parameters = (
        Parameter("look", 6, 2, 50, description="bars of the mean"),
        Parameter("own", 0, 0, 1, description="1: sizes and levels of its own"),
    )
    rules = TradingRules(allow_short=True)
    times = (45, 121, 300)

    def on_start(self, context: Context) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.turn = 0

    def on_session(self, context: Context) -> None:
        for symbol in context.symbols:
            price, history = context.preopen(symbol), context.history(symbol)
            self.heard.append(("session", symbol, repr(price), context.position(symbol)))
            if price == price and len(history) and price > 1.004 * float(history.close[-1]):
                context.buy(symbol)

    def on_time(self, context: Context, minute: int) -> None:
        self.heard.append(("time", minute, tuple(context.position(symbol) for symbol in context.symbols)))
        self.turn += 1
        symbol = context.symbols[self.turn % len(context.symbols)]
        if minute == 300:
            context.cancel(symbol)
        elif context.position(symbol) != 0.0:
            context.exit(symbol)
        else:
            context.sell(symbol)

    def on_bar(self, context: Context, bar: BarView) -> None:
        look = int(self.values["look"])
        history = context.history(bar.symbol)
        if len(history) < look + 2:
            return
        mean = float(history.close[-look:].mean())
        spread = sqrt(float(((history.close[-look:] - mean) ** 2).mean()))
        held = context.position(bar.symbol)
        own = self.values["own"] > 0.0
        stop, target = (
            (bar.close - 2.13 * spread, bar.close + 3.07 * spread) if own and spread else (None, None)
        )
        quantity = 1.0 + 0.2 * context.equity / bar.close if own else None
        kind = (bar.index + len(bar.symbol)) % 3
        if bar.close > mean + 0.8 * spread and held <= 0.0:
            if kind == 0:
                context.buy(bar.symbol, quantity=quantity, stop=stop, target=target)
            elif kind == 1:
                context.buy(bar.symbol, quantity=quantity, limit=bar.close - 0.37 * spread - 0.01, stop=stop)
            else:
                context.buy(bar.symbol, quantity=quantity, trigger=bar.high + 0.033, target=target)
        elif bar.close < mean - 0.9 * spread and held >= 0.0:
            if kind == 0:
                context.sell(bar.symbol, quantity=quantity)
            else:
                context.exit(bar.symbol)

    def on_fill(self, context: Context, fill: FillEvent) -> None:
        self.heard.append(
            ("fill", fill.symbol, fill.side, fill.quantity, fill.price, fill.costs, fill.reason)
        )


class TickRotator(Rotator):
    """As `Rotator`, and inside the bars: markets, limits, triggers, exits and cancels on single prices."""

    name = "tick_rotator"

    def on_start(self, context: Context) -> None:
        super().on_start(context)
        self.before: dict[str, float] = {}

    def on_tick(self, context: Context, tick: TickView) -> None:
        symbol, price, held = tick.symbol, tick.price, context.position(tick.symbol)
        change = price / self.before.get(symbol, price) - 1.0
        self.before[symbol] = price
        self.heard.append(
            (
                "tick",
                symbol,
                tick.ts,
                price,
                repr(tick.bid),
                repr(tick.ask),
                tick.volume,
                held,
                context.equity,
            )
        )
        self.turn += 1
        own = 3.0 + self.turn % 5 if self.values["own"] > 0.0 else None
        if change > 0.0012 and held <= 0.0:
            if self.turn % 3 == 0:
                context.buy(symbol, quantity=own, limit=price * 0.9991, stop=price * 0.995)
            else:
                context.buy(symbol, quantity=own, stop=price * 0.9964, target=price * 1.0041)
        elif change < -0.0012 and held >= 0.0:
            if self.turn % 2:
                context.sell(symbol, quantity=own, trigger=price * 0.9994)
            else:
                context.exit(symbol)
        elif self.turn % 17 == 0:
            context.cancel(symbol)
