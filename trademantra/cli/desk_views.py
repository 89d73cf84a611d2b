"""What `tm desk` prints: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trademantra.cli.desk_kill import kill_json
from trademantra.core.instrument import plain
from trademantra.core.order import Order
from trademantra.core.time import datetime_of
from trademantra.kit.database import Database
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import AccountMode
from trademantra.trading.accounts.store import AccountStore
from trademantra.trading.control.books import ShownOrder, ShownPosition
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.readiness.store import KeptReadiness, ReadinessStore
from trademantra.trading.record.store import RecordStore, SessionRecord
from trademantra.trading.risk.kill_files import Kill

_LAST_SESSIONS = 5


@dataclass(frozen=True, slots=True)
class Status:
    accounts: Sequence[Account]
    states: Mapping[str, DeskState]
    readiness: Mapping[str, KeptReadiness]
    sessions: Sequence[SessionRecord]


@dataclass(frozen=True, slots=True)
class Positions:
    held: Sequence[ShownPosition]
    states: Mapping[str, DeskState]


@dataclass(frozen=True, slots=True)
class Orders:
    orders: Sequence[ShownOrder]
    states: Mapping[str, DeskState]


async def read_status(database: Database) -> Status:
    sessions = await RecordStore(database).sessions()
    return Status(
        await AccountStore(database).accounts(),
        await StateStore(database).states(),
        await ReadinessStore(database).last(),
        sessions[-_LAST_SESSIONS:],
    )


def print_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def status_json(found: Status, kills: Sequence[Kill], now_ns: int) -> dict[str, object]:
    names = sorted({account.account_id for account in found.accounts} | set(found.states))
    modes = {account.account_id: account.mode.value for account in found.accounts}
    return {
        "kills": [kill_json(kill) for kill in kills],
        "accounts": [
            {
                "account_id": name,
                "mode": modes.get(name),
                "running": name in found.states and found.states[name].is_fresh(now_ns),
                "state": dict(found.states[name].told) if name in found.states else None,
                "state_ns": found.states[name].at_ns if name in found.states else None,
                "readiness": dict(found.readiness[name].told) if name in found.readiness else None,
                "readiness_ns": found.readiness[name].at_ns if name in found.readiness else None,
            }
            for name in names
        ],
        "sessions": [
            {
                "session_id": each.session_id, "account_id": each.account_id, "strategy": each.strategy,
                "parameters_hash": each.parameters_hash, "mode": each.mode.value, "started_ns": each.started_ns,
                "ended_ns": each.ended_ns,
            }
            for each in found.sessions
        ],
    }  # fmt: skip


def show_status(found: Status, now_ns: int) -> None:
    console = Console(emoji=False)
    if not found.accounts and not found.states:
        console.print("there is no account yet. A first one, for practice: tm account add practice")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("account", "mode", "desk", "last check", "told"):
        table.add_column(name, overflow="fold")
    modes = {account.account_id: account.mode for account in found.accounts}
    for name in sorted(set(modes) | set(found.states)):
        state, kept = found.states.get(name), found.readiness.get(name)
        mode = modes.get(name)
        table.add_row(
            escape(name),
            "" if mode is None else Text(mode, style="bold red" if mode is AccountMode.LIVE else ""),
            _desk_words(state, now_ns),
            "never" if kept is None else _check_words(kept),
            "" if state is None else Text(told_words(state.told)),
        )
    console.print(table)
    if found.sessions:
        _show_sessions(console, found.sessions)


def _desk_words(state: DeskState | None, now_ns: int) -> Text:
    if state is None:
        return Text("not running")
    return Text(state.age_text(now_ns), style="green" if state.is_fresh(now_ns) else "yellow")


def _check_words(kept: KeptReadiness) -> Text:
    ready = kept.told.get("ready") is True
    words = Text("ready" if ready else "not ready", style="green" if ready else "red")
    return words.append(f" at {datetime_of(kept.at_ns):%m-%d %H:%M}", style="default")


def told_words(told: Mapping[str, object]) -> str:
    """What a desk told, in a line: single values by name, lists by their length.

    >>> told_words({"equity": "100000.00", "orders": 2, "strategies": ["orb", "trend"], "why": None})
    'equity 100000.00 · orders 2 · strategies orb, trend'
    """
    parts = []
    for name, value in told.items():
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            parts.append(f"{name} {', '.join(value)}")
        elif isinstance(value, list | dict):
            parts.append(f"{name} {len(value)}")
        elif value is not None:
            parts.append(f"{name} {value}")
    return " · ".join(parts)


def _show_sessions(console: Console, sessions: Sequence[SessionRecord]) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="last sessions", title_justify="left")
    table.add_column("session", overflow="fold", min_width=24)
    for name in ("account", "mode", "started", "ran until"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for each in reversed(sessions):
        until = "" if each.ended_ns is None else f"{datetime_of(each.ended_ns):%m-%d %H:%M}"
        table.add_row(
            escape(each.session_id), escape(each.account_id), each.mode.value, f"{datetime_of(each.started_ns):%m-%d %H:%M}",
            until,
        )  # fmt: skip
    console.print(table)


def position_json(each: ShownPosition) -> dict[str, object]:
    held = each.held
    return {
        "account_id": each.account_id, "strategy_id": each.strategy_id, "instrument": each.instrument_key,
        "product": each.product, "quantity": str(held.quantity), "average_cost": _text(held.average),
        "cost": str(held.cost), "realised": str(held.realised), "charges": str(held.charges),
    }  # fmt: skip


def order_json(each: ShownOrder) -> dict[str, object]:
    order = each.order
    return {
        "order_id": order.order_id, "account_id": each.account_id, "strategy_id": each.strategy_id,
        "purpose": each.purpose, "instrument": order.instrument.key, "side": order.side.value,
        "quantity": str(order.quantity), "filled_quantity": str(each.filled_quantity),
        "average_price": _text(each.average_price), "order_type": order.order_type.value,
        "price": _text(order.price), "trigger_price": _text(order.trigger_price), "product": order.product.value,
        "status": each.status.value, "reason": each.reason, "broker_order_id": each.broker_order_id,
        "created_ns": each.created_ns, "updated_ns": each.updated_ns,
    }  # fmt: skip


def show_positions(found: Positions, now_ns: int, *, everything: bool) -> None:
    if not found.held:
        typer.echo("nothing was ever held" if everything else "nothing is held")
        return
    several = len({each.account_id for each in found.held}) > 1
    table = Table(box=box.SIMPLE_HEAD)
    for name in (*(["account"] if several else []), "strategy"):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=16)
    table.add_column("instrument", overflow="fold", min_width=12)
    for name in ("quantity", "average cost", "realised", "charges"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.held:
        held = each.held
        table.add_row(
            *([escape(each.account_id)] if several else []),
            escape(each.strategy_id),
            escape(f"{each.instrument_key} {each.product}"),
            plain(held.quantity), _money(held.average), _money(held.realised), _money(held.charges),
        )  # fmt: skip
    Console(emoji=False).print(table)
    _show_ages({each.account_id for each in found.held}, found.states, now_ns)


def show_orders(found: Orders, now_ns: int, *, everything: bool) -> None:
    if not found.orders:
        typer.echo(
            "there never was an order" if everything else "no order works; --all shows those that are done"
        )
        return
    several = len({each.account_id for each in found.orders}) > 1
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("time", no_wrap=True)
    for name in (*(["account"] if several else []), "strategy"):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=16)
    table.add_column("order", overflow="fold", min_width=24)
    table.add_column("filled", justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    for each in found.orders:
        order = each.order
        state = each.status.value.replace("_", " ")
        filled = plain(each.filled_quantity)
        table.add_row(
            f"{datetime_of(each.created_ns):%m-%d %H:%M:%S}",
            *([escape(each.account_id)] if several else []),
            escape(each.strategy_id),
            escape(f"{order.side.value} {plain(order.quantity)} {order.instrument.key} {_terms(order)}"),
            f"{filled} at {_money(each.average_price)}" if each.filled_quantity else filled,
            Text(f"{state}: {each.reason}" if each.reason else state),
        )
    Console(emoji=False).print(table)
    _show_ages({each.account_id for each in found.orders}, found.states, now_ns)


def _terms(order: Order) -> str:
    words = [order.order_type.value, order.product.value]
    if order.price is not None:
        words.append(f"at {plain(order.price)}")
    if order.trigger_price is not None:
        words.append(f"trigger {plain(order.trigger_price)}")
    return " ".join(words)


def _show_ages(accounts: set[str], states: Mapping[str, DeskState], now_ns: int) -> None:
    """How current the rows are: a desk that does not run hears of nothing that happens at the broker."""
    for name in sorted(accounts):
        state = states.get(name)
        words = "not running; as its desk left it" if state is None else state.age_text(now_ns)
        typer.echo(f"{name}: {words}")


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
