"""Bars of many instruments and timeframes from ticks; `bar_rules` says what is in them and when they close."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trademantra.core.bar import Bar, Timeframe
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import on_views
from trademantra.trading.feeds import bar_kernel as kernel
from trademantra.trading.feeds.bar_rules import BarClosed, BarSettings, EmptyBars, TickCounts
from trademantra.trading.feeds.hours import Period, TradingHours
from trademantra.trading.feeds.ticks import InstrumentTable, TickBatch

_CLOSED_AT_ONCE = 4096
_LARGEST_LEAD = 4
_GAP_MEMORY_NS = 2 * NANOSECONDS_PER_DAY  # no bar is longer than a day


@dataclass(slots=True)
class _Gap:
    start_ns: int
    end_ns: int
    rows: frozenset[int] | None


class BarBuilder:
    """Bars of many instruments and timeframes.  Single-threaded; no clock of its own: arrivals and `advance` tell it.

    `hours_of` gives the trading hours of an instrument; ask again with `renew_hours` when a day begins.
    """

    def __init__(self, table: InstrumentTable, settings: BarSettings | None = None) -> None:
        self.table = table
        self.settings = settings or BarSettings()
        is_compiled = self.settings.is_compiled
        self._kernel_take = kernel.take if is_compiled else on_views(kernel.take)
        self._kernel_close = kernel.close if is_compiled else on_views(kernel.close)
        self._period_from = kernel.period_from if is_compiled else on_views(kernel.period_from)
        self._hours: list[TradingHours | None] = []
        self._calendars: dict[TradingHours, tuple[int, int]] = {}
        self._windows = np.zeros((0, kernel.WINDOW_COLUMNS), np.int64)
        self._row_whole, self._row_number = _rows(0)
        self._series_whole, self._series_number, self._slot_whole, self._slot_number = _series(0)
        self._timeframes: list[Timeframe] = []
        self._joined: list[int] = []
        self._places: dict[tuple[int, Timeframe], int] = {}
        self._free: list[int] = []
        self._gaps: list[_Gap] = []
        self._clock = np.array([0, kernel.NEVER], np.int64)
        self._counts = np.zeros(kernel.COUNTS, np.int64)
        self._out_whole = np.zeros((_CLOSED_AT_ONCE, kernel.OUT_WHOLE), np.int64)
        self._out_number = np.zeros((_CLOSED_AT_ONCE, kernel.OUT_NUMBER))

    # ------------------------------------------------------------ what is built

    def subscribe(
        self, instrument: Instrument, timeframe: Timeframe, hours: TradingHours, now_ns: int
    ) -> None:
        """Build these bars from now on; asking twice changes nothing.

        Errors: `InvalidValueError` for weeks and months (make them of day bars with `data.resample`), and for bars too
        short for the settings.
        """
        self.check_timeframe(timeframe)
        row = self.table.add(instrument)
        if (row, timeframe) in self._places:
            return
        self._clock[kernel.WATERMARK] = max(int(self._clock[kernel.WATERMARK]), now_ns)
        self._grow_rows(row + 1)
        whole = self._row_whole[row]
        if whole[kernel.HEAD] < 0:
            self._watch(row, hours, now_ns)
        place = self._free.pop() if self._free else self._new_series()
        series = self._series_whole[place]
        series[:] = 0
        series[kernel.OF_ROW], series[kernel.NEXT] = row, whole[kernel.HEAD]
        series[kernel.LENGTH] = timeframe.length_ns if timeframe.is_intraday else 0
        series[kernel.FLAT] = self.settings.empty is EmptyBars.FLAT
        self._series_number[place] = self._row_number[row, kernel.EFFECTIVE], -1.0, 0.0
        whole[kernel.HEAD] = place
        self._timeframes[place], self._joined[place] = timeframe, now_ns
        self._places[row, timeframe] = place
        self._plan_flat(place)

    def check_timeframe(self, timeframe: Timeframe) -> None:
        """Errors: `InvalidValueError`, as `subscribe`."""
        if not timeframe.is_intraday and timeframe != Timeframe(1, "d"):
            raise InvalidValueError(
                f"bars of {timeframe} are not built from ticks", hint="subscribe 1d and resample it"
            )
        lead = self.settings.lateness_ns + self.settings.ahead_ns
        if timeframe.is_intraday and lead > _LARGEST_LEAD * timeframe.length_ns:
            raise InvalidValueError(
                f"bars of {timeframe} are too short for a lateness and lead of {lead} ns",
                hint=f"together at most {_LARGEST_LEAD} bars",
            )

    def unsubscribe(self, instrument: Instrument, timeframe: Timeframe) -> None:
        """Stop; the open bar is forgotten.  What was not subscribed is left alone."""
        row = self.table.find(instrument)
        place = None if row is None else self._places.pop((row, timeframe), None)
        if row is None or place is None:
            return
        series, next_of = self._series_whole, kernel.NEXT
        if self._row_whole[row, kernel.HEAD] == place:
            self._row_whole[row, kernel.HEAD] = series[place, next_of]
        else:
            before = int(self._row_whole[row, kernel.HEAD])
            while series[before, next_of] != place:
                before = int(series[before, next_of])
            series[before, next_of] = series[place, next_of]
        series[place, kernel.OF_ROW] = -1
        self._free.append(place)
        if self._row_whole[row, kernel.HEAD] < 0:
            self._row_whole[row, kernel.HAS_TOTAL] = 0  # what trades unseen must not count later

    def renew_hours(self, hours: Mapping[Instrument, TradingHours]) -> None:
        """Go on with other trading hours, such as those that include a new day; open bars keep their ends.

        Errors: `UnknownInstrumentError` for an instrument without bars.
        """
        rows = {self.table.row_of(instrument): each for instrument, each in hours.items()}
        for row in rows:
            if row >= len(self._row_whole) or self._row_whole[row, kernel.HEAD] < 0:
                raise UnknownInstrumentError(f"{self.table[row].key} has no bars to renew the hours of")
        for row, each in rows.items():
            self._hours[row] = each
        self._calendars.clear()
        self._windows = self._windows[:0]
        for row in np.flatnonzero(self._row_whole[:, kernel.HEAD] >= 0).tolist():
            self._set_calendar(row)
        for place in self._places.values():
            if self._series_whole[place, kernel.NEXT_END] == kernel.NEVER:
                self._plan_flat(place)

    def series(self) -> Iterable[tuple[Instrument, Timeframe]]:
        """What is being built."""
        return [(self.table[row], timeframe) for row, timeframe in self._places]

    def hours_of(self, instrument: Instrument) -> TradingHours:
        """Errors: `UnknownInstrumentError`."""
        row = self.table.row_of(instrument)
        found = self._hours[row] if row < len(self._hours) else None
        if found is None:
            raise UnknownInstrumentError(f"no bars of {instrument.key} are built")
        return found

    # ------------------------------------------------------------ ticks, time, gaps

    @property
    def next_close_ns(self) -> int | None:
        """When the next open bar is due; None while none is open."""
        deadline = int(self._clock[kernel.DEADLINE])
        return None if deadline == kernel.NEVER else deadline

    def take(self, batch: TickBatch) -> list[BarClosed]:
        """Take ticks; answers with the bars that were due before each, in order."""
        closed: list[BarClosed] = []
        place = 0
        while True:
            place = self._kernel_take(
                batch.row, batch.at_ns, batch.trade_ns, batch.received_ns, batch.price, batch.total, batch.quantity,
                place, self._windows, self._row_whole, self._row_number, self._series_whole, self._series_number,
                self._slot_whole, self._slot_number, self._clock, self._counts,
                self.settings.lateness_ns, self.settings.ahead_ns,
            )  # fmt: skip
            if place == len(batch):
                return closed
            closed += self._close()

    def advance(self, now_ns: int) -> list[BarClosed]:
        """The clock shows `now_ns`: the bars that are due, by end, then from short to long, then in order of asking."""
        self._clock[kernel.WATERMARK] = max(int(self._clock[kernel.WATERMARK]), now_ns)
        return self._close() if self._clock[kernel.DEADLINE] <= self._clock[kernel.WATERMARK] else []

    def mark_gap(
        self, start_ns: int, end_ns: int | None, instruments: Iterable[Instrument] | None = None
    ) -> None:
        """Ticks stamped in [start_ns, end_ns) may be missing, of these instruments or of all: bars that overlap are not
        complete.  `end_ns` None: until the gap from `start_ns` is marked again with its end."""
        rows = None if instruments is None else frozenset(self.table.row_of(each) for each in instruments)
        end = kernel.NEVER if end_ns is None else end_ns
        for gap in self._gaps:
            if gap.start_ns == start_ns and gap.rows == rows:
                gap.end_ns = end
                return
        self._gaps.append(_Gap(start_ns, end, rows))

    def is_affected(self, instrument: Instrument, timeframe: Timeframe, period: Period) -> bool:
        """Whether ticks of a period may be missing.  Errors: `UnknownInstrumentError`."""
        row = self.table.row_of(instrument)
        place = self._places.get((row, timeframe))
        if place is None:
            raise UnknownInstrumentError(f"no {timeframe} bars of {instrument.key} are built")
        return self._is_affected(row, self._joined[place], period.start_ns, period.end_ns)

    def next_start_ns(self, instrument: Instrument, timeframe: Timeframe) -> int:
        """With `EmptyBars.FLAT`: the start of the first bar of a series that has not closed yet."""
        place = self._places[self.table.row_of(instrument), timeframe]
        return int(self._series_whole[place, kernel.NEXT_START])

    def set_last_close(self, instrument: Instrument, timeframe: Timeframe, price: float) -> None:
        """History knows a later close than the ticks: flat bars go on from it."""
        place = self._places[self.table.row_of(instrument), timeframe]
        self._series_number[place, kernel.LAST_CLOSE] = price

    def auction_price(self, instrument: Instrument, since_ns: int) -> float | None:
        """The last price of the pre-open seen at or after `since_ns`; None while there is none."""
        row = self.table.find(instrument)
        if row is None or row >= len(self._row_whole) or self._row_whole[row, kernel.AUCTION_NS] < since_ns:
            return None
        return float(self._row_number[row, kernel.AUCTION_PRICE]) or None

    @property
    def counts(self) -> TickCounts:
        taken, late, outside, preopen, ahead, impossible, repeated, falls, unwatched = self._counts.tolist()
        return TickCounts(
            taken=taken, late=late, outside=outside, preopen=preopen, ahead=ahead, impossible=impossible,
            repeated=repeated, falls=falls, unwatched=unwatched,
        )  # fmt: skip

    # ------------------------------------------------------------ closing

    def _close(self) -> list[BarClosed]:
        wholes, numbers = [], []
        while self._clock[kernel.DEADLINE] <= self._clock[kernel.WATERMARK]:
            count = self._kernel_close(
                self.settings.lateness_ns, len(self._timeframes), self._windows, self._row_whole, self._series_whole,
                self._series_number, self._slot_whole, self._slot_number, self._clock, self._out_whole, self._out_number,
            )  # fmt: skip
            wholes.append(self._out_whole[:count].copy())
            numbers.append(self._out_number[:count].copy())
        return self._told(np.concatenate(wholes), np.concatenate(numbers)) if wholes else []

    def _told(self, whole: Int64Array, number: Float64Array) -> list[BarClosed]:
        if not len(whole):
            return []
        place = whole[:, kernel.OUT_SERIES]
        length = self._series_whole[place, kernel.LENGTH]
        length = np.where(length == 0, kernel.NEVER, length)
        order = np.lexsort((place, length, whole[:, kernel.OUT_END]))
        rows = self._series_whole[place, kernel.OF_ROW].tolist()
        told = []
        fields, prices = whole.tolist(), number.tolist()
        for i in order.tolist():
            series, start, end, ticks, flawed = fields[i]
            row = rows[i]
            told.append(
                BarClosed(
                    self.table[row],
                    self._timeframes[series],
                    Bar(start, *prices[i]),
                    end,
                    not flawed and not self._is_affected(row, self._joined[series], start, end),
                    ticks,
                )
            )
        forgotten = int(self._clock[kernel.WATERMARK]) - _GAP_MEMORY_NS
        self._gaps = [gap for gap in self._gaps if gap.end_ns > forgotten]
        return told

    def _is_affected(self, row: int, joined_ns: int, start_ns: int, end_ns: int) -> bool:
        if joined_ns > start_ns:
            return True
        return any(
            gap.start_ns < end_ns and start_ns < gap.end_ns and (gap.rows is None or row in gap.rows)
            for gap in self._gaps
        )

    # ------------------------------------------------------------ columns

    def _watch(self, row: int, hours: TradingHours, now_ns: int) -> None:
        self._hours[row] = hours
        whole = self._row_whole[row]
        whole[kernel.WATCHED_NS], whole[kernel.HAS_TOTAL], whole[kernel.TODAY] = now_ns, 0, -1
        whole[kernel.LATEST_NS] = 0
        self._set_calendar(row)

    def _set_calendar(self, row: int) -> None:
        hours = self._hours[row]
        if hours is None:
            return
        if hours not in self._calendars:
            table = _window_table(hours)
            self._calendars[hours] = len(self._windows), len(table)
            self._windows = np.ascontiguousarray(np.concatenate([self._windows, table]))
        first, count = self._calendars[hours]
        columns = kernel.FIRST_WINDOW, kernel.WINDOW_COUNT, kernel.HINT
        self._row_whole[row, columns] = first, count, first

    def _plan_flat(self, place: int) -> None:
        series = self._series_whole[place]
        if series[kernel.FLAT]:
            row = self._row_whole[series[kernel.OF_ROW]]
            now = int(self._clock[kernel.WATERMARK]) - self.settings.lateness_ns
            start, end = self._period_from(
                self._windows, int(row[kernel.FIRST_WINDOW]), int(row[kernel.WINDOW_COUNT]), int(series[kernel.LENGTH]), now
            )  # fmt: skip
            series[kernel.NEXT_START], series[kernel.NEXT_END] = start, end
            if end != kernel.NEVER:
                due = end + self.settings.lateness_ns
                self._clock[kernel.DEADLINE] = min(int(self._clock[kernel.DEADLINE]), due)

    def _grow_rows(self, count: int) -> None:
        if count > len(self._row_whole):
            whole, number = _rows(2 * count)
            whole[: len(self._row_whole)], number[: len(self._row_number)] = self._row_whole, self._row_number
            self._row_whole, self._row_number = whole, number
            self._hours += [None] * (len(whole) - len(self._hours))

    def _new_series(self) -> int:
        place = len(self._timeframes)
        if place == len(self._series_whole):
            grown = _series(2 * place + 8)
            for old, new in zip(
                (self._series_whole, self._series_number, self._slot_whole, self._slot_number),
                grown,
                strict=True,
            ):
                new[: len(old)] = old
            self._series_whole, self._series_number, self._slot_whole, self._slot_number = grown
        self._timeframes.append(Timeframe(1, "d"))
        self._joined.append(0)
        return place


def _rows(count: int) -> tuple[Int64Array, Float64Array]:
    whole = np.zeros((count, kernel.ROW_WHOLE), np.int64)
    whole[:, kernel.HEAD] = -1
    return whole, np.zeros((count, kernel.ROW_NUMBER))


def _series(count: int) -> tuple[Int64Array, Float64Array, Int64Array, Float64Array]:
    whole = np.zeros((count, kernel.SERIES_WHOLE), np.int64)
    whole[:, kernel.OF_ROW] = -1
    slots = count * kernel.SLOTS
    return (
        whole,
        np.zeros((count, kernel.SERIES_NUMBER)),
        np.zeros((slots, kernel.SLOT_WHOLE), np.int64),
        np.zeros((slots, kernel.SLOT_NUMBER)),
    )


def _window_table(hours: TradingHours) -> Int64Array:
    """The columns of `bar_kernel` for these hours."""
    table = np.zeros((len(hours.spans), kernel.WINDOW_COLUMNS), np.int64)
    stopped = -kernel.NEVER
    for i, span in enumerate(hours.spans):
        of_day: Sequence[int] = [
            j for j, each in enumerate(hours.spans) if each.trade_date == span.trade_date
        ]
        first, last = hours.spans[of_day[0]].open_ns, hours.spans[of_day[-1]].close_ns
        preopen = next(
            (each for each in hours.preopens if first - kernel.DAY_LEAD_NS <= each[0] and each[1] <= first),
            (0, 0),
        )
        begins = max(stopped, first - kernel.DAY_LEAD_NS) if i == of_day[0] else span.open_ns
        table[i] = begins, span.open_ns, span.close_ns, span.trade_date.toordinal(), first, last, *preopen
        stopped = span.close_ns
    return table
