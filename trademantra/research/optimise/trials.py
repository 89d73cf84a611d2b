"""Where trials are kept: one SQLite file a study, true at every instant.

A trial is written as waiting before it is run and gets its scores in one transaction; a kill at any instruction
leaves it either waiting, to be run again, or finished, with its scores.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from math import nan
from pathlib import Path
from typing import TypeAlias

from trademantra.core.errors import BadInputError, DataConflictError, InvalidValueError, NotFoundError
from trademantra.engine.sweep import SCORES
from trademantra.research.optimise.space import Point

Identity: TypeAlias = Mapping[str, str]
"""What a study is about, by the words of an error message; equal identities give equal trials."""

_SUFFIX = ".sqlite3"
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEMA = f"""
CREATE TABLE study (
    identity TEXT NOT NULL,   -- JSON object
    sampler TEXT NOT NULL,    -- JSON object: what the sampler remembers between batches
    command TEXT NOT NULL     -- how it was started, to be shown to a person
) STRICT;
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'finished', 'refused')),
    point TEXT NOT NULL,      -- JSON list in the order of the space
    attributes TEXT NOT NULL, -- JSON object: what the sampler remembers of the trial
    reason TEXT NOT NULL,     -- why it was refused
    {", ".join(f"{name} REAL" for name in SCORES)}
) STRICT;
CREATE INDEX by_state ON trials (state, number);
"""


class TrialState(StrEnum):
    WAITING = "waiting"
    FINISHED = "finished"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Trial:
    """One point of the space and, once it was run, its scores in the order of `SCORES` (NaN where undefined)."""

    number: int
    state: TrialState
    point: Point
    attributes: str = "{}"
    reason: str = ""
    scores: tuple[float, ...] = ()


def study_path(folder: Path, name: str) -> Path:
    """File of a study.  Errors: `InvalidValueError` for a name that is no file name."""
    if not _NAME.fullmatch(name):
        raise InvalidValueError(
            f"study name {name!r} cannot be used", hint="letters, digits, dots, dashes and underscores"
        )
    return folder / f"{name}{_SUFFIX}"


def study_names(folder: Path) -> tuple[str, ...]:
    """Names of the studies in a folder."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}")))


@contextmanager
def only_runner(path: Path) -> Iterator[None]:
    """Hold the right to run the study of `path`; it ends with this process, however that ends.

    Errors: `DataConflictError` when another process runs it now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path.with_suffix(".lock"), timeout=0.0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise DataConflictError(
                f"another process is running study {path.stem}",
                hint="wait for it, or take another --study name",
            ) from error
        yield


class TrialStore:
    """The trials of one study."""

    def __init__(self, path: Path) -> None:
        """Open the file of a study, which must be there: see `create_study`.

        Errors: `NotFoundError`; `BadInputError` for a file that is no study.
        """
        if not path.is_file():
            names = study_names(path.parent)
            raise NotFoundError(
                f"there is no study {path.stem}",
                hint=f"there are: {', '.join(names[:12])}" if names else "leave out --resume to begin it",
            )
        self._connection = _connect(path)
        try:
            [version] = self._connection.execute("PRAGMA user_version").fetchone()
            row = self._connection.execute("SELECT identity, command FROM study").fetchone()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise BadInputError(path, "is not a study", hint="move it away") from error
        if version != _VERSION or row is None:
            self._connection.close()
            raise BadInputError(path, "was made by another version of tm", hint="begin a new study")
        self.identity: Identity = json.loads(row[0])
        self.command: str = row[1]

    def close(self) -> None:
        self._connection.close()

    def count(self, state: TrialState | None = None, below: int | None = None) -> int:
        """How many trials there are, in that state, with a number less than `below`."""
        [count] = self._connection.execute(
            "SELECT count(*) FROM trials WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR number < ?2)",
            (state, below),
        ).fetchone()
        return int(count)

    def waiting(self, below: int) -> list[Trial]:
        """Trials to run, in order."""
        rows = self._connection.execute(
            "SELECT number, state, point, attributes, reason FROM trials WHERE state = 'waiting' AND number < ? "
            "ORDER BY number",
            (below,),
        )
        return [
            Trial(number, TrialState(state), _point(point), attributes, reason)
            for number, state, point, attributes, reason in rows
        ]

    def done(self, first: int = 0) -> Iterator[Trial]:
        """Finished and refused trials from number `first` on, in order."""
        rows = self._connection.execute(
            "SELECT * FROM trials WHERE state <> 'waiting' AND number >= ? ORDER BY number", (first,)
        )
        for number, state, point, attributes, reason, *scores in rows:
            values = tuple(nan if score is None else score for score in scores)
            yield Trial(number, TrialState(state), _point(point), attributes, reason, values)

    def sampler(self) -> str:
        """What the sampler left behind with the last batch."""
        [state] = self._connection.execute("SELECT sampler FROM study").fetchone()
        return str(state)

    def propose(self, points: Sequence[Point], attributes: Sequence[str], sampler: str) -> None:
        """Add a batch of waiting trials and the sampler's state after it, both or neither."""
        first = self.count()
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO trials (number, state, point, attributes, reason) VALUES (?, 'waiting', ?, ?, '')",
                (
                    (first + place, json.dumps(point), attribute)
                    for place, (point, attribute) in enumerate(zip(points, attributes, strict=True))
                ),
            )
            self._connection.execute("UPDATE study SET sampler = ?", (sampler,))

    def finish(self, trials: Iterable[Trial]) -> None:
        """Keep the scores of trials that were waiting; one that is finished already stays as it is."""
        assignments = ", ".join(f"{name} = ?" for name in SCORES)
        with self._transaction():
            self._connection.executemany(
                f"UPDATE trials SET state = ?, reason = ?, {assignments} WHERE number = ? AND state = 'waiting'",  # noqa: S608
                ((trial.state, trial.reason, *trial.scores, trial.number) for trial in trials),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:  # Ctrl-C too, wherever it falls
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def create_study(path: Path, identity: Identity, command: str) -> None:
    """Make the file of a study, whole or not at all.  Errors: `DataConflictError` when it is there."""
    if path.exists():
        raise DataConflictError(
            f"study {path.stem} is there already",
            hint="--resume goes on with it; --study NAME begins another",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(
        ".new"
    )  # under `only_runner`: nobody else writes it, a killed one may have left it
    fresh.unlink(missing_ok=True)
    with closing(_connect(fresh, wal=False)) as connection:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        connection.execute("INSERT INTO study VALUES (?, '{}', ?)", (json.dumps(dict(identity)), command))
    fresh.replace(path)


def same_study(store: TrialStore, name: str, now: Identity) -> None:
    """Errors: `DataConflictError` naming everything in which the stored study differs from what is asked now."""
    then = store.identity
    differing = [what for what in now if then.get(what) != now[what]]
    if not differing:
        return
    words = "; ".join(_difference(what, then.get(what, "none"), now[what]) for what in differing)
    raise DataConflictError(
        f"study {name} was made with other {' and '.join(differing)} ({words}): its trials would not compare",
        hint=f"begin another with --study NAME; this one was begun with: {store.command or 'Python'}",
    )


def _difference(what: str, then: str, now: str) -> str:
    """Old and new, in few words: digests cut short, of objects only the fields that changed."""
    if _DIGEST.fullmatch(now):
        then, now = then[:8], now[:8]
    elif then.startswith("{") and now.startswith("{"):
        old, new = json.loads(then), json.loads(now)
        names = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
        then, now = (", ".join(f"{name}={each.get(name)}" for name in sorted(names)) for each in (old, new))
    return f"{what} {then}, now {now}"


def _connect(path: Path, *, wal: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
    try:
        if wal:  # others may read while the study runs
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise BadInputError(path, "is not a study", hint="move it away") from error
    return connection


def _point(text: str) -> Point:
    return tuple(json.loads(text))
