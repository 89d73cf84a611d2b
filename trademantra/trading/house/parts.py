"""What a desk process is given, and what it is to run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeAlias

from trademantra.core.time import Clock
from trademantra.kit.database import Database
from trademantra.kit.secrets import SecretsBox
from trademantra.trading.accounts.account import Account
from trademantra.trading.feeds.hub_settings import HubSettings
from trademantra.trading.house.fact_parts import FactTimes
from trademantra.trading.house.pictures import TickSettings
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.runner.settings import RunnerSettings

SessionPlan: TypeAlias = Callable[[Account, Mapping[str, object]], Awaitable[SessionSpec]]
"""A session of an account from plain words (a table of `tm desk run`), after the go-live gate.  Errors: why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseParts:
    """What a desk process is given.  `clock` is that of the markets (the wall's, or a sandbox's), `wall` the real one.

    `say` hears one line for the owner at a time.  `square_off_minutes` before the broker's own square-off, intraday
    positions that are still there are closed.  `ticks`: how strategies that hear single prices are told them.
    `feeds`: when a source of prices counts as lost, and how it is gone round.  `plan` for sessions that begin later; None: none do.
    """

    home: Path
    database: Database
    box: SecretsBox | None
    clock: Clock
    wall: Clock
    random: Random
    say: Callable[[str], None]
    runner: RunnerSettings = field(default_factory=RunnerSettings)
    record: bool = True
    square_off_minutes: int = 3
    ticks: TickSettings = field(default_factory=TickSettings)
    facts: FactTimes = field(default_factory=FactTimes)
    feeds: HubSettings = field(default_factory=HubSettings)
    plan: SessionPlan | None = None

    @property
    def is_sandbox(self) -> bool:
        """Whether times of the markets are those of a sandbox, which may play another day."""
        return self.clock is not self.wall


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run: accounts by id (data sources too), and sessions.  `served`: accounts without a session, too."""

    accounts: Mapping[str, Account]
    sessions: Sequence[SessionSpec]
    served: Sequence[str] = ()

    @property
    def served_ids(self) -> Sequence[str]:
        """Accounts that are taken over, each once."""
        return list(dict.fromkeys([*(spec.account_id for spec in self.sessions), *self.served]))
