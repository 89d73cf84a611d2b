"""The daily login: a link for the owner, and a listener on this machine for the page that the broker sends him to.

Whoever can reach this port could send a login of his own: the link carries a random state, and only a redirect that
brings it back is taken.  A wrong redirect ends nothing; the listener goes on waiting.
"""

import asyncio
import html
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from trademantra.core.errors import InvalidValueError, TradeMantraError

LOCALHOST = "127.0.0.1"
_STATE = "state"
_FORBIDDEN, _NOT_FOUND, _BAD_GATEWAY = 403, 404, 502
_GRACE_SECONDS = 2

Complete = Callable[[Mapping[str, str]], Awaitable[None]]


class LoginTimeoutError(TradeMantraError):
    """Nobody logged in in time."""

    code: ClassVar[str] = "login_timeout"


def login_link(url: str, state: str) -> str:
    """The broker's login page, with a mark that its redirect brings back (specs/brokers.md 1.2).

    >>> login_link("https://kite.example/login?v=3", "4f")
    'https://kite.example/login?v=3&redirect_params=state%3D4f'
    """
    return f"{url}{'&' if urlsplit(url).query else '?'}redirect_params={quote(urlencode({_STATE: state}), safe='')}"


def answer_of(text: str) -> Mapping[str, str]:
    """What a redirect carried, from its whole address, its query, or the request token alone.

    Errors: `InvalidValueError` for a text without a request token.

    >>> answer_of("http://127.0.0.1:8710/?request_token=a1&status=success")
    {'request_token': 'a1', 'status': 'success'}
    >>> answer_of("a1")
    {'request_token': 'a1'}
    """
    text = text.strip()
    if text.isalnum():
        return {"request_token": text}
    query = urlsplit(text).query or text
    answer = dict(parse_qsl(query))
    if not answer.get("request_token", "").isalnum():
        raise InvalidValueError(
            "there is no request_token in what was given",
            hint="copy the whole address of the page on which the broker's login ended",
        )
    return answer


@asynccontextmanager
async def listening(port: int, state: str, complete: Complete) -> AsyncIterator["asyncio.Future[None]"]:
    """Wait for the redirect at http://127.0.0.1:`port`/; the future is done once a login was completed.

    `complete` is called with what each redirect carries, and says by an error why it was none; the page shows that.
    Errors: `InvalidValueError` when the port is taken.
    """
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def arrived(request: Request) -> HTMLResponse:
        answer = dict(request.query_params)
        if "request_token" not in answer:
            return _page("Nothing to see here", "This page waits for a broker's login.", _NOT_FOUND)
        if done.done():
            return _page("Logged in already", "You can close this window.")
        if answer.get(_STATE) != state:
            return _page(
                "Not this login", "Open the link that tm account login has printed last.", _FORBIDDEN
            )
        try:
            await complete(answer)
        except TradeMantraError as error:
            return _page("The login failed", str(error), _BAD_GATEWAY)
        if not done.done():
            done.set_result(None)
        return _page("Logged in", "You can close this window.")

    server = _Server(
        uvicorn.Config(
            Starlette(routes=[Route("/{path:path}", arrived)]),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    listener = _listen(port)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="login listener")
    try:
        yield done
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOCALHOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise InvalidValueError(
            f"cannot wait for the login at {LOCALHOST}:{port}: {error.strerror}",
            hint="end the other program, or log in with --paste and copy the address by hand",
        ) from error
    return listener


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # Ctrl-C ends the command, not this server alone


def _page(title: str, text: str, status: int = 200) -> HTMLResponse:
    content = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Trade Mantra</title>'
        '<body style="font:1.1rem system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem">'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></body></html>"
    )
    headers = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",  # the address holds the request token
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return HTMLResponse(content, status, headers)
