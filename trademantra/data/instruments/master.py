"""Import of brokers' instrument files into the master, and what it holds."""

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.data.home import data_home
from trademantra.data.instruments.importing import Changes, store
from trademantra.data.instruments.readers import angelone, dhan, kite, upstox
from trademantra.data.instruments.readers.rows import Dump
from trademantra.data.instruments.readers.source import Reject
from trademantra.data.instruments.schema import day_of, reading
from trademantra.data.instruments.uniqueness import unique_rows

READERS: Mapping[str, Callable[[Path], Dump]] = MappingProxyType(
    {"kite": kite.read, "upstox": upstox.read, "angelone": angelone.read, "dhan": dhan.read}
)


def master_path() -> Path:
    """The master's file in the user's data home."""
    return data_home() / "instruments.sqlite3"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.  `remarks` counts rows left out or altered on purpose, by reason."""

    broker: str
    as_of: date
    changes: Changes
    remarks: Mapping[str, int]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class VenueSummary:
    """One venue of one broker: open and closed listing rows and the day of its newest file."""

    broker: str
    venue: str
    open: int
    closed: int
    first: date
    newest: date


def import_files(
    path: Path,
    files: Sequence[Path],
    *,
    broker: str,
    as_of: date,
    today: date | None = None,
    skip_bad: bool = False,
    allow_shrink: bool = False,
) -> ImportReport:
    """Bring the master at `path` up to what one broker's files of one day say.

    A file speaks for the venues (exchange and segment) that it has rows of: listings of those venues that it lacks
    or states differently end on `as_of`, the others stay.  All files of a call are one statement and one
    transaction.  The same files again change nothing.  A contract or listing is never deleted.  With `today`, files
    of a later day are refused: nothing older could be imported after them.
    Errors: `InvalidValueError` for that; `BadInputError` at the first bad row (with `skip_bad` they are left out and reported);
    `DataConflictError` for files older than the newest imported ones and for files that look cut short.
    """
    if broker not in READERS:
        raise InvalidValueError(
            f"there is no reader for broker {broker!r}", hint=f"known: {', '.join(READERS)}"
        )
    if not files:
        raise InvalidValueError("no file was named")
    if today is not None and as_of > today:
        raise InvalidValueError(
            f"{as_of} is in the future: today is {today}", hint="give the day on which the files were fetched"
        )
    dumps = [READERS[broker](file) for file in files]
    rejects = [reject for dump in dumps for reject in dump.rejects]
    if rejects and not skip_bad:
        raise rejects[0].error()
    rows, doubled = unique_rows([(dump.file, dump.rows) for dump in dumps])
    if doubled and not skip_bad:
        raise doubled[0].error()
    if rows.is_empty():
        raise BadInputError(files[0], "there is no instrument in it")
    names = [dump.file for dump in dumps]
    remarks: Counter[str] = Counter()
    for dump in dumps:
        remarks.update(dump.remarks)
    del dumps
    changes = store(path, broker, as_of, rows, names, allow_shrink=allow_shrink)
    return ImportReport(broker, as_of, changes, dict(remarks), (*rejects, *doubled))


def write_rejects(rejects: Sequence[Reject], file: Path) -> None:
    """Write rejected rows as CSV: file, line, column, reason."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("file", "line", "column", "reason"))
        writer.writerows((reject.file, reject.line, reject.column, reject.reason) for reject in rejects)


def summaries(path: Path) -> tuple[VenueSummary, ...]:
    """What the master holds, by broker and venue.  Errors: `NotFoundError` while it is empty."""
    with reading(path) as connection:
        newest = {
            (broker, venue): day
            for broker, venue, day in connection.execute(
                "SELECT broker, venue, max(as_of) FROM import GROUP BY 1, 2"
            )
        }
        return tuple(
            VenueSummary(broker, venue, opened, closed, day_of(first), day_of(newest[broker, venue]))
            for broker, venue, opened, closed, first in connection.execute(
                "SELECT broker, venue, sum(valid_to IS NULL), sum(valid_to IS NOT NULL), min(valid_from) "
                "FROM listing GROUP BY 1, 2 ORDER BY 1, 2"
            )
        )
