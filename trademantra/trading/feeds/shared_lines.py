"""One account's prices for several hubs: a token is left at the broker when the last hub leaves it."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime

from trademantra.brokers.events import StreamState
from trademantra.brokers.market import Quote, StreamMode
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Bars
from trademantra.trading.feeds.hub_settings import TickAdapter, TickSource

_MODES = tuple(StreamMode)  # from little to much


class _Wanted:
    """What the hubs want of one adapter: modes by instrument key and hub."""

    def __init__(self, adapter: TickAdapter) -> None:
        self.adapter = adapter
        self.modes: dict[str, dict[str, StreamMode]] = {}


class SharedLine:
    """The adapter of one account, for one of the hubs that hear it."""

    def __init__(self, wanted: _Wanted, hub: str) -> None:
        self._wanted, self._hub = wanted, hub

    @property
    def stream(self) -> StreamState:
        return self._wanted.adapter.stream

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        """In the strongest mode that any hub asked for.  Errors: those of the adapter; nothing is changed then."""
        modes = self._wanted.modes
        by_mode: dict[StreamMode, list[Instrument]] = {}
        for each in instruments:
            strongest = max((mode, *modes.get(each.key, {}).values()), key=_MODES.index)
            by_mode.setdefault(strongest, []).append(each)
        for strongest, some in by_mode.items():
            await self._wanted.adapter.subscribe(some, strongest)
        for each in instruments:
            modes.setdefault(each.key, {})[self._hub] = mode

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None:
        gone = []
        for each in instruments:
            hubs = self._wanted.modes.get(each.key, {})
            if hubs.pop(self._hub, None) is not None and not hubs:
                del self._wanted.modes[each.key]
                gone.append(each)
        if gone:
            await self._wanted.adapter.unsubscribe(gone)

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        return self._wanted.adapter.quotes_stream()

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        return await self._wanted.adapter.quotes(instruments)

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        return await self._wanted.adapter.history(instrument, timeframe, first, last)


def shared_lines(
    feeds: Mapping[str, Sequence[str]], adapters: Mapping[str, TickAdapter]
) -> Mapping[str, Sequence[TickSource]]:
    """The sources of each feed, by the names of accounts in order of preference."""
    wanted = {name: _Wanted(adapters[name]) for names in feeds.values() for name in names}
    return {
        feed: [TickSource(name, SharedLine(wanted[name], feed)) for name in names]
        for feed, names in feeds.items()
    }
