"""Each indicator against its definition written down plainly: specs/india-markets.md 8.3, one bar at a time."""

from collections.abc import Callable, Sequence
from math import isqrt, nan, sqrt

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.indicators.registry import INDICATORS

MakeBars = Callable[..., tuple[Bars, Int64Array]]
Series = Sequence[float]

seeds = st.integers(0, 2**32)
sizes = st.integers(0, 200)
pleasant = st.sampled_from(["tick", "off_grid", "steps"])
lengths = st.integers(1, 30)
examples = settings(max_examples=20, deadline=None)


def agree(ours: Float64Array, theirs: Series, size: float = 0.0) -> None:
    np.testing.assert_allclose(ours, np.array(theirs, np.float64), rtol=1e-9, atol=1e-9 * size)


def windows(x: Series, n: int) -> list[Series | None]:
    """The last n defined values at each bar, None until there are so many."""
    first = next((i for i, value in enumerate(x) if value == value), len(x))
    return [x[i - n + 1 : i + 1] if i - n + 1 >= first else None for i in range(len(x))]


def over(x: Series, n: int, function: Callable[[Series], float]) -> list[float]:
    return [nan if w is None else function(w) for w in windows(x, n)]


def sma(x: Series, n: int) -> list[float]:
    return over(x, n, lambda w: sum(w) / n)


def wma(x: Series, n: int) -> list[float]:
    return over(x, n, lambda w: sum((k + 1) * value for k, value in enumerate(w)) / (n * (n + 1) / 2))


def recursive(x: Series, n: int, a: float) -> list[float]:
    out: list[float] = []
    for w in windows(x, n):
        before = out[-1] if out else nan
        out.append(nan if w is None else sum(w) / n if before != before else a * w[-1] + (1 - a) * before)
    return out


def ema(x: Series, n: int) -> list[float]:
    return recursive(x, n, 2 / (n + 1))


def rma(x: Series, n: int) -> list[float]:
    return recursive(x, n, 1 / n)


def deviation(x: Series, n: int) -> list[float]:
    return over(x, n, lambda w: sqrt(sum((value - sum(w) / n) ** 2 for value in w) / n))


def combined(function: Callable[..., float], *series: Series) -> list[float]:
    return [function(*values) for values in zip(*series, strict=True)]


def true_ranges(bars: Bars) -> list[float]:
    h, low, c = bars.high, bars.low, bars.close
    return [
        h[i] - low[i] if i == 0 else max(h[i] - low[i], abs(h[i] - c[i - 1]), abs(low[i] - c[i - 1]))
        for i in range(len(bars))
    ]


def masked(values: Series, *others: Series) -> list[float]:
    """`values` where all of `others` are defined."""
    return [v if all(o == o for o in rest) else nan for v, *rest in zip(values, *others, strict=True)]


@examples
@given(seed=seeds, n=sizes, kind=pleasant, length=st.integers(2, 30), source=st.integers(0, 7))
def test_averages_of_any_source(
    seed: int, n: int, kind: str, length: int, source: int, make_bars: MakeBars
) -> None:
    bars, _ = make_bars(seed, n, kind)
    o, h, low, c = bars.open, bars.high, bars.low, bars.close
    x = [o, h, low, c, bars.volume, (h + low) / 2, (h + low + c) / 3, (o + h + low + c) / 4][source].tolist()
    size = 1.0 if source != 4 else 1e5

    def ours(name: str, output: str = "") -> Float64Array:
        return INDICATORS[name].batch(bars, length=length, source=source)[output or name]

    agree(ours("sma"), sma(x, length))
    agree(ours("ema"), ema(x, length))
    agree(ours("rma"), rma(x, length))
    agree(ours("wma"), wma(x, length))
    hull = combined(lambda a, b: 2 * a - b, wma(x, length // 2), wma(x, length))
    agree(ours("hma"), wma(hull, isqrt(length)), size)
    spread = deviation(x, length)
    agree(ours("standard_deviation"), spread, size)
    scores = combined(
        lambda v, m, s: s if s != s else (v - m) / s if s > 1e-9 else 0.0, x, sma(x, length), spread
    )
    agree(ours("z_score"), scores, 1.0)
    bands = INDICATORS["bollinger"].batch(bars, length=length, multiplier=1.5, source=source)
    agree(bands["width"], combined(lambda s, m: 3.0 * s / m, spread, sma(x, length)), 10.0)
    percent = combined(lambda z: 0.5 + z / 3.0, scores)
    agree(bands["percent_b"], percent, 10.0)
    value_by_volume = (np.array(x) * bars.volume).tolist()
    agree(
        ours("vwma"),
        combined(lambda a, b: a / b, sma(value_by_volume, length), sma(bars.volume.tolist(), length)),
    )


@examples
@given(
    seed=seeds,
    n=sizes,
    kind=pleasant,
    length=lengths,
    other=lengths,
    third=st.integers(1, 9),
    multiplier=st.floats(0.5, 4),
)
def test_bands_and_strength(
    seed: int,
    n: int,
    kind: str,
    length: int,
    other: int,
    third: int,
    multiplier: float,
    make_bars: MakeBars,
) -> None:
    bars, _ = make_bars(seed, n, kind)
    close = bars.close.tolist()
    ranges = true_ranges(bars)
    keltner = INDICATORS["keltner"].batch(bars, length=length, atr_length=other, multiplier=multiplier)
    middle, reach = ema(close, length), rma(ranges, other)
    agree(keltner["middle"], masked(middle, reach))
    agree(keltner["upper"], combined(lambda m, r: m + multiplier * r, middle, reach))
    agree(keltner["lower"], combined(lambda m, r: m - multiplier * r, middle, reach), 500.0)

    changes = [nan, *np.diff(close).tolist()][:n]
    twice = ema(ema(changes, length), other)
    sizes_twice = ema(ema([abs(v) for v in changes], length), other)
    tsi = combined(lambda a, b: b if b != b else 100 * a / b if b > 1e-9 else 0.0, twice, sizes_twice)
    ours = INDICATORS["tsi"].batch(bars, long=length, short=other, smoothing=third)
    agree(ours["signal"], ema(tsi, third), 1e3)
    agree(ours["tsi"], masked(tsi, ema(tsi, third)), 1e3)

    spans = ema((bars.high - bars.low).tolist(), length)
    volatility = [
        nan
        if i < other or spans[i - other] != spans[i - other]
        else 100 * (spans[i] / spans[i - other] - 1)
        if spans[i - other] > 1e-9
        else 0.0
        for i in range(n)
    ]
    ours_volatility = INDICATORS["chaikin_volatility"].batch(bars, length=length, change=other)
    agree(ours_volatility["chaikin_volatility"], volatility, 1e3)


@examples
@given(seed=seeds, n=sizes, kind=pleasant, length=st.integers(2, 30))
def test_squeeze(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind)
    close = bars.close.tolist()
    average, spread, ranges = sma(close, length), deviation(close, length), sma(true_ranges(bars), length)
    distance = combined(
        lambda c, h, low, m: c - ((h + low) / 2 + m) / 2,
        close,
        over(bars.high.tolist(), length, max),
        over(bars.low.tolist(), length, min),
        average,
    )

    def regression(w: Series) -> float:
        slope, level = np.polyfit(np.arange(length), w, 1)
        return float(level + slope * (length - 1))

    momentum = over(distance, length, regression)
    ours = INDICATORS["squeeze"].batch(bars, length=length)
    np.testing.assert_allclose(ours["momentum"], momentum, rtol=1e-9, atol=1e-8)
    for i in range(2 * length - 2, n):
        if abs(2.0 * spread[i] - 1.5 * ranges[i]) > 1e-9:
            assert ours["on"][i] == float(2.0 * spread[i] < 1.5 * ranges[i])


@examples
@given(seed=seeds, n=sizes, kind=pleasant, length=lengths, multiplier=st.floats(0.5, 4))
def test_supertrend(
    seed: int, n: int, kind: str, length: int, multiplier: float, make_bars: MakeBars
) -> None:
    bars, _ = make_bars(seed, n, kind)
    close = bars.close
    atr = rma(true_ranges(bars), length)
    line, direction = [nan] * n, [nan] * n
    lower_before = upper_before = before = nan
    margin = np.inf  # how near any comparison came to a tie, which rounding may decide either way
    for i in range(length - 1, n):
        mid = (bars.high[i] + bars.low[i]) / 2
        lower, upper = mid - multiplier * atr[i], mid + multiplier * atr[i]
        if i >= length:
            tests = [lower - lower_before, close[i - 1] - lower_before, upper - upper_before]
            margin = min([margin, *(abs(t) for t in [*tests, close[i - 1] - upper_before] if t != 0.0)])
            lower = lower if lower > lower_before or close[i - 1] < lower_before else lower_before
            upper = upper if upper < upper_before or close[i - 1] > upper_before else upper_before
        if before != before:
            now = -1.0
        elif before < 0:
            now = 1.0 if close[i] > upper else -1.0
        else:
            now = -1.0 if close[i] < lower else 1.0
        margin = min([margin, *(abs(t) for t in (close[i] - upper, close[i] - lower) if t != 0.0)])
        line[i], direction[i] = (lower if now > 0 else upper), now
        lower_before, upper_before, before = lower, upper, now
    if margin < 1e-7:
        return
    ours = INDICATORS["supertrend"].batch(bars, length=length, multiplier=multiplier)
    agree(ours["line"], line)
    np.testing.assert_array_equal(ours["direction"], direction)


@examples
@given(seed=seeds, n=sizes, length=lengths, smoothing=lengths)
def test_adx(seed: int, n: int, length: int, smoothing: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, "off_grid")
    up = [nan, *np.diff(bars.high).tolist()][:n]
    down = [nan, *(-np.diff(bars.low)).tolist()][:n]
    plus = rma(
        [u if u != u else u if u > d and u > 0 else 0.0 for u, d in zip(up, down, strict=True)], length
    )
    minus = rma(
        [d if d != d else d if d > u and d > 0 else 0.0 for u, d in zip(up, down, strict=True)], length
    )
    ranges = rma(masked(true_ranges(bars), up), length)
    dx = combined(lambda p, m: 100 * abs(p - m) / (p + m) if p + m != 0 else 0.0, plus, minus)
    adx = rma(dx, smoothing)
    ours = INDICATORS["adx"].batch(bars, length=length, smoothing=smoothing)
    agree(ours["adx"], adx, 1.0)
    agree(ours["plus_di"], masked(combined(lambda p, r: 100 * p / r, plus, ranges), adx), 1.0)
    agree(ours["minus_di"], masked(combined(lambda m, r: 100 * m / r, minus, ranges), adx), 1.0)


@examples
@given(seed=seeds, n=sizes, kind=pleasant, length=lengths)
def test_vortex_flows_and_volume(seed: int, n: int, kind: str, length: int, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind, no_volume=0.3)
    high, low, close, volume = (getattr(bars, f).tolist() for f in ("high", "low", "close", "volume"))
    plus = [nan, *(abs(high[i] - low[i - 1]) for i in range(1, n))][:n]
    minus = [nan, *(abs(low[i] - high[i - 1]) for i in range(1, n))][:n]
    ranges = sma(masked(true_ranges(bars), plus), length)
    vortex = INDICATORS["vortex"].batch(bars, length=length)

    def share(a: float, r: float) -> float:
        return r if r != r else a / r if r > 1e-9 else 1.0

    agree(vortex["plus"], combined(share, sma(plus, length), ranges))
    agree(vortex["minus"], combined(share, sma(minus, length), ranges))
    flows = [
        ((c - lo) - (h - c)) / (h - lo) * v if h - lo > 1e-9 else 0.0
        for h, lo, c, v in zip(high, low, close, volume, strict=True)
    ]
    money = combined(
        lambda a, b: b if b != b else a / b if b > 0 else 0.0, sma(flows, length), sma(volume, length)
    )
    agree(INDICATORS["cmf"].batch(bars, length=length)["cmf"], money, 1.0)
    average = sma(volume, length)
    ours = INDICATORS["volume_sma"].batch(bars, length=length)
    agree(ours["average"], average)
    agree(
        ours["relative"],
        combined(lambda v, a: a if a != a else v / a if a > 0 else 0.0, volume, average),
    )


@examples
@given(
    seed=seeds, n=sizes, kind=pleasant, lines=st.tuples(lengths, lengths, lengths), shift=st.integers(1, 30)
)
def test_ichimoku(
    seed: int, n: int, kind: str, lines: tuple[int, int, int], shift: int, make_bars: MakeBars
) -> None:
    bars, _ = make_bars(seed, n, kind)

    def middle(length: int) -> list[float]:
        highs, lows = over(bars.high.tolist(), length, max), over(bars.low.tolist(), length, min)
        return combined(lambda a, b: (a + b) / 2, highs, lows)

    def ahead(x: Series) -> list[float]:
        return [nan] * min(shift - 1, n) + list(x[: max(n - shift + 1, 0)])

    conversion, base, span = (middle(length) for length in lines)
    span_a = ahead(masked(combined(lambda a, b: (a + b) / 2, conversion, base), span))
    ours = INDICATORS["ichimoku"].batch(bars, conversion=lines[0], base=lines[1], span=lines[2], shift=shift)
    agree(ours["conversion"], masked(conversion, span_a))
    agree(ours["base"], masked(base, span_a))
    agree(ours["span_a"], span_a)
    agree(ours["span_b"], masked(ahead(span), span_a))


@examples
@given(seed=seeds, n=sizes, kind=pleasant)
def test_heikin_ashi(seed: int, n: int, kind: str, make_bars: MakeBars) -> None:
    bars, _ = make_bars(seed, n, kind)
    ours = INDICATORS["heikin_ashi"].batch(bars)
    open_ = close = 0.0
    for i in range(n):
        o, h, low, c = bars.open[i], bars.high[i], bars.low[i], bars.close[i]
        open_ = (o + c) / 2 if i == 0 else (open_ + close) / 2
        close = (o + h + low + c) / 4
        candle = [open_, max(h, open_, close), min(low, open_, close), close]
        np.testing.assert_allclose([ours[k][i] for k in ("open", "high", "low", "close")], candle, rtol=1e-9)


def test_parabolic_sar_by_hand() -> None:
    """A rise, a break and the turn, worked out on paper with step 0.02 and limit 0.2."""
    high = [10.0, 11.0, 12.0, 13.0, 12.0, 10.5]
    low = [9.0, 10.0, 11.0, 12.0, 10.5, 9.0]
    close = [9.5, 10.5, 11.5, 12.5, 11.0, 9.5]
    bars = Bars.of(range(6), close, high, low, close, [1.0] * 6)
    ours = INDICATORS["parabolic_sar"].batch(bars)
    # bar 1: up from the low 9, extreme 11: 9 + 0.02 * 2 = 9.04, held at the low before, 9
    # bar 2: 9 + 0.02 * (11 - 9) = 9.04, held at 9; extreme 12, acceleration 0.04
    # bar 3: 9 + 0.04 * 3 = 9.12; extreme 13, 0.06.  bar 4: 9.12 + 0.06 * 3.88 = 9.3528
    # bar 5: 9.3528 + 0.06 * 3.6472 = 9.571632 > low 9: turn, stop at the extreme 13
    expected = [nan, 9.0, 9.0, 9.12, 9.3528, 13.0]
    np.testing.assert_allclose(ours["sar"], expected, rtol=1e-12)
    np.testing.assert_array_equal(ours["direction"], [nan, 1, 1, 1, 1, -1])


def test_spread_is_accurate_on_nasty_series(make_bars: MakeBars) -> None:
    """Tiny moves on a high price, and windows after a jump of four magnitudes."""
    for kind in ("tiny_moves", "jumps", "huge", "tiny", "off_grid"):
        bars, _ = make_bars(9, 3_000, kind)
        for length in (2, 20, 200):
            view = np.lib.stride_tricks.sliding_window_view(bars.close, length).astype(np.longdouble)
            exact = np.sqrt(np.mean((view - view.mean(axis=1, keepdims=True)) ** 2, axis=1)).astype(float)
            ours = INDICATORS["standard_deviation"].batch(bars, length=length)["standard_deviation"]
            np.testing.assert_allclose(ours[length - 1 :], exact, rtol=1e-9, atol=float(view.max()) * 1e-16)
            mean = INDICATORS["sma"].batch(bars, length=length)["sma"]
            np.testing.assert_allclose(mean[length - 1 :], view.mean(axis=1).astype(float), rtol=1e-14)


def test_nothing_remains_of_a_value_that_left_the_window(make_bars: MakeBars) -> None:
    bars, _ = make_bars(4, 400, "off_grid")
    spiked = {f: np.array(getattr(bars, f)) for f in ("open", "high", "low", "close", "volume")}
    for field in spiked:
        spiked[field][50] *= 1e9
    other = Bars.of(bars.ts, **spiked)
    for name in ("sma", "wma", "vwma", "linear_regression", "bollinger", "cci", "mfi", "cmf", "stochastic"):
        of = INDICATORS[name]
        for output, column in of.batch(bars).items():
            np.testing.assert_allclose(of.batch(other)[output][100:], column[100:], rtol=1e-9, atol=1e-9)
