"""Who may log in: users, their apps, their money and their registered addresses, from a JSON file."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.money import decimal_of

LOOPBACK = ("127.0.0.1", "::1")
_ACCOUNT = frozenset(
    {"user_id", "user_name", "email", "cash", "api_key", "api_secret", "password", "redirect_url", "postback_url"}
    | {"registered_addresses", "algo_ids"}
)  # fmt: skip

Field: TypeAlias = object


@dataclass(frozen=True, slots=True, kw_only=True)
class KiteAccount:
    """One user and the app that he logs in to.  Users with one `api_key` share its secret and its URLs.

    `cash` in rupees.  `password`: asked on the login page; "" asks for none.
    `postback_url`: where order updates are posted; "" posts none.
    `registered_addresses`: from where orders are taken in profile 2026.
    `algo_ids`: the exchange's numbers of registered strategies; empty takes any.
    """

    user_id: str
    api_key: str
    api_secret: str
    redirect_url: str
    user_name: str = "Sandbox User"
    email: str = "sandbox@example.com"
    cash: Decimal = Decimal(1_000_000)
    password: str = ""
    postback_url: str = ""
    registered_addresses: tuple[str, ...] = LOOPBACK
    algo_ids: frozenset[str] = frozenset()


def default_account(root: str) -> KiteAccount:
    """The account of a sandbox that was given none; `root` is the server's own URL, where its redirect ends."""
    return KiteAccount(
        user_id="AB1234", api_key="testkey", api_secret="testsecret", redirect_url=f"{root}/connect/finish"  # noqa: S106
    )  # fmt: skip


def read_accounts(file: Path, root: str) -> tuple[KiteAccount, ...]:
    """Accounts of a JSON file `{"accounts": [{…}, …]}`; docs/sandbox.md lists the fields.

    Errors: `BadInputError` naming the account and the field.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInputError(
            file, f"this is not JSON: {error}", hint="docs/sandbox.md shows an example"
        ) from error
    rows = content.get("accounts") if isinstance(content, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise BadInputError(
            file, 'no list "accounts" with at least one account in it', hint="docs/sandbox.md"
        )
    accounts = tuple(_account(file, number, row, root) for number, row in enumerate(rows, start=1))
    users = [account.user_id for account in accounts]
    if len(set(users)) != len(users):
        raise BadInputError(file, "two accounts have one user_id", hint="give each user an id of his own")
    _check_apps(file, accounts)
    return accounts


def _check_apps(file: Path, accounts: Sequence[KiteAccount]) -> None:
    first: dict[str, KiteAccount] = {}
    for account in accounts:
        other = first.setdefault(account.api_key, account)
        for name in ("api_secret", "redirect_url", "postback_url"):
            if getattr(other, name) != getattr(account, name):
                raise BadInputError(
                    file,
                    f"users {other.user_id} and {account.user_id} share the api_key {account.api_key!r} "
                    f"but not its {name}",
                    hint="write it alike for both, or give each an api_key of his own",
                )


def _account(file: Path, number: int, row: Field, root: str) -> KiteAccount:
    if not isinstance(row, Mapping):
        raise BadInputError(file, f"account {number} is not an object")
    unknown = sorted(set(row) - _ACCOUNT)
    if unknown:
        raise BadInputError(
            file,
            f"account {number}: unknown field {unknown[0]!r}",
            hint=f"fields: {', '.join(sorted(_ACCOUNT))}",
        )
    default = default_account(root)

    def text(name: str, fallback: str | None) -> str:
        value = row.get(name, fallback)
        if not isinstance(value, str) or (fallback is None and not value):
            raise BadInputError(file, f"account {number}: {name} must be a text")
        return value

    def texts(name: str, fallback: Sequence[str]) -> tuple[str, ...]:
        value = row.get(name, fallback)
        if (
            not isinstance(value, Sequence)
            or isinstance(value, str)
            or not all(isinstance(x, str) for x in value)
        ):
            raise BadInputError(file, f"account {number}: {name} must be a list of texts")
        return tuple(value)

    try:
        cash = decimal_of(row.get("cash", default.cash), "cash")
    except InvalidValueError as error:
        raise BadInputError(file, f"account {number}: {error.message}") from error
    if cash < 0:
        raise BadInputError(file, f"account {number}: cash must not be negative")
    return KiteAccount(
        user_id=text("user_id", None),
        api_key=text("api_key", None),
        api_secret=text("api_secret", None),
        redirect_url=_url(file, number, "redirect_url", text("redirect_url", default.redirect_url)),
        user_name=text("user_name", default.user_name),
        email=text("email", default.email),
        cash=cash,
        password=text("password", ""),
        postback_url=_url(file, number, "postback_url", text("postback_url", "")),
        registered_addresses=tuple(
            _address(file, number, value) for value in texts("registered_addresses", LOOPBACK)
        ),
        algo_ids=frozenset(texts("algo_ids", ())),
    )


def _address(file: Path, number: int, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise BadInputError(file, f"account {number}: {text!r} is not an IP address") from error


def _url(file: Path, number: int, name: str, text: str) -> str:
    """Plain http goes to this machine only; everything else needs https, as Kite asks."""
    if not text:
        return text
    parts = _split(file, number, name, text)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and local):
        return text
    raise BadInputError(
        file, f"account {number}: {name} {text!r} must be https, or http to 127.0.0.1 or localhost"
    )


def _split(file: Path, number: int, name: str, text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise BadInputError(file, f"account {number}: {name} {text!r} is not a URL") from error
