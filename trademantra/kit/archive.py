"""Texts that are hardly ever asked for again, kept small and found by their names.

A text of a few hundred bytes that resembles its neighbours takes a quarter of its length or less, and 8 bytes a name: they are
packed by the dozen.  Asking for one out of turn unpacks its dozens: a tenth of a millisecond.

Invariants:
- a text is found by each of its names until it is taken out;
- what is found under a name may be of another name too (once in 10^12): who asks looks whether it is the one.
"""

import zlib
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_TOGETHER = 64  # texts that are packed as one
_SLOT_BITS = 24
_NAME_MASK = 2**40 - 1


@dataclass(frozen=True, slots=True)
class Filed:
    """A text and where it lies."""

    slot: int
    text: str


class Archive:
    """Texts of one line each, oldest first.

    >>> archive = Archive()
    >>> _ = archive.add(["order 1", "tag 1"], "bought"), archive.add(["order 2"], "sold")
    >>> [each.text for each in archive.find("tag 1")], list(archive), len(archive)
    (['bought'], ['bought', 'sold'], 2)
    """

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._loose: list[str] = []  # those that are not enough to be packed yet
        self._places = array("Q")  # sorted: 40 bits of a name, 24 of the slot
        self._gone: set[int] = set()
        self._unpacked: tuple[int, Sequence[str]] = (-1, ())

    def __len__(self) -> int:
        return len(self._packed) * _TOGETHER + len(self._loose) - len(self._gone)

    def __iter__(self) -> Iterator[str]:
        for slot in range(len(self._packed) * _TOGETHER + len(self._loose)):
            if slot not in self._gone:
                yield self._text(slot)

    def add(self, names: Iterable[str], text: str) -> int:
        """File a text, which must be one line; answers its slot."""
        slot = len(self._packed) * _TOGETHER + len(self._loose)
        for name in names:
            insort(self._places, _place(name, slot))
        self._loose.append(text)
        if len(self._loose) == _TOGETHER:
            self._packed.append(zlib.compress("\n".join(self._loose).encode()))
            self._loose.clear()
        return slot

    def find(self, name: str) -> Sequence[Filed]:
        """What was filed under a name, and was not taken out."""
        if not self._places:
            return ()
        place = _place(name, 0)
        at = bisect_left(self._places, place)
        found = []
        while at < len(self._places) and self._places[at] >> _SLOT_BITS == place >> _SLOT_BITS:
            slot = self._places[at] & (2**_SLOT_BITS - 1)
            found.append(Filed(slot, self._text(slot)))
            at += 1
        return found

    def take_out(self, slot: int, names: Iterable[str]) -> None:
        """Forget a text; `names` are those that it was filed under."""
        for name in names:
            del self._places[bisect_left(self._places, _place(name, slot))]
        self._gone.add(slot)

    def _text(self, slot: int) -> str:
        block, line = divmod(slot, _TOGETHER)
        if block == len(self._packed):
            return self._loose[line]
        if self._unpacked[0] != block:
            self._unpacked = block, zlib.decompress(self._packed[block]).decode().split("\n")
        return self._unpacked[1][line]


def _place(name: str, slot: int) -> int:
    return (hash(name) & _NAME_MASK) << _SLOT_BITS | slot
