from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.data.home import bars_home, data_home
from trademantra.data.series import Series, file_name_of, symbol_of

ANY_SYMBOL = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=" ./\\:*?%&-~"), min_size=1, max_size=20
)


@given(ANY_SYMBOL)
def test_a_symbol_comes_back_from_its_file_name(symbol):
    name = file_name_of(symbol)
    assert symbol_of(name) == symbol
    assert PurePosixPath(name).name == name
    assert PureWindowsPath(name).name == name
    assert not PureWindowsPath(name).is_absolute()
    assert name not in (".", "..")
    assert not name.endswith((".", " "))


@given(ANY_SYMBOL, ANY_SYMBOL)
def test_two_symbols_never_share_a_file_name_where_case_is_not_told_apart(one, other):
    assert (file_name_of(one).casefold() == file_name_of(other).casefold()) == (one == other)


@pytest.mark.parametrize("device", ["CON", "NUL", "COM1", "AUX.X", "EVENTS"])
def test_names_of_windows_devices_are_coded(device):
    assert file_name_of(device).startswith("%")
    assert symbol_of(file_name_of(device)) == device


@pytest.mark.parametrize("name", ["reliance", "%2e", "A%ZZ", "%FF", "", "%41", "A."])
def test_a_file_name_that_the_store_does_not_make_names_no_symbol(name):
    assert symbol_of(name) is None


@pytest.mark.parametrize(
    "text", ["NSE:RELIANCE:1m", "NSE:M&M:5m", "BINANCE:BTC/USDT:1h", "NSE:NIFTY 50:1d", "NSE:A:B:CE:1mo"]
)
def test_a_series_is_read_as_it_is_written(text):
    assert str(Series.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "RELIANCE", "NSE:RELIANCE", "NSE::1m", "nse:RELIANCE:1m", "../x:A:1m", "EVENTS:A:1m", "CON:A:1m",
     "NSE:A\nB:1m", "NSE: A:1m", "NSE:A:0m", "NSE:" + "A" * 201 + ":1m", "NSE:" + "क" * 30 + ":1m"],
)  # fmt: skip
def test_what_cannot_name_a_series_is_refused(text):
    with pytest.raises(InvalidValueError):
        Series.parse(text)


def test_series_sort_by_symbol_and_then_from_short_bars_to_long():
    wanted = [
        "BSE:A:1m",
        "NSE:A:1s",
        "NSE:A:1m",
        "NSE:A:15m",
        "NSE:A:1h",
        "NSE:A:1d",
        "NSE:A:1w",
        "NSE:A:1mo",
    ]
    assert [str(s) for s in sorted(Series.parse(text) for text in reversed(wanted))] == wanted


def test_the_home_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEMANTRA_HOME", str(tmp_path))
    assert data_home() == tmp_path
    assert bars_home() == tmp_path / "bars"
    assert data_home({}).name == ".trademantra"
    assert data_home({"TRADEMANTRA_HOME": " "}).name == ".trademantra"


def test_timeframes_of_one_symbol_have_folders_of_their_own():
    folders = {
        str(Series("NSE", "A", Timeframe.parse(t)).path).casefold() for t in ("1m", "1mo", "1h", "60m")
    }
    assert len(folders) == 4
