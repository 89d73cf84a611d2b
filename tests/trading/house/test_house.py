"""A running desk against a Kite sandbox: both kinds of account, strategies that harm nobody but themselves."""

import asyncio

from sqlalchemy import func, select

from tests.trading.house import scene as s
from trademantra.core.order import OrderStatus
from trademantra.trading.models import CashRow, ExecutionRow


def test_two_kinds_of_account_trade_side_by_side_and_one_strategy_that_raises_harms_nobody(tmp_path):
    busy, bad = s.strategy_file(tmp_path, "busy", s.BUSY), s.strategy_file(tmp_path, "bad", s.RAISES)

    async def play(root):
        accounts = [s.kite_account(root), s.paper_account()]
        sessions = [
            s.session(busy, "kite", ["SYNBANK1"]),
            s.session(busy, "practice", ["SYNBANK1", "SYNIT1"], "2m"),
            s.session(bad, "practice", ["SYNAUTO1"]),
        ]
        async with s.running(tmp_path, root, accounts, sessions) as scene:
            bad_run = scene.house.sessions["bad-practice"]
            await scene.until(lambda: bad_run.stopped, "the bad strategy is stopped")
            assert any("a mistake of its writer" in line for line in scene.said)
            await scene.until(
                lambda: all(
                    sum(o.status is OrderStatus.FILLED for o in scene.orders(name)) >= 6
                    for name in ("kite", "practice")
                ),
                "six fills in each",
            )
            assert not bad_run.stopped ^ {"bad-practice:all"}
            assert not scene.house.sessions["busy-kite"].stopped
            # the position of the stopped one stays protected until its exit fills
            await scene.until(
                lambda: "NSE:SYNAUTO1" not in scene.held("practice"), "the stopped strategy's exit fills"
            )
            for name in ("kite", "practice"):
                await scene.agrees(name)
                await scene.room(name).journal.drained()  # filled in memory is not yet written
            async with scene.database.reading() as reading:
                fills = await reading.scalar(select(func.count()).select_from(ExecutionRow))
                cash = await reading.scalar(
                    select(func.count()).select_from(CashRow).where(CashRow.kind == "trade")
                )
            assert fills == cash >= 12

    with s.sandbox() as root:
        asyncio.run(play(root))
