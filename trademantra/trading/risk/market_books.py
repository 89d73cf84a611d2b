"""What the risk gate knows of markets: prices, bands, halts, moves, and how instruments move together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from trademantra.core.instrument import Exchange
from trademantra.trading.risk.account_books import AccountBooks
from trademantra.trading.risk.books import Market
from trademantra.trading.risk.correlation import Correlations


@dataclass(slots=True)
class MarketBooks(AccountBooks):
    """Of all markets; what nobody told is not known."""

    _markets: dict[str, Market] = field(default_factory=dict)
    _halts: dict[Exchange, int | None] = field(default_factory=dict)
    index_move_percent: Decimal | None = None
    correlations: Correlations = field(default_factory=Correlations)

    def market(self, instrument_key: str) -> Market:
        found = self._markets.get(instrument_key)
        if found is None:
            found = self._markets[instrument_key] = Market()
        return found

    def band(self, instrument_key: str, lower: Decimal, upper: Decimal) -> None:
        """The lowest and the highest price that the exchange takes today (the broker's quote carries them)."""
        self.market(instrument_key).band = (lower, upper)

    def band_lost(self, instrument_key: str) -> None:
        """It could not be read for too long, or is of another day."""
        self.market(instrument_key).band = None

    def daily_closes(self, instrument_key: str, closes: Mapping[date, float]) -> None:
        """Closing prices by trading day; what two instruments have in common is compared.  None at all: not known."""
        self.correlations.tell_closes(instrument_key, closes)

    def returns(self, instrument_key: str, values: Sequence[float]) -> None:
        """Daily returns, oldest first, the newest of all instruments of the same day."""
        self.correlations.tell(instrument_key, values)

    def index_moved(self, percent: Decimal | None) -> None:
        """NIFTY 50 or SENSEX against its previous close, the larger move of both, signed; None: not known."""
        self.index_move_percent = percent

    def market_halted(self, exchange: Exchange, until_ns: int | None) -> None:
        """Trading stopped until then; None: for the rest of the day."""
        self._halts[exchange] = until_ns

    def market_resumed(self, exchange: Exchange) -> None:
        self._halts.pop(exchange, None)

    def halt(self, exchange: Exchange, now_ns: int) -> tuple[int | None] | None:
        """The end of a halt that is on now, or None when trading goes on."""
        if exchange not in self._halts:
            return None
        until_ns = self._halts[exchange]
        return (until_ns,) if until_ns is None or now_ns < until_ns else None

    def forget_day_of_markets(self) -> None:
        """A new trading day: its bands, halts and moves are not known yet."""
        self._halts.clear()
        self.index_move_percent = None
        for market in self._markets.values():
            market.band = None
