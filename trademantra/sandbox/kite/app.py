"""The ASGI application: each request through the same gate, in the same order, to its operation."""

import asyncio
import inspect
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from trademantra.brokers.paper.host import ExchangeHost
from trademantra.core.errors import TradeMantraError
from trademantra.sandbox.kite import (
    alert_routes,
    control_routes,
    gtt_routes,
    margin_routes,
    market_routes,
    order_routes,
    portfolio_routes,
    session_routes,
    wire,
)
from trademantra.sandbox.kite.desk import Desk
from trademantra.sandbox.kite.errors import (
    DATA,
    GENERAL,
    INPUT,
    NETWORK,
    PERMISSION,
    KiteReplyError,
    bad_token,
)
from trademantra.sandbox.kite.faults import Fault, FaultKind
from trademantra.sandbox.kite.fields import Fields
from trademantra.sandbox.kite.json_form import encode
from trademantra.sandbox.kite.operations import Answer, Call, Operation, Raw
from trademantra.sandbox.kite.sessions import Session
from trademantra.sandbox.kite.ticker_endpoint import TickerEndpoint

MOST_BODY_BYTES = 1_000_000
_JSON = b"application/json"
_SUCCESS = b'{"status":"success","data":'
_AFTERWARDS = frozenset({FaultKind.DROP_REPLY, FaultKind.LATE_BAD_GATEWAY})

OPERATIONS: tuple[Operation, ...] = (
    *order_routes.OPERATIONS,
    *market_routes.OPERATIONS,
    *portfolio_routes.OPERATIONS,
    *session_routes.OPERATIONS,
    *gtt_routes.OPERATIONS,
    *margin_routes.OPERATIONS,
    *alert_routes.OPERATIONS,
    *control_routes.OPERATIONS,
)


def make_app(desk: Desk, host: ExchangeHost) -> Starlette:
    """Routes of all operations, the ticker at `/`, and Kite's words for what has no route."""
    desk.operations = OPERATIONS
    routes: list[Route | WebSocketRoute] = [
        Route(operation.path, Endpoint(operation, desk, host), methods=[operation.method])
        for operation in OPERATIONS
    ]
    routes.append(WebSocketRoute("/", TickerEndpoint(desk)))
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route, Exception: _broken})


class Endpoint:
    """One operation as an ASGI application."""

    def __init__(self, operation: Operation, desk: Desk, host: ExchangeHost) -> None:
        self._operation = operation
        self._desk = desk
        self._host = host
        self._reads_body = operation.method in ("POST", "PUT")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Limits and login first, then faults, then the operation; a dropped reply comes after it was done."""
        if scope["method"] != self._operation.method:  # Starlette adds HEAD to every GET
            await _reply(send, _error(KiteReplyError(405, GENERAL, "Method not allowed")))
            return
        late: Sequence[Fault] = ()
        try:
            _by_its_own_name(scope)
            session = self._admit(scope)
            faults = self._desk.faults.on_request(scope["method"], scope["path"])
            late = [fault for fault in faults if fault.kind in _AFTERWARDS]
            for fault in faults:
                await self._strike(fault, session)
            raw = await self._answer(await self._call(scope, receive, session))
        except KiteReplyError as error:
            raw = _error(error)
        except TradeMantraError as error:  # the exchange stopped, or its journal cannot write
            raw = _error(KiteReplyError(503, NETWORK, error.message))
        for fault in late:
            if fault.kind is FaultKind.DROP_REPLY:
                wire.abort(scope)
                await _gone(receive)
                return
            raw = _error(KiteReplyError(502, DATA, "Bad gateway (sandbox fault)"))
        await _reply(send, raw)

    def _admit(self, scope: Scope) -> Session | None:
        """Who asks, and whether he may, now.  Errors: `KiteReplyError`."""
        operation, desk = self._operation, self._desk
        if operation.control:
            _from_this_machine(scope, needs_json=operation.json_body is not None)
            return None
        if not operation.needs_login:
            return None
        session = desk.sessions.authenticate(_credentials(scope))
        desk.limits.take(session.account.user_id, operation.budget)
        if operation.places_orders and desk.settings.rules.checks_addresses:
            address = _address(scope)
            if address not in session.account.registered_addresses:
                raise _unregistered(address)
        return session

    async def _strike(self, fault: Fault, session: Session | None) -> None:
        match fault.kind:
            case FaultKind.DELAY:
                await asyncio.sleep(fault.delay_ms / 1000)
            case FaultKind.RATE_LIMITED:
                raise KiteReplyError(429, NETWORK, "Too many requests")
            case FaultKind.BAD_GATEWAY:
                raise KiteReplyError(502, DATA, "Bad gateway (sandbox fault)")
            case FaultKind.TOKEN_EXPIRED:
                if session is not None:
                    self._desk.sessions.end_all(session.account.user_id)
                raise bad_token()
            case FaultKind.IP_NOT_REGISTERED:
                raise _unregistered("of this request (sandbox fault)")
            case _:
                return

    async def _call(self, scope: Scope, receive: Receive, session: Session | None) -> Call:
        body = await _body(receive) if self._reads_body else b""
        query = _pairs(scope["query_string"])
        form = _pairs(body) if self._reads_body and self._operation.json_body is None else ()
        return Call(
            desk=self._desk,
            path=scope["path_params"],
            query=Fields(dict(query)),
            form=Fields(dict(form)),
            repeated=_repeated((*query, *form)),
            body=body,
            client=_address(scope),
            signed_in=session,
        )

    async def _answer(self, call: Call) -> Raw:
        """Do it; the answer waits until what it may show is durable."""
        operation, host = self._operation, self._host
        if operation.changes:
            answer = await host.run(
                lambda exchange: operation.answer(call), new_order=operation.places_orders
            )
        else:
            host.check()
            answer = operation.answer(call)
            await host.commit()
        if inspect.isawaitable(answer):
            answer = await answer
        return _success(answer)


def _success(answer: Answer) -> Raw:
    if isinstance(answer, Raw):
        return answer
    return Raw(_SUCCESS + encode(answer) + b"}", "application/json")


def _error(error: KiteReplyError) -> Raw:
    body = {"status": "error", "message": error.message, "data": None, "error_type": error.error_type}
    return Raw(encode(body), "application/json", error.status)


async def _reply(send: Send, raw: Raw) -> None:
    headers = [
        (b"content-type", raw.content_type.encode()),
        (b"content-length", str(len(raw.body)).encode()),
        *((name.encode(), value.encode()) for name, value in raw.headers.items()),
    ]
    await send({"type": "http.response.start", "status": raw.status, "headers": headers})
    await send({"type": "http.response.body", "body": raw.body})


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            break
    if len(body) > MOST_BODY_BYTES:
        raise KiteReplyError(400, INPUT, f"The request body is longer than {MOST_BODY_BYTES} bytes.")
    return body


async def _gone(receive: Receive) -> None:
    """Until the server has seen that the connection is cut."""
    while (await receive())["type"] != "http.disconnect":
        continue


def _pairs(encoded: bytes) -> Sequence[tuple[str, str]]:
    """Of a query or a form.  Errors: InputException for bytes that are no text, or too many fields."""
    if not encoded:
        return ()
    try:
        return parse_qsl(encoded.decode(), keep_blank_values=True, max_num_fields=2000, errors="strict")
    except ValueError as error:
        raise KiteReplyError(400, INPUT, "The request cannot be read.") from error


def _repeated(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Values by name, in order; a list's name may end in [] (`isin[]`)."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return values


def _credentials(scope: Scope) -> str:
    """`api_key:access_token` of the Authorization header.  Errors: TokenException."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            word, _, credentials = value.decode("latin-1").partition(" ")
            if word.lower() == "token" and ":" in credentials:
                return str(credentials.strip())
    raise bad_token()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _by_its_own_name(scope: Scope) -> None:
    """Errors: PermissionException for a request of this machine under a foreign name.

    A web page whose name was pointed at 127.0.0.1 (DNS rebinding) reaches us from loopback, but says its own name.
    """
    if not _is_loopback(_address(scope)):
        return
    named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    host = named.rsplit(":", 1)[0] if not named.endswith("]") else named
    host = host.strip("[]").lower()
    server = scope.get("server")
    if host and host != "localhost" and not _is_loopback(host) and (not server or host != str(server[0])):
        raise KiteReplyError(403, PERMISSION, "The sandbox is reached as localhost or by its address only.")


def _from_this_machine(scope: Scope, *, needs_json: bool) -> None:
    """Errors: PermissionException for another machine, and for a web page that posts forms here."""
    if not _is_loopback(_address(scope)):
        raise KiteReplyError(403, PERMISSION, "The sandbox is controlled from the machine it runs on only.")
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if needs_json and not content_type.lower().startswith(_JSON):
        raise KiteReplyError(400, INPUT, "Send the body as application/json.")


def _unregistered(address: str) -> KiteReplyError:
    return KiteReplyError(
        403, PERMISSION, f"IP address {address} is not registered for placing orders with this app."
    )


async def _no_route(request: Request, error: Exception) -> Response:
    """Kite's words for 404 and 405."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "Route not found", 405: "Method not allowed"}
    if status == 404 and request.url.path.startswith("/mf/"):
        words = {404: "Mutual funds are not part of this sandbox."}
    raw = _error(KiteReplyError(status, GENERAL, words.get(status, "Unknown error")))
    return Response(raw.body, raw.status, media_type=raw.content_type)


async def _broken(request: Request, error: Exception) -> Response:
    """A defect of ours; the server logs it and goes on."""
    raw = _error(KiteReplyError(500, GENERAL, "Something went wrong inside the sandbox; its log says what."))
    return Response(raw.body, raw.status, media_type=raw.content_type)
