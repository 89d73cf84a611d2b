"""Rotation and pairs: causal, the rule said again in plain Python, small markets worked out by hand."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.strategies.tape import input_of, walk
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import backtest
from trademantra.engine.bars import Bars, Float64Array
from trademantra.engine.panel import CLOSE, AllocationStrategy, Panel
from trademantra.strategies.registry import load_strategy, strategy_names

ALLOCATIONS = tuple(n for n in strategy_names() if isinstance(load_strategy(n), AllocationStrategy))
LIVELY: dict[str, dict[str, float]] = {
    "dual_momentum": {"lookback": 10, "top": 2, "every": 5},
    "pairs": {"lookback": 20, "entry": 1.5},
    "relative_strength": {"lookback": 12, "top": 2, "buffer": 1, "every": 3},
}
DAY = 86_400 * 10**9


def loaded(name: str) -> AllocationStrategy:
    strategy = load_strategy(name)
    assert isinstance(strategy, AllocationStrategy)
    return strategy


def daily(seed: int, n: int) -> Bars:
    bars = walk(seed, n, 1, drift=0.3)
    return replace(bars, ts=np.arange(n) * DAY)


def related(seed: int, n: int) -> dict[str, Bars]:
    """Two instruments of which the second follows the first and returns to it."""
    first, other = daily(seed, n), daily(seed + 1, n)
    rng = np.random.default_rng(seed)
    apart = np.zeros(n)
    for i in range(1, n):
        apart[i] = 0.9 * apart[i - 1] + rng.normal(0, 0.01)
    ratio = np.exp(apart) * 0.5
    fields = [np.round(getattr(first, name) * ratio, 2) for name in ("open", "high", "low", "close")]
    high, low = np.maximum.reduce(fields), np.minimum.reduce(fields)
    return {"A": first, "B": Bars.of(first.ts, fields[0], high, low, fields[3], other.volume)}


def market(name: str, seed: int, n: int = 300) -> dict[str, Bars]:
    if name == "pairs":
        return related(seed, n)
    return {chr(65 + k): daily(seed * 10 + k, n) for k in range(6)}


def weights_of(name: str, panel: Panel, given: Mapping[str, float]) -> dict[int, Float64Array]:
    """Target weights by rebalance bar, as the kernel writes them."""
    strategy = loaded(name)
    values = strategy.values(given)
    parameters = np.array([values[p.name] for p in strategy.parameters])
    state, told = np.zeros(strategy.state_size), {}
    for i in np.flatnonzero(strategy.rebalances(len(panel), values)).tolist():
        weights = np.zeros(len(panel.symbols))
        strategy.kernel(panel.values, i, parameters, state, weights)
        told[i] = weights
    return told


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_weights_and_trades_do_not_depend_on_later_bars(name: str) -> None:
    rng = np.random.default_rng(4)
    for seed in range(3):
        bars = market(name, seed)
        panel = Panel.align(bars)
        whole = weights_of(name, panel, LIVELY[name])
        full = backtest(loaded(name), input_of(bars), LIVELY[name])
        assert len(full.trades) > 5
        for cut in rng.integers(60, 300, 4).tolist():
            part = {symbol: one.slice(0, cut) for symbol, one in bars.items()}
            before = weights_of(name, Panel.align(part), LIVELY[name])
            assert before.keys() == {i for i in whole if i < cut}
            assert all(np.array_equal(before[i], whole[i]) for i in before)
            short = backtest(loaded(name), input_of(part), LIVELY[name])
            assert np.array_equal(short.fills, full.fills[full.fills["index"] < cut])
            assert np.array_equal(short.curve, full.curve[:cut])


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_nothing_is_decided_while_warming_up(name: str) -> None:
    values = loaded(name).values({})
    result = backtest(loaded(name), input_of(market(name, 1, 400)))
    assert len(result.fills) > 0
    assert result.fills["index"].min() > values["lookback"]


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_both_ends_of_each_parameter_run(name: str) -> None:
    given = input_of(market(name, 2, 1_050))
    for parameter, end in product(loaded(name).parameters, ("low", "high")):
        result = backtest(loaded(name), given, {parameter.name: getattr(parameter, end)})
        assert np.isfinite(result.curve).all()


def momentum_rule(closes: Float64Array, i: int, v: Mapping[str, float], held: set[int]) -> list[float]:
    gains = {j: closes[i, j] / closes[i - int(v["lookback"]), j] - 1 for j in range(closes.shape[1])}
    best = sorted(gains, key=lambda j: -gains[j])[: int(v["top"])]
    return [1 / v["top"] if j in best and (gains[j] > 0 or not v["absolute"]) else 0.0 for j in gains]


def strength_rule(closes: Float64Array, i: int, v: Mapping[str, float], held: set[int]) -> list[float]:
    n, top = int(v["lookback"]), int(v["top"])
    spans = (n, n // 2, n // 4)
    score = [sum(closes[i, j] / closes[i - s, j] - 1 for s in spans) for j in range(closes.shape[1])]
    order = sorted(range(len(score)), key=lambda j: -score[j])
    keep = [j for j in order[: top + int(v["buffer"])] if j in held][:top]
    for j in order:
        if len(keep) < top and j not in keep:
            keep.append(j)
    held.clear()
    held.update(keep)
    return [1 / v["top"] if j in keep else 0.0 for j in range(len(score))]


@pytest.mark.parametrize(
    ("name", "given"),
    [*((n, LIVELY[n]) for n in ("dual_momentum", "relative_strength")), ("dual_momentum", {"absolute": 0, "lookback": 20})],
)  # fmt: skip
def test_rotations_are_the_rule(name: str, given: dict[str, float]) -> None:
    rule = momentum_rule if name == "dual_momentum" else strength_rule
    values = loaded(name).values(given)
    changes = 0
    for seed in range(5):
        panel, held = Panel.align(market(name, seed)), set[int]()
        before = None
        for i, weights in weights_of(name, panel, given).items():
            expected = rule(panel.values[CLOSE], i, values, held)
            np.testing.assert_allclose(weights, expected, err_msg=f"seed {seed}, bar {i}")
            changes += before is not None and expected != before
            before = expected
    assert changes > 10


def test_a_buffer_saves_trades() -> None:
    bars = market("relative_strength", 3)
    made = [
        len(backtest(loaded("relative_strength"), input_of(bars), LIVELY["relative_strength"] | {"buffer": b}).trades)
        for b in (0, 2)
    ]  # fmt: skip
    assert made[1] < made[0]


def test_dual_momentum_holds_the_best_and_stays_out_of_what_fell() -> None:
    up, slow, down = (np.cumprod(np.full(12, g)) * 100 for g in (1.02, 1.01, 0.99))
    bars = {
        s: Bars.of(np.arange(12) * DAY, c, c, c, c, np.ones(12))
        for s, c in (("UP", up), ("SLOW", slow), ("DOWN", down))
    }
    result = backtest(loaded("dual_momentum"), input_of(bars), {"lookback": 5, "top": 1, "every": 50})
    assert [(result.symbols[f["instrument"]], int(f["index"])) for f in result.fills] == [("UP", 6)]
    both = backtest(loaded("dual_momentum"), input_of(bars), {"lookback": 5, "top": 3, "every": 50})
    assert {result.symbols[f["instrument"]] for f in both.fills} == {"UP", "SLOW"}  # a third stays in cash
    for fill in both.fills:  # a third of equity each, at the prices of the decision
        price = {"UP": up, "SLOW": slow}[both.symbols[fill["instrument"]]][5]
        assert float(fill["quantity"] * price) == pytest.approx(1e6 / 3)


def test_a_missing_bar_is_not_ranked() -> None:
    bars = {chr(65 + k): daily(k, 60) for k in range(3)}
    gone = bars["A"]
    keep = np.arange(60) != 20
    bars["A"] = Bars(
        *(
            np.ascontiguousarray(getattr(gone, f)[keep])
            for f in ("ts", "open", "high", "low", "close", "volume")
        )
    )
    told = weights_of("relative_strength", Panel.align(bars), {"lookback": 20, "top": 3, "every": 1})
    assert told[40][0] == 0.0  # its bar 20 back is missing
    assert told[41][0] > 0.0


def pair_rule(closes: Float64Array, v: Mapping[str, float]) -> dict[int, tuple[float, float]]:
    n, logs = int(v["lookback"]), np.log(closes)
    side, hedge_held, blocked, told = 0, 0.0, 0, {}
    for i in range(n, len(closes)):
        a, b = logs[i - n + 1 : i + 1].T
        hedge, constant = np.polyfit(b, a, 1)
        rest = a - hedge * b - constant
        z = rest[-1] / rest.std()
        want = -1 if z > 0 else 1
        if side and abs(z) >= v["limit"] and want == side:
            side, blocked = 0, want
        elif side and (abs(z) <= v["leave"] or want != side or hedge <= 0):
            side = 0
        if abs(z) <= v["leave"] or want != blocked:
            blocked = 0
        if not side and v["entry"] <= abs(z) < v["limit"] and not blocked and hedge > 0:
            side, hedge_held = want, hedge
        told[i] = (side / (1 + hedge_held), -side * hedge_held / (1 + hedge_held)) if side else (0.0, 0.0)
    return told


@pytest.mark.parametrize(
    "given", [{}, LIVELY["pairs"], {"lookback": 15, "entry": 1.0, "leave": 0.9, "limit": 4.0}]
)
def test_pairs_is_the_rule(given: dict[str, float]) -> None:
    values = loaded("pairs").values(given)
    sides = set()
    for seed in range(6):
        bars = related(seed, 300)
        panel = Panel.align(bars)
        expected = pair_rule(panel.values[CLOSE], values)
        for i, weights in weights_of("pairs", panel, given).items():
            np.testing.assert_allclose(
                weights, expected[i], rtol=1e-6, atol=1e-9, err_msg=f"seed {seed}, bar {i}"
            )
            sides.add(np.sign(weights[0]))
            assert np.abs(weights).sum() == pytest.approx(1.0) or not weights.any()
    assert sides == {-1.0, 0.0, 1.0}


def test_pairs_sells_the_dear_one_and_earns_the_return() -> None:
    n = 61
    base = 100 * np.exp(0.01 * np.sin(np.arange(n)))  # they swing together
    dear = base.copy()
    dear[50:53] *= 1.05  # then A runs away for three bars
    bars = {s: Bars.of(np.arange(n) * DAY, c, c, c, c, np.ones(n)) for s, c in (("A", dear), ("B", base))}
    result = backtest(loaded("pairs"), input_of(bars), {"lookback": 30, "limit": 10})
    first = {result.symbols[f["instrument"]]: (int(f["index"]), int(f["side"])) for f in result.fills[:2]}
    assert first == {"A": (51, -1), "B": (51, 1)}
    assert result.curve[-1] > result.curve[0]
    assert (result.given.symbols, len(result.trades)) == (("A", "B"), 2)


def test_a_pair_that_runs_away_is_given_up_and_not_entered_again_at_once() -> None:
    values = loaded("pairs").values({"lookback": 100, "entry": 2.0, "limit": 4.0})
    closes = np.exp(np.column_stack([0.01 * np.sin(np.arange(160)), 0.01 * np.sin(np.arange(160))]) + 4.6)
    rng = np.random.default_rng(0)
    closes[:, 0] *= np.exp(rng.normal(0, 0.001, 160))
    closes[120:, 0] *= 1.0032  # enough to enter
    closes[122:, 0] *= 1.05  # and then far beyond the limit
    bars = {
        s: Bars.of(np.arange(160) * DAY, c, c, c, c, np.ones(160))
        for s, c in (("A", closes[:, 0].copy()), ("B", closes[:, 1].copy()))
    }
    told = weights_of("pairs", Panel.align(bars), values)
    assert told[121][0] < 0.0
    assert not told[122].any()
    assert not told[123].any()
    for i, weights in pair_rule(closes, values).items():
        np.testing.assert_allclose(told[i], weights, rtol=1e-6, atol=1e-9)


def test_a_missing_bar_leaves_a_pair_as_it_is() -> None:
    bars = related(1, 200)
    told = weights_of("pairs", Panel.align(bars), LIVELY["pairs"])
    on = next(i for i in told if i > 60 and told[i].any() and told[i + 1].any())
    keep = np.arange(200) != on + 1
    b = bars["B"]
    bars["B"] = Bars(
        *(np.ascontiguousarray(getattr(b, f)[keep]) for f in ("ts", "open", "high", "low", "close", "volume"))
    )
    gap = weights_of("pairs", Panel.align(bars), LIVELY["pairs"])
    for i in range(on + 1, on + 1 + 20):
        assert np.array_equal(gap[i], gap[on])


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_one_instrument_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"strategy {name} needs at least 2 instruments"):
        backtest(loaded(name), input_of({"A": daily(1, 300)}))
