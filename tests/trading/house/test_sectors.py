"""A user's file of sectors: what is right is taken whole, what is wrong is named with its line."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risk.scene import CALL, TCS
from trademantra.core.errors import BadInputError
from trademantra.trading.house.sectors import read_sectors
from trademantra.trading.risk.state import RiskState


def written(folder, text, encoding="utf-8"):
    file = folder / "sectors.csv"
    file.write_bytes(text.encode(encoding))
    return file


def test_a_list_of_index_members_is_taken_as_the_exchange_writes_it(tmp_path):
    text = "\ufeffCompany Name,Industry,Symbol,Series,ISIN Code\r\n" + "".join(
        f'"{name}, Ltd.",{sector},{symbol},EQ,INE0\r\n'
        for name, sector, symbol in [("A", "Oil  Gas", "RELIANCE"), ("B", "Healthcare", "BSE:cipla")]
    )
    assert read_sectors(written(tmp_path, text + "\r\n")) == {
        "NSE:RELIANCE": "Oil Gas", "BSE:RELIANCE": "Oil Gas", "BSE:CIPLA": "Healthcare",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "names no symbol"),
        ("symbol,kind\nINFY,IT\n", 1, "names no sector"),
        ("sector,name\nIT,INFY\n", 1, "names no symbol"),
        ("symbol,sector\nINFY,IT\nTCS,\n", 3, "the sector is blank"),
        ("symbol,sector\n\n ,IT\n", 3, "the symbol is blank"),
        ("symbol,sector\nINFY,IT\nSBIN\n", 3, "too short"),
        ("symbol,sector\nINFY,IT\nSBIN,Banks\nINFY,IT\n", 4, "stands in line 2 already"),
        ("symbol,sector\nINFY,IT\nNSE:infy,Software\n", 3, "stands in line 2 already"),
        ("symbol,sector\nNFO:INFY,IT\n", 2, "is no EXCHANGE:SYMBOL"),
        ("symbol,sector\nNSE:,IT\n", 2, "is no EXCHANGE:SYMBOL"),
        ("symbol,sector\n\n", None, "no row below the header"),
        ('symbol,sector\n"INFY,IT\n', None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path, text, line, reason):
    with pytest.raises(BadInputError, match=reason) as caught:
        read_sectors(written(tmp_path, text))
    assert caught.value.line == line


def test_a_file_that_is_none_is_said_to_be_none(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        read_sectors(tmp_path / "absent.csv")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_sectors(written(tmp_path, "symbol,sector\nINFY,Übersee\n", "latin-1"))


@given(st.text(max_size=80))
def test_rubbish_is_refused_or_read_never_a_crash(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "rubbish.csv"
    file.write_bytes(b"symbol,sector\n" + text.encode("utf-8", "surrogatepass"))
    with suppress(BadInputError):
        assert all(key and sector for key, sector in read_sectors(file).items())


def test_contracts_are_of_the_sector_of_their_underlying():
    state = RiskState()
    state.sector_told("NSE:NIFTY", "Index")
    state.sector_told("NSE:TCS", "IT")
    assert state.sector_of(CALL, "") == "Index"
    assert state.sector_of(TCS, "another") == "IT"
    state.sector_told(CALL.key, "Options")
    assert state.sector_of(CALL, "") == "Options"
