"""A session on a share and on its index's future: each in its own lots, at its own costs; and parity says identical."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from tests.trading.house import scene as s
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.trading.session.parity import parity

SHARE, FUTURE, LOT = "SYNBANK1", "SYNINDEX23NOV26FUT", 65
FLIPS = """
def on_bar(self, context, bar):
    if context.position(bar.symbol) == 0.0:
        context.buy(bar.symbol, quantity=100, stop=bar.close * 0.99, target=bar.close * 1.01)
    else:
        context.exit(bar.symbol)
"""


def note_of(instrument, trade):
    """As `tm charges` has it, of the two orders of a trade."""
    future = instrument.underlying is not None
    orders = [
        ExecutedOrder(
            exchange=instrument.exchange, segment=instrument.segment, product=Product.MIS, side=side, symbol="SYNINDEX",
            quantity=Decimal(trade.quantity), price=Decimal(str(price)), kind=None if future else AssetKind.SHARE, order_id=side,
        )
        for side, price in ((Side.BUY, trade.entry_price), (Side.SELL, trade.exit_price))
    ]  # fmt: skip
    return float(contract_note(orders, tariff_of("zerodha"), s.DAY, Rounding.UNROUNDED).total)


def test_each_instrument_trades_in_its_own_lots_at_its_own_costs(tmp_path):
    """Also in the ledger, and in the back-test that parity makes of what the session kept."""
    file = s.strategy_file(tmp_path, "flips", FLIPS)
    asked = s.session(file, "practice", [SHARE, "NFO:SYNINDEX26NOVFUT"], tariff="zerodha", session_id="one")
    asked = replace(asked, rules=replace(asked.rules, cash=900_000.0, margin=0.2))

    async def play(root):
        async with s.running(tmp_path, root, [s.kite_account(root), s.paper_account()], [asked]) as scene:
            [session] = scene.house.sessions.values()
            await scene.until(
                lambda: {SHARE, FUTURE} <= {each.symbol for each in session.trades}, "a trade of each"
            )
        positions = scene.room("practice").desk.book.positions.values()
        return session, sum(position.charges for position in positions)

    with s.sandbox(speed=120.0) as root:
        session, ledger = asyncio.run(play(root))
    assert {trade.symbol: trade.quantity for trade in session.trades} == {SHARE: 100.0, FUTURE: LOT}
    for trade in session.trades:
        assert abs(trade.costs - note_of(session.spec.instruments[trade.symbol], trade)) < 1e-6
    assert float(ledger) >= sum(trade.costs for trade in session.trades) - 0.01
    found = parity(tmp_path / "sessions" / "one")
    assert found.is_identical, [each.text for each in found.differences]
    assert found.trades >= 2
