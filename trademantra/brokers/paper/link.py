"""What lies between a desk and the simulated exchange: nothing goes wrong on it unless it is told to.

For rehearsals and tests of what a real line does: requests and replies that are lost, refusals for the rate, a stream
that breaks.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum


class RequestKind(StrEnum):
    """Kinds of requests, as `Manifest.limits` names them."""

    ORDERS = "orders"
    BOOK = "book"
    QUOTES = "quotes"
    HISTORY = "history"


class Mishap(StrEnum):
    """LOSE_REQUEST: it never arrives.  LOSE_REPLY: it is done, and nobody hears of it.  REFUSE_RATE: too many."""

    LOSE_REQUEST = "lose_request"
    LOSE_REPLY = "lose_reply"
    REFUSE_RATE = "refuse_rate"


class Link:
    """The line of one account.

    >>> link = Link()
    >>> link.plan(RequestKind.ORDERS, Mishap.LOSE_REPLY)
    >>> link.next_mishap(RequestKind.BOOK), link.next_mishap(RequestKind.ORDERS), link.next_mishap(RequestKind.ORDERS)
    (None, <Mishap.LOSE_REPLY: 'lose_reply'>, None)
    """

    __slots__ = ("_listener", "_planned", "_up")

    def __init__(self) -> None:
        self._planned: dict[RequestKind, deque[Mishap]] = {kind: deque() for kind in RequestKind}
        self._up = True
        self._listener: Callable[[bool], None] | None = None

    def plan(self, kind: RequestKind, mishap: Mishap, count: int = 1) -> None:
        """Let the next `count` requests of a kind, behind those that are planned already, go wrong."""
        self._planned[kind].extend([mishap] * count)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        for planned in self._planned.values():
            planned.clear()

    def next_mishap(self, kind: RequestKind) -> Mishap | None:
        """What becomes of the next request of a kind; asked once for each."""
        planned = self._planned[kind]
        return planned.popleft() if planned else None

    @property
    def stream_is_up(self) -> bool:
        return self._up

    def cut_stream(self) -> None:
        """Ticks and order updates stop until `mend_stream`."""
        self._set(up=False)

    def mend_stream(self) -> None:
        self._set(up=True)

    def listen(self, listener: Callable[[bool], None]) -> None:
        """The one adapter at this line is told when the stream breaks (False) and comes back (True)."""
        self._listener = listener

    def _set(self, *, up: bool) -> None:
        if up is not self._up:
            self._up = up
            if self._listener is not None:
                self._listener(up)
