"""The secrets box: tokens, keys and passwords, encrypted in one file, with the key kept elsewhere.

AES-256-GCM over the whole content with a fresh nonce at each save; the header is authenticated too.  The key comes
from a file that only its owner may read, or from a passphrase by scrypt.
"""

import base64
import binascii
import json
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import ClassVar, NoReturn, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from trademantra.core.errors import BadInputError, InvalidValueError, TradeMantraError
from trademantra.kit.private_file import write_private

_FORMAT = "trademantra secrets 1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
# RFC 7914 names N = 2^14 for a login that a person waits for, as of 2016; 2^16 takes about 0.2 s and 64 MB in 2026.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**16, 8, 1
_SHORTEST_PASSPHRASE = 12


class SecretsLockedError(TradeMantraError):
    """The box does not open: another key, a damaged file, or a key file that others can read."""

    code: ClassVar[str] = "secrets_locked"


class Secret:
    """A text that shows itself only to `reveal`: not in `repr`, `str`, f-strings, pickles or comparisons by `==`.

    >>> token = Secret("3f9a")
    >>> f"{token} {token!r}", token.reveal()
    ('Secret(…) Secret(…)', '3f9a')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise InvalidValueError("a secret is empty")
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, form: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled; put it into the box")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key in a file of its own, outside the data that it protects: 32 random bytes in base64, mode 0600."""

    path: Path

    def make(self) -> None:
        """Write a new random key.  Errors: `InvalidValueError` when the file is there: a key is never overwritten."""
        if self.path.exists():
            raise InvalidValueError(
                f"{self.path} is there; a key that is overwritten locks its box for ever",
                hint="name a new file",
            )
        write_private(self.path, base64.b64encode(token_bytes(_KEY_BYTES)) + b"\n")

    def key(self) -> bytes:
        """Errors: `SecretsLockedError` for a file that is missing, readable by others or holds no key."""
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_bytes().strip()
        except OSError as error:
            raise SecretsLockedError(
                f"the key file {self.path} cannot be read: {error.strerror}",
                hint="name the file with the key",
            ) from None
        if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
            raise SecretsLockedError(
                f"the key file {self.path} can be read by others", hint=f"chmod 600 {self.path}"
            )
        try:
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise SecretsLockedError(f"{self.path} holds no key", hint="name the file with the key")
        return key


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A key that a person remembers; at least 12 characters."""

    text: Secret

    def __post_init__(self) -> None:
        if len(self.text.reveal()) < _SHORTEST_PASSPHRASE:
            raise InvalidValueError(f"a passphrase has at least {_SHORTEST_PASSPHRASE} characters")


BoxKey: TypeAlias = KeyFile | Passphrase


class SecretsBox:
    """Secrets by name, in the encrypted file `path`.  Every call reads the file anew, every change replaces it whole.

    A box that is not there is empty.  Changes of several processes at once: the last one wins; let one own the file.
    Errors of every call: `SecretsLockedError` when the key does not fit.
    """

    __slots__ = ("_key", "path")

    def __init__(self, path: Path, key: BoxKey) -> None:
        self.path = path
        self._key = key

    def __repr__(self) -> str:
        return f"SecretsBox({str(self.path)!r})"

    def get(self, name: str) -> Secret | None:
        """The secret of that name; None when there is none."""
        text = self._read().get(name)
        return None if text is None else Secret(text)

    def put(self, name: str, secret: Secret) -> None:
        self._write({**self._read(), name: secret.reveal()}, self._key)

    def remove(self, name: str) -> None:
        """Forget a secret; one that is not there is forgotten already."""
        present = self._read()
        if present.pop(name, None) is not None:
            self._write(present, self._key)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._read()))

    def rotate(self, key: BoxKey) -> None:
        """Encrypt everything with another key.  Afterwards the old one opens nothing but old copies of the file."""
        self._write(self._read(), key)
        self._key = key

    def _read(self) -> dict[str, str]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        head, _, sealed = content.partition(b"\n")
        header = _header(self.path, head)
        try:
            opened = AESGCM(_derived(self._key, header)).decrypt(header.nonce, sealed, head)
        except InvalidTag:
            raise SecretsLockedError(
                f"the secrets in {self.path} do not open: another key, or a damaged file",
                hint="name the key that this file was written with, or restore it from a copy",
            ) from None
        return {str(name): str(text) for name, text in json.loads(opened).items()}

    def _write(self, secrets: Mapping[str, str], key: BoxKey) -> None:
        header = _Header(
            token_bytes(_NONCE_BYTES), token_bytes(_SALT_BYTES) if isinstance(key, Passphrase) else b""
        )
        head = header.encoded()
        sealed = AESGCM(_derived(key, header)).encrypt(header.nonce, json.dumps(dict(secrets)).encode(), head)
        write_private(self.path, head + b"\n" + sealed)


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands in the open at the head of the file; `salt` is empty for a key file."""

    nonce: bytes
    salt: bytes

    def encoded(self) -> bytes:
        return json.dumps({"format": _FORMAT, "nonce": self.nonce.hex(), "salt": self.salt.hex()}).encode()


def _header(path: Path, head: bytes) -> _Header:
    try:
        fields = json.loads(head)
        header = _Header(bytes.fromhex(fields["nonce"]), bytes.fromhex(fields["salt"]))
        right = fields["format"] == _FORMAT
    except (ValueError, KeyError, TypeError):
        right = False
    if not right or len(header.nonce) != _NONCE_BYTES or len(header.salt) not in (0, _SALT_BYTES):
        raise BadInputError(path, "this is not a secrets box", hint="name the box's own file")
    return header


def _derived(key: BoxKey, header: _Header) -> bytes:
    if isinstance(key, Passphrase) != bool(header.salt):
        kind = "a passphrase" if header.salt else "a key file"
        raise SecretsLockedError(
            f"this secrets box opens with {kind}", hint="use the key it was written with"
        )
    if isinstance(key, KeyFile):
        return key.key()
    scrypt = Scrypt(salt=header.salt, length=_KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return scrypt.derive(key.text.reveal().encode())
