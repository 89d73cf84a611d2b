"""The checksum of a bar file or a table of events: of every byte of it, kept in its own footer."""

import zlib

from trademantra.core.errors import InvalidValueError

KEY = "trademantra_checksum"
# A control character cannot stand in the JSON that lies beside it in the footer, whatever a source is called.
_MARK = "\x01crc32:"
_OPEN = "00000000"
_DIGITS = len(_OPEN)


def placeholder(facts: str) -> str:
    """The footer entry of a file that is still to be sealed: the checksum of its facts, and room for that of all.

    The facts have their own, since a list of what is stored reads nothing else of a file.

    >>> placeholder("{}")
    '\\x01crc32:a3a6bf43:00000000'
    """
    return f"{_MARK}{_of_facts(facts)}:{_OPEN}"


def agrees_with(entry: str, facts: str) -> bool:
    """Whether a footer entry belongs to these facts."""
    return entry.startswith(f"{_MARK}{_of_facts(facts)}:")


def seal(content: bytes) -> bytes:
    """A file whose footer holds a `placeholder`, with the checksum of all its bytes put there.

    CRC-32 finds every change of up to 32 neighbouring bits, and any other but for one in 4 thousand million; a
    megabyte takes 0.2 ms.  It guards against damage, not against a person who writes a new checksum.
    Errors: `InvalidValueError` for a file without room for one.
    """
    at = _place(content)
    if at is None:
        raise InvalidValueError("the footer has no room for a checksum")
    return content[:at] + _of_all(content, at).encode() + content[at + _DIGITS :]


def is_whole(content: bytes) -> bool | None:
    """Whether a file's bytes are those that were sealed; None for a file that has no checksum."""
    at = _place(content)
    return None if at is None else content[at : at + _DIGITS] == _of_all(content, at).encode()


def _place(content: bytes) -> int | None:
    """Where the digits stand.  The footer is the end of a file: what the pages hold by chance comes before it."""
    mark = content.rfind(_MARK.encode())
    at = mark + len(placeholder("")) - _DIGITS
    return at if mark >= 0 and at + _DIGITS <= len(content) else None


def _of_facts(facts: str) -> str:
    return f"{zlib.crc32(facts.encode()):08x}"


def _of_all(content: bytes, at: int) -> str:
    view = memoryview(content)
    before = zlib.crc32(_OPEN.encode(), zlib.crc32(view[:at]))
    return f"{zlib.crc32(view[at + _DIGITS :], before):08x}"
