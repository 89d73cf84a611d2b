"""The limits of an account, typed: what each bounds, in which scope, and what happens when it is reached.

A limit that is None is not set.  The narrower scope never loosens the wider one: an order passes all of them.
Between two owners of limits (the account, the plan, the law) the tighter wins, field by field (`effective`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Protocol, TypeVar

from trademantra.core.instrument import Segment
from trademantra.core.order import Product
from trademantra.trading.risk import limit_kinds as kind


class Scope(StrEnum):
    """Over what a limit adds up."""

    ORDER = "order"
    STRATEGY = "strategy"
    """A strategy in one account."""
    ACCOUNT = "account"
    USER = "user"
    """All accounts of one user that this process serves."""
    INSTRUMENT = "instrument"
    """An instrument in one account, all strategies and products together."""
    SECTOR = "sector"
    """A sector in one account; instruments without a sector form one together."""


class BreachAction(StrEnum):
    """What a breach leads to, beside the order's refusal."""

    REDUCE = "reduce"
    """Cut the order to what still fits; refuse it when nothing does."""
    REFUSE = "refuse"
    PAUSE_STRATEGY = "pause_strategy"
    FLATTEN = "flatten"
    """Close what the scope holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimits:
    """Limits of one order.  Amounts in the instrument's currency, quantities in units.

    `max_price_deviation_percent`: how far limit, trigger and reference price may lie from the last price; options take
    the wider of `option_deviation_percent` of the premium and `option_deviation_amount`.
    `require_price_band`: prices must lie in the day's band, and the band must be known.
    `hand_order_percent`: what an order by hand may be worth, in percent of the account's own money; `hand_contract_percent`:
    the same for futures and sold options.  Orders of strategies are not asked: the same limits would hold in back-tests.
    """

    max_order_value: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_order_quantity: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_price_deviation_percent: Decimal | None = field(default=None, metadata={"kind": kind.PERCENT})
    option_deviation_percent: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    option_deviation_amount: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    require_price_band: bool | None = field(default=None, metadata={"kind": kind.FLAG})
    hand_order_percent: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    hand_contract_percent: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_price_age_seconds: Decimal | None = field(default=None, metadata={"kind": kind.AGE})
    duplicate_window_seconds: Decimal | None = field(default=None, metadata={"kind": kind.WINDOW})
    max_index_move_percent: Decimal | None = field(default=None, metadata={"kind": kind.PERCENT})
    allowed_products: frozenset[Product] | None = field(default=None, metadata={"kind": kind.PRODUCTS})
    allowed_segments: frozenset[Segment] | None = field(default=None, metadata={"kind": kind.SEGMENTS})
    allowed_hours: tuple[kind.Hours, ...] | None = field(default=None, metadata={"kind": kind.HOURS})


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLimits:
    """Limits of a strategy, an account or a user.

    Exposure is what is held and what works, as if filled on its worse side, at present prices; leverage is exposure
    by capital.  Losses are positive numbers and include charges.  `max_drawdown` counts from the highest result since
    the book was opened, over days; the profit lock is of one day: once its result reached `profit_lock_from`,
    `profit_lock_percent` of the highest is kept.  `max_consecutive_losses` closed trades in a row that lost stop entries
    for `loss_pause_minutes`, or for the day where that is not set.
    `max_correlated_positions` counts held instruments that move together with the asked one (`correlation_from`).
    """

    max_open_positions: int | None = field(default=None, metadata={"kind": kind.COUNT})
    max_trades_per_day: int | None = field(default=None, metadata={"kind": kind.COUNT})
    max_orders_per_second: int | None = field(default=None, metadata={"kind": kind.COUNT})
    max_exposure: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_leverage: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_daily_loss_realised: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_daily_loss_marked: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_drawdown: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    profit_lock_from: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    profit_lock_percent: Decimal | None = field(default=None, metadata={"kind": kind.KEPT_PERCENT})
    max_consecutive_losses: int | None = field(default=None, metadata={"kind": kind.COUNT})
    loss_pause_minutes: Decimal | None = field(default=None, metadata={"kind": kind.MINUTES})
    max_correlated_positions: int | None = field(default=None, metadata={"kind": kind.COUNT})
    correlation_from: Decimal | None = field(default=None, metadata={"kind": kind.CORRELATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLimits:
    """Limits of one instrument in one account, long and short of all strategies added up without netting.

    `max_range_percent`: highest to lowest price of the last `range_window_minutes`; beyond it entries wait.
    """

    max_position_quantity: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_position_value: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_range_percent: Decimal | None = field(default=None, metadata={"kind": kind.PERCENT})
    range_window_minutes: int | None = field(default=None, metadata={"kind": kind.RANGE_MINUTES})


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorLimits:
    """Limits of one sector in one account; the percentage is of the account's capital."""

    max_sector_exposure: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})
    max_sector_percent: Decimal | None = field(default=None, metadata={"kind": kind.AMOUNT})


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyLimits:
    """What is said of one strategy by name."""

    order: OrderLimits = OrderLimits()
    book: BookLimits = BookLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """All limits that one owner sets for an account.

    `strategy`, `instrument` and `sector` hold for each of them; what is set by name replaces those fields, except the
    order limits of a strategy, which add to those of the account.  `actions` by rule code replace a rule's own.
    """

    order: OrderLimits = OrderLimits()
    account: BookLimits = BookLimits()
    user: BookLimits = BookLimits()
    strategy: BookLimits = BookLimits()
    instrument: InstrumentLimits = InstrumentLimits()
    sector: SectorLimits = SectorLimits()
    strategies: Mapping[str, StrategyLimits] = field(default_factory=dict)
    instruments: Mapping[str, InstrumentLimits] = field(default_factory=dict)
    sectors: Mapping[str, SectorLimits] = field(default_factory=dict)
    actions: Mapping[str, BreachAction] = field(default_factory=dict)

    def of_strategy(self, strategy_id: str) -> BookLimits:
        named = self.strategies.get(strategy_id)
        return self.strategy if named is None else replaced(self.strategy, named.book)

    def of_orders(self, strategy_id: str) -> OrderLimits:
        named = self.strategies.get(strategy_id)
        return self.order if named is None else tighter(self.order, named.order)

    def of_instrument(self, key: str) -> InstrumentLimits:
        named = self.instruments.get(key)
        return self.instrument if named is None else replaced(self.instrument, named)

    def of_sector(self, sector: str) -> SectorLimits:
        named = self.sectors.get(sector)
        return self.sector if named is None else replaced(self.sector, named)


class PlanLimits(Protocol):
    """Where the limits of a user's plan come from (billing, later).  Asked when limits change, not for each order."""

    def limits_of(self, user_id: str) -> RiskLimits: ...


class NoPlan:
    """Nobody sells anything here: the account's own limits are all."""

    def limits_of(self, user_id: str) -> RiskLimits:
        return RiskLimits()


DEFAULT_LIMITS = RiskLimits(
    order=OrderLimits(
        max_price_deviation_percent=Decimal(5),
        # the widths from which the exchanges count an order as far from the market (specs/india-markets.md 4,
        # order-to-trade ratio, SURV73597, from 2026-04-06): the wider of 40 % of the premium and 20 rupees
        option_deviation_percent=Decimal(40),
        option_deviation_amount=Decimal(20),
        # a zero too many, not a rule of the market: twice the own money for what is paid in full or at an intraday margin of
        # a fifth and more; ten times for contracts, whose exchange margins are about a tenth of their value and more
        hand_order_percent=Decimal(200),
        hand_contract_percent=Decimal(1000),
        max_price_age_seconds=Decimal(30),
        duplicate_window_seconds=Decimal(1),
    ),
    # specs/india-markets.md 5.1, "what the platform must do" 1: 5 orders a second by default
    account=BookLimits(max_orders_per_second=5),
)
"""What holds when nobody chose.  Limits in money have no honest default: they depend on the capital."""

INDIA_LIVE_LIMITS = RiskLimits(account=BookLimits(max_orders_per_second=9))
"""What no setting may loosen in live accounts in India: below 10 orders a second per client, exchange and segment an
algorithm needs no registration (specs/india-markets.md 5.1; NSE INVG/67858, in force for every broker from 2026-04-01)."""

Group = TypeVar("Group", OrderLimits, BookLimits, InstrumentLimits, SectorLimits)


def tighter(one: Group, other: Group) -> Group:
    """The tighter of two, field by field; one that is not set gives way.

    >>> tighter(SectorLimits(max_sector_exposure=Decimal(5)), SectorLimits(max_sector_exposure=Decimal(3)))
    SectorLimits(max_sector_exposure=Decimal('3'), max_sector_percent=None)
    """
    changes: dict[str, object] = {}
    for each in fields(other):
        mine, theirs = getattr(one, each.name), getattr(other, each.name)
        if mine is None:
            changes[each.name] = theirs
        elif theirs is not None:
            limit: kind.LimitKind = each.metadata["kind"]
            changes[each.name] = limit.tighter(mine, theirs)
    return replace(one, **changes)  # type: ignore[arg-type]  # values of the same fields


def replaced(general: Group, named: Group) -> Group:
    """`general` with what `named` sets in its place."""
    changes = {each.name: value for each in fields(named) if (value := getattr(named, each.name)) is not None}
    return replace(general, **changes)


def chosen_or_default(chosen: RiskLimits) -> RiskLimits:
    """What an owner chose, and `DEFAULT_LIMITS` where he chose nothing."""
    return replace(
        chosen,
        order=replaced(DEFAULT_LIMITS.order, chosen.order),
        account=replaced(DEFAULT_LIMITS.account, chosen.account),
    )


_SEVERITY = MappingProxyType({action: number for number, action in enumerate(BreachAction)})


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """The limits of several owners together: what an order in the account must pass."""

    owners: Sequence[RiskLimits]

    def order(self, strategy_id: str) -> OrderLimits:
        return reduce(tighter, (each.of_orders(strategy_id) for each in self.owners), OrderLimits())

    def account(self) -> BookLimits:
        return reduce(tighter, (each.account for each in self.owners), BookLimits())

    def user(self) -> BookLimits:
        return reduce(tighter, (each.user for each in self.owners), BookLimits())

    def strategy(self, strategy_id: str) -> BookLimits:
        return reduce(tighter, (each.of_strategy(strategy_id) for each in self.owners), BookLimits())

    def instrument(self, key: str) -> InstrumentLimits:
        return reduce(tighter, (each.of_instrument(key) for each in self.owners), InstrumentLimits())

    def sector(self, sector: str) -> SectorLimits:
        return reduce(tighter, (each.of_sector(sector) for each in self.owners), SectorLimits())

    def action(self, rule: str) -> BreachAction | None:
        """The most severe that an owner asks for; None where none does."""
        asked = [each.actions[rule] for each in self.owners if rule in each.actions]
        return max(asked, key=_SEVERITY.__getitem__, default=None)
