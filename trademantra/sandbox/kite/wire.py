"""The server's protocols: those of uvicorn, which also let a fault cut the connection under an application."""

import asyncio

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

TRANSPORT = "trademantra.transport"


class HttpProtocol(HttpToolsProtocol):
    """Names the transport in each request's scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class SocketProtocol(WebSocketsSansIOProtocol):
    """Names the transport in the scope of a socket; the application's task has not begun when it is added."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][TRANSPORT] = {"transport": self.transport}


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """The connection of a request or socket; None under a server that does not name it."""
    extension = scope.get("extensions", {}).get(TRANSPORT)
    transport = extension and extension.get("transport")
    return transport if isinstance(transport, asyncio.Transport) or hasattr(transport, "abort") else None


def abort(scope: Scope) -> None:
    """Cut the connection at once."""
    transport = transport_of(scope)
    if transport is not None:
        transport.abort()
