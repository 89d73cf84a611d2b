"""Run an event strategy, and join what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.blame import blamed
from trademantra.engine.charging import no_charges
from trademantra.engine.event_loop import EventLoop
from trademantra.engine.events import EventStrategy, hears_ticks
from trademantra.engine.finer import Finer
from trademantra.engine.portfolio import Portfolio
from trademantra.engine.records import RecordArray
from trademantra.engine.rule_checks import check_rules
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.engine.tick_loop import TickLoop
from trademantra.engine.ticks import ToldRun
from trademantra.engine.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class EventOutcome:
    """One run: accounts (m,), levies (10,), fills and trades in time order, equity `curve` (n,) at `ts` (n,)."""

    symbols: tuple[str, ...]
    ts: Int64Array
    accounts: RecordArray
    levies: Float64Array
    fills: RecordArray
    trades: RecordArray
    curve: Float64Array
    refused: int
    own_sizes: int  # entries that the strategy sized itself


def run_events(
    strategy: EventStrategy,
    bars: Mapping[str, Bars],
    timelines: Mapping[str, Timeline],
    rules: TradingRules,
    charges: RecordArray | None = None,
    bars_per_year: float = 252.0,
    finer: Mapping[str, Finer] | None = None,
    told: ToldRun | None = None,
    own: Mapping[str, Terms] | None = None,
) -> EventOutcome:
    """Run an event strategy on one or many instruments that share one portfolio.

    `finer` decides what happens inside the bars of the instruments that it names.  A strategy that hears ticks is told
    their closes, or what a live run was told (`told`); the others see whole bars only.  `own`: instruments whose lot, tick
    or charges are not those of the run.

    Errors: `InvalidValueError` for no bars, and for a callback that raises, naming the strategy and the line.
    """
    if not bars or not all(len(one) for one in bars.values()):
        raise InvalidValueError("there are no bars to run on", hint="widen --from and --to, or import data")
    check_rules(
        strategy.name, rules, lambda: max(float(one.high.max()) for one in bars.values()), gives_stops=True
    )
    portfolio = Portfolio(
        bars, timelines, rules, no_charges() if charges is None else charges, bars_per_year, finer or {}, own
    )
    with blamed(strategy.name):
        loop = (
            TickLoop(strategy, portfolio, told)
            if hears_ticks(type(strategy))
            else EventLoop(strategy, portfolio)
        )
        loop.run()
    return _outcome(portfolio)


def _outcome(portfolio: Portfolio) -> EventOutcome:
    """Join the instruments: indices become those of the common clock, the curve follows from the fills."""
    books = portfolio.books
    ts = np.unique(np.concatenate([book.bars.ts for book in books])) if len(books) > 1 else books[0].bars.ts
    curve = np.full(len(ts), portfolio.rules.cash)
    accounts = portfolio.accounts.copy()
    all_fills, all_trades = [], []
    for book in books:
        unit = book.rules.multiplier
        at = np.searchsorted(ts, book.bars.ts)
        fills = book.fills[: int(book.record["fills"])].copy()
        trades = book.trades[: int(book.record["trades"])].copy()
        flow, held = np.zeros(len(ts)), np.zeros(len(ts))
        where = at[fills["index"]]
        np.add.at(flow, where, -fills["side"] * fills["quantity"] * fills["price"] * unit - fills["costs"])
        np.add.at(held, where, fills["side"] * fills["quantity"])
        prices = np.full(len(ts), nan)
        prices[at] = book.bars.close
        known = np.maximum.accumulate(np.where(np.isnan(prices), -1, np.arange(len(ts))))
        held = np.cumsum(held)
        held[np.abs(held) < 1e-9] = 0.0
        worth = np.where(held == 0.0, 0.0, held * unit * prices[np.maximum(known, 0)])
        curve += np.cumsum(flow) + worth
        fills["index"], fills["instrument"] = where, book.j
        trades["entry_index"], trades["exit_index"] = at[trades["entry_index"]], at[trades["exit_index"]]
        trades["instrument"] = book.j
        accounts["entry_index"][book.j] = at[accounts["entry_index"][book.j]]
        all_fills.append(fills)
        all_trades.append(trades)
    fills, trades = np.concatenate(all_fills), np.concatenate(all_trades)
    return EventOutcome(
        tuple(book.symbol for book in books),
        ts,
        accounts,
        portfolio.levies,
        fills[np.argsort(fills["index"], kind="stable")],
        trades[np.argsort(trades["exit_index"], kind="stable")],
        curve,
        portfolio.refused + int(portfolio.accounts["refused"].sum()),
        portfolio.own_sizes,
    )
