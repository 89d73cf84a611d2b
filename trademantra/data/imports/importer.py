"""The whole import: read and check all files, compare with the store, and only then write.

Nothing is written before every row of every file has been checked.  Then series are written one after the other,
each year of each atomically; after a crash in between, the same import again completes the work, because bars that
are stored already, number for number, are no conflict.
"""

import tempfile
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from trademantra.core.errors import BadInputError
from trademantra.data.imports.layouts import home_zone, open_table
from trademantra.data.imports.merging import (
    Contradiction,
    contradiction_rejects,
    incoming,
    plan,
    refuse_contradiction,
    write,
)
from trademantra.data.imports.model import (
    LINE,
    FileReport,
    ImportOptions,
    ImportReport,
    Progress,
    Reject,
    SeriesReport,
)
from trademantra.data.imports.reading import FileRead, Plan, Rejects, planned, read_file
from trademantra.data.imports.sources import UnpackLimits, files_of, opened
from trademantra.data.series import Series
from trademantra.data.store import BarStore, Entry

STORING = "storing"
# Measured on an F&O bhavcopy of 1,050 contracts, 4 fsyncs each: 15 s with one writer, 3 s with eight.
_WRITERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """An import to run.

    `rejects` is where `skip_bad` writes bad rows; `on_plan` is told how each file is read before it is;
    `scratch` is the folder for temporary files, the system's by default.
    """

    paths: Sequence[Path]
    options: ImportOptions
    rejects: Path
    dry_run: bool = False
    on_plan: Callable[[Plan], None] | None = None
    progress: Progress | None = None
    scratch: Path | None = None
    limits: UnpackLimits = field(default_factory=UnpackLimits)


def run(job: ImportJob, store: BarStore) -> ImportReport:
    """Import files into the store.

    Errors: `NotFoundError` for a path that is not there; `BadInputError` with file, line and column for what
    cannot be read; `DataConflictError` for bars that contradict stored ones.  After any of them the store is
    untouched.  With `skip_bad`, bad rows are in the file `job.rejects` also when an error follows.
    """
    files = files_of(job.paths)
    with tempfile.TemporaryDirectory(prefix="tm-import-", dir=job.scratch) as folder:
        scratch = Path(folder)
        rejects = Rejects(scratch / "rejects.csv")
        try:
            return _run(job, store, files, scratch, rejects)
        finally:
            if rejects.count:
                rejects.keep(job.rejects)


def _run(
    job: ImportJob, store: BarStore, files: tuple[Path, ...], scratch: Path, rejects: Rejects
) -> ImportReport:
    reads: list[FileRead] = []
    for source in opened(files, scratch, job.limits):
        how = planned(source, job.options)
        if job.on_plan:
            job.on_plan(how)
        reads.append(read_file(how, len(reads), job.options, scratch, rejects, job.progress))
    damaged: list[BadInputError] = []
    entries = {entry.series: entry for entry in store.series(damaged)}
    reports, doubles, contradicting = _checked(job, store, entries, reads)
    _refuse_damaged(store, reports, damaged)
    if contradicting:
        rejects.add(_rejects_of(job, files, scratch, reads, contradicting))
    if not reports:
        raise _nothing(reads, rejects)
    if not job.dry_run:
        _write_all(job, store, entries, reads, len(reports))
    extra = Counter(file for each in contradicting for file, _ in each.places)
    return ImportReport(
        tuple(_file_report(read, extra[read.number]) for read in reads),
        tuple(reports),
        rejects.count,
        doubles,
        written=not job.dry_run,
    )


def _checked(
    job: ImportJob, store: BarStore, entries: dict[Series, Entry], reads: list[FileRead]
) -> tuple[list[SeriesReport], int, list[Contradiction]]:
    """Compare every series with itself and with the store; nothing is written."""
    reports: list[SeriesReport] = []
    contradicting: list[Contradiction] = []
    doubles = 0
    names = [read.source for read in reads]
    for new in incoming(reads):
        if new.contradictions and not job.options.skip_bad:
            raise refuse_contradiction(new.contradictions[0], names, new.series)
        contradicting.extend(new.contradictions)
        doubles += new.exact_doubles
        if len(new.bars):
            new.bars.check()
            reports.append(plan(store, entries, new, replace=job.options.replace))
    return reports, doubles, contradicting


def _refuse_damaged(
    store: BarStore, reports: Sequence[SeriesReport], damaged: Sequence[BadInputError]
) -> None:
    """Damage in a series that would be written to is told before anything is; that of others stands in no way."""
    folders = {store.root / report.series.path for report in reports}
    for error in damaged:
        if Path(error.file).parent in folders:
            raise error


def _write_all(
    job: ImportJob, store: BarStore, entries: dict[Series, Entry], reads: list[FileRead], count: int
) -> None:
    """Write every series.  Waiting for the disk takes most of the time of a small series, so several wait at once."""
    done = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting: deque[Future[None]] = deque()
        for new in incoming(reads):
            if len(new.bars):
                waiting.append(pool.submit(write, store, entries, new, replace=job.options.replace))
            while len(waiting) >= 2 * _WRITERS:
                waiting.popleft().result()
                done = _stored_one_more(job, done, count)
        while waiting:
            waiting.popleft().result()
            done = _stored_one_more(job, done, count)


def _stored_one_more(job: ImportJob, done: int, count: int) -> int:
    if job.progress:
        job.progress(STORING, done + 1, count)
    return done + 1


def _rejects_of(
    job: ImportJob,
    files: tuple[Path, ...],
    scratch: Path,
    reads: list[FileRead],
    contradicting: list[Contradiction],
) -> list[Reject]:
    """Rows that contradict each other as they are written: their files are opened a second time."""
    lines: dict[int, set[int]] = {}
    for each in contradicting:
        for number, line in each.places:
            lines.setdefault(number, set()).add(line)
    texts: dict[tuple[int, int], str] = {}
    for number, source in enumerate(opened(files, scratch, job.limits)):
        if number not in lines:
            continue
        table, _ = open_table(source)
        for block in table.blocks(table.columns[:1]):
            here = sorted(lines[number].intersection(block.frame[LINE]))
            texts.update(zip(((number, line) for line in here), block.raw(here), strict=True))
    return contradiction_rejects(
        contradicting,
        [read.source for read in reads],
        lambda file, asked: [texts[file, line] for line in asked],
    )


def _file_report(read: FileRead, contradicting: int) -> FileReport:
    return FileReport(
        file=read.source,
        format=read.layout.format,
        fields=read.fields,
        exchange=read.layout.exchange,
        timeframe=read.timeframe,
        timeframe_from=read.timeframe_from,
        stamp=read.stamp,
        zone=home_zone(read.layout),
        adjusted=read.layout.adjusted,
        rows=sum(read.counts) - contradicting,
        rejected=read.rejected + contradicting,
        left_out=read.left_out,
        changed=read.changed,
        notices=read.notices,
    )


def _nothing(reads: list[FileRead], rejects: Rejects) -> BadInputError:
    """The error for an import without a single bar."""
    first = rejects.first
    if first is not None:
        return BadInputError(
            first.file,
            f"no row is usable; the first: {first.reason}",
            line=first.line,
            column=first.column or None,
        )
    left = {what: count for read in reads for what, count in read.left_out.items()}
    why = "; ".join(f"{count} rows {what}" for what, count in left.items()) or "there are no rows"
    return BadInputError(
        reads[0].source, f"there is nothing to import: {why}", hint="see --series and --only"
    )
