"""Limits from JSON and back.  Errors name the field, with its path."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

from trademantra.core.errors import InvalidValueError
from trademantra.trading.risk.limit_kinds import LimitKind
from trademantra.trading.risk.limits import (
    BookLimits,
    BreachAction,
    InstrumentLimits,
    OrderLimits,
    RiskLimits,
    SectorLimits,
    StrategyLimits,
)
from trademantra.trading.risk.rules.registry import RULES_BY_CODE

Group = TypeVar("Group", OrderLimits, BookLimits, InstrumentLimits, SectorLimits)


def limits_from_json(text: str) -> RiskLimits:
    """Errors: `InvalidValueError` naming the field, for a text that is no JSON and for all of `parse_limits`."""
    try:
        return parse_limits(json.loads(text, parse_float=str, object_pairs_hook=_without_repeats))
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"the limits are no JSON: {error}") from error


def parse_limits(data: object) -> RiskLimits:
    """Limits from plain values.  A name that is not known is an error: a limit misspelt would be none.

    >>> parse_limits({"order": {"max_order_value": "50000"}}).order.max_order_value
    Decimal('50000')
    >>> parse_limits({"account": {"max_exposure": -1}})
    Traceback (most recent call last):
    trademantra.core.errors.InvalidValueError: account.max_exposure must be above 0, got -1 (null means no limit)
    """
    table = _table(data, "the limits")
    _only(table, {each.name for each in fields(RiskLimits)}, "")
    return RiskLimits(
        order=_group(OrderLimits, table.get("order"), "order"),
        account=_group(BookLimits, table.get("account"), "account"),
        user=_group(BookLimits, table.get("user"), "user"),
        strategy=_group(BookLimits, table.get("strategy"), "strategy"),
        instrument=_group(InstrumentLimits, table.get("instrument"), "instrument"),
        sector=_group(SectorLimits, table.get("sector"), "sector"),
        strategies={
            name: _strategy(value, f"strategies.{name}")
            for name, value in _table(table.get("strategies"), "strategies").items()
        },
        instruments={
            key: _group(InstrumentLimits, value, f"instruments.{key}")
            for key, value in _table(table.get("instruments"), "instruments").items()
        },
        sectors={
            name: _group(SectorLimits, value, f"sectors.{name}")
            for name, value in _table(table.get("sectors"), "sectors").items()
        },
        actions={
            code: _action(code, value) for code, value in _table(table.get("actions"), "actions").items()
        },
    )


def limits_to_json(limits: RiskLimits) -> str:
    """What `limits_from_json` reads back equal; limits that are not set are left out."""
    plain: dict[str, object] = {
        name: _written(getattr(limits, name))
        for name in ("order", "account", "user", "strategy", "instrument", "sector")
    }
    plain["strategies"] = {
        name: {"order": _written(each.order), "book": _written(each.book)}
        for name, each in limits.strategies.items()
    }
    plain["instruments"] = {key: _written(each) for key, each in limits.instruments.items()}
    plain["sectors"] = {name: _written(each) for name, each in limits.sectors.items()}
    plain["actions"] = {code: action.value for code, action in limits.actions.items()}
    return json.dumps({name: value for name, value in plain.items() if value}, indent=2)


def _group(group: type[Group], data: object, path: str) -> Group:
    table = _table(data, path)
    _only(table, {each.name for each in fields(group)}, f"{path}.")
    values: dict[str, object] = {}
    for each in fields(group):
        if (value := table.get(each.name)) is not None:
            limit: LimitKind = each.metadata["kind"]
            values[each.name] = limit.parse(value, f"{path}.{each.name}")
    return group(**values)  # type: ignore[arg-type]  # each parsed to the type of its field


def _strategy(data: object, path: str) -> StrategyLimits:
    table = _table(data, path)
    _only(table, {"order", "book"}, f"{path}.")
    return StrategyLimits(
        order=_group(OrderLimits, table.get("order"), f"{path}.order"),
        book=_group(BookLimits, table.get("book"), f"{path}.book"),
    )


def _action(code: str, value: object) -> BreachAction:
    rule = RULES_BY_CODE.get(code)
    if rule is None:
        raise InvalidValueError(
            f"actions.{code}: no rule has this code", hint=f"one of {', '.join(sorted(RULES_BY_CODE))}"
        )
    possible = {each.value: each for each in rule.actions}
    if not isinstance(value, str) or value not in possible:
        raise InvalidValueError(
            f"actions.{code}: {value!r} is not possible here", hint=f"one of {', '.join(sorted(possible))}"
        )
    return possible[value]


def _table(data: object, path: str) -> Mapping[str, object]:
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise InvalidValueError(f"{path} must be a table of names and values, got {type(data).__name__}")
    return data


def _only(table: Mapping[str, object], known: set[str], prefix: str) -> None:
    for name in table:
        if name not in known:
            raise InvalidValueError(
                f"{prefix}{name} is not a limit", hint=f"one of {', '.join(sorted(known))}"
            )


def _written(limits: Group) -> dict[str, object]:
    written: dict[str, object] = {}
    for each in fields(limits):
        if (value := getattr(limits, each.name)) is not None:
            limit: LimitKind = each.metadata["kind"]
            written[each.name] = limit.write(value)
    return written


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValueError(f"{twice} is set twice")
    return table
