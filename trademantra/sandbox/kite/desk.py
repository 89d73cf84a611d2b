"""Everything that the routes work with, and what several of them need."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.exchange import Exchange
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.time import Clock
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.alerts import Alerts
from trademantra.sandbox.kite.candles import Candles
from trademantra.sandbox.kite.errors import invalid
from trademantra.sandbox.kite.faults import FaultBook
from trademantra.sandbox.kite.instrument_file import InstrumentFile
from trademantra.sandbox.kite.limits import RateLimits
from trademantra.sandbox.kite.operations import Operation
from trademantra.sandbox.kite.postback import Postbacks
from trademantra.sandbox.kite.pump import Pump
from trademantra.sandbox.kite.sessions import Sessions
from trademantra.sandbox.kite.settings import KiteSettings
from trademantra.sandbox.kite.ticker import Ticker


@dataclass(slots=True, kw_only=True)
class Desk:
    """One server's parts.  `root` is its own URL."""

    root: str
    settings: KiteSettings
    accounts: tuple[KiteAccount, ...]
    exchange: Exchange
    clock: Clock
    sessions: Sessions
    limits: RateLimits
    faults: FaultBook
    ticker: Ticker
    postbacks: Postbacks
    alerts: Alerts
    candles: Candles
    instruments: InstrumentFile
    pump: Pump
    read_seconds: Callable[[], float]
    make_uuid: Callable[[], uuid.UUID]
    operations: tuple[Operation, ...] = field(default=())

    def listing(self, venue: str, symbol: str) -> Listing:
        """Errors: InputException for a symbol that the venue does not list."""
        try:
            return self.exchange.listings.find(venue, symbol)
        except UnknownInstrumentError as error:
            raise invalid("tradingsymbol", f"{venue} lists no such instrument.") from error
