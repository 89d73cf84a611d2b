"""The price bands of the day, read again and again: exchanges widen them while the market trades."""

from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.brokers.market import Quote
from trademantra.core.errors import TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.house.fact_parts import FactParts, Watched

_NAMED = 3


@dataclass(slots=True)
class BandFacts:
    """Of one desk.  Bands of instruments that are asked for in `read` are told to the gate, or lost."""

    parts: FactParts
    _read_ns: dict[str, int] = field(default_factory=dict)
    _without: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def read(self, watched: Watched) -> int:
        """Read them all now; answers when to read them again, in ns from now."""
        notes, what = self.parts.notes, f"price bands of {watched.name}"
        try:
            quotes = await watched.source.quotes(watched.bands)
        except (TradeMantraError, OSError) as error:
            seconds = self.parts.times.bands_oldest_ns // NANOSECONDS_PER_SECOND
            notes.lost(
                what,
                f"cannot be read: {error}; known ones hold for {seconds} s, then entries that need one wait",
            )
            return self.parts.times.again_ns
        notes.back(what)
        without = tuple(each.key for each in watched.bands if not self._heard(each, quotes.get(each)))
        if without != self._without.get(watched.name, ()):
            self._without[watched.name] = without
            if without:
                more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
                notes.say(
                    f"{what}: none is told of {', '.join(without[:_NAMED])}{more}; entries that need it wait"
                )
            else:
                notes.say(f"{what}: all are known now")
        return self.parts.times.bands_ns

    def look(self) -> None:
        """Forget those that are too old."""
        oldest = self.parts.wall.now_ns() - self.parts.times.bands_oldest_ns
        for key in [key for key, read_ns in self._read_ns.items() if read_ns < oldest]:
            self._lose(key)

    def _heard(self, instrument: Instrument, quote: Quote | None) -> bool:
        """Whether its band is known.  One that is left out of an answer keeps its band for its time; one whose quote
        carries none has none."""
        key = instrument.key
        if quote is None:
            return key in self._read_ns
        band = _band(quote)
        if band is None:
            self._lose(key)
            return False
        self._read_ns[key] = self.parts.wall.now_ns()
        self.parts.state.band(key, *band)
        return True

    def _lose(self, key: str) -> None:
        self._read_ns.pop(key, None)
        self.parts.state.band_lost(key)


def _band(quote: Quote) -> tuple[Decimal, Decimal] | None:
    lower, upper = quote.lower_circuit, quote.upper_circuit
    if lower is None or upper is None or not 0 < lower <= upper:
        return None
    return lower, upper
