"""The in-process bus: what happened, told to whoever wants to know.

Best effort by design (DESIGN section 3): telling never waits and never fails, a listener that is slow loses the oldest
events and is told how many.  What must not be lost is written in the same transaction as its cause, not told here.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Event = TypeVar("Event")

_LONGEST = 10_000


class Subscription(Generic[Event]):
    """Events of one type and its subtypes, in the order of telling; an async iterator that ends with `close`."""

    def __init__(self, bus: "Bus", kind: type[Event], longest: int) -> None:
        self._bus, self.kind = bus, kind
        self._waiting: deque[Event] = deque(maxlen=longest)
        self._arrived = asyncio.Event()
        self._open = True
        self.lost = 0

    def take(self, event: Event) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.lost += 1
        self._waiting.append(event)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while self._open or self._waiting:
            while self._waiting:
                yield self._waiting.popleft()
            self._arrived.clear()
            if self._open and not self._waiting:
                await self._arrived.wait()

    def close(self) -> None:
        """No more events; those that wait are still read."""
        self._open = False
        self._bus.forget(self)
        self._arrived.set()


class Bus:
    """One event loop's bus."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[object]] = []

    def subscribe(self, kind: type[Event], *, longest: int = _LONGEST) -> Subscription[Event]:
        """Hear of every event of `kind` from now on; `longest` events wait at the most."""
        made = Subscription(self, kind, longest)
        self._subscriptions.append(made)  # type: ignore[arg-type]  # take() is called with its kind only
        return made

    def tell(self, event: object) -> None:
        for each in self._subscriptions:
            if isinstance(event, each.kind):
                each.take(event)

    def forget(self, subscription: Subscription[Event]) -> None:
        self._subscriptions = [each for each in self._subscriptions if each is not subscription]
