"""The stream's connection: subscribe, stay connected, subscribe again, and know how old each price is."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from trademantra.brokers.errors import RequestRefusedError, SessionExpiredError
from trademantra.brokers.events import StreamState
from trademantra.brokers.market import StreamMode
from trademantra.brokers.zerodha.client import Sleep
from trademantra.brokers.zerodha.manifest import STREAM_TOKENS
from trademantra.brokers.zerodha.packets import Frame, decode
from trademantra.brokers.zerodha.session import Session
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.time import Clock

_FORBIDDEN = 403
_LARGEST_MESSAGE = 4 * 2**20  # 3,000 full packets are 0.6 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamListener:
    """Who hears the stream.  `connected` is called once everything is subscribed again, so that the gap is filled;
    `refused` is awaited when the handshake is refused."""

    ticks: Callable[[Frame, int], None]
    text: Callable[[str], None]
    state: Callable[[StreamState, str], None]
    connected: Callable[[], None]
    refused: Callable[[], Awaitable[None]]


class Ticker:
    """One socket of one account, kept open by a task of its own from `open` to `close`.

    After a loss it connects again with growing, jittered pauses and subscribes with the last modes.  A socket that
    says nothing for `silence_seconds` counts as lost: heartbeats come every second.
    """

    __slots__ = (
        "_attempts",
        "_clock",
        "_connection",
        "_listener",
        "_modes",
        "_random",
        "_session",
        "_settings",
        "_sleep",
        "_state",
        "_task",
        "dropped",
        "last_tick_ns",
    )

    def __init__(
        self,
        settings: ZerodhaSettings,
        session: Session,
        clock: Clock,
        random: Random,
        listener: StreamListener,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock
        self._random = random
        self._listener = listener
        self._sleep = sleep
        self._modes: dict[int, StreamMode] = {}
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._state = StreamState.DISCONNECTED
        self._attempts = 0
        self.last_tick_ns: dict[int, int] = {}
        """When the last tick of each token came, by our clock."""
        self.dropped: dict[str, int] = {}
        """Packets that could not be read or were not asked for, by reason, since the start."""

    @property
    def state(self) -> StreamState:
        return self._state

    @property
    def modes(self) -> Mapping[int, StreamMode]:
        return MappingProxyType(self._modes)

    def open(self) -> None:
        """Start connecting, if that is not under way.  Errors: `SessionExpiredError`."""
        self._session.login()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="zerodha stream")

    async def close(self, reason: str) -> None:
        """Leave.  What was subscribed is remembered for the next `open`."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tell(StreamState.DISCONNECTED, reason)

    async def subscribe(self, tokens: Collection[int], mode: StreamMode) -> None:
        """Errors: `RequestRefusedError` beyond the 3,000 tokens of a socket; nothing is changed then."""
        wanted = {**self._modes, **dict.fromkeys(tokens, mode)}
        if len(wanted) > STREAM_TOKENS:
            raise RequestRefusedError(
                f"the stream takes {STREAM_TOKENS} instruments, {len(wanted)} are asked for",
                hint="unsubscribe some",
            )
        self._modes = wanted
        await self._say(*_subscription(tokens, mode))

    async def unsubscribe(self, tokens: Collection[int]) -> None:
        gone = [token for token in tokens if self._modes.pop(token, None) is not None]
        for token in gone:
            self.last_tick_ns.pop(token, None)
        if gone:
            await self._say({"a": "unsubscribe", "v": gone})

    async def _say(self, *messages: Mapping[str, object]) -> None:
        """Send, if connected; otherwise the next connection subscribes to everything."""
        connection = self._connection
        if connection is None:
            return
        with suppress(ConnectionClosed):
            for message in messages:
                await connection.send(json.dumps(message))

    async def _run(self) -> None:
        reason = ""
        while True:
            try:
                await self._connect()
                reason = "the connection was lost"
            except SessionExpiredError as error:
                self._tell(StreamState.DISCONNECTED, error.message)
                return
            except TimeoutError:
                reason = "nothing was heard"
            except InvalidStatus as error:
                status = error.response.status_code
                reason = f"the broker refused the stream: HTTP {status}"
                if status == _FORBIDDEN:  # a dead token, or too many sockets: a read tells which
                    await self._listener.refused()
            except (OSError, WebSocketException) as error:
                reason = f"the connection failed: {type(error).__name__}"
            self._tell(StreamState.DISCONNECTED, reason)
            settings = self._settings
            pause = min(settings.first_delay_seconds * 2**self._attempts, settings.longest_delay_seconds)
            self._attempts = min(self._attempts + 1, 30)
            await self._sleep(pause * self._random.uniform(0.5, 1.0))

    async def _connect(self) -> None:
        """One connection from its opening to its end."""
        login = self._session.login()
        self._tell(StreamState.CONNECTING, "")
        query = urlencode({"api_key": self._settings.api_key, "access_token": login.token.reveal()})
        async with connect(
            f"{self._settings.stream_root.rstrip('/')}/?{query}",
            additional_headers={"X-Kite-Version": "3"},
            user_agent_header="TradeMantra",
            proxy=None,
            compression=None,
            open_timeout=self._settings.timeout_seconds,
            ping_interval=None,
            close_timeout=1.0,
            max_size=_LARGEST_MESSAGE,
            logger=_silent_logger(),
        ) as connection:
            self._connection = connection
            try:
                await self._subscribe_again()
                self._tell(StreamState.CONNECTED, "")
                self._listener.connected()
                await self._listen(connection)
            finally:
                self._connection = None

    async def _subscribe_again(self) -> None:
        by_mode: dict[StreamMode, list[int]] = {}
        for token, mode in self._modes.items():
            by_mode.setdefault(mode, []).append(token)
        for mode, tokens in by_mode.items():
            await self._say(*_subscription(tokens, mode))

    async def _listen(self, connection: ClientConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.silence_seconds):
                    message = await connection.recv()
            except ConnectionClosed:
                return
            self._attempts = 0
            if isinstance(message, str):
                self._listener.text(message)
                continue
            frame = decode(message)
            for reason, count in frame.dropped.items():
                self.dropped[reason] = self.dropped.get(reason, 0) + count
            now = self._clock.now_ns()
            for group in frame.groups:
                for token in group.token.tolist():
                    if token in self._modes:
                        self.last_tick_ns[token] = now
                    else:
                        self.dropped["not subscribed"] = self.dropped.get("not subscribed", 0) + 1
            if frame.groups:
                self._listener.ticks(frame, now)

    def _tell(self, state: StreamState, reason: str) -> None:
        if state is not self._state:
            self._state = state
            self._listener.state(state, reason)


def _subscription(tokens: Collection[int], mode: StreamMode) -> tuple[Mapping[str, object], ...]:
    numbers = list(tokens)
    return {"a": "subscribe", "v": numbers}, {"a": "mode", "v": [mode.value, numbers]}


def _silent_logger() -> logging.Logger:
    """A logger outside the tree: the library would write the URL of the handshake, which holds the token."""
    return logging.Logger("zerodha stream", logging.CRITICAL + 1)
