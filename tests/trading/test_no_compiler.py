"""A desk that waits, builds bars and fills paper orders loads no compiler: it stays small, and nothing stops it midway."""

import subprocess
import sys

DESK = """
import sys
import trademantra.brokers.zerodha.adapter, trademantra.trading.house.house, trademantra.cli.live
from datetime import date, time
from decimal import Decimal
from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange as At, Instrument, InstrumentKind, Segment
from trademantra.core.order import Side
from trademantra.core.time import ManualClock
from trademantra.data.resample import daily_spans
from trademantra.engine.rules import Level
from trademantra.strategies.registry import load_strategy, strategy_names
from trademantra.trading.accounts.settings import PaperAccountSettings
from trademantra.trading.algos.levels import Protection, exit_levels
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

for name in strategy_names():
    load_strategy(name)
share = Instrument(exchange=At.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
hours = TradingHours(daily_spans([date(2026, 11, 20)], time(9, 15), time(15, 30)))
opens = hours.spans[0].open_ns
builder = BarBuilder(InstrumentTable())
builder.subscribe(share, Timeframe(1, "m"), hours, opens)
builder.take(TickBatch.of([0], [opens], [100.0]))
assert len(builder.advance(opens + 61 * 10**9)) == 1
protection = Protection(stop_rule=Level.parse("1%"), trail=Level.parse("2pt"))
assert exit_levels(protection, share, Side.BUY, 100.03, 102.0).stop == Decimal("100.00")
listing = Listing("NSE", "INFY", 1, share)
exchange = Exchange(Listings.of([listing]), ManualClock(opens), PaperAccountSettings().exchange_settings())
exchange.feed([PriceEvent(1, opens, 100.0, 100.0, 100.0, 100.0, 1.0)])
assert exchange.quote(1) is not None
print(sorted({"numba", "llvmlite", "scipy", "pandas"} & set(sys.modules)))
"""


def test_a_desk_loads_no_compiler():
    done = subprocess.run(
        [sys.executable, "-c", DESK], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
