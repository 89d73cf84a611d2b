"""A desk process that is killed again and again: `python -m tests.trading.house.lives ROOT FOLDER KILLS SEED`.

Each life is forked, opens the house on the same data with the same sessions, and is killed at a random instant, also while it
opens.  Every third one may first prove that all is as it was; the last ends in peace.  A life says on its pipe what it found.
"""

import asyncio
import os
import select
import signal
import sys
from pathlib import Path
from random import Random

from sqlalchemy import func, update
from sqlalchemy import select as query

from tests.trading.house import scene as s
from trademantra.kit.database import Database
from trademantra.kit.models import LeaseRow
from trademantra.trading.intents import Purpose
from trademantra.trading.models import ExecutionRow, OrderRow
from trademantra.trading.risk.limits import Scope

_FILLS_BEFORE_THE_END = 12


async def live(root, folder, pipe, *, last):
    await _let_go(folder)
    busy = s.strategy_file(folder, "busy", s.BUSY)
    accounts = [s.kite_account(root), s.paper_account()]
    sessions = [
        s.session(busy, "kite", ["SYNBANK1", "SYNIT1"], session_id="one"),
        s.session(busy, "practice", ["SYNBANK1"], session_id="two"),
    ]
    async with s.running(folder, root, accounts, sessions) as scene:
        os.write(pipe, b"open\n")
        for name, session_id in (("kite", "one"), ("practice", "two")):
            await scene.until(lambda name=name: is_protected(scene, name), f"exits of {name}")
            await same_everywhere(scene, name, session_id)
            trades_are_counted(scene, name)
        os.write(pipe, b"checked\n")
        if not last:
            await asyncio.Event().wait()
        await scene.until(
            lambda: sum(o.filled_quantity > 0 for o in scene.orders("kite")) >= _FILLS_BEFORE_THE_END, "fills"
        )
        for name, session_id in (("kite", "one"), ("practice", "two")):
            await same_everywhere(scene, name, session_id)
        await nothing_twice(scene)
        os.write(pipe, b"agreed\n")


async def _let_go(folder):
    """The dead one's lease, as a supervisor that saw it die may."""
    database = await Database.open(f"sqlite:///{folder / 'desk.db'}")
    async with database.writing() as session:
        await session.execute(update(LeaseRow).values(expires_ns=0))
    await database.close()


def is_protected(scene, name):
    """Stop and target of every position rest at the broker, for no more than is held."""
    for key, held in scene.held(name).items():
        left = [m.order.open_quantity for m in scene.exits(name) if m.order.instrument.key == key]
        if not left or max(left) < abs(held):
            return False
    return True


async def same_everywhere(scene, name, session_id):
    """The model, the ledger and the broker hold the same."""
    run_id = f"{session_id}:all"
    async with asyncio.timeout(s.LONGEST):
        while True:
            await scene.agrees(name)
            model = (await scene.house._workers.query(run_id)).positions
            here = {f"NSE:{symbol}": int(held) for symbol, held in model.items() if held}
            if here == scene.held(name):
                return
            await asyncio.sleep(0.05)


def trades_are_counted(scene, name):
    """Each entry that filled, or still may, is a trade of the day, whichever life made it."""
    entries = {
        managed.intent_id
        for managed in scene.room(name).desk.book.all()
        if managed.purpose is Purpose.ENTRY
        and (managed.order.filled_quantity or not managed.order.status.is_final)
    }
    counted = scene.house.gate.state.book(Scope.ACCOUNT, name).trades_today
    assert counted == len(entries), f"{name}: {counted} trades are counted, {len(entries)} were made"


async def nothing_twice(scene):
    """No intent has two orders at the broker, and what the broker filled is what was booked."""
    room = scene.room("kite")
    there = {order.broker_order_id: order for order in await room.adapter.orders()}
    tags = [order.tag for order in there.values()]
    assert len(tags) == len(set(tags)), "one tag is at the broker twice"
    assert not room.desk.foreign_orders()
    async with scene.database.reading() as reading:
        rows = await reading.execute(
            query(OrderRow.broker_order_id, func.sum(ExecutionRow.quantity))
            .join(ExecutionRow, ExecutionRow.order_id == OrderRow.order_id)
            .where(OrderRow.account_id == "kite")
            .group_by(OrderRow.broker_order_id)
        )
        booked = {number: quantity for number, quantity in rows if quantity}
    filled = {number: order.filled_quantity for number, order in there.items() if order.filled_quantity}
    assert set(booked) <= set(filled)
    assert all(booked[number] <= filled[number] for number in booked)


def one_life(root, folder, *, last, kill_after, awaited):
    """Fork it, wait for a word of it, and `kill_after` seconds later let it die; its words."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            asyncio.run(live(root, folder, writer, last=last))
            code = 0
        except BaseException as error:
            os.write(writer, f"failed: {error!r}\n".encode()[:4000])
            raise
        finally:
            os._exit(code)
    os.close(writer)
    said, patience = b"", s.LONGEST * 2
    try:
        while awaited not in said and b"failed" not in said and (more := _read(reader, patience)):
            said += more
        while more := _read(reader, patience if last else kill_after):
            said += more
            if not last:
                break
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    return said.decode()


def _read(reader, seconds):
    ready, _, _ = select.select([reader], [], [], seconds)
    return os.read(reader, 4096) if ready else b""


def main(root, folder, kills, seed):
    chance = Random(seed)
    words = []
    for number in range(kills):
        awaited = (b"", b"open", b"checked")[number % 3]
        told = one_life(root, folder, last=False, kill_after=chance.uniform(0.05, 3.0), awaited=awaited)
        words.append(told.split())
        if "failed" in told or awaited.decode() not in told:
            print(f"life {number}: {told}")
            return 1
    told = one_life(root, folder, last=True, kill_after=0.0, awaited=b"agreed")
    print(
        f"{kills} kills, {sum('open' in each for each in words)} of them of an open desk; the last: {told.split()}"
    )
    return 0 if "agreed" in told else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
