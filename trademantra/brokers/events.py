"""What an adapter tells of its own accord: changes of orders, executions, its session and its stream."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trademantra.brokers.orders import BrokerOrder, BrokerTrade


class SessionState(StrEnum):
    """Where the daily login stands.  LOGGED_OUT → LOGGING_IN → ACTIVE → EXPIRED → LOGGING_IN …"""

    LOGGED_OUT = "logged_out"
    LOGGING_IN = "logging_in"
    ACTIVE = "active"
    EXPIRED = "expired"


class StreamState(StrEnum):
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """The newest state of an order.  Each state is told once, in order, whichever way it came."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class TradeUpdate:
    """An execution, told once."""

    trade: BrokerTrade


@dataclass(frozen=True, slots=True)
class SessionChanged:
    state: SessionState
    reason: str


@dataclass(frozen=True, slots=True)
class StreamChanged:
    state: StreamState
    reason: str


BrokerEvent: TypeAlias = OrderUpdate | TradeUpdate | SessionChanged | StreamChanged
