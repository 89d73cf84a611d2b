"""The contract suite: every scenario that an adapter must pass, by name.

A scenario knows only `BrokerAdapter` and `Venue`.  What a manifest does not declare, or a venue cannot produce, is
skipped with the reason.  A broker joins by a folder with a `venue.py` that offers `open_venue(folder)`; nothing else
names it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pathlib import Path

from tests.brokers.contract import (
    account_scenarios,
    fault_scenarios,
    market_scenarios,
    order_scenarios,
    session_scenarios,
)
from tests.brokers.contract.venue import Venue

LONGEST_SECONDS = 30.0
"""A scenario that waits longer waits in vain."""

Scenario = Callable[[Venue], Awaitable[None]]
OpenVenue = Callable[[Path], AbstractAsyncContextManager[Venue]]

SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for module in (
        session_scenarios,
        market_scenarios,
        order_scenarios,
        account_scenarios,
        fault_scenarios,
    )
    for scenario in module.SCENARIOS
}


def brokers() -> list[str]:
    """The folders beside this file that have a venue."""
    return sorted(found.parent.name for found in Path(__file__).parent.glob("*/venue.py"))


def open_venue_of(broker: str) -> OpenVenue:
    found: OpenVenue = import_module(f"tests.brokers.contract.{broker}.venue").open_venue
    return found


def play(broker: str, scenario: str, folder: Path) -> None:
    """Run one scenario, and search everything that was logged meanwhile for secrets."""
    heard = _Heard()
    root = logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        secrets, other_side = asyncio.run(_play(open_venue_of(broker), SCENARIOS[scenario], folder))
    finally:
        root.setLevel(level)
        root.removeHandler(heard)
    for name, line in heard.lines:
        if not name.startswith(other_side):
            assert not any(secret in line for secret in secrets), f"logger {name} shows a secret: {line}"


class _Heard(logging.Handler):
    """Everything that is logged, with its logger's name."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, self.format(record)))


async def _play(
    open_venue: OpenVenue, scenario: Scenario, folder: Path
) -> tuple[Collection[str], tuple[str, ...]]:
    """The secrets that were used, and the loggers that are not the adapter's."""
    async with open_venue(folder) as venue, asyncio.timeout(LONGEST_SECONDS):
        await scenario(venue)
        return [secret for secret in venue.secrets() if secret], tuple(venue.other_loggers)
