"""What a broker calls an instrument: its venue, symbol and token."""

from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Listing:
    """One row of a broker's instrument file.

    `venue` is the broker's word for exchange and segment (NSE, NFO, MCX …), `symbol` its trading symbol, `token` the
    number that streams and history use (Kite: `exchange_token << 8 | segment`, specs/brokers.md 1.4).
    `previous_close` in currency, None where unknown.
    """

    venue: str
    symbol: str
    token: int
    instrument: Instrument
    name: str = ""
    previous_close: Decimal | None = None

    @property
    def exchange_token(self) -> int:
        return self.token >> 8
