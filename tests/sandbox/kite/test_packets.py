"""Our frames against the decoder of the broker's own client."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from trademantra.sandbox.kite.packets import (
    FULL_DTYPE,
    INDEX_BYTES,
    PACKET_BYTES,
    Mode,
    PacketTable,
    Ticks,
    divisor_of,
    framed,
)

SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 9, 12)
tokens = st.builds(
    lambda number, segment: number * 256 + segment, st.integers(1, 2**23), st.sampled_from(SEGMENTS)
)
counts = st.integers(0, 2**32 - 1)


@st.composite
def market(draw: st.DrawFn) -> tuple[list[int], Ticks]:
    """Distinct tokens and what is known of them; prices are whole steps of the segment's divisor."""
    chosen = draw(st.lists(tokens, min_size=1, max_size=6, unique=True))
    divisors = np.array([divisor_of(token) for token in chosen], float)

    def prices(levels: int = 0) -> np.ndarray:
        shape = (len(chosen), levels) if levels else (len(chosen),)
        size = int(np.prod(shape))
        whole = np.array(draw(st.lists(st.integers(1, 2**31 - 1), min_size=size, max_size=size)), float)
        return whole.reshape(shape) / (divisors[:, None] if levels else divisors)

    def numbers(levels: int = 0, most: int = 2**32 - 1) -> np.ndarray:
        size = len(chosen) * (levels or 1)
        drawn = draw(st.lists(st.integers(0, most), min_size=size, max_size=size))
        return np.array(drawn, float).reshape((len(chosen), levels) if levels else (len(chosen),))

    seconds = numbers(most=2**31 - 1).astype(np.int64)
    return chosen, Ticks(
        last_price=prices(), last_quantity=numbers(), average_price=prices(), volume=numbers(),
        buy_quantity=numbers(), sell_quantity=numbers(), open=prices(), high=prices(), low=prices(),
        previous_close=prices(), last_trade_second=seconds, open_interest=numbers(), open_interest_high=numbers(),
        open_interest_low=numbers(), second=seconds, depth_price=prices(10), depth_quantity=numbers(10),
        depth_orders=numbers(10, 2**16 - 1),
    )  # fmt: skip


def decoded(frame: bytes) -> list[dict]:
    return KiteTicker("key", "token")._parse_binary(frame)


@settings(max_examples=150, deadline=None)
@given(market(), st.sampled_from(list(Mode)))
def test_the_vendors_client_reads_back_what_was_written(known: tuple[list[int], Ticks], mode: Mode) -> None:
    chosen, ticks = known
    table = PacketTable()
    rows = np.array([table.row_of(token) for token in chosen], np.int64)
    table.write(rows, ticks)
    by_token = {
        tick["instrument_token"]: tick for tick in decoded(framed(len(rows), table.frame(mode, rows)))
    }
    assert set(by_token) == set(chosen)
    for i, token in enumerate(chosen):
        tick = by_token[token]
        index = token & 0xFF == 9
        assert tick["tradable"] is not index
        assert tick["last_price"] == _near(ticks.last_price[i])
        if mode is Mode.LTP:
            assert set(tick) == {"tradable", "mode", "instrument_token", "last_price"}
            continue
        assert tick["mode"] == mode.value
        assert tick["ohlc"]["open"] == _near(ticks.open[i])
        assert tick["ohlc"]["high"] == _near(ticks.high[i])
        assert tick["ohlc"]["low"] == _near(ticks.low[i])
        assert tick["ohlc"]["close"] == _near(ticks.previous_close[i])
        if mode is Mode.FULL:
            assert tick["exchange_timestamp"] == datetime.fromtimestamp(int(ticks.second[i]))  # noqa: DTZ006  (as the client does)
        if index:
            assert "depth" not in tick
            continue
        assert tick["last_traded_quantity"] == ticks.last_quantity[i]
        assert tick["average_traded_price"] == _near(ticks.average_price[i])
        assert tick["volume_traded"] == ticks.volume[i]
        assert tick["total_buy_quantity"] == ticks.buy_quantity[i]
        assert tick["total_sell_quantity"] == ticks.sell_quantity[i]
        if mode is Mode.FULL:
            assert tick["oi"] == ticks.open_interest[i]
            assert (tick["oi_day_high"], tick["oi_day_low"]) == (
                ticks.open_interest_high[i],
                ticks.open_interest_low[i],
            )
            levels = [*tick["depth"]["buy"], *tick["depth"]["sell"]]
            assert [level["quantity"] for level in levels] == ticks.depth_quantity[i].tolist()
            assert [level["orders"] for level in levels] == ticks.depth_orders[i].tolist()
            assert [level["price"] for level in levels] == [_near(price) for price in ticks.depth_price[i]]


def _near(value: float) -> float:
    """The client divides a whole number, as we multiplied: equal to the last digit of the segment's scale."""
    return pytest.approx(value, rel=1e-12)


def test_packets_have_the_lengths_of_the_protocol() -> None:
    assert FULL_DTYPE.itemsize == 184
    assert dict(PACKET_BYTES) == {Mode.LTP: 8, Mode.QUOTE: 44, Mode.FULL: 184}
    assert dict(INDEX_BYTES) == {Mode.LTP: 8, Mode.QUOTE: 28, Mode.FULL: 32}


def test_an_instrument_without_a_price_is_not_told() -> None:
    table = PacketTable()
    rows = np.array([table.row_of(408065)], np.int64)
    nothing, deep = np.full(1, np.nan), np.zeros((1, 10))
    none = np.zeros(1, np.int64)
    table.write(
        rows,
        Ticks(
            last_price=nothing, last_quantity=nothing, average_price=nothing, volume=nothing, buy_quantity=nothing,
            sell_quantity=nothing, open=nothing, high=nothing, low=nothing, previous_close=nothing,
            last_trade_second=none, open_interest=nothing, open_interest_high=nothing, open_interest_low=nothing,
            second=none, depth_price=deep, depth_quantity=deep, depth_orders=deep,
        ),
    )  # fmt: skip
    assert table.frame(Mode.FULL, rows) == b""
    assert table.sent_rows(rows) == 0


def test_a_table_grows_and_keeps_its_rows() -> None:
    table = PacketTable()
    rows = [table.row_of(256 * number + 1) for number in range(1, 1001)]
    assert rows == list(range(1000))
    assert table.row_of(256 + 1) == 0
    assert table.known(999_999_999) is None
