"""How fast stream frames are decoded: full packets a second, and the same by the vendor's own parser.

Run: .venv/bin/python bench/zerodha_packets.py
"""

import struct
from functools import partial

from kiteconnect import KiteTicker
from timing import median_seconds, row

from trademantra.brokers.zerodha.packets import decode

GOAL = 500_000


def full_packet(number: int) -> bytes:
    words = (number << 8 | 1, *range(158_541, 158_551), 1_795_146_299, 0, 0, 0, 1_795_146_300)
    return struct.pack(">16I", *words) + b"".join(
        struct.pack(">IIHH", 100, 158_540 + i, 3, 0) for i in range(10)
    )


def framed(parts: list[bytes]) -> bytes:
    return struct.pack(">H", len(parts)) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def read(frame: bytes) -> None:
    """Decode, and turn all prices into floats, depth too."""
    for packets in decode(frame).groups:
        packets.price(packets.last)
        if packets.depth is not None:
            packets.price(packets.depth.price)


def read_often(frame: bytes, repeats: int) -> None:
    for _ in range(repeats):
        read(frame)


def main() -> None:
    ticker = KiteTicker.__new__(KiteTicker)
    for count in (10, 100, 3_000):
        uniform = framed([full_packet(number) for number in range(count)])
        mixed = framed([*(full_packet(number) for number in range(count - 1)), bytes(8)])
        repeats = max(1, 6_000 // count)
        for name, frame in (("all full", uniform), ("mixed kinds", mixed)):
            work = partial(read_often, frame, repeats)
            rate = count * repeats / median_seconds(work)
            row(f"decode frames of {count} packets, {name}", f"≥ {GOAL:,}/s", f"{rate:,.0f}/s")
        vendor = count / median_seconds(partial(ticker._parse_binary, uniform), repeats=3)  # noqa: SLF001
        row(f"the vendor's parser, frames of {count}", "-", f"{vendor:,.0f}/s")


if __name__ == "__main__":
    main()
