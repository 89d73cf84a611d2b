"""A socket that cannot send: what it misses is one set of rows, whatever comes."""

import asyncio

import numpy as np

from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.sessions import Session
from trademantra.sandbox.kite.socket import RowMask, TickerSocket


def test_a_slow_client_gets_the_newest_of_what_it_missed_and_nothing_twice() -> None:
    async def run() -> None:
        sent, gate = [], asyncio.Event()

        async def send_bytes(data: bytes) -> None:
            sent.append(data)
            await gate.wait()

        async def send_text(text: str) -> None:
            sent.append(text)

        session = Session(
            account=default_account("x"),
            access_token="",
            public_token="",
            enctoken="",
            login_ns=0,
            expires_ns=1,
        )
        now = [0.0]
        socket = TickerSocket(session, send_text, send_bytes, lambda: None, lambda: now[0])
        caught: list[list[int]] = []

        def catch_up(_: TickerSocket, rows: RowMask) -> bytes:
            caught.append(np.flatnonzero(rows).tolist())
            return b"newest"

        task = asyncio.create_task(socket.run(catch_up))
        assert socket.ready
        socket.offer(b"first")
        assert not socket.ready
        now[0] = 1.0
        while not sent:
            await asyncio.sleep(0)
        assert socket.stuck_since == 1.0
        for size, row in ((4, 1), (8, 6), (4, 3), (8, 1)) * 100:
            mask = np.zeros(size, bool)
            mask[row] = True
            socket.miss(mask)
        socket.say("update")
        assert sent == [b"first"]
        gate.set()
        while not socket.ready:
            await asyncio.sleep(0)
        assert sent == [b"first", "update", b"newest"]
        assert caught == [[1, 3, 6]]
        assert socket.stuck_since is None
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())
