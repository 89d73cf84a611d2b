"""Listings: found by token, symbol and instrument; read from a broker's file as the master reads it."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.brokers.paper.market import INFY, TOKEN, share
from tests.data.instruments.dumps import KITE_HEADER
from trademantra.brokers.listings import Listing, Listings
from trademantra.core.errors import BadInputError, InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import InstrumentKind, Segment

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "instruments"
CSV = f"""{KITE_HEADER}
408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
15155714,59202,NIFTY26N2424500CE,NIFTY,0,2026-11-24,24500,0.05,65,CE,NFO-OPT,NFO
15155970,59203,NIFTY26NOVFUT,NIFTY,0,2026-11-24,0,0.1,65,FUT,NFO-FUT,NFO
"""


def test_rows_of_a_file_become_listings(tmp_path: Path) -> None:
    file = tmp_path / "instruments.csv"
    file.write_text(CSV)
    listings = Listings.read_kite(file)
    assert len(listings) == 4
    option = listings.find("NFO", "NIFTY26N2424500CE")
    instrument = option.instrument
    assert (instrument.strike, instrument.lot_size, instrument.tick_size) == (24_500, 65, Decimal("0.05"))
    assert (instrument.segment, instrument.underlying) == (Segment.EQUITY_OPTIONS, "NIFTY")
    assert listings.by_token(256265).instrument.kind is InstrumentKind.INDEX
    assert option.exchange_token == 59202
    for listing in listings:
        assert listings.by_instrument(listing.instrument) is listing
        assert listings.by_token(listing.token) is listing
        assert listings.rows_of([listing.token])[0] == listings.row_of(listing.token)
    assert listings.row_of_key("NSE:NIFTY") == listings.row_of(256265)


def test_given_listings_stay_as_they_are() -> None:
    given = [Listing("NSE", "INFY", TOKEN, INFY), Listing("NSE", "TCS", 512, share("TCS"))]
    assert list(Listings.of(given)) == given
    assert list(Listings.of([])) == []


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    one = Listing("NSE", "INFY", TOKEN, INFY)
    with pytest.raises(InvalidValueError, match="twice"):
        Listings.of([one, one])
    with pytest.raises(InvalidValueError, match="symbol"):
        Listings.of([one, Listing("NSE", "INFY", 512, INFY)])
    listings = Listings.of([one])
    for ask in (
        lambda: listings.by_token(1),
        lambda: listings.find("NSE", "infy"),
        lambda: listings.by_instrument(share("TCS")),
        lambda: listings.rows_of([TOKEN, 1]),
        lambda: Listings.of([]).rows_of([1]),
    ):
        with pytest.raises(UnknownInstrumentError):
            ask()
    rubbish = tmp_path / "rubbish.csv"
    rubbish.write_bytes(b"\x00\x01not a table\n\xff\xfe")
    with pytest.raises(BadInputError):
        Listings.read_kite(rubbish)


@pytest.mark.parametrize("name", ["kite_nse_2026_03", "kite_nfo_bfo_2026_08_18", "kite_bse_2025_09"])
def test_real_files_name_every_contract_once(name: str) -> None:
    file = REAL / f"{name}.parquet"
    if not file.is_file():
        pytest.skip(f"{file} is not there: class B data lies beside the project only")
    listings = Listings.read_kite(file)
    assert len(listings) > 1_000
    step = max(1, len(listings) // 500)
    for row in range(0, len(listings), step):
        listing = listings.at(row)
        assert (
            listings.at(listings.row_of_instrument(listing.instrument)).instrument.key
            == listing.instrument.key
        )
        assert listings.find(listing.venue, listing.symbol) == listing
