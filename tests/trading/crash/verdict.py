"""The desk against the exchange, and against what its callers were told: every difference, in words."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.trading.crash.evidence import Words
from tests.trading.crash.life import CHARGE

_ENDS = {"COMPLETE": "filled", "CANCELLED": "cancelled", "REJECTED": "rejected"}
_NEVER_THERE = ("absent", "rejected", "cancelled")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Told:
    """What callers know: intents that were asked for, tags and quantity that were acknowledged for some of them.

    `changed`: tags of orders for which other terms were asked for.
    """

    asked: Mapping[str, Words]
    acknowledged: Mapping[str, tuple[Sequence[str], int]]
    changed: Collection[str]
    by_hand: Sequence[str]


@dataclass(frozen=True, slots=True)
class There:
    """The exchange's own books."""

    orders: Sequence[Words]
    trades: Sequence[Words]
    positions: Sequence[Words]


def differences(desk: Words, there: There, told: Told) -> list[str]:
    here = {row["tag"]: row for row in desk["orders"]}
    return [
        *_orders(here, there),
        *_intents(desk, told),
        *_ledger(desk, here, there),
        *_foreign(desk, there, told),
        *_memory(desk),
    ]


def _orders(here: Mapping[str, Words], there: There) -> Iterator[str]:
    found = {}
    for row in there.orders:
        tag = row["tag"]
        if not tag:
            continue
        if tag in found:
            yield f"DOUBLED: tag {tag} is order {found[tag]['order_id']} and {row['order_id']}"
        found[tag] = row
        if tag not in here:
            yield f"NOT JOURNALED: the exchange has {row['order_id']} with tag {tag}"
            continue
        mine = here[tag]
        if _ENDS.get(row["status"]) != mine["status"]:
            yield f"STATE: {tag} is {mine['status']} here ({mine['reason']}) and {row['status']} there"
        if Decimal(mine["filled"]) != Decimal(row["filled_quantity"]):
            yield f"FILLED: {tag} {mine['filled']} here, {row['filled_quantity']} there"
        if mine["broker_order_id"] != row["order_id"]:
            yield f"NUMBER: {tag} is {mine['broker_order_id']} here, {row['order_id']} there"
        terms = json.loads(mine["request"])
        ours, theirs = _terms(terms, row)
        if ours != theirs:
            yield f"TERMS: {tag} {ours} here, {theirs} there"
    for tag, mine in here.items():
        if tag in found:
            continue
        if mine["status"] not in _NEVER_THERE or Decimal(mine["filled"]):
            yield f"LOST: {tag} is {mine['status']} here, and the exchange never had it"


def _terms(mine: Words, row: Words) -> tuple[list[object], list[object]]:
    """Side, quantity, limit and trigger; a market order's protection is the broker's."""
    ours: list[object] = [mine["side"], Decimal(mine["quantity"])]
    theirs: list[object] = [row["transaction_type"], Decimal(row["quantity"])]
    for name in ("price", "trigger_price"):
        if mine[name] is not None:
            ours.append(Decimal(mine[name]))
            theirs.append(Decimal(row[name]))
    return ours, theirs


def _intents(desk: Words, told: Told) -> Iterator[str]:
    made = defaultdict(list)
    for row in desk["orders"]:
        made[row["intent_id"]].append(row)
    for intent_id, rows in made.items():
        if intent_id not in told.asked:
            yield f"NOBODY ASKED: intent {intent_id}"
            continue
        parts = sorted(row["part"] for row in rows)
        total = sum(Decimal(json.loads(row["request"])["quantity"]) for row in rows)
        changed = any(row["tag"] in told.changed for row in rows)
        words = told.asked[intent_id]
        whole = words["purpose"] == "entry" and not changed
        beyond = total > words["quantity"] and not changed
        if parts != list(range(len(parts))) or beyond or (whole and total != words["quantity"]):
            yield f"PARTS: intent {intent_id} for {words['quantity']} has parts {parts}, {total} in all"
    for intent_id, (tags, quantity) in told.acknowledged.items():
        rows = made[intent_id]
        if sorted(tags) != sorted(row["tag"] for row in rows):
            yield f"FORGOTTEN: intent {intent_id} was acknowledged as {tags}"
        total = sum(Decimal(json.loads(row["request"])["quantity"]) for row in rows)
        if not set(tags) & set(told.changed) and total != quantity:
            yield f"CUT: intent {intent_id} was acknowledged for {quantity} and is {total}"


def _ledger(desk: Words, here: Mapping[str, Words], there: There) -> Iterator[str]:
    tag_of = {row["order_id"]: row["tag"] for row in there.orders}
    quantities, values = Counter(), Counter()
    positions: Counter = Counter()
    cash = _ZERO
    for trade in there.trades:
        tag = tag_of[trade["order_id"]]
        if tag not in here:
            continue
        quantity, price = Decimal(trade["quantity"]), Decimal(trade["average_price"])
        sign = 1 if trade["transaction_type"] == "BUY" else -1
        quantities[tag] += quantity
        values[tag] += quantity * price
        positions[here[tag]["instrument_key"], trade["product"]] += sign * quantity
        cash -= sign * quantity * price
    booked, booked_value = Counter(), Counter()
    for row in desk["executions"]:
        booked[row["order_id"]] += Decimal(row["quantity"])
        booked_value[row["order_id"]] += Decimal(row["value"])
    for tag in {*quantities, *booked}:
        if quantities[tag] != booked[tag]:
            yield f"EXECUTIONS: {tag} {booked[tag]} booked, {quantities[tag]} traded"
        if values[tag] != booked_value[tag]:
            yield f"VALUE: {tag} {booked_value[tag]} booked, {values[tag]} traded"
        if booked[tag] != Decimal(here[tag]["filled"]):
            yield f"WATERMARK: {tag} {booked[tag]} booked, the order says {here[tag]['filled']}"
    held: Counter = Counter()
    for row in desk["positions"]:
        held[row["instrument_key"], row["product"]] += Decimal(row["quantity"])
    for key in {*held, *positions}:
        if held[key] != positions[key]:
            yield f"POSITION: {key} {held[key]} here, {positions[key]} by the exchange's trades"
    flows = sum((Decimal(row["amount"]) for row in desk["cash"] if row["kind"] == "trade"), _ZERO)
    if flows != cash:
        yield f"CASH: {flows} here, {cash} by the exchange's trades"
    charged = -sum((Decimal(row["amount"]) for row in desk["cash"] if row["kind"] == "charges"), _ZERO)
    fills = sum(1 for row in desk["executions"] if Decimal(row["quantity"]))
    if charged != fills * CHARGE:
        yield f"CHARGES: {charged} for {fills} fills"
    costs = sum((Decimal(row["cost"]) - Decimal(row["realised"]) for row in desk["positions"]), _ZERO)
    if costs != -flows:
        yield f"RESULT: cost less realised is {costs}, the cash that went is {-flows}"


def _foreign(desk: Words, there: There, told: Told) -> Iterator[str]:
    foreign = sorted(row["order_id"] for row in there.orders if not row["tag"])
    if desk["memory"]["foreign"] != foreign or not set(told.by_hand) <= set(foreign):
        yield f"FOREIGN: {desk['memory']['foreign']} seen, {foreign} there, {told.by_hand} told to who placed them"
    whole: Counter = Counter()
    for trade in there.trades:
        sign = 1 if trade["transaction_type"] == "BUY" else -1
        whole[trade["tradingsymbol"], trade["product"]] += sign * Decimal(trade["quantity"])
    shown = {(row["tradingsymbol"], row["product"]): Decimal(row["quantity"]) for row in there.positions}
    for key, quantity in whole.items():
        if shown.get(key, _ZERO) != quantity:
            yield f"EXCHANGE: it shows {shown.get(key)} of {key} and traded {quantity}"


def _memory(desk: Words) -> Iterator[str]:
    """What the running desk knows is what a restart would read."""
    memory = desk["memory"]
    for row in desk["orders"]:
        mine = memory["orders"].get(row["tag"])
        if mine is None or mine[0] != row["status"] or Decimal(mine[1]) != Decimal(row["filled"]):
            yield f"MEMORY: {row['tag']} is {mine} in memory, {row['status']} {row['filled']} on the disk"
    stored = sorted(
        [
            row["strategy_id"],
            row["instrument_key"],
            row["product"],
            Decimal(row["quantity"]),
            Decimal(row["cost"]),
        ]
        for row in desk["positions"]
    )
    known = sorted([a, b, c, Decimal(d), Decimal(e)] for a, b, c, d, e in memory["positions"])
    if stored != known:
        yield f"MEMORY: positions {known} in memory, {stored} on the disk"
