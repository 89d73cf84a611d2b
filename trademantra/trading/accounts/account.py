"""An account of the desk: what is fixed for its life, and what may change."""

import re
from dataclasses import dataclass, field

from trademantra.core.errors import InvalidValueError
from trademantra.trading.accounts.settings import (
    AccountMode,
    AccountSettings,
    Broker,
    PaperAccountSettings,
    ZerodhaAccountSettings,
)
from trademantra.trading.go_live import GoLiveThresholds
from trademantra.trading.policy import OutsideHours
from trademantra.trading.risk.limits import RiskLimits

OWNER = "owner"
"""User id of the one person who uses this installation, until there are users."""
OWN = "own"
"""Data source of an account that sees the prices of its own broker."""
_LONGEST_SOURCES = 60  # letters, with commas: what the table holds

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_TAKEN = frozenset({OWN, "all", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account.  `account_id` is the name that its owner types; it, `user_id`, `broker` and `mode` never change.

    `data_sources`: the accounts whose prices it sees, or `OWN`: the first that works is heard.  `rest_target`: whether targets rest at the broker beside
    the stop, or are watched by the desk.  `go_live`: what a paper record must reach before a strategy trades here live.
    Times in ns UTC; `closed_ns` None: open.
    Errors: `InvalidValueError` for a contradiction.
    """

    account_id: str
    broker: Broker
    mode: AccountMode
    settings: AccountSettings
    user_id: str = OWNER
    title: str = ""
    data_sources: tuple[str, ...] = (OWN,)
    limits: RiskLimits = field(default_factory=RiskLimits)
    outside_hours: OutsideHours = OutsideHours.REFUSE
    rest_target: bool = True
    go_live: GoLiveThresholds = field(default_factory=GoLiveThresholds)
    created_ns: int = 0
    closed_ns: int | None = None

    @property
    def prices_from(self) -> tuple[str, ...]:
        """The accounts whose prices it sees, the preferred one first."""
        return tuple(self.account_id if name == OWN else name for name in self.data_sources)

    @property
    def feed(self) -> str:
        """The name of its prices: accounts with the same sources in the same order share one feed."""
        return "+".join(self.prices_from)

    def __post_init__(self) -> None:
        check_name(self.account_id)
        kind = PaperAccountSettings if self.broker is Broker.PAPER else ZerodhaAccountSettings
        if not isinstance(self.settings, kind):
            raise InvalidValueError(f"account {self.account_id}: these are not settings of {self.broker}")
        if self.broker is Broker.PAPER and self.mode is AccountMode.LIVE:
            raise InvalidValueError(
                "the paper broker has no live accounts", hint="name a broker: --broker zerodha --mode live"
            )
        if (
            isinstance(self.settings, ZerodhaAccountSettings)
            and self.mode is AccountMode.PAPER
            and not self.settings.is_sandbox
        ):
            raise InvalidValueError(
                f"account {self.account_id} is a paper account, but would send orders to Zerodha itself",
                hint="paper accounts of zerodha go to the sandbox (root http://127.0.0.1:8700); "
                "for real orders make one with --mode live",
            )
        self._check_sources()

    def _check_sources(self) -> None:
        if self.account_id in self.data_sources:
            raise InvalidValueError(
                f"account {self.account_id} cannot be its own source by name", hint=f"write {OWN}"
            )
        if not all(self.data_sources) or len(set(self.data_sources)) < len(self.data_sources):
            raise InvalidValueError(
                f"account {self.account_id}: each source of prices is named once, and none is blank",
                hint="such as data_source=zerodha-main,zerodha-second",
            )
        if self.broker is Broker.PAPER and OWN in self.data_sources and len(self.data_sources) > 1:
            raise InvalidValueError(
                f"paper account {self.account_id} has no prices of its own", hint=f"leave {OWN} out"
            )
        if len(",".join(self.data_sources)) > _LONGEST_SOURCES:
            raise InvalidValueError(
                f"account {self.account_id}: the names of its sources are longer than {_LONGEST_SOURCES} letters together",
                hint="name fewer",
            )

    @property
    def is_open(self) -> bool:
        return self.closed_ns is None

    @property
    def shown(self) -> str:
        """Name and title, for people."""
        return f"{self.account_id} ({self.title})" if self.title else self.account_id


def parse_sources(text: str) -> tuple[str, ...]:
    """Sources of prices as a person writes them, in order of preference.

    >>> parse_sources("zerodha-main, zerodha-second")
    ('zerodha-main', 'zerodha-second')
    >>> parse_sources("")
    ('own',)
    """
    return tuple(name.strip() for name in text.split(",")) if text.strip() else (OWN,)


def check_name(account_id: str) -> None:
    """Errors: `InvalidValueError` for what cannot be the name of an account."""
    if not _NAME.fullmatch(account_id) or account_id in _TAKEN:
        raise InvalidValueError(
            f"{account_id!r} cannot be the name of an account",
            hint="small letters, digits, - and _, at most 40, such as zerodha-asha; own, all and none are taken",
        )
