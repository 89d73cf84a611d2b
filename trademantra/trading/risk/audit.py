"""An append-only file of lines in which every line holds the SHA-256 of the one before.

A line that was changed, removed from within or put in between breaks the chain and is named.  Removing the last lines is
seen by whoever wrote down the last hash (`AuditLog.last_hash`), as the kill switch does.  Readers outside need nothing
but `sha256sum`: a line is one JSON object, its `before` is the hash of the bytes of the line above, without its newline.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trademantra.core.errors import BadInputError
from trademantra.data.durable import replace_file

START = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditLine:
    """`at_ns`: when; `event`: what kind; `facts`: plain texts, numbers and flags."""

    at_ns: int
    event: str
    facts: Mapping[str, str | int | bool]


class AuditLog:
    """The file at `path`.  Callers that may be several processes hold a lock around `append`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return os.path.lexists(self.path)

    def append(self, line: AuditLine) -> str:
        """Write one line to the disk; answers its hash.  Errors: `OSError`, `BadInputError` for a torn last line."""
        before = self.last_hash()
        text = json.dumps(
            {"at_ns": line.at_ns, "event": line.event, **line.facts, "before": before},
            ensure_ascii=False, separators=(",", ":"),
        ).encode()  # fmt: skip
        if before == START:
            replace_file(self.path, text + b"\n")
            return _hash(text)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            if os.write(handle, text + b"\n") != len(text) + 1:
                raise OSError(f"{self.path}: the disk took only a part of an audit line")
            os.fsync(handle)
        finally:
            os.close(handle)
        return _hash(text)

    def last_hash(self) -> str:
        """Hash of the last line; 64 zeros for a file that is not there or empty."""
        lines = self._lines()
        return _hash(lines[-1]) if lines else START

    def read(self) -> Sequence[AuditLine]:
        """All lines, checked.  Errors: `BadInputError` with the first line that does not follow from the one above."""
        return self.read_with_hashes()[1]

    def read_with_hashes(self) -> tuple[Sequence[str], Sequence[AuditLine]]:
        """Hashes from `START` on, one more than lines: the one at `n` follows line `n`.  Errors: as `read`."""
        hashes, read = [START], []
        for number, line in enumerate(self._lines(), start=1):
            read.append(self._parsed(line, number, hashes[-1]))
            hashes.append(_hash(line))
        return hashes, read

    def _lines(self) -> Sequence[bytes]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        lines = content.split(b"\n")
        if lines.pop():
            raise BadInputError(
                self.path, "the line is not complete: a crash, or somebody's hand", line=len(lines) + 1
            )
        return lines

    def _parsed(self, line: bytes, number: int, before: str) -> AuditLine:
        try:
            facts = json.loads(line)
            told = facts.pop("before")
            at_ns, event = facts.pop("at_ns"), facts.pop("event")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BadInputError(self.path, "this is no audit line", line=number) from error
        if told != before:
            raise BadInputError(
                self.path, "it does not follow from the line above: one of the two was changed", line=number
            )
        if not isinstance(at_ns, int) or not isinstance(event, str):
            raise BadInputError(self.path, "this is no audit line", line=number)
        return AuditLine(at_ns, event, facts)


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
