"""What tests of the runner share: strategy files, a minute market, and the desk that hears what happens."""

import asyncio
import textwrap
from contextlib import asynccontextmanager
from datetime import date, time

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.core.time import ist_ns
from trademantra.engine.live.wants import LiveSession
from trademantra.engine.rules import Size, TradingRules
from trademantra.trading.runner.run_log import SessionBegan
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.workers import StrategyWorkers

DAY = date(2026, 11, 20)
OPEN_NS = ist_ns(DAY, time(9, 15))
M1 = Timeframe.parse("1m")
RULES = TradingRules(as_live=True, size=Size.parse("quantity:10"), allow_short=True)
SESSION = SessionBegan(
    LiveSession(DAY.toordinal() - date(1970, 1, 1).toordinal(), OPEN_NS, ist_ns(DAY, time(15, 30))), {}
)

_FILE = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"
"""

CALM = """
def on_bar(self, context, bar):
    if bar.index % 2 == 0 and context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol)
"""


def strategy_file(folder, body, head="", name="mine"):
    """A file with an event strategy of these methods."""
    file = folder / f"{name}.py"
    file.write_text(head + _FILE + textwrap.indent(body, "    "), encoding="utf-8")
    return file


def shipped(run_id, name="ema_cross", symbols=("A",), **values):
    return RunSpec(
        run_id=run_id,
        strategy=StrategySource.shipped(name),
        symbols=symbols,
        timeframe=M1,
        rules=RULES,
        values=values,
    )


def own(run_id, file, symbols=("A",)):
    return RunSpec(
        run_id=run_id, strategy=StrategySource.file(file), symbols=symbols, timeframe=M1, rules=RULES
    )


def bar_at(minute, symbol="A"):
    """A price that swings, other for each symbol."""
    close = 100.0 + (minute * 7 + ord(symbol[0]) * 3) % 23
    start = close - 1.0 + minute % 3
    return Bar(
        OPEN_NS + minute * MINUTE, start, max(start, close) + 0.5, min(start, close) - 0.5, close, 1_000.0
    )


def closed(minute, symbols=("A",)):
    return [ClosedBar(symbol, M1, bar_at(minute, symbol)) for symbol in symbols]


class Scene:
    """Workers, and all that they told.  `heard` waits for an event."""

    def __init__(self, folder, workers, settings):
        self.told = []
        self._news = asyncio.Event()
        wide = {"decision_seconds": 60.0, **settings}
        self.workers = workers(folder / "runner", RunnerSettings(**wide), self._tell)

    def _tell(self, event):
        self.told.append(event)
        self._news.set()

    async def heard(self, kind, which=lambda event: True):
        while True:
            for event in self.told:
                if isinstance(event, kind) and which(event):
                    return event
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 60)

    async def start(self, *specs):
        for spec in specs:
            await self.workers.start(spec)
        return await self.workers.begin_session({spec.run_id: SESSION for spec in specs})

    async def decide(self, minutes, symbols=("A",)):
        """Wants by run and minute."""
        return [await self.workers.decide(closed(minute, symbols)) for minute in minutes]

    def state(self, run_id):
        return next(each for each in self.workers.status() if each.run_id == run_id)


@asynccontextmanager
async def scene(folder, workers=StrategyWorkers, **settings):
    made = Scene(folder, workers, settings)
    try:
        yield made
    finally:
        await made.workers.close()
