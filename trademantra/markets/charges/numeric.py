"""The same rules as one array of numbers, for the engine, and what that array means in plain Python."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal, localcontext
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import rule_warnings
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder, Liquidity, facts_of
from trademantra.markets.charges.rules import NO_FACTS, Base, ChargeRule, Facts, Levy, ValueOf
from trademantra.markets.charges.tables import gst_rules, holding
from trademantra.markets.charges.tariffs import BrokerTariff, tariff_of

CHARGE_RULE = np.dtype(
    [
        ("levy", "i8"),  # place in LEVIES
        ("base", "i8"),  # place in BASES
        ("rate", "f8"),  # fraction of value
        ("fixed", "f8"),  # per order, unit or sell day
        ("floor", "f8"),  # per order; 0 when there is none
        ("cap", "f8"),  # per order; inf when there is none
        ("gst", "f8"),  # fraction of the charge that is added as GST; 0 when it is not taxed
        ("from_day", "i8"),  # days since 1970-01-01, inclusive
        ("to_day", "i8"),  # inclusive
    ]
)
ChargeRules: TypeAlias = NDArray[np.void]
LEVIES = tuple(Levy)
BASES = tuple(Base)

_EPOCH = date(1970, 1, 1).toordinal()
_SELLS_ONLY = (Base.SELL, Base.SELL_ORDER, Base.SELL_UNITS, Base.SELL_DAY)


def day_number(day: date) -> int:
    """Days since 1970-01-01.

    >>> day_number(date(1970, 1, 2))
    1
    """
    return day.toordinal() - _EPOCH


def numeric_rules(
    broker: str | BrokerTariff,
    segment: Segment,
    product: Product,
    exchange: Exchange,
    *,
    symbol: str = "",
    kind: AssetKind | None = None,
    group: str = "",
    liquidity: Liquidity = Liquidity.TAKER,
    first: date,
    last: date,
) -> ChargeRules:
    """Rules for orders in one instrument from `first` to `last`, unrounded; rules of 0 are left out.

    A share or fund has its symbol or `kind`; a BSE option, a commodity its symbol (see `facts_of`).
    Shape (n,) of `CHARGE_RULE`; for one order sum `charges_of`.  A DP row (base SELL_DAY) is due once a
    security and day on which a holding of an earlier day is sold.
    Errors: as `contract_note`, for any day from `first` to `last`.

    >>> rules = numeric_rules("zerodha", Segment.EQUITY, Product.MIS, Exchange.NSE, symbol="TCS",
    ...                       first=date(2026, 4, 1), last=date(2026, 11, 20))
    >>> [(LEVIES[r["levy"]].value, BASES[r["base"]].value, round(float(r["rate"]) * 1e7)) for r in rules]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('stt', 'sell', 2500), ('sebi', 'turnover', 10), ('stamp', 'buy', 300), ('exchange_txn', 'turnover', 307),
     ('exchange_txn', 'turnover', 0), ('brokerage', 'order', 3000)]
    """
    if first > last:
        raise InvalidValueError(f"numeric_rules: first {first} is after last {last}")
    tariff, facts = _tariff_and_facts(broker, segment, product, exchange, symbol, kind, group, liquidity)
    rows: list[tuple[float, ...]] = []
    for rule in tariff.rules_for(facts, first, last, unrounded=True):
        if rule.value is not ValueOf.TRADE:
            raise InvalidValueError(f"charge rule {rule.table}: a rate of {rule.value} has no numeric form")
        if rule.is_zero:
            continue
        since, until = max(rule.valid_from or first, first), min(rule.valid_to or last, last)
        for gst, gst_since, gst_until in _gst_between(rule, since, until):
            rows.append(
                (
                    LEVIES.index(rule.levy),
                    BASES.index(rule.base),
                    float(rule.rate),
                    float(rule.fixed),
                    float(rule.floor or 0),
                    np.inf if rule.cap is None else float(rule.cap),
                    gst,
                    day_number(gst_since),
                    day_number(gst_until),
                )
            )
    return np.array(rows, dtype=CHARGE_RULE)


def numeric_warnings(
    broker: str | BrokerTariff,
    segment: Segment,
    product: Product,
    exchange: Exchange,
    *,
    symbol: str = "",
    kind: AssetKind | None = None,
    group: str = "",
    liquidity: Liquidity = Liquidity.TAKER,
    first: date,
    last: date,
) -> tuple[str, ...]:
    """What a note of some day from `first` to `last` would warn of, for the page of a back-test.

    >>> numeric_warnings("zerodha", Segment.EQUITY, Product.CNC, Exchange.NSE, symbol="TCS",
    ...                  first=date(2020, 6, 1), last=date(2020, 7, 31))[0][:16]
    'stamp unverified'
    """
    tariff, facts = _tariff_and_facts(broker, segment, product, exchange, symbol, kind, group, liquidity)
    rules = tariff.rules_for(facts, first, last, unrounded=True)
    return tuple(sorted(rule_warnings(tariff, facts, rules) | ({tariff.warning} - {""})))


def charges_of(
    rules: ChargeRules,
    side: Side,
    price: float,
    quantity: float,
    day: int,
    *,
    first_debit_of_day: bool = False,
) -> float:
    """Charges of one executed order by the array alone: what a compiled kernel must compute.

    `day` in days since 1970-01-01; `quantity` in units times the instrument's multiplier.
    `first_debit_of_day`: this sale is the day's first of a holding from an earlier day (base SELL_DAY).

    >>> rules = numeric_rules("flat:0.001", Segment.EQUITY, Product.CNC, Exchange.NSE,
    ...                       first=date(2026, 1, 1), last=date(2026, 12, 31))
    >>> charges_of(rules, Side.BUY, 100.0, 10.0, day_number(date(2026, 11, 20)))
    1.0
    """
    total = 0.0
    for rule in rules:
        base = BASES[int(rule["base"])]
        if not rule["from_day"] <= day <= rule["to_day"]:
            continue
        if (base is Base.BUY and side is Side.SELL) or (base in _SELLS_ONLY and side is Side.BUY):
            continue
        if base is Base.SELL_DAY and not first_debit_of_day:
            continue
        amount = float(rule["fixed"]) * (quantity if base in (Base.UNITS, Base.SELL_UNITS) else 1.0)
        amount += float(rule["rate"]) * price * quantity
        if base.is_per_order:
            amount = min(max(amount, float(rule["floor"])), float(rule["cap"]))
        total += amount * (1.0 + float(rule["gst"]))
    return total


def _tariff_and_facts(
    broker: str | BrokerTariff,
    segment: Segment,
    product: Product,
    exchange: Exchange,
    symbol: str,
    kind: AssetKind | None,
    group: str,
    liquidity: Liquidity,
) -> tuple[BrokerTariff, Facts]:
    tariff = tariff_of(broker) if isinstance(broker, str) else broker
    like = ExecutedOrder(
        exchange=exchange,
        segment=segment,
        product=product,
        side=Side.BUY,
        symbol=symbol,
        quantity=Decimal(1),
        price=Decimal(1),
        kind=kind,
        group=group,
        liquidity=liquidity,
    )
    return tariff, facts_of(like)[0]


def _gst_between(rule: ChargeRule, first: date, last: date) -> Iterable[tuple[float, date, date]]:
    """Rates of GST on a rule and their days: one, unless the rate changed while the rule held."""
    if not rule.gst:
        return [(0.0, first, last)]
    with localcontext(prec=28):
        return [
            (float(tax.rate), max(tax.valid_from or first, first), min(tax.valid_to or last, last))
            for tax in holding(gst_rules(), NO_FACTS, first, last)
        ]
