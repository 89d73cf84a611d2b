from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.runs import charges_of, cross_run, rotation_run
from trademantra.core.order import Product
from trademantra.engine.backtest import BacktestResult
from trademantra.engine.records import FILL
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.reports.trades import open_positions, trade_rows

CHARGES = charges_of(Product.CNC)
RULES = st.builds(
    TradingRules,
    lot=st.sampled_from((0.0, 1.0, 25.0)),
    multiplier=st.sampled_from((1.0, 15.0)),
    allow_short=st.booleans(),
    margin=st.sampled_from((1.0, 0.2)),
    max_entries=st.sampled_from((1, 3)),
    participation=st.sampled_from((0.0, 0.05)),
    size=st.sampled_from((Size.parse("equity:0.9"), Size.parse("cash:40000"))),
    stop=st.sampled_from((Level(), Level.parse("1%"))),
    target=st.sampled_from((Level(), Level.parse("8pt"))),
)


def reconciles(result: BacktestResult) -> None:
    """Opening cash, closed trades and open positions add up to the final equity."""
    closed = sum(trade.net for trade in trade_rows(result))
    held = sum(one.gross - one.costs for one in open_positions(result))
    final = result.metrics.final_equity
    assert abs(result.rules.cash + closed + held - final) < 1e-6 * result.rules.cash


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rules=RULES)
def test_closed_trades_and_open_positions_make_the_final_equity(seed: int, rules: TradingRules) -> None:
    reconciles(cross_run(seed, rules, sessions=12, charges=CHARGES))


def test_so_they_do_in_a_portfolio_that_trims_its_positions() -> None:
    found = rotation_run(charges=CHARGES)
    assert open_positions(found)
    reconciles(found)


def test_a_rounding_residue_is_no_position() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in binary; the engine counts it as flat, and so does the report."""
    fills = np.zeros(4, FILL)
    fills["side"], fills["quantity"], fills["price"] = (
        (1, 1, -1, 1),
        (0.1, 0.2, 0.3, 5.0),
        (100.0, 100.0, 101.0, 90.0),
    )
    fills["index"] = range(4)
    [held] = open_positions(replace(cross_run(), fills=fills))
    assert (held.entry, held.quantity, held.average_price, held.costs) == (3, 5.0, 90.0, 0.0)


def test_rows_speak_in_words_and_positions() -> None:
    result = cross_run(rules=TradingRules(lot=1.0, allow_short=True, stop=Level.parse("0.5%")))
    rows = trade_rows(result)
    assert {row.side for row in rows} == {"long", "short"}
    assert {row.reason for row in rows} <= {"signal", "stop"}
    for row in rows:
        moved = (row.exit_price - row.entry_price) * (1 if row.side == "long" else -1)
        assert abs(row.gross - moved * row.quantity) < 1e-6
        assert row.bars == row.exit - row.entry >= 0
        assert abs(row.return_on_value - row.net / (row.entry_price * row.quantity)) < 1e-12
