"""A market that waits: what one instant sets off is done before the next instant's prices come.

That is what makes a paper session on given prices repeatable, and equal to a back-test on them.
"""

import asyncio
from collections.abc import Callable, Sequence

from trademantra.trading.algos.host import AlgoBook
from trademantra.trading.journal import OrderJournal

_QUIET_TURNS = 4  # of the event loop: from a fill that is told to an order that is asked for in answer


async def settle(journal: OrderJournal, algos: AlgoBook, is_busy: Sequence[Callable[[], bool]]) -> None:
    """Return when orders, their answers and what follows from them are done, and nothing is on its way."""
    quiet = 0
    while quiet < _QUIET_TURNS:
        await asyncio.sleep(0)
        await algos.settled()
        if journal.is_busy:
            await journal.drained()
            quiet = 0
        elif any(busy() for busy in is_busy):
            quiet = 0
        else:
            quiet += 1
