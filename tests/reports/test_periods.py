from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.runs import cross_run, silent_run
from trademantra.core.time import IST
from trademantra.reports.periods import drawdown_curve, drawdowns, monthly_returns, rolling_sharpe


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_months_compound_to_the_total_and_the_deepest_drawdown_is_the_metric(seed: int) -> None:
    result = cross_run(seed, sessions=70)
    months = monthly_returns(result, IST)
    assert [(m.year, m.month) for m in months] == [(2025, 1), (2025, 2), (2025, 3)]
    total = np.prod([1.0 + m.total_return for m in months]) - 1.0
    assert abs(total - result.metrics.total_return) < 1e-9
    found = drawdowns(result, 10_000)
    assert found[0].depth == result.metrics.max_drawdown
    assert max(one.bars for one in found) == result.metrics.max_drawdown_bars
    assert [one.depth for one in found] == sorted(one.depth for one in found)
    assert sum(one.bars for one in found) == np.count_nonzero(drawdown_curve(result) < 0.0)


def test_a_drawdown_by_hand() -> None:
    made = silent_run()
    curve = np.full(len(made.ts), made.rules.cash)
    curve[10:20] *= 0.9
    curve[14] = made.rules.cash * 0.8
    curve[-3:] *= 0.95
    deep, late = drawdowns(replace(made, curve=curve))
    assert (deep.peak, deep.trough, deep.recovery, deep.bars) == (9, 14, 20, 10)
    assert abs(deep.depth + 0.2) < 1e-12
    assert (late.peak, late.recovery, late.bars) == (len(curve) - 4, None, 3)


def test_the_opening_cash_is_the_first_peak() -> None:
    made = silent_run()
    [whole] = drawdowns(replace(made, curve=np.full(len(made.ts), 0.9 * made.rules.cash)))
    assert (whole.peak, whole.trough, whole.recovery, whole.bars) == (-1, 0, None, len(made.ts))
    assert abs(whole.depth + 0.1) < 1e-12


def test_a_run_that_never_fell_has_no_drawdown() -> None:
    assert drawdowns(silent_run()) == ()


def test_the_rolling_sharpe_of_all_sessions_is_the_metric() -> None:
    result = cross_run(3)
    ends, values = rolling_sharpe(result, result.metrics.sessions)
    assert ends.tolist() == [len(result.ts) - 1]
    assert abs(values[0] - result.metrics.sharpe) < 1e-9
    assert len(rolling_sharpe(result, result.metrics.sessions + 1)[0]) == 0
    assert np.isnan(rolling_sharpe(silent_run(), 5)[1]).all()
