"""The frame decoder agrees with the vendor's own on every well-formed frame, and survives every other."""

import struct
from collections.abc import Mapping
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kiteconnect import KiteTicker  # type: ignore[import-untyped]

from trademantra.brokers.market import Quote
from trademantra.brokers.zerodha.packets import Frame, PacketKind, Packets, decode
from trademantra.brokers.zerodha.quotes import Tick
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment

SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12)
SHARE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="INFY", series="EQ"
)
NOW_NS = 1_795_146_300_000_000_000


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(PacketKind))
    segment = (
        9 if kind in (PacketKind.INDEX_QUOTE, PacketKind.INDEX_FULL) else draw(st.sampled_from(SEGMENTS))
    )
    token = draw(st.integers(0, 2**24 - 1)) << 8 | segment
    body = draw(st.binary(min_size=kind - 4, max_size=kind - 4))
    return struct.pack(">I", token) + body


def framed(parts: list[bytes]) -> bytes:
    return struct.pack(">H", len(parts)) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def official(frame: bytes) -> list[Mapping[str, object]]:
    """What the vendor's client makes of a frame."""
    ticker = KiteTicker.__new__(KiteTicker)  # the parser needs no connection
    parsed: list[Mapping[str, object]] = ticker._parse_binary(frame)
    return parsed


def ours(frame: Frame) -> list[tuple[int, Tick]]:
    rows = [
        (int(group.position[row]), Tick(group, row, NOW_NS))
        for group in frame.groups
        for row in range(len(group))
    ]
    return sorted(rows, key=lambda row: row[0])


def _same_instant(theirs: object, seconds: int) -> bool:
    # The vendor prints in the machine's zone.
    return isinstance(theirs, datetime) and theirs.timestamp() == seconds


@settings(max_examples=300, deadline=None)
@given(st.lists(packets(), max_size=12))
@example([bytes.fromhex("0006350100026b3d")] * 40)
def test_agrees_with_the_vendors_client_field_by_field(parts: list[bytes]) -> None:
    frame = framed(parts)
    decoded = decode(frame)
    assert decoded.dropped == {}
    rows, theirs = ours(decoded), official(frame)
    assert len(rows) == len(theirs) == len(parts)
    for (_, tick), expected in zip(rows, theirs, strict=True):
        group, row = tick.packets, tick.row
        assert int(group.token[row]) == expected["instrument_token"]
        assert bool(group.is_index[row]) is not expected["tradable"]

        def price(column: int, group: Packets = group, row: int = row) -> float:
            return float(group.price(group.words[:, column])[row])

        assert price(1) == expected["last_price"]
        words = group.words[row].tolist()
        day = expected.get("ohlc")
        if group.kind in (PacketKind.INDEX_QUOTE, PacketKind.INDEX_FULL):
            assert day == {"high": price(2), "low": price(3), "open": price(4), "close": price(5)}
        elif group.kind in (PacketKind.QUOTE, PacketKind.FULL):
            assert words[2] == expected["last_traded_quantity"]
            assert price(3) == expected["average_traded_price"]
            assert words[4:7] == [
                expected[name] for name in ("volume_traded", "total_buy_quantity", "total_sell_quantity")
            ]
            assert day == {"open": price(7), "high": price(8), "low": price(9), "close": price(10)}
        if group.kind is PacketKind.FULL:
            assert group.depth is not None
            assert _same_instant(expected["last_trade_time"], words[11])
            assert _same_instant(expected["exchange_timestamp"], words[15])
            assert words[12:15] == [expected[name] for name in ("oi", "oi_day_high", "oi_day_low")]
            depth = expected["depth"]
            assert isinstance(depth, dict)
            prices = group.price(group.depth.price)[row].tolist()
            assert prices == [level["price"] for level in (*depth["buy"], *depth["sell"])]
            assert group.depth.quantity[row].tolist() == [
                level["quantity"] for level in (*depth["buy"], *depth["sell"])
            ]
            assert group.depth.orders[row].tolist() == [
                level["orders"] for level in (*depth["buy"], *depth["sell"])
            ]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_make_it_fail(frame: bytes) -> None:
    decoded = decode(frame)
    for _, tick in ours(decoded):
        assert isinstance(tick.quote(SHARE), Quote)


@given(st.lists(packets(), min_size=1, max_size=6), st.data())
def test_keeps_the_whole_packets_of_a_truncated_frame_and_counts_the_others(
    parts: list[bytes], data: st.DataObject
) -> None:
    whole = framed(parts)
    cut = data.draw(st.integers(4, len(whole) - 1))
    decoded = decode(whole[:cut])
    kept = len(decoded)
    assert decoded.dropped == {"truncated": len(parts) - kept}
    ends = [2 + sum(2 + len(part) for part in parts[: number + 1]) for number in range(len(parts))]
    assert kept == sum(end <= cut for end in ends)
    assert [official(framed([parts[at]]))[0]["instrument_token"] for at, _ in ours(decoded)] == [
        int(tick.packets.token[tick.row]) for _, tick in ours(decoded)
    ]


@pytest.mark.parametrize(
    ("frame", "dropped"),
    [
        (framed([b"x" * 8, b"y" * 9, b"z" * 8]), {"length 9": 1}),
        (framed([b"x" * 8, b"y" * 7, b"z" * 9]), {"length 7": 1, "length 9": 1}),
        (framed([b"x" * 8]) + b"rest", {"trailing bytes": 4}),
        (struct.pack(">H", 65_535) + b"\x00\x08abcdefgh", {"truncated": 65_534}),
    ],
)
def test_says_what_it_left_out(frame: bytes, dropped: dict[str, int]) -> None:
    assert decode(frame).dropped == dropped


@pytest.mark.parametrize("heartbeat", [b"", b"\x00", b"\x00\x00", b"\x00\x01\x00"])
def test_a_heartbeat_holds_nothing(heartbeat: bytes) -> None:
    assert len(decode(heartbeat)) == 0


def test_a_full_packet_becomes_a_whole_quote() -> None:
    words = [(256265 << 8 | 2) & 0xFFFFFFFF, 158541, 5, 158000, 1234, 10, 20, 157000, 159000, 156000, 158600]
    words += [1795146299, 77, 80, 70, 1795146300]
    depth = b"".join(struct.pack(">IIHH", 100 + i, 158540 - i, i, 0) for i in range(4)) + bytes(12)
    depth += b"".join(struct.pack(">IIHH", 200 + i, 158545 + i, i, 0) for i in range(5))
    decoded = decode(framed([struct.pack(">16I", *words) + depth]))
    quote = ours(decoded)[0][1].quote(SHARE)
    assert str(quote.last_price) == "1585.41"
    assert str(quote.previous_close) == "1586.00"
    assert quote.at_ns == 1795146300 * 10**9
    assert (quote.volume, quote.open_interest, quote.open_interest_high) == (1234, 77, 80)
    assert len(quote.bids) == 4  # the empty row is no level
    assert (str(quote.bids[0].price), quote.bids[0].quantity) == ("1585.40", 100)
    assert str(quote.asks[4].price) == "1585.49"


def test_zeros_that_mean_nothing_are_none() -> None:
    share = (738561 << 8 | 1) & 0xFFFFFFFF
    quote = ours(decode(framed([struct.pack(">I", share) + bytes(180)])))[0][1].quote(SHARE)
    for name in ("open", "high", "low", "previous_close", "average_price", "last_trade_ns", "open_interest"):
        assert getattr(quote, name) is None, name
    assert quote.at_ns == NOW_NS
    assert quote.bids == quote.asks == ()


@pytest.mark.parametrize(
    ("segment", "shown"), [(3, "0.0158541"), (6, "15.8541"), (12, "15.8541"), (7, "1585.41")]
)
def test_the_segment_says_where_the_point_goes(segment: int, shown: str) -> None:
    frame = framed([struct.pack(">II", 1000 << 8 | segment, 158541)])
    assert str(ours(decode(frame))[0][1].quote(SHARE).last_price) == shown
