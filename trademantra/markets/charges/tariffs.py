"""A broker's tariff with the user's settings: which rules are due for an order on a day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.money import decimal_of
from trademantra.markets.charges.rules import ZERO, Base, ChargeRule, Confidence, Facts, Levy
from trademantra.markets.charges.tables import (
    CLASSES,
    Toml,
    brokers,
    holding,
    statutory_rules_of,
    tariff_rule,
    tariff_rules,
)

SettingValue: TypeAlias = str | int | float | bool | Decimal

_FLAGS = ("ipft_in_gst_base", "woman_first_holder", "account_in_debit", "net_same_day")
_FIELDS = ("percent", "fixed", "fixed_per_unit", "cap", "minimum", "gst")
_LEVIES = (Levy.EXCHANGE_TXN, Levy.IPFT, Levy.SEBI, Levy.STAMP)
_FOREX_LOT = Decimal(100_000)
_MARKETS = {
    "india": ("NSE", "BSE", "MCX", "NCDEX"),
    "us": ("NYSE", "NASDAQ"),
    "crypto": ("BINANCE", "COINBASE"),
    "crypto_india": ("WAZIRX",),
    "forex": ("FOREX",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTariff:
    """All that decides the charges besides the orders.  Made by `tariff_of`; `rules` may be any rules of yours."""

    name: str
    market: str
    rules: tuple[ChargeRule, ...]
    ipft_in_gst: bool = True
    ipft_in_gst_unrounded: bool = True
    dp_per_order: bool = False
    net_same_day: bool = False
    statutory_rates: tuple[tuple[Levy, Decimal], ...] = ()
    warning: str = ""

    def rules_for(
        self, facts: Facts, first: date, last: date, *, unrounded: bool = False
    ) -> tuple[ChargeRule, ...]:
        """Rules due for orders with these facts, on some day from `first` to `last`.

        Errors: `MissingFactError` for a day that a table leaves open or a price that the tariff does not have;
        `InvalidValueError` for an exchange that the broker does not offer.
        """
        if self.market == "none":
            return self.rules
        self._check_exchange(facts.exchange)
        own = self._own_rules(facts)
        chosen = holding((*self._statutory_rules(facts), *own), facts, first, last)
        if facts.trade not in ("exercise", "physical_delivery"):
            self._check_complete(facts, chosen)
        taxed = self.ipft_in_gst_unrounded if unrounded else self.ipft_in_gst
        return tuple(replace(r, gst=taxed) if r.levy is Levy.IPFT else r for r in chosen)

    def _own_rules(self, facts: Facts) -> tuple[ChargeRule, ...]:
        priced = [r for r in self.rules if r.fits(facts)]
        if facts.pricing == "calculator" and not any(r.levy is Levy.BROKERAGE for r in priced):
            # only a broker whose calculator differs from its bill has rows of its own for it
            facts = facts._replace(pricing="note")
            return tuple(replace(r, where=()) for r in self.rules if r.fits(facts))
        return tuple(priced)

    def _statutory_rules(self, facts: Facts) -> tuple[ChargeRule, ...]:
        rules = statutory_rules_of(facts.exchange, facts.segment)
        for levy, rate in self.statutory_rates:
            of_levy = [r for r in rules if r.levy is levy and r.base.is_ad_valorem and r.fits(facts)]
            rest = tuple(r for r in rules if r not in of_levy)
            own: tuple[ChargeRule, ...] = ()
            if of_levy:
                own = (
                    replace(
                        of_levy[-1],
                        rate=rate,
                        valid_from=None,
                        valid_to=None,
                        source="settings",
                        confidence=Confidence.USER,
                        warning="",
                    ),
                )
            rules = (*rest, *own)
        return rules

    def _check_exchange(self, exchange: str) -> None:
        allowed = _MARKETS[self.market]
        if exchange not in allowed:
            raise InvalidValueError(
                f"broker {self.name} does not trade on {exchange}", hint="allowed: " + ", ".join(allowed)
            )

    def _check_complete(self, facts: Facts, chosen: tuple[ChargeRule, ...]) -> None:
        if not any(r.levy is Levy.BROKERAGE and not r.table.endswith(" auto_square_off") for r in chosen):
            names = [n for n in CLASSES if _concerns(n, facts)]
            raise MissingFactError(
                f"charges: broker {self.name}",
                f"brokerage of {facts.segment} {facts.trade}",
                hint=f"give it in settings, for example {names[0] if names else 'delivery'}.fixed",
            )
        if self.market == "india" and not any(r.levy is Levy.EXCHANGE_TXN for r in chosen):
            raise MissingFactError(
                "charges: exchange_txn",
                f"{facts.exchange} {facts.segment} {facts.contract}".strip(),
                hint="give exchange_txn.percent in settings",
            )


def _concerns(name: str, facts: Facts) -> bool:
    return all(getattr(facts, field) in words for field, words in CLASSES[name].items())


def broker_names() -> tuple[str, ...]:
    """Words that `tariff_of` knows, besides `flat:RATE`."""
    return tuple(brokers())


def tariff_of(name: str, settings: Mapping[str, SettingValue] | None = None) -> BrokerTariff:
    """The tariff of a broker, of `none` (no charges at all) or `flat:RATE` (a fraction of turnover, nothing else).

    `settings`: see docs/charges.md; keys are `plan`, `dp.per`, the flags, `CLASS.percent|fixed|fixed_per_unit|
    cap|minimum|gst`, `exchange_txn|ipft|sebi|stamp.percent`, `forex.per_lot` and `forex.spread`.
    Errors: `InvalidValueError` naming what is allowed.

    >>> tariff_of("upstox", {"intraday.percent": "0.05"}).rules[2].rate
    Decimal('0.0005')
    """
    wanted = dict(settings or {})
    if name.startswith("flat:"):
        if wanted:
            raise InvalidValueError("broker flat has no settings")
        return _flat(name)
    broker = brokers().get(name)
    if broker is None:
        raise InvalidValueError(
            f"unknown broker {name!r}", hint="allowed: " + ", ".join((*broker_names(), "flat:RATE"))
        )
    flags = {flag: _flag(wanted.pop(flag, None), flag) for flag in _FLAGS}
    plan = _plan(name, broker.plans, wanted)
    rules = tariff_rules(name, plan)
    if flags["account_in_debit"]:
        if "debit" not in broker.plans:
            raise InvalidValueError(f"broker {name}: no price for an account in debit is known")
        debit = tariff_rules(name, "debit")
        dearer = {_class_of(r) for r in debit}
        rules = (*(r for r in rules if _class_of(r) not in dearer), *debit)
    if flags["woman_first_holder"]:
        rules = tuple(replace(r, fixed=r.fixed - r.woman_discount) for r in rules)
    dp_per_order = _dp_per(wanted)
    rates = tuple(
        (levy, _positive(wanted.pop(f"{levy}.percent"), f"{levy}.percent") / 100)
        for levy in _LEVIES
        if f"{levy}.percent" in wanted
    )
    rules = _forex(rules, wanted) if name == "forex" else rules
    rules = _with_overrides(name, rules, wanted)
    own_ipft = flags["ipft_in_gst_base"]
    return BrokerTariff(
        name=name,
        market=broker.market,
        rules=rules,
        ipft_in_gst=broker.ipft_in_gst if own_ipft is None else own_ipft,
        ipft_in_gst_unrounded=broker.ipft_in_gst_unrounded if own_ipft is None else own_ipft,
        dp_per_order=dp_per_order,
        net_same_day=bool(flags["net_same_day"]),
        statutory_rates=rates,
        warning=broker.warning,
    )


def _flat(name: str) -> BrokerTariff:
    rate = _positive(name.removeprefix("flat:"), "the rate of broker flat")
    if rate >= 1:
        raise InvalidValueError(
            f"broker {name}: the rate is a fraction of turnover below 1", hint="0.001 is 0.1 percent"
        )
    rule = ChargeRule(
        table="flat",
        levy=Levy.BROKERAGE,
        base=Base.TURNOVER,
        rate=rate,
        source="the broker word",
        confidence=Confidence.USER,
    )
    return BrokerTariff(name=name, market="none", rules=(rule,))


def _plan(name: str, plans: tuple[str, ...], wanted: dict[str, SettingValue]) -> str:
    choices = [p for p in plans if p != "debit"]
    plan = wanted.pop("plan", choices[0] if choices else "")
    if plan not in (choices or [""]):
        raise InvalidValueError(
            f"broker {name}: unknown plan {plan!r}",
            hint="allowed: " + (", ".join(p for p in choices if p) or "it has one plan only; leave plan out"),
        )
    return str(plan)


def _dp_per(wanted: dict[str, SettingValue]) -> bool:
    per = wanted.pop("dp.per", "scrip_day")
    if per not in ("scrip_day", "instruction"):
        raise InvalidValueError(f"dp.per must be scrip_day or instruction (each selling order), got {per!r}")
    return per == "instruction"


def _forex(rules: tuple[ChargeRule, ...], wanted: dict[str, SettingValue]) -> tuple[ChargeRule, ...]:
    """A forex broker has no public tariff of its own here: commission per lot and spread are the user's."""
    for key, part in (("forex.per_lot", 1 / _FOREX_LOT), ("forex.spread", Decimal("0.5"))):
        if key in wanted:
            amount = _positive(wanted.pop(key), key) * part
            rule = tariff_rule("forex", broker=key, own_mtf=False, row={**_USER_ROW, "gst": False})
            rules = (*rules, replace(rule, base=Base.UNITS, fixed=amount))
    return rules


_USER_ROW: Mapping[str, Toml] = {"source": "settings", "confidence": "user"}


def _with_overrides(
    name: str, rules: tuple[ChargeRule, ...], wanted: dict[str, SettingValue]
) -> tuple[ChargeRule, ...]:
    by_class: dict[str, dict[str, SettingValue]] = {}
    for key, value in wanted.items():
        found = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", key)
        if not found or found[1] not in CLASSES or found[2] not in _FIELDS:
            raise InvalidValueError(
                f"unknown setting {key!r}",
                hint="allowed: plan, dp.per, forex.per_lot, forex.spread, "
                + ", ".join((*_FLAGS, *(f"{levy}.percent" for levy in _LEVIES)))
                + f" and CLASS.FIELD with CLASS one of {', '.join(CLASSES)} and FIELD one of {', '.join(_FIELDS)}",
            )
        by_class.setdefault(found[1], {})[found[2]] = value
    for name_of_class, fields in by_class.items():
        if not any(_class_of(r) == name_of_class for r in rules):
            row: dict[str, Toml] = {**_USER_ROW, "gst": _MARKETED_WITH_GST.get(name_of_class, True)}
            rules = (*rules, tariff_rule(name_of_class, broker=name, own_mtf=False, row=row))
        if name_of_class == "mtf":  # from here on MTF has a price of its own
            rules = tuple(_delivery_only(r) if _class_of(r) == "delivery" else r for r in rules)
        rules = tuple(
            _overridden(r, name_of_class, fields) if _class_of(r) == name_of_class else r for r in rules
        )
    return rules


_MARKETED_WITH_GST = {
    "us_equity": False,
    "forex": False,
    "crypto_spot_maker": False,
    "crypto_spot_taker": False,
    "crypto_perpetual_maker": False,
    "crypto_perpetual_taker": False,
}


def _overridden(rule: ChargeRule, name: str, fields: Mapping[str, SettingValue]) -> ChargeRule:
    """A price that is set replaces the old way of pricing; a cap and a minimum stay with a percentage."""
    base, rate, fixed, floor, cap = rule.base, rule.rate, rule.fixed, rule.floor, rule.cap
    numbers = {
        field: _positive(value, f"{name}.{field}") for field, value in fields.items() if field != "gst"
    }
    if numbers.keys() & {"percent", "fixed", "fixed_per_unit"}:
        rate, fixed = numbers.get("percent", ZERO) / 100, numbers.get("fixed", ZERO)
        if "percent" not in numbers:
            floor = cap = None
    if "fixed_per_unit" in numbers:
        base, fixed = Base.UNITS, numbers["fixed_per_unit"]
    if name == "dp" and rate:
        raise InvalidValueError("dp has a fixed price; set dp.fixed")
    gst = _flag(fields.get("gst"), f"{name}.gst")
    return replace(
        rule,
        base=base,
        rate=rate,
        fixed=fixed,
        floor=numbers.get("minimum", floor),
        cap=numbers.get("cap", cap),
        gst=rule.gst if gst is None else gst,
        source="settings",
        confidence=Confidence.USER,
    )


def _delivery_only(rule: ChargeRule) -> ChargeRule:
    where = tuple(
        (field, frozenset({"delivery"}) if field == "trade" else words) for field, words in rule.where
    )
    return replace(rule, where=where)


def _class_of(rule: ChargeRule) -> str:
    return rule.table.rsplit(" ", 1)[-1]


def _flag(value: SettingValue | None, name: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidValueError(f"{name} must be true or false, got {value!r}")
    return value


def _positive(value: SettingValue, name: str) -> Decimal:
    number = decimal_of(value, name)
    if number < 0:
        raise InvalidValueError(f"{name} must not be negative, got {number}")
    return number
