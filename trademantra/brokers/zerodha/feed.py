"""Ticks for readers of any speed: each gets the newest of every instrument since it last looked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from trademantra.brokers.market import Quote
from trademantra.brokers.zerodha.packets import Frame
from trademantra.brokers.zerodha.quotes import Tick
from trademantra.core.instrument import Instrument


class _Reader:
    __slots__ = ("newest", "woken")

    def __init__(self) -> None:
        self.newest: dict[int, Tick] = {}
        self.woken = asyncio.Event()


class QuoteFeed:
    """Fan-out of decoded frames.  A quote is made only when a reader takes it; what a slow one misses costs nothing."""

    __slots__ = ("_closed", "_readers")

    def __init__(self) -> None:
        self._readers: set[_Reader] = set()
        self._closed = False

    def offer(self, frame: Frame, received_ns: int, wanted: Collection[int]) -> None:
        """Give a frame to every reader; tokens that are not `wanted` are left out."""
        if not self._readers:
            return
        ticks: dict[int, tuple[int, Tick]] = {}
        for packets in frame.groups:
            positions = packets.position.tolist()
            for row, token in enumerate(packets.token.tolist()):
                if token in wanted and (token not in ticks or ticks[token][0] < positions[row]):
                    ticks[token] = positions[row], Tick(packets, row, received_ns)
        newest = {token: tick for token, (_, tick) in ticks.items()}
        for reader in self._readers if newest else ():
            reader.newest.update(newest)
            reader.woken.set()

    def close(self) -> None:
        """End every reader once it has what there is."""
        self._closed = True
        for reader in self._readers:
            reader.woken.set()

    async def batches(
        self, instrument_of: Callable[[int], Instrument | None]
    ) -> AsyncIterator[Sequence[Quote]]:
        """Quotes of the instruments that ticked since the last batch."""
        reader = _Reader()
        self._readers.add(reader)
        try:
            while True:
                if not reader.newest:
                    if self._closed:
                        return
                    await reader.woken.wait()
                reader.woken.clear()
                taken, reader.newest = reader.newest, {}
                named = ((instrument_of(token), tick) for token, tick in taken.items())
                quotes = [tick.quote(instrument) for instrument, tick in named if instrument is not None]
                if quotes:
                    yield quotes
        finally:
            self._readers.discard(reader)
