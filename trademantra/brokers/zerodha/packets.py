"""The binary frames of the price stream, a whole frame at a time (specs/brokers.md 1.11).

A frame is a count and that many packets, each behind its length; the length tells the kind.  Everything is big-endian
and unsigned.  Prices are whole numbers in units of the segment (paise for most); they stay so here, exact.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from trademantra.engine.bars import Float64Array, Int64Array

BUYS = 5
"""The first five depth rows are bids, best first; the other five are asks."""

_LENGTH_BYTES = 2
_SHORTEST_FRAME = 4  # a heartbeat is one byte; the vendor's client looks only at longer frames too
_INDICES = 9
_DECIMALS_OF_SEGMENT = {3: 7, 6: 4, 12: 4}
_DEFAULT_DECIMALS = 2


class PacketKind(IntEnum):
    """Kinds by their length in bytes."""

    LTP = 8
    INDEX_QUOTE = 28
    INDEX_FULL = 32
    QUOTE = 44
    FULL = 184


_DEPTH = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])


def _layout(kind: PacketKind) -> np.dtype[np.void]:
    """A packet behind its length: 4-byte words, then the depth rows of the full kind."""
    words = 16 if kind is PacketKind.FULL else kind // 4
    fields: list[tuple[str, object] | tuple[str, object, tuple[int]]] = [
        ("length", ">u2"),
        ("words", ">u4", (words,)),
    ]
    if kind is PacketKind.FULL:
        fields.append(("depth", _DEPTH, (10,)))
    return np.dtype(fields)


_LAYOUTS = {kind: _layout(kind) for kind in PacketKind}
_DECIMALS = np.full(256, _DEFAULT_DECIMALS, np.int64)
for _segment, _decimals in _DECIMALS_OF_SEGMENT.items():
    _DECIMALS[_segment] = _decimals
_DECIMALS.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """Ten rows a packet, shape (n, 10): five bids, best first, then five asks.  Prices in units of the segment."""

    quantity: Int64Array
    price: Int64Array
    orders: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """Packets of one kind out of one frame, one row each; `position` is the place in the frame.

    `words` has shape (n, fields): the packet's 4-byte fields in their order on the wire, as int64.  `decimals`
    says per row where the point of a price goes.  `price(column)` gives floats.
    """

    kind: PacketKind
    position: Int64Array
    words: Int64Array
    decimals: Int64Array
    depth: Depth | None

    def __len__(self) -> int:
        return len(self.words)

    @property
    def token(self) -> Int64Array:
        return self.words[:, 0]

    @property
    def last(self) -> Int64Array:
        """Last price in units of the segment."""
        return self.words[:, 1]

    @property
    def is_index(self) -> NDArray[np.bool_]:
        """Rows of the segment of indices, which cannot be traded."""
        indices: NDArray[np.bool_] = (self.token & 0xFF) == _INDICES
        return indices

    def price(self, units: Int64Array) -> Float64Array:
        """A column (n,) or depth (n, 10) of prices as floats in the instrument's currency."""
        divisor = 10.0**self.decimals
        prices: Float64Array = units / (divisor if units.ndim == 1 else divisor[:, None])
        return prices


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame: its packets by kind, and what had to be left out, counted by reason."""

    groups: tuple[Packets, ...]
    dropped: Mapping[str, int]

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups)


_NOTHING = Frame((), {})


def decode(frame: bytes) -> Frame:
    """Read a frame.  Never raises: what cannot be read is dropped and counted in `dropped`.

    Reasons: `truncated` (packets that the frame announces but does not hold whole), `length N` (packets of an
    unknown kind), `trailing bytes` (bytes after the last packet).  Whole packets before the damage are kept.

    >>> frame = bytes.fromhex("0001" "0008" "00063a01" "00026b4d")
    >>> packets = decode(frame).groups[0]
    >>> packets.kind.name, int(packets.token[0]), float(packets.price(packets.last)[0])
    ('LTP', 408065, 1585.41)
    """
    if len(frame) < _SHORTEST_FRAME:
        return _NOTHING
    count = int.from_bytes(frame[:2], "big")
    first = int.from_bytes(frame[2:4], "big")
    if first in _LAYOUTS and len(frame) == 2 + count * (first + _LENGTH_BYTES):
        rows = np.frombuffer(frame, _LAYOUTS[PacketKind(first)], count, 2)
        if (rows["length"] == first).all():
            return Frame((_packets(PacketKind(first), np.arange(count), rows),), {})
    return _mixed(frame, count)


def _mixed(frame: bytes, count: int) -> Frame:
    """A frame of several kinds, or a damaged one: find the packets one by one, then decode each kind at once."""
    dropped: Counter[str] = Counter()
    places: dict[int, tuple[list[int], list[int]]] = {}
    at, size, number = 2, len(frame), 0
    while number < count:
        end = at + _LENGTH_BYTES
        if end > size:
            break
        length = frame[at] << 8 | frame[at + 1]
        if end + length > size:
            break
        positions, offsets = places.setdefault(length, ([], []))
        positions.append(number)
        offsets.append(at)
        at = end + length
        number += 1
    if number < count:
        dropped["truncated"] = count - number
    elif at < size:
        dropped["trailing bytes"] = size - at
    groups = []
    content = np.frombuffer(frame, np.uint8)
    for length, (positions, offsets) in places.items():
        if length not in _LAYOUTS:
            dropped[f"length {length}"] = len(positions)
            continue
        kind = PacketKind(length)
        taken = content[np.asarray(offsets)[:, None] + np.arange(length + _LENGTH_BYTES)]
        groups.append(_packets(kind, np.asarray(positions), taken.view(_LAYOUTS[kind])[:, 0]))
    return Frame(tuple(groups), dict(dropped))


def _packets(kind: PacketKind, position: Int64Array, rows: NDArray[np.void]) -> Packets:
    words = rows["words"].astype(np.int64)
    depth = None
    if kind is PacketKind.FULL:
        levels = rows["depth"]
        depth = Depth(*(levels[name].astype(np.int64) for name in ("quantity", "price", "orders")))
    return Packets(kind, position, words, _DECIMALS[words[:, 0] & 0xFF], depth)
