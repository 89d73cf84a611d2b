"""Decisions that come too late: positions are left all the same, entries are not made, and the run is told so."""

from collections.abc import Sequence

from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.live.wants import Enter, Want
from trademantra.trading.runner.workers import StrategyWorkers

DECIDES_NS = 10 * NANOSECONDS_PER_MINUTE
"""After the open, or after the end of a bar: later, what a back-test fills there would meet other prices."""
LATE = "the desk was too late for it"


async def ways_out(
    workers: StrategyWorkers, run_id: str, wants: Sequence[Want], why: str = LATE
) -> list[Want]:
    """What is still to be done of them: what leaves and what is taken back."""
    kept: list[Want] = [want for want in wants if not isinstance(want, Enter)]
    for want in wants:
        if isinstance(want, Enter):
            answer = await workers.entry_gone(run_id, want.symbol, why)
            kept += [each for each in answer if not isinstance(each, Enter)]
    return kept
