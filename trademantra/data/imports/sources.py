"""From the files that the user names to plain files that can be read: packed ones are unpacked, safely."""

import codecs
import gzip
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

from trademantra.core.errors import BadInputError, NotFoundError

_HEAD_BYTES = 65_536
_COPY_BYTES = 4 * 1024 * 1024
_KNOWN_SUFFIXES = frozenset({".csv", ".txt", ".tsv", ".json", ".parquet", ".gz", ".zip"})
_MOST_MEMBERS = 20_000
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Kind(StrEnum):
    """What a plain file is, by its content."""

    TEXT = "text"
    PARQUET = "parquet"
    JSON = "json"


class Readable(Protocol):
    """A stream that is being unpacked."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """Most bytes that one packed file may unpack to, and most times its packed size once that is large."""

    most_bytes: int = 8 * 1024**3
    most_ratio: int = 200
    ratio_from_bytes: int = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Source:
    """One plain file.  `name` is what the user calls it (`archive.zip:member.csv`), `path` where its bytes are,
    `stem` its name without folders and endings."""

    name: str
    path: Path
    stem: str
    kind: Kind


def files_of(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The regular files that were named, and for a folder those in it with a known ending; each once.

    Errors: `NotFoundError` for a path that is not there or a folder without data files; `BadInputError` for
    what is neither file nor folder.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _expanded(path):
            found.setdefault(file.resolve(), file)
    return tuple(found.values())


def opened(files: Iterable[Path], scratch: Path, limits: UnpackLimits) -> Iterator[Source]:
    """Each plain file in turn; what had to be unpacked lies in `scratch` until the next one is asked for.

    Names inside archives never become names on disk.  A file that is packed twice (a zip of gz files) is
    unpacked twice; a zip inside a zip is refused.
    Errors: `BadInputError` for damaged, encrypted, oversized, empty or binary files, saying what to do.
    """
    for file in files:
        try:
            with file.open("rb") as stream:
                head = stream.read(4)
        except OSError as error:
            raise BadInputError(file, f"it cannot be read: {error.strerror or error}") from error
        if head == b"PK\x03\x04" or head == b"PK\x05\x06":
            yield from _members(file, scratch, limits)
        else:
            yield from _plain(str(file), file, file.name, scratch, limits)


def _expanded(path: Path) -> list[Path]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        link = path.is_symlink()
        raise NotFoundError(
            f"{path}: {'the link leads nowhere' if link else 'there is no such file'}",
            hint="check the name; * and ? work where the shell expands them",
        ) from error
    if stat.S_ISDIR(mode):
        inside = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in _KNOWN_SUFFIXES and not file.name.startswith(".") and file.is_file()
        )
        if not inside:
            raise NotFoundError(
                f"{path}: this folder holds no data files",
                hint=f"files that end in {' '.join(sorted(_KNOWN_SUFFIXES))} are read; subfolders are not",
            )
        return inside
    if not stat.S_ISREG(mode):
        raise BadInputError(path, "it is neither a file nor a folder")
    return [path]


def _members(file: Path, scratch: Path, limits: UnpackLimits) -> Iterator[Source]:
    try:
        with _archive(file) as archive:
            members = [member for member in archive.infolist() if _is_data(member)]
            _refuse_odd(file, archive, members, limits)
            left = limits.most_bytes
            for number, member in enumerate(members):
                name = f"{file}:{member.filename}"
                target = scratch / f"member-{number}"
                try:
                    with _member(archive, member) as stream:
                        left -= _copied(stream, target, name, max(member.compress_size, 1), left, limits)
                    yield from _plain(name, target, Path(member.filename).name, scratch, limits)
                finally:
                    target.unlink(missing_ok=True)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadInputError(
            file, f"the zip is damaged or cut off: {error}", hint="download it again"
        ) from error
    except RuntimeError as error:
        raise BadInputError(
            file, f"the zip cannot be opened: {error}", hint="unpack it and import the files in it"
        ) from error
    except NotImplementedError as error:
        raise BadInputError(
            file, f"the zip is packed in an unknown way: {error}", hint="unpack it and import the files in it"
        ) from error


def _archive(file: Path) -> zipfile.ZipFile:
    """Open a zip; the errors that damage can cause in its directory become one."""
    try:
        return zipfile.ZipFile(file)
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member; an offset that points nowhere is damage too."""
    try:
        return archive.open(member)
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def _is_data(member: zipfile.ZipInfo) -> bool:
    parts = [part for part in member.filename.split("/") if part not in (".", "..")]
    return not member.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _refuse_odd(
    file: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limits: UnpackLimits
) -> None:
    if any(name == "[Content_Types].xml" for name in archive.namelist()):
        raise BadInputError(
            file, "this is an Excel or other office file", hint="save it as CSV and import that"
        )
    if not members:
        raise BadInputError(file, "the zip holds no files")
    if len(members) > _MOST_MEMBERS:
        raise BadInputError(file, f"the zip holds {len(members)} files, more than {_MOST_MEMBERS}")
    claimed = sum(member.file_size for member in members)
    if claimed > limits.most_bytes:
        raise _too_large(str(file), limits)


def _plain(name: str, path: Path, file_name: str, scratch: Path, limits: UnpackLimits) -> Iterator[Source]:
    """A file, unpacked if it is gzip and written as UTF-8 if it is UTF-16."""
    made: list[Path] = []
    try:
        head = _head(path)
        if head.startswith(b"\x1f\x8b"):
            packed, path = path, scratch / "gunzipped"
            made.append(path)
            try:
                with gzip.open(packed) as stream:
                    _copied(stream, path, name, packed.stat().st_size, limits.most_bytes, limits)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise BadInputError(
                    name, f"the gzip file is damaged or cut off: {error}", hint="download it again"
                ) from error
            head = _head(path)
        if head.startswith(_UTF16_MARKS) or (b"\r" in head and b"\n" not in head):
            source, path = path, scratch / "rewritten"
            made.append(path)
            _rewrite(source, path, name, "utf-16" if head.startswith(_UTF16_MARKS) else "utf-8")
            head = _head(path)
        yield Source(name, path, _stem(file_name), _kind(name, head))
    finally:
        for path in made:
            path.unlink(missing_ok=True)


def _copied(
    stream: Readable, target: Path, name: str, packed_bytes: int, most: int, limits: UnpackLimits
) -> int:
    """Write an unpacking stream to `target`, counting what really comes out.  Answers the bytes."""
    total = 0
    with target.open("wb") as out:
        while piece := stream.read(_COPY_BYTES):
            total += len(piece)
            swollen = total > limits.ratio_from_bytes and total > packed_bytes * limits.most_ratio
            if total > most or swollen:
                raise _too_large(name, limits)
            out.write(piece)
    return total


def _too_large(name: str, limits: UnpackLimits) -> BadInputError:
    return BadInputError(
        name,
        f"it unpacks to more than {limits.most_bytes / 1024**3:.0f} GiB or {limits.most_ratio} times its size",
        hint="if it is really data, unpack it yourself and import the files",
    )


def _rewrite(source: Path, target: Path, name: str, encoding: str) -> None:
    try:
        with (
            source.open(encoding=encoding, newline=None) as text,
            target.open("w", encoding="utf-8", newline="\n") as out,
        ):
            while piece := text.read(_COPY_BYTES):
                out.write(piece)
    except UnicodeError as error:
        raise BadInputError(name, f"it is not valid {encoding.upper()} text: {error}") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def _kind(name: str, head: bytes) -> Kind:
    if not head:
        raise BadInputError(name, "the file is empty", hint="download or export it again")
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    if head.startswith(b"PK\x03\x04"):
        raise BadInputError(name, "this is a zip inside a zip", hint="unpack the outer one first")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise BadInputError(name, "the file holds nothing but blanks", hint="download or export it again")
    if text[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml")) or text.startswith(b"<htm"):
        raise BadInputError(
            name,
            "this is a web page, not data",
            hint="the site has probably answered with an error page: download it again in a browser",
        )
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadInputError(name, "this is an old Excel file", hint="save it as CSV and import that")
    if b"\x00" in head or sum(byte < 9 or 13 < byte < 32 for byte in head[:4096]) > 8:
        raise BadInputError(
            name, "this is binary data of an unknown kind", hint="CSV, JSON, Parquet, gz and zip are read"
        )
    return Kind.JSON if text[:1] in b"{[" else Kind.TEXT


def _stem(file_name: str) -> str:
    stem = file_name
    while (dot := stem.rfind(".")) > 0 and stem[dot:].lower() in _KNOWN_SUFFIXES:
        stem = stem[:dot]
    return stem
