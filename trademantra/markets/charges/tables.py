"""The data files of the charges, read once and checked: dated rules and what symbols say."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from trademantra.core.errors import BadInputError, InvalidValueError, MissingFactError
from trademantra.markets.charges.rules import ZERO, Base, ChargeRule, Confidence, Facts, Levy, ValueOf

Toml: TypeAlias = (
    "str | int | float | bool | date | list[Toml] | dict[str, Toml]"  # what a TOML file can hold here
)

_HUNDRED = Decimal(100)
# What a broker's price list calls a row, and the orders that it is for.
CLASSES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "delivery": {"segment": ("equity",), "trade": ("delivery", "mtf")},
    "mtf": {"segment": ("equity",), "trade": ("mtf",)},
    "intraday": {"segment": ("equity",), "trade": ("intraday",)},
    "futures": {"segment": ("equity_futures",), "trade": ("position",)},
    "options": {"segment": ("equity_options",), "trade": ("position",)},
    "currency_futures": {"segment": ("currency_futures",), "trade": ("position",)},
    "currency_options": {"segment": ("currency_options",), "trade": ("position",)},
    "commodity_futures": {"segment": ("commodity_futures",), "trade": ("position",)},
    "commodity_options": {"segment": ("commodity_options",), "trade": ("position",)},
    "commodity_options_calculator": {"segment": ("commodity_options",), "trade": ("position",)},
    "dp": {"segment": ("equity",), "trade": ("delivery", "mtf")},
    "auto_square_off": {"square_off": ("auto",)},
    "settlement": {"trade": ("exercise", "physical_delivery")},
    "us_equity": {"segment": ("equity",), "exchange": ("NYSE", "NASDAQ")},
    "crypto_spot_maker": {"segment": ("crypto_spot",), "liquidity": ("maker",)},
    "crypto_spot_taker": {"segment": ("crypto_spot",), "liquidity": ("taker",)},
    "crypto_perpetual_maker": {"segment": ("crypto_perpetual",), "liquidity": ("maker",)},
    "crypto_perpetual_taker": {"segment": ("crypto_perpetual",), "liquidity": ("taker",)},
    "forex": {"segment": ("forex",)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker's entry: its market and how it takes GST on IPFT (specs/india-markets.md 9, conflict 1)."""

    name: str
    market: str
    ipft_in_gst: bool
    ipft_in_gst_unrounded: bool
    plans: tuple[str, ...]
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolWords:
    """What the beginning, the end or a part of a symbol says (symbols.toml)."""

    ctt_exempt: tuple[str, ...]
    agri_not_exempt: tuple[str, ...]
    mcx_group_b: tuple[tuple[str, str], ...]
    fund_endings: tuple[str, ...]
    fund_beginnings: tuple[str, ...]
    fund_names: tuple[str, ...]
    shares_named_like_funds: tuple[str, ...]
    non_equity_words: tuple[str, ...]
    bond_beginnings: tuple[str, ...]


@cache
def statutory_rules() -> tuple[ChargeRule, ...]:
    """Taxes, exchange charges and regulators' fees of every market, without GST itself."""
    return tuple(r for r in _series() if r.levy is not Levy.GST)


@cache
def gst_rules() -> tuple[ChargeRule, ...]:
    """GST by date, and service tax before it; `rate` is the fraction of the taxable value."""
    return tuple(r for r in _series() if r.levy is Levy.GST)


@cache
def statutory_rules_of(exchange: str, segment: str) -> tuple[ChargeRule, ...]:
    """The statutory rules that can concern an exchange and segment."""
    return tuple(
        rule
        for rule in statutory_rules()
        if all(
            (field != "exchange" or exchange in words) and (field != "segment" or segment in words)
            for field, words in rule.where
        )
    )


@cache
def bse_groups() -> frozenset[str]:
    """Scrip groups of BSE that a rate is known for."""
    groups = [dict(rule.where)["contract"] for rule in statutory_rules() if rule.table == "exchange_bse_cash"]
    return frozenset().union(*groups)


@cache
def brokers() -> Mapping[str, Broker]:
    """Every broker that has a tariff, by name."""
    file = _toml("brokers.toml")
    plans: dict[str, list[str]] = {}
    for group in _tables(file, "tariff"):
        plans.setdefault(_text(group, "broker"), []).append(_text(group, "plan"))
    found = {}
    for name, entry in _mapping(file["broker"]).items():
        row = _mapping(entry)
        in_gst = row.get("ipft_in_gst") is True
        found[name] = Broker(
            name=name,
            market=_text(row, "market"),
            ipft_in_gst=in_gst,
            ipft_in_gst_unrounded=row.get("ipft_in_gst_unrounded", in_gst) is True,
            plans=tuple(plans.get(name, ())),
            warning=_text(row, "warning"),
        )
    return found


@cache
def tariff_rules(broker: str, plan: str) -> tuple[ChargeRule, ...]:
    """Rules of one plan of a broker; empty when the plan has none."""
    groups = [
        group
        for group in _tables(_toml("brokers.toml"), "tariff")
        if (_text(group, "broker"), _text(group, "plan")) == (broker, plan)
    ]
    rows = [(group, row) for group in groups for row in _tables(group, "rows")]
    classes = {_text(row, "class") for _, row in rows}
    return tuple(
        tariff_rule(
            _text(row, "class"),
            broker=f"{broker} {plan}".strip(),
            own_mtf="mtf" in classes,
            row={"source": group["source"], "confidence": group["confidence"], **row},
        )
        for group, row in rows
    )


def tariff_rule(name: str, *, broker: str, own_mtf: bool, row: Mapping[str, Toml]) -> ChargeRule:
    """A row of a broker's price list as a rule."""
    where = {field: frozenset(words) for field, words in CLASSES[name].items()}
    if name == "delivery" and own_mtf:
        where["trade"] = frozenset({"delivery"})
    if name.startswith("commodity_options"):
        where["pricing"] = frozenset({"calculator" if name.endswith("calculator") else "note"})
    levy, base = Levy.BROKERAGE, Base.ORDER
    if name == "dp":
        levy, base = Levy.DP, Base.SELL_DAY
    return _rule(
        {"gst": True, **row}, table=f"{broker} {name}", levy=levy, base=base, where=tuple(where.items())
    )


@cache
def symbol_words() -> SymbolWords:
    """What symbols say, for orders that leave it out."""
    file = _toml("symbols.toml")
    funds = _mapping(file["funds"])
    group_b = _mapping(file["mcx_group_b"])
    return SymbolWords(
        ctt_exempt=_words(file["ctt_exempt"]),
        agri_not_exempt=_words(file["agri_not_exempt"]),
        mcx_group_b=tuple((beginning, str(word)) for beginning, word in group_b.items()),
        fund_endings=_words(funds["endings"]),
        fund_beginnings=_words(funds["beginnings"]),
        fund_names=_words(funds["names"]),
        shares_named_like_funds=_words(funds["shares_named_like_funds"]),
        non_equity_words=_words(funds["non_equity_words"]),
        bond_beginnings=_words(funds["bond_beginnings"]),
    )


def holding(rules: Iterable[ChargeRule], facts: Facts, first: date, last: date) -> tuple[ChargeRule, ...]:
    """Rules that concern `facts` on some day from `first` to `last`; each table must cover every one of them.

    Errors: `MissingFactError` naming the table and the first day that it leaves open.
    """
    by_table: dict[str, list[ChargeRule]] = {}
    for rule in rules:
        if rule.fits(facts):
            by_table.setdefault(rule.table, []).append(rule)
    chosen: list[ChargeRule] = []
    for table, rows in by_table.items():
        rows.sort(key=lambda r: r.valid_from or date.min)
        rows = [r for r in rows if (r.valid_from or date.min) <= last and (r.valid_to or date.max) >= first]
        _check_cover(table, rows, first, last)
        chosen.extend(rows)
    return tuple(chosen)


def _check_cover(table: str, rows: list[ChargeRule], first: date, last: date) -> None:
    day = first.toordinal()
    for row in rows:
        if (row.valid_from or date.min).toordinal() > day:
            break
        day = (row.valid_to or date.max).toordinal() + 1
    if day <= last.toordinal():
        raise MissingFactError(
            f"charges: {table}",
            date.fromordinal(day).isoformat(),
            hint="the rate of that day is not known; use a later date, a flat rate (broker flat:0.001), or settings",
        )


@cache
def _series() -> tuple[ChargeRule, ...]:
    return tuple(
        _rule(
            {"gst": series.get("gst", False), **row},
            table=_text(series, "table"),
            levy=Levy(_text(series, "levy")),
            base=Base(_text(series, "base")),
            where=tuple(
                (field, frozenset(_words(words)))
                for field, words in _mapping(series.get("where", {})).items()
            ),
        )
        for name in ("taxes.toml", "exchanges.toml")
        for series in _tables(_toml(name), "series")
        for row in _tables(series, "rows")
    )


def _rule(
    row: Mapping[str, Toml],
    *,
    table: str,
    levy: Levy,
    base: Base,
    where: tuple[tuple[str, frozenset[str]], ...],
) -> ChargeRule:
    return ChargeRule(
        table=table,
        levy=levy,
        base=base,
        rate=_amount(row, "percent") / _HUNDRED,
        fixed=_amount(row, "fixed"),
        floor=_amount(row, "floor") if "floor" in row else None,
        cap=_amount(row, "cap") if "cap" in row else None,
        gst=row.get("gst") is True,
        value=ValueOf(_text(row, "value") or "trade"),
        where=where,
        valid_from=_day(row, "from"),
        valid_to=_day(row, "to"),
        source=_text(row, "source"),
        confidence=Confidence(_text(row, "confidence")),
        warning=_text(row, "warning"),
        woman_discount=_amount(row, "woman_discount"),
    )


def _toml(name: str) -> dict[str, Toml]:
    text = files("trademantra.markets.charges").joinpath("data", name).read_text(encoding="utf-8")
    try:
        parsed: dict[str, Toml] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(name, str(error)) from error
    return parsed


def _mapping(value: Toml) -> dict[str, Toml]:
    if not isinstance(value, dict):
        raise InvalidValueError(f"charges data: expected a table, got {value!r}")
    return value


def _tables(parent: Mapping[str, Toml], key: str) -> list[dict[str, Toml]]:
    rows = parent[key]
    if not isinstance(rows, list):
        raise InvalidValueError(f"charges data: {key} must be a list of tables")
    return [_mapping(row) for row in rows]


def _words(value: Toml) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InvalidValueError(f"charges data: expected a list of words, got {value!r}")
    return tuple(str(word) for word in value)


def _text(row: Mapping[str, Toml], key: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, str):
        raise InvalidValueError(f"charges data: {key} must be text, got {value!r}")
    return value


def _amount(row: Mapping[str, Toml], key: str) -> Decimal:
    return Decimal(_text(row, key)) if key in row else ZERO


def _day(row: Mapping[str, Toml], key: str) -> date | None:
    value = row.get(key)
    if value is not None and not isinstance(value, date):
        raise InvalidValueError(f"charges data: {key} must be a date, got {value!r}")
    return value
