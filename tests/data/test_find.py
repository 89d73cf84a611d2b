import pytest

from trademantra.core.bar import Timeframe
from trademantra.core.errors import AmbiguousInstrumentError, NotFoundError
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.find import find_all, find_one
from trademantra.data.series import Series
from trademantra.data.store import Entry

NAMES = (
    "NSE:RELIANCE:1d",
    "NSE:RELIANCE:1m",
    "BSE:SENSEX:1d",
    "NSE:NIFTY:2026-11-24:24500:CE:1d",
    "NSE:M&M:5m",
)
ENTRIES = tuple(Entry(Series.parse(name), 0, 1, 2, 3, SeriesInfo()) for name in NAMES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RELIANCE", NAMES[:2]), ("nse:reliance", NAMES[:2]), ("NSE:RELIANCE:1m", NAMES[1:2]), ("reliance:1M", NAMES[1:2]),
        (" SENSEX ", NAMES[2:3]), ("NIFTY:2026-11-24:24500:CE", NAMES[3:4]), ("NSE:NIFTY:2026-11-24:24500:CE:1d", NAMES[3:4]),
        ("m&m", NAMES[4:]),
    ],
)  # fmt: skip
def test_every_way_to_name_a_series(text: str, found: tuple[str, ...]) -> None:
    assert tuple(str(entry.series) for entry in find_all(ENTRIES, text)) == found


def test_one_of_several_needs_a_choice() -> None:
    with pytest.raises(AmbiguousInstrumentError, match="NSE:RELIANCE:1d, NSE:RELIANCE:1m"):
        find_one(ENTRIES, "RELIANCE")
    assert str(find_one(ENTRIES, "RELIANCE", Timeframe(1, "m")).series) == "NSE:RELIANCE:1m"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("RELIANSE", "did you mean NSE:RELIANCE?"), ("NIFTY", "NSE:NIFTY:2026-11-24:24500:CE"), ("BSE:SENSX", "BSE:SENSEX"),
        ("QQQ", "tm data list"), ("", "did you mean"), (":", ""),
    ],
)  # fmt: skip
def test_an_unknown_name_lists_those_near_it(text: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_all(ENTRIES, text)
    assert hint in caught.value.hint


def test_nothing_stored_says_what_to_do() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_all((), "RELIANCE")
    assert "tm data sample" in caught.value.hint


def test_a_timeframe_that_is_not_stored_lists_those_that_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_one(ENTRIES, "RELIANCE", Timeframe(5, "m"))
    assert "NSE:RELIANCE:1d, NSE:RELIANCE:1m" in caught.value.hint
