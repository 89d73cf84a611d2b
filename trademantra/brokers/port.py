"""What every broker adapter offers.  The desk and the contract suite know brokers only through this.

Rules that bind every adapter (specs/brokers.md 12, "safety rules"):
- a timeout or a 5xx on `place` is `Unknown`, never a failure and never retried;
- an error of a book is an error, never an empty book;
- quantities are units, converted to lots at the edge; prices are decimals on the contract's tick;
- events are merged from every source and each is told once, in order;
- a reconnect subscribes again with the last modes and then asks for the order book;
- an expired session stops orders and tells so once; nothing spins on it;
- secrets stand in no log, no error and no unrelated request.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.events import BrokerEvent, SessionState, StreamState
from trademantra.brokers.manifest import Manifest
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.orders import BrokerOrder, BrokerTrade, OrderChange, OrderRequest, PlaceResult
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.engine.bars import Bars


class BrokerAdapter(Protocol):
    """One account at one broker.

    Errors of every call: subclasses of `BrokerError`; `SessionExpiredError` when the login is over.
    """

    @property
    def manifest(self) -> Manifest: ...

    @property
    def session(self) -> SessionState: ...

    @property
    def session_ends_ns(self) -> int | None:
        """When the present login ends for certain; None while there is none or where it does not end."""
        ...

    @property
    def stream(self) -> StreamState: ...

    def login_url(self) -> str:
        """Where the user logs in; "" where no browser is needed."""
        ...

    async def complete_login(self, answer: Mapping[str, str]) -> None:
        """Finish a login with what the broker's redirect carried (or with what its form asks for)."""
        ...

    async def logout(self) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        """Everything that can be traded today; the adapter keeps the broker's names for them."""
        ...

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        """Those that the broker knows; the others are missing."""
        ...

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        """Bars whose start lies in [first, last], in order, in as many requests as the broker's limits need."""
        ...

    async def place(self, request: OrderRequest) -> PlaceResult: ...

    async def modify(self, broker_order_id: str, change: OrderChange) -> PlaceResult: ...

    async def cancel(self, broker_order_id: str) -> PlaceResult: ...

    async def orders(self) -> Sequence[BrokerOrder]:
        """The order book of the day, last states."""
        ...

    async def trades(self) -> Sequence[BrokerTrade]: ...

    async def orders_by_tag(self, tag: str) -> Sequence[BrokerOrder]:
        """Orders of the day that carry our tag: the answer to a lost reply."""
        ...

    async def positions(self) -> Sequence[Position]: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def funds(self) -> Sequence[Funds]: ...

    async def convert(
        self,
        instrument: Instrument,
        side: Side,
        quantity: Decimal,
        old: Product,
        new: Product,
        *,
        overnight: bool,
    ) -> None: ...

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        """Open the stream if it is not open, and keep these instruments on it through reconnects."""
        ...

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None: ...

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        """Batches of ticks as they arrive; a slow reader gets the newest of each instrument, never a growing queue."""
        ...

    def events(self) -> AsyncIterator[BrokerEvent]:
        """Order updates, trades, session and stream changes, merged and told once.  One reader."""
        ...

    def tick_age_ns(self, instrument: Instrument) -> int | None:
        """Nanoseconds since the last tick of a subscribed instrument; None when none ever came."""
        ...

    async def close(self) -> None: ...
