"""Event strategies: the same fills as signal strategies, no look ahead, one cash for many instruments."""

from dataclasses import replace
from math import nan
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings

from tests.engine.generated import CHARGES, fine_scripts, long_scripts, small_scripts, trading_rules
from tests.engine.scripted import FLAT, RULES, Script, bars_of, calendar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars
from trademantra.engine.charging import no_charges
from trademantra.engine.event_run import EventOutcome, run_events
from trademantra.engine.events import BarView, Context, EventStrategy, FillEvent
from trademantra.engine.finer import lay_inside
from trademantra.engine.records import LevelKind, Reason
from trademantra.engine.rule_checks import needs_a_stop
from trademantra.engine.rules import FillAt, Level, Size, TradingRules
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import ChargeRules

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


class Plain(EventStrategy):
    name: ClassVar[str] = "plain"
    title: ClassVar[str] = "Plain"
    idea: ClassVar[str] = "For tests."
    source: ClassVar[str] = "tests"
    market: ClassVar[str] = "none"


class Scripted(Plain):
    """Says what a `Script` says, through the calls that an event strategy has."""

    def __init__(self, script: Script, rules: TradingRules) -> None:
        super().__init__()
        self.words, self.trading, self.asked = script.words, rules, 0

    def on_bar(self, context: Context, bar: BarView) -> None:
        word, held = self.words[bar.index], context.position()
        say = word.say(bar.close)
        if (held > 0 and word.code & 2) or (held < 0 and word.code & 8):
            context.exit()
        if (self.asked > 0 and word.code & 2) or (self.asked < 0 and word.code & 8):
            context.cancel()
        if word.code & 1 and self.trading.allow_long:
            enter, self.asked = context.buy, 1
        elif word.code & 4 and self.trading.allow_short:
            enter, self.asked = context.sell, -1
        else:
            return
        trigger = nan if say.limit == say.limit else say.trigger
        levels = {"limit": say.limit, "trigger": trigger, "stop": say.stop, "target": say.target}
        enter(**{name: level for name, level in levels.items() if level == level})


def run(
    strategy: EventStrategy, bars: dict[str, Bars], rules: TradingRules, **options: object
) -> EventOutcome:
    timelines = {symbol: by_days(one.ts) for symbol, one in bars.items()}
    return run_events(strategy, bars, timelines, rules, **options)  # type: ignore[arg-type]


def same_for_events(rules: TradingRules) -> TradingRules:
    """Rules under which events and signals mean the same: no partly filled exits to cancel entries of, and a stop
    where risk is sized, which events are told to give."""
    stop = Level(LevelKind.POINTS, 0.5) if needs_a_stop(rules) else rules.stop
    return replace(rules, participation=0.0, stop=stop)


def assert_same_as_signals(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    rules = same_for_events(rules)
    signals = script.run(rules, charges)
    timelines = {"ONE": script.timeline}
    finer = {"ONE": lay_inside("ONE", script.bars, script.finer)} if script.finer else {}
    a_year = script.market().bars_per_year
    events = run_events(
        Scripted(script, rules), {"ONE": script.bars}, timelines, rules, charges, a_year, finer
    )
    for name in ("index", "side", "quantity", "price", "costs", "reason"):
        np.testing.assert_array_equal(events.fills[name], signals.fills[name], err_msg=name)
    for name in ("entry_index", "exit_index", "quantity", "net", "reason"):
        np.testing.assert_array_equal(events.trades[name], signals.trades[name], err_msg=name)
    np.testing.assert_allclose(events.curve, signals.curve, rtol=1e-9, atol=1e-9 * rules.cash)


@settings(max_examples=200, deadline=None)
@given(small_scripts(banded=False), trading_rules(), CHARGES)
def test_events_and_signals_fill_alike(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    assert_same_as_signals(script, rules, charges)


@settings(max_examples=150, deadline=None)
@given(fine_scripts(banded=False), trading_rules(), CHARGES)
def test_events_and_signals_fill_alike_in_finer_bars(
    script: Script, rules: TradingRules, charges: ChargeRules
) -> None:
    assert_same_as_signals(script, rules, charges)


@settings(max_examples=60, deadline=None)
@given(long_scripts((60, 300, 1_025)), trading_rules(), CHARGES)
def test_events_and_signals_fill_alike_over_quiet_stretches(
    script: Script, rules: TradingRules, charges: ChargeRules
) -> None:
    assert_same_as_signals(script, rules, charges)


class Adds(Plain):
    """Buys at bar 0 and adds at bar 2."""

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index in (0, 2):
            context.buy()


def test_an_addition_does_not_see_the_peak_that_is_yet_to_come() -> None:
    """Bug found here: looking ahead for the next bar that matters, the trailing stop took later highs for known."""
    rows = [FLAT, FLAT, FLAT, FLAT] + [(p, p + 1, p, p + 1) for p in range(100, 150)] + [(120, 120, 120, 120)]
    outcome = run(Adds(), {"ONE": bars_of(rows)}, replace(RULES, max_entries=2, trail=Level.parse("5pt")))
    assert outcome.fills["index"].tolist() == [1, 3, 54]
    assert outcome.fills["reason"].tolist() == [Reason.ENTRY, Reason.ENTRY, Reason.TRAIL]


class Peeks(Plain):
    """Asks for the pre-open price wherever it can."""

    times: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, float]] = []

    def ask(self, context: Context, where: str) -> None:
        self.seen += [(where, symbol, context.preopen(symbol)) for symbol in context.symbols]

    def on_session(self, context: Context) -> None:
        self.ask(context, "session")

    def on_time(self, context: Context, minute: int) -> None:
        self.ask(context, "time")

    def on_bar(self, context: Context, bar: BarView) -> None:
        self.ask(context, "bar")

    def on_start(self, context: Context) -> None:
        self.ask(context, "start")


def test_the_preopen_price_is_known_at_the_auction_only() -> None:
    """Bug found here: at the last close of a day it told the next day's open, and that of a later day for a
    instrument that did not trade."""
    rows = [(100 + i, 101 + i, 99 + i, 100 + i) for i in range(6)]
    every_day, second_day = bars_of(rows, calendar([3, 3])), bars_of(rows[3:], calendar([3, 3])[3:])
    strategy = Peeks()
    run(strategy, {"ONE": every_day}, RULES)
    assert [p for where, _, p in strategy.seen if where == "session"] == [100.0, 103.0]
    assert all(p != p for where, _, p in strategy.seen if where != "session")
    strategy = Peeks()
    run(strategy, {"ONE": every_day, "TWO": second_day}, RULES)
    told = [p for where, symbol, p in strategy.seen if where == "session" and symbol == "TWO"]
    assert np.isnan(told[0])
    assert told[1] == 103.0
    assert all(p != p for where, _, p in strategy.seen if where != "session")


class Keeps(Plain):
    """Collects all that is known at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[tuple[int, int]] = []

    def on_bar(self, context: Context, bar: BarView) -> None:
        self.known.append((bar.index, len(context.history(bar.symbol))))


def test_history_ends_with_the_present_bar() -> None:
    strategy = Keeps()
    run(strategy, {"ONE": bars_of([FLAT] * 5)}, RULES)
    assert strategy.known == [(i, i + 1) for i in range(5)]


class Pries(Plain):
    """Looks wherever an array of its history leads to."""

    def __init__(self, bars: dict[str, Bars]) -> None:
        super().__init__()
        self.bars, self.kept, self.looked = bars, [], 0

    def look(self, context: Context, known: dict[str, int]) -> None:
        for symbol, count in known.items():
            history, whole = context.history(symbol), self.bars[symbol]
            for name in ("ts", "open", "high", "low", "close", "volume"):
                shown = getattr(history, name)
                np.testing.assert_array_equal(shown, getattr(whole, name)[:count])
                assert not shown.flags.writeable
                while isinstance(shown, np.ndarray):
                    assert not shown.flags.writeable
                    assert not shown[..., count:].any()  # nothing of a later bar anywhere behind it
                    shown = shown.base
                assert shown is None
            self.looked += 1
            if len(self.kept) < 40:
                self.kept.append((history, symbol, count))

    def on_session(self, context: Context) -> None:
        self.look(context, {s: len(context.history(s)) for s in context.symbols})

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index % 97 == 0 or bar.index < 20:
            self.look(context, {bar.symbol: bar.index + 1})


@pytest.mark.parametrize("symbols", [("ONE",), ("ONE", "TWO")])
def test_no_array_of_the_history_leads_to_a_later_bar(symbols: tuple[str, ...]) -> None:
    """Bug found here: history was a view of all bars, and its `base` told the next ones."""
    random = np.random.default_rng(3)
    rows = [(p, p + 1, p - 1, p) for p in (100.0 + random.integers(0, 20, 2_500)).tolist()]
    bars = {symbol: bars_of(rows[k:]) for k, symbol in enumerate(symbols)}
    strategy = Pries(bars)
    run(strategy, bars, RULES)
    assert strategy.looked > 40
    for history, symbol, count in strategy.kept:  # what was handed out keeps what it held
        np.testing.assert_array_equal(history.close, bars[symbol].close[:count])
    with pytest.raises(ValueError, match="read-only"):
        strategy.kept[-1][0].close[0] = 1.0


class Rotates(Plain):
    """Holds TWO first and then ONE."""

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.symbol == "ONE" and bar.index == 0:
            context.buy("TWO")
        if bar.symbol == "ONE" and bar.index == 2:
            context.exit("TWO")
            context.buy("ONE")


@pytest.mark.parametrize("fill_at", FillAt)
def test_exits_free_the_cash_of_entries(fill_at: FillAt) -> None:
    """Bug found here: in the order of the instruments the entry came first and was refused."""
    bars = bars_of([FLAT] * 5)
    rules = replace(RULES, size=Size.parse("equity:1"), fill_at=fill_at)
    outcome = run(Rotates(), {"ONE": bars, "TWO": bars}, rules)
    assert outcome.refused == 0
    assert [(f["instrument"], f["side"] * f["quantity"]) for f in outcome.fills] == [
        (1, 1_000), (1, -1_000), (0, 1_000),
    ] or sorted((f["instrument"], f["side"] * f["quantity"]) for f in outcome.fills) == [
        (0, 1_000), (1, -1_000), (1, 1_000),
    ]  # fmt: skip


class Shorts(Plain):
    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index == 0:
            context.sell(bar.symbol, quantity=500)


def test_a_ruined_portfolio_is_sold_out() -> None:
    """Bug found here: without a stop nobody looked, and a short position of several instruments ran on for ever."""
    rising = bars_of([(p, p, p, p) for p in (100, 100, 150, 250, 350, 450, 550)])
    outcome = run(Shorts(), {"ONE": rising, "TWO": bars_of([FLAT] * 7)}, RULES)
    assert [(int(f["instrument"]), int(f["index"])) for f in outcome.fills if f["reason"] == Reason.MARGIN] == [
        (0, 5), (1, 5),
    ]  # fmt: skip
    assert outcome.curve[4] <= 0.0 < outcome.curve[3]


class Asks(Plain):
    def __init__(self, quantity: float) -> None:
        super().__init__()
        self.quantity = quantity
        self.fills: list[FillEvent] = []

    def on_bar(self, context: Context, bar: BarView) -> None:
        if bar.index == 0:
            context.buy(quantity=self.quantity)

    def on_fill(self, context: Context, fill: FillEvent) -> None:
        self.fills.append(fill)


def test_what_equity_does_not_cover_is_cut() -> None:
    """Bug found here: the rest went on working, and bought when the price had fallen."""
    rows = [FLAT, FLAT, (50, 50, 50, 50), (50, 50, 50, 50)]
    strategy = Asks(1_500)
    outcome = run(strategy, {"ONE": bars_of(rows)}, RULES)
    assert [(fill.quantity, fill.price) for fill in strategy.fills] == [(1_000.0, 100.0)]
    assert outcome.refused == 0
    odd = Asks(15)
    assert run(odd, {"ONE": bars_of(rows)}, replace(RULES, lot=10.0)).refused == 0
    assert [fill.quantity for fill in odd.fills] == [10.0]


def test_fill_events_tell_what_was_booked() -> None:
    strategy = Asks(10)
    outcome = run(strategy, {"ONE": bars_of([FLAT] * 4)}, RULES)
    assert strategy.fills == [FillEvent("ONE", 1, 10.0, 100.0, 0.0, Reason.ENTRY)]
    assert outcome.fills["quantity"].tolist() == [10.0]


class AtTimes(Plain):
    times: ClassVar[tuple[int, ...]] = (0, 2, 3)

    def on_time(self, context: Context, minute: int) -> None:
        for symbol in context.symbols:
            context.buy(symbol)


@pytest.mark.parametrize("many", [False, True])
def test_the_timeline_masks_entries_of_events_by_the_bar_in_which_they_fill(many: bool) -> None:
    """Bug found here: an order for the open of the bar before the square-off was refused."""
    bars = bars_of([FLAT] * 10, calendar([5, 5]))
    timeline = by_days(bars.ts).with_square_off(3)
    symbols = ("ONE", "TWO") if many else ("ONE",)
    rules = replace(RULES, max_entries=9)
    outcome = run_events(
        AtTimes(), dict.fromkeys(symbols, bars), dict.fromkeys(symbols, timeline), rules, no_charges()
    )
    first = outcome.fills[outcome.fills["instrument"] == 0]
    assert first["index"].tolist() == [0, 2, 3, 5, 7, 8]
    assert [Reason(int(r)) for r in first["reason"]] == [Reason.ENTRY, Reason.ENTRY, Reason.SQUARE_OFF] * 2


class Closes(Plain):
    def on_bar(self, context: Context, bar: BarView) -> None:
        context.buy()


def test_nothing_that_was_decided_at_the_last_close_waits_for_tomorrow() -> None:
    """Bug found here: the mask of the next day's first bar was asked, not that of the close."""
    bars = bars_of([FLAT] * 4, calendar([2, 2]))
    timeline = by_days(bars.ts).with_square_off(1)
    outcome = run_events(Closes(), {"ONE": bars}, {"ONE": timeline}, RULES)
    assert len(outcome.fills) == 0
    assert outcome.refused == 4


def test_open_positions_count_on_the_common_clock() -> None:
    """Bug found here: the exposure of an open position was counted in bars of its own instrument."""
    late = bars_of([FLAT] * 3, [7, 8, 9])
    outcome = run(Shorts(), {"ONE": late, "TWO": bars_of([FLAT] * 10)}, replace(RULES, allow_short=True))
    assert outcome.accounts["entry_index"].tolist() == [8, 1]


def test_no_bars_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="no bars"):
        run(Plain(), {}, RULES)


def test_an_instrument_that_is_not_there_is_named() -> None:
    class Wrong(Plain):
        def on_bar(self, context: Context, bar: BarView) -> None:
            context.buy("TCSS")

    with pytest.raises(InvalidValueError, match="TCSS"):
        run(Wrong(), {"TCS": bars_of([FLAT] * 3)}, RULES)


def test_a_portfolio_keeps_one_cash() -> None:
    """Cash and positions make the curve at every bar, whatever fills."""
    random = np.random.default_rng(5)
    rows = [tuple(100 + float(x) for x in (a, a + 5, a - 5, b)) for a, b in random.integers(-2, 3, (60, 2))]
    bars = {
        "ONE": bars_of(rows),
        "TWO": bars_of(rows[::-1]),
        "THREE": bars_of(rows[10:], list(range(10, 60))),
    }

    class Churns(Plain):
        def on_bar(self, context: Context, bar: BarView) -> None:
            roll = random.integers(0, 4)
            if roll == 0:
                context.buy(bar.symbol)
            elif roll == 1:
                context.sell(bar.symbol, limit=bar.close + 1)
            elif roll == 2:
                context.exit(bar.symbol)

    rules = replace(RULES, size=Size.parse("equity:0.7"), stop=Level.parse("2%"), margin=0.5)
    outcome = run(Churns(), bars, rules)
    cash = rules.cash
    held = dict.fromkeys(range(3), 0.0)
    last = dict.fromkeys(range(3), nan)
    for i, equity in enumerate(outcome.curve.tolist()):
        for fill in outcome.fills[outcome.fills["index"] == i]:
            cash -= fill["side"] * fill["quantity"] * fill["price"] + fill["costs"]
            held[int(fill["instrument"])] += fill["side"] * fill["quantity"]
        for j, one in enumerate(bars.values()):
            at = np.flatnonzero(one.ts == outcome.ts[i])
            last[j] = float(one.close[at[0]]) if len(at) else last[j]
        assert equity == pytest.approx(cash + sum(q * last[j] for j, q in held.items() if abs(q) > 1e-9))
    assert len(outcome.fills) > 20


@pytest.mark.parametrize(("margin", "most"), [(1.0, 1.0), (0.2, 5.0)])
def test_members_of_a_portfolio_share_its_margin(margin: float, most: float) -> None:
    """Each asks for all of equity; together they hold no more than the margin allows."""
    bars = bars_of([FLAT] * 6)

    class Greedy(Plain):
        def on_bar(self, context: Context, bar: BarView) -> None:
            context.buy(bar.symbol)

    rules = replace(RULES, margin=margin, size=Size.parse(f"equity:{0.7 * most}"), max_entries=3)
    outcome = run(Greedy(), dict.fromkeys(("ONE", "TWO", "THREE"), bars), rules)
    held = float(outcome.fills["quantity"].sum()) * 100.0
    assert held == pytest.approx(most * rules.cash)
    assert outcome.fills["instrument"].tolist() == [0, 1]
    assert outcome.refused > 0


@pytest.mark.parametrize("word", ["quantity", "limit", "trigger", "stop", "target"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -5.0])
def test_a_number_that_is_none_is_refused_and_never_taken_as_left_out(word: str, value: float) -> None:
    """An indicator that is still warming up gives NaN: it must not buy everything without a stop."""

    class Hasty(EventStrategy):
        name, title, idea, source, market = "hasty", "Hasty", "buys", "tests", "none"

        def on_bar(self, context: Context, bar: BarView) -> None:
            context.buy(**{word: value})

    bars = bars_of([FLAT] * 3)
    with pytest.raises(InvalidValueError, match=f"{word} must be a positive number"):
        run_events(Hasty(), {"X": bars}, {"X": by_days(bars.ts)}, TradingRules())
