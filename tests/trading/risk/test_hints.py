"""Refusals name the command that helps, and only where one does."""

from decimal import Decimal

import pytest

from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Product, Side
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.risk.decisions import Decision, Outcome
from trademantra.trading.risk.hints import hint_of

SHARE = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY")
INTENT = OrderIntent(
    intent_id="i", account_id="asha", strategy_id="orb", instrument=SHARE, side=Side.SELL, quantity=Decimal(1),
    product=Product.MIS, purpose=Purpose.EXIT, decided_ns=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("exit_covered", "tm desk cancel o1 o2 --account asha, or tm desk modify"),
        ("nothing_to_exit", "tm desk positions --account asha shows what is held"),
        ("paused", "tm desk resume --account asha --strategy orb"),
        ("order_value", "tm account limits asha shows the limits, and changes them"),
        ("stale_price", "tm desk status shows how old the feed's prices are"),
        ("market_halt", ""),
        ("killed", ""),  # its text names tm desk release
    ],
)
def test_each_rule_has_the_hint_that_helps(rule, hint):
    decision = Decision(Outcome.REFUSE, Decimal(0), rule, "no", covered_by=("o1", "o2"))
    assert hint_of(decision, INTENT) == hint
