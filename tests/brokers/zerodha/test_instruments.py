"""The broker's names: read from its file, found again by what an instrument is, also on the real files."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.brokers.zerodha.scripted_kite import INSTRUMENTS
from trademantra.brokers.zerodha.instruments import (
    InstrumentBook,
    import_into_master,
    units_of,
    wire_quantity,
)
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import QuantityUnit
from trademantra.data.instruments.master import summaries

REAL = Path(__file__).parents[4] / "shared" / "data" / "instruments"


@pytest.fixture
def book() -> InstrumentBook:
    return InstrumentBook.of_csv(INSTRUMENTS.encode())


def test_each_row_is_found_by_symbol_token_and_instrument(book: InstrumentBook) -> None:
    for instrument in book.instruments():
        listing = book.listing(instrument)
        assert book.by_symbol(listing.venue, listing.symbol) is instrument
        assert book.by_token(listing.token) is instrument
    assert len(book) == 6
    assert book.dropped == 0
    option = book.by_symbol("NFO", "NIFTY26N2426000CE")
    assert (option.key, option.lot_size) == ("NSE:NIFTY:2026-11-24:26000:CE", Decimal(65))
    assert book.by_symbol("MCX", "GOLDM26DECFUT").quantity_unit is QuantityUnit.LOTS


def test_an_instrument_of_the_master_is_recognised_and_answered_with(book: InstrumentBook) -> None:
    for symbol, changes in (
        ("INFY", {"series": None, "isin": "INE009A01021", "has_derivatives": True}),
        ("GOLDM26DECFUT", {"lot_size": Decimal(100), "multiplier": Decimal(10)}),
    ):
        venue = "NSE" if symbol == "INFY" else "MCX"
        theirs = replace(book.by_symbol(venue, symbol), **changes)  # type: ignore[arg-type]
        token = book.listing(theirs).token
        book.adopt([theirs])
        assert book.by_token(token) is theirs
        assert book.by_symbol(venue, symbol) is theirs


def test_what_is_not_listed_is_unknown(book: InstrumentBook) -> None:
    option = book.by_symbol("NFO", "NIFTY26N2426000CE")
    with pytest.raises(UnknownInstrumentError):
        book.listing(replace(option, expiry=date(2026, 12, 1)))
    with pytest.raises(UnknownInstrumentError):
        book.by_symbol("NFO", "NIFTY26N2499999CE")
    assert book.by_token(1) is None
    book.adopt([replace(option, expiry=date(2026, 12, 1))])


def test_bad_rows_are_left_out_and_counted() -> None:
    bad = INSTRUMENTS + "abc,1,X,X,0,,0,0.05,1,EQ,NSE,NSE\n999,3,Y,Y,0,soon,0,0.05,1,FUT,NFO-FUT,NFO\n"
    book = InstrumentBook.of_csv(bad.encode())
    assert (len(book), book.dropped) == (6, 2)


def test_lots_and_units(book: InstrumentBook) -> None:
    gold = replace(book.by_symbol("MCX", "GOLDM26DECFUT"), lot_size=Decimal(100))
    assert wire_quantity(Decimal(300), gold) == 3
    assert units_of(Decimal(3), gold) == Decimal(300)
    nifty = book.by_symbol("NFO", "NIFTY26NOVFUT")
    assert wire_quantity(Decimal(130), nifty) == 130
    with pytest.raises(InvalidValueError, match="lots of 100"):
        wire_quantity(Decimal(250), gold)


def test_the_file_goes_into_the_instrument_master(tmp_path: Path) -> None:
    report = import_into_master(INSTRUMENTS.encode(), tmp_path / "master.sqlite3", date(2026, 11, 20))
    assert report.changes.opened == 6
    assert {one.venue for one in summaries(tmp_path / "master.sqlite3")} == {"NSE", "NFO", "MCX"}


@pytest.mark.parametrize("name", ["kite_nse_2026_03", "kite_bse_2025_09", "kite_nfo_bfo_2026_08_18"])
def test_every_row_of_the_real_files_finds_itself(name: str) -> None:
    file = REAL / f"{name}.parquet"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    book = InstrumentBook.of_csv(pl.read_parquet(file).write_csv().encode())
    assert book.dropped == 0
    assert len(book) > 9_000
    assert all(book.listing(one).instrument is one for one in book.instruments())
