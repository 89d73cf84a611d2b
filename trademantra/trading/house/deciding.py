"""From what markets bring to orders: strategies are asked, what they want is placed, and they are told what became of it."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial

from trademantra.brokers.paper.market import EventBatch
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.engine.live.wants import Enter, Want
from trademantra.engine.ticks import Tick
from trademantra.trading.accounts.settings import Broker
from trademantra.trading.feeds.bar_rules import BarClosed
from trademantra.trading.feeds.ticks import TickBatch
from trademantra.trading.house.pictures import Pictures
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.house.too_late import DECIDES_NS, ways_out
from trademantra.trading.risk.state import RiskState
from trademantra.trading.runner.run_log import TicksTold
from trademantra.trading.runner.runs import ClosedBar
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.lockstep import settle


class Deciding:
    """Of one desk.  `rooms` and `run_of` (the session of each run) are those of the house, as they are at the time.

    `seconds` is a real clock that never goes back.
    """

    def __init__(
        self,
        rooms: Mapping[str, AccountRoom],
        run_of: Mapping[str, StrategySession],
        workers: StrategyWorkers,
        state: RiskState,
        seconds: Callable[[], float],
    ) -> None:
        self._rooms, self._run_of, self._workers, self._state = rooms, run_of, workers, state
        self._seconds = seconds
        self._pictures: dict[str, Pictures] = {}
        self._heard_ns: dict[str, int] = {}  # when the last tick of each source came
        self._late: set[asyncio.Task[None]] = set()

    async def bars(
        self, source: str, closed: Sequence[BarClosed], overtaken: Collection[BarClosed] = ()
    ) -> None:
        """Bars that ended at one instant: every strategy that wants them decides, and it is carried out.

        Bars that were fetched after the feed was away are told all the same, and nothing is entered on those that ended long
        ago, or are `overtaken`, having newer ones behind them already: an old decision would meet the price of now.
        """
        ended_ns = max((each.end_ns for each in closed), default=0)
        old = closed if self._heard_ns.get(source, 0) - ended_ns > DECIDES_NS else overtaken
        too_old = {(each.instrument.key, each.timeframe) for each in old if each.end_ns == ended_ns}
        told = [(session, session.fresh(closed)) for session in self._heard_from(source)]
        for together, run_ids in _who_hears([(session, bars) for session, bars in told if bars]):
            bars = [ClosedBar(each.instrument.symbol, each.timeframe, each.bar) for each in together]
            decided: Mapping[str, Sequence[Want]] = await self._workers.decide(bars, run_ids)
            if too_old:
                decided = {
                    run_id: await self._without_old_entries(run_id, wants, too_old, ended_ns)
                    for run_id, wants in decided.items()
                }
            await self.carry_out(decided)

    async def _without_old_entries(
        self, run_id: str, wants: Sequence[Want], too_old: Collection[tuple[str, Timeframe]], ended_ns: int
    ) -> Sequence[Want]:
        """`too_old`: series of which an old bar was told, by the keys of their instruments."""
        session = self._run_of.get(run_id)  # it may have ended since it was asked
        if session is None or not any(
            (instrument.key, session.spec.timeframe) in too_old
            for instrument in session.spec.instruments.values()
        ):
            return wants
        if any(isinstance(want, Enter) for want in wants):
            session.came_late(run_id, ended_ns)
        return await ways_out(self._workers, run_id, wants)

    def _sessions_of(self, source: str) -> Sequence[StrategySession]:
        return [session for session in self._heard_from(source) if session.is_open]

    def _heard_from(self, source: str) -> Sequence[StrategySession]:
        """Also those that are being opened."""
        return [
            session
            for session in dict.fromkeys(self._run_of.values())
            if session.spec.account_id in self._rooms
            and self._rooms[session.spec.account_id].account.feed == source
        ]

    async def minute(self, source: str, at_ns: int) -> None:
        """A minute began: runs that wait for times are told."""
        for session in self._sessions_of(source):
            await self.carry_out(await session.minute(at_ns))

    def hear_ticks(self, source: str, pictures: Pictures) -> None:
        """Strategies on this source that want single prices are told them from these."""
        self._pictures[source] = pictures

    def feed_lost(self, source: str, since_ns: int) -> None:
        """Nothing was heard since then: what was not told yet is old."""
        if source in self._pictures:
            self._pictures[source].lost(since_ns)

    def news_waits(self, source: str) -> bool:
        """Whether a strategy was not told of the last ticks yet."""
        return self._pictures[source].has_news(self._hearing(source))

    async def ticks(self, source: str, batch: TickBatch | None) -> bool:
        """Ticks that were fed to the exchange, or None: strategies whose time has come decide on the newest prices."""
        if batch is not None and len(batch):
            self._heard_ns[source] = int(batch.received_ns[-1])
        hearing, pictures = self._hearing(source), self._pictures[source]
        for run_id in hearing:
            pictures.begin(run_id)
        if batch is not None and hearing:
            pictures.take(batch, {row for rows in hearing.values() for row in rows})
        self._reap()
        told = {run_id: ticks for run_id, rows in hearing.items() if (ticks := pictures.due(run_id, rows))}
        if not told:
            return False
        asked = {
            run_id: asyncio.create_task(self._tell_ticks(pictures, run_id, ticks))
            for run_id, ticks in told.items()
        }
        paper = {task for run_id, task in asked.items() if self._is_paper(run_id)}
        if paper:  # what it wants is placed before the next price, whatever that takes: parity compares it so
            await asyncio.wait(paper)
        if len(paper) < len(asked):
            await asyncio.wait(asked.values(), timeout=pictures.settings.waits_seconds)
        late = {run_id: task for run_id, task in asked.items() if not task.done()}
        decided = {run_id: task.result() for run_id, task in asked.items() if run_id not in late}
        for (
            run_id,
            task,
        ) in late.items():  # prices that others live by do not wait: its orders come when it has decided
            self._late.add(asyncio.create_task(self._carry_out_late(run_id, task)))
        await self._carry_out_ticks(decided)
        return True

    async def _tell_ticks(self, pictures: Pictures, run_id: str, ticks: tuple[Tick, ...]) -> list[Want]:
        tape, began = self._run_of[run_id].tape, self._seconds()
        try:
            return await self._workers.tick(run_id, TicksTold(0 if tape is None else tape.fed, ticks))
        finally:
            pictures.answered(run_id, began)

    def _is_paper(self, run_id: str) -> bool:
        room = self._rooms.get(self._run_of[run_id].spec.account_id)
        return room is not None and room.account.broker is Broker.PAPER

    async def _carry_out_ticks(self, decided: Mapping[str, Sequence[Want]]) -> None:
        await self.carry_out(decided)
        sessions = [
            self._run_of[run_id] for run_id, wants in decided.items() if wants and run_id in self._run_of
        ]
        for session in dict.fromkeys(sessions):
            session.keep_logs()  # what led to an order outlives a crash, also within this second

    async def _carry_out_late(self, run_id: str, task: "asyncio.Task[list[Want]]") -> None:
        await self._carry_out_ticks({run_id: await task})

    def _reap(self) -> None:
        """Errors: those of decisions that came late."""
        for task in [task for task in self._late if task.done()]:
            self._late.discard(task)
            task.result()

    def _hearing(self, source: str) -> Mapping[str, Collection[int]]:
        """Runs that hear ticks, in their hours, with the rows of their instruments."""
        now_ns = self._heard_ns.get(source, 0)
        return {
            run_id: session.rows_of(run_id)
            for session in self._sessions_of(source)
            if session.is_in_hours(now_ns)
            for run_id in session.hearing
            if run_id not in session.stopped and session.hears(run_id)
        }

    async def carry_out(self, decided: Mapping[str, Sequence[Want]]) -> None:
        """Place what runs decided, each in its account."""
        by_room: dict[str, dict[str, Sequence[Want]]] = {}
        for run_id, wants in decided.items():
            session = self._run_of.get(run_id)  # it may have ended since it was asked
            if session is None or session.keeps_back({run_id: wants}):
                continue
            if wants and session.spec.account_id in self._rooms:
                by_room.setdefault(session.spec.account_id, {})[run_id] = wants
        for account_id, mine in by_room.items():
            await self._rooms[account_id].conductor.carry_out(mine)

    def price(
        self,
        instrument: Instrument,
        last: float,
        high: float,
        low: float,
        volume: float,
        bid: float,
        ask: float,
        at_ns: int,
    ) -> None:
        """A price, for limits and for what protects."""
        self._state.price(instrument.key, Decimal(str(last)), at_ns)
        for room in self._rooms.values():
            room.algos.on_price(instrument, last, high, low, volume, bid, ask, at_ns)

    def tape(self, source: str, events: EventBatch) -> None:
        """What a paper exchange was fed: sessions keep it."""
        for session in self._sessions_of(source):
            if session.tape is not None:
                session.tape.feed(events)

    async def settled(self) -> None:
        """Paper accounts wait until all is done; strategies of every account are told of their fills."""
        while True:
            for room in list(self._rooms.values()):
                if room.account.broker is Broker.PAPER:
                    await settle(room.journal, room.algos, (partial(_is_busy, room),))
            with_news = [room for room in self._rooms.values() if room.conductor.has_news]
            if not with_news:
                return
            for room in with_news:
                await room.conductor.tell_runs()


def _is_busy(room: AccountRoom) -> bool:
    return room.is_busy


def _who_hears(
    told: Sequence[tuple[StrategySession, Sequence[BarClosed]]],
) -> Sequence[tuple[Sequence[BarClosed], Sequence[str]]]:
    """Bars with the runs that they are for: all at once where symbols say it, which is almost always."""
    together = list({id(each): each for _, bars in told for each in bars}.values())
    series = {(each.instrument.symbol, each.timeframe) for each in together}
    alike = len(series) == len(together) and all(
        len(bars)
        == sum(
            each.timeframe == session.spec.timeframe and each.instrument.symbol in session.spec.instruments
            for each in together
        )
        for session, bars in told
    )
    if alike:
        return [(together, [run_id for session, _ in told for run_id in session.run_ids])]
    return [(bars, session.run_ids) for session, bars in told]
