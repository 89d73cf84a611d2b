"""Where the adapter connects and how it behaves there.  Host names are settings so that tests can point elsewhere."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from trademantra.core.errors import InvalidValueError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZerodhaSettings:
    """Settings of one account; every secret is in the secrets box under `secret_name` and `session_name`.

    `user_id` (such as AB1234), where given, is the only one whose login is taken.
    `order_proxy` and `order_address` send order calls through the address that is registered at Zerodha; reads and
    streams may come from anywhere (specs/brokers.md 0.2).
    Rates are per account and stay below the broker's (0.6): it counts by its own clock, to which the wire adds
    some jitter.  `read_tries` of a read that was refused for its rate or got no answer; orders are never tried again.
    `protect_orders` adds the broker's own slab to market orders that name none: without it they are refused (1.5).
    `silence_seconds` without a byte (heartbeats come each second) end the stream's connection.
    `poll_seconds`: how often the order book is read beside the stream, as its net.
    """

    api_key: str
    user_id: str = ""
    root: str = "https://api.kite.trade"
    login_page: str = "https://kite.zerodha.com/connect/login"
    stream_root: str = "wss://ws.kite.trade"
    order_proxy: str | None = None
    order_address: str | None = None
    timeout_seconds: float = 7.0
    long_timeout_seconds: float = 60.0
    orders_per_second: int = 9
    orders_per_minute: int = 390
    orders_per_day: int = 4_900
    reads_per_second: int = 9
    quotes_per_second: int = 1
    histories_per_second: int = 3
    order_wait_seconds: float = 5.0
    read_wait_seconds: float = 120.0
    read_tries: int = 4
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 30.0
    silence_seconds: float = 8.0
    poll_seconds: float = 15.0
    protect_orders: bool = True

    def __post_init__(self) -> None:
        if not self.api_key.isalnum():
            raise InvalidValueError(
                "the api_key is letters and digits", hint="copy it from developers.kite.trade"
            )
        for name, plain, safe in (
            ("root", "http", "https"),
            ("login_page", "http", "https"),
            ("stream_root", "ws", "wss"),
        ):
            parts = urlsplit(getattr(self, name))
            if parts.scheme not in (plain, safe) or not parts.hostname or parts.query or parts.fragment:
                raise InvalidValueError(f"{name} is {safe}://host, not {getattr(self, name)!r}")
            if parts.scheme == plain and parts.hostname not in _LOOPBACK:
                raise InvalidValueError(
                    f"{name} {getattr(self, name)!r} would send the access token in the clear",
                    hint=f"write {safe}://; plain {plain} is for this machine alone",
                )

    @property
    def secret_name(self) -> str:
        """Name of the app's secret (api_secret) in the secrets box."""
        return f"zerodha/{self.api_key}/api_secret"

    @property
    def session_name(self) -> str:
        """Name of the day's session in the secrets box."""
        return f"zerodha/{self.api_key}/session"
