"""Bars of many instruments on one clock: a panel, and the portfolio walk over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Protocol

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.account import execute, finish_trade, open_account
from trademantra.engine.bars import Bars, Float64Array, Int8Array, Int64Array
from trademantra.engine.charging import LEVY_COUNT, no_charges
from trademantra.engine.compile import compiled, part
from trademantra.engine.matching import slipped, whole_lots
from trademantra.engine.parameters import Parameter, resolve
from trademantra.engine.records import (
    ACCOUNT,
    FILL,
    RULES,
    TRADE,
    AccountRecord,
    Reason,
    RecordArray,
    RulesRecord,
    SizeKind,
)
from trademantra.engine.rules import TradingRules
from trademantra.engine.signature import CODES, CUBE, INDEX, INTEGERS, NOTHING, VECTOR, records
from trademantra.engine.sizing import affordable_buy
from trademantra.engine.timeline import Timeline
from trademantra.engine.weights import orders_of, worth_of
from trademantra.markets.charges.numeric import CHARGE_RULE

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
BY_SIGNAL, ENTRY = int(Reason.SIGNAL), int(Reason.ENTRY)
_PLAIN = TradingRules()


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Aligned bars: `values` (5, n, m) are open, high, low, close, volume of m instruments at n times.

    A bar that an instrument does not have is NaN (and volume 0); nothing is filled forward here.
    """

    symbols: tuple[str, ...]
    ts: Int64Array
    values: Float64Array

    @classmethod
    def align(cls, bars: Mapping[str, Bars]) -> "Panel":
        """Panel over the union of all times.  Errors: `InvalidValueError` when there is nothing, or no overlap."""
        if not bars:
            raise InvalidValueError("a panel needs at least one instrument")
        symbols = tuple(sorted(bars))
        ts = np.unique(np.concatenate([bars[symbol].ts for symbol in symbols]))
        values = np.full((5, len(ts), len(symbols)), nan)
        values[VOLUME] = 0.0
        for column, symbol in enumerate(symbols):
            one = bars[symbol]
            at = np.searchsorted(ts, one.ts)
            for row, prices in enumerate((one.open, one.high, one.low, one.close, one.volume)):
                values[row, at, column] = prices
        present = ~np.isnan(values[CLOSE])
        if len(symbols) > 1 and not (present.sum(axis=1) > 1).any():
            raise InvalidValueError(
                f"the bars of {', '.join(symbols[:5])} never fall on the same time",
                hint="use one timeframe and instruments of one exchange session",
            )
        return cls(symbols, ts, values)

    def __len__(self) -> int:
        return len(self.ts)


class WeightKernel(Protocol):
    """Write target weights (fractions of equity, negative is short) for the close of bar `i` into `weights` (m,).

    `values` is the panel's (5, n, m); reads no bar after i; NaN marks an absent bar.  `state` is the kernel's own.
    """

    def __call__(
        self,
        values: Float64Array,
        i: int,
        parameters: Float64Array,
        state: Float64Array,
        weights: Float64Array,
    ) -> None: ...


WEIGHTS = NOTHING(CUBE, INDEX, VECTOR, VECTOR, VECTOR)


def weight_kernel(function: WeightKernel) -> WeightKernel:
    """A `WeightKernel`, compiled at import."""
    return compiled(WEIGHTS)(function)


@dataclass(frozen=True, slots=True)
class AllocationStrategy:
    """A compiled rule on a panel: target weights at rebalance bars.

    `every` names the parameter that holds the number of bars between rebalances; `warm_up` names those whose sum
    is the number of bars before the first one.
    """

    name: str
    title: str
    idea: str
    source: str
    market: str
    parameters: tuple[Parameter, ...]
    kernel: WeightKernel
    every: str
    warm_up: tuple[str, ...]
    state_size: int = 1
    least_instruments: int = 2
    most_instruments: int = 100_000
    rules: TradingRules = field(default_factory=TradingRules)

    def values(self, given: Mapping[str, float]) -> dict[str, float]:
        """All parameters.  Errors: `InvalidValueError` naming strategy, parameter and what is allowed."""
        resolved = resolve(f"strategy {self.name}", self.parameters, given)
        return dict(zip((p.name for p in self.parameters), resolved, strict=True))

    def first_rebalance(self, values: Mapping[str, float]) -> int:
        """The first bar at whose close weights are set."""
        return int(sum(values[name] for name in self.warm_up))

    def rebalances(self, n: int, values: Mapping[str, float]) -> Int8Array:
        """Mask (n,) of the bars at whose close weights are set."""
        mask = np.zeros(n, np.int8)
        mask[self.first_rebalance(values) :: int(values[self.every])] = 1
        return mask


@part
def settle(
    account: AccountRecord,
    rules: RulesRecord,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    counts: Int64Array,
    instrument: int,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
    reason: int,
) -> float:
    """Execute for one instrument and keep the portfolio's own lists; the change of cash."""
    before = account.cash
    opening = account.quantity * side >= 0.0
    costs_before = account.costs
    execute(account, rules, charges, levies, fills[:0], index, day, side, price, quantity, reason)
    if counts[0] < len(fills):
        fill = fills[counts[0]]
        fill.instrument = instrument
        fill.index = index
        fill.side = side
        fill.quantity = quantity
        fill.price = price
        fill.costs = account.costs - costs_before
        fill.reason = reason
    counts[0] += 1
    if not opening and account.quantity == 0.0:
        finish_trade(account, rules, trades, -side, index, reason, counts[1])
        if counts[1] < len(trades):
            trades[counts[1]].instrument = instrument
        counts[1] += 1
    return float(account.cash - before)


@compiled(
    NOTHING(
        WEIGHTS,
        CUBE,
        INTEGERS,
        CODES,
        VECTOR,
        INDEX,
        records(RULES),
        records(CHARGE_RULE),
        records(ACCOUNT),
        VECTOR,
        records(FILL),
        records(TRADE),
        INTEGERS,
        VECTOR,
        INDEX,
    )
)
def run_panel(
    weigh: WeightKernel,
    values: Float64Array,
    day: Int64Array,
    rebalance: Int8Array,
    parameters: Float64Array,
    state_size: int,
    rules_array: RecordArray,
    charges: RecordArray,
    accounts: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    counts: Int64Array,
    curve: Float64Array,
    first: int,
) -> None:
    """Take a portfolio through the panel.

    Each instrument keeps an account record of its own, whose cash is what it has cost or earned so far; free cash is
    the opening cash and the sum of those.  Orders of one rebalance: sells first, then buys, smallest value first;
    a buy that cash does not cover is cut.  `counts` (5,): fills, trades, refused; bar and instrument of a weight that
    is not a number, which ends the run, or -1.  Before bar `first` weights are set and nothing is ordered.
    """
    rules = rules_array[0]
    n, m = values.shape[1], values.shape[2]
    state = np.zeros(state_size)
    weights = np.zeros(m)
    orders = np.zeros(m)  # signed quantities that wait for their fill
    last = np.full(m, nan)  # last known close
    scratch = np.zeros(LEVY_COUNT)
    bar = np.empty(5)
    waiting = False
    cash = rules.cash
    for j in range(m):
        open_account(accounts[j], rules)
        accounts[j].cash = 0.0
    for i in range(n):
        for when in range(2):  # 0: at the open, orders of the last close; 1: at the close, when rules say so
            if when == 1:
                for j in range(m):
                    if values[CLOSE, i, j] == values[CLOSE, i, j]:
                        last[j] = values[CLOSE, i, j]
                equity = worth_of(rules, accounts, last, cash)
                curve[i] = equity
                if rebalance[i] == 0 or equity <= 0.0:
                    continue
                if not orders_of(weigh, rules, charges, accounts, values, i, day[i], parameters, state, last, cash,
                                 equity, weights, orders, counts):  # fmt: skip
                    return
                if i < first:
                    continue
                waiting = True
                if rules.same_close == 0:
                    continue
            if not waiting or (when == 0 and rules.same_close == 1):
                continue
            waiting = False
            row = CLOSE if rules.same_close == 1 else OPEN
            worth = np.empty(m)
            for j in range(m):
                price = values[row, i, j]
                worth[j] = orders[j] * price if price == price else 0.0
            for j in np.argsort(worth, kind="mergesort"):
                if worth[j] == 0.0:
                    counts[2] += 1 if orders[j] != 0.0 else 0  # its bar is missing: the order lapses
                    continue
                side = 1 if worth[j] > 0.0 else -1
                for row_of in range(5):
                    bar[row_of] = values[row_of, i, j]
                price = slipped(rules.slippage_kind, rules.slippage, rules.tick, side, bar[row], bar[1], bar[2],
                                bar[4], abs(orders[j]))  # fmt: skip
                account = accounts[j]
                left = abs(orders[j])
                if account.quantity * side < 0.0:  # a reduction first, then, past zero, a new position
                    part_one = min(left, abs(account.quantity))
                    cash += settle(account, rules, charges, levies, fills, trades, counts, j, i, day[i], side, price,
                                   part_one, BY_SIGNAL)  # fmt: skip
                    left -= part_one
                if left <= 1e-9 * abs(orders[j]):
                    continue
                if side > 0 and rules.as_live == 0:
                    left = min(left, affordable_buy(rules, charges, cash, price, day[i], scratch))
                left = whole_lots(rules.lot, left)
                if left <= 0.0:
                    counts[2] += 1
                    continue
                cash += settle(account, rules, charges, levies, fills, trades, counts, j, i, day[i], side, price,
                               left, ENTRY)  # fmt: skip
            if rules.as_live == 1:  # added up so that the order in which fills come changes no bit
                cash = rules.cash
                for j in range(m):
                    cash += accounts[j].cash
            if when == 1:
                curve[i] = worth_of(rules, accounts, last, cash)


def check_panel(strategy: AllocationStrategy, m: int, rules: TradingRules) -> None:
    """Errors: `InvalidValueError` for a number of instruments, or rules, that the strategy does not take."""
    if m < strategy.least_instruments:
        raise InvalidValueError(
            f"strategy {strategy.name} needs at least {strategy.least_instruments} instruments, got {m}",
            hint="give --symbol several times",
        )
    if m > strategy.most_instruments:
        raise InvalidValueError(
            f"strategy {strategy.name} takes at most {strategy.most_instruments} instruments, got {m}",
            hint=f"choose {strategy.most_instruments} with --symbol",
        )
    _refuse_other_rules(strategy, rules)


def _refuse_other_rules(strategy: AllocationStrategy, rules: TradingRules) -> None:
    """Weights say all that a portfolio holds; a rule that would be left out must not look as if it worked."""
    for name in ("stop", "target", "trail", "time_exit", "entry_valid", "participation"):
        if getattr(rules, name) != getattr(_PLAIN, name):
            raise InvalidValueError(
                f"strategy {strategy.name}: {name} does not apply to target weights",
                hint="leave it out, or use a signal or event strategy",
            )
    if rules.size.kind not in (SizeKind.EQUITY, SizeKind.EQUAL, SizeKind.INVERSE_VOLATILITY):
        raise InvalidValueError(
            f"strategy {strategy.name}: weights are fractions of equity, size {rules.size.kind.name.lower()} is not",
            hint="give equity:1 (a factor for all weights), equal:N or inverse:V",
        )


@dataclass(frozen=True, slots=True, eq=False)
class PanelOutcome:
    """One portfolio run: `accounts` (m,) records, `levies` (10,), fills, trades, equity curve (n,), refused orders."""

    accounts: RecordArray
    levies: Float64Array
    fills: RecordArray
    trades: RecordArray
    curve: Float64Array
    refused: int


def run_allocation(
    strategy: AllocationStrategy,
    panel: Panel,
    timeline: Timeline,
    values: Mapping[str, float],
    rules: TradingRules,
    charges: RecordArray | None = None,
    bars_per_year: float = 252.0,
    first: int = 0,
) -> PanelOutcome:
    """Run an allocation strategy.  `values` as given by `strategy.values`; `rules.size` scales or replaces weights.

    Bars before `first` warm up: weights are worked out and nothing is ordered.

    Errors: `InvalidValueError` for too few instruments or bars, and for a weight that is not a number.
    """
    n, m = panel.values.shape[1:]
    check_panel(strategy, m, rules)
    rebalance = strategy.rebalances(n, values)
    if not rebalance.any():
        raise InvalidValueError(
            f"strategy {strategy.name} never rebalances within {n} bars",
            hint="take a longer period or smaller lengths",
        )
    parameters = np.array([values[p.name] for p in strategy.parameters], np.float64)
    capacity = 2 * m * (int(rebalance.sum()) + 1)
    accounts, levies, counts, curve = (
        np.zeros(m, ACCOUNT),
        np.zeros(LEVY_COUNT),
        np.array([0, 0, 0, -1, -1], np.int64),
        np.empty(n),
    )
    fills, trades = np.empty(capacity, FILL), np.empty(capacity, TRADE)
    run_panel(
        strategy.kernel, panel.values, timeline.day, rebalance, parameters, strategy.state_size,
        rules.record(bars_per_year), no_charges() if charges is None else charges, accounts, levies, fills, trades,
        counts, curve, first,
    )  # fmt: skip
    if counts[3] >= 0:
        when = np.datetime64(int(panel.ts[counts[3]]), "ns").astype("datetime64[s]")
        raise InvalidValueError(
            f"strategy {strategy.name}: its weight of {panel.symbols[counts[4]]} at bar {counts[3]} ({when}Z) is not a "
            "finite number",
            hint="write 0 for what is not held; a missing bar is NaN and must be left out",
        )
    return PanelOutcome(
        accounts, levies, fills[: counts[0]].copy(), trades[: counts[1]].copy(), curve, int(counts[2])
    )
