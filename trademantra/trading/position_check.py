"""What the desk counts against what the broker shows: positions that others made are seen, and kept apart.

A broker shows one net position for an instrument and product; the desk counts what its strategies hold.  What the broker
has more is foreign: a person's, or another program's.  What it has less is an alarm: somebody closed what a strategy
believes it holds, and its exit would open the other side.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from trademantra.brokers.accounts import Holding, Position
from trademantra.core.order import Product
from trademantra.trading.orders import PositionKey
from trademantra.trading.positions import HeldPosition

_NOTHING = Decimal(0)

_Key: TypeAlias = tuple[str, Product]


@dataclass(frozen=True, slots=True)
class PositionDifference:
    """`desk` is the sum of its strategies, `broker` the net position there; signed units."""

    instrument_key: str
    product: Product
    desk: Decimal
    broker: Decimal

    @property
    def foreign(self) -> Decimal:
        """What others hold, or took away."""
        return self.broker - self.desk

    @property
    def is_missing(self) -> bool:
        """Whether some of what the desk counts is not there."""
        return self.desk != 0 and (self.desk > 0) != (self.foreign > 0)

    @property
    def text(self) -> str:
        """For a person."""
        what = f"{self.instrument_key} {self.product}: the desk counts {self.desk}, the broker shows {self.broker}"
        if self.is_missing:
            return f"{what}; {abs(self.foreign)} are gone: close or correct it before a strategy exits what is not there"
        return f"{what}; {abs(self.foreign)} were not made by the desk and are left alone"


def position_differences(
    desk: Mapping[PositionKey, HeldPosition], positions: Iterable[Position], holdings: Iterable[Holding]
) -> Sequence[PositionDifference]:
    """Every instrument and product on which the two do not agree, by key.

    Shares that were delivered stand in `holdings` (those on their way included), and what was bought or sold today in
    `positions`: for delivery products they are added.
    """
    here: dict[_Key, Decimal] = defaultdict(Decimal)
    there: dict[_Key, Decimal] = defaultdict(Decimal)
    for key, held in desk.items():
        here[key.instrument_key, key.product] += held.quantity
    for position in positions:
        there[position.instrument.key, position.product] += position.quantity
    for holding in holdings:
        there[holding.instrument.key, holding.product] += holding.quantity + holding.t1_quantity
    return [
        PositionDifference(
            name, product, here.get((name, product), _NOTHING), there.get((name, product), _NOTHING)
        )
        for name, product in sorted({*here, *there})
        if here.get((name, product), _NOTHING) != there.get((name, product), _NOTHING)
    ]
