"""A strategy on daily bars at a running desk: decided at the close of a day, done at the open of the next."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from trademantra.core.errors import InvalidValueError
from trademantra.core.order import Product
from trademantra.core.time import ist_date
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveFill, Want
from trademantra.trading.house.daily_history import DAY, day_before, day_of, past_of
from trademantra.trading.house.mornings import Mornings, uncarried
from trademantra.trading.house.session_record import booked
from trademantra.trading.house.session_spec import SessionParts, SessionSpec, SessionTimes
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.house.too_late import DECIDES_NS
from trademantra.trading.house.unordered import is_carried_out
from trademantra.trading.runner.run_log import FillTold, LogEntry, SessionBegan, WarmUp
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.session.tape import read_warm_up


def session_for(spec: SessionSpec, parts: SessionParts) -> StrategySession:
    """The kind of session that its bars ask for.  Errors: those of `check_daily`."""
    if spec.timeframe.is_intraday:
        return StrategySession(spec, parts)
    check_daily(spec)
    return DailySession(spec, parts)


def check_daily(spec: SessionSpec) -> None:
    """Errors: `InvalidValueError` for what daily bars cannot do."""
    if spec.timeframe.is_intraday:
        return
    if spec.timeframe != DAY:
        raise InvalidValueError(
            f"bars of {spec.timeframe} are not traded live",
            hint="1d is the longest; tm backtest runs on longer ones",
        )
    if spec.product is Product.MIS:
        raise InvalidValueError(
            "daily bars are decided on after the close, and an MIS position is closed before it",
            hint="carry positions: --costs zerodha:CNC for shares, zerodha:NRML for derivatives; or an intraday --timeframe",
        )
    times = spec.times or SessionTimes()
    if spec.leave_minute is not None or times.leave is not None or times.squares_off is not None:
        raise InvalidValueError(
            f"{spec.strategy.name} leaves within the day, and a daily bar is known only after it",
            hint="take an intraday --timeframe",
        )
    minutes = (spec.first_entry_minute, spec.last_entry_minute, times.first_entry, times.last_entry)
    if any(each is not None for each in minutes):
        raise InvalidValueError(
            "orders of daily bars go at the open: first_entry and last_entry say nothing",
            hint="leave them out",
        )


class DailySession(StrategySession):
    """See `StrategySession`; its days begin as `Mornings` says."""

    def __init__(self, spec: SessionSpec, parts: SessionParts) -> None:
        super().__init__(spec, parts)
        self._mornings = Mornings(
            spec, parts, self._waiting, self._history.live_session, self._auction, self._deliver_bar
        )
        self._timeframes = ()

    def hears(self, run_id: str) -> bool:
        day = self._day
        return day is not None and self._mornings.has_begun(run_id, day.span)

    async def minute(self, at_ns: int) -> Mapping[str, Sequence[Want]]:
        """A day is one bar: it has no moments after its open."""
        day = self._day
        return await super().minute(at_ns) if day is not None and at_ns <= day.span.open_ns else {}

    async def close(self) -> None:
        await self._mornings.close()
        await super().close()

    async def abandon(self) -> None:
        await self._mornings.close()
        await super().abandon()

    async def _past(self, began_ns: int | None, now_ns: int) -> tuple[WarmUp, Mapping[str, Bars]]:
        """Up to the last day whose successor had opened when the session began: the day after that is decided on."""
        if began_ns is not None:  # as it was: a broker adjusts its history
            warm_up = past_of(read_warm_up(self._parts.folder))
        else:
            instrument = self.spec.clock
            today = ist_date(now_ns)
            last = day_before(instrument, today)
            span = day_of(instrument, today)
            if last is not None and (span is None or now_ns < span.open_ns + DECIDES_NS):
                last = day_before(instrument, last)
            if last is None:
                raise InvalidValueError(f"the trading days before {today} are not known")
            warm_up = await self._mornings.history.warm_up(last)
        newest = max((int(bars.ts[-1]) for bars in warm_up.bars.values()), default=began_ns or now_ns)
        self._history.first_day = ist_date(newest) + timedelta(days=1)
        return warm_up, {}

    def _kept_log(self, run_id: str) -> list[LogEntry]:
        """Without what was decided for this morning and never carried out: it is decided again."""
        log, today = self._logs.read(run_id), self._day
        instrument = self.spec.clock
        last = None if today is None else day_before(instrument, today.span.trade_date)
        if today is None or last is None:
            return log
        span, session = day_of(instrument, last), self._history.live_session(today.span)
        if is_carried_out(self.spec, self._runs[run_id], self._parts.room, self._logs, session):
            return log
        place = uncarried(log, session, session.open_ns if span is None else span.open_ns)
        if place < len(log):
            log = log[:place]
            self._logs.cut(run_id, log)
        return log

    def _since(self, run: RunSpec, log: Sequence[LogEntry], missed: Mapping[str, Bars]) -> list[LogEntry]:
        return list(log)

    def _taken_up(self, run: RunSpec, warm_up: WarmUp, log: Sequence[LogEntry]) -> None:
        self._mornings.add(run.run_id, run.symbols, warm_up, log)
        if not self.hears(run.run_id):  # the first look lets go again where the open is far
            self._parts.room.conductor.hold(run.run_id)

    async def _tell_missed(
        self, logs: Mapping[str, Sequence[LogEntry]], heard: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Fills of days that a run has not begun wait until it has been told of the days before them."""
        await self._parts.room.journal.drained()
        for run_id, run in self._runs.items():
            if self.hears(run_id):
                await self._tell_missed_of(run_id, logs[run_id], heard[run_id])
                continue
            closes = [entry.session.close_ns for entry in logs[run_id] if isinstance(entry, SessionBegan)]
            fills: list[LiveFill] = []
            for symbol in run.symbols:
                told = sum(isinstance(each, FillTold) and each.fill.symbol == symbol for each in logs[run_id])
                fills += (await booked(self.spec, self._parts, symbol, heard[run_id]))[told:]
            fills.sort(key=lambda fill: fill.at_ns)
            later = [fill for fill in fills if not closes or fill.at_ns > closes[-1]]
            for fill in fills[: len(fills) - len(later)]:
                await self._place({run_id: await self._parts.workers.fill(run_id, fill)})
            self._mornings.tell_later(run_id, later, run.symbols)

    async def _look_at_day(self, now_ns: int) -> None:
        await self._mornings.look(now_ns, None if self._day is None else self._day.span, self.stopped)
        day = self._day
        if day is not None and not day.told and any(self.hears(run_id) for run_id in self._runs):
            day.told = True
            self._write_facts()
