"""The charges of one day's executed orders, as the broker's contract note states them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import PAISA, RUPEE, round_half_up
from trademantra.core.order import Side
from trademantra.markets.charges.netting import debits, delivered, netted
from trademantra.markets.charges.orders import ExecutedOrder, facts_of
from trademantra.markets.charges.rules import (
    NO_FACTS,
    ZERO,
    Base,
    ChargeRule,
    Confidence,
    Facts,
    Levy,
    ValueOf,
)
from trademantra.markets.charges.tables import gst_rules, holding
from trademantra.markets.charges.tariffs import BrokerTariff, tariff_of

_DIGITS = 60  # price, quantity and rate together never need more: sums and products stay exact
# STT and stamp duty: whole rupees, once a note (specs/india-markets.md 1.5).  CTT keeps its paise.
_STEP = {Levy.STT: RUPEE, Levy.STAMP: RUPEE}
_CURRENCY = {"india": "INR", "us": "USD", "crypto": "quote", "crypto_india": "INR", "forex": "quote"}


class Rounding(StrEnum):
    """How a note is rounded (specs/india-markets.md 1.5).

    `unrounded`: exact, as broker APIs estimate.  `calculator`: rounded lines, GST on unrounded amounts, as
    Zerodha's calculator.  `contract_note`: rounded lines, GST on the rounded taxable value, as Angel One's note.
    """

    UNROUNDED = "unrounded"
    CALCULATOR = "calculator"
    CONTRACT_NOTE = "contract_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeDetail:
    """Where a part of a line comes from: the rule, what it was counted on and the exact amount."""

    levy: Levy
    table: str
    base: Base
    rate: Decimal
    counted_on: Decimal  # value, orders, units or securities, as `base` says
    amount: Decimal
    taxed: bool
    source: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractNote:
    """Charges in `currency`; `total` is the sum of the lines as they are rounded.  MTF interest is not in it."""

    broker: str
    trade_date: date
    rounding: Rounding
    currency: str
    lines: Mapping[Levy, Decimal]
    details: tuple[ChargeDetail, ...]
    warnings: tuple[str, ...]

    def __getitem__(self, levy: Levy) -> Decimal:
        return self.lines[levy]

    @property
    def total(self) -> Decimal:
        with localcontext(prec=_DIGITS):
            return sum(self.lines.values(), ZERO)


def contract_note(
    orders: Sequence[ExecutedOrder],
    broker: str | BrokerTariff,
    trade_date: date,
    rounding: Rounding = Rounding.CONTRACT_NOTE,
) -> ContractNote:
    """Charges of the orders that were executed on `trade_date`; fills that share an `order_id` are one order.

    Errors: `MissingFactError` for a date that a table does not cover; `InvalidValueError` for an unknown broker,
    or fills of one order that contradict each other.

    >>> from trademantra.core.instrument import Exchange, Segment
    >>> from trademantra.core.order import Product
    >>> def option(side: Side, price: int) -> ExecutedOrder:
    ...     return ExecutedOrder(exchange=Exchange.BSE, segment=Segment.EQUITY_OPTIONS, product=Product.NRML,
    ...                          side=side, symbol="SENSEX", quantity=Decimal(20), price=Decimal(price))
    >>> note = contract_note([option(Side.BUY, 476), option(Side.SELL, 280)], "zerodha", date(2026, 9, 1),
    ...                      Rounding.CALCULATOR)
    >>> note[Levy.STT], note[Levy.GST], note.total
    (Decimal('8'), Decimal('8.09'), Decimal('61.02'))
    """
    tariff = tariff_of(broker) if isinstance(broker, str) else broker
    with localcontext(prec=_DIGITS):
        count = _Count(tariff, trade_date, rounding)
        for facts, group in sorted(_grouped(orders, tariff, rounding, count.warnings).items()):
            count.add_group(facts, group)
        count.add_debits(debits(orders, tariff.dp_per_order))
        if rounding is Rounding.CONTRACT_NOTE and not tariff.net_same_day:
            count.warnings |= _same_day_warnings(orders)
        return ContractNote(
            broker=tariff.name,
            trade_date=trade_date,
            rounding=rounding,
            currency=_CURRENCY.get(tariff.market, "INR"),
            lines=count.lines(),
            details=tuple(count.details),
            warnings=tuple(sorted(count.warnings)),
        )


class _Group:
    """Orders whose facts are the same: their sums by side, and each order of its own."""

    __slots__ = ("buys", "orders", "sells")

    def __init__(self) -> None:
        self.buys, self.sells = dict.fromkeys(ValueOf, ZERO), dict.fromkeys(ValueOf, ZERO)
        self.orders: dict[str | int, _Order] = {}

    def add(self, execution: ExecutedOrder) -> None:
        side = self.buys if execution.side is Side.BUY else self.sells
        name = execution.order_id or len(self.orders)
        order = self.orders.get(name)
        if order is None:
            order = self.orders[name] = _Order(execution.side, execution.symbol)
        elif (order.side, order.symbol) != (execution.side, execution.symbol):
            raise InvalidValueError(
                f"order {execution.order_id}: its fills differ in side or symbol",
                hint="an order_id belongs to one order",
            )
        order.quantity += execution.quantity
        for kind in ValueOf if execution.strike is not None else (ValueOf.TRADE,):
            value = execution.value_of(kind)
            side[kind] += value
            order.value[kind] += value

    def value(self, base: Base, kind: ValueOf) -> Decimal:
        if base is Base.BUY:
            return self.buys[kind]
        if base is Base.SELL:
            return self.sells[kind]
        return self.buys[kind] + self.sells[kind]


class _Order:
    """One executed order: all its fills together."""

    __slots__ = ("quantity", "side", "symbol", "value")

    def __init__(self, side: Side, symbol: str) -> None:
        self.side, self.symbol = side, symbol
        self.quantity = ZERO
        self.value = dict.fromkeys(ValueOf, ZERO)


class _Count:
    """The sums of one note while it is being made."""

    def __init__(self, tariff: BrokerTariff, trade_date: date, rounding: Rounding) -> None:
        self.tariff, self.trade_date, self.rounding = tariff, trade_date, rounding
        self.exact = rounding is Rounding.UNROUNDED
        self.charged = dict.fromkeys(Levy, ZERO)
        self.taxed = dict.fromkeys(Levy, ZERO)
        self.any_taxed = False
        self.debit_rule: ChargeRule | None = None
        self.details: list[ChargeDetail] = []
        self.warnings: set[str] = {tariff.warning} - {""}

    def add_group(self, facts: Facts, group: _Group) -> None:
        rules = self.tariff.rules_for(facts, self.trade_date, self.trade_date, unrounded=self.exact)
        self.warnings |= rule_warnings(self.tariff, facts, rules)
        self.any_taxed |= any(rule.gst for rule in rules)
        for rule in rules:
            if rule.base is Base.SELL_DAY:
                self.debit_rule = rule
            elif rule.base.is_ad_valorem:
                value = group.value(rule.base, rule.value)
                self._add(rule, value, rule.rate * value)
            else:
                self._add_per_order(rule, group)

    def _add_per_order(self, rule: ChargeRule, group: _Group) -> None:
        sells_only = rule.base in (Base.SELL_ORDER, Base.SELL_UNITS)
        amounts = [
            rule.of_order(order.value[rule.value], order.quantity)
            for order in group.orders.values()
            if order.side is Side.SELL or not sells_only
        ]
        exact = sum(amounts, ZERO)
        # a calculator and a note state brokerage order by order, in paise
        rounded = exact if self.exact else sum((round_half_up(a, PAISA) for a in amounts), ZERO)
        self._add(rule, Decimal(len(amounts)), exact, rounded)

    def add_debits(self, count: int) -> None:
        """DP charge for so many securities (or selling orders) that left the holdings."""
        if self.debit_rule is not None:
            self._add(self.debit_rule, Decimal(count), self.debit_rule.fixed * count)

    def _add(
        self, rule: ChargeRule, counted_on: Decimal, amount: Decimal, rounded: Decimal | None = None
    ) -> None:
        if not amount:
            return
        stated = amount if rounded is None else rounded
        self.charged[rule.levy] += stated
        if rule.gst:
            # a calculator takes GST on exact amounts, a note on the amounts that it states
            self.taxed[rule.levy] += stated if self.rounding is Rounding.CONTRACT_NOTE else amount
        self.details.append(
            ChargeDetail(
                levy=rule.levy,
                table=rule.table,
                base=rule.base,
                rate=rule.rate,
                counted_on=counted_on,
                amount=amount,
                taxed=rule.gst,
                source=rule.source,
                confidence=rule.confidence,
            )
        )

    def lines(self) -> dict[Levy, Decimal]:
        """Every line of the note, in the order of `Levy`, rounded as the profile says."""
        self._add_gst()
        if self.exact:
            return dict(self.charged)
        return {levy: round_half_up(self.charged[levy], _STEP.get(levy, PAISA)) for levy in Levy}

    def _add_gst(self) -> None:
        if not self.any_taxed:
            return
        (rule,) = holding(gst_rules(), NO_FACTS, self.trade_date, self.trade_date)
        taxable = self.taxed.values()
        if self.rounding is Rounding.CONTRACT_NOTE:
            base = sum((round_half_up(amount, PAISA) for amount in taxable), ZERO)
        else:
            base = sum(taxable, ZERO)
        self._add(rule, base, rule.rate * base)


def rule_warnings(tariff: BrokerTariff, facts: Facts, rules: tuple[ChargeRule, ...]) -> set[str]:
    """What a user should know of the rules that were chosen: unverified, disputed or stood in for."""
    warnings = {rule.warning for rule in rules if rule.warning}
    if tariff.market == "none":
        return warnings
    if facts.trade in ("exercise", "physical_delivery") and not any(r.levy is Levy.BROKERAGE for r in rules):
        warnings.add(
            "brokerage at expiry (exercise, physical delivery) is not in the tariff and is counted as 0; "
            "set settlement.fixed or settlement.percent"
        )
    if facts.trade == "mtf" and any(r.table.endswith(" delivery") for r in rules):
        warnings.add(f"{tariff.name}: no MTF brokerage is known, the delivery price is used; set mtf.percent")
    return warnings


def _grouped(
    orders: Sequence[ExecutedOrder], tariff: BrokerTariff, rounding: Rounding, warnings: set[str]
) -> dict[Facts, _Group]:
    calculator = rounding is Rounding.CALCULATOR
    groups: dict[Facts, _Group] = {}
    known: dict[tuple[object, ...], _Group] = {}
    of_order: dict[str, _Group] = {}
    for order in netted(orders) if tariff.net_same_day else orders:
        key = _key(order)
        group = known.get(key)
        if group is None:
            facts, warning = facts_of(order, calculator)
            if warning and tariff.market != "none":
                warnings.add(warning)
            group = known[key] = groups.setdefault(facts, _Group())
        if order.order_id and of_order.setdefault(order.order_id, group) is not group:
            raise InvalidValueError(
                f"order {order.order_id}: its fills differ in exchange, segment or product",
                hint="an order_id belongs to one order",
            )
        group.add(order)
    return groups


def _key(order: ExecutedOrder) -> tuple[object, ...]:
    """All that `facts_of` looks at: a symbol is read once, not once an order."""
    return (
        order.exchange,
        order.segment,
        order.product,
        order.symbol,
        order.kind,
        order.group,
        order.underlying,
        order.strike is None,
        order.event,
        order.liquidity,
        order.auto_square_off,
        order.agri,
        order.option_in_goods,
    )


def _same_day_warnings(orders: Sequence[ExecutedOrder]) -> set[str]:
    return {
        f"{security}: bought and sold for delivery on one day; charged as delivery, by product, though brokers "
        "bill the matched part as intraday: set net_same_day"
        for security, day in delivered(orders).items()
        if day.matched
    }
