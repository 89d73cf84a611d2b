"""Finer bars for a run: found like its own bars, cut to its range, one series a symbol."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import datetime_of, ns_of
from trademantra.data.store import BarStore
from trademantra.research.inputs import NO_COSTS, Prepared, RunSpec, prepare_run


@dataclass(frozen=True, slots=True)
class FinerSpec:
    """Which bars decide what happens inside the bars of a run: files or stored names, and their timeframe.

    Without `sources` those of the run are taken: its own series in a shorter `timeframe`.
    """

    sources: tuple[str, ...] = ()
    timeframe: Timeframe | None = None


def with_finer(prepared: Prepared, spec: RunSpec, finer: FinerSpec, store: BarStore) -> Prepared:
    """`prepared` (made from `spec`) with finer bars for its symbols; unchanged where `finer` asks for none.

    Errors: those of `prepare_run`; `InvalidValueError` for bars that are no shorter, or of other symbols.  Whether they
    fit the bars is seen when the run begins.
    """
    if not finer.sources and finer.timeframe is None:
        return prepared
    asked = replace(
        spec,
        sources=finer.sources or spec.sources,
        timeframe=finer.timeframe,
        costs="none",
        benchmark=None,
        intraday=False,
    )
    found = prepare_run(asked, store)
    own, its = prepared.timeframe, found.timeframe
    if (its == own) or (own.is_intraday and (not its.is_intraday or its.length_ns >= own.length_ns)):
        raise InvalidValueError(
            f"bars of {its} are not finer than bars of {own}",
            hint="give --finer-timeframe 1m, or make the run's bars longer with --timeframe",
        )
    given = prepared.given
    bars = dict(found.given.bars)
    if len(bars) == 1 and len(given.bars) == 1:  # a file without symbols is named by itself
        bars = dict(zip(given.bars, bars.values(), strict=True))
    for symbol in bars:
        if symbol not in given.bars:
            raise InvalidValueError(
                f"the finer bars are those of {symbol}, the run has {', '.join(given.bars)}",
                hint="choose with --symbol, or name the same symbols with --finer",
            )
    cut = {
        symbol: one.between(
            int(given.bars[symbol].ts[0]), end_of_bar(int(given.bars[symbol].ts[-1]), own, prepared.zone)
        )
        for symbol, one in bars.items()
    }
    return replace(
        prepared,
        given=replace(given, finer=cut),
        finer_series=found.series,
        notes=tuple(dict.fromkeys((*prepared.notes, *(note for note in found.notes if note != NO_COSTS)))),
    )


def end_of_bar(start_ns: int, timeframe: Timeframe, zone: ZoneInfo) -> int:
    """First instant (nanoseconds UTC) after a bar that starts at `start_ns`; days, weeks and months are the zone's.

    >>> from trademantra.core.time import IST
    >>> friday = ns_of(datetime(2026, 11, 20, 9, 15, tzinfo=IST))
    >>> [str(datetime_of(end_of_bar(friday, Timeframe.parse(t), IST), IST))[:16] for t in ("15m", "1d", "1w", "1mo")]
    ['2026-11-20 09:30', '2026-11-21 00:00', '2026-11-23 00:00', '2026-12-01 00:00']
    """
    if timeframe.is_intraday:
        return start_ns + timeframe.length_ns
    day = datetime_of(start_ns, zone).date()
    if timeframe.unit == "d":
        day += timedelta(days=timeframe.count)
    elif timeframe.unit == "w":
        day += timedelta(days=7 * timeframe.count - day.weekday())
    else:
        months = day.month - 1 + timeframe.count
        day = date(day.year + months // 12, months % 12 + 1, 1)
    return ns_of(datetime.combine(day, datetime.min.time(), zone))
