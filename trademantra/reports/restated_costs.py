"""What a run would have paid by its contract notes, rounded day by day, beside the exact amounts of the engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product, Side
from trademantra.engine.backtest import BacktestResult
from trademantra.markets.charges.note import Rounding, contract_note
from trademantra.markets.charges.orders import AssetKind, ExecutedOrder
from trademantra.markets.charges.rules import Levy
from trademantra.markets.charges.tariffs import BrokerTariff, tariff_of
from trademantra.reports.context import RunContext
from trademantra.reports.times import local_days

_EPOCH = date(1970, 1, 1)
_FIRST_MONTH_OF_THE_YEAR = 4  # India's financial year: 1 April to 31 March (Income-tax Act 1961, section 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """What the fills of a run were orders for.  `kind` None: told by each symbol, as a contract note does."""

    exchange: Exchange
    segment: Segment
    product: Product
    kind: AssetKind | None = None


@dataclass(frozen=True, slots=True)
class YearCosts:
    """Costs of one year: `unrounded` as the engine counted them, `notes` the sum of the contract notes by line."""

    year: str
    trading_days: int
    orders: int
    unrounded: Decimal
    notes: Mapping[Levy, Decimal]

    def of(self, levy: Levy) -> Decimal:
        """What the notes state for one line."""
        return self.notes.get(levy, Decimal())

    @property
    def total(self) -> Decimal:
        return sum(self.notes.values(), Decimal())


def financial_year(day: date) -> str:
    """India's financial year of a day.

    >>> financial_year(date(2025, 3, 31)), financial_year(date(2025, 4, 1))
    ('FY 2024-25', 'FY 2025-26')
    """
    first = day.year if day.month >= _FIRST_MONTH_OF_THE_YEAR else day.year - 1
    return f"FY {first}-{(first + 1) % 100:02d}"


def calendar_year(day: date) -> str:
    """The year of a day, for markets whose accounts follow the calendar."""
    return str(day.year)


def restated_costs(
    result: BacktestResult,
    broker: str | BrokerTariff,
    traded: Traded,
    zone: ZoneInfo,
    year_of: Callable[[date], str] = financial_year,
) -> tuple[YearCosts, ...]:
    """Put the fills of each day on one contract note and add the notes up by year, in time order.

    Each fill counts as one executed order, as in the engine.  Days follow the bar of the fill in `zone`.
    Errors: as `contract_note`: `MissingFactError` for a day that a table does not cover, `InvalidValueError` for a
    product that the segment does not have.
    """
    tariff = tariff_of(broker) if isinstance(broker, str) else broker
    fills = result.fills
    multiplier = Decimal(repr(result.rules.multiplier))
    days = local_days(result.ts[fills["index"]], zone) if len(fills) else np.empty(0, np.int64)
    by_day: dict[int, list[ExecutedOrder]] = {}
    exact: dict[int, Decimal] = {}
    columns = [fills[name].tolist() for name in ("instrument", "side", "quantity", "price", "costs")]
    for day, instrument, side, quantity, price, costs in zip(days.tolist(), *columns, strict=True):
        by_day.setdefault(day, []).append(
            ExecutedOrder(
                exchange=traded.exchange,
                segment=traded.segment,
                product=traded.product,
                side=Side.BUY if side > 0 else Side.SELL,
                symbol=result.symbols[instrument],
                quantity=Decimal(repr(quantity)),
                price=Decimal(repr(price)),
                multiplier=multiplier,
                kind=traded.kind,
            )
        )
        exact[day] = exact.get(day, Decimal()) + Decimal(repr(costs))
    years: dict[str, YearCosts] = {}
    for number in sorted(by_day):
        day, orders = _EPOCH + timedelta(days=number), by_day[number]
        note = contract_note(orders, tariff, day, Rounding.CONTRACT_NOTE)
        year = year_of(day)
        so_far = years.get(year, YearCosts(year, 0, 0, Decimal(), {}))
        years[year] = YearCosts(
            year,
            so_far.trading_days + 1,
            so_far.orders + len(orders),
            so_far.unrounded + exact[number],
            {levy: so_far.notes.get(levy, Decimal()) + amount for levy, amount in note.lines.items()},
        )
    return tuple(years.values())


def restated_run(result: BacktestResult, context: RunContext, segment: Segment) -> tuple[YearCosts, ...]:
    """As `restated_costs` for the broker and product that the costs of the run name; nothing where they name none.

    Invented and unnamed markets are charged as shares on NSE, as the run itself was.
    """
    broker, _, product = context.costs.partition(":")
    if broker in ("", "none", "flat"):
        return ()
    exchange = context.series[0].split(":")[0] if context.series else ""
    listed = exchange in list(Exchange)
    traded = Traded(
        exchange=Exchange(exchange) if listed else Exchange.NSE,
        segment=segment,
        product=Product(product.upper()),
        kind=None if listed or segment is not Segment.EQUITY else AssetKind.SHARE,
    )
    return restated_costs(result, broker, traded, context.zone)
