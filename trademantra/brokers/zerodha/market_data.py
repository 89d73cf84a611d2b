"""Instruments, quotes and history of one account."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from trademantra.brokers.market import Quote
from trademantra.brokers.zerodha import history
from trademantra.brokers.zerodha.client import KiteClient
from trademantra.brokers.zerodha.instruments import InstrumentBook
from trademantra.brokers.zerodha.limits import CallKind
from trademantra.brokers.zerodha.manifest import QUOTES_PER_CALL
from trademantra.brokers.zerodha.quotes import quote_of
from trademantra.brokers.zerodha.reply import Record
from trademantra.core.bar import Timeframe
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE, Clock, ist_date, ns_of
from trademantra.engine.bars import Bars

_RELOAD_AFTER_NS = 10 * NANOSECONDS_PER_MINUTE


class MarketData:
    """Reads that concern no order.  The instrument file is fetched when it is first needed, and once a day."""

    __slots__ = ("_catalogue", "_client", "_clock", "_loaded_ns", "_loading", "book_now")

    def __init__(self, client: KiteClient, clock: Clock, catalogue: Iterable[Instrument]) -> None:
        self._client = client
        self._clock = clock
        self._catalogue = tuple(catalogue)
        self._loading = asyncio.Lock()
        self._loaded_ns = 0
        self.book_now: InstrumentBook | None = None
        """The file that was fetched last; None before the first."""

    async def book(self) -> InstrumentBook:
        """Today's names.  Once they are here no order waits for a file that is being fetched anew."""
        if (book := self._todays()) is not None:
            return book
        async with self._loading:
            book = self._todays()
            return await self._load() if book is None else book

    async def instruments(self) -> Sequence[Instrument]:
        async with self._loading:
            return (await self._load()).instruments()

    async def file(self) -> bytes:
        return await self._client.read_file("/instruments")

    async def refetched(self) -> bool:
        """Fetch the file again for a name that it lacks, at most every ten minutes.  Answers whether it was."""
        async with self._loading:
            if self._clock.now_ns() - self._loaded_ns < _RELOAD_AFTER_NS:
                return False
            await self._load()
            return True

    def _todays(self) -> InstrumentBook | None:
        is_todays = ist_date(self._loaded_ns) == ist_date(self._clock.now_ns())
        return self.book_now if is_todays else None

    async def _load(self) -> InstrumentBook:
        content = await self.file()
        # Half a second of parsing for 100,000 rows: not on the loop that serves the stream.
        book = await asyncio.to_thread(InstrumentBook.of_csv, content)
        book.adopt(self._catalogue)
        if self.book_now is not None:
            book.adopt(self.book_now.adopted)
        self.book_now = book
        self._loaded_ns = self._clock.now_ns()
        return book

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        """Those that the broker knows, in as many calls as 500 a call need."""
        book = await self.book()
        keys: dict[str, Instrument] = {}
        for instrument in instruments:
            try:
                listing = book.listing(instrument)
            except UnknownInstrumentError:
                continue
            keys[f"{listing.venue}:{listing.symbol}"] = instrument
        found: dict[Instrument, Quote] = {}
        asked = list(keys)
        for start in range(0, len(asked), QUOTES_PER_CALL):
            fields = [("i", key) for key in asked[start : start + QUOTES_PER_CALL]]
            reply = Record(await self._client.read("/quote", fields, CallKind.QUOTES), "quotes")
            for key in reply.names():
                if key in keys and key in reply:
                    found[keys[key]] = quote_of(reply.record(key), keys[key], self._clock.now_ns())
        return found

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        """Bars whose start lies in [first, last], in as many calls as the interval's limit needs."""
        interval = history.interval_of(timeframe)
        first_ns, last_ns = ns_of(first), ns_of(last)
        token = (await self.book()).listing(instrument).token
        pieces = []
        for span in history.spans(first, last, interval.days):
            fields = [("from", f"{span.first:%Y-%m-%d %H:%M:%S}"), ("to", f"{span.last:%Y-%m-%d %H:%M:%S}")]
            path = f"/instruments/historical/{token}/{interval.word}"
            reply = await self._client.read(path, fields, CallKind.HISTORY)
            pieces.append(history.bars_of(reply, first_ns, last_ns))
        return history.joined(pieces)
