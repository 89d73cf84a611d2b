"""State out of what the exchange wrote: a snapshot is a list of entries too, so there is one way to read both."""

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np

from trademantra.brokers.market import DepthLevel
from trademantra.brokers.paper import scan
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.entries import (
    VERSION,
    EntryKind,
    Fields,
    JournalEntry,
    Json,
    order_json,
    order_of,
    trade_json,
    trade_of,
    working_json,
    working_of,
)
from trademantra.brokers.paper.gtt import gtt_json, gtt_of
from trademantra.brokers.paper.market import Depth
from trademantra.brokers.paper.terms import ExchangeOrder
from trademantra.core.errors import BadInputError, InvalidValueError, TradeMantraError
from trademantra.core.order import Product, Side


def whole_state(core: Core) -> bytes:
    """Everything that an exchange is, as lines of entries."""
    kinds: list[tuple[EntryKind, dict[str, Json]]] = [(EntryKind.DAY, {"day": core.day.isoformat()})]
    for account_id, account in core.accounts.items():
        kinds.append((EntryKind.STATE, {"account": account_id, "state": account.to_json()}))
        for order_id in core.day_book.names(account_id):
            history: list[Json] = [order_json(order) for order in core.day_book.stages(order_id)]
            kinds.append((EntryKind.HISTORY, {"orders": history}))
            working = core.working.get(order_id)
            if working is not None:
                kinds.append((EntryKind.WORK, {"id": order_id, "work": working_json(working)}))
        trades: list[Json] = [trade_json(trade) for trade in core.day_book.trades(account_id)]
        kinds.append((EntryKind.TRADES, {"account": account_id, "trades": trades}))
    kinds += [(EntryKind.GTT, gtt_json(gtt)) for gtt in core.gtts.values()]
    numbers: dict[str, Json] = {
        "order": core.order_number, "sequence": core.sequence, "trade": core.trade_number, "gtt": core.gtt_number
    }  # fmt: skip
    kinds.append((EntryKind.NUMBERS, numbers))
    rows = np.flatnonzero(core.market.last_ns)
    kinds.append((EntryKind.PRICES, core.prices_json(rows.tolist())))
    kinds += [(EntryKind.DEPTH, core.depth_json(row)) for row in core.market.depths]
    bounded = np.flatnonzero(core.market.columns[:, scan.LOWER] + core.market.columns[:, scan.UPPER])
    kinds += [(EntryKind.CIRCUIT, core.circuit_json(row)) for row in bounded.tolist()]
    return "\n".join(JournalEntry(kind, core.now_ns, data).line() for kind, data in kinds).encode()


def read_back(core: Core, snapshot: bytes | None, entries: Iterable[JournalEntry]) -> None:
    """Errors: `BadInputError`."""
    if snapshot is not None:
        for line in snapshot.decode().splitlines():
            _apply(core, JournalEntry.parse(line))
    for entry in entries:
        _apply(core, entry)


def _apply(core: Core, entry: JournalEntry) -> None:
    try:
        _read(core, entry.kind, Fields(entry.data))
    except (KeyError, ValueError, ArithmeticError, TradeMantraError) as error:
        raise BadInputError(
            "journal",
            f"its {entry.kind.value} entry (version {VERSION}) does not fit this market: {error}",
            hint="was it written with other instruments (another replay, seed or number of shares)? start with those, or name another journal",
        ) from error
    core.now_ns = max(core.now_ns, entry.at_ns)


def _read(core: Core, kind: EntryKind, read: Fields) -> None:
    match kind:
        case EntryKind.ACCOUNT:
            core.open_account(read.text("account"), read.amount("cash"))
        case EntryKind.STATE:
            _read_account(core, read)
        case EntryKind.ORDER:
            _read_order(core, read)
        case EntryKind.HISTORY:
            for item in read.items("orders"):
                core.keep(order_of(Fields(item), core.listings), None)
        case EntryKind.WORK:
            _read_working(core, read.text("id"), read.fields("work"))
        case EntryKind.BLOCK:
            _read_block(core, read)
        case EntryKind.RELEASE:
            core.accounts[read.text("account")].release(read.text("id"))
        case EntryKind.TRADE:
            core.keep_trade(trade_of(read, core.listings))
        case EntryKind.TRADES:
            for item in read.items("trades"):
                core.day_book.keep_trade(trade_of(Fields(item), core.listings))
        case EntryKind.CONVERT:
            core.convert(
                read.text("account"), read.whole("token"), Side(read.text("side")), read.amount("quantity"),
                Product(read.text("old")), Product(read.text("new")), read.flag("overnight"),
            )  # fmt: skip
        case EntryKind.GTT:
            core.put_gtt(gtt_of(read, core.listings))
        case EntryKind.PRICES:
            _read_prices(core, read)
        case EntryKind.CIRCUIT:
            core.set_circuit(
                core.listings.row_of(read.whole("token")),
                read.maybe_amount("lower"),
                read.maybe_amount("upper"),
            )
        case EntryKind.DEPTH:
            row = core.listings.row_of(read.whole("token"))
            core.market.depths[row] = Depth(_levels(read, "bids"), _levels(read, "asks"), read.whole("at"))
        case EntryKind.DAY:
            core.begin_day(date.fromisoformat(read.text("day")))
        case EntryKind.NUMBERS:
            core.order_number = max(core.order_number, read.whole("order"))
            core.sequence = max(core.sequence, read.whole("sequence"))
            core.trade_number = max(core.trade_number, read.maybe_whole("trade") or 0)
            core.gtt_number = max(core.gtt_number, read.maybe_whole("gtt") or 0)


def _read_account(core: Core, read: Fields) -> None:
    account_id = read.text("account")
    core.accounts[account_id] = Account.from_json(read.fields("state").values, core.margins)
    core.day_book.open_account(account_id)


def _read_order(core: Core, read: Fields) -> None:
    order = order_of(read.fields("order"), core.listings)
    core.order_number = max(core.order_number, int(order.order_id[6:]))
    if read.values.get("work") is None:
        core.keep(order, None)
        return
    _keep(core, order, read.fields("work"))


def _keep(core: Core, order: ExchangeOrder, read: Fields) -> None:
    working = working_of(read, order, core.listings.row_of(order.listing.token))
    core.sequence = max(core.sequence, working.sequence)
    core.keep(order, working)


def _read_working(core: Core, order_id: str, read: Fields) -> None:
    order = core.day_book.take_back(order_id)  # put back beside its work
    _keep(core, order, read)


def _read_block(core: Core, read: Fields) -> None:
    if read.flag("again"):
        order = order_of(read.fields("order"), core.listings)
        core.accounts[order.account_id].reblock(order, read.amount("price"))
        return
    order = core.last(read.text("id"))
    core.accounts[order.account_id].check_and_block(order, read.amount("price"))
    core.working[order.order_id].blocked = True


def _read_prices(core: Core, read: Fields) -> None:
    rows = core.listings.rows_of([_whole(token) for token in read.items("tokens")])
    for row, state, at_ns in zip(rows, read.items("states"), read.items("times"), strict=True):
        if not isinstance(state, Sequence) or isinstance(state, str):
            raise InvalidValueError(f"{state!r} is no state of a market")
        core.market.columns[row, : scan.ARMED] = [float(str(value)) for value in state]
        core.market.last_ns[row] = _whole(at_ns)


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise InvalidValueError(f"{value!r} is not a whole number")
    return value


def _levels(read: Fields, name: str) -> tuple[DepthLevel, ...]:
    levels = [Fields(item) for item in read.items(name)]
    return tuple(
        DepthLevel(one.amount("price"), one.whole("quantity"), one.whole("orders")) for one in levels
    )
