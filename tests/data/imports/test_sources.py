"""From named files to plain ones: packed, damaged, hostile."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.data.imports.sources import Kind, UnpackLimits, files_of, opened

Write = Callable[[str, str | bytes], Path]
ROWS = "a,b,c\n1,2,3\n"


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # a fixed time
    return out.getvalue()


def contents(
    path: Path, scratch: Path, limits: UnpackLimits | None = None
) -> dict[str, tuple[str, Kind, bytes]]:
    scratch.mkdir(exist_ok=True)
    found = {}
    for source in opened([path], scratch, limits or UnpackLimits()):
        assert source.path == path or source.path.resolve().parent == scratch.resolve()
        found[source.name.removeprefix(str(path))] = (source.stem, source.kind, source.path.read_bytes())
    assert list(scratch.iterdir()) == []
    return found


def test_zip_of_gzip_and_names_that_would_escape(tmp_path: Path, write: Write) -> None:
    """Members are read under their own names and never written under them."""
    path = write(
        "x.zip",
        zipped(
            {
                "../../evil.csv": ROWS.encode(),
                "/tmp/nowhere/b.csv.gz": gzip.compress(ROWS.encode(), mtime=0),
                "folder/": b"",
                "__MACOSX/._a.csv": b"\x00\x01",
                ".hidden.csv": b"x",
            }
        ),
    )
    assert contents(path, tmp_path / "scratch") == {
        ":../../evil.csv": ("evil", Kind.TEXT, ROWS.encode()),
        ":/tmp/nowhere/b.csv.gz": ("b", Kind.TEXT, ROWS.encode()),
    }


def test_content_decides_and_not_the_ending(tmp_path: Path, write: Write) -> None:
    frame = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(frame)
    for name, content, kind in (
        ("a.csv", frame.getvalue(), Kind.PARQUET),
        ("b.parquet", ROWS.encode(), Kind.TEXT),
        ("c.txt", b'\xef\xbb\xbf {"data": 1}', Kind.JSON),
        ("d.csv", zipped({"x": ROWS.encode()}), Kind.TEXT),
        ("e.csv", gzip.compress(ROWS.encode(), mtime=0), Kind.TEXT),
    ):
        ((_, found, _),) = contents(write(name, content), tmp_path / "scratch").values()
        assert found is kind, name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_of_excel_becomes_utf8(tmp_path: Path, write: Write, encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    path = write("a.csv", mark + ROWS.encode(encoding))
    ((_, _, content),) = contents(path, tmp_path / "scratch").values()
    assert content == ROWS.encode()


def test_line_ends_of_old_macs(tmp_path: Path, write: Write) -> None:
    ((_, _, content),) = contents(write("a.csv", ROWS.replace("\n", "\r")), tmp_path / "scratch").values()
    assert content == ROWS.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "nothing but blanks"),
        (b"<!DOCTYPE html><html>Access denied</html>", "a web page"),
        (b"\x00\x01\x02\x03" * 100, "binary data"),
        (bytes(range(256)) * 10, "binary data"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (gzip.compress(ROWS.encode() * 500, mtime=0)[:-20], "cut off"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"\x1f\x8b rubbish", "gzip file is damaged"),
        (zipped({"a.csv": ROWS.encode() * 500})[:-30], "zip is damaged"),
        (zipped({}), "holds no files"),
        (zipped({"a.zip": zipped({"b.csv": b"x"})}), "a zip inside a zip"),
        (zipped({"[Content_Types].xml": b"<x/>", "xl/a.xml": b"<x/>"}), "Excel"),
        (b"PK\x03\x04 rubbish", "zip is damaged"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, write: Write, content: bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        contents(write("a.csv", content), tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_damaged_member_is_found(tmp_path: Path, write: Write) -> None:
    raw = bytearray(zipped({"a.csv": os.urandom(5_000)}))
    raw[2_000] ^= 0xFF
    with pytest.raises(BadInputError, match="zip is damaged"):
        contents(write("a.zip", bytes(raw)), tmp_path / "scratch")


@pytest.mark.parametrize(
    "packed", [gzip.compress(bytes(3_000_000), mtime=0), zipped({"a.csv": bytes(3_000_000)})]
)
def test_bombs_are_refused_by_what_really_comes_out(tmp_path: Path, write: Write, packed: bytes) -> None:
    path = write("bomb", packed)
    with pytest.raises(BadInputError, match="unpacks to more than"):
        contents(path, tmp_path / "scratch", UnpackLimits(most_bytes=1_000_000))
    with pytest.raises(BadInputError, match="unpacks to more than"):
        contents(path, tmp_path / "scratch", UnpackLimits(most_ratio=100, ratio_from_bytes=1_000_000))


def test_a_zip_that_lies_about_its_sizes_is_counted(tmp_path: Path, write: Write) -> None:
    raw = bytearray(zipped({"a.csv": bytes(3_000_000)}))
    for place in (raw.find((3_000_000).to_bytes(4, "little")), raw.rfind((3_000_000).to_bytes(4, "little"))):
        raw[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises(BadInputError):
        contents(write("bomb.zip", bytes(raw)), tmp_path / "scratch", UnpackLimits(most_bytes=1_000_000))


def test_an_encrypted_zip_says_what_to_do(tmp_path: Path, write: Write) -> None:
    raw = bytearray(zipped({"a.csv": ROWS.encode()}))
    raw[6] |= 1
    central = raw.find(b"PK\x01\x02")
    raw[central + 8] |= 1
    with pytest.raises(BadInputError, match="cannot be opened") as caught:
        contents(write("a.zip", bytes(raw)), tmp_path / "scratch")
    assert "unpack it" in caught.value.hint


def test_folders_links_and_what_is_no_file(tmp_path: Path, write: Write) -> None:
    first, second = write("in/b.csv", ROWS), write("in/a.CSV", ROWS)
    write("in/readme.md", "x")
    write("in/.hidden.csv", "x")
    write("in/deeper/c.csv", "x")
    link = tmp_path / "link.csv"
    link.symlink_to(first)
    assert files_of([tmp_path / "in", link]) == (second, first)
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="leads nowhere"):
        files_of([tmp_path / "dangling.csv"])
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NotFoundError):
        files_of([tmp_path / "loop"])
    with pytest.raises(NotFoundError, match="no such file"):
        files_of([tmp_path / "missing.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no data files"):
        files_of([tmp_path / "empty"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInputError, match="neither a file nor a folder"):
        files_of([tmp_path / "pipe"])
