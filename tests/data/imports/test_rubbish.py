"""Whatever bytes come, an import ends well or with an error made for people, and half-way is nowhere."""

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import IST
from trademantra.data.imports import importer
from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions, ImportReport
from trademantra.data.series import Series
from trademantra.data.store import BarStore

Load = Callable[..., ImportReport]
Write = Callable[[str, str | bytes], Path]

_BEGIN = datetime(2024, 1, 5, 9, 15, tzinfo=IST)
TABLE = "ts,open,high,low,close,volume,symbol\n" + "".join(
    f"{(_BEGIN + timedelta(minutes=i)).isoformat()},{100 + i},{101 + i},{99 + i},{100 + i},{i},ALPHA\n"
    for i in range(20)
)
CANDLES = (
    '{"data":{"candles":[["2024-01-05T09:15:00+0530",1,2,1,2,5],["2024-01-05T09:16:00+0530",1,2,1,2,5]]}}'
)


def packed(text: bytes) -> list[bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.csv", text)
    return [text, gzip.compress(text, mtime=0), archive.getvalue()]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file in which some bytes were changed, cut out or put in."""
    whole = draw(st.sampled_from([each for text in (TABLE, CANDLES) for each in packed(text.encode())]))
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        some = draw(
            st.binary(min_size=1, max_size=12)
            | st.sampled_from([b'"', b"\n", b",", b"-", b"\xff", b"\x00", b"9" * 30])
        )
        if how == "change":
            content[at : at + len(some)] = some
        elif how == "cut":
            del content[at : at + draw(st.integers(1, 60))]
        elif how == "insert":
            content[at:at] = some
        else:
            del content[at:]
    return bytes(content)


@given(content=damaged() | st.binary(max_size=300), skip=st.booleans())
@settings(max_examples=120, deadline=None)
def test_damage_never_surprises(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, *, skip: bool
) -> None:
    folder = tmp_path_factory.mktemp("rubbish")
    path = folder / "a.csv"
    path.write_bytes(content)
    store = BarStore(folder / "bars")
    options = ImportOptions(exchange="NSE", symbol="X", timezone=IST, skip_bad=skip)
    said, untouched = str(path), True
    try:
        run(ImportJob(paths=[path], options=options, rejects=folder / "rejects.csv", scratch=folder), store)
    except TradeMantraError as error:
        said, untouched = error.message, not store.root.exists()
    for entry in store.series():
        store.read(entry.series).check()
    assert untouched
    assert str(path) in said
    assert {each.name for each in folder.iterdir()} <= {"a.csv", "bars", "rejects.csv"}


def test_an_error_in_the_last_file_leaves_everything_as_it_was(
    load: Load, store: BarStore, write: Write
) -> None:
    good = [write(f"{name}.csv", TABLE.replace("ALPHA", name)) for name in ("A", "B", "C")]
    bad = write("z.csv", TABLE.replace("ALPHA", "Z") + "2024-01-05T10:00:00+05:30,1,2,1,x,5,Z\n")
    with pytest.raises(TradeMantraError, match=r"z\.csv, line 22"):
        load(*good, bad, exchange="NSE")
    assert not store.root.exists()


def test_an_import_that_was_killed_is_completed_by_the_next(
    load: Load, store: BarStore, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off between two series: those written are whole, and the same import again does the rest."""
    files = [write(f"{name}.csv", TABLE.replace("ALPHA", name)) for name in ("A", "B", "C")]
    real, calls = importer.write, []

    def dying(*given: object, **named: object) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(given)
        real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(importer, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        load(*files, exchange="NSE")
    assert [entry.rows for entry in store.series()] == [20]
    monkeypatch.undo()
    report = load(*files, exchange="NSE")
    assert [(each.new, each.same) for each in report.series] == [(0, 20), (20, 0), (20, 0)]
    assert len(store.read(Series.parse("NSE:C:1m"))) == 20
