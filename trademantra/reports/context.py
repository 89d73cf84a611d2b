"""What a report says of a run besides its numbers."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from trademantra.core.bar import Timeframe
from trademantra.core.time import IST


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Words for the page and the JSON of a run.

    `title` and `idea` of the strategy; `series` as stored (`NSE:RELIANCE:15m`); `costs` says in words what trading cost
    (`zerodha, CNC`); `finer` names the series that decided what happened inside a bar; `notes` are what the reader must know (adjusted prices, synthetic data, no costs ...).  Times are
    shown in `zone`, money in `currency` (ISO 4217).  `benchmark` names the series that the run was compared with, and
    `command_line` repeats the run.
    """

    title: str
    timeframe: Timeframe
    idea: str = ""
    series: tuple[str, ...] = ()
    finer: tuple[str, ...] = ()
    costs: str = ""
    notes: tuple[str, ...] = ()
    zone: ZoneInfo = IST
    currency: str = "INR"
    benchmark: str = ""
    command_line: str = ""
