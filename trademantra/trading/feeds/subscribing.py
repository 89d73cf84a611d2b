"""What is subscribed at which source: one that does not take something is told, goes without it, and is asked again."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from trademantra.brokers.errors import BrokerError
from trademantra.brokers.market import StreamMode
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.trading.feeds.events import SourceTrouble
from trademantra.trading.feeds.hub_settings import TickSource
from trademantra.trading.feeds.ticks import InstrumentTable

_Refusal: TypeAlias = BrokerError | UnknownInstrumentError


class Subscriptions:
    """Of one hub at its sources; each broker knows an instrument by its own token."""

    def __init__(
        self, sources: Sequence[TickSource], table: InstrumentTable, tell: Callable[[SourceTrouble], None]
    ) -> None:
        self._sources, self._table, self._tell = tuple(sources), table, tell
        self._refused: list[dict[int, StreamMode]] = [{} for _ in self._sources]
        self._troubles: dict[int, str] = {}

    @property
    def is_complete(self) -> bool:
        """Whether every source took all that it was asked for."""
        return not any(self._refused)

    def refused(self, source: int) -> int:
        """How many instruments a source did not take."""
        return len(self._refused[source])

    async def add(self, instruments: Collection[Instrument], mode: StreamMode, heard: int) -> None:
        """Ask all sources.  Errors: that of the source that is `heard`, where none takes them; nothing is changed then."""
        errors: dict[int, _Refusal] = {}
        for number in (heard, *(each for each in range(len(self._sources)) if each != heard)):
            try:
                await self._sources[number].adapter.subscribe(instruments, mode)
            except (BrokerError, UnknownInstrumentError) as error:
                errors[number] = error
            else:
                for instrument in instruments:
                    self._refused[number].pop(self._table.row_of(instrument), None)
        if len(errors) == len(self._sources):
            raise errors[heard]
        for number, refusal in errors.items():
            self._refused[number] |= {self._table.row_of(each): mode for each in instruments}
            self._trouble(number, str(refusal))
            if isinstance(refusal, UnknownInstrumentError):
                await self._one_by_one(number)

    async def leave(self, instruments: Collection[Instrument]) -> None:
        """Nobody wants these any more."""
        for number, source in enumerate(self._sources):
            for instrument in instruments:
                self._refused[number].pop(self._table.row_of(instrument), None)
            try:
                await source.adapter.unsubscribe(instruments)
            except (BrokerError, UnknownInstrumentError) as error:
                self._trouble(number, str(error))

    async def ask_again(self) -> None:
        """Sources that did not take something, such as those that nobody was logged in to, are asked for it again."""
        for number, refused in enumerate(self._refused):
            for mode in set(refused.values()):
                rows = [row for row, wanted in refused.items() if wanted is mode]
                try:
                    await self._sources[number].adapter.subscribe([self._table[row] for row in rows], mode)
                except UnknownInstrumentError:
                    await self._one_by_one(number)
                    break
                except BrokerError as error:
                    self._trouble(number, str(error))
                    break
                for row in rows:
                    refused.pop(row, None)
            if not refused:
                self._troubles.pop(number, None)

    async def _one_by_one(self, number: int) -> None:
        """A source does not list all that is asked for: the others of it are heard."""
        for row, mode in list(self._refused[number].items()):
            try:
                await self._sources[number].adapter.subscribe([self._table[row]], mode)
            except UnknownInstrumentError as error:
                self._trouble(number, str(error))
                continue
            except BrokerError as error:
                self._trouble(number, str(error))
                return
            self._refused[number].pop(row, None)

    def _trouble(self, number: int, reason: str) -> None:
        """Told once until it is over, or another."""
        if self._troubles.get(number) != reason:
            self._troubles[number] = reason
            self._tell(SourceTrouble(self._sources[number].name, reason))
