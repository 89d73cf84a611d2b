"""Past bars for a paper account: what is stored, and nothing that the exchange's clock has not reached."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from trademantra.brokers.errors import RequestRefusedError
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Instrument
from trademantra.core.time import datetime_of, ns_of
from trademantra.data.series import Series, zone_of
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

_CALENDAR_DAYS = MappingProxyType({"d": 1, "w": 7, "mo": 31})

HistorySource: TypeAlias = Callable[[Instrument, Timeframe], Bars]
"""All bars that there are of an instrument, later ones than now among them.  Errors: `BrokerError`."""


def stored_history(store: BarStore) -> HistorySource:
    """Bars of the bar store, filed under the instrument's exchange and symbol."""

    def read(instrument: Instrument, timeframe: Timeframe) -> Bars:
        try:
            return store.read(Series(instrument.exchange, instrument.symbol, timeframe))
        except (NotFoundError, InvalidValueError) as error:
            raise RequestRefusedError(
                f"no {timeframe} bars of {instrument.key} are stored: {error.message}", hint=error.hint
            ) from error

    return read


def finished(bars: Bars, instrument: Instrument, timeframe: Timeframe, now_ns: int) -> Bars:
    """Those that are complete at `now_ns`.

    Bars of days and longer are complete when the last calendar day that they can cover is over where they trade.
    """
    if timeframe.is_intraday:
        return bars.slice(0, int(np.searchsorted(bars.ts, now_ns - timeframe.length_ns, side="right")))
    now = datetime_of(now_ns, zone_of(instrument.exchange))
    covered = timedelta(days=timeframe.count * _CALENDAR_DAYS[timeframe.unit] - 1)
    begun = ns_of(datetime.combine(now.date() - covered, time(), now.tzinfo))
    return bars.slice(0, int(np.searchsorted(bars.ts, begun)))
