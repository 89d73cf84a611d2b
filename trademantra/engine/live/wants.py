"""What a live run asks for, and what it is told: plain values that go through a pipe.

Prices and money are floats in the instrument's currency, quantities units, times nanoseconds UTC; NaN means none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import TypeAlias

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.records import EntryKind, Reason
from trademantra.engine.rules import Level


@dataclass(frozen=True, slots=True)
class Protection:
    """What guards a position from its first fill on.

    `stop` and `target` are levels on the tick and win over the rules' distances, which count from the average entry
    price (`trail`: from the best price since the entry).  `atr` is that of the decision.
    """

    stop: float
    target: float
    stop_rule: Level
    target_rule: Level
    trail: Level
    atr: float


@dataclass(frozen=True, slots=True)
class Enter:
    """Open or enlarge a position: `side` +1 buys, -1 sells; `price` is the limit or the trigger, NaN at market.

    `reference` is the price at which it was sized: the close that decided, or that of the pre-open auction.
    """

    symbol: str
    side: int
    quantity: float
    kind: EntryKind
    price: float
    protection: Protection
    reference: float


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the position at market, once; `quantity` NaN: all of it.

    Only target weights leave a part.
    """

    symbol: str
    reason: Reason
    quantity: float = nan


@dataclass(frozen=True, slots=True)
class Drop:
    """Cancel the working entry."""

    symbol: str


Want: TypeAlias = Enter | Leave | Drop


@dataclass(frozen=True, slots=True)
class LiveFill:
    """An execution at the exchange: of the entry (`Reason.ENTRY`), of a `Leave`, or of the protection."""

    symbol: str
    side: int
    quantity: float
    price: float
    reason: Reason
    at_ns: int


@dataclass(frozen=True, slots=True)
class LiveSession:
    """The hours of one trading day, `day` counted from 1970-01-01 local, minutes since the open (None: no such rule).

    Nothing is entered before `first_entry_minute`, nor from `last_entry_minute` on.  `auction_minute`: when the closing
    auction begins, None where there is none; intraday positions leave before.
    """

    day: int
    open_ns: int
    close_ns: int
    leave_minute: int | None = None
    last_entry_minute: int | None = None
    first_entry_minute: int | None = None
    auction_minute: int | None = None


@dataclass(frozen=True, slots=True)
class LiveTrade:
    """One round trip, from flat to flat; the times are those at which its first and its last bar start."""

    symbol: str
    side: int
    entry_ns: int
    exit_ns: int
    quantity: float
    entry_price: float
    exit_price: float
    gross: float
    costs: float
    net: float
    reason: Reason


def trade_of(made: np.void, symbol: str, start_of: Callable[[int], int]) -> LiveTrade:
    """A `TRADE` record; `start_of` knows when a bar starts."""
    return LiveTrade(
        symbol=symbol,
        side=int(made["side"]),
        entry_ns=start_of(int(made["entry_index"])),
        exit_ns=start_of(int(made["exit_index"])),
        quantity=float(made["quantity"]),
        entry_price=float(made["entry_price"]),
        exit_price=float(made["exit_price"]),
        gross=float(made["gross"]),
        costs=float(made["costs"]),
        net=float(made["net"]),
        reason=Reason(int(made["reason"])),
    )


def check_fill(fill: LiveFill) -> None:
    """Errors: `InvalidValueError` for a side, quantity or price that no execution has."""
    if fill.side not in (1, -1) or not (0.0 < fill.quantity < inf and 0.0 < fill.price < inf):
        raise InvalidValueError(
            f"{fill.symbol}: a fill of {fill.quantity} at {fill.price} on side {fill.side} is none"
        )
