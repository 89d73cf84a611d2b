"""Ticks on their way to a reader: the newest of each instrument, however slow the reader is."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from trademantra.brokers.market import Quote
from trademantra.core.instrument import Instrument


class NewestQuotes(AsyncIterator[Sequence[Quote]]):
    """One reader's batches.  Holds at most one quote an instrument; ends after `close`."""

    def __init__(self) -> None:
        self._waiting: dict[Instrument, Quote] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, quotes: Sequence[Quote]) -> None:
        """A quote takes the place of an older one of its instrument; the order is that of the newest arrivals."""
        for quote in quotes:
            self._waiting.pop(quote.instrument, None)
            self._waiting[quote.instrument] = quote
        if quotes:
            self._changed.set()

    def close(self) -> None:
        """The reader gets what is waiting, then the end."""
        self._closed = True
        self._changed.set()

    async def __anext__(self) -> Sequence[Quote]:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        batch = tuple(self._waiting.values())
        self._waiting.clear()
        return batch
