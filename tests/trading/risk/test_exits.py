"""Whatever the limits say, an order that reduces goes out, and never for more than is held."""

from decimal import Decimal

import pytest

from tests.trading.risk.scene import INFY, TCS, Block, Scene
from trademantra.core.order import Product, Side
from trademantra.trading.intents import Purpose
from trademantra.trading.risk.decisions import Outcome

NOTHING_GOES = {
    "order": {
        "max_order_value": 1, "max_order_quantity": 1, "allowed_products": [], "allowed_segments": [], "allowed_hours": [],
        "max_price_age_seconds": 1, "require_price_band": True, "max_index_move_percent": 1,
        "max_price_deviation_percent": 1, "duplicate_window_seconds": 60,
    },
    "account": {
        "max_open_positions": 0, "max_trades_per_day": 0, "max_orders_per_second": 0, "max_exposure": 1, "max_leverage": 1,
        "max_daily_loss_realised": 1, "max_daily_loss_marked": 1, "max_drawdown": 1, "max_correlated_positions": 0,
    },
    "instrument": {"max_position_quantity": 1, "max_position_value": 1, "max_range_percent": 1},
    "sector": {"max_sector_exposure": 1, "max_sector_percent": 1},
}  # fmt: skip


@pytest.fixture
def stuck():
    """Everything that may hold an order back does: limits, pause, kill, halt, no price."""
    scene = Scene(NOTHING_GOES, block=Block("killed"))
    scene.hold(100)
    scene.hold(-40, INFY)
    scene.state.pause("a1", "s1", "by a test")
    scene.state.market_halted(TCS.exchange, None)
    scene.state.price_lost(TCS.key)
    scene.state.price_lost(INFY.key)
    return scene


@pytest.mark.parametrize("purpose", Purpose)
def test_reducing_orders_pass_everything(stuck, purpose):
    for side, quantity, instrument in ((Side.SELL, 100, TCS), (Side.SELL, 1, TCS), (Side.BUY, 40, INFY)):
        decision = stuck.ask(side, quantity, instrument, purpose=purpose, price=7)
        assert (decision.outcome, decision.quantity) == (Outcome.ALLOW, quantity)


def test_an_entry_passes_nothing_there(stuck):
    assert stuck.ask(Side.BUY, 1).outcome is Outcome.REFUSE
    assert stuck.ask(Side.SELL, 1, INFY).outcome is Outcome.REFUSE


def test_an_exit_is_cut_to_what_is_held(stuck):
    decision = stuck.ask(Side.SELL, 101, purpose=Purpose.EXIT)
    assert (decision.outcome, decision.quantity, decision.rule) == (Outcome.REDUCE, 100, "exit_beyond_held")


def test_of_an_order_that_turns_the_position_the_closing_part_is_allowed(stuck):
    decision = stuck.ask(Side.SELL, 150)
    assert (decision.outcome, decision.quantity, decision.rule) == (Outcome.REDUCE, 100, "killed")


def test_working_exits_are_counted(stuck):
    first = stuck.take(Side.SELL, 70, purpose=Purpose.EXIT)
    assert stuck.ask(Side.SELL, 100, purpose=Purpose.EXIT).quantity == 30
    stuck.take(Side.SELL, 30, purpose=Purpose.EXIT)
    covered = stuck.ask(Side.SELL, 1, purpose=Purpose.EXIT)
    assert (covered.outcome, covered.rule) == (Outcome.REFUSE, "exit_covered")
    assert first in covered.covered_by
    assert len(covered.covered_by) == 2
    stuck.state.order_ended(first)
    assert stuck.ask(Side.SELL, 70, purpose=Purpose.EXIT).outcome is Outcome.ALLOW


def test_an_exit_filled_in_part_frees_nothing_twice():
    scene = Scene({})
    scene.hold(100)
    order = scene.take(Side.SELL, 60, purpose=Purpose.EXIT)
    scene.fill(order, 20, 100, end=False)  # 80 held, 40 of them being closed
    assert scene.ask(Side.SELL, 100, purpose=Purpose.EXIT).quantity == 40


def test_an_exit_of_nothing_is_refused():
    scene = Scene({})
    scene.hold(100)
    assert scene.ask(Side.BUY, 1, purpose=Purpose.EXIT).rule == "nothing_to_exit"
    assert scene.ask(Side.SELL, 1, INFY, purpose=Purpose.EXIT).rule == "nothing_to_exit"
    assert scene.ask(Side.SELL, 1, strategy="s2", purpose=Purpose.EXIT).rule == "nothing_to_exit"
    assert scene.ask(Side.SELL, 1, product=Product.CNC, purpose=Purpose.EXIT).rule == "nothing_to_exit"


def test_an_allowed_turn_goes_out_whole():
    scene = Scene({"instrument": {"max_position_quantity": 100}})
    scene.hold(100)
    assert scene.ask(Side.SELL, 200).outcome is Outcome.ALLOW
    assert scene.ask(Side.SELL, 201).quantity == Decimal(100)


def test_late_fills_are_counted():
    scene = Scene({})
    order = scene.take(Side.BUY, 10)
    scene.state.order_ended(order)
    scene.fill(order, 10, 100)
    assert scene.ask(Side.SELL, 10, purpose=Purpose.EXIT).outcome is Outcome.ALLOW


def test_an_exit_grows_by_what_is_left_to_close():
    scene = Scene({})
    scene.hold(100)
    scene.take(Side.SELL, 60, purpose=Purpose.EXIT)

    def grown(quantity, added):
        wanted = scene.intent(Side.SELL, quantity, purpose=Purpose.EXIT)
        return scene.gate.check_change(wanted, Decimal(added), scene.now_ns)

    assert (grown(100, 40).outcome, grown(100, 40).quantity) == (Outcome.ALLOW, 100)
    assert (grown(120, 60).outcome, grown(120, 60).quantity) == (Outcome.REDUCE, 100)
    scene.take(Side.SELL, 40, purpose=Purpose.EXIT)
    assert (grown(61, 1).outcome, grown(61, 1).rule) == (Outcome.REFUSE, "exit_beyond_held")
    assert grown(50, -10).outcome is Outcome.ALLOW
