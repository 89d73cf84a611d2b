"""The frames between the desk and its strategy workers: a header, a JSON body, raw bytes.

Both sides are this program, but the worker's side may hold a user's code: nothing that comes from it is ever unpickled,
and the desk reads a frame only after its announced lengths were found sane.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NoReturn

from trademantra.core.errors import TradeMantraError

MAGIC = b"TMW1"
"""Its digit is the version of the protocol."""

HEADER = struct.Struct("<4sIIII")
"""Magic, kind, number, length of the body, length of the raw bytes."""


class FrameKind(IntEnum):
    REQUEST = 1
    ANSWER = 2
    AT = 3
    """The run whose strategy is asked now; its number stands in the header.  A worker of several runs tells it."""


class ProtocolError(TradeMantraError):
    """The other side does not speak the protocol: malformed, oversized, out of order."""

    code: ClassVar[str] = "worker_protocol"


@dataclass(frozen=True, slots=True)
class Header:
    kind: FrameKind
    number: int
    body_length: int
    raw_length: int


def packed(kind: FrameKind, number: int, body: object = None, raw: bytes = b"") -> bytes:
    """A whole frame.

    >>> header_of(packed(FrameKind.ANSWER, 7, {"runs": []}), largest=1_000)
    Header(kind=<FrameKind.ANSWER: 2>, number=7, body_length=11, raw_length=0)
    """
    text = b"" if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return HEADER.pack(MAGIC, kind, number, len(text), len(raw)) + text + raw


def header_of(data: bytes, *, largest: int) -> Header:
    """Read a header.  Errors: `ProtocolError` for another protocol, an unknown kind, and more than `largest` bytes."""
    magic, kind, number, body_length, raw_length = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ProtocolError(f"a frame begins with {magic!r} instead of {MAGIC!r}")
    try:
        known = FrameKind(kind)
    except ValueError as error:
        raise ProtocolError(f"a frame of unknown kind {kind}") from error
    if body_length + raw_length > largest:
        raise ProtocolError(
            f"a frame announces {body_length + raw_length:,} bytes, at most {largest:,} are taken"
        )
    return Header(known, number, body_length, raw_length)


def body_of(text: bytes) -> object:
    """Plain values of a body.  Errors: `ProtocolError` for what is no JSON, or holds NaN or infinity."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a body is no JSON: {error}") from error


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")
