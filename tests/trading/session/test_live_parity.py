"""A session on ticks, with late ones and pictures of old trades, against its back-test: equal, trade by trade.

The exchange here is a few lines of its own: a market order fills at the next tick, a resting stop when a tick reaches it.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import CLOSES, HOURS, MINUTE, ONE_MINUTE, OPENS, SECOND, share
from tests.trading.session.fences import no_fence
from trademantra.brokers.paper.market import EventBatch
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.backtest import BacktestInput, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.finer import Finer
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Drop, Enter, LiveFill, LiveSession
from trademantra.engine.matching import on_tick
from trademantra.engine.records import Reason
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.timeline import IST_OFFSET_NS, by_sessions
from trademantra.strategies.registry import load_strategy
from trademantra.trading.feeds.bar_builder import BarBuilder
from trademantra.trading.feeds.ticks import InstrumentTable, Origin, TickBatch
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.live_tape import Gap, LiveTape, read_delivered, read_heard, read_ticks
from trademantra.trading.session.parity import parity
from trademantra.trading.session.tape import write_warm_up
from trademantra.trading.session.trades import write_trades

INFY = share("INFY")
RULES = TradingRules(
    as_live=True, tick=0.05, lot=1.0, cash=200_000.0, allow_short=True, stop=Level.parse("0.2%")
)
STRATEGIES = {
    "ema_cross": {"fast": 2.0, "slow": 5.0},
    "supertrend": {"length": 3.0, "multiplier": 1.0},
    "rsi_reversion": {"length": 3.0},
}
MINUTES = 45


class Desk:
    """One run, its tape, and an exchange that fills at the next tick."""

    def __init__(self, folder, strategy, values, rules=RULES, leave_minute=None):
        self.run = LiveRun(load_strategy(strategy), ["INFY"], MINUTE, values, rules)
        self.folder, self.strategy, self.values, self.rules = folder, strategy, values, rules
        self.leave_minute = leave_minute
        self.tape = LiveTape.open(folder, {0: "INFY"}, OPENS, no_fence, again=False)
        self.builder = BarBuilder(InstrumentTable())
        self.builder.subscribe(INFY, ONE_MINUTE, HOURS, OPENS - SECOND)
        write_warm_up(folder, {})
        self.session = LiveSession(
            (OPENS + IST_OFFSET_NS) // NANOSECONDS_PER_DAY, OPENS, CLOSES, leave_minute
        )
        self.run.warm_up({}, {})
        self.run.on_session(self.session, {})
        self.entry, self.leaving, self.stop, self.minute = None, None, np.nan, OPENS // MINUTE

    def tick(self, received_ns, trade_ns, price, total):
        """The builder first, then the tape, then the exchange: as a market of the desk has them."""
        batch = _batch(received_ns, trade_ns, price, total)
        self.decide(self.builder.take(batch))
        minute = (received_ns - SECOND // 2) // MINUTE
        if minute > self.minute:
            self.minute = minute
            self._carry_out(self.run.on_clock(minute * MINUTE))
        self.tape.feed(_event(received_ns, price))
        held = self.run.position("INFY")
        if self.leaving is not None and held:
            self._fill(-np.sign(held), abs(held), price, self.leaving, received_ns)
        elif held and (price - self.stop) * np.sign(held) <= 0.0:
            self._fill(-np.sign(held), abs(held), price, Reason.STOP, received_ns)
        if self.entry is not None and not self.run.position("INFY"):
            entry, self.entry = self.entry, None
            self._fill(entry.side, entry.quantity, price, Reason.ENTRY, received_ns)
            away = 0.002 * price
            level = price - away if entry.side > 0 else price + away
            self.stop = on_tick(0.05, -entry.side, level)

    def decide(self, closed):
        for each in closed:
            self.tape.deliver("INFY", each.bar)
            self._carry_out(self.run.on_bars([("INFY", each.bar)]))

    def end(self, now_ns, gaps=()):
        for gap in gaps:
            self.tape.missing(gap)
        self.tape.write(now_ns)
        write_trades(self.folder, {"run": self.run.trades()})
        source = StrategySource.shipped(self.strategy)
        spec = RunSpec(
            run_id="run",
            strategy=source,
            symbols=("INFY",),
            timeframe=ONE_MINUTE,
            rules=self.rules,
            values=self.values,
        )
        SessionFacts(
            session_id="s", account_id="p", mode="paper", is_replay=False, timeframe=ONE_MINUTE, instruments={"INFY": INFY},
            runs=[RunFacts(run_id="run", strategy=source, symbols=("INFY",), values=self.values, rules=self.rules,
                           parameters_hash=spec.parameters_hash)],
            spans=HOURS.spans, begin_ns=OPENS, lateness_ns=SECOND // 2, leave_minute=self.leave_minute, bars_per_year=252.0,
            costs="none", product="MIS", source="test",
        ).write(self.folder)  # fmt: skip

    def _fill(self, side, quantity, price, reason, at_ns):
        if reason is not Reason.ENTRY:
            self.leaving = None
        self._carry_out(self.run.on_fill(LiveFill("INFY", int(side), float(quantity), price, reason, at_ns)))

    def _carry_out(self, wants):
        for want in wants:
            if isinstance(want, Enter):
                self.entry = want
            elif isinstance(want, Drop):
                self.entry = None
            else:
                self.leaving = want.reason


def _batch(received_ns, trade_ns, price, total):
    def whole(value):
        return np.array([value], np.int64)

    return TickBatch(
        row=whole(0), at_ns=whole(trade_ns), trade_ns=whole(trade_ns), received_ns=whole(received_ns),
        price=np.array([price]), total=np.array([total]), quantity=np.array([1.0]), open_interest=np.array([-1.0]),
        origin=np.full(1, Origin.STREAM, np.uint8),
    )  # fmt: skip


def _event(at_ns, price):
    prices = [np.array([price]) for _ in range(4)]
    return EventBatch(np.zeros(1, np.int64), np.array([at_ns]), *prices, np.ones(1), np.array([np.nan]))


def _ticks(seed, per_minute):
    """Trades some of which are told late, across the end of their minute, and pictures of the last one."""
    random = np.random.default_rng(seed)
    count = MINUTES * per_minute
    received = np.sort(random.integers(OPENS + SECOND, OPENS + MINUTES * MINUTE, count))
    late = np.where(random.random(count) < 0.3, random.integers(0, 2 * SECOND, count), 0)
    prices = np.round((1_000 + np.cumsum(random.normal(0, 0.8, count))) / 0.05) / 20
    totals = 100.0 + np.cumsum(random.random(count) < 0.8)
    return zip(received.tolist(), (received - late).tolist(), prices.tolist(), totals.tolist(), strict=True)


def _played(folder, strategy, seed, per_minute, **how):
    desk = Desk(folder, strategy, STRATEGIES[strategy], **how)
    for tick in _ticks(seed, per_minute):
        desk.tick(*tick)
    return desk


@settings(max_examples=25, deadline=None)
@example("rsi_reversion", 1358, 1, False)  # two fills in the bar that the end of the session cut off
@given(
    st.sampled_from(sorted(STRATEGIES)), st.integers(0, 10_000), st.sampled_from([1, 4, 40]), st.booleans()
)
def test_a_session_on_ticks_and_its_backtest_trade_alike(
    tmp_path_factory, strategy, seed, per_minute, leaves
):
    folder = tmp_path_factory.mktemp("session")
    # of a square-off after minutes without a trade, the back-test does not know where in them it was
    leave_minute = 30 if leaves and per_minute == 40 else None
    desk = _played(folder, strategy, seed, per_minute, leave_minute=leave_minute)
    desk.end(OPENS + MINUTES * MINUTE)
    found = parity(folder)
    assert [each.text for each in found.differences] == []
    assert found.trades == len(desk.run.trades())


def test_the_session_of_the_proof_trades_and_has_late_ticks(tmp_path):
    desk = _played(tmp_path, "supertrend", 7, 40)
    desk.end(OPENS + MINUTES * MINUTE)
    found = parity(tmp_path)
    assert found.is_identical
    assert found.trades > 3
    assert 0 < found.late_bars <= found.bars == MINUTES - 1
    assert Reason.STOP in {trade.reason for trade in desk.run.trades()}


@pytest.mark.parametrize("what", ["price", "count"])
def test_another_tape_is_not_identical(tmp_path, what):
    desk = _played(tmp_path, "supertrend", 7, 40)
    desk.end(OPENS + MINUTES * MINUTE)
    name = "events-000001.parquet" if what == "price" else "bars-000001.parquet"
    frame = pl.read_parquet(tmp_path / name)
    changed = pl.col("close") + 0.05 if what == "price" else (pl.col("fed") - 1).clip(0)
    frame.with_columns(changed.alias("close" if what == "price" else "fed")).write_parquet(tmp_path / name)
    assert not parity(tmp_path).is_identical


def test_trades_over_a_gap_are_not_judged(tmp_path):
    desk = Desk(tmp_path, "supertrend", STRATEGIES["supertrend"])
    begin_ns, end_ns = OPENS + 15 * MINUTE, OPENS + 25 * MINUTE
    for tick in _ticks(7, 40):
        if begin_ns <= tick[0] < end_ns:  # the exchange went on, and the tape did not
            kept, desk.tape = desk.tape, LiveTape(tmp_path / "nowhere", {0: "INFY"}, no_fence)
            desk.tick(*tick)
            desk.tape = kept
        else:
            desk.tick(*tick)
    desk.end(OPENS + MINUTES * MINUTE, [Gap(begin_ns, end_ns)])
    found = parity(tmp_path)
    assert found.is_identical
    assert found.away
    assert "the desk was away from 2026-11-20 09:30:00 to 2026-11-20 09:40:00" in found.gaps[0]


def test_what_was_written_before_a_crash_is_there_and_counted_on(tmp_path):
    first = Desk(tmp_path, "supertrend", STRATEGIES["supertrend"])
    ticks = list(_ticks(7, 40))
    for tick in ticks[:900]:
        first.tick(*tick)
    first.tape.write(ticks[899][0])
    for tick in ticks[900:950]:
        first.tick(*tick)  # lost with the process
    tape = LiveTape.open(tmp_path, {0: "INFY"}, ticks[949][0], no_fence, again=True)
    tape.feed(_event(ticks[950][0], 1_000.0))
    tape.write(ticks[950][0])
    assert len(read_ticks(tmp_path)["INFY"]) == 901
    assert read_heard(tmp_path).gaps == [Gap(ticks[899][0], ticks[949][0])]
    assert read_delivered(tmp_path)["INFY"].fed[-1] <= 900


def test_finer_bars_laid_by_hand_must_belong_to_the_bars():
    bars = Bars.of([OPENS, OPENS + MINUTE], [10.0, 11.0], [12.0, 12.0], [9.0, 9.0], [11.0, 11.0], [5.0, 5.0])
    timelines = {"X": by_sessions(bars.ts, HOURS.spans)}
    finer = Finer(np.full((5, 3), 10.0), np.array([0, 2, 4]))
    with pytest.raises(InvalidValueError, match="do not belong"):
        backtest(load_strategy("supertrend"), BacktestInput({"X": bars}, timelines, laid={"X": finer}))
