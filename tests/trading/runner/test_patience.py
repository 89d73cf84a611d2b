"""Who computes or sleeps is late; who gets no processor is waited for, within bounds."""

import asyncio
from itertools import chain, repeat

import pytest

from trademantra.trading.runner.patience import Patience, Usage, usage_of

PERIOD = 0.01


@pytest.mark.parametrize(
    ("usages", "looks"),
    [
        ([Usage(0.0, True), Usage(PERIOD * 0.9, True)], 2),  # it computes
        ([Usage(0.0, True), Usage(0.0, False)], 2),  # it sleeps
        ([Usage(0.0, True), Usage(0.001, True), Usage(0.002, True), Usage(0.002, False)], 4),
        ([Usage(0.0, True)] * 9, 5),  # starved, but not for ever: the fifth period is the last
        ([None, None], 2),  # nobody can tell
    ],
)
def test_the_time_ends(usages, looks):
    async def play():
        seen = []
        ahead = chain(usages, repeat(usages[-1]))

        def usage():
            seen.append(next(ahead))
            return seen[-1]

        async def wait():
            async with asyncio.timeout(None) as limit:
                Patience(limit, PERIOD, 5, usage)
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await wait()
        return len(seen)

    assert asyncio.run(play()) == looks


def test_nothing_ends_after_the_answer():
    async def play():
        async with asyncio.timeout(None) as limit:
            patience = Patience(limit, 1e-9, 5, lambda: None)
            patience.again()
            patience.end()
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(play())


def test_a_process_that_computes_is_seen():
    import os

    own = usage_of(os.getpid())
    if own is None:
        pytest.skip("no /proc on this system")
    assert own.wants_to_run
    assert own.seconds > 0.0
