"""Strategies that hear ticks: live they decide as their back-test does, on every price, on some of them, on many instruments."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from tests.engine.live.callbacks import Rotator, TickRotator
from tests.engine.live.exchange import Days, Trader, replay
from tests.engine.live.parity import A_YEAR, CNC, LIVE, MIS, assert_same
from tests.engine.live.tapes import days_of, walks
from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.events import EventStrategy, hears_ticks
from trademantra.engine.live.run import LiveRun
from trademantra.engine.rules import Level, Size, Slippage, TradingRules
from trademantra.engine.ticks import ToldRun
from trademantra.markets.charges.numeric import ChargeRules

RULES = {
    "percent": replace(LIVE, stop=Level.parse("0.4%"), target=Level.parse("0.9%"), size=Size.parse("cash:200000")),
    "points": replace(LIVE, stop=Level.parse("2.5pt"), trail=Level.parse("3.03pt"), size=Size.parse("risk:0.005")),
    "aging": replace(LIVE, slippage=Slippage.parse("bps:3"), entry_valid=2, time_exit=7, size=Size.parse("equity:0.2")),
    "slots": replace(LIVE, trail=Level.parse("1%"), size=Size.parse("equal:2"), margin=0.2),
}  # fmt: skip


def live_and_backtest(
    strategy: type[EventStrategy],
    days: Days,
    rules: TradingRules,
    charges: ChargeRules,
    told: bool,
    own: float,
    every: int = 1,
) -> tuple[BacktestResult, Trader]:
    """`told`: the back-test hears what the run was told, else the closes of the prices inside its bars."""
    run = LiveRun(strategy, list(days.bars), days.timeframe_ns, {"own": own}, rules, charges, A_YEAR)
    trader = replay(run, days, rules, told=lambda number: number % every == 0)
    given = BacktestInput(
        days.bars, days.timelines, charges, finer=days.prices, begin_ns=days.begin_ns, bars_per_year=A_YEAR,
        told=ToldRun(days.begin_ns, trader.told) if told else None,
    )  # fmt: skip
    return backtest(strategy, given, {"own": own}, rules), trader


@pytest.mark.parametrize("words", RULES)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("hours", [{}, {"leave": 357, "last_entry": 330}])
def test_what_was_told_replayed(hours: dict[str, int], count: int, words: str) -> None:
    seed = 7 + count + len(words)
    days = days_of(walks(count, 4, seed=seed), 1, 5, seed=3 if seed % 2 else None, **hours)
    for own, every in ((0.0, 1), (1.0, 3)):
        charges = MIS if hours else CNC
        result, trader = live_and_backtest(TickRotator, days, RULES[words], charges, True, own, every)
        assert_same(result, trader, 10)
        assert trader.run.equity == pytest.approx(result.curve[-1], rel=1e-9)


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("count", [1, 3])
def test_finer_closes_are_the_ticks(count: int, seed: int | None) -> None:
    """Without a warm-up the two hear the same from the first price on, also where ticks come in odd moments."""
    days = days_of(walks(count, 3, seed=31), 0, 5, seed=seed, leave=360)
    result, trader = live_and_backtest(TickRotator, days, RULES["percent"], MIS, False, 0.0)
    assert_same(result, trader, 10)
    heard = _strategy_of(trader.run).heard
    ticks = [each for each in heard if each[0] == "tick"]
    assert len(ticks) == sum(len(one) for one in days.prices.values())


class _Heard(Rotator):
    """Writes down what it hears, and asks for nothing."""

    name = "heard"
    lists: ClassVar[list[list[tuple[object, ...]]]] = []  # of each run, until it is read

    def on_start(self, context) -> None:  # type: ignore[no-untyped-def]
        super().on_start(context)
        self.lists.append(self.heard)

    def on_session(self, context) -> None: ...  # type: ignore[no-untyped-def]
    def on_time(self, context, minute) -> None: ...  # type: ignore[no-untyped-def]

    def on_bar(self, context, bar) -> None:  # type: ignore[no-untyped-def]
        self.heard.append(("bar", bar.symbol, bar.ts, bar.close))


class _HeardTicks(_Heard):
    name = "heard_ticks"

    def on_tick(self, context, tick) -> None:  # type: ignore[no-untyped-def]
        past = context.history(tick.symbol)
        last = int(past.ts[-1]) if len(past) else -1
        self.heard.append(("tick", tick.symbol, tick.ts, tick.price, tick.volume, last))


def _run(strategy: type[_Heard], days: Days, **more: object) -> list[tuple[object, ...]]:
    given = BacktestInput(days.bars, days.timelines, MIS, bars_per_year=A_YEAR, **more)  # type: ignore[arg-type]
    backtest(strategy, given, {}, LIVE)
    return strategy.lists.pop()


def test_without_finer_bars_each_close_is_a_tick_before_its_bar() -> None:
    days = days_of(walks(2, 2, seed=5), 0, 5)
    heard = _run(_HeardTicks, days)
    for symbol, bars in days.bars.items():
        mine = [each for each in heard if each[1] == symbol]
        assert [each[0] for each in mine] == ["tick", "bar"] * len(bars)
        for i, (tick, bar) in enumerate(zip(mine[::2], mine[1::2], strict=True)):
            assert tick[2:4] == (int(bars.ts[i]) + days.timeframe_ns, float(bars.close[i]))
            assert tick[5] == (int(bars.ts[i - 1]) if i else -1), "history shows no bar that is not over"
            assert bar[3] == tick[3]
    volumes = [each[4] for each in heard if each[0] == "tick" and each[1] == symbol]
    day = days.timelines[symbol].day
    expected = [
        float(np.cumsum(bars.volume[day == each])[k])
        for each in np.unique(day)
        for k in range(int((day == each).sum()))
    ]
    assert volumes == expected


def test_with_finer_bars_ticks_come_in_the_order_of_time() -> None:
    days = days_of(walks(3, 2, seed=6), 0, 5, seed=9)
    heard = [each for each in _run(_HeardTicks, days, finer=days.prices) if each[0] == "tick"]
    stamps = [each[2] for each in heard]
    assert stamps == sorted(stamps)
    for _, symbol, ts, price, _, last in heard:
        prices = days.prices[symbol]
        assert prices.close[np.searchsorted(prices.ts, ts)] == price
        assert last < ts - ts % days.timeframe_ns or last == -1


def test_who_hears_ticks() -> None:
    assert not hears_ticks(_Heard)
    assert hears_ticks(_HeardTicks)
    days = days_of(walks(1, 2, seed=5), 0, 5)
    run = LiveRun(_Heard, list(days.bars), days.timeframe_ns, {}, LIVE, MIS, A_YEAR)
    assert not run.hears_ticks
    replay(run, days, LIVE)
    assert all(each[0] == "bar" for each in _Heard.lists.pop())


def _strategy_of(run: LiveRun) -> TickRotator:
    made = run._model._strategy  # type: ignore[attr-defined]
    assert isinstance(made, TickRotator)
    return made
