"""Bars in files, made ready to be replayed: read as `tm data import` reads them, kept for this run only."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trademantra.core.errors import NotFoundError
from trademantra.core.time import IST
from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions
from trademantra.data.store import BarStore


@contextmanager
def bar_store_of(path: Path, exchange: str = "NSE") -> Iterator[Path]:
    """The folder of a bar store for `path`: such a folder, the data folder that holds one, or a file of bars.

    A file is read as bars of `exchange` in Indian time where it does not say, and forgotten afterwards.
    Errors: `NotFoundError`; those of an import, naming file, line and column.
    """
    if not path.exists():
        raise NotFoundError(f"there is no {path}", hint="name a file of bars, or the folder of a bar store")
    if path.is_dir():
        yield path / "bars" if (path / "bars").is_dir() else path
        return
    with tempfile.TemporaryDirectory(prefix="tm-replay-") as folder:
        root = Path(folder)
        options = ImportOptions(
            timezone=IST, exchange_if_unnamed=exchange, symbol_if_unnamed=path.name.split(".")[0].upper()
        )
        job = ImportJob(paths=[path], options=options, rejects=root / "rejects.csv", scratch=root)
        run(job, BarStore(root / "bars"))
        yield root / "bars"
