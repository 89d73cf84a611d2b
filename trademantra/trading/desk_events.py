"""What an account's desk tells: to those that must hear of everything, at once; to the rest over the bus, once durable."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from trademantra.brokers.orders import BrokerOrder
from trademantra.core.errors import TradeMantraError
from trademantra.trading.orders import Booking, ManagedOrder


class RefusedIntentError(TradeMantraError):
    """The desk did not take an intent or a change: nothing was journaled, nothing sent.  `rule` is stable."""

    code: ClassVar[str] = "intent_refused"

    def __init__(self, rule: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """An order of the desk as it stands now."""

    order: ManagedOrder


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill in the ledger."""

    booking: Booking


@dataclass(frozen=True, slots=True)
class ChangeRefused:
    """A modification did not come through: the order rests with the terms that it had."""

    order: ManagedOrder
    reason: str


@dataclass(frozen=True, slots=True)
class ForeignOrder:
    """An order in the account that the desk did not make: a person's, or another program's."""

    account_id: str
    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class PersonNeeded:
    """Something that the desk cannot settle by itself."""

    account_id: str
    subject: str
    reason: str


Heard: TypeAlias = OrderMoved | Booked | ChangeRefused
"""What a listener of `AccountDesk.listen` hears."""
