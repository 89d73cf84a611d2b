"""Random bars, words and rules for the engine's property tests.  Prices lie on the tick, so that ties are common."""

from dataclasses import replace
from datetime import date

import numpy as np
from hypothesis import strategies as st

from tests.engine.scripted import FIRST_DAY, TICK, Script, Word, bars_of, calendar
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.engine.bars import Bars
from trademantra.engine.charging import no_charges
from trademantra.engine.combinations import NO_BANDS
from trademantra.engine.records import LevelKind, SizeKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import ChargeRules, numeric_rules

FIRST, LAST = date.fromordinal(date(1970, 1, 1).toordinal() + FIRST_DAY), date(2026, 11, 20)
CODES = (0, 0, 0, 0, 1, 2, 4, 8, 3, 12, 5, 9, 6, 15)


def table_of(
    broker: str, product: Product, segment: Segment = Segment.EQUITY, symbol: str = "TCS"
) -> ChargeRules:
    return numeric_rules(broker, segment, product, Exchange.NSE, symbol=symbol, first=FIRST, last=LAST)


CHARGES = st.sampled_from(
    (
        no_charges(),
        table_of("zerodha", Product.MIS),
        table_of("zerodha", Product.CNC),
        table_of("zerodha", Product.NRML, Segment.EQUITY_OPTIONS, "NIFTY"),
        table_of("flat:0.001", Product.CNC),
    )
)


def levels(largest_ticks: int = 60) -> st.SearchStrategy[Level]:
    return st.one_of(
        st.just(Level()),
        st.just(Level()),
        st.just(Level()),
        st.integers(1, 40).map(lambda k: Level(LevelKind.PERCENT, k / 10.0)),
        st.integers(1, largest_ticks).map(lambda k: Level(LevelKind.POINTS, k * TICK)),
        st.integers(1, 8).map(lambda k: Level(LevelKind.ATR, k / 2.0)),
    )


SLIPPAGES = st.one_of(
    st.just(Slippage()),
    st.integers(1, 50).map(lambda k: Slippage(SlippageKind.BPS, float(k))),
    st.integers(1, 5).map(lambda k: Slippage(SlippageKind.TICKS, float(k))),
    st.integers(1, 10).map(lambda k: Slippage(SlippageKind.RANGE, k / 10.0)),
    st.integers(1, 10).map(lambda k: Slippage(SlippageKind.SQUARE_ROOT, k / 100.0)),
)
SIZES = st.one_of(
    st.integers(1, 3_000).map(lambda k: Size(SizeKind.QUANTITY, float(k))),
    st.integers(1, 30).map(lambda k: Size(SizeKind.CASH, k * 10_000.0)),
    st.integers(1, 30).map(lambda k: Size(SizeKind.EQUITY, k / 10.0)),
    st.just(Size(SizeKind.EQUITY, 40.0)),
    st.integers(1, 20).map(lambda k: Size(SizeKind.RISK, k / 500.0)),
    st.integers(1, 20).map(lambda k: Size(SizeKind.ATR_TARGET, k / 500.0)),
    st.integers(1, 20).map(lambda k: Size(SizeKind.VOLATILITY_TARGET, k / 20.0)),
    st.integers(1, 4).map(lambda k: Size(SizeKind.KELLY, k / 4.0)),
    st.integers(1, 7).map(lambda k: Size(SizeKind.EQUAL, float(k))),
    st.integers(1, 20).map(lambda k: Size(SizeKind.INVERSE_VOLATILITY, k / 10.0)),
)


@st.composite
def trading_rules(draw: st.DrawFn) -> TradingRules:
    fill_at = draw(st.sampled_from(FillAt))
    allow_long, allow_short = draw(
        st.sampled_from(((True, True), (True, True), (True, False), (False, True)))
    )
    slippage = draw(SLIPPAGES)
    as_live = fill_at is FillAt.NEXT_OPEN and draw(st.booleans())
    tick = TICK if slippage.kind is SlippageKind.TICKS else draw(st.sampled_from((0.0, TICK)))
    return TradingRules(
        cash=draw(st.sampled_from((200_000.0, 1_000_000.0))),
        multiplier=draw(st.sampled_from((1.0, 1.0, 15.0))),
        lot=draw(st.sampled_from((0.0, 1.0, 25.0))),
        tick=tick,
        margin=draw(st.sampled_from((1.0, 0.2, 0.02, 1.5))),
        fill_at=fill_at,
        limit_touch=draw(st.booleans()),
        target_first=draw(st.booleans()),
        entry_bar=as_live or draw(st.booleans()),
        as_live=as_live,
        allow_long=allow_long,
        allow_short=allow_short,
        max_entries=draw(st.sampled_from((1, 1, 2, 3))),
        slippage=slippage,
        participation=0.0 if fill_at is FillAt.CLOSE else draw(st.sampled_from((0.0, 0.0, 0.05, 0.25, 1.0))),
        size=draw(SIZES),
        stop=draw(levels()),
        target=draw(levels()),
        trail=draw(levels()),
        time_exit=draw(st.sampled_from((0, 0, 0, 1, 2, 5))),
        entry_valid=draw(st.sampled_from((0, 0, 1, 3))),
    )


OFFSETS = st.one_of(st.none(), st.none(), st.integers(-12, 12))
WORDS = st.builds(
    Word, st.sampled_from(CODES), OFFSETS, st.one_of(st.none(), st.none(), OFFSETS), OFFSETS, OFFSETS
)
STEPS = st.tuples(
    st.sampled_from((0, 0, 0, 0, 1, -1, 2, -3, 12, -14)),  # gap, in ticks
    st.integers(-8, 8),  # body
    st.integers(0, 6),  # wicks
    st.integers(0, 6),
    st.sampled_from((0, 1, 40, 900, 900, 5_000, 100_000)),  # volume
)


def rows_of(
    steps: list[tuple[int, int, int, int, int]], ticks: int = 2_000
) -> list[tuple[float, float, float, float, float]]:
    rows = []
    for gap, body, above, below, volume in steps:
        opening = max(200, ticks + gap)
        close = max(200, opening + body)
        high, low = max(opening, close) + above, min(opening, close) - below
        rows.append((opening * TICK, high * TICK, low * TICK, close * TICK, float(volume)))
        ticks = close
    return rows


@st.composite
def small_scripts(draw: st.DrawFn, banded: bool = True) -> Script:
    """Up to 40 bars in one or several sessions, each bar and word drawn for itself."""
    steps = draw(st.lists(STEPS, min_size=4, max_size=40))
    n = len(steps)
    words = draw(st.lists(WORDS, min_size=n, max_size=n))
    length = draw(st.sampled_from((n, 1, 3, 7)))
    lengths = [min(length, n - start) for start in range(0, n, length)]
    rows = rows_of(steps)
    bars = bars_of(rows, calendar(lengths))
    timeline = by_days(bars.ts)
    if draw(st.booleans()):
        timeline = timeline.with_square_off(
            draw(st.integers(1, 8)), draw(st.one_of(st.none(), st.integers(1, 8)))
        )
    bands = NO_BANDS
    if banded and draw(st.sampled_from((False, False, True))):
        which = draw(
            st.lists(st.sampled_from(("wide", "high", "low", "near", "none")), min_size=n, max_size=n)
        )
        bands = np.array([_band(row, kind) for row, kind in zip(rows, which, strict=True)]).T.copy()
    return Script(bars, timeline, tuple(words), bands)


def _band(row: tuple[float, float, float, float, float], kind: str) -> tuple[float, float]:
    """Circuit limits of a bar: far away, at its low (locked up), at its high (locked down), at its ends, unknown."""
    return {
        "wide": (row[2] - 10.0, row[1] + 10.0),
        "high": (row[2] - 10.0, row[2]),
        "low": (row[1], row[1] + 10.0),
        "near": (row[2], row[1]),
        "none": (np.nan, np.nan),
    }[kind]


@st.composite
def long_scripts(draw: st.DrawFn, sizes: tuple[int, ...]) -> Script:
    """Many bars and few words, from a seed: quiet stretches, and tiles that end anywhere."""
    n = draw(st.sampled_from(sizes))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    every = draw(st.sampled_from((3, 5, 20, 150)))
    gap = np.where(random.random(n) < 0.1, random.integers(-15, 16, n), 0)
    body, above, below = random.integers(-6, 7, n), random.integers(0, 5, n), random.integers(0, 5, n)
    volume = random.choice((0, 40, 900, 5_000), n)
    rows = rows_of(list(zip(*(x.tolist() for x in (gap, body, above, below, volume)), strict=True)))
    length = draw(st.sampled_from((n, 13, 75, 375)))
    bars = bars_of(rows, calendar([min(length, n - start) for start in range(0, n, length)]))
    timeline = by_days(bars.ts)
    if draw(st.booleans()):
        timeline = timeline.with_square_off(length - draw(st.integers(1, 6)), length - 7)
    words = [Word()] * n
    for i in np.flatnonzero(random.random(n) < 1.0 / every).tolist():
        offsets = [None if random.random() < 0.7 else int(random.integers(-20, 21)) for _ in range(4)]
        words[i] = Word(int(random.choice(CODES)), *offsets)
    return Script(bars, timeline, tuple(words), NO_BANDS)


@st.composite
def fine_scripts(draw: st.DrawFn, banded: bool = True) -> Script:
    """Small scripts whose bars hold one to six finer bars each: a walk from the open to the close within the bar."""
    script = draw(small_scripts(banded=banded))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = draw(st.integers(1, 6))
    bars = script.bars
    rows: list[tuple[float, ...]] = []
    times: list[int] = []
    for i in range(len(bars)):
        low, high = round(bars.low[i] / TICK), round(bars.high[i] / TICK)
        opening, close = round(bars.open[i] / TICK), round(bars.close[i] / TICK)
        count = int(random.integers(1, most + 1))
        for k in range(count):
            last = close if k == count - 1 else int(random.integers(low, high + 1))
            top = int(random.integers(max(opening, last), high + 1))
            bottom = int(random.integers(low, min(opening, last) + 1))
            volume = float(random.choice((0, 40, 900, 5_000)))
            rows.append((opening * TICK, top * TICK, bottom * TICK, last * TICK, volume))
            times.append(int(bars.ts[i]) + k)
            opening = last if random.random() < 0.8 else int(random.integers(low, high + 1))
    return replace(script, finer=Bars.of(times, *zip(*rows, strict=True)))
