"""Real daily prices from the package bokeh_sampledata: AAPL, FB, GOOG, IBM and MSFT until 2013-03-01.

Public domain: Quandl WIKI prices, declared so by their publisher (licence file `datasets.json` of the package).
The file is read here, not through the package's modules, which may load pandas.
"""

import csv
import gzip
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.time import ns_of, parse_date
from trademantra.data.adjust import AdjustmentEvent
from trademantra.data.series import Series
from trademantra.engine.bars import Bars

PACKAGE = "bokeh_sampledata"
SOURCE = "Quandl WIKI (bokeh_sampledata)"
_FILE = "stocks.csv.gz"
_COLUMNS = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
EXCHANGES = {"AAPL": "NASDAQ", "FB": "NASDAQ", "GOOG": "NASDAQ", "IBM": "NYSE", "MSFT": "NASDAQ"}
_NEW_YORK = ZoneInfo("America/New_York")
# Dividends move the adjusted close by a few per cent at most, splits by a simple ratio.
_SMALLEST_SPLIT = 1.2
_LARGEST_DENOMINATOR = 20


@dataclass(frozen=True, slots=True)
class RealPrices:
    """Raw daily bars of one share, stamped at midnight of New York, and its splits inside their period."""

    series: Series
    bars: Bars
    splits: tuple[AdjustmentEvent, ...]


@dataclass(slots=True)
class _Rows:
    day: list[date] = field(default_factory=list)
    prices: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    adjusted_close: list[float] = field(default_factory=list)


def real_prices(package: str = PACKAGE) -> tuple[RealPrices, ...]:
    """The five shares, raw as they were traded, about 12,000 bars.

    Splits are told from the source's adjusted close, whose ratio to the raw close steps by exactly the factor.
    Errors: `NotFoundError` when the package is not installed; `BadInputError` for a file that was changed.

    >>> [(str(share.series), len(share.bars)) for share in real_prices()][:2]
    [('NASDAQ:AAPL:1d', 3270), ('NASDAQ:FB:1d', 196)]
    """
    return tuple(_share(ticker, rows) for ticker, rows in _read(package).items())


def _share(ticker: str, rows: _Rows) -> RealPrices:
    stamps = [ns_of(datetime(day.year, day.month, day.day, tzinfo=_NEW_YORK)) for day in rows.day]
    series = Series(EXCHANGES[ticker], ticker, Timeframe(1, "d"))
    columns = [[row[i] for row in rows.prices] for i in range(5)]
    return RealPrices(series, Bars.of(stamps, *columns), _splits(ticker, rows))


def _splits(ticker: str, rows: _Rows) -> tuple[AdjustmentEvent, ...]:
    ratios = [adjusted / row[3] for adjusted, row in zip(rows.adjusted_close, rows.prices, strict=True)]
    events = []
    for day, (before, after) in zip(rows.day[1:], pairwise(ratios), strict=True):
        step = before / after
        if not 1 / _SMALLEST_SPLIT < step < _SMALLEST_SPLIT:
            factor = Fraction(step).limit_denominator(_LARGEST_DENOMINATOR)
            events.append(AdjustmentEvent(ticker, day, factor, "split", SOURCE))
    return tuple(events)


def _read(package: str) -> dict[str, _Rows]:
    try:
        place = resources.files(package) / "_data" / _FILE
        packed = place.read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise NotFoundError(
            f"the package {package} with its file {_FILE} is not installed",
            hint="run ./tm once to install it",
        ) from error
    lines = gzip.decompress(packed).decode().splitlines()
    if next(csv.reader(lines)) != _COLUMNS:
        raise BadInputError(_FILE, f"the columns are not {', '.join(_COLUMNS)}", line=1)
    rows: dict[str, _Rows] = {ticker: _Rows() for ticker in EXCHANGES}
    for number, line in enumerate(csv.reader(lines[1:]), start=2):
        try:
            ticker, day, *numbers = line
            open_, high, low, close, volume, adjusted = (float(text) for text in numbers)
            share = rows[ticker]
        except (ValueError, KeyError) as error:
            raise BadInputError(_FILE, f"unexpected row {line}", line=number) from error
        share.day.append(parse_date(day))
        share.prices.append((open_, high, low, close, volume))
        share.adjusted_close.append(adjusted)
    return rows
