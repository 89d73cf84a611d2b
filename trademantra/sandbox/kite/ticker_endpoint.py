"""The ticker's handshake and its two directions, over ASGI."""

import asyncio
import contextlib
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from trademantra.sandbox.kite import wire
from trademantra.sandbox.kite.desk import Desk
from trademantra.sandbox.kite.errors import KiteReplyError
from trademantra.sandbox.kite.socket import TickerSocket

MOST_MESSAGE_CHARACTERS = 100_000


class TickerEndpoint:
    """`ws://…/?api_key=…&access_token=…`.  A refused handshake is answered with 403."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            query = parse_qs(scope["query_string"].decode("latin-1"))
            key, token = query.get("api_key", [""])[0], query.get("access_token", [""])[0]
            session = self._desk.sessions.authenticate(f"{key}:{token}")
            self._desk.ticker.admit(session)
        except (KiteReplyError, ValueError):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})

        async def send_text(text: str) -> None:
            await send({"type": "websocket.send", "text": text})

        async def send_bytes(data: bytes) -> None:
            await send({"type": "websocket.send", "bytes": data})

        socket = TickerSocket(
            session, send_text, send_bytes, lambda: wire.abort(scope), self._desk.read_seconds
        )
        self._desk.ticker.add(socket)
        sender = asyncio.create_task(socket.run(self._desk.ticker.catch_up))
        try:
            await self._listen(socket, receive)
        finally:
            self._desk.ticker.remove(socket)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sender

    async def _listen(self, socket: TickerSocket, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                text = message.get("bytes", b"").decode("utf-8", "replace")
            if len(text) <= MOST_MESSAGE_CHARACTERS:
                self._desk.ticker.hear(socket, text)
