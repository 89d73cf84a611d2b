"""Bars of a length that is not stored, made from shorter ones for `tm data show`."""

from dataclasses import replace

from trademantra.cli.data_views import BarsShown
from trademantra.core.bar import Timeframe
from trademantra.core.time import parse_date
from trademantra.data.find import find_one
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.research.inputs import RunSpec, prepare_run


def longer_bars(
    store: BarStore,
    symbol: str,
    timeframe: Timeframe,
    days: tuple[str | None, str | None],
    *,
    adjusted: bool,
    rows: int,
) -> BarsShown:
    """The bars that a back-test would run on, from the first to the last of `days`.

    Errors: `NotFoundError` where nothing stored is short enough; as `prepare_run`.
    """
    first, last = (parse_date(day) if day else None for day in days)
    spec = RunSpec(sources=(symbol,), timeframe=timeframe, first=first, last=last, adjusted=adjusted)
    prepared = prepare_run(spec, store)
    [bars] = prepared.given.bars.values()
    source = find_one(store.series([]), prepared.series[0])
    made = Series(source.series.exchange, source.series.symbol, timeframe)
    return BarsShown(
        replace(source, series=made), bars, rows, adjusted=adjusted, made_from=source.series.timeframe
    )
