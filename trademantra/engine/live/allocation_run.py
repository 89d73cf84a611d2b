"""Target weights, live: at a rebalance close the differences go out as market orders, sales before purchases."""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.account import open_account
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.blame import blamed
from trademantra.engine.charging import LEVY_COUNT
from trademantra.engine.compile import compiled
from trademantra.engine.live.books import Hours
from trademantra.engine.live.series import place_of
from trademantra.engine.live.wants import (
    Drop,
    Enter,
    Leave,
    LiveFill,
    LiveSession,
    LiveTrade,
    Protection,
    Want,
    check_fill,
    trade_of,
)
from trademantra.engine.matching import DUST
from trademantra.engine.panel import (
    CLOSE,
    WEIGHTS,
    AllocationStrategy,
    Panel,
    WeightKernel,
    check_panel,
    settle,
)
from trademantra.engine.records import ACCOUNT, FILL, RULES, TRADE, EntryKind, Reason, RecordArray
from trademantra.engine.rules import Level, TradingRules
from trademantra.engine.signature import CUBE, INDEX, INTEGERS, NOTHING, NUMBER, VECTOR, records
from trademantra.engine.ticks import Tick
from trademantra.engine.timeline import Timeline
from trademantra.engine.weights import orders_of, worth_of
from trademantra.markets.charges.numeric import CHARGE_RULE

_AT_FIRST = 512  # bars
_UNGUARDED = Protection(nan, nan, Level(), Level(), Level(), nan)


@compiled(NOTHING(records(ACCOUNT), records(RULES)))
def _open_empty(accounts: RecordArray, rules: RecordArray) -> None:
    for j in range(len(accounts)):
        open_account(accounts[j], rules[0])
        accounts[j].cash = 0.0


@compiled(
    NUMBER(
        WEIGHTS, records(RULES), records(CHARGE_RULE), records(ACCOUNT), CUBE, INDEX, INDEX,
        VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, INTEGERS,
    )
)  # fmt: skip
def _rebalance_at(
    weigh: WeightKernel,
    rules: RecordArray,
    charges: RecordArray,
    accounts: RecordArray,
    values: Float64Array,
    i: int,
    day: int,
    parameters: Float64Array,
    state: Float64Array,
    last: Float64Array,
    weights: Float64Array,
    orders: Float64Array,
    counts: Int64Array,
) -> float:
    """Equity at close i; where the strategy is asked there (parameters are given), `orders` take it to its weights."""
    cash = rules[0].cash
    for j in range(len(accounts)):
        cash += accounts[j].cash
    equity = worth_of(rules[0], accounts, last, cash)
    orders[:] = 0.0
    if i >= 0 and equity > 0.0:
        orders_of(weigh, rules[0], charges, accounts, values, i, day, parameters, state, last, cash, equity, weights,
                  orders, counts)  # fmt: skip
    return float(equity)


@compiled(
    NOTHING(
        records(ACCOUNT), INDEX, records(RULES), records(CHARGE_RULE), VECTOR, records(FILL), records(TRADE), INTEGERS,
        INDEX, INDEX, INDEX, NUMBER, NUMBER, INDEX,
    )
)  # fmt: skip
def _settle_at(
    accounts: RecordArray,
    j: int,
    rules: RecordArray,
    charges: RecordArray,
    levies: Float64Array,
    fills: RecordArray,
    trades: RecordArray,
    counts: Int64Array,
    index: int,
    day: int,
    side: int,
    price: float,
    quantity: float,
    reason: int,
) -> None:
    settle(
        accounts[j],
        rules[0],
        charges,
        levies,
        fills,
        trades,
        counts,
        j,
        index,
        day,
        side,
        price,
        quantity,
        reason,
    )


class AllocationRun:
    """See `run.LiveRun`.  Instruments are kept in the order of their names, as in a panel."""

    hears_ticks = False

    def __init__(
        self,
        strategy: AllocationStrategy,
        symbols: Sequence[str],
        timeframe_ns: int,
        values: Mapping[str, float],
        rules: TradingRules,
        charges: RecordArray,
        bars_per_year: float,
    ) -> None:
        check_panel(strategy, len(symbols), rules)
        resolved = strategy.values(values)
        m = len(symbols)
        self._strategy, self._rules, self._charges = strategy, rules, charges
        self._symbols = tuple(sorted(symbols))
        self._timeframe_ns = timeframe_ns
        self._record = rules.record(bars_per_year)
        self._parameters = np.array([resolved[p.name] for p in strategy.parameters], np.float64)
        self._first, self._every = strategy.first_rebalance(resolved), int(resolved[strategy.every])
        self._state = np.zeros(strategy.state_size)
        self._accounts = np.zeros(m, ACCOUNT)
        self._levies = np.zeros(LEVY_COUNT)
        self._trades = np.empty(64, TRADE)
        self._counts = np.array([0, 0, 0, -1, -1], np.int64)
        self._last, self._weights, self._orders = np.full(m, nan), np.zeros(m), np.zeros(m)
        self._entering, self._leaving = np.zeros(m), np.zeros(m)  # quantities that work outside
        self._count = 0
        self._ts = np.zeros(0, np.int64)
        self._values = np.full((5, 0, m), nan)
        self._hours: Hours | None = None
        self._forming_ns = 0
        _open_empty(self._accounts, self._record)

    def warm_up(self, bars: Mapping[str, Bars], timelines: Mapping[str, Timeline]) -> None:
        if not bars or not any(len(one) for one in bars.values()):
            return
        for symbol, one in bars.items():
            self._place(symbol)
            one.check()
        panel = Panel.align(bars)
        columns = [self._place(symbol) for symbol in panel.symbols]
        for i, start_ns in enumerate(panel.ts.tolist()):
            row = self._row(start_ns)
            self._values[:, row, columns] = panel.values[:, i, :]
            self._rebalance(0)

    def on_session(self, session: LiveSession, auction: Mapping[str, float]) -> list[Want]:
        self._hours = Hours(session, self._timeframe_ns)
        return []

    def on_clock(self, now_ns: int) -> list[Want]:
        return []

    def on_bars(self, closed: Sequence[tuple[str, Bar]]) -> list[Want]:
        hours, asked = self._known_hours(), False
        for start_ns in sorted({bar.start_ns for _, bar in closed}):
            row = self._row(start_ns)
            for symbol, bar in closed:
                if bar.start_ns == start_ns:
                    self._values[:, row, self._place(symbol)] = (
                        bar.open,
                        bar.high,
                        bar.low,
                        bar.close,
                        bar.volume,
                    )
            asked = self._rebalance(hours.session.day)
        return self._wants() if asked else []

    def on_ticks(self, ticks: Sequence[Tick]) -> list[Want]:
        """It decides on bars."""
        del ticks
        return []

    def on_fill(self, fill: LiveFill) -> list[Want]:
        check_fill(fill)
        hours, j = self._known_hours(), self._place(fill.symbol)
        index = place_of(self._ts[: self._count], self._timeframe_ns, fill.at_ns)
        if index == self._count:
            self._forming_ns = hours.start_of(fill.at_ns)
        held, left = float(self._accounts[j]["quantity"]), fill.quantity
        if held * fill.side < 0.0:
            taken = min(left, abs(held))
            self._settle(j, index, fill, taken, Reason.SIGNAL)
            self._leaving[j] = max(0.0, self._leaving[j] - taken)
            left -= taken
        if left > DUST * fill.quantity:
            self._settle(j, index, fill, left, Reason.ENTRY)
            self._entering[j] = max(0.0, self._entering[j] - left)
        return []

    def on_entry_gone(self, symbol: str, text: str) -> list[Want]:
        self._entering[self._place(symbol)] = 0.0
        self._counts[2] += 1
        return []

    def position(self, symbol: str) -> float:
        return float(self._accounts[self._place(symbol)]["quantity"])

    @property
    def equity(self) -> float:
        return self._rebalanced(-1, 0)

    @property
    def refused(self) -> int:
        return int(self._counts[2])

    def leaving(self) -> dict[str, Reason]:
        """None: the next rebalance goes by what is held then."""
        return {}

    def trades(self) -> list[LiveTrade]:
        made = self._trades[: int(self._counts[1])]
        return [trade_of(each, self._symbols[int(each["instrument"])], self._start_of) for each in made]

    def _rebalance(self, day: int) -> bool:
        """Ask the strategy at the last close, if it is one at which it is asked."""
        i = self._count - 1
        closes = self._values[CLOSE, i]
        self._last = np.where(np.isnan(closes), self._last, closes)
        if i < self._first or (i - self._first) % self._every:
            return False
        with blamed(self._strategy.name):
            self._rebalanced(i, day)
        if self._counts[3] >= 0:
            raise InvalidValueError(
                f"strategy {self._strategy.name}: its weight of {self._symbols[int(self._counts[4])]} at bar {i} is "
                "not a finite number",
                hint="write 0 for what is not held; a missing bar is NaN and must be left out",
            )
        return True

    def _rebalanced(self, i: int, day: int) -> float:
        return float(
            _rebalance_at(
                self._strategy.kernel, self._record, self._charges, self._accounts, self._values, i, day,
                self._parameters, self._state, self._last, self._weights, self._orders, self._counts,
            )
        )  # fmt: skip

    def _wants(self) -> list[Want]:
        leaves: list[Want] = []
        drops: list[Want] = []
        enters: list[Want] = []
        worth = np.where(self._orders == 0.0, 0.0, self._orders * self._last)
        for j in np.argsort(worth, kind="mergesort").tolist():
            symbol, order = self._symbols[j], float(self._orders[j])
            if self._entering[j] > 0.0:
                drops.append(Drop(symbol))
                self._entering[j] = 0.0
            if order == 0.0:
                continue
            if self._leaving[j] > 0.0:  # an exit is still at work: what it leaves is for the next rebalance
                self._counts[2] += 1
                continue
            held, left = float(self._accounts[j]["quantity"]), abs(order)
            if held * order < 0.0:
                taken = min(left, abs(held))
                leaves.append(Leave(symbol, Reason.SIGNAL, nan if taken == abs(held) else taken))
                self._leaving[j] = taken
                left -= taken
            if left <= DUST * abs(order):
                continue
            side = 1 if order > 0.0 else -1
            enters.append(Enter(symbol, side, left, EntryKind.MARKET, nan, _UNGUARDED, float(self._last[j])))
            self._entering[j] = left
        return leaves + drops + enters

    def _settle(self, j: int, index: int, fill: LiveFill, quantity: float, reason: Reason) -> None:
        if self._counts[1] == len(self._trades):
            self._trades = np.concatenate([self._trades, np.empty_like(self._trades)])
        _settle_at(
            self._accounts, j, self._record, self._charges, self._levies, _NO_FILLS, self._trades, self._counts, index,
            self._known_hours().session.day, fill.side, fill.price, quantity, int(reason),
        )  # fmt: skip

    def _row(self, start_ns: int) -> int:
        """A new row of the panel.  Errors: `InvalidValueError` for a time that is not after the last one."""
        i = self._count
        if i and start_ns <= self._ts[i - 1]:
            raise InvalidValueError(
                f"the bars at {start_ns} are not after the last ones, at {int(self._ts[i - 1])}",
                hint="feed all bars that close at one instant together, once, in the order of time",
            )
        if i == len(self._ts):
            room = max(_AT_FIRST, 2 * i)
            ts, values = np.zeros(room, np.int64), np.full((5, room, len(self._symbols)), nan)
            ts[:i], values[:, :i] = self._ts, self._values
            self._ts, self._values = ts, values
        self._ts[i] = start_ns
        self._values[:4, i], self._values[4, i] = nan, 0.0
        self._count = i + 1
        return i

    def _place(self, symbol: str) -> int:
        try:
            return self._symbols.index(symbol)
        except ValueError as error:
            raise InvalidValueError(
                f"no instrument {symbol!r} in this run", hint=f"there are: {', '.join(self._symbols)}"
            ) from error

    def _start_of(self, index: int) -> int:
        return int(self._ts[index]) if index < self._count else self._forming_ns

    def _known_hours(self) -> Hours:
        if self._hours is None:
            raise InvalidValueError("no session has begun", hint="say on_session before fills and bars")
        return self._hours


_NO_FILLS = np.empty(0, FILL)
