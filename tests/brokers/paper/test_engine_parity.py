"""The same bars and decisions through `tm backtest` and through the exchange: the same fills, to the paisa."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.brokers.paper.driver import Driver, Fill, Said
from tests.engine.scripted import FIRST_DAY, Script, Word, bars_of
from trademantra.brokers.paper.settings import ExchangeSettings, Hours, liquidity_of
from trademantra.engine.combinations import NO_BANDS
from trademantra.engine.records import SlippageKind
from trademantra.engine.rules import Size, Slippage, TradingRules
from trademantra.engine.timeline import by_days

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

DAY = date.fromordinal(date(1970, 1, 1).toordinal() + FIRST_DAY)
TICK = 0.25  # exact in binary: levels of the script lie on the tick to the bit, as an exchange's prices do
STEP = 5  # of the script's own ticks of 0.05
CODES = (0, 0, 0, 0, 1, 1, 2, 4, 4, 8, 3, 12, 5, 6, 9)
SLIPPAGES = st.one_of(
    st.just(Slippage()),
    st.integers(1, 50).map(lambda k: Slippage(SlippageKind.BPS, float(k))),
    st.integers(1, 5).map(lambda k: Slippage(SlippageKind.TICKS, float(k))),
    st.integers(1, 10).map(lambda k: Slippage(SlippageKind.RANGE, k / 10.0)),
    st.integers(1, 10).map(lambda k: Slippage(SlippageKind.SQUARE_ROOT, k / 100.0)),
)


@st.composite
def rows(draw: st.DrawFn, count: int) -> list[tuple[float, float, float, float, float]]:
    """Bars on the tick that gap, stand still and touch their levels often."""
    made, close = [], 400
    for _ in range(count):
        opening = max(100, close + draw(st.sampled_from((0, 0, 0, 1, -1, 2, -3, 8, -8))))
        close = max(100, opening + draw(st.integers(-6, 6)))
        high = max(opening, close) + draw(st.integers(0, 5))
        low = max(1, min(opening, close) - draw(st.integers(0, 5)))
        volume = float(draw(st.sampled_from((0, 40, 100, 1_000, 5_000))))
        made.append((opening * TICK, high * TICK, low * TICK, close * TICK, volume))
    return made


@st.composite
def words(draw: st.DrawFn, *, capped: bool) -> Word:
    """With a volume cap two things differ on purpose (docs/paper.md): a target that fills in parts stays a limit order
    at an exchange, and a triggered stop that finds no volume stays triggered."""
    code = draw(st.sampled_from(CODES))
    level = st.one_of(st.none(), st.integers(-9, 9).filter(bool).map(lambda k: k * STEP))
    limit = draw(level)
    trigger = None if limit is not None or capped else draw(level)
    return Word(code, limit, trigger, draw(level), None if capped else draw(level))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Script, TradingRules]:
    count = draw(st.integers(3, 24))
    capped = draw(st.integers(0, 3)) == 0
    bars = bars_of(draw(rows(count)))
    said = tuple(draw(words(capped=capped)) for _ in range(count))
    rules = TradingRules(
        cash=1e9,
        size=Size.parse("quantity:60"),
        allow_short=True,
        tick=TICK,
        lot=1.0,
        limit_touch=draw(st.booleans()),
        target_first=draw(st.booleans()),
        entry_bar=draw(st.booleans()),
        slippage=draw(SLIPPAGES),
        participation=draw(st.sampled_from((0.1, 0.5, 1.0))) if capped else 0.0,
    )
    return Script(bars, by_days(bars.ts), said, NO_BANDS), rules


def by_backtest(script: Script, rules: TradingRules) -> list[Fill]:
    fills = script.run(rules).fills
    return [(int(f["index"]), float(f["side"] * f["quantity"]), round(float(f["price"]), 6)) for f in fills]


def by_exchange(script: Script, rules: TradingRules) -> list[Fill]:
    said = [
        Said(one.code, one.limit, one.trigger, one.stop, one.target)
        for one in (
            word.say(close) for word, close in zip(script.words, script.bars.close.tolist(), strict=True)
        )
    ]
    driver = Driver(
        rules,
        ExchangeSettings(hours=Hours.ALWAYS, square_off=None, liquidity=liquidity_of(rules)),
        DAY,
        tick="0.25",
    )
    return driver.run(script.bars, said)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_random_decisions_fill_alike(case: tuple[Script, TradingRules]) -> None:
    script, rules = case
    note(f"{script!r}\n{rules}")
    assert by_exchange(script, rules) == by_backtest(script, rules)


def test_the_comparison_sees_a_difference() -> None:
    """Guards the test itself: other rules, other fills."""
    bars = bars_of([(100, 100, 100, 100), (100, 101, 99, 100), (100, 101, 99, 100)])
    script = Script(bars, by_days(bars.ts), (Word(1), Word(), Word(2)), NO_BANDS)
    rules = TradingRules(cash=1e9, size=Size.parse("quantity:60"), tick=TICK, lot=1.0)
    assert by_exchange(script, rules) == [(1, 60.0, 100.0)]
    slipped = replace(rules, slippage=Slippage(SlippageKind.TICKS, 1.0))
    assert by_exchange(script, slipped) == by_backtest(script, slipped) != by_backtest(script, rules)
    assert np.isclose(by_exchange(script, slipped)[0][2], 100.25)
