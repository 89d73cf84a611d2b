"""The REST transport: one request and its typed answer.  Reads may be tried again; order calls never are."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias, TypeVar
from urllib.parse import urlencode

import httpx2

from trademantra.brokers.errors import (
    BrokerError,
    BrokerUnavailableError,
    RateLimitedError,
    SessionExpiredError,
)
from trademantra.brokers.zerodha.errors import error_of
from trademantra.brokers.zerodha.limits import CallKind, limiters
from trademantra.brokers.zerodha.reply import Json, MalformedReplyError, Record, parse_json
from trademantra.brokers.zerodha.session import Login, Session
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock
from trademantra.kit.limiter import LimitReachedError

Fields: TypeAlias = Sequence[tuple[str, str]]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Read = TypeVar("Read")

_OK = 200
_FIRST_REFUSAL = 400
_FIRST_FAULT = 500
_FORM = "application/x-www-form-urlencoded"
_LONGEST_MESSAGE = 500


class Method(StrEnum):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class _Answer:
    """An HTTP reply: its status, whether it says JSON, and its body, decompressed."""

    status: int
    content_type: str
    body: bytes
    retry_after_seconds: float | None


class UnclearReplyError(BrokerUnavailableError):
    """An order call without an answer that says what became of it: it may or may not have happened."""

    code = "broker_reply_unclear"


class KiteClient:
    """Requests of one account.  Errors of every call: `BrokerError`; none of them carries a secret.

    The transport is used without the library's client on top of it, which writes each URL to the log; the URL of a
    logout holds the token.
    """

    __slots__ = (
        "_clock",
        "_ensure_may_send",
        "_limits",
        "_orders",
        "_random",
        "_reads",
        "_session",
        "_settings",
        "_sleep",
    )

    def __init__(
        self,
        settings: ZerodhaSettings,
        session: Session,
        clock: Clock,
        random: Random,
        sleep: Sleep = asyncio.sleep,
        ensure_may_send: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._ensure_may_send = ensure_may_send
        self._session = session
        self._clock = clock
        self._random = random
        self._sleep = sleep
        self._limits = limiters(settings, clock)
        self._reads = httpx2.AsyncHTTPTransport(trust_env=False)
        self._orders = self._reads
        if settings.order_proxy is not None or settings.order_address is not None:
            self._orders = httpx2.AsyncHTTPTransport(
                trust_env=False, proxy=settings.order_proxy, local_address=settings.order_address
            )

    async def close(self) -> None:
        await self._reads.aclose()
        if self._orders is not self._reads:
            await self._orders.aclose()

    async def read(self, path: str, fields: Fields = (), kind: CallKind = CallKind.BOOK) -> Json:
        """`data` of a GET.  Tried again, with growing pauses, after a refusal for the rate or no answer."""

        def data(answer: _Answer, login: Login) -> Json:
            return self._judged(answer, f"GET {path}", login)

        return await self._read(path, fields, kind, self._settings.timeout_seconds, data)

    async def read_file(self, path: str) -> bytes:
        """The body of a GET that answers CSV."""

        def content(answer: _Answer, login: Login) -> bytes:
            if answer.status != _OK or "csv" not in answer.content_type:
                self._judged(answer, f"GET {path}", login)
                raise MalformedReplyError(f"GET {path}: a CSV file was expected", hint="try again")
            return answer.body

        return await self._read(path, (), CallKind.BOOK, self._settings.long_timeout_seconds, content)

    async def change(self, method: Method, path: str, fields: Fields) -> Json:
        """`data` of a call that changes something but is no order: never tried again."""
        login = self._session.login()
        await self._turn(CallKind.BOOK, self._settings.read_wait_seconds)
        answer = await self._send(method, path, fields, login, self._reads, self._settings.timeout_seconds)
        return self._judged(answer, path, login)

    async def order(self, method: Method, path: str, fields: Fields) -> Json:
        """`data` of an order call, sent once.

        Errors: `UnclearReplyError` when it may or may not have happened; any other error means that it did not.
        """
        self._session.login()
        await self._turn(CallKind.ORDERS, self._settings.order_wait_seconds)
        login = self._session.login()  # the wait may have been longer than the session
        place = f"{method} {path}"
        try:
            answer = await self._send(
                method,
                path,
                fields,
                login,
                self._orders,
                self._settings.timeout_seconds,
                self._ensure_may_send,
            )
        except BrokerUnavailableError as error:
            raise UnclearReplyError(error.message, hint="look the order up by its tag") from None
        try:
            return self._judged(answer, place, login)
        except (SessionExpiredError, RateLimitedError):
            raise
        except BrokerError as error:
            # A refusal is believed when the broker's own envelope says it below 500; a proxy's page is not the broker.
            if (
                answer.status < _FIRST_FAULT
                and not isinstance(error, BrokerUnavailableError)
                and _has_type(answer)
            ):
                raise
            raise UnclearReplyError(
                error.message, hint="look the order up by its tag", broker_code=error.broker_code
            ) from None

    async def exchange(self, fields: Fields) -> Record:
        """Trade a request token for a session.  Its failure says nothing about a session that is in force."""
        await self._turn(CallKind.BOOK, self._settings.read_wait_seconds)
        path = "/session/token"
        answer = await self._send(
            Method.POST, path, fields, None, self._reads, self._settings.timeout_seconds
        )
        return Record(self._data(answer, path), "session")

    async def _read(
        self,
        path: str,
        fields: Fields,
        kind: CallKind,
        timeout: float,
        judge: Callable[[_Answer, Login], Read],
    ) -> Read:
        settings = self._settings
        delay = settings.first_delay_seconds
        tries = 1
        while True:
            login = self._session.login()
            await self._turn(kind, settings.read_wait_seconds)
            try:
                return judge(await self._send(Method.GET, path, fields, login, self._reads, timeout), login)
            except (RateLimitedError, BrokerUnavailableError) as error:
                if tries >= settings.read_tries:
                    raise
                told = error.retry_after_seconds if isinstance(error, RateLimitedError) else None
            tries += 1
            await self._sleep(max(delay * self._random.uniform(0.5, 1.0), told or 0.0))
            delay = min(2 * delay, settings.longest_delay_seconds)

    async def _turn(self, kind: CallKind, longest_seconds: float) -> None:
        """Wait for a slot.  Errors: `RateLimitedError` when the next one is too far away; nothing was sent."""
        try:
            at = self._limits[kind].reserve(longest_wait_ns=int(longest_seconds * NANOSECONDS_PER_SECOND))
        except LimitReachedError as error:
            raise RateLimitedError(
                f"nothing was sent: the limit of {kind} is used up",
                retry_after_seconds=error.wait_ns / NANOSECONDS_PER_SECOND,
            ) from None
        pause = at - self._clock.now_ns()
        if pause > 0:
            await self._sleep(pause / NANOSECONDS_PER_SECOND)

    async def _send(
        self,
        method: Method,
        path: str,
        fields: Fields,
        login: Login | None,
        transport: httpx2.AsyncHTTPTransport,
        timeout: float,
        ensure_may_send: Callable[[], None] | None = None,
    ) -> _Answer:
        """One exchange on the wire.  Errors: `BrokerUnavailableError`, without the library's error behind it,
        which would carry the request and its headers; what `ensure_may_send` raises."""
        headers = {"X-Kite-Version": "3", "User-Agent": "TradeMantra", "Accept-Encoding": "gzip"}
        if login is not None:
            headers["Authorization"] = f"token {self._settings.api_key}:{login.token.reveal()}"
        url, content = self._settings.root.rstrip("/") + path, b""
        if method in (Method.GET, Method.DELETE):
            url += f"?{urlencode(fields)}" if fields else ""
        else:
            content = urlencode(fields).encode()
            headers["Content-Type"] = _FORM
        limits = httpx2.Timeout(timeout).as_dict()
        extensions: dict[str, object] = {"timeout": limits}
        if ensure_may_send is not None:
            extensions["trace"] = _before_the_last_write(method, ensure_may_send)
        request = httpx2.Request(method, url, headers=headers, content=content, extensions=extensions)
        failure = ""
        try:
            async with asyncio.timeout(timeout):
                response = await transport.handle_async_request(request)
                try:
                    body = await response.aread()
                finally:
                    await response.aclose()
        except TimeoutError:
            failure = f"no answer within {timeout:g} s"
        except httpx2.RequestError as error:
            failure = f"no answer: {type(error).__name__}"
        if failure:
            raise BrokerUnavailableError(f"{method} {path}: {failure}", hint="check the network; try again")
        return _Answer(
            response.status_code,
            response.headers.get("content-type", ""),
            body,
            _seconds(response.headers.get("retry-after", "")),
        )

    def _judged(self, answer: _Answer, place: str, login: Login) -> Json:
        """As `_data`, and a refused token ends the session that it belongs to."""
        try:
            return self._data(answer, place)
        except SessionExpiredError as error:
            self._session.refused(login.number, error.message)
            raise

    def _data(self, answer: _Answer, place: str) -> Json:
        """`data` of the envelope.  Errors: the typed error of a refusal; `MalformedReplyError`."""
        if "json" not in answer.content_type:
            kind = answer.content_type.split(";")[0] or "no content type"
            said = f"{place}: HTTP {answer.status} with {kind} where JSON was expected"
            if answer.status < _FIRST_REFUSAL:
                raise MalformedReplyError(said, hint="try again")
            raise _waiting(error_of(answer.status, "", said), answer)
        reply = Record(parse_json(answer.body, place), place)
        status = reply.optional_text("status")
        error_type = reply.optional_text("error_type") or ""
        if answer.status != _OK or status != "success" or error_type:
            message = self._session.without_secrets(reply.optional_text("message") or "")
            said = message[:_LONGEST_MESSAGE] or f"{place}: the broker gave no reason"
            code = answer.status if answer.status != _OK else _FIRST_REFUSAL
            raise _waiting(error_of(code, error_type, said), answer)
        return reply.value("data")


def _before_the_last_write(
    method: Method, ensure_may_send: Callable[[], None]
) -> Callable[[str, Mapping[str, object]], Awaitable[None]]:
    """A hook of the transport (its `trace` extension) that asks after every wait, for a turn, a connection, a handshake.

    A form leaves after its headers, and headers alone are no order; a DELETE is all headers.
    """
    last = "send_request_headers.started" if method is Method.DELETE else "send_request_body.started"

    async def look(event: str, _: Mapping[str, object]) -> None:
        if event.endswith(last):
            ensure_may_send()

    return look


def _has_type(answer: _Answer) -> bool:
    """Whether the reply is the broker's own envelope with an error type."""
    return "json" in answer.content_type and b'"error_type"' in answer.body


def _waiting(error: BrokerError, answer: _Answer) -> BrokerError:
    if isinstance(error, RateLimitedError):
        error.retry_after_seconds = answer.retry_after_seconds
    return error


def _seconds(text: str) -> float | None:
    """`Retry-After` in seconds, at most an hour; None where it is a date or absent."""
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else None
