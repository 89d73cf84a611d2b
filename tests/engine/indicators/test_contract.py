"""What every indicator promises: one kernel for batch, tiles and live bars, no look-ahead, a true warm-up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.grid import scale_of
from trademantra.engine.indicators.declare import Indicator, Live, matrix_of
from trademantra.engine.indicators.registry import INDICATORS, indicator

MakeBars = Callable[..., tuple[Bars, Int64Array]]

every_indicator = pytest.mark.parametrize("name", list(INDICATORS))
VOLUME_LEVELS = ("vwma", "vwap")  # undefined, not neutral, where nothing was traded


@st.composite
def settings_of(draw: st.DrawFn, of: Indicator, longest: int = 30) -> dict[str, float]:
    """Random parameter values, with lengths that fit a few hundred bars."""
    return {
        p.name: float(draw(st.integers(int(p.low), min(int(p.high), longest))))
        if p.integer
        else draw(st.floats(p.low, min(p.high, 5.0)))
        for p in of.parameters
    }


def run(
    of: Indicator, bars: Bars, session: Int64Array, scale: float, values: dict[str, float], cuts: list[int]
) -> Float64Array:
    """All outputs, computed in the pieces that `cuts` makes, with one state."""
    parameters = of.values(values)
    state = np.zeros(of.state_size(parameters))
    pieces = []
    for start, stop in zip([0, *cuts], [*cuts, len(bars)], strict=True):
        out = np.full((len(of.outputs), stop - start), 7.0)
        of.kernel(matrix_of(bars), session, scale, np.array(parameters), state, out, start, stop)
        pieces.append(out)
    return np.concatenate(pieces, axis=1)


@every_indicator
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_tiles_and_live_give_the_bits_of_batch(
    name: str, data: st.DataObject, make_bars: MakeBars, kinds: tuple[str, ...]
) -> None:
    of = INDICATORS[name]
    values = data.draw(settings_of(of))
    n = data.draw(st.integers(0, 160))
    bars, session = make_bars(
        data.draw(st.integers(0, 2**32)), n, data.draw(st.sampled_from(kinds)), no_volume=0.2
    )
    whole = of.batch(bars, session, **values)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=6)))
    tiled = run(of, bars, session, scale_of(bars), values, cuts)
    assert tiled.tobytes() == np.stack(list(whole.values())).tobytes()
    live = Live(of, scale_of(bars), **values)
    history = data.draw(st.integers(0, n))
    fed = live.feed(bars.slice(0, history), session[:history])
    one_by_one = [
        live.update(bars.open[i], bars.high[i], bars.low[i], bars.close[i], bars.volume[i], int(session[i]))
        for i in range(history, n)
    ]
    for row, output in enumerate(of.outputs):
        streamed = np.concatenate([fed[output], np.array([values[row] for values in one_by_one])])
        assert streamed.tobytes() == whole[output].tobytes()


@every_indicator
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_value_does_not_change_when_later_bars_change(
    name: str, data: st.DataObject, make_bars: MakeBars, kinds: tuple[str, ...]
) -> None:
    of = INDICATORS[name]
    values = data.draw(settings_of(of))
    seed, n = data.draw(st.integers(0, 2**32)), data.draw(st.integers(1, 160))
    bars, session = make_bars(seed, n, data.draw(st.sampled_from(kinds)))
    other, other_session = make_bars(seed + 1, n, data.draw(st.sampled_from(kinds)))
    cut = data.draw(st.integers(0, n))
    changed = Bars.of(
        np.arange(n),
        *(
            np.concatenate([getattr(bars, field)[:cut], getattr(other, field)[cut:]])
            for field in ("open", "high", "low", "close", "volume")
        ),
    )
    sessions = np.concatenate([session[:cut], 1_000 + other_session[cut:]])
    scale = data.draw(st.sampled_from([scale_of(bars), 1.0]))
    before = run(of, bars, session, scale, values, [])[:, :cut]
    after = run(of, changed, sessions, scale, values, [])[:, :cut]
    assert before.tobytes() == after.tobytes()


@every_indicator
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_exactly_the_warm_up_is_undefined(
    name: str, data: st.DataObject, make_bars: MakeBars, kinds: tuple[str, ...]
) -> None:
    of = INDICATORS[name]
    values = data.draw(settings_of(of))
    n = data.draw(st.integers(0, 160))
    bars, _ = make_bars(data.draw(st.integers(0, 2**32)), n, data.draw(st.sampled_from(kinds)))
    first_session = data.draw(st.integers(0, n))
    session = (np.arange(n) >= first_session).astype(np.int64)
    if name == "opening_range":
        session[:] = 0
    warm_up = of.warm_up(of.values(values)) + of.warm_up_sessions * first_session
    if of.warm_up_sessions and first_session == 0:
        warm_up = n
    for output, column in of.batch(bars, session, **values).items():
        undefined = np.isnan(column)
        assert undefined[:warm_up].all(), output
        assert not undefined[warm_up:].any(), output
        assert np.isfinite(column[warm_up:]).all(), output


@every_indicator
@pytest.mark.parametrize("kind", ["constant", "steps", "huge", "tiny", "jumps"])
@pytest.mark.parametrize("no_volume", [0.3, 1.0])
def test_no_bars_make_it_infinite(name: str, kind: str, no_volume: float, make_bars: MakeBars) -> None:
    of = INDICATORS[name]
    for session_bars in (0, 1, 25):
        bars, session = make_bars(5, 300, kind, no_volume=no_volume, session_bars=session_bars)
        warm_up = of.warm_up(of.values({})) + 25 * of.warm_up_sessions
        for output, column in of.batch(bars, session).items():
            assert not np.isinf(column).any(), output
            if name not in (*VOLUME_LEVELS, "opening_range") and session_bars in (1, 25):
                assert np.isfinite(column[warm_up:]).all(), output


@every_indicator
def test_its_declaration_is_whole(name: str) -> None:
    of = INDICATORS[name]
    assert of.name == name
    assert of.title
    assert of.source
    assert len(set(of.outputs)) == len(of.outputs) > 0
    assert of.state_size(of.values({})) >= 1
    for parameter in of.parameters:
        with pytest.raises(InvalidValueError, match=f"indicator {name}: parameter {parameter.name}"):
            of.values({parameter.name: parameter.high + 1})


@every_indicator
def test_the_page_for_users_lists_it(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "indicators.md"
    rows = [line for line in page.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    for parameter in INDICATORS[name].parameters:
        assert parameter.name in rows[0]


def test_an_unknown_indicator_is_refused_with_the_names_there_are() -> None:
    assert len(INDICATORS) == len(list(INDICATORS)) >= 30
    with pytest.raises(InvalidValueError, match="no indicator 'supertrnd'") as error:
        indicator("supertrnd")
    assert "supertrend" in str(error.value.hint)
    with pytest.raises(KeyError):
        INDICATORS["supertrnd"]


@pytest.mark.parametrize("session", [np.zeros(3, np.int64), np.zeros(10), np.zeros((10, 1), np.int64)])
def test_session_numbers_that_do_not_fit_are_refused(session: Int64Array, make_bars: MakeBars) -> None:
    bars, _ = make_bars(1, 10)
    with pytest.raises(InvalidValueError, match="session: 10 whole numbers"):
        INDICATORS["vwap"].batch(bars, session)


def test_read_only_and_scattered_arrays_are_taken(make_bars: MakeBars) -> None:
    bars, session = make_bars(1, 50)
    plain = INDICATORS["vwap"].batch(bars, session)["vwap"]
    fields = [np.array(getattr(bars, f)) for f in ("open", "high", "low", "close", "volume")]
    matrix = np.stack(fields)
    matrix.flags.writeable = False
    frozen = Bars(bars.ts, *matrix)
    scattered = np.repeat(session, 2)[::2].astype(np.int32)
    assert INDICATORS["vwap"].batch(frozen, scattered)["vwap"].tobytes() == plain.tobytes()


@given(seed=st.integers(0, 2**32), length=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_averages_of_a_still_market_are_its_price(seed: int, length: int) -> None:
    price = float(np.round(np.random.default_rng(seed).uniform(0.05, 1e5), 2))
    n = 120
    bars = Bars.of(np.arange(n), *np.full((4, n), price), np.arange(1, n + 1))
    for name in ("sma", "ema", "rma", "wma", "kama"):
        column = INDICATORS[name].batch(bars, length=length)[name]
        assert set(column[np.isfinite(column)]) == {price}, name
    upper = INDICATORS["bollinger"].batch(bars, length=length)["upper"]
    assert set(upper[length - 1 :]) == {price}
    assert set(INDICATORS["vwap"].batch(bars)["upper"]) == {price}


def test_averages_reach_a_price_that_stands_still() -> None:
    """To the last bit, so that a still market neither crosses its average nor stays off it for ever."""
    close = np.concatenate([np.linspace(90.0, 110.0, 50), np.full(2_000, 100.05)])
    bars = Bars.of(np.arange(len(close)), close, close, close, close, np.ones(len(close)))
    for name in ("ema", "rma"):
        assert INDICATORS[name].batch(bars)[name][-1] == 100.05
    assert INDICATORS["atr"].batch(bars)["atr"][-1] < 1e-50
    assert abs(INDICATORS["macd"].batch(bars)["histogram"][-1]) < 1e-50


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), fast=st.integers(1, 20), slow=st.integers(1, 20))
def test_averages_that_tie_in_exact_arithmetic_tie_in_the_engine(seed: int, fast: int, slow: int) -> None:
    steps = np.random.default_rng(seed).integers(1, 4, 200)  # few prices, many ties
    bars = Bars.of(np.arange(200), *np.tile(steps * 0.05, (4, 1)), np.ones(200))
    a = INDICATORS["sma"].batch(bars, length=fast)["sma"]
    b = INDICATORS["sma"].batch(bars, length=slow)["sma"]
    sums = np.concatenate([[0], np.cumsum(steps)])
    for i in range(max(fast, slow) - 1, 200):
        exact_a = (sums[i + 1] - sums[i + 1 - fast]) * slow
        exact_b = (sums[i + 1] - sums[i + 1 - slow]) * fast
        assert (a[i] == b[i]) == (exact_a == exact_b)
        assert (a[i] > b[i]) == (exact_a > exact_b)
