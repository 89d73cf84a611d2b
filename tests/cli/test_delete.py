"""`tm data delete` from the outside."""

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.data.bar_making import bars_at
from trademantra.cli import delete as delete_command
from trademantra.cli.delete import register
from trademantra.core.errors import (
    AmbiguousInstrumentError,
    InvalidValueError,
    NotFoundError,
    TradeMantraError,
)
from trademantra.data.series import Series
from trademantra.data.store import BarStore

NAMES = ("NSE:TCS:1m", "NSE:TCS:1d", "BSE:TCS:1d", "NSE:INFY:1d")


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    store = BarStore(tmp_path / "bars")
    for name in NAMES:
        ts = 1_767_239_100_000_000_000 + np.arange(3, dtype=np.int64) * 86_400_000_000_000
        store.append(Series.parse(name), bars_at(ts))
    return store


def tm(store: BarStore, *words: str, answer: str = "") -> Result:
    app = typer.Typer()
    register(app)
    register(app)
    found = CliRunner().invoke(
        app, ["data", "delete", *words, "--data-dir", str(store.root.parent)], input=answer
    )
    if isinstance(found.exception, TradeMantraError):
        raise found.exception
    return found


def left(store: BarStore) -> set[str]:
    return {str(series) for series in store.names()}


def test_a_symbol_goes_with_all_its_timeframes(store: BarStore) -> None:
    shown = tm(store, "nse:tcs", "--yes").output
    assert "NSE:TCS:1m: 3 bars" in shown
    assert "NSE:TCS:1d: 3 bars" in shown
    assert left(store) == {"BSE:TCS:1d", "NSE:INFY:1d"}


@pytest.mark.parametrize("words", [("NSE:TCS", "--timeframe", "1m"), ("NSE:TCS:1m",), ("TCS:1m",)])
def test_one_timeframe_goes_alone(store: BarStore, words: tuple[str, ...]) -> None:
    tm(store, *words, "--yes")
    assert left(store) == set(NAMES) - {"NSE:TCS:1m"}


def test_a_name_of_two_symbols_deletes_neither(store: BarStore) -> None:
    with pytest.raises(AmbiguousInstrumentError, match="NSE:TCS"):
        tm(store, "TCS", "--yes")
    assert left(store) == set(NAMES)


def test_what_is_not_stored_is_told_with_what_is_near(store: BarStore) -> None:
    with pytest.raises(NotFoundError, match="did you mean NSE:INFY"):
        tm(store, "INFI", "--yes")
    with pytest.raises(NotFoundError, match="there are NSE:INFY:1d"):
        tm(store, "INFY", "--timeframe", "5m", "--yes")


def test_without_a_person_or_yes_nothing_is_deleted(store: BarStore) -> None:
    with pytest.raises(InvalidValueError, match="add --yes"):
        tm(store, "INFY")
    assert left(store) == set(NAMES)


def test_a_person_is_asked(store: BarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete_command, "is_person", lambda: True)
    refused = tm(store, "INFY", answer="n\n")
    assert refused.exit_code == 1
    assert "nothing was deleted" in refused.output
    assert left(store) == set(NAMES)
    assert tm(store, "INFY", answer="y\n").exit_code == 0
    assert left(store) == set(NAMES) - {"NSE:INFY:1d"}


def test_a_damaged_series_can_be_deleted(store: BarStore) -> None:
    [file] = (store.root / Series.parse("NSE:INFY:1d").path).glob("*.parquet")
    file.write_bytes(b"rubbish")
    assert "NSE:INFY:1d: damaged" in tm(store, "INFY", "--yes").output
    assert left(store) == set(NAMES) - {"NSE:INFY:1d"}
