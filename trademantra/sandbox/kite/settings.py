"""What a sandbox can be set to, and the two rule books that it knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

PROTECTION_REFUSAL = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)


class Profile(StrEnum):
    """Which rules hold: those of 2026-04-01 and later, or those before."""

    CURRENT = "2026"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """Rules that changed on 2026-04-01 (specs/brokers.md 0.2, 1.5, 1.9).

    `history_days`: longest span of one candle request by interval, in days.
    `commodities_take_ioc`: MCX refuses IOC from algorithms since then (kite.trade forum 15912, March 2026).
    """

    protects_market_orders: bool
    checks_addresses: bool
    checks_algo_ids: bool
    commodities_take_ioc: bool
    history_days: Mapping[str, int]


def _spans(minute: int, few: int, many: int, hour: int) -> Mapping[str, int]:
    return MappingProxyType(
        {
            "minute": minute,
            **dict.fromkeys(("3minute", "5minute", "10minute"), few),
            **dict.fromkeys(("15minute", "30minute"), many),
            "60minute": hour,
            "day": 2000,
        }
    )


RULES = MappingProxyType(
    {
        Profile.CURRENT: RuleBook(
            protects_market_orders=True,
            checks_addresses=True,
            checks_algo_ids=True,
            commodities_take_ioc=False,
            history_days=_spans(60, 100, 200, 400),
        ),
        Profile.LEGACY: RuleBook(
            protects_market_orders=False,
            checks_addresses=False,
            checks_algo_ids=False,
            commodities_take_ioc=True,
            history_days=_spans(30, 90, 180, 365),
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KiteSettings:
    """How one server behaves.  Times in seconds of the wall clock.

    `auto_login`: the login page is skipped and answers with the redirect at once.
    `heartbeat_seconds`: silence after which a socket gets a heartbeat byte.
    `slow_seconds`: how long a socket may take nothing before it is cut.
    """

    profile: Profile = Profile.CURRENT
    rate_limits: bool = True
    auto_login: bool = True
    request_token_seconds: float = 300.0
    heartbeat_seconds: float = 1.0
    slow_seconds: float = 10.0
    sockets_per_key: int = 3
    tokens_per_socket: int = 3000
    updates_waiting: int = 1000

    @property
    def rules(self) -> RuleBook:
        return RULES[self.profile]
