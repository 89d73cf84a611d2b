"""Settings of an account by its broker, typed, and as JSON.  No secret is one of them."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from enum import Enum, StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import urlsplit

from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.brokers.paper.settings import ExchangeSettings, Latency, Liquidity, Meets
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of
from trademantra.engine.rules import Slippage
from trademantra.markets.charges.tariffs import tariff_of
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER, square_off_brokers
from trademantra.trading.accounts.index_names import DEFAULT_INDEX, parse_indices

_MILLISECOND_NS = 1_000_000
_LARGEST_PORT = 65_535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOGIN_PORT = 8710
"""Where `tm account login` waits for the browser: the app's redirect address is http://127.0.0.1:8710/."""


class Broker(StrEnum):
    PAPER = "paper"
    ZERODHA = "zerodha"


class AccountMode(StrEnum):
    """Whose money is at stake: nobody's, or the owner's."""

    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccountSettings:
    """A simulated account.  Money in its currency; words as `brokers.paper.settings` and `engine.rules` have them.

    `cash`: what it is opened with.  `latency_ms` around which requests are delayed, with `latency_spread`.
    `slippage` as `Slippage.parse` reads it.  `square_off`: whose times close intraday positions; "" nobody's.
    `tariff`: whose contract note is charged.  `least_funds`: with less available it is not ready.  `index`: what
    `max_index_move_percent` looks at (`parse_indices`).
    """

    cash: Decimal = Decimal(1_000_000)
    latency_ms: float = 0.0
    latency_spread: float = 0.0
    slippage: str = "none"
    participation: float = 0.0
    limit_touch: bool = False
    visible_depth: bool = False
    queue: bool = False
    meets: Meets = Meets.NEXT_PRICE
    square_off: str = DEFAULT_BROKER
    tariff: str = "zerodha"
    seed: int = 0
    least_funds: Decimal = Decimal(0)
    index: str = DEFAULT_INDEX

    def __post_init__(self) -> None:
        if self.cash <= 0:
            raise InvalidValueError(f"cash must be above 0, got {self.cash}")
        _not_negative("least_funds", self.least_funds)
        if self.square_off and self.square_off not in square_off_brokers():
            known = ", ".join(square_off_brokers())
            raise InvalidValueError(
                f"square_off: nobody knows the times of {self.square_off!r}", hint=f"known: {known}"
            )
        parse_indices(self.index)
        self.exchange_settings()
        self.margin_settings()

    def exchange_settings(self) -> ExchangeSettings:
        """How the simulated exchange treats this account."""
        return ExchangeSettings(
            liquidity=Liquidity(
                limit_touch=self.limit_touch,
                slippage=Slippage.parse(self.slippage),
                participation=self.participation,
                visible_depth=self.visible_depth,
                queue=self.queue,
            ),
            latency=Latency(int(self.latency_ms * _MILLISECOND_NS), self.latency_spread),
            meets=self.meets,
            square_off=self.square_off or None,
            seed=self.seed,
            is_compiled=False,  # a desk's prices are few at a time, and numba takes 105 MB
        )

    def margin_settings(self) -> MarginSettings:
        tariff_of(self.tariff)  # says which are known
        return MarginSettings(tariff=self.tariff)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZerodhaAccountSettings:
    """An account at Zerodha, or in our Kite sandbox.  Fields of the same name are those of `ZerodhaSettings`.

    `root`, `login_page`, `stream_root`: "" are Zerodha's own; of a `root` that is given the other two follow.
    `registered_address`: the IP address that is registered for orders at developers.kite.trade; "" not told.
    `order_proxy` without user and password: those are in the secrets box.  `login_port`: where the login waits for the
    browser on this machine.  `least_funds`: with less available (rupees) the account is not ready.  `index`: what
    `max_index_move_percent` looks at (`parse_indices`).
    """

    api_key: str
    user_id: str = ""
    root: str = ""
    login_page: str = ""
    stream_root: str = ""
    order_proxy: str = ""
    order_address: str = ""
    registered_address: str = ""
    login_port: int = LOGIN_PORT
    least_funds: Decimal = Decimal(0)
    index: str = DEFAULT_INDEX

    def __post_init__(self) -> None:
        _not_negative("least_funds", self.least_funds)
        if not 1 <= self.login_port <= _LARGEST_PORT:
            raise InvalidValueError(f"login_port is 1 to {_LARGEST_PORT}, got {self.login_port}")
        for name in ("order_address", "registered_address"):
            if address := getattr(self, name):
                _check_address(name, address)
        if self.order_proxy:
            _check_proxy(self.order_proxy)
        parse_indices(self.index)
        self.adapter_settings()

    @property
    def is_sandbox(self) -> bool:
        """Whether everything goes to this machine: no money can be at stake."""
        settings = self.adapter_settings()
        hosts = {urlsplit(url).hostname for url in (settings.root, settings.stream_root)}
        return hosts <= set(_LOOPBACK)

    def adapter_settings(self, order_proxy: str = "") -> ZerodhaSettings:
        """For the adapter; `order_proxy` with its password, where it has one.  Errors: `InvalidValueError`."""
        zerodha = ZerodhaSettings(api_key=self.api_key)
        root = (self.root or zerodha.root).rstrip("/")
        login_page, stream_root = zerodha.login_page, zerodha.stream_root
        if self.root:
            login_page, stream_root = f"{root}/connect/login", root.replace("http", "ws", 1)
        return ZerodhaSettings(
            api_key=self.api_key,
            user_id=self.user_id,
            root=root,
            login_page=self.login_page or login_page,
            stream_root=self.stream_root or stream_root,
            order_proxy=order_proxy or self.order_proxy or None,
            order_address=self.order_address or None,
        )


AccountSettings: TypeAlias = PaperAccountSettings | ZerodhaAccountSettings
_KINDS: Mapping[Broker, type[AccountSettings]] = MappingProxyType(
    {Broker.PAPER: PaperAccountSettings, Broker.ZERODHA: ZerodhaAccountSettings}
)


def settings_to_json(settings: AccountSettings) -> str:
    """What `settings_from_json` reads back equal."""
    return json.dumps(plain_settings(settings))


def plain_settings(settings: AccountSettings) -> dict[str, object]:
    """Plain values by name; what has its default is left out."""
    plain: dict[str, object] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value != each.default:
            plain[each.name] = str(value) if isinstance(value, Decimal | Enum) else value
    return plain


def settings_from_json(broker: Broker, text: str) -> AccountSettings:
    """Errors: `InvalidValueError` for a text that is no JSON and for all of `parse_settings`."""
    try:
        return parse_settings(broker, json.loads(text))
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"the settings are no JSON: {error}") from error


def parse_settings(broker: Broker, data: object) -> AccountSettings:
    """Settings of an account at `broker` from plain values; numbers and flags may be written as texts.

    Errors: `InvalidValueError` naming the field.

    >>> parse_settings(Broker.PAPER, {"cash": "250000", "limit_touch": "yes"}).cash
    Decimal('250000')
    >>> parse_settings(Broker.PAPER, {"cahs": 1})
    Traceback (most recent call last):
    trademantra.core.errors.InvalidValueError: 'cahs' is no setting of a paper account (one of cash, index, latency_ms, latency_spread, least_funds, limit_touch, meets, participation, queue, seed, slippage, square_off, tariff, visible_depth)
    """
    if not isinstance(data, Mapping):
        raise InvalidValueError("the settings must be a table of names and values")
    kind = _KINDS[broker]
    known = {each.name: each for each in fields(kind)}
    values: dict[str, object] = {}
    for name, value in data.items():
        if name not in known:
            raise InvalidValueError(
                f"{name!r} is no setting of a {broker} account", hint=f"one of {', '.join(sorted(known))}"
            )
        default = known[name].default
        values[name] = _parsed(name, value, str if default is MISSING else type(default))
    for name, each in known.items():
        if each.default is MISSING and not values.get(name):
            raise InvalidValueError(f"a {broker} account needs {name}", hint=f"--set {name}=…")
    return kind(**values)  # type: ignore[arg-type]  # each parsed to the type of its field


def _parsed(name: str, value: object, kind: type) -> object:
    if not isinstance(value, str | int | float | bool):
        raise InvalidValueError(f"{name} must be a single value, got {value!r}")
    if kind is bool:
        return parse_flag(name, value)
    if kind is Decimal:
        return decimal_of(value, name)
    if kind is float:
        return float(decimal_of(value, name))
    if kind is int:
        number = decimal_of(value, name)
        if number != int(number):
            raise InvalidValueError(f"{name} must be a whole number, got {value!r}")
        return int(number)
    if issubclass(kind, StrEnum):
        words = {each.value: each for each in kind}
        if value not in words:
            raise InvalidValueError(f"{name} must be one of {', '.join(words)}, got {value!r}")
        return words[str(value)]
    if not isinstance(value, str):
        raise InvalidValueError(f"{name} must be a text, got {value!r}")
    return value.strip()


def parse_flag(name: str, value: object) -> bool:
    """Yes or no from a flag or a word.  Errors: `InvalidValueError`."""
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if isinstance(value, bool):
        return value
    found = words.get(str(value).strip().lower())
    if found is None:
        raise InvalidValueError(f"{name} must be yes or no, got {value!r}")
    return found


def _not_negative(name: str, amount: Decimal) -> None:
    if amount < 0:
        raise InvalidValueError(f"{name} must not be negative, got {amount}")


def _check_address(name: str, text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise InvalidValueError(
            f"{name} must be an IP address, got {text!r}", hint="such as 203.0.113.7"
        ) from None


def _check_proxy(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidValueError(
            "order_proxy must be an address such as http://203.0.113.7:3128", hint="scheme, host and port"
        )
    if parts.username or parts.password:
        raise InvalidValueError(
            "order_proxy holds a password, which belongs in the secrets box",
            hint="tm account add --order-proxy takes it apart",
        )
