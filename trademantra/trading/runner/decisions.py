"""A running digest of what a run wanted: equal digests after a replay say that it decides as it did."""

import hashlib
import json
from collections.abc import Sequence

from trademantra.core.errors import InvalidValueError
from trademantra.engine.live.wants import Want
from trademantra.trading.runner.want_form import plain_want


class Decisions:
    """Both sides keep one: each answer to an entry goes in, also an empty one.

    >>> kept = Decisions()
    >>> kept.add([])
    >>> Decisions(kept.digest).digest == kept.digest
    True
    """

    __slots__ = ("_entries", "_head")

    def __init__(self, digest: str = "0:") -> None:
        """Go on from a digest.  Errors: `InvalidValueError` for a text that is none."""
        count, colon, self._head = digest.partition(":")
        if not colon or not count.isdigit():
            raise InvalidValueError(f"{digest!r} is no digest of decisions")
        self._entries = int(count)

    def add(self, wants: Sequence[Want]) -> None:
        self._entries += 1
        if wants:
            plain = json.dumps([plain_want(want) for want in wants], separators=(",", ":"))
            self._head = hashlib.sha256(f"{self._head}\n{self._entries}:{plain}".encode()).hexdigest()

    @property
    def digest(self) -> str:
        return f"{self._entries}:{self._head}"
