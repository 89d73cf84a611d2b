from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.runs import bars_of, charges_of, cross_run, input_of, silent_run
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.core.time import IST, ist_date
from trademantra.engine.backtest import BacktestResult, backtest
from trademantra.engine.records import FILL
from trademantra.engine.rules import TradingRules
from trademantra.markets.charges.rules import Levy
from trademantra.reports.restated_costs import Traded, calendar_year, financial_year, restated_costs
from trademantra.strategies import sma_cross

SHARES = Traded(exchange=Exchange.NSE, segment=Segment.EQUITY, product=Product.CNC)
INTRADAY = Traded(exchange=Exchange.NSE, segment=Segment.EQUITY, product=Product.MIS)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), product=st.sampled_from((Product.CNC, Product.MIS)))
def test_the_unrounded_side_is_what_the_engine_charged(seed: int, product: Product) -> None:
    result = cross_run(seed, name="TCS", charges=charges_of(product), sessions=20)
    traded = SHARES if product is Product.CNC else INTRADAY
    years = restated_costs(result, "zerodha", traded, IST)
    assert abs(float(sum(one.unrounded for one in years)) - result.metrics.costs) < 1e-6
    assert sum(one.orders for one in years) == result.metrics.fills
    days, orders = sum(one.trading_days for one in years), sum(one.orders for one in years)
    exact = {Levy(name): amount for name, amount in result.levies.items()}
    # notes take GST on IPFT as well, and the DP charge only where the day sold more than it bought
    exact[Levy.GST] = exact.get(Levy.GST, 0.0) + 0.18 * exact.get(Levy.IPFT, 0.0)
    steps = {
        Levy.STT: 0.5 * days,
        Levy.STAMP: 0.5 * days,
        Levy.BROKERAGE: 0.005 * orders,
        Levy.GST: 0.01 * orders,
    }
    for levy in set(exact) - {Levy.DP}:
        noted = float(sum(one.of(levy) for one in years))
        assert abs(noted - exact[levy]) <= steps.get(levy, 0.005 * days) + 1e-6, levy
    assert float(sum(one.of(Levy.DP) for one in years)) <= exact.get(Levy.DP, 0.0) + 1e-6


def with_fills(*rows: tuple[int, int, float, float]) -> BacktestResult:
    """A run on TCS from 2025-03-24 on whose fills are given: bar, side, quantity, price."""
    made = backtest(
        sma_cross.STRATEGY,
        input_of(bars_of(1, 20, first=date(2025, 3, 24)), names=("TCS",)),
        {},
        TradingRules(),
    )
    fills = np.zeros(len(rows), FILL)
    for fill, (index, side, quantity, price) in zip(fills, rows, strict=True):
        fill["index"], fill["side"], fill["quantity"], fill["price"] = index, side, quantity, price
    return BacktestResult(
        made.strategy, made.symbols, made.parameters, made.rules, made.metrics, made.ts, made.curve, made.ends, made.trades,
        fills, made.levies, made.given,
    )  # fmt: skip


def test_a_day_by_hand() -> None:
    """Zerodha, intraday, 2025-03-24: 400 at 250 bought, at 253 sold."""
    [year] = restated_costs(with_fills((0, 1, 400.0, 250.0), (5, -1, 400.0, 253.0)), "zerodha", INTRADAY, IST)
    assert (year.year, year.trading_days, year.orders) == ("FY 2024-25", 1, 2)
    assert year.of(Levy.BROKERAGE) == Decimal("40.00")  # 0.03 % of 100,000 and of 101,200 is above 20: 2 x 20
    assert year.of(Levy.STT) == Decimal(25)  # 0.025 % of 101,200 = 25.30, to the rupee
    assert year.of(Levy.STAMP) == Decimal(3)  # 0.003 % of 100,000
    assert year.of(Levy.EXCHANGE_TXN) == Decimal("5.98")  # 0.00297 % of 201,200 = 5.97564
    assert year.of(Levy.IPFT) == Decimal("0.20")  # 0.0001 % of 201,200
    assert year.of(Levy.SEBI) == Decimal("0.20")
    assert year.of(Levy.GST) == Decimal("8.35")  # 18 % of 40 + 5.98 + 0.20 + 0.20 = 8.3484
    assert year.total == Decimal("82.73")


def test_years_end_with_march_or_with_december() -> None:
    bars = with_fills((0, 1, 10.0, 100.0), (24, -1, 10.0, 101.0), (8 * 25, 1, 10.0, 100.0))
    assert [ist_date(int(bars.ts[at])) for at in (0, 8 * 25)] == [date(2025, 3, 24), date(2025, 4, 1)]
    years = restated_costs(bars, "zerodha", SHARES, IST)
    assert [(one.year, one.orders) for one in years] == [("FY 2024-25", 2), ("FY 2025-26", 1)]
    [whole] = restated_costs(bars, "zerodha", SHARES, IST, calendar_year)
    assert (whole.year, whole.trading_days, whole.orders) == ("2025", 2, 3)
    assert whole.total == sum(one.total for one in years)


@pytest.mark.parametrize(
    ("day", "year"), [(date(1999, 4, 1), "FY 1999-00"), (date(2026, 1, 1), "FY 2025-26")]
)
def test_names_of_financial_years(day: date, year: str) -> None:
    assert financial_year(day) == year


def test_without_fills_there_is_nothing_to_state() -> None:
    assert restated_costs(silent_run(), "zerodha", SHARES, IST) == ()
