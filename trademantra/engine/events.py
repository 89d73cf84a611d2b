"""Event strategies: Python callbacks over the same compiled account and fill rules as every other run.

A strategy sees bars up to the present one and never beyond; what it asks for happens at the next open.
"""

from dataclasses import dataclass
from datetime import date
from math import inf, nan
from typing import ClassVar

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars
from trademantra.engine.chain import ChainRow, Chains
from trademantra.engine.compile import uncompiled
from trademantra.engine.grid import snapped
from trademantra.engine.matching import on_tick
from trademantra.engine.parameters import Parameter, resolve
from trademantra.engine.pool import Member, Pool
from trademantra.engine.records import EntryKind, LevelKind, Reason, Signal
from trademantra.engine.rule_checks import needs_a_stop
from trademantra.engine.rules import TradingRules
from trademantra.engine.ticks import Tick

_snapped = uncompiled(snapped)


class BarView:
    """The bar that a callback is about.  One object is reused for every bar: copy what you want to keep.

    `ts` nanoseconds UTC of its start, prices in currency, `minute` since the session opened, `index` within the series.
    """

    __slots__ = ("close", "high", "index", "low", "minute", "open", "session", "symbol", "ts", "volume")

    symbol: str
    index: int
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    minute: int
    session: int


class TickView:
    """The price that `on_tick` is about.  One object is reused for every tick: copy what you want to keep.

    `ts` nanoseconds UTC, `price` the last one, `bid` and `ask` the best of the other side, `volume` units traded today
    so far; NaN where it is not known.
    """

    __slots__ = ("ask", "bid", "price", "symbol", "ts", "volume")

    symbol: str
    ts: int
    price: float
    bid: float
    ask: float
    volume: float

    def show(self, tick: Tick) -> None:
        """Be about `tick` from now on."""
        self.symbol, self.ts, self.price = tick.symbol, tick.ts, tick.price
        self.bid, self.ask, self.volume = tick.bid, tick.ask, tick.volume


@dataclass(frozen=True, slots=True)
class FillEvent:
    """An execution as a strategy sees it."""

    symbol: str
    side: int
    quantity: float
    price: float
    costs: float
    reason: Reason


def event_of(symbol: str, fill: np.void) -> FillEvent:
    """A `FILL` record as a strategy sees it."""
    return FillEvent(
        symbol,
        int(fill["side"]),
        float(fill["quantity"]),
        float(fill["price"]),
        float(fill["costs"]),
        Reason(int(fill["reason"])),
    )


class EventStrategy:
    """A strategy of callbacks.  Subclass it, declare the class fields, override what you need.

    `times` are minutes since the session's open at which `on_time` is called, before that minute's bar is known; those
    below zero come before the open (-1 is 09:14 at NSE), after `on_session`, and orders of theirs go at the open.
    Parameters arrive as attributes of `self.values`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    idea: ClassVar[str]
    source: ClassVar[str]
    market: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    rules: ClassVar[TradingRules] = TradingRules()
    intraday: ClassVar[bool] = False
    times: ClassVar[tuple[int, ...]] = ()

    def __init__(self, **given: float) -> None:
        resolved = resolve(f"strategy {self.name}", self.parameters, given)
        self.values: dict[str, float] = dict(zip((p.name for p in self.parameters), resolved, strict=True))

    def on_start(self, context: "Context") -> None:
        """Once, before the first bar."""

    def on_session(self, context: "Context") -> None:
        """Before the first bar of a session; `context.preopen` is known, orders fill at that bar's open."""

    def on_time(self, context: "Context", minute: int) -> None:
        """At a minute of `times`; orders fill at the open of the bar that starts then."""

    def on_tick(self, context: "Context", tick: TickView) -> None:
        """At a price inside a bar that is not over; orders meet the prices that follow it.

        In a back-test the close of each finer bar is a tick at its end, or that of each bar where none are finer.
        """

    def on_bar(self, context: "Context", bar: BarView) -> None:
        """At the close of a bar; orders fill at the next open."""

    def on_fill(self, context: "Context", fill: FillEvent) -> None:
        """After each execution."""


def hears_ticks(strategy: type[EventStrategy]) -> bool:
    """Whether it overrides `on_tick`: others are told of none, and cost what they did without."""
    return strategy.on_tick is not EventStrategy.on_tick


class Context:
    """What a strategy can see and do.  Symbols may be left out when there is only one instrument."""

    def __init__(self, portfolio: Pool) -> None:
        self._portfolio = portfolio
        self._chains: Chains | None = None
        self.in_auction = False

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._portfolio.by_symbol)

    @property
    def equity(self) -> float:
        """Cash and positions at their last known prices."""
        return self._portfolio.equity

    def position(self, symbol: str = "") -> float:
        """Signed quantity held."""
        return float(self._book(symbol).record["quantity"])

    def history(self, symbol: str = "") -> Bars:
        """The finished bars so far, read-only: memory in which no later bar lies."""
        return self._book(symbol).past()

    def preopen(self, symbol: str = "") -> float:
        """Before the open: the price of the pre-open auction, which is the open of the session's first bar.

        That is in `on_session` and in `on_time` at minutes below zero; NaN elsewhere, where the instrument has no bar in
        this session's first minute, and live as long as the auction has no price (at NSE by 09:12).
        """
        return self._portfolio.auction_price(self._book(symbol).j) if self.in_auction else nan

    def chain(self, underlying: str = "", expiry: date | None = None) -> tuple[ChainRow, ...]:
        """The options among the instruments, by strike, with their last known prices (closes, or ticks that were heard).

        `underlying` may be left out where all are of one.  `expiry` None: the nearest one that is not over; empty when
        all are.  Options are told by their symbols: NIFTY23NOV2624500CE.
        Errors: `InvalidValueError` for an underlying or an expiry of which there are none.
        """
        if self._chains is None:
            self._chains = Chains(self._portfolio.books)
        return self._chains.rows(underlying, expiry, self._portfolio.today)

    def buy(
        self,
        symbol: str = "",
        *,
        quantity: float | None = None,
        limit: float | None = None,
        trigger: float | None = None,
        stop: float | None = None,
        target: float | None = None,
    ) -> None:
        """Enter long at market, at a limit or on a trigger; sized by the rules unless `quantity` is given.

        `stop` and `target` protect the position from its first fill on (prices; the rules' own distances otherwise).
        Errors: `InvalidValueError` for a number that is not finite and positive: an indicator that is still warming
        up gives NaN, and a stop of NaN is no stop.
        """
        self._enter(symbol, 1, quantity, limit, trigger, stop, target)

    def sell(
        self,
        symbol: str = "",
        *,
        quantity: float | None = None,
        limit: float | None = None,
        trigger: float | None = None,
        stop: float | None = None,
        target: float | None = None,
    ) -> None:
        """Enter short; see `buy`."""
        self._enter(symbol, -1, quantity, limit, trigger, stop, target)

    def exit(self, symbol: str = "") -> None:
        """Leave the position at market and cancel a working entry."""
        book = self._book(symbol)
        book.record["entry_side"] = 0
        if book.record["quantity"] != 0.0:
            self._portfolio.want_out(book, Reason.SIGNAL)

    def cancel(self, symbol: str = "") -> None:
        """Cancel a working entry."""
        self._book(symbol).record["entry_side"] = 0

    def _book(self, symbol: str) -> Member:
        if not symbol and self._portfolio.only is not None:
            return self._portfolio.only
        try:
            return self._portfolio.by_symbol[symbol]
        except KeyError as error:
            raise InvalidValueError(
                f"no instrument {symbol!r} in this run",
                hint=f"there are: {', '.join(list(self._portfolio.by_symbol)[:8])}",
            ) from error

    def _enter(
        self,
        symbol: str,
        side: int,
        quantity: float | None,
        limit: float | None,
        trigger: float | None,
        stop: float | None,
        target: float | None,
    ) -> None:
        self._order(
            symbol,
            side,
            self._given(symbol, "quantity", quantity),
            self._given(symbol, "limit", limit),
            self._given(symbol, "trigger", trigger),
            self._given(symbol, "stop", stop),
            self._given(symbol, "target", target),
        )

    def _given(self, symbol: str, name: str, value: float | None) -> float:
        """A number of the strategy, as the records hold it: NaN where it gave none."""
        if value is None:
            return nan
        if not 0.0 < value < inf:
            raise InvalidValueError(
                f"{self._book(symbol).symbol}: {name} must be a positive number, got {value!r}",
                hint="leave it out where there is none; an indicator that is still warming up gives NaN",
            )
        return float(value)

    def _order(
        self,
        symbol: str,
        side: int,
        quantity: float,
        limit: float,
        trigger: float,
        stop: float,
        target: float,
    ) -> None:
        book, rules = self._book(symbol), self._portfolio.rules
        record, i = book.record, book.i + 1
        allowed = rules.allow_long if side > 0 else rules.allow_short
        signal = Signal.ENTER_LONG if side > 0 else Signal.ENTER_SHORT
        held = float(record["quantity"])
        full = held * side > 0.0 and record["exit_reason"] == 0 and record["entries"] >= rules.max_entries
        if not allowed or full or not self._portfolio.may_enter(book.j, int(signal)):
            self._portfolio.refused += 1
            return
        if quantity == quantity:
            self._portfolio.own_sizes += 1
        if quantity != quantity and stop != stop and needs_a_stop(rules):
            raise InvalidValueError(
                f"{book.symbol}: size risk needs the distance to a stop, and there is none",
                hint="context.buy(stop=...), or a rule such as --stop 2%, or another --size",
            )
        atr = book.atr_now
        if atr != atr and LevelKind.ATR in (rules.stop.kind, rules.target.kind, rules.trail.kind):
            self._portfolio.refused += 1  # the protection that the rules ask for has no distance yet
            return
        if held * side < 0.0:
            self._portfolio.want_out(book, Reason.SIGNAL)
        limit, trigger, stop, target = (
            _snapped(level, book.level_scale) for level in (limit, trigger, stop, target)
        )
        limit, trigger = (on_tick(book.rules.tick, side, level) for level in (limit, trigger))
        kind = EntryKind.MARKET if limit != limit and trigger != trigger else EntryKind.LIMIT
        if trigger == trigger:
            kind = EntryKind.STOP
        for name, value in (
            ("entry_side", side), ("entry_kind", int(kind)), ("entry_price", trigger if trigger == trigger else limit),
            ("entry_left", quantity), ("entry_stop", stop), ("entry_target", target), ("entry_atr", atr),
            ("entry_deviation", self._portfolio.deviation_of(book)), ("entry_age", 0), ("entry_fresh", 1),
        ):  # fmt: skip
            record[name] = value
        book.due = i
        if rules.as_live:
            price = self.preopen(book.symbol)
            self._portfolio.size_entry(book, price if price == price else book.last)
