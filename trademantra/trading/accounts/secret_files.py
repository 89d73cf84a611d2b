"""Where the secrets of all accounts are: an encrypted box in the data folder, its key in a folder outside of it."""

from collections.abc import Mapping
from pathlib import Path

from trademantra.core.errors import InvalidValueError
from trademantra.data.durable import exclusive_lock
from trademantra.kit.secrets import KeyFile, Secret, SecretsBox, SecretsLockedError
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import ZerodhaAccountSettings

KEY_VARIABLE = "TRADEMANTRA_KEY"
BOX_NAME = "secrets"
_LOCK_NAME = "secrets.lock"


def key_path(environment: Mapping[str, str]) -> Path:
    """The key file: `TRADEMANTRA_KEY`, or `trademantra/key` in the user's configuration folder.

    >>> key_path({"TRADEMANTRA_KEY": "/media/stick/key"}).as_posix()
    '/media/stick/key'
    """
    if named := environment.get(KEY_VARIABLE, "").strip():
        return Path(named).expanduser()
    folder = environment.get("XDG_CONFIG_HOME", "").strip()
    return (Path(folder) if folder else Path.home() / ".config") / "trademantra" / "key"


def open_box(home: Path, environment: Mapping[str, str]) -> SecretsBox:
    """The box of the data folder `home`.  The first call on a machine makes the key.

    Errors: `SecretsLockedError` for a box whose key is not there; `InvalidValueError` for a key inside the data folder,
    where a copy of the data would carry it along.
    """
    key, box = KeyFile(key_path(environment)), home / BOX_NAME
    if key.path.absolute().is_relative_to(home.absolute()):
        raise InvalidValueError(
            f"the key {key.path} lies in the data folder that it protects",
            hint=f"name a place outside of {home} in {KEY_VARIABLE}",
        )
    if not key.path.exists():
        with exclusive_lock(home / _LOCK_NAME):  # two programs that start at once make one key
            if not key.path.exists():
                _make_key(key, box)
    return SecretsBox(box, key)


def _make_key(key: KeyFile, box: Path) -> None:
    if box.exists():
        raise SecretsLockedError(
            f"the secrets in {box} have no key: {key.path} is not there",
            hint=f"bring the key file back, or name it in {KEY_VARIABLE}; without it remove {box} and add the secrets again",
        )
    key.make()


def proxy_name(account_id: str) -> str:
    """Name in the box of an order proxy that has a password."""
    return f"accounts/{account_id}/order_proxy"


def missing_secret(account: Account, box: SecretsBox) -> str:
    """What an account needs in the box and has not; "" when nothing is missing."""
    if not isinstance(account.settings, ZerodhaAccountSettings):
        return ""
    name = account.settings.adapter_settings().secret_name
    return "" if box.get(name) is not None else "the api_secret of its app"


def put_api_secret(account: Account, secret: Secret, box: SecretsBox) -> None:
    """Keep the secret of the account's app.  Errors: `InvalidValueError` for an account without one."""
    if not isinstance(account.settings, ZerodhaAccountSettings):
        raise InvalidValueError(f"a {account.broker} account has no api_secret", hint="leave it out")
    box.put(account.settings.adapter_settings().secret_name, secret)


def forget_secrets(account: Account, box: SecretsBox, *, shared: bool) -> None:
    """Remove what only this account used; `shared`: another account uses the same app."""
    if not isinstance(account.settings, ZerodhaAccountSettings):
        return
    box.remove(proxy_name(account.account_id))
    if not shared:
        settings = account.settings.adapter_settings()
        box.remove(settings.secret_name)
        box.remove(settings.session_name)
