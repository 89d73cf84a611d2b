"""What holds in every run: money is conserved, and nothing depends on how the work was cut up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from tests.engine.generated import CHARGES, long_scripts, small_scripts, trading_rules
from tests.engine.scripted import RULES, Script
from tests.engine.test_metrics import given_of, random_bars
from tests.strategies.tape import LIVELY
from trademantra.engine.backtest import backtest
from trademantra.engine.charging import by_levy
from trademantra.engine.combinations import Market, Outcome, prepare, run_combinations
from trademantra.engine.records import ACCOUNT, RecordArray, SlippageKind
from trademantra.engine.rules import FillAt, Level, Slippage, TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.sweep import sweep
from trademantra.engine.timeline import by_days
from trademantra.engine.walk import TILE
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.strategies.registry import load_strategy

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")


def assert_money_is_conserved(script: Script, rules: TradingRules, outcome: Outcome) -> None:
    scale = max(rules.cash, float(outcome.accounts["turnover"][0]))
    near = 1e-9 * scale
    closes, unit = script.bars.close, rules.multiplier
    flow, held = np.zeros(len(closes)), np.zeros(len(closes))
    fills, trades = outcome.fills, outcome.trades
    signed = fills["side"] * fills["quantity"]
    np.add.at(flow, fills["index"], -signed * fills["price"] * unit - fills["costs"])
    np.add.at(held, fills["index"], signed)
    # cash and position are the curve at every bar: a fill changes equity by its costs and its price against the close
    np.testing.assert_allclose(
        outcome.curve, rules.cash + np.cumsum(flow) + np.cumsum(held) * unit * closes, rtol=0, atol=near
    )
    [account] = outcome.accounts
    assert account["cash"] == pytest.approx(rules.cash + flow.sum(), abs=near)
    assert account["quantity"] == pytest.approx(held.sum(), abs=1e-6)
    # every line of charges is somewhere, once
    assert outcome.levies.sum() == pytest.approx(fills["costs"].sum(), abs=near)
    assert sum(by_levy(outcome.levies[0]).values()) == pytest.approx(float(account["costs"]), abs=near)
    # closed trades and the open one are all of the result
    flat = np.flatnonzero(np.abs(np.cumsum(signed)) <= 1e-9 * (1.0 + fills["quantity"]))
    left = fills[flat[-1] + 1 if len(flat) else 0 :]  # of the open trade
    open_profit = account["quantity"] * unit * closes[-1] - float(
        (left["side"] * left["quantity"] * left["price"] * unit + left["costs"]).sum()
    )
    assert trades["net"].sum() + open_profit == pytest.approx(outcome.curve[-1] - rules.cash, abs=10 * near)
    np.testing.assert_allclose(trades["net"], trades["gross"] - trades["costs"], atol=near)
    # no fill outside its bar but for slippage, which is against the order
    if rules.slippage.kind is SlippageKind.NONE and script.bands.shape[1] == 0:
        at = fills["index"]
        assert (fills["price"] <= script.bars.high[at] + 1e-9).all()
        assert (fills["price"] >= script.bars.low[at] - 1e-9).all()
    if rules.participation > 0.0:
        taken = np.zeros(len(closes))
        np.add.at(taken, fills["index"], fills["quantity"])
        assert (taken <= rules.participation * script.bars.volume + 1e-6).all()
    if rules.lot > 0.0:
        lots = fills["quantity"] / rules.lot
        np.testing.assert_allclose(lots, np.round(lots), atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(small_scripts(), trading_rules(), CHARGES)
def test_money_is_conserved(script: Script, rules: TradingRules, charges: ChargeRules) -> None:
    assert_money_is_conserved(script, rules, script.run(rules, charges))


@settings(max_examples=40, deadline=None)
@given(long_scripts((60, 700)), trading_rules(), CHARGES)
def test_money_is_conserved_over_many_trades(
    script: Script, rules: TradingRules, charges: ChargeRules
) -> None:
    assert_money_is_conserved(script, rules, script.run(rules, charges))


@settings(max_examples=60, deadline=None)
@given(long_scripts((60, 200)), trading_rules())
def test_slippage_is_never_in_favour(script: Script, rules: TradingRules) -> None:
    """The first fill, decided on the same bar with and without slippage, is worse or equal with it."""
    kinds = (Slippage.parse("bps:20"), Slippage.parse("range:0.5"), Slippage.parse("impact:0.1"))
    plain = script.run(replace(rules, slippage=Slippage())).fills
    for slippage in kinds:
        slipped = script.run(replace(rules, slippage=slippage)).fills
        if len(plain) and len(slipped) and plain["index"][0] == slipped["index"][0]:
            assert slipped["side"][0] * (slipped["price"][0] - plain["price"][0]) >= -1e-9


# ---- the cut of the work -----------------------------------------------------------------------------------

LIBRARY = ("sma_cross", "supertrend", "rsi_reversion", "donchian_breakout")


def points_of(strategy: SignalStrategy, count: int, seed: int) -> list[dict[str, float]]:
    """Random accepted parameter sets with short lengths."""
    random = np.random.default_rng(seed)
    points: list[dict[str, float]] = []
    while len(points) < count:
        point = {p.name: p.default for p in strategy.parameters}
        for p in strategy.parameters:
            if p.integer and p.low < 20 and p.high > 30:
                point[p.name] = float(random.integers(max(2, p.low), 30))
        if not strategy.refuse(point):
            points.append(point)
    return points


def strategy_named(name: str) -> SignalStrategy:
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    return strategy


def market_of(n: int, seed: int = 3) -> Market:
    bars = random_bars(seed, n, 4)
    return prepare(bars, by_days(bars.ts))


def same_records(one: RecordArray, other: RecordArray) -> None:
    for name in ACCOUNT.names or ():
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("name", LIBRARY)
def test_results_do_not_depend_on_workers_or_chunks(name: str) -> None:
    strategy = strategy_named(name)
    points = points_of(strategy, 23, 7)
    rules = [replace(RULES, stop=Level.parse("1%"), trail=Level.parse("2%"))] * len(points)
    market = market_of(1_300)
    whole = run_combinations(strategy, market, points, rules, workers=1)
    assert whole.accounts["trades"].sum() > 100
    for workers in (2, 3, 5):
        again = run_combinations(strategy, market, points, rules, workers=workers)
        same_records(again.accounts, whole.accounts)
        np.testing.assert_array_equal(again.levies, whole.levies)
    for cut in (1, 8, 22):
        parts = [
            run_combinations(strategy, market, points[a:b], rules[a:b], workers=2).accounts
            for a, b in ((0, cut), (cut, 23))
        ]
        same_records(np.concatenate(parts), whole.accounts)
    order = np.random.default_rng(1).permutation(23)
    shuffled = run_combinations(strategy, market, [points[k] for k in order], rules, workers=2)
    same_records(shuffled.accounts, whole.accounts[order])


@pytest.mark.parametrize("name", LIBRARY)
def test_a_single_run_is_the_sweep_of_its_point(name: str) -> None:
    strategy = strategy_named(name)
    points, market = points_of(strategy, 5, 11), market_of(1_100)
    rules = [replace(RULES, target=Level.parse("1.5%"), allow_short=True)] * len(points)
    swept = run_combinations(strategy, market, points, rules)
    for k, point in enumerate(points):
        single = run_combinations(strategy, market, [point], rules[:1], record=True)
        same_records(single.accounts, swept.accounts[k : k + 1])
        assert single.curve[-1] == swept.accounts["equity"][k]
        assert len(single.trades) == swept.accounts["trades"][k]
    unscored = run_combinations(strategy, market, points, rules, score=False)
    for field in ("equity", "cash", "trades", "costs", "gross_profit"):
        np.testing.assert_array_equal(unscored.accounts[field], swept.accounts[field])


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("n", [TILE - 1, TILE, TILE + 1, 2 * TILE, 2 * TILE + 1])
def test_where_tiles_end_does_not_matter(name: str, n: int) -> None:
    """The same bars, once as the first part of a longer series whose tiles lie otherwise at the end."""
    strategy = strategy_named(name)
    point = strategy.values(LIVELY[name])
    bars = random_bars(17, 2 * TILE + 300, 5)
    rules = [replace(RULES, trail=Level.parse("2%"), allow_short=True)]
    outcomes = []
    for part in (bars.slice(0, n), bars):
        market = prepare(part, by_days(part.ts))
        outcomes.append(run_combinations(strategy, market, [point], rules, record=True))
    short, long = outcomes
    before = long.fills[long.fills["index"] < n]
    assert len(before) > 4
    for field in ("index", "side", "quantity", "price", "reason"):
        np.testing.assert_array_equal(short.fills[field], before[field])
    np.testing.assert_array_equal(short.curve, long.curve[:n])


@pytest.mark.parametrize("fill_at", FillAt)
def test_a_chunked_sweep_reports_progress_and_gives_the_same(
    fill_at: FillAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = given_of(random_bars(5, 400, 4))
    strategy = strategy_named("sma_cross")
    grid = {"fast": (2.0, 3.0, 5.0), "slow": (7.0, 9.0, 20.0, 33.0)}
    rules = replace(RULES, fill_at=fill_at)
    whole = sweep(strategy, given, grid, rules=rules)
    monkeypatch.setattr("trademantra.engine.sweep._WORK_A_CHUNK", 1_000)
    told: list[tuple[int, int]] = []
    again = sweep(strategy, given, grid, rules=rules, workers=2, progress=lambda *at: told.append(at))
    assert told[-1] == (12, 12)
    assert len(told) == 5
    for score in whole.scores:
        np.testing.assert_array_equal(whole.scores[score], again.scores[score])
    best = again.order("final_equity")[0]
    row = again.row(best)
    single = backtest(strategy, given, {"fast": row["fast"], "slow": row["slow"]}, rules)
    assert single.metrics.final_equity == row["final_equity"]
