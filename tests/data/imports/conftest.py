"""Files to import, made of invented numbers, and a store to import them into."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions, ImportReport
from trademantra.data.store import BarStore


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "home" / "bars")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Make a file with this content."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def load(tmp_path: Path, store: BarStore) -> Callable[..., ImportReport]:
    """Import files with these options."""

    def loaded(*paths: Path, dry_run: bool = False, **options: object) -> ImportReport:
        job = ImportJob(
            paths=paths,
            options=ImportOptions(**options),  # type: ignore[arg-type]
            rejects=tmp_path / "rejects.csv",
            dry_run=dry_run,
        )
        return run(job, store)

    return loaded
