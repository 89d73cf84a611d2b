"""What a live run promises besides its trades: restored by replay, careful with fills that nobody waits for, plain errors."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.live.callbacks import Rotator
from tests.engine.live.exchange import MINUTE, bar_of, replay
from tests.engine.live.parity import A_YEAR, CNC, LIVE, MIS
from tests.engine.live.tapes import days_of, walks
from tests.engine.live.test_random_parity import SPOKEN
from tests.engine.scripted import LONG, OUT, SHORT, Word
from tests.strategies.tape import LIVELY
from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import Strategy
from trademantra.engine.events import BarView, Context, EventStrategy
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Drop, Enter, Leave, LiveFill, LiveSession, Want
from trademantra.engine.records import EntryKind, Reason
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.engine.timeline import by_days
from trademantra.strategies.registry import load_strategy

OPEN = 20_500 * 86_400 * 10**9 + 225 * MINUTE
CLOSE = OPEN + 375 * MINUTE
DAY = LiveSession(20_500, OPEN, CLOSE)
TEN = replace(LIVE, size=Size.parse("quantity:10"))


def spoken(rules: TradingRules = TEN, session: LiveSession = DAY) -> LiveRun:
    """A run of one-minute bars on ONE that does what the volume of a bar says; see `test_random_parity`."""
    run = LiveRun(SPOKEN, ["ONE"], MINUTE, {}, rules)
    run.warm_up({}, {})
    assert run.on_session(session, {}) == []
    return run


def say(run: LiveRun, at: int, word: Word | int = 0, price: float = 100.0) -> list[Want]:
    packed = (Word(word) if isinstance(word, int) else word).packed()
    return run.on_bars([("ONE", Bar(OPEN + at * MINUTE, price, price, price, price, float(packed)))])


def filled(side: int, quantity: float, price: float, reason: Reason, minute: float) -> LiveFill:
    return LiveFill("ONE", side, quantity, price, reason, OPEN + int(minute * MINUTE))


# ---- restored by replay ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "values"),
    [
        ("supertrend", 1, LIVELY["supertrend"]),
        ("opening_range_breakout", 1, LIVELY["opening_range_breakout"]),
        ("rotator", 3, {"own": 1.0}),
        ("dual_momentum", 4, {"lookback": 12, "top": 2, "every": 7}),
    ],
)
def test_a_run_is_restored_by_replaying_what_it_was_told(
    name: str, count: int, values: dict[str, float]
) -> None:
    strategy: Strategy = Rotator if name == "rotator" else load_strategy(name)
    allocates = name == "dual_momentum"
    rules = replace(LIVE, size=Size.parse("equity:0.5")) if allocates else replace(
        LIVE, stop=Level.parse("1atr"), trail=Level.parse("0.8%"), size=Size.parse("equity:0.5")
    )  # fmt: skip
    days = days_of(walks(count, 7, seed=31), 2, 5, leave=None if allocates else 360, seed=4)

    def fresh() -> LiveRun:
        return LiveRun(strategy, list(days.bars), days.timeframe_ns, values, rules, MIS, A_YEAR)

    trader = replay(fresh(), days, rules)
    assert len(trader.run.trades()) > 2
    cut = int(0.6 * len(trader.log))
    restored, first = fresh(), fresh()
    for call in trader.log[:cut]:
        call(first)
        call(restored)
    assert restored.trades() == first.trades()
    assert restored.equity == first.equity
    after = [(repr(call(first)), repr(call(restored))) for call in trader.log[cut:]]
    assert all(a == b for a, b in after)
    assert restored.trades() == trader.run.trades()
    assert restored.equity == trader.run.equity


# ---- what is asked for -------------------------------------------------------------------------------------


def test_an_entry_is_asked_for_once_and_replaced_by_drop_and_enter() -> None:
    run = spoken()
    [enter] = say(run, 0, Word(LONG, limit=-10))
    assert isinstance(enter, Enter)
    assert (enter.side, enter.quantity, enter.kind, enter.price, enter.reference) == (
        1,
        10.0,
        EntryKind.LIMIT,
        99.5,
        100.0,
    )
    assert say(run, 1) == []
    assert say(run, 2, Word(LONG, limit=-10)) == []  # the same order: it keeps its place in the queue
    drop, other = say(run, 3, Word(LONG, limit=-20))
    assert drop == Drop("ONE")
    assert isinstance(other, Enter)
    assert other.price == 99.0
    assert say(run, 4, OUT) == [Drop("ONE")]
    assert say(run, 5, OUT) == []


def test_levels_are_on_the_tick_before_they_are_asked_for() -> None:
    rules = replace(TEN, stop=Level.parse("1%"), trail=Level.parse("0.33pt"))
    run = spoken(rules)
    [enter] = say(run, 0, Word(SHORT, stop=7, target=-9), 100.03)
    assert isinstance(enter, Enter)
    assert enter.protection.stop == 100.35  # 100.38, of a buyer: down
    assert enter.protection.target == 99.55  # 99.58, of a buyer: down
    assert (enter.protection.stop_rule, enter.protection.trail) == (rules.stop, rules.trail)
    assert isnan(enter.price)
    assert enter.kind is EntryKind.MARKET


def test_a_reversal_leaves_before_it_enters_and_is_sized_as_if_flat() -> None:
    run = spoken(replace(LIVE, size=Size.parse("equity:1"), cash=1_000.0))
    [enter] = say(run, 0, LONG)
    assert isinstance(enter, Enter)
    assert enter.quantity == 10.0
    assert run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1)) == []
    leave, back = say(run, 1, SHORT)
    assert leave == Leave("ONE", Reason.SIGNAL) or isnan(leave.quantity)  # type: ignore[union-attr]
    assert isinstance(back, Enter)
    assert (back.side, back.quantity) == (-1, 10.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10)), max_size=8))
def test_the_fills_of_a_reversal_may_come_in_any_order(news: list[tuple[bool, int]]) -> None:
    """What closes and what enters are the same units: after all of them the run is short, and wants nothing more."""
    run = spoken(replace(TEN, stop=Level.parse("5pt")))
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    assert len(say(run, 1, SHORT)) == 2
    left = {True: 10, False: 10}  # of the entry, of the exit
    for is_entry, asked in (*news, (True, 10), (False, 10)):
        quantity = min(asked, left[is_entry])
        if quantity:
            left[is_entry] -= quantity
            reason = Reason.ENTRY if is_entry else Reason.SIGNAL
            assert run.on_fill(filled(-1, float(quantity), 101.0, reason, 2)) == []
            assert run.position("ONE") == left[True] + left[False] - 10
    assert [(trade.quantity, trade.gross) for trade in run.trades()] == [(10.0, 10.0)]
    assert say(run, 2) == []
    assert len(say(run, 3, LONG)) == 2
    for reason in (Reason.SIGNAL, Reason.ENTRY):  # nothing of the first time is left over
        assert run.on_fill(filled(1, 10.0, 100.0, reason, 4)) == []
    assert run.position("ONE") == 10.0


def test_a_surplus_after_a_dropped_reversal_is_left() -> None:
    run = spoken()
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    say(run, 1, SHORT)
    run.on_fill(filled(-1, 10.0, 100.0, Reason.ENTRY, 2))
    run.on_entry_gone("ONE", "the rest was cancelled")
    [leave] = run.on_fill(filled(-1, 10.0, 100.0, Reason.SIGNAL, 2.1))
    assert isinstance(leave, Leave)


def test_exits_carry_their_reason_and_are_asked_for_once() -> None:
    run = spoken(replace(TEN, time_exit=2))
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    assert say(run, 1) == []
    [leave] = say(run, 2)
    assert isinstance(leave, Leave)
    assert leave.reason is Reason.TIME
    assert say(run, 3, OUT) == []
    assert run.on_fill(filled(-1, 10.0, 101.0, Reason.TIME, 4)) == []
    [trade] = run.trades()
    assert (trade.reason, trade.gross, trade.entry_ns, trade.exit_ns) == (Reason.TIME, 10.0, OPEN + MINUTE, OPEN + 4 * MINUTE)  # fmt: skip
    assert run.position("ONE") == 0.0
    assert run.equity == LIVE.cash + 10.0


def test_a_resting_entry_expires() -> None:
    run = spoken(replace(TEN, entry_valid=2))
    say(run, 0, Word(LONG, limit=-10))
    assert say(run, 1) == []
    assert say(run, 2) == [Drop("ONE")]


def test_a_resting_addition_expires_beside_its_position() -> None:
    run = spoken(replace(TEN, entry_valid=2, max_entries=2))
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    assert len(say(run, 1, Word(LONG, limit=-10))) == 1
    assert say(run, 2) == []
    assert say(run, 3) == [Drop("ONE")]


@pytest.mark.parametrize("by_bar", [True, False])
def test_square_off_comes_with_the_bar_before_it_or_with_the_clock(by_bar: bool) -> None:
    run = spoken(session=replace(DAY, leave_minute=5, last_entry_minute=4))
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    for at in (1, 2, 3):
        assert say(run, at) == []
        assert run.on_clock(OPEN + (at + 1) * MINUTE) == []
    made = say(run, 4) if by_bar else run.on_clock(OPEN + 5 * MINUTE)
    assert [want.reason for want in made if isinstance(want, Leave)] == [Reason.SQUARE_OFF]
    assert run.on_clock(OPEN + 5 * MINUTE) == []
    assert say(run, 5, SHORT) == []  # nothing is let in any more


def test_no_entry_is_decided_at_the_cut_off() -> None:
    run = spoken(session=replace(DAY, leave_minute=8, last_entry_minute=4))
    assert say(run, 3, LONG) == []
    assert len(say(spoken(session=replace(DAY, leave_minute=8, last_entry_minute=4)), 2, LONG)) == 1


# ---- fills as exchanges send them --------------------------------------------------------------------------


def test_fills_in_parts_are_one_trade() -> None:
    run = spoken(replace(TEN, stop=Level.parse("1pt")))
    say(run, 0, LONG)
    assert run.on_fill(filled(1, 4.0, 100.0, Reason.ENTRY, 1)) == []
    assert run.on_fill(filled(1, 6.0, 101.0, Reason.ENTRY, 1.2)) == []
    assert run.on_fill(filled(-1, 3.0, 99.0, Reason.STOP, 2)) == []  # the stop goes on by itself
    assert say(run, 1) == []
    assert run.on_fill(filled(-1, 7.0, 98.0, Reason.STOP, 2.1)) == []
    [trade] = run.trades()
    assert (trade.quantity, trade.entry_price, trade.exit_price) == (
        10.0,
        pytest.approx(100.6),
        pytest.approx(98.3),
    )
    assert trade.reason is Reason.STOP


def test_a_target_that_begins_to_fill_drops_the_rest_of_its_entry() -> None:
    run = spoken()
    say(run, 0, LONG)
    run.on_fill(filled(1, 4.0, 100.0, Reason.ENTRY, 1))
    assert run.on_fill(filled(-1, 1.0, 103.0, Reason.TARGET, 1.5)) == [Drop("ONE")]
    assert run.position("ONE") == 3.0


def test_what_was_dropped_and_fills_all_the_same_is_booked_and_left() -> None:
    run = spoken()
    say(run, 0, Word(LONG, limit=-10))
    assert say(run, 1, OUT) == [Drop("ONE")]
    [leave] = run.on_fill(filled(1, 10.0, 99.5, Reason.ENTRY, 2))
    assert isinstance(leave, Leave)
    assert run.position("ONE") == 10.0
    assert run.on_fill(filled(-1, 10.0, 99.0, Reason.SIGNAL, 2.5)) == []
    assert [trade.gross for trade in run.trades()] == [-5.0]


def test_two_exits_that_both_fill_are_booked_and_the_surplus_is_left() -> None:
    run = spoken()
    say(run, 0, LONG)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1))
    assert run.on_fill(filled(-1, 10.0, 99.0, Reason.STOP, 1.5)) == []
    [leave] = run.on_fill(filled(-1, 10.0, 103.0, Reason.TARGET, 1.6))
    assert isinstance(leave, Leave)
    assert run.position("ONE") == -10.0
    run.on_fill(filled(1, 10.0, 102.0, Reason.SIGNAL, 2))
    assert [trade.gross for trade in run.trades()] == [-10.0, 10.0]
    assert run.equity == LIVE.cash


def test_a_late_fill_belongs_to_the_bar_in_which_it_happened() -> None:
    run = spoken()
    say(run, 0, LONG)
    say(run, 1)
    say(run, 2)
    run.on_fill(filled(1, 10.0, 100.0, Reason.ENTRY, 1.4))
    run.on_fill(filled(-1, 10.0, 100.0, Reason.STOP, 3.4))
    [trade] = run.trades()
    assert (trade.entry_ns, trade.exit_ns) == (OPEN + MINUTE, OPEN + 3 * MINUTE)


def test_an_entry_that_is_gone_is_forgotten_and_counted() -> None:
    run = spoken()
    say(run, 0, Word(LONG, limit=-10))
    assert run.on_entry_gone("ONE", "rejected: margin") == []
    assert run.refused == 1
    [enter] = say(run, 1, Word(LONG, limit=-10))
    assert isinstance(enter, Enter)


def test_entries_of_a_portfolio_leave_each_other_what_they_need() -> None:
    """Two markets decided at one close share the cash; at the fill nothing is cut."""
    days = days_of(walks(2, 2, seed=77), 1, 5)
    run = LiveRun(
        _BuysAll, list(days.bars), days.timeframe_ns, {}, replace(LIVE, size=Size.parse("equity:0.7")), CNC
    )
    run.warm_up(*days.before())
    run.on_session(days.sessions[0], {})
    i = int(np.searchsorted(days.bars["S0"].ts, days.begin_ns))
    one, two = run.on_bars([(symbol, bar_of(bars, i)) for symbol, bars in days.bars.items()])
    assert isinstance(one, Enter)
    assert isinstance(two, Enter)
    assert one.quantity * one.reference == pytest.approx(0.7 * LIVE.cash, rel=0.01)
    assert two.quantity * two.reference == pytest.approx(0.3 * LIVE.cash, rel=0.01)


class _BuysAll(EventStrategy):
    name = "buys_all"
    title = idea = source = market = ""

    def on_bar(self, context: Context, bar: BarView) -> None:
        if context.position(bar.symbol) == 0.0:
            context.buy(bar.symbol)


# ---- what is refused ---------------------------------------------------------------------------------------


class _Breaks(EventStrategy):
    name = "breaks"
    title = idea = source = market = ""

    def on_bar(self, context: Context, bar: BarView) -> None:
        raise ZeroDivisionError("of mine")


def test_the_code_of_a_strategy_that_raises_is_named_with_its_line() -> None:
    run = LiveRun(_Breaks, ["ONE"], MINUTE, {}, LIVE)
    run.warm_up({}, {})
    run.on_session(DAY, {})
    with pytest.raises(
        InvalidValueError, match="strategy breaks raised ZeroDivisionError: of mine"
    ) as caught:
        run.on_bars([("ONE", Bar(OPEN, 1.0, 1.0, 1.0, 1.0, 1.0))])
    assert "test_run.py, line" in caught.value.hint


def test_what_cannot_run_is_refused_by_name() -> None:
    sma = load_strategy("sma_cross")
    for strategy, symbols, rules, words in (
        (sma, ["A"], TradingRules(), "as_live"),
        (sma, ["A", "B"], LIVE, "one instrument"),
        (sma, [], LIVE, "must be given"),
        (Rotator, ["A", "A"], LIVE, "each once"),
        (sma, ["A"], replace(LIVE, size=Size.parse("risk:0.01")), "needs the distance to a stop"),
        (load_strategy("pairs"), ["A"], LIVE, "at least 2"),
        (load_strategy("pairs"), ["A", "B"], replace(LIVE, stop=Level.parse("1%")), "does not apply"),
        (Rotator, ["A"], LIVE, "no parameter"),
    ):
        values = {"nonsense": 1.0} if words == "no parameter" else {}
        with pytest.raises(InvalidValueError, match=words):
            LiveRun(strategy, symbols, MINUTE, values, rules)


def test_input_out_of_order_is_refused_and_changes_nothing() -> None:
    run = spoken()
    say(run, 1)
    with pytest.raises(InvalidValueError, match="not after the last one"):
        say(run, 0)
    with pytest.raises(InvalidValueError, match="does not lie in the session"):
        say(run, 400)
    with pytest.raises(InvalidValueError, match="no instrument 'TWO'"):
        run.on_fill(LiveFill("TWO", 1, 1.0, 1.0, Reason.ENTRY, OPEN))
    for quantity, price in ((nan, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(InvalidValueError, match="a fill of"):
            run.on_fill(filled(1, quantity, price, Reason.ENTRY, 2))
    with pytest.raises(InvalidValueError, match="no session has begun"):
        LiveRun(SPOKEN, ["ONE"], MINUTE, {}, TEN).on_clock(OPEN)
    assert run.position("ONE") == 0.0
    assert len(say(run, 2, LONG)) == 1


def test_as_live_refuses_what_no_desk_does() -> None:
    with pytest.raises(InvalidValueError, match="as_live needs"):
        TradingRules(as_live=True, entry_bar=False)


def test_a_restart_within_a_day_goes_on_with_its_session() -> None:
    """Bars of today in the warm-up and the rest live: the kernel sees one session, as in one piece."""
    days = days_of(walks(1, 3, seed=12), 2, 5)
    strategy, values = load_strategy("opening_range_breakout"), LIVELY["opening_range_breakout"]
    bars, line, session = days.bars["S0"], days.timelines["S0"], days.sessions[0]
    whole = replay(LiveRun(strategy, ["S0"], days.timeframe_ns, values, LIVE, MIS), days, LIVE)
    cut = int(np.searchsorted(bars.ts, session.open_ns)) + 3
    run = LiveRun(strategy, ["S0"], days.timeframe_ns, values, LIVE, MIS)
    run.warm_up({"S0": bars.slice(0, cut)}, {"S0": by_days(bars.ts[:cut], 19_800 * 10**9)})
    run.on_session(session, {})
    made = [run.on_bars([("S0", bar_of(bars, i))]) for i in range(cut, cut + 20)]
    first = next(want for want in whole.wanted if isinstance(want, Enter))
    assert repr(first) in repr(made)
    assert len(line) == len(bars)
