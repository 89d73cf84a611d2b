"""How vectorbt 1.2 is driven to trade by our rules."""

from types import ModuleType

import numpy as np
import pandas as pd

from tests.engine.cross.prices import STEPS, in_steps
from tests.engine.cross.trade_list import TradeList, of_steps
from trademantra.engine.bars import Bars

CASH = 1e9


def run(
    vectorbt: ModuleType,
    bars: Bars,
    signals: dict[str, np.ndarray],
    *,
    fee: float,
    cash: float = CASH,
    quantity: float = np.inf,
    at_close: bool = False,
    **stops: object,
) -> TradeList:
    """Trades of signals given at the bars of their decision; `quantity` inf: all cash.

    It fills a signal at the bar that it stands on: for our next open, signals move on by one bar and meet its open.
    """
    steps = in_steps(bars)
    shift = 0 if at_close else 1
    moved = {
        name: np.concatenate((np.zeros(shift, bool), each[: len(each) - shift]))
        for name, each in signals.items()
    }
    portfolio = vectorbt.Portfolio.from_signals(
        steps.close,
        open=steps.open,
        high=steps.high,
        low=steps.low,
        price=steps.close if at_close else steps.open,
        size=quantity,
        init_cash=cash * STEPS,
        fees=fee,
        upon_opposite_entry="reverse",
        # protection from the price that was paid, filled at the level, or at the open where that is worse
        stop_entry_price="fillprice",
        stop_exit_price="stoplimit",
        **moved,
        **stops,
    )
    closed = portfolio.positions.closed.values
    return of_steps(
        closed["entry_idx"], closed["exit_idx"], np.where(closed["direction"] == 0, 1, -1), closed["entry_price"],
        closed["exit_price"], closed["size"], closed["pnl"],
    )  # fmt: skip


def crosses(vectorbt: ModuleType, bars: Bars, fast: int, slow: int) -> tuple[np.ndarray, np.ndarray]:
    """Its own averages and its own crossings, up and down."""
    close = pd.Series(in_steps(bars).close)
    quick, late = vectorbt.MA.run(close, fast), vectorbt.MA.run(close, slow)
    return quick.ma_crossed_above(late).to_numpy(), quick.ma_crossed_below(late).to_numpy()
