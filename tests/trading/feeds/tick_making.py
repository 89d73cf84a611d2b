"""Instruments, hours and ticks for the tests of the feeds."""

from datetime import date, time, timedelta

import numpy as np

from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.data.resample import daily_spans
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.hours import TradingHours

SECOND = NANOSECONDS_PER_SECOND
MINUTE = 60 * SECOND
FRIDAY = date(2026, 11, 20)
HOURS = TradingHours(daily_spans([FRIDAY], time(9, 15), time(15, 30)))
OPENS = HOURS.spans[0].open_ns
CLOSES = HOURS.spans[0].close_ns
EVENING_BEFORE = OPENS - 12 * 3600 * SECOND
ONE_MINUTE = Timeframe(1, "m")


def index(symbol="NIFTY 50"):
    return Instrument(exchange=Exchange.NSE, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol=symbol)


def share(symbol="RELIANCE"):
    return Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol)


def hours_of_days(count, opens=time(9, 15), closes=time(15, 30)):
    days = [day for day in (FRIDAY + timedelta(days=i) for i in range(2 * count + 7)) if day.weekday() < 5]
    return TradingHours(daily_spans(days[:count], opens, closes))


def bars_of(closed, instrument, timeframe):
    """What was closed of one series, as engine bars."""
    bars = [each.bar for each in closed if each.instrument == instrument and each.timeframe == timeframe]
    return Bars.of(
        np.array([bar.start_ns for bar in bars], np.int64),
        *([getattr(bar, name) for bar in bars] for name in ("open", "high", "low", "close", "volume")),
    )


def shape(closed):
    """Bars as plain tuples, for examples: start in seconds since the open, prices, volume."""
    return [
        ((each.bar.start_ns - OPENS) / SECOND, each.bar.open, each.bar.high, each.bar.low, each.bar.close, each.bar.volume)
        for each in closed
    ]  # fmt: skip
