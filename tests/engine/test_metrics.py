"""Scores: numbers by hand, the definitions written out in numpy, and sweeps that agree with single runs."""

from dataclasses import fields, replace
from math import inf, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.scripted import FLAT, OUT, RULES, Word, calendar, script_of
from trademantra.engine.backtest import BacktestInput, BacktestResult, backtest
from trademantra.engine.bars import Bars
from trademantra.engine.metrics import Metrics, drawdown_of, metrics_of
from trademantra.engine.records import ACCOUNT, TRADE, RecordArray
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.sweep import SCORES, scores_of, sweep
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.strategies.sma_cross import STRATEGY as SMA_CROSS

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

LONG = 1
NO_TRADES = np.empty(0, TRADE)


def trades_of(nets: list[float], held: int = 2) -> RecordArray:
    trades = np.zeros(len(nets), TRADE)
    trades["net"] = nets
    trades["entry_index"] = np.arange(len(nets)) * (held + 1)
    trades["exit_index"] = trades["entry_index"] + held
    return trades


def score(curve: list[float], cash: float = 100.0, **options: object) -> Metrics:
    """Daily bars: every bar ends a session."""
    values = np.array(curve)
    trades = options.pop("trades", NO_TRADES)
    account = options.pop("account", np.zeros(1, ACCOUNT))
    return metrics_of(values, np.arange(len(values)), trades, account, cash, **options)  # type: ignore[arg-type]


def test_by_hand() -> None:
    """100 to 110, 99, 118.8: returns 10 %, -10 %, 20 %."""
    made = score([110.0, 99.0, 118.8], sessions_per_year=252.0)
    assert made.total_return == pytest.approx(0.188)
    assert made.cagr == pytest.approx(1.188 ** (252 / 3) - 1)
    deviation = sqrt(((0.1 - 0.2 / 3) ** 2 + (-0.1 - 0.2 / 3) ** 2 + (0.2 - 0.2 / 3) ** 2) / 2)
    assert made.volatility == pytest.approx(deviation * sqrt(252))
    assert made.sharpe == pytest.approx(0.2 / 3 / deviation * sqrt(252))
    assert made.sortino == pytest.approx(0.2 / 3 / sqrt(0.01 / 3) * sqrt(252))
    assert made.omega == pytest.approx(3.0)
    assert made.max_drawdown == pytest.approx(-0.1)
    assert made.max_drawdown_bars == 1
    assert made.ulcer_index == pytest.approx(100 * sqrt(0.01 / 3))
    assert made.value_at_risk == pytest.approx(-0.1 + 0.1 * 0.2)  # 5 % lies a tenth of the way to the second
    assert made.conditional_value_at_risk == pytest.approx(-0.1)
    assert made.calmar == pytest.approx(made.cagr / 0.1)


def test_trades_by_hand() -> None:
    made = score([100.0] * 20, trades=trades_of([10.0, -4.0, -6.0, 0.0, 20.0, -10.0]))
    assert (made.trades, made.win_rate, made.longest_losing_run) == (6, pytest.approx(2 / 6), 3)
    assert made.profit_factor == pytest.approx(30 / 20)
    assert made.expectancy == pytest.approx(10 / 6)
    assert (made.average_win, made.average_loss) == (15.0, -5.0)
    assert (made.best_trade, made.worst_trade) == (20.0, -10.0)
    assert made.average_bars_held == 2.0
    assert made.exposure == pytest.approx(12 / 20)


def test_nothing_happened() -> None:
    made = score([100.0] * 5)
    assert (made.total_return, made.cagr, made.volatility, made.max_drawdown) == (0.0, 0.0, 0.0, 0.0)
    undefined = (
        "sharpe",
        "sortino",
        "calmar",
        "omega",
        "win_rate",
        "profit_factor",
        "expectancy",
        "alpha",
        "beta",
    )
    assert [name for name in undefined if not isnan(getattr(made, name))] == []
    assert made.as_dict()["sharpe"] is None


def test_one_session_has_no_deviation() -> None:
    """Bug found here: the Sharpe ratio of a single day was infinite."""
    made = score([110.0])
    assert isnan(made.sharpe)
    assert isnan(made.volatility)
    assert made.sortino == inf  # nothing fell short


def test_a_gain_too_large_to_compound_is_infinite() -> None:
    """Bug found here: OverflowError instead of a result."""
    assert score([10_000.0]).cagr == inf


def test_a_lost_account() -> None:
    made = score([50.0, -10.0, -20.0])
    assert (made.cagr, made.total_return, made.max_drawdown) == (
        -1.0,
        pytest.approx(-1.2),
        pytest.approx(-1.2),
    )


def test_the_longest_stay_under_a_peak() -> None:
    assert drawdown_of(np.array([90.0, 95.0, 100.0, 90.0, 80.0, 99.0, 99.5]), 100.0) == (
        pytest.approx(-0.2),
        4,
    )
    assert drawdown_of(np.array([90.0, 95.0, 99.0]), 100.0) == (pytest.approx(-0.1), 3)


CURVES = st.lists(st.floats(50.0, 200.0), min_size=3, max_size=40)


@settings(max_examples=100, deadline=None)
@given(CURVES, st.sampled_from((252.0, 365.0)), st.sampled_from((0.0, 0.065)), st.integers(0, 2**31))
def test_against_the_definitions(curve: list[float], periods: float, annual: float, seed: int) -> None:
    """empyrical's definitions, in numpy; where quantstats has others, the docstring of `metrics` says so."""
    benchmark = np.random.default_rng(seed).normal(0.0, 0.01, len(curve))
    made = score(curve, sessions_per_year=periods, risk_free_rate=annual, benchmark_returns=benchmark)
    values = np.array([100.0, *curve])
    returns = values[1:] / values[:-1] - 1.0
    daily = (1.0 + annual) ** (1.0 / periods) - 1.0
    excess = returns - daily
    assert made.cagr == pytest.approx((values[-1] / 100.0) ** (periods / len(curve)) - 1.0, rel=1e-9)
    assert made.volatility == pytest.approx(np.std(returns, ddof=1) * np.sqrt(periods), rel=1e-9)
    if np.std(excess, ddof=1) > 1e-12:
        assert made.sharpe == pytest.approx(
            np.mean(excess) / np.std(excess, ddof=1) * np.sqrt(periods), rel=1e-6
        )
    downside = np.sqrt(np.mean(np.clip(excess, None, 0.0) ** 2))
    if downside > 0.0:
        assert made.sortino == pytest.approx(np.mean(excess) / downside * np.sqrt(periods), rel=1e-9)
        assert made.omega == pytest.approx(excess[excess > 0].sum() / -excess[excess < 0].sum(), rel=1e-9)
    peaks = np.maximum.accumulate(values)
    assert made.max_drawdown == pytest.approx((values / peaks - 1.0).min(), rel=1e-9)
    assert made.ulcer_index == pytest.approx(
        100.0 * np.sqrt(np.mean(((values / peaks - 1.0)[1:]) ** 2)), rel=1e-9, abs=1e-12
    )
    cut = np.percentile(returns, 5)
    assert made.value_at_risk == pytest.approx(cut, rel=1e-9, abs=1e-12)
    assert made.conditional_value_at_risk == pytest.approx(
        returns[returns <= cut + 1e-15].mean(), rel=1e-9, abs=1e-12
    )
    beta = np.cov(excess, benchmark - daily)[0, 1] / np.var(benchmark, ddof=1)
    assert made.beta == pytest.approx(beta, rel=1e-6, abs=1e-9)
    alpha = (1.0 + np.mean(excess - beta * (benchmark - daily))) ** periods - 1.0
    assert made.alpha == pytest.approx(alpha, rel=1e-6, abs=1e-9)
    if np.std(returns) > 1e-9:
        centred = returns - returns.mean()
        assert made.skew == pytest.approx(
            np.mean(centred**3) / np.mean(centred**2) ** 1.5, rel=1e-6, abs=1e-9
        )
        assert made.kurtosis == pytest.approx(np.mean(centred**4) / np.mean(centred**2) ** 2, rel=1e-6)


def random_bars(seed: int, n: int, sessions: int) -> Bars:
    random = np.random.default_rng(seed)
    ticks = 2_000 + np.cumsum(random.integers(-9, 10, n))
    opens = np.concatenate(([2_000], ticks[:-1])) + random.integers(-3, 4, n)
    high, low = np.maximum(opens, ticks) + 3, np.minimum(opens, ticks) - 3
    length = -(-n // sessions)
    minutes = np.array(calendar([min(length, n - start) for start in range(0, n, length)]))
    return Bars.of(
        minutes * 60_000_000_000, opens * 0.05, high * 0.05, low * 0.05, ticks * 0.05, np.full(n, 1e6)
    )


def given_of(bars: Bars, charges: ChargeRules | None = None, risk_free_rate: float = 0.0) -> BacktestInput:
    return BacktestInput({"ONE": bars}, {"ONE": by_days(bars.ts)}, charges, risk_free_rate=risk_free_rate)


def assert_same_scores(single: BacktestResult, row: dict[str, float]) -> None:
    known = {field.name for field in fields(Metrics)}
    for name in SCORES:
        assert name in known
        mine, its = row[name], float(getattr(single.metrics, name))
        if isnan(its) or np.isinf(its):
            assert str(mine) == str(its), name
        else:
            # a sweep has the deviation from sums of squares, which lose digits as returns come to be equal
            digits = 1e-14 * float(single.metrics.sharpe) ** 2 if name in ("sharpe", "volatility") else 0.0
            assert mine == pytest.approx(its, rel=1e-6 + digits, abs=1e-9), name


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from((60, 300, 700)),
    st.sampled_from((1, 2, 20, 60)),
    st.sampled_from((0.0, 0.065)),
    st.booleans(),
)
def test_a_sweep_scores_as_single_runs_do(
    seed: int, n: int, sessions: int, risk_free: float, short: bool
) -> None:
    given = given_of(random_bars(seed, n, sessions), risk_free_rate=risk_free)
    rules = replace(RULES, allow_short=short)
    grid = {"fast": (2.0, 5.0), "slow": (9.0, 50.0), "stop": (0.0, 0.5)}
    result = sweep(SMA_CROSS, given, grid, rules=rules)
    assert len(result) == 8
    for k in range(len(result)):
        row = result.row(k)
        own = {"fast": row["fast"], "slow": row["slow"]}
        stop = Level.parse(f"{row['stop']}%") if row["stop"] else Level()
        single = backtest(SMA_CROSS, given, own, replace(rules, stop=stop))
        assert_same_scores(single, row)


def one_long_trade(prices: list[float]) -> RecordArray:
    script = script_of(
        [(p, p, p, p) for p in prices],
        {0: LONG, len(prices) - 3: OUT},
        [1_440 * i for i in range(len(prices))],
    )
    return script.run(RULES).accounts


def test_sweep_scores_without_losses_are_infinite_and_rank_first() -> None:
    """Bug found here: Calmar and profit factor without any loss were minus infinity and ranked last."""
    accounts = one_long_trade([100.0, 100.0, 101.0, 102.0, 103.0, 103.0])
    made = scores_of(accounts, np.array([100_000.0]), 6, 6, 252.0)
    assert made["profit_factor"][0] == inf
    assert made["calmar"][0] == inf
    assert made["sortino"][0] == inf
    nothing = scores_of(
        script_of([FLAT] * 4, {0: Word(0)}).run(RULES).accounts, np.array([100_000.0]), 4, 4, 252.0
    )
    assert np.isnan(
        [nothing[name][0] for name in ("sharpe", "sortino", "calmar", "profit_factor", "win_rate")]
    ).all()


def test_a_run_without_trades_has_no_sharpe_under_a_risk_free_rate() -> None:
    """Bug found here: the rounding residue of equal returns gave a Sharpe ratio of some -1e8."""
    given = given_of(random_bars(1, 300, 60), risk_free_rate=0.0613)
    rules = TradingRules(allow_long=False)
    result = sweep(SMA_CROSS, given, {"fast": (2.0,)}, rules=rules)
    assert_same_scores(backtest(SMA_CROSS, given, {"fast": 2.0}, rules), result.row(0))
    assert isnan(result.scores["sharpe"][0])
