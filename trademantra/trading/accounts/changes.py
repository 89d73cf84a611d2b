"""Changes of an account as a person writes them: names and texts."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from urllib.parse import urlsplit, urlunsplit

from trademantra.core.errors import InvalidValueError
from trademantra.trading.accounts.account import Account, parse_sources
from trademantra.trading.accounts.settings import (
    AccountMode,
    AccountSettings,
    Broker,
    parse_flag,
    parse_settings,
    plain_settings,
)
from trademantra.trading.go_live import thresholds_of
from trademantra.trading.policy import OutsideHours

_GO_LIVE = "go_live."
_FIXED = ("account_id", "name", "broker", "mode", "created_ns", "closed_ns")
_PROXY = "order_proxy"


def broker_of(text: str) -> Broker:
    """Errors: `InvalidValueError` naming those that there are."""
    return Broker(_word("broker", text, [each.value for each in Broker]))


def mode_of(text: str) -> AccountMode:
    """Errors: `InvalidValueError`."""
    return AccountMode(_word("mode", text, [each.value for each in AccountMode]))


def settings_with_proxy(broker: Broker, values: Mapping[str, str]) -> tuple[AccountSettings, str]:
    """Settings, and the order proxy whole where it holds a password, which the settings must not have."""
    plain, proxy = dict(values), ""
    parts = urlsplit(plain.get(_PROXY, ""))
    if parts.username or parts.password:
        proxy = plain[_PROXY].strip()
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        plain[_PROXY] = urlunsplit((parts.scheme, host + port, "", "", ""))
    return parse_settings(broker, plain), proxy


def changed(account: Account, pairs: Mapping[str, str]) -> tuple[Account, str]:
    """The account with these changes, and the order proxy where one with a password is among them.

    An empty value puts a setting back to its default.  Errors: `InvalidValueError` naming what cannot be.
    """
    own = {"title", "data_source", "outside_hours", "rest_target"}
    for name in pairs:
        if name in _FIXED:
            raise InvalidValueError(
                f"the {name} of account {account.account_id} is fixed",
                hint="make a new account: tm account add",
            )
    made = account
    if "title" in pairs:
        made = replace(made, title=pairs["title"].strip())
    if "data_source" in pairs:
        made = replace(made, data_sources=parse_sources(pairs["data_source"]))
    if "outside_hours" in pairs:
        words = [each.value for each in OutsideHours]
        made = replace(
            made, outside_hours=OutsideHours(_word("outside_hours", pairs["outside_hours"], words))
        )
    if "rest_target" in pairs:
        made = replace(made, rest_target=parse_flag("rest_target", pairs["rest_target"]))
    thresholds = {
        name.removeprefix(_GO_LIVE): value for name, value in pairs.items() if name.startswith(_GO_LIVE)
    }
    if thresholds:
        present = {name: str(value) for name, value in asdict(account.go_live).items()}
        made = replace(made, go_live=thresholds_of(present | thresholds))
    rest = {name: value for name, value in pairs.items() if name not in own and not name.startswith(_GO_LIVE)}
    present_settings = {name: str(value) for name, value in plain_settings(account.settings).items()}
    settings, proxy = settings_with_proxy(
        account.broker, {name: value for name, value in (present_settings | rest).items() if value != ""}
    )
    return replace(made, settings=settings), proxy


def _word(name: str, text: str, words: list[str]) -> str:
    chosen = text.strip().lower()
    if chosen not in words:
        raise InvalidValueError(f"{name} must be one of {', '.join(words)}, got {text!r}")
    return chosen
