"""What `tm desk` prints: tables for people, JSON for programs."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import typer
from rich.text import Text

from trademantra.cli.desk_held import held_json, show_held
from trademantra.cli.desk_kill import kill_json
from trademantra.cli.tables import Cell, Column, print_table
from trademantra.core.instrument import plain
from trademantra.core.time import datetime_of
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import AccountMode, ZerodhaAccountSettings
from trademantra.trading.accounts.store import AccountStore
from trademantra.trading.control.books import ShownOrder, ShownPosition
from trademantra.trading.control.held import OpenPosition, held_everywhere
from trademantra.trading.control.named_orders import terms_words
from trademantra.trading.control.state import DeskState, StateStore
from trademantra.trading.readiness.store import KeptReadiness, ReadinessStore
from trademantra.trading.record.store import RecordStore, SessionRecord
from trademantra.trading.risk.kill_files import Kill

_LAST_SESSIONS = 5
_RUNNING = "sessions"  # told beside the strategies, which name them in words


@dataclass(frozen=True, slots=True)
class Status:
    accounts: Sequence[Account]
    states: Mapping[str, DeskState]
    readiness: Mapping[str, KeptReadiness]
    sessions: Sequence[SessionRecord]
    held: Mapping[str, Sequence[OpenPosition]]


@dataclass(frozen=True, slots=True)
class Told:
    """How current the rows are: states by account, and the accounts whose times are those of a sandbox."""

    states: Mapping[str, DeskState]
    sandboxes: Collection[str]


async def read_told(database: Database) -> Told:
    return Told(
        await StateStore(database).states(), sandbox_accounts(await AccountStore(database).accounts())
    )


def sandbox_accounts(accounts: Sequence[Account]) -> Collection[str]:
    """Those whose market is a sandbox: it keeps a time of its own, which the times of their rows are."""
    own = {
        each.account_id
        for each in accounts
        if isinstance(each.settings, ZerodhaAccountSettings) and each.settings.is_sandbox
    }
    return {each.account_id for each in accounts if not own.isdisjoint(each.prices_from)}


async def read_status(database: Database) -> Status:
    sessions = await RecordStore(database).sessions()
    states = await StateStore(database).states()
    return Status(
        await AccountStore(database).accounts(),
        states,
        await ReadinessStore(database).last(),
        sessions[-_LAST_SESSIONS:],
        await held_everywhere(database, states, SystemClock().now_ns()),
    )


def print_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def status_json(found: Status, kills: Sequence[Kill], now_ns: int) -> dict[str, object]:
    names = sorted({account.account_id for account in found.accounts} | set(found.states))
    modes = {account.account_id: account.mode.value for account in found.accounts}
    running = _running_sessions(found.states, now_ns)
    return {
        "kills": [kill_json(kill) for kill in kills],
        "accounts": [
            {
                "account_id": name,
                "mode": modes.get(name),
                "running": name in found.states and found.states[name].is_fresh(now_ns),
                "state": dict(found.states[name].told) if name in found.states else None,
                "state_ns": found.states[name].at_ns if name in found.states else None,
                "held": held_json(found.held.get(name, ())),
                "readiness": dict(found.readiness[name].told) if name in found.readiness else None,
                "readiness_ns": found.readiness[name].at_ns if name in found.readiness else None,
            }
            for name in names
        ],
        "sessions": [
            {
                "session_id": each.session_id, "account_id": each.account_id, "strategy": each.strategy,
                "parameters_hash": each.parameters_hash, "mode": each.mode.value, "started_ns": each.started_ns,
                "ended_ns": each.ended_ns, "running": each.session_id in running,
            }
            for each in found.sessions
        ],
    }  # fmt: skip


def show_status(found: Status, now_ns: int) -> None:
    if not found.accounts and not found.states:
        typer.echo("there is no account yet. A first one, for practice: tm account add practice")
        return
    columns = [
        Column("account", wraps=True), Column("mode"), Column("desk", wraps=True, least=11),
        Column("last check", wraps=True, least=14), Column("told", wraps=True, least=24),
    ]  # fmt: skip
    rows: list[Sequence[Cell]] = []
    sandboxes = sandbox_accounts(found.accounts)
    modes = {account.account_id: account.mode for account in found.accounts}
    for name in sorted(set(modes) | set(found.states)):
        state, kept = found.states.get(name), found.readiness.get(name)
        mode = modes.get(name)
        rows.append(
            (
                name,
                "" if mode is None else Text(mode, style="bold red" if mode is AccountMode.LIVE else ""),
                _desk_words(state, now_ns),
                "never" if kept is None else _check_words(kept, is_sandbox=name in sandboxes),
                "" if state is None else told_words(state.told),
            )
        )
    print_table(columns, rows)
    show_held(found.held, frozenset(name for name, each in found.states.items() if each.is_fresh(now_ns)))
    if found.sessions:
        _show_sessions(found.sessions, _running_sessions(found.states, now_ns), sandboxes)


def _desk_words(state: DeskState | None, now_ns: int) -> Text:
    if state is None:
        return Text("not running")
    return Text(state.age_text(now_ns), style="green" if state.is_fresh(now_ns) else "yellow")


def _check_words(kept: KeptReadiness, *, is_sandbox: bool) -> Text:
    ready = kept.told.get("ready") is True
    words = Text("ready" if ready else "not ready", style="green" if ready else "red")
    return words.append(f" at {_minute(kept.at_ns, is_sandbox=is_sandbox)}", style="default")


def told_words(told: Mapping[str, object]) -> str:
    """What a desk told, in a line: single values by name, lists by their length.

    >>> told_words({"equity": "100000.00", "orders": 2, "strategies": ["orb", "trend"], "why": None})
    'equity 100000.00 · orders 2 · strategies orb, trend'
    """
    parts = []
    for name, value in told.items():
        if value in ([], {}) or name == _RUNNING:
            continue
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            parts.append(f"{name} {', '.join(value)}")
        elif isinstance(value, list | dict):
            parts.append(f"{name} {len(value)}")
        elif value is not None:
            parts.append(f"{name} {value}")
    return " · ".join(parts)


def _running_sessions(states: Mapping[str, DeskState], now_ns: int) -> Collection[str]:
    """Those that desks which run tell of."""
    told = [state.told.get(_RUNNING) for state in states.values() if state.is_fresh(now_ns)]
    return {str(each) for names in told if isinstance(names, list) for each in names}


def _show_sessions(
    sessions: Sequence[SessionRecord], running: Collection[str], sandboxes: Collection[str]
) -> None:
    columns = [
        Column("session", wraps=True, least=24), Column("account", wraps=True), Column("mode"),
        Column("started", wraps=True, least=11), Column("ran until", wraps=True, least=11),
    ]  # fmt: skip
    rows = []
    for each in reversed(sessions):
        begun, until = (
            "" if ns is None else _minute(ns, is_sandbox=each.account_id in sandboxes)
            for ns in (each.started_ns, each.ended_ns)
        )
        runs = each.session_id in running
        rows.append((each.session_id, each.account_id, each.mode.value, begun, "runs" if runs else until))
    print_table(columns, rows, title="last sessions")


def _minute(at_ns: int, *, is_sandbox: bool) -> str:
    """A time of an account's market; that of a sandbox is not the wall's, and says so."""
    return f"{datetime_of(at_ns):%m-%d %H:%M}{' (sandbox)' if is_sandbox else ''}"


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


def show_positions(held: Sequence[ShownPosition], told: Told, now_ns: int, *, everything: bool) -> None:
    if not held:
        typer.echo("nothing was ever held" if everything else "nothing is held")
        return
    several = len({each.account_id for each in held}) > 1
    columns = [
        *([Column("account", wraps=True)] if several else []), Column("strategy", wraps=True),
        Column("instrument", wraps=True, least=14),
        *(Column(name, is_number=True) for name in ("quantity", "average cost", "realised", "charges")),
    ]  # fmt: skip
    rows = [
        (
            *([each.account_id] if several else []), each.strategy_id, f"{each.instrument_key} {each.product}",
            plain(each.held.quantity), _money(each.held.average), _money(each.held.realised), _money(each.held.charges),
        )
        for each in held
    ]  # fmt: skip
    print_table(columns, rows)
    _show_ages({each.account_id for each in held}, told, now_ns)


def show_orders(
    orders: Sequence[ShownOrder], names: Mapping[str, str], told: Told, now_ns: int, *, everything: bool
) -> None:
    """`names`: of each order's id as much as names it."""
    if not orders:
        typer.echo(
            "there never was an order" if everything else "no order works; --all shows those that are done"
        )
        return
    several = len({each.account_id for each in orders}) > 1
    columns = [
        Column("id"), Column("time", wraps=True, least=0), *([Column("account", wraps=True)] if several else []),
        Column("strategy", wraps=True, least=8),
        Column("order", wraps=True, least=14), Column("filled", wraps=True, is_number=True, least=0), Column("state", wraps=True, least=12),
    ]  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for each in orders:
        order = each.order
        state = each.status.value.replace("_", " ")
        filled = plain(each.filled_quantity)
        rows.append(
            (
                names.get(order.order_id, order.order_id),
                f"{datetime_of(each.created_ns):%m-%d %H:%M:%S}",
                *([each.account_id] if several else []),
                each.strategy_id,
                terms_words(order),
                f"{filled} at {_money(each.average_price)}" if each.filled_quantity else filled,
                f"{state}: {each.reason}" if each.reason else state,
            )
        )
    print_table(columns, rows)
    _show_ages({each.account_id for each in orders}, told, now_ns)


def _show_ages(accounts: set[str], told: Told, now_ns: int) -> None:
    """How current the rows are: a desk that does not run hears of nothing that happens at the broker."""
    for name in sorted(accounts):
        state = told.states.get(name)
        words = "not running; as its desk left it" if state is None else state.age_text(now_ns)
        clock = "; times of its rows are the sandbox's" if name in told.sandboxes else ""
        typer.echo(f"{name}: {words}{clock}")


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
