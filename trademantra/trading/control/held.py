"""What is held as its owner must know it: who decides on it, what protects it, and what to do about it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from trademantra.core.instrument import plain
from trademantra.core.order import Order, OrderStatus, Product
from trademantra.kit.database import Database
from trademantra.trading.control.books import orders, positions
from trademantra.trading.control.state import DeskState
from trademantra.trading.intents import MANUAL, Purpose
from trademantra.trading.orders import PositionKey, side_to_flatten

_S = OrderStatus
_PROTECTS = frozenset({_S.TRIGGER_PENDING, _S.OPEN, _S.PARTLY_FILLED, _S.MODIFYING})
"""States in which a stop is at the broker, and is to stay there."""
_TOLD = "held"


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """One position of one strategy.  `quantity` is signed; `stopped` of it would be closed by stops that rest at the broker,
    at `triggers`.

    `sessions`: those that decide on it, here and now.  `watched`: the desk closes it at a level of its own while it runs.
    """

    account_id: str
    key: PositionKey
    quantity: Decimal
    stopped: Decimal = Decimal(0)
    triggers: tuple[Decimal, ...] = ()
    sessions: tuple[str, ...] = ()
    watched: bool = False

    @property
    def is_protected(self) -> bool:
        """Whether stops at the broker close all of it, whatever becomes of the desk."""
        return self.stopped >= abs(self.quantity)

    @property
    def is_alarming(self) -> bool:
        """Whether somebody must look: nobody decides on it, or nothing protects it and no strategy will leave it."""
        return not self.sessions and not (self.key.strategy_id == MANUAL and self.is_protected)

    def words(self, *, desk_runs: bool = True) -> str:
        """For its owner.  `desk_runs` False: what the desk watches is watched no more."""
        key = self.key
        what = f"{plain(self.quantity)} {key.instrument_key} ({key.product})"
        return f"{self.account_id} {key.strategy_id}: {what} {self._whose(desk_runs)}, {self._protection(desk_runs)}"

    @property
    def advice(self) -> str:
        """What can be done; "" where its strategy does it."""
        strategy_id, product = self.key.strategy_id, self.key.product
        close = f"tm desk close-all --account {self.account_id} --strategy {strategy_id}"
        if self.sessions:
            return ""
        if strategy_id == MANUAL:
            symbol = f"{self.key.instrument_key}{'' if product is Product.MIS else f' --product {product}'}"
            protect = f"tm desk protect {symbol} --account {self.account_id} --stop 1%"
            return close if self.is_protected else f"{protect}, or {close}"
        return f"go on with its session (--session NAME; tm desk status shows the last ones), or {close}"

    def _whose(self, desk_runs: bool) -> str:
        if self.sessions and desk_runs:
            return f"held by session {', '.join(self.sessions)}"
        if self.key.strategy_id == MANUAL:
            return "held by hand"
        return "held, no strategy runs it" if desk_runs else "held"

    def _protection(self, desk_runs: bool) -> str:
        at = ", ".join(plain(each) for each in self.triggers)
        if self.is_protected:
            return f"a stop rests at the broker at {at}"
        if self.stopped:
            return f"UNPROTECTED for the most part: a stop for {plain(self.stopped)} only rests at the broker at {at}"
        if self.watched and desk_runs:
            return "no stop rests at the broker, the desk watches its level"
        return "UNPROTECTED: no stop rests at the broker"

    def facts(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "strategy_id": self.key.strategy_id, "instrument": self.key.instrument_key,
            "product": self.key.product.value, "quantity": str(self.quantity), "stopped": str(self.stopped),
            "triggers": [str(each) for each in self.triggers], "sessions": list(self.sessions),
            "watched": self.watched, "protected": self.is_protected,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorkingExit:
    """An order that closes and is not over."""

    key: PositionKey
    order: Order


def open_positions(
    account_id: str,
    held: Mapping[PositionKey, Decimal],
    exits: Iterable[WorkingExit],
    sessions: Mapping[PositionKey, Sequence[str]] | None = None,
    watched: Collection[PositionKey] = (),
) -> Sequence[OpenPosition]:
    """What is held, by strategy and instrument, with the stops among `exits` that protect it."""
    made = {
        key: OpenPosition(account_id, key, quantity, sessions=tuple((sessions or {}).get(key, ())), watched=key in watched)
        for key, quantity in sorted(held.items(), key=lambda item: (item[0].strategy_id, item[0].instrument_key))
        if quantity
    }  # fmt: skip
    for each in exits:
        order, found = each.order, made.get(each.key)
        if found is None or order.trigger_price is None or order.status not in _PROTECTS:
            continue
        if order.side is side_to_flatten(found.quantity):
            triggers = tuple(sorted({*found.triggers, order.trigger_price}))
            made[each.key] = replace(found, stopped=found.stopped + order.open_quantity, triggers=triggers)
    return list(made.values())


def holds_back(purpose: str, order: Order, held: Decimal) -> bool:
    """Whether this order is a stop of a position of `held` units: without it the position stays without one."""
    closes = bool(held) and order.side is side_to_flatten(held)
    return (
        closes and purpose == Purpose.EXIT and order.trigger_price is not None and not order.status.is_final
    )


async def held_everywhere(
    database: Database, states: Mapping[str, DeskState], now_ns: int
) -> Mapping[str, Sequence[OpenPosition]]:
    """By account: as the desk that runs told it, else as its tables hold it, where nothing runs what is held."""
    held: dict[str, dict[PositionKey, Decimal]] = {}
    for each in await positions(database):
        key = PositionKey(each.strategy_id, each.instrument_key, Product(each.product))
        held.setdefault(each.account_id, {})[key] = each.held.quantity
    exits: dict[str, list[WorkingExit]] = {}
    for shown in await orders(database) if held else ():
        if shown.purpose == Purpose.EXIT:
            order = replace(
                shown.order, status=shown.status, filled_quantity=min(shown.filled_quantity, shown.order.quantity)
            )  # fmt: skip
            key = PositionKey(shown.strategy_id, order.instrument.key, order.product)
            exits.setdefault(shown.account_id, []).append(WorkingExit(key, order))
    found = {name: open_positions(name, mine, exits.get(name, ())) for name, mine in held.items()}
    for name, state in states.items():
        if state.is_fresh(now_ns):
            found[name] = _told(name, state)
    return {name: each for name, each in found.items() if each}


def _told(account_id: str, state: DeskState) -> Sequence[OpenPosition]:
    """Inverse of `OpenPosition.facts`."""
    rows = cast("Sequence[Mapping[str, object]]", state.told.get(_TOLD) or ())
    return [
        OpenPosition(
            account_id,
            PositionKey(str(row["strategy_id"]), str(row["instrument"]), Product(str(row["product"]))),
            Decimal(str(row["quantity"])),
            Decimal(str(row["stopped"])),
            tuple(Decimal(str(each)) for each in cast("Sequence[object]", row["triggers"])),
            tuple(str(each) for each in cast("Sequence[object]", row["sessions"])),
            row["watched"] is True,
        )
        for row in rows
    ]
