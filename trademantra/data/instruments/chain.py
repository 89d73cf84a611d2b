"""The contracts of one expiry."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trademantra.core.instrument import Instrument


@dataclass(frozen=True, slots=True)
class ChainStrike:
    """Call and put of one strike (rupees); None where only the other is listed."""

    strike: Decimal
    call: Instrument | None
    put: Instrument | None


@dataclass(frozen=True, slots=True)
class Chain:
    """Future (None when none expires that day) and options, strikes ascending."""

    underlying: str
    expiry: date
    future: Instrument | None
    strikes: tuple[ChainStrike, ...]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every contract: the future, then call and put of each strike."""
        options = (leg for strike in self.strikes for leg in (strike.call, strike.put) if leg is not None)
        return ((self.future,) if self.future is not None else ()) + tuple(options)
