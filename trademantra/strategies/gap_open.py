"""The 9:15 gap strategy: rank by pre-open gap, enter the best at the open with stop and target, square off."""

from trademantra.engine.events import Context, EventStrategy
from trademantra.engine.parameters import Parameter
from trademantra.engine.rules import TradingRules


class GapOpen(EventStrategy):
    """At the pre-open price of each session: the largest gaps of the list, followed or faded.

    gap % = (pre-open price / last close - 1) x 100 (specs/india-markets.md 8.4).  The last close is that of the bars:
    adjust them for corporate actions, or let `most` leave out what looks like one.
    """

    name = "gap_open"
    title = "9:15 gap"
    idea = "Who had to trade overnight moves the auction price: the largest gaps run on (follow) or close (fade)."
    source = (
        "Plastun, Sibande, Gupta, Wohar (2020), North American Journal of Economics and Finance 52; specs 8.4"
    )
    market = "F&O shares with turnover; intraday bars from 09:15; flat at the end of the day"
    parameters = (
        Parameter("positions", 3, 1, 50, description="instruments entered a day, equal parts of equity"),
        Parameter("least", 2.0, 0.1, 20.0, step=0.25, integer=False, description="smallest gap, percent"),
        Parameter(
            "most", 20.0, 20.0, 100.0, integer=False, description="largest gap, percent: a split is no gap"
        ),
        Parameter("follow", 1, 0, 1, description="1: in the direction of the gap; 0: against it (fade)"),
        Parameter(
            "stop", 1.0, 0.1, 20.0, step=0.25, integer=False, description="stop, percent from pre-open"
        ),
        Parameter(
            "target", 2.0, 0.1, 50.0, step=0.25, integer=False, description="target, percent from pre-open"
        ),
        Parameter(
            "exposure", 1.0, 0.1, 5.0, step=0.5, integer=False, description="value of all entries / equity"
        ),
    )
    rules = TradingRules(allow_short=True)
    intraday = True

    def on_session(self, context: Context) -> None:
        """Before 09:15: rank the gaps and place the entries of the day."""
        gaps = []
        for symbol in context.symbols:
            price, history = context.preopen(symbol), context.history(symbol)
            if price == price and len(history) and context.position(symbol) == 0.0:
                gap = 100.0 * (price / float(history.close[-1]) - 1.0)
                if self.values["least"] <= abs(gap) <= self.values["most"]:
                    gaps.append((-abs(gap), symbol, price, 1 if gap > 0.0 else -1))
        cash = self.values["exposure"] * context.equity / self.values["positions"]
        for _, symbol, price, up in sorted(gaps)[: int(self.values["positions"])]:
            side = up if self.values["follow"] else -up
            order = context.buy if side > 0 else context.sell
            order(
                symbol,
                quantity=cash / price,
                stop=price * (1.0 - side * self.values["stop"] / 100.0),
                target=price * (1.0 + side * self.values["target"] / 100.0),
            )


STRATEGY = GapOpen
