"""Broker history in JSON and Binance klines."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trademantra.core.errors import BadInputError
from trademantra.core.time import IST, ns_of
from trademantra.data.imports.model import ImportReport
from trademantra.data.series import Series
from trademantra.data.store import BarStore

Load = Callable[..., ImportReport]
Write = Callable[[str, str | bytes], Path]


def candles(count: int, *, newest_first: bool = False) -> str:
    start = datetime(2024, 1, 5, 9, 15, tzinfo=IST)
    rows = [
        [
            f"{start + timedelta(minutes=5 * i):%Y-%m-%dT%H:%M:%S%z}",
            100 + i,
            101 + i,
            99 + i,
            100.5 + i,
            10 * i,
            7,
        ]
        for i in range(count)
    ]
    return json.dumps({"status": "success", "data": {"candles": rows[::-1] if newest_first else rows}})


@pytest.mark.parametrize("newest_first", [False, True])
def test_kite_history(load: Load, store: BarStore, write: Write, *, newest_first: bool) -> None:
    report = load(write("h.json", candles(4, newest_first=newest_first)), symbol="NSE:ALPHA")
    bars = store.read(Series.parse("NSE:ALPHA:5m"))
    assert bars.ts[0] == ns_of(datetime(2024, 1, 5, 9, 15, tzinfo=IST))
    assert bars.close.tolist() == [100.5, 101.5, 102.5, 103.5]
    assert bars.volume.tolist() == [0, 10, 20, 30]
    assert store.describe(Series.parse("NSE:ALPHA:5m")).adjusted
    assert any("time order" in notice for notice in report.files[0].notices) == newest_first


def test_kite_history_can_be_stated_as_raw(load: Load, store: BarStore, write: Write) -> None:
    load(write("h.json", candles(4)), symbol="NSE:NIFTY", adjusted=False)
    assert not store.describe(Series.parse("NSE:NIFTY:5m")).adjusted


def test_records_as_kiteconnect_gives_them(load: Load, store: BarStore, write: Write) -> None:
    rows = [
        {"date": f"2024-01-0{day} 00:00:00+05:30", "open": 1, "high": 2.5, "low": 1, "close": 2, "volume": 5}
        for day in (3, 4, 5)
    ]
    load(write("h.json", json.dumps(rows)), symbol="NSE:ALPHA")
    bars = store.read(Series.parse("NSE:ALPHA:1d"))
    assert bars.ts[0] == ns_of(datetime(2024, 1, 3, tzinfo=IST))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"status": "error", "message": "Incorrect api_key", "error_type": "TokenException"}',
            "Incorrect api_key",
        ),
        ('{"data": {"candles": []}}', "empty"),
        ('{"data": {"something": 1}}', "no candles"),
        ('{"data": {"candles": [["2024-01-05", 1, 2]]}}', "a candle has"),
        ('{"data": {"candles": [7]}}', "a candle is"),
        ('{"data": {"candles": [', "not valid JSON"),
        ('{"a": 1}\n{"a": 2}', "not valid JSON"),
        ("[" * 100_000, "not market data"),
        ("[]", "empty"),
    ],
)
def test_json_that_is_no_history_says_so(load: Load, write: Write, content: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        load(write("h.json", content), symbol="NSE:ALPHA")


def test_a_bad_candle_is_named_by_its_number(load: Load, store: BarStore, write: Write) -> None:
    bad = json.loads(candles(4))
    bad["data"]["candles"][2][2] = 1
    path = write("h.json", json.dumps(bad))
    with pytest.raises(BadInputError) as caught:
        load(path, symbol="NSE:ALPHA")
    assert (caught.value.line, caught.value.column) == (3, "high")
    bad["data"]["candles"][1] = ["short"]
    path = write("h.json", json.dumps(bad))
    report = load(path, symbol="NSE:ALPHA", skip_bad=True)
    assert (report.rejected, len(store.read(Series.parse("NSE:ALPHA:5m")))) == (2, 2)


def klines(unit: int, count: int = 5, *, seconds: int = 300, header: bool = False) -> str:
    start = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * unit
    rows = [
        f"{start + i * seconds * unit},1.5,2.5,1.25,2.0,{i}.5,{start + (i + 1) * seconds * unit - 1},9.0,3,1.0,1.0,0"
        for i in range(count)
    ]
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
    return "\n".join(([names] if header else []) + rows) + "\n"


@pytest.mark.parametrize("unit", [10**3, 10**6])
@pytest.mark.parametrize(
    ("seconds", "timeframe"),
    [(1, "1s"), (60, "1m"), (900, "15m"), (3600, "1h"), (86_400, "1d"), (7 * 86_400, "1w")],
)
def test_binance_klines_in_either_unit(
    load: Load, store: BarStore, write: Write, unit: int, seconds: int, timeframe: str
) -> None:
    """Milliseconds until 2024, microseconds since 2025: the close time gives the length exactly."""
    report = load(write("BTCUSDT-x-2025-01.csv", klines(unit, seconds=seconds)), symbol="BTCUSDT")
    bars = store.read(Series.parse(f"BINANCE:BTCUSDT:{timeframe}"))
    assert bars.ts[:2].tolist() == [
        ns_of(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds * i)) for i in (0, 1)
    ]
    assert bars.volume.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert report.files[0].timeframe_from == "the format"


def test_one_kline_is_enough_and_the_name_gives_the_symbol(load: Load, store: BarStore, write: Write) -> None:
    load(write("ETHUSDT-5m-2025-01-01.csv", klines(10**6, 1)))
    assert str(store.series()[0].series) == "BINANCE:ETHUSDT:5m"


def test_klines_without_a_name_ask_for_the_symbol(load: Load, write: Write) -> None:
    with pytest.raises(BadInputError) as caught:
        load(write("download.csv", klines(10**6)))
    assert "--symbol" in caught.value.hint


def test_futures_klines_have_a_header_and_a_warning(load: Load, write: Write) -> None:
    report = load(write("BTCUSDT-5m-2025-01.csv", klines(10**3, header=True)))
    assert report.files[0].format == "Binance klines"
    assert "BTCUSDT-PERP" in report.files[0].notices[0]


def test_a_damaged_kline_is_a_bad_row_of_a_known_format(load: Load, write: Write) -> None:
    text = klines(10**6, 40).replace("1.5,2.5", "1.5,x", 1)
    with pytest.raises(BadInputError) as caught:
        load(write("BTCUSDT-5m-2025-01.csv", text))
    assert (caught.value.line, caught.value.column) == (1, "3")
