"""The box opens with its own key alone, shows nothing, and is whole after every crash."""

import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.kit import private_file
from trademantra.kit.secrets import KeyFile, Passphrase, Secret, SecretsBox, SecretsLockedError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    made = KeyFile(tmp_path / "keys" / "box.key")
    made.make()
    return made


@pytest.fixture
def box(tmp_path: Path, key: KeyFile) -> SecretsBox:
    return SecretsBox(tmp_path / "data" / "secrets.box", key)


def test_keeps_what_was_put_and_forgets_what_was_removed(box: SecretsBox, key: KeyFile) -> None:
    box.put("zerodha/token", Secret("t0ken-ü"))
    box.put("zerodha/secret", Secret("s3cret"))
    again = SecretsBox(box.path, key)
    assert again.names() == ("zerodha/secret", "zerodha/token")
    found = again.get("zerodha/token")
    assert found is not None
    assert found.reveal() == "t0ken-ü"
    again.remove("zerodha/token")
    again.remove("never there")
    assert box.get("zerodha/token") is None


def test_neither_values_nor_names_stand_in_the_file(box: SecretsBox) -> None:
    box.put("zerodha/token", Secret("verysecretvalue"))
    content = box.path.read_bytes()
    assert b"verysecretvalue" not in content
    assert b"zerodha" not in content


@posix
def test_only_the_owner_may_read_the_box_and_its_key(box: SecretsBox, key: KeyFile) -> None:
    box.put("a", Secret("b"))
    assert box.path.stat().st_mode & 0o777 == 0o600
    assert key.path.stat().st_mode & 0o777 == 0o600


@posix
def test_a_key_that_others_can_read_is_refused(box: SecretsBox, key: KeyFile) -> None:
    key.path.chmod(0o640)
    with pytest.raises(SecretsLockedError, match="chmod 600"):
        box.put("a", Secret("b"))


def test_a_key_is_never_overwritten(key: KeyFile) -> None:
    with pytest.raises(InvalidValueError, match="name a new file"):
        key.make()


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"abc\n")])
def test_a_missing_or_spoilt_key_file_is_told(key: KeyFile, spoil: Callable[[Path], None]) -> None:
    spoil(key.path)
    with pytest.raises(SecretsLockedError, match="name the file"):
        key.key()


def test_another_key_does_not_open_it(box: SecretsBox, tmp_path: Path) -> None:
    box.put("a", Secret("b"))
    other = KeyFile(tmp_path / "other.key")
    other.make()
    for wrong in (other, Passphrase(Secret("correct horse battery"))):
        with pytest.raises(SecretsLockedError):
            SecretsBox(box.path, wrong).get("a")


def test_a_passphrase_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "box"
    SecretsBox(path, Passphrase(Secret("correct horse battery"))).put("a", Secret("b"))
    found = SecretsBox(path, Passphrase(Secret("correct horse battery"))).get("a")
    assert found is not None
    assert found.reveal() == "b"
    with pytest.raises(SecretsLockedError, match="another key"):
        SecretsBox(path, Passphrase(Secret("correct horse staple"))).get("a")
    with pytest.raises(InvalidValueError, match="at least 12"):
        Passphrase(Secret("short"))


def test_a_rotated_box_opens_with_the_new_key_alone(box: SecretsBox, key: KeyFile, tmp_path: Path) -> None:
    box.put("a", Secret("b"))
    new = KeyFile(tmp_path / "new.key")
    new.make()
    box.rotate(new)
    assert box.names() == SecretsBox(box.path, new).names() == ("a",)
    with pytest.raises(SecretsLockedError):
        SecretsBox(box.path, key).get("a")


@settings(max_examples=60)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_never_opens(place: int, flip: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("box")
    key = KeyFile(folder / "key")
    key.make()
    box = SecretsBox(folder / "box", key)
    box.put("name", Secret("value"))
    content = bytearray(box.path.read_bytes())
    content[place % len(content)] ^= flip
    box.path.write_bytes(bytes(content))
    with pytest.raises((SecretsLockedError, BadInputError)):
        box.get("name")


def test_a_crash_while_saving_leaves_the_old_box(box: SecretsBox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put("a", Secret("old"))

    def power_cut(handle: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(private_file.os, "fsync", power_cut)
    with pytest.raises(OSError, match="power cut"):
        box.put("a", Secret("new"))
    monkeypatch.undo()
    found = box.get("a")
    assert found is not None
    assert found.reveal() == "old"
    assert [path.name for path in box.path.parent.iterdir()] == ["secrets.box"]


def test_a_secret_shows_itself_to_reveal_alone(caplog: pytest.LogCaptureFixture, box: SecretsBox) -> None:
    secret = Secret("hunter2hunter2")
    box.put("a", secret)
    logging.getLogger("any").error("%s %r %s", secret, [secret], box)
    shown = f"{secret} {secret!r} {secret:>20} {secret!s} {Passphrase(secret)} {caplog.text}"
    assert "hunter2" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret != Secret("hunter2hunter2")  # == would be a comparison that is not constant in time
    with pytest.raises(InvalidValueError):
        Secret("")
