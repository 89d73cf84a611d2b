"""How backtesting.py 0.6.6 is driven to trade by our rules."""

from types import ModuleType

import numpy as np
import pandas as pd

from tests.engine.cross.prices import STEPS, in_steps
from tests.engine.cross.trade_list import TradeList, of_steps
from trademantra.engine.bars import Bars

CASH = 1e9
ALL = 1 - 1e-12  # its word for all cash: a fraction just below one


def run(
    backtesting: ModuleType,
    bars: Bars,
    strategy: type,
    *,
    fee: float,
    cash: float = CASH,
    **parameters: float,
) -> TradeList:
    """Trades of a strategy of its own kind: orders decided at a close fill at the next open; whole units only."""
    steps = in_steps(bars)
    columns = {name.title(): getattr(steps, name) for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.to_datetime(steps.ts))
    test = backtesting.Backtest(frame, strategy, cash=cash * STEPS, commission=fee, finalize_trades=False)
    closed = test.run(**parameters)["_trades"]
    size = closed["Size"].to_numpy()
    return of_steps(
        closed["EntryBar"].to_numpy(), closed["ExitBar"].to_numpy(), np.sign(size), closed["EntryPrice"].to_numpy(),
        closed["ExitPrice"].to_numpy(), np.abs(size), closed["PnL"].to_numpy(),
    )  # fmt: skip


def rolling_mean(values: object, length: int) -> np.ndarray:
    return pd.Series(values).rolling(length).mean().to_numpy()


def crossed(a: np.ndarray, b: np.ndarray) -> int:
    """Our definition of a crossing.  Its own `crossover` wants `a` strictly below before: a tie on the way loses it."""
    return int(a[-2] <= b[-2] and a[-1] > b[-1])


def cross_strategy(backtesting: ModuleType) -> type:
    """SMA cross as its users write it; protection by percent where asked, see the comments."""

    class Cross(backtesting.Strategy):
        fast, slow = 20, 100
        size = 10.0
        both_sides = 0
        # percent of the entry price, set at the close of the entry bar: the price is not known before
        stop = target = trail = 0.0
        # percent of the close that is decided on, handed in with the order
        bracket_stop = bracket_target = 0.0

        def init(self) -> None:
            self.quick = self.I(rolling_mean, self.data.Close, int(self.fast))
            self.late = self.I(rolling_mean, self.data.Close, int(self.slow))
            self.best = 0.0

        def next(self) -> None:
            self.protect()
            side = crossed(self.quick, self.late) - crossed(self.late, self.quick)
            held = np.sign(self.position.size)
            if side == 0 or side == held:
                return
            if held:
                self.position.close()
            if side > 0 or self.both_sides:
                self.enter(side)

        def enter(self, side: int) -> None:
            close, brackets = self.data.Close[-1], {}
            if self.bracket_stop:
                brackets["sl"] = close * (1 - side * self.bracket_stop / 100)
            if self.bracket_target:
                brackets["tp"] = close * (1 + side * self.bracket_target / 100)
            (self.buy if side > 0 else self.sell)(size=self.size, **brackets)

        def protect(self) -> None:
            for trade in self.trades:
                side = np.sign(trade.size)
                if trade.entry_bar == len(self.data) - 1:
                    self.best = trade.entry_price
                    if self.target:
                        trade.tp = trade.entry_price * (1 + side * self.target / 100)
                    if self.stop:
                        trade.sl = trade.entry_price * (1 - side * self.stop / 100)
                if self.trail:
                    best = self.data.High[-1] if side > 0 else self.data.Low[-1]
                    self.best = max(self.best, best) if side > 0 else min(self.best, best)
                    level = self.best * (1 - side * self.trail / 100)
                    if not trade.sl or side * (level - trade.sl) > 0:
                        trade.sl = level

    return Cross
