"""Listings in memory: one compact array a field, words as numbers."""

import sqlite3
from array import array
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias, TypeVar

Listings: TypeAlias = int | tuple[int, ...]  # one row, or several
Key = TypeVar("Key", bound=Hashable)
NEVER = 2**31 - 1  # a day that does not come: an open end, the expiry of what does not expire
NOTHING = -1
_BATCH = 2_000
_WORDS = ("broker", "exchange", "venue", "segment", "kind", "underlying", "right", "unit", "series")
_DAYS = ("valid_from", "valid_to", "expiry")
_NUMBERS = ("strike", "lot", "tick", "freeze", "multiplier")
_TEXTS = ("token", "symbol", "root", "name", "isin")
_FIELDS = (*_WORDS, *_DAYS, *_NUMBERS, *_TEXTS)
_OF_CONTRACT = ("segment", "kind", "underlying", "right", "expiry", "strike", "isin")


class Words:
    """Each distinct word once; its number is its place.  Number 0 is "no word"."""

    __slots__ = ("_numbers", "of")

    def __init__(self) -> None:
        self.of: list[str] = [""]
        self._numbers: dict[str | None, int] = {None: 0}

    def numbers(self, words: Sequence[str | None]) -> Iterator[int]:
        """The number of each word; new ones are added."""
        for word in set(words) - self._numbers.keys():
            assert word is not None
            self._numbers[word] = len(self.of)
            self.of.append(word)
        return map(self._numbers.__getitem__, words)

    def known(self, word: str) -> int:
        """The word's number, or `NOTHING` for a word that no row has."""
        return self._numbers.get(word, NOTHING)


class Columns:
    """Rows of table `listing` with what they are listings of; a row is an index into every column.

    Word columns hold numbers of `words`; days count from 1970-01-01 (`NEVER` for none); numbers are in
    1/100 000 000 (`NOTHING` for none).
    """

    __slots__ = ("_brokers", "contract", "words", *_FIELDS)

    broker: "array[int]"
    exchange: "array[int]"
    venue: "array[int]"
    segment: "array[int]"
    kind: "array[int]"
    underlying: "array[int]"
    right: "array[int]"
    unit: "array[int]"
    series: "array[int]"
    valid_from: "array[int]"
    valid_to: "array[int]"
    expiry: "array[int]"
    strike: "array[int]"
    lot: "array[int]"
    tick: "array[int]"
    freeze: "array[int]"
    multiplier: "array[int]"
    token: list[str]
    symbol: list[str]
    root: list[str | None]
    name: list[str | None]
    isin: list[str | None]

    def __init__(self) -> None:
        self.words = Words()
        self._brokers = 0
        self.contract: array[int] = array("i")
        for name in (*_WORDS, *_DAYS):
            setattr(self, name, array("i"))
        for name in _NUMBERS:
            setattr(self, name, array("q"))
        for name in _TEXTS:
            setattr(self, name, [])

    def __len__(self) -> int:
        return len(self.contract)

    def add(self, connection: sqlite3.Connection, *, closed: bool) -> None:
        """Append the open or the closed listings."""
        fields = ", ".join(f"{'c' if name in _OF_CONTRACT else 'l'}.{name}" for name in _FIELDS)
        cursor = connection.execute(
            f"SELECT l.contract, {fields} FROM listing l JOIN contract c ON c.id = l.contract "  # noqa: S608 (constants)
            f"WHERE l.valid_to IS {'NOT ' if closed else ''}NULL ORDER BY l.id"
        )
        while batch := cursor.fetchmany(_BATCH):
            contract, *columns = zip(*batch, strict=True)
            self.contract.extend(contract)
            for name, values in zip(_FIELDS, columns, strict=True):
                column = getattr(self, name)
                if name in _WORDS:
                    column.extend(self.words.numbers(values))
                elif name in _DAYS:
                    column.extend(NEVER if value is None else value for value in values)
                elif name in _NUMBERS:
                    column.extend(NOTHING if value is None else value for value in values)
                else:
                    column.extend(values)
        self._brokers = len(set(self.broker))

    @property
    def has_one_broker(self) -> bool:
        return self._brokers < 2

    def is_valid(self, row: int, day: int | None) -> bool:
        """Whether the row holds on a day: it has begun, is not closed, and its contract has not expired.

        None asks for the state after the newest import: the row is open.
        """
        if day is None:
            return self.valid_to[row] == NEVER
        return self.valid_from[row] <= day < self.valid_to[row] and day <= self.expiry[row]


def note(table: dict[Key, Listings], key: Key, row: int) -> None:
    """Add a row under a key.  Most keys have one row, which then costs no tuple."""
    present = table.setdefault(key, row)
    if present != row:
        table[key] = (*each(present), row)


def each(rows: Listings | None) -> tuple[int, ...]:
    """The rows under a key as a tuple.

    >>> each(5), each((5, 6)), each(None)
    ((5,), (5, 6), ())
    """
    if rows is None:
        return ()
    return (rows,) if isinstance(rows, int) else rows
