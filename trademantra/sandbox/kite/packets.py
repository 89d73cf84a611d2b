"""Kite's binary ticks, all big-endian, as structured arrays (specs/brokers.md 1.11).

One table row holds the whole packet of an instrument, already encoded.  A `quote` packet is the head of the `full` one
and an `ltp` packet the head of that, so a frame in any mode is one gather of bytes.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
ByteArray: TypeAlias = npt.NDArray[np.uint8]

HEARTBEAT = b"\x00"
INDEX_SEGMENT = 9
_LARGEST = 2**32 - 1
_MOST_ORDERS = 2**16 - 1

DEPTH_DTYPE = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])
FULL_DTYPE = np.dtype(
    [
        *((name, ">u4") for name in ("token", "last_price", "last_quantity", "average_price", "volume")),
        *((name, ">u4") for name in ("buy_quantity", "sell_quantity", "open", "high", "low", "close")),
        *((name, ">u4") for name in ("last_trade_time", "oi", "oi_day_high", "oi_day_low", "timestamp")),
        ("depth", DEPTH_DTYPE, (10,)),
    ]
)
INDEX_DTYPE = np.dtype(
    [(name, ">u4") for name in ("token", "last_price", "high", "low", "open", "close", "change", "timestamp")]
)


class Mode(StrEnum):
    """How much of an instrument a packet tells."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


PACKET_BYTES = MappingProxyType({Mode.LTP: 8, Mode.QUOTE: 44, Mode.FULL: FULL_DTYPE.itemsize})
INDEX_BYTES = MappingProxyType({Mode.LTP: 8, Mode.QUOTE: 28, Mode.FULL: INDEX_DTYPE.itemsize})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What is known of k instruments; arrays of length k, prices in currency, NaN or 0 where nothing is known.

    `depth_*` have shape (k, 10): five buy levels, best first, then five sell levels.  Times in epoch seconds.
    """

    last_price: FloatArray
    last_quantity: FloatArray
    average_price: FloatArray
    volume: FloatArray
    buy_quantity: FloatArray
    sell_quantity: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    previous_close: FloatArray
    last_trade_second: IntArray
    open_interest: FloatArray
    open_interest_high: FloatArray
    open_interest_low: FloatArray
    second: IntArray
    depth_price: FloatArray
    depth_quantity: FloatArray
    depth_orders: FloatArray


def divisor_of(token: int) -> int:
    """What a packet's integer price is divided by: the low byte of the token names the segment.

    >>> divisor_of(408065), divisor_of(256 * 7 + 3), divisor_of(256 * 7 + 6)
    (100, 10000000, 10000)
    """
    segment = token & 0xFF
    if segment == 3:
        return 10_000_000
    return 10_000 if segment in (6, 12) else 100


def is_index(token: int) -> bool:
    """Whether packets of this token have the index form."""
    return token & 0xFF == INDEX_SEGMENT


class PacketTable:
    """Encoded packets of the instruments that somebody listens to; a row once given stays."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._size = 0
        self._full = np.zeros(64, FULL_DTYPE)
        self._index = np.zeros(64, INDEX_DTYPE)
        self._divisor = np.ones(64)
        self._is_index = np.zeros(64, bool)
        self._known = np.zeros(64, bool)

    @property
    def size(self) -> int:
        """Number of rows given so far."""
        return self._size

    def row_of(self, token: int) -> int:
        """The row of a token; it gets one when it has none."""
        row = self._rows.get(token)
        if row is None:
            row = self._size
            if row == len(self._full):
                self._grow()
            self._rows[token] = row
            self._size += 1
            self._full["token"][row] = token
            self._index["token"][row] = token
            self._divisor[row] = divisor_of(token)
            self._is_index[row] = is_index(token)
        return row

    def known(self, token: int) -> int | None:
        """The row of a token that has one."""
        return self._rows.get(token)

    def write(self, rows: IntArray, ticks: Ticks) -> None:
        """Encode what is known of these rows now.  A row whose last price is not known (NaN) stays unsent."""
        scale = self._divisor[rows]
        seen = np.isfinite(ticks.last_price)
        self._known[rows] |= seen

        def price(values: FloatArray) -> FloatArray:
            return _whole(values * (scale if values.ndim == 1 else scale[:, None]), _LARGEST)

        last, close = price(ticks.last_price), price(ticks.previous_close)
        full = np.zeros(len(rows), FULL_DTYPE)
        full["token"] = self._full["token"][rows]
        full["last_price"] = last
        full["last_quantity"] = _whole(ticks.last_quantity, _LARGEST)
        full["average_price"] = price(ticks.average_price)
        full["volume"] = _whole(ticks.volume, _LARGEST)
        full["buy_quantity"] = _whole(ticks.buy_quantity, _LARGEST)
        full["sell_quantity"] = _whole(ticks.sell_quantity, _LARGEST)
        full["open"] = price(ticks.open)
        full["high"] = price(ticks.high)
        full["low"] = price(ticks.low)
        full["close"] = close
        full["last_trade_time"] = _whole(ticks.last_trade_second.astype(np.float64), _LARGEST)
        full["oi"] = _whole(ticks.open_interest, _LARGEST)
        full["oi_day_high"] = _whole(ticks.open_interest_high, _LARGEST)
        full["oi_day_low"] = _whole(ticks.open_interest_low, _LARGEST)
        full["timestamp"] = _whole(ticks.second.astype(np.float64), _LARGEST)
        full["depth"]["price"] = price(ticks.depth_price)
        full["depth"]["quantity"] = _whole(ticks.depth_quantity, _LARGEST)
        full["depth"]["orders"] = _whole(ticks.depth_orders, _MOST_ORDERS)
        self._full[rows] = full
        if self._is_index[rows].any():
            self._write_indices(rows, full, last - close)

    def frame(self, mode: Mode, rows: IntArray) -> bytes:
        """Packets of these rows without the count in front: each with its length.  Rows never written are left out."""
        rows = rows[self._known[rows]]
        index = self._is_index[rows]
        if not index.any():
            return _packets(_bytes_of(self._full), rows, PACKET_BYTES[mode])
        return _packets(_bytes_of(self._full), rows[~index], PACKET_BYTES[mode]) + _packets(
            _bytes_of(self._index), rows[index], INDEX_BYTES[mode]
        )

    def sent_rows(self, rows: IntArray) -> int:
        """How many of these rows `frame` tells."""
        return int(self._known[rows].sum())

    def _write_indices(self, rows: IntArray, full: npt.NDArray[np.void], change: FloatArray) -> None:
        index = np.zeros(len(rows), INDEX_DTYPE)
        for name in ("token", "last_price", "high", "low", "open", "close", "timestamp"):
            index[name] = full[name]
        index["change"] = change.astype(np.int64).astype(np.int32).view(np.uint32)
        self._index[rows] = index

    def _grow(self) -> None:
        size = 2 * len(self._full)
        for name in ("_full", "_index", "_divisor", "_is_index", "_known"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def framed(count: int, packets: bytes) -> bytes:
    """A whole binary message: the number of packets, then the packets."""
    return count.to_bytes(2, "big") + packets


def _bytes_of(table: npt.NDArray[np.void]) -> ByteArray:
    return table.view(np.uint8).reshape(len(table), table.dtype.itemsize)


def _packets(table: ByteArray, rows: IntArray, length: int) -> bytes:
    out = np.empty((len(rows), length + 2), np.uint8)
    out[:, 0] = length >> 8
    out[:, 1] = length & 0xFF
    out[:, 2:] = table[rows, :length]
    return out.tobytes()


def _whole(values: FloatArray, largest: int) -> FloatArray:
    """Nearest whole numbers that the field can hold; what is not known is 0, as Kite writes it."""
    filled = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(np.rint(filled), 0, largest)
