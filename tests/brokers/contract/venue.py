"""What a broker's folder offers to the scenarios: its adapter, and the other side of the wire."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from trademantra.brokers.port import BrokerAdapter
from trademantra.core.instrument import Instrument
from trademantra.core.order import OrderStatus
from trademantra.engine.bars import Bars


class Fault(StrEnum):
    """What a venue can let go wrong; the next request or the updates from now on, until `clear_faults`."""

    LOSE_REQUEST = "lose_request"
    """The next order call does not reach the books; no answer comes."""
    LOSE_REPLY = "lose_reply"
    """The next order call is done; no answer comes."""
    REFUSE_RATE = "refuse_rate"
    """The next order call is refused for its rate."""
    FAIL_READS = "fail_reads"
    """Every read of a book fails."""
    DUPLICATE_UPDATES = "duplicate_updates"
    """Every order update comes twice."""
    REORDER_UPDATES = "reorder_updates"
    """Order updates overtake each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderThere:
    """An order as the other side has it: the truth.  `received_ns` by the clock that its rate limits count with."""

    order_id: str
    tag: str
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    received_ns: int


class Venue(Protocol):
    """One adapter, not logged in yet, and the other side: a market of two instruments that trades all day.

    `share`: NSE equity of 5 paise tick; it stands at 100.00, circuit limits far away.  `contract`: a future with a lot
    of more than one and a freeze quantity; it stands at 1000.00.  The account has `cash`.  What fills takes no more
    than an event's volume; a limit fills when it is traded through.
    """

    @property
    def adapter(self) -> BrokerAdapter: ...

    @property
    def share(self) -> Instrument: ...

    @property
    def contract(self) -> Instrument: ...

    @property
    def cash(self) -> Decimal: ...

    @property
    def faults(self) -> Collection[Fault]:
        """Those that this venue can let happen."""
        ...

    async def login_answer(self) -> Mapping[str, str]:
        """What the broker's redirect brings when the user has logged in at `login_url` now."""
        ...

    async def move(self, instrument: Instrument, price: str, volume: int = 1_000_000) -> None:
        """A second passes, then `volume` units trade at `price`."""
        ...

    async def expire_session(self) -> None:
        """The broker ends the login, in the middle of the day."""
        ...

    async def inject(self, fault: Fault) -> None: ...

    async def clear_faults(self) -> None: ...

    def stream_down(self) -> AbstractAsyncContextManager[None]:
        """The stream is cut and cannot be opened while the context lasts."""
        ...

    async def orders_there(self) -> Sequence[OrderThere]: ...

    def bars_there(self) -> Bars:
        """The 1-minute bars of `share` that the other side has, all of them finished."""
        ...

    def secrets(self) -> Collection[str]:
        """Everything that may stand in no log, error or event."""
        ...

    @property
    def other_loggers(self) -> Collection[str]:
        """Names that the loggers of the other side begin with, where it runs in this process."""
        ...
