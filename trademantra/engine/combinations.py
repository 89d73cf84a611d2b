"""Run a signal strategy under one or many parameter sets: the Python side of `walk.run_all`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.charging import LEVY_COUNT, no_charges
from trademantra.engine.compile import IndicatorKernel
from trademantra.engine.finer import NO_FINER, Finer
from trademantra.engine.grid import level_scale_of, scale_of
from trademantra.engine.indicators.declare import Indicator, matrix_of
from trademantra.engine.indicators.risk import RETURN_DEVIATION
from trademantra.engine.indicators.volatility import ATR
from trademantra.engine.metrics import session_rate
from trademantra.engine.records import ACCOUNT, FILL, RULES, TRADE, RecordArray
from trademantra.engine.rule_checks import check_rules
from trademantra.engine.rules import TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline
from trademantra.engine.walk import SLOTS, run_all

NO_BANDS = np.empty((2, 0))
_NO_FILLS = np.empty(0, FILL)
_NO_TRADES = np.empty(0, TRADE)
_NO_CURVE = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Everything about the instrument that a run reads, prepared once and shared by every run on it.

    `matrix` (5, n); `bands` (2, n) lower and upper circuit limit per bar, or (2, 0); `charges` (r,) numeric rules.
    """

    bars: Bars
    timeline: Timeline
    matrix: Float64Array
    scale: float
    level_scale: float
    bands: Float64Array
    charges: RecordArray
    bars_per_year: float
    session_risk_free: float = 0.0
    finer: Finer = NO_FINER


def prepare(
    bars: Bars,
    timeline: Timeline,
    charges: RecordArray | None = None,
    bands: Float64Array = NO_BANDS,
    sessions_per_year: float = 252.0,
    risk_free_rate: float = 0.0,
    finer: Finer = NO_FINER,
    bars_per_year: float = 0.0,
) -> Market:
    """`bars_per_year` 0: counted from the bars.

    Errors: `InvalidValueError` for no bars, a timeline or bands of another length."""
    if len(bars) == 0:
        raise InvalidValueError("there are no bars to run on", hint="widen --from and --to, or import data")
    if len(timeline) != len(bars) or bands.shape[1] not in (0, len(bars)):
        raise InvalidValueError(
            f"{len(bars)} bars, {len(timeline)} timeline entries, {bands.shape[1]} price bands"
        )
    scale = scale_of(bars)
    return Market(
        bars,
        timeline,
        matrix_of(bars),
        scale,
        level_scale_of(bars, scale),
        np.ascontiguousarray(bands, dtype=np.float64),
        no_charges() if charges is None else charges,
        bars_per_year or sessions_per_year * len(bars) / len(timeline.ends),
        session_rate(risk_free_rate, sessions_per_year),
        finer,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Scores of m combinations: `accounts` (m,) records, `levies` (m, 10); and, for one, its whole course."""

    accounts: RecordArray
    levies: Float64Array
    fills: RecordArray
    trades: RecordArray
    curve: Float64Array


def run_combinations(
    strategy: SignalStrategy,
    market: Market,
    values: Sequence[Mapping[str, float]],
    rules: Sequence[TradingRules],
    *,
    score: bool = True,
    record: bool = False,
    workers: int | None = None,
) -> Outcome:
    """Run each parameter set of `values` under the rules of the same position.

    `score=False` leaves drawdown and return statistics out.  `record` keeps fills, trades and equity curve and
    needs exactly one combination.  Results do not depend on `workers`.
    """
    m, n = len(values), len(market.bars)
    if m == 0 or len(rules) != m or (record and m != 1):
        raise InvalidValueError(f"{m} parameter sets with {len(rules)} sets of rules cannot be run together")
    for rule in {id(rule): rule for rule in rules}.values():  # those of a sweep are mostly one object
        check_rules(
            strategy.name, rule, lambda: float(market.matrix[1].max()), gives_stops=strategy.has_levels
        )
    longest = max(strategy.warm_up(each) for each in values)
    if n <= longest + 1:
        raise InvalidValueError(
            f"strategy {strategy.name} needs more than {longest + 1} bars to warm up, there are {n}",
            hint="take a longer period or smaller lengths",
        )
    plan = _plan(strategy, values, rules)
    records = np.empty(m, RULES)
    ready: dict[int, RecordArray] = {}  # a sweep gives the same rules object to most of its combinations
    for k, own in enumerate(rules):
        if id(own) not in ready:
            ready[id(own)] = own.record(market.bars_per_year, market.session_risk_free)
        records[k] = ready[id(own)][0]
    parameters = np.array([[each[p.name] for p in strategy.parameters] for each in values], np.float64)
    capacity = n + 16 if record else 0
    shares = min(m, workers or os.cpu_count() or 1)
    import numba  # a run needs it; what only reads what a run is does not

    # Waking threads that have nothing to do costs more than a single run does (measured: 2.4 ms against 0.5).
    numba.set_num_threads(min(shares, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    while True:
        accounts = np.zeros(m, ACCOUNT)
        levies = np.zeros((m, LEVY_COUNT))
        fills = np.empty(2 * capacity, FILL) if record else _NO_FILLS
        trades = np.empty(capacity, TRADE) if record else _NO_TRADES
        curve = np.empty(n) if record else _NO_CURVE
        run_all(
            strategy.kernel, plan.slots, market.matrix, market.bands, market.finer.matrix,
            market.finer.inside, market.timeline.day, market.timeline.session,
            market.timeline.minute, market.timeline.ends, market.timeline.allowed, market.scale, market.level_scale, plan.slot, plan.row,
            plan.parameters, plan.state, int(plan.row[-1]), plan.uses, parameters.reshape(m, -1),
            max(1, strategy.state_size), strategy.has_levels, score, records, market.charges, accounts, levies,
            fills, trades, curve, shares,
        )  # fmt: skip
        if not record:
            return Outcome(accounts, levies, fills, trades, curve)
        made, closed = int(accounts["fills"][0]), int(accounts["trades"][0])
        if made <= len(fills) and closed <= len(trades):
            return Outcome(accounts, levies, fills[:made].copy(), trades[:closed].copy(), curve)
        capacity = max(made, closed)  # more than one round trip a bar: run again with room for all


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    slots: tuple[IndicatorKernel, ...]
    slot: Int64Array
    row: Int64Array
    parameters: Float64Array
    state: Int64Array
    uses: NDArray[np.int64]


def _plan(
    strategy: SignalStrategy, values: Sequence[Mapping[str, float]], rules: Sequence[TradingRules]
) -> _Plan:
    """Which distinct columns there are and which rows each combination reads."""
    distinct: dict[tuple[str, tuple[float, ...]], int] = {}
    indicators: list[Indicator] = []
    settings: list[tuple[float, ...]] = []

    def place(indicator: Indicator, arguments: tuple[float, ...]) -> int:
        key = (indicator.name, arguments)
        if key not in distinct:
            distinct[key] = len(indicators)
            indicators.append(indicator)
            settings.append(arguments)
        return distinct[key]

    wanted: list[tuple[list[int], int, int]] = []
    for each, rule in zip(values, rules, strict=True):
        columns = [place(column.indicator, column.values(strategy.name, each)) for column in strategy.columns]
        atr = place(ATR, ATR.values({})) if rule.needs_atr else -1
        deviation = place(RETURN_DEVIATION, RETURN_DEVIATION.values({})) if rule.needs_deviation else -1
        wanted.append((columns, atr, deviation))
    row = np.cumsum([0, *(len(indicator.outputs) for indicator in indicators)]).astype(np.int64)
    state = np.cumsum([0, *(i.state_size(s) for i, s in zip(indicators, settings, strict=True))]).astype(
        np.int64
    )
    kernels = list({indicator.name: indicator.kernel for indicator in indicators}.items())
    if len(kernels) > SLOTS:
        raise InvalidValueError(
            f"strategy {strategy.name} uses {len(kernels)} different indicators, at most {SLOTS}"
        )
    names = [name for name, _ in kernels]
    slots = [kernel for _, kernel in kernels] or [RETURN_DEVIATION.kernel]
    slots += [slots[0]] * (SLOTS - len(slots))
    uses = np.array(
        [
            [
                *(r for column in columns for r in range(int(row[column]), int(row[column + 1]))),
                int(row[atr]) if atr >= 0 else -1,
                int(row[deviation]) if deviation >= 0 else -1,
            ]
            for columns, atr, deviation in wanted
        ],
        np.int64,
    )
    width = max((len(setting) for setting in settings), default=0)
    parameters = np.zeros((len(settings), max(1, width)))
    for at, setting in enumerate(settings):
        parameters[at, : len(setting)] = setting
    slot = np.array([names.index(indicator.name) for indicator in indicators], np.int64)
    return _Plan(tuple(slots), slot, row, parameters, state, uses)
