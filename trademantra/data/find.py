"""Stored series by what a person types: `RELIANCE`, `NSE:RELIANCE`, `RELIANCE:5m` or `NSE:RELIANCE:5m`."""

from collections.abc import Sequence
from difflib import get_close_matches

from trademantra.core.bar import Timeframe
from trademantra.core.errors import AmbiguousInstrumentError, NotFoundError
from trademantra.data.series import Series
from trademantra.data.store import Entry

_MOST_NAMES = 6
_NEARNESS = 0.6


def find_all(entries: Sequence[Entry], text: str, timeframe: Timeframe | None = None) -> tuple[Entry, ...]:
    """Every entry that answers to `text` (and has the timeframe).  Case does not matter.

    Errors: `NotFoundError` naming what is stored under like names.
    """
    asked = text.strip().upper()
    found = [entry for entry in entries if asked in names_of(entry.series)]
    if timeframe is not None:
        fitting = [entry for entry in found if entry.series.timeframe == timeframe]
        if found and not fitting:
            stored = ", ".join(str(entry.series) for entry in found[:_MOST_NAMES])
            raise NotFoundError(f"no bars of {text} in {timeframe} are stored", hint=f"there are {stored}")
        found = fitting
    if not found:
        raise NotFoundError(f"no bars of {text!r} are stored", hint=_near(entries, asked))
    return tuple(found)


def find_one(entries: Sequence[Entry], text: str, timeframe: Timeframe | None = None) -> Entry:
    """The one entry that answers to `text`.

    Errors: `NotFoundError`; `AmbiguousInstrumentError` listing the series when there are several.
    """
    found = find_all(entries, text, timeframe)
    if len(found) > 1:
        shown = ", ".join(str(entry.series) for entry in found[:_MOST_NAMES])
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        raise AmbiguousInstrumentError(
            f"{text!r} is stored more than once: {shown}{more}",
            hint=f"name one of them, such as {found[0].series}",
        )
    return found[0]


def names_of(series: Series) -> tuple[str, ...]:
    """What a person may type for a series, in capitals.

    >>> names_of(Series.parse("NSE:TCS:1d"))
    ('TCS', 'NSE:TCS', 'TCS:1D', 'NSE:TCS:1D')
    """
    symbol, timeframe = series.symbol.upper(), str(series.timeframe).upper()
    stem = f"{series.exchange}:{symbol}"
    return symbol, stem, f"{symbol}:{timeframe}", f"{stem}:{timeframe}"


def _near(entries: Sequence[Entry], asked: str) -> str:
    """What is stored under names like this one."""
    if not entries:
        return "nothing is stored yet: tm data sample makes sample data, tm data import brings in your files"
    by_name: dict[str, str] = {}
    for entry in entries:
        symbol = entry.series.symbol.upper()
        by_name.setdefault(symbol, f"{entry.series.exchange}:{entry.series.symbol}")
    symbol = asked.split(":")[1] if asked.count(":") else asked
    near = [name for name in by_name if symbol in name or name in symbol]
    near += [name for name in get_close_matches(symbol, by_name, _MOST_NAMES, _NEARNESS) if name not in near]
    if not near:
        return "tm data list shows what is stored"
    return f"did you mean {', '.join(by_name[name] for name in near[:_MOST_NAMES])}?"
