"""The ticker: sockets, subscriptions and the fan-out of ticks (specs/brokers.md 1.11).

A packet is encoded once for each tick, and a frame once for each distinct subscription; sockets with equal
subscriptions share the bytes.  A socket that does not keep up gets the newest state of what it missed when it is ready
again: nothing queues but order updates, and those are bounded.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from trademantra.sandbox.kite.errors import KiteReplyError, bad_token
from trademantra.sandbox.kite.faults import FaultBook, FaultKind
from trademantra.sandbox.kite.json_form import Json, encode
from trademantra.sandbox.kite.packets import HEARTBEAT, IntArray, Mode, PacketTable, Ticks, framed
from trademantra.sandbox.kite.sessions import Session
from trademantra.sandbox.kite.settings import KiteSettings
from trademantra.sandbox.kite.socket import TickerSocket

_GARBAGE = b"\x00\x03\x00\xb8\xde\xad\xbe\xef\xff\xff"  # three packets announced, half of one there


class TickSource(Protocol):
    """The market as columns; a row is a listing's place."""

    @property
    def size(self) -> int:
        """Number of listings."""
        ...

    def rows_of(self, tokens: Collection[int]) -> Mapping[int, int]:
        """Rows of those tokens that are listed."""
        ...

    def ticks(self, rows: IntArray) -> Ticks:
        """What is known of these rows now."""
        ...


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Subscription:
    """Rows of the packet table by mode.  Equal subscriptions are one object."""

    rows: tuple[tuple[Mode, IntArray], ...]

    def frame(self, table: PacketTable, wanted: npt.NDArray[np.bool_]) -> bytes:
        """One message with the packets of those rows that are wanted; empty when there are none."""
        packets, count = [], 0
        for mode, rows in self.rows:
            chosen = rows[wanted[rows]]
            if len(chosen):
                count += table.sent_rows(chosen)
                packets.append(table.frame(mode, chosen))
        return framed(count, b"".join(packets)) if count else b""


EMPTY = Subscription(())


class Ticker:
    """All sockets of one server.

    `read_seconds` gives a monotonic time in seconds, for heartbeats and slow sockets.
    """

    def __init__(
        self, source: TickSource, settings: KiteSettings, faults: FaultBook, read_seconds: Callable[[], float]
    ) -> None:
        self._source = source
        self._settings = settings
        self._faults = faults
        self._now = read_seconds
        self._table = PacketTable()
        self._table_rows = np.full(source.size, -1, np.int64)
        self._listing_rows: dict[int, int] = {}
        self._listing_of = np.zeros(64, np.int64)
        self._sockets: dict[TickerSocket, Subscription] = {}
        self._interned: WeakValueDictionary[frozenset[tuple[int, Mode]], Subscription] = WeakValueDictionary()

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._sockets)

    def admit(self, session: Session) -> None:
        """Whether one more socket of this login may open.  Errors: TokenException, which the handshake shows as 403."""
        key = session.account.api_key
        if sum(s.session.account.api_key == key for s in self._sockets) >= self._settings.sockets_per_key:
            raise bad_token(f"More than {self._settings.sockets_per_key} sockets of one api_key.")

    def add(self, socket: TickerSocket) -> None:
        self._sockets[socket] = EMPTY

    def remove(self, socket: TickerSocket) -> None:
        self._sockets.pop(socket, None)

    def hear(self, socket: TickerSocket, text: str) -> None:
        """Act on a client's message.  One that cannot be read is answered with an error text and changes nothing."""
        try:
            modes = _after(text, socket.modes)
        except KiteReplyError as error:
            self._say(socket, {"type": "error", "data": error.message})
            return
        known = self._known(modes)
        if len(known) > self._settings.tokens_per_socket:
            limit = self._settings.tokens_per_socket
            self._say(socket, {"type": "error", "data": f"More than {limit} instruments on one socket."})
            return
        fresh = [token for token, mode in known.items() if socket.modes.get(token) is not mode]
        socket.modes = known
        self._sockets[socket] = self._subscription(known)
        if fresh:
            rows = np.array([self._placed(token) for token in fresh], np.int64)
            self._write(rows)
            wanted = np.zeros(self._table.size, bool)
            wanted[rows] = True
            socket.miss(wanted)

    def publish(self, listing_rows: IntArray) -> None:
        """These listings ticked: encode them once and offer them to every socket that listens."""
        if not self._sockets:
            return
        rows = self._table_rows[listing_rows]
        rows = rows[rows >= 0]
        if not len(rows):
            return
        stale = self._faults.strike(FaultKind.STALE_FEED)
        if stale is not None:
            if not stale.tokens:
                return
            silent = [self._table.row_of(t) for t in stale.tokens if self._table.known(t) is not None]
            rows = rows[~np.isin(rows, silent)]
        self._write(rows)
        wanted = np.zeros(self._table.size, bool)
        wanted[rows] = True
        frames: dict[int, bytes] = {}
        for socket, subscription in self._sockets.items():
            if not socket.ready:
                socket.miss(wanted)
                continue
            frame = frames.get(id(subscription))
            if frame is None:
                frame = frames[id(subscription)] = subscription.frame(self._table, wanted)
            if frame:
                socket.offer(frame)

    def catch_up(self, socket: TickerSocket, missed: npt.NDArray[np.bool_]) -> bytes:
        """The newest state of what a socket missed."""
        wanted = missed
        if len(missed) < self._table.size:
            wanted = np.zeros(self._table.size, bool)
            wanted[: len(missed)] = missed
        return self._sockets.get(socket, EMPTY).frame(self._table, wanted)

    def tell(self, user_id: str, message: Json) -> None:
        """A text message to all sockets of a user."""
        for socket in self._of(user_id):
            self._say(socket, message)

    def listens(self, user_id: str) -> bool:
        """Whether a user has a socket open."""
        return any(socket.session.account.user_id == user_id for socket in self._sockets)

    def cut_session(self, session: Session) -> None:
        """Drop the sockets of a login that ended."""
        for socket in tuple(self._sockets):
            if socket.session is session:
                socket.cut()

    def cut_all(self) -> None:
        """Drop every socket without a goodbye."""
        for socket in tuple(self._sockets):
            socket.cut()

    def beat(self) -> None:
        """To be called often: heartbeats for silent sockets, an end for those that take nothing, faults of the feed."""
        now = self._now()
        if self._sockets and self._faults.strike(FaultKind.SOCKET_CUT):
            self.cut_all()
        garbage = bool(self._sockets) and self._faults.strike(FaultKind.GARBAGE_FRAME) is not None
        for socket in tuple(self._sockets):
            if socket.stuck_since is not None and now - socket.stuck_since > self._settings.slow_seconds:
                socket.cut()
            elif garbage and socket.ready:
                socket.offer(_GARBAGE)
            elif socket.ready and now - socket.sent_at >= self._settings.heartbeat_seconds:
                socket.offer(HEARTBEAT)

    def _of(self, user_id: str) -> list[TickerSocket]:
        return [socket for socket in self._sockets if socket.session.account.user_id == user_id]

    def _say(self, socket: TickerSocket, message: Json) -> None:
        if socket.waiting_texts >= self._settings.updates_waiting:
            socket.cut()
            return
        socket.say(encode(message).decode())

    def _known(self, modes: Mapping[int, Mode]) -> dict[int, Mode]:
        """Without tokens that are not listed: those never tick, and the broker says nothing of them."""
        new = [token for token in modes if token not in self._listing_rows]
        for token, listing_row in self._source.rows_of(new).items():
            self._listing_rows[token] = listing_row
        return {token: mode for token, mode in modes.items() if token in self._listing_rows}

    def _subscription(self, modes: Mapping[int, Mode]) -> Subscription:
        key = frozenset(modes.items())
        found = self._interned.get(key)
        if found is None:
            by_mode: dict[Mode, list[int]] = {}
            for token, mode in modes.items():
                row = self._placed(token)
                by_mode.setdefault(mode, []).append(row)
            found = Subscription(tuple((mode, np.array(rows, np.int64)) for mode, rows in by_mode.items()))
            self._interned[key] = found
        return found

    def _placed(self, token: int) -> int:
        """The packet row of a listed token; both directions are kept."""
        row = self._table.row_of(token)
        if row >= len(self._listing_of):
            self._listing_of = np.concatenate((self._listing_of, np.zeros_like(self._listing_of)))
        listing_row = self._listing_rows[token]
        self._listing_of[row] = listing_row
        self._table_rows[listing_row] = row
        return row

    def _write(self, rows: IntArray) -> None:
        self._table.write(rows, self._source.ticks(self._listing_of[rows]))


def _after(text: str, present: Mapping[int, Mode]) -> dict[int, Mode]:
    """Modes after a client's message.  Errors: `KiteReplyError` with the text to answer."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable("not JSON") from error
    if not isinstance(message, dict):
        raise _unreadable("not an object")
    action, value = message.get("a"), message.get("v")
    modes = dict(present)
    if action == "subscribe":
        for token in _tokens(value):
            modes.setdefault(token, Mode.QUOTE)
    elif action == "unsubscribe":
        for token in _tokens(value):
            modes.pop(token, None)
    elif action == "mode":
        if not isinstance(value, list) or len(value) != 2 or value[0] not in tuple(Mode):
            raise _unreadable("mode needs [mode, [tokens]]")
        modes.update(dict.fromkeys(_tokens(value[1]), Mode(value[0])))
    else:
        raise _unreadable(f"unknown action {str(action)[:40]!r}")
    return modes


def _tokens(value: Json) -> Iterable[int]:
    if not isinstance(value, list) or any(isinstance(x, bool) or not isinstance(x, int) for x in value):
        raise _unreadable("v must be a list of instrument tokens")
    return [token for token in value if isinstance(token, int) and 0 <= token < 2**32]


def _unreadable(why: str) -> KiteReplyError:
    return KiteReplyError(400, "InputException", f"Invalid message: {why}.")
