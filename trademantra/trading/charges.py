"""What each fill costs, by the dated tables of a broker: the ledger's charges."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Order
from trademantra.core.time import ist_date
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder, bse_option_underlying
from trademantra.markets.charges.rules import ChargeRule, Facts
from trademantra.markets.charges.tables import bse_groups
from trademantra.markets.charges.tariffs import BrokerTariff
from trademantra.trading.fills import Execution
from trademantra.trading.positions import on_grid

_NOTHING = Decimal(0)
_MOST_KINDS = 1_000  # facts may name a symbol, so there is no small number of them
_KINDS = {InstrumentKind.SHARE: AssetKind.SHARE, InstrumentKind.BOND: AssetKind.BOND}


class ExecutionCharges:
    """Charges of an execution: what the order costs with it, less what it cost before.

    So brokerage that has a cap an order is right however many fills there are.  A fill is never held up by a fact that is
    missing: it is booked without charges, and `unknown` is told what is missing, for a person to add.
    """

    def __init__(self, tariff: BrokerTariff, unknown: Callable[[Order, str], None]) -> None:
        self._tariff, self._unknown = _RememberedRules.of(tariff), unknown

    def __call__(self, order: Order, execution: Execution) -> Decimal:
        day = ist_date(execution.at_ns)
        filled, value = execution.filled_after, execution.value_after
        try:
            after = self._total(order, filled, value, day)
            before = self._total(order, filled - execution.quantity, value - execution.value, day)
        except (MissingFactError, InvalidValueError) as error:
            self._unknown(order, error.message)
            return _NOTHING
        return on_grid(after - before)

    def _total(self, order: Order, quantity: Decimal, value: Decimal, day: date) -> Decimal:
        if not quantity:
            return _NOTHING
        return contract_note([_executed(order, quantity, value)], self._tariff, day, Rounding.UNROUNDED).total


@dataclass(frozen=True, slots=True, kw_only=True)
class _RememberedRules(BrokerTariff):
    """A tariff that looks up its rules once for orders of a kind and a day: at each fill that is most of the work."""

    known: dict[tuple[Facts, date, date, bool], tuple[ChargeRule, ...]] = field(
        default_factory=dict, compare=False
    )

    @classmethod
    def of(cls, tariff: BrokerTariff) -> "_RememberedRules":
        return cls(**{each.name: getattr(tariff, each.name) for each in fields(BrokerTariff)})

    def rules_for(
        self, facts: Facts, first: date, last: date, *, unrounded: bool = False
    ) -> tuple[ChargeRule, ...]:
        key = (facts, first, last, unrounded)
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= _MOST_KINDS:
                self.known.clear()
            found = BrokerTariff.rules_for(self, facts, first, last, unrounded=unrounded)
            self.known[key] = found
        return found


def no_charges(_order: Order, _execution: Execution) -> Decimal:
    """For accounts that are to have none."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class ChargedAs:
    """What of an instrument decides its rates; `symbol` is that of the underlying where there is one."""

    symbol: str
    kind: AssetKind | None
    group: str


def charged_as(instrument: Instrument) -> ChargedAs:
    """The same for the ledger and for the costs that a strategy counts with.

    A stock's option at BSE is known by its own symbol: that of the stock alone reads as an index (docs/charges.md).
    """
    symbol, series = instrument.underlying or instrument.symbol, instrument.series or ""
    if instrument.exchange is Exchange.BSE and instrument.segment is Segment.EQUITY_OPTIONS:
        _, unsure = bse_option_underlying(symbol)
        symbol = instrument.symbol if unsure else symbol
    kind = _KINDS.get(instrument.kind) if instrument.segment is Segment.EQUITY else None
    return ChargedAs(symbol, kind, series if series in bse_groups() else "")


def _executed(order: Order, quantity: Decimal, value: Decimal) -> ExecutedOrder:
    instrument, like = order.instrument, charged_as(order.instrument)
    return ExecutedOrder(
        exchange=instrument.exchange,
        segment=instrument.segment,
        product=order.product,
        side=order.side,
        symbol=instrument.symbol,
        quantity=quantity,
        price=value / quantity,
        order_id=order.order_id,
        isin=instrument.isin or "",
        kind=like.kind,
        group=like.group,
        underlying=like.symbol if instrument.underlying else "",
        strike=instrument.strike,
        right=instrument.right,
        multiplier=instrument.multiplier,
    )
