"""What is read of prices beside the stream (lists, quotes, history), from the first source of a feed that answers."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.events import SessionState
from trademantra.brokers.market import Quote
from trademantra.core.bar import Timeframe
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Bars

_Read = TypeVar("_Read")


class PriceReads(Protocol):
    """What is needed of a `BrokerAdapter`; see there."""

    @property
    def session(self) -> SessionState: ...

    async def instruments(self) -> Sequence[Instrument]: ...

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]: ...

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars: ...


class FirstThatAnswers:
    """Several sources as one, in order of preference.  Errors of a call: those of the first source, where none answers."""

    def __init__(self, sources: Sequence[PriceReads]) -> None:
        self._sources = tuple(sources)

    @property
    def session(self) -> SessionState:
        """Active while one of them is logged in, else that of the first."""
        states = [each.session for each in self._sources]
        return SessionState.ACTIVE if SessionState.ACTIVE in states else states[0]

    async def instruments(self) -> Sequence[Instrument]:
        return await self._first(lambda source: source.instruments())

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        return await self._first(lambda source: source.quotes(instruments))

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        return await self._first(lambda source: source.history(instrument, timeframe, first, last))

    async def _first(self, read: Callable[[PriceReads], Awaitable[_Read]]) -> _Read:
        failed: BrokerError | UnknownInstrumentError | None = None
        for source in self._sources:
            try:
                return await read(source)
            except (BrokerError, UnknownInstrumentError) as error:
                failed = failed or error
        assert failed is not None, "a feed has at least one source"
        raise failed
