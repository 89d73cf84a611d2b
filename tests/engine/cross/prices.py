"""Real prices for the cross-engine tests, and the same prices in whole ten-thousandths for the peers.

The peers average with running sums in floating point: at two averages that are equal in exact arithmetic they see
a crossing or none by the last bit.  Sums of whole numbers are exact, so in ten-thousandths of the currency their
averages tie exactly where ours do, and nothing has to be excused.  We run on the prices as they are quoted.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trademantra.data.sample.real import real_prices
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars
from trademantra.engine.timeline import by_days
from trademantra.markets.charges.numeric import ChargeRules
from trademantra.research.inputs import charges_for

INDIA = Path(__file__).parents[3].parent / "shared" / "data" / "india"
LONGEST = 4_000  # bars; backtesting.py walks them in Python
STEPS = 10_000  # of a unit of currency: every price here is whole in them


@dataclass(frozen=True)
class Market:
    """A series by its name: `SYMBOL`, which ships with the product, or `FILE:SYMBOL` of the class B files.

    `reach` scales the distances of stops and targets to what such bars move.
    """

    name: str
    reach: float = 1.0

    def __str__(self) -> str:
        return self.name

    def bars(self) -> Bars:
        """Class B has no licence and lies beside the project only: without it the test is skipped."""
        file, _, symbol = self.name.rpartition(":")
        if not file:
            [bars] = [each.bars for each in real_prices() if each.series.symbol == symbol]
            return bars
        path = INDIA / f"{file}.parquet"
        if not path.is_file():
            pytest.skip(f"{path} is not there: class B data lies beside the project only")
        table = pl.scan_parquet(path).filter(pl.col("symbol") == symbol).head(LONGEST).collect()
        ts = table["ts"].cast(pl.Datetime("ns", "Asia/Kolkata")).to_physical().to_numpy()
        columns = ("open", "high", "low", "close", "volume")
        return Bars.of(ts, *(table[name].to_numpy().astype(float) for name in columns))

    def given(self, fee: float) -> BacktestInput:
        """What our engine reads; `fee` is a fraction of each fill's value."""
        bars = self.bars()
        return BacktestInput({"X": bars}, {"X": by_days(bars.ts)}, charges(bars, fee))


SHIPPED = tuple(Market(symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT"))
INDIAN = tuple(
    Market(name, reach)
    for name, reach in (
        ("nse_15m_fno_2024_01_2025_06:RELIANCE", 0.25),
        ("nse_15m_fno_2024_01_2025_06:IDEA", 0.5),  # cheap: many averages tie
        ("nse_1m_stocks_2016_08:SBIN", 0.1),
    )
)
MARKETS = (*SHIPPED, *INDIAN)


def charges(bars: Bars, fee: float) -> ChargeRules | None:
    return charges_for(f"flat:{fee!r}", "NSE", {"X": bars}) if fee else None


def in_steps(bars: Bars) -> Bars:
    """The same bars with prices in whole steps."""
    prices = (np.rint(each * STEPS) for each in (bars.open, bars.high, bars.low, bars.close))
    return Bars.of(bars.ts, *prices, bars.volume)
