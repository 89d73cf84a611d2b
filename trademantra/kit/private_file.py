"""Files that only their owner may read, replaced whole."""

import os
from pathlib import Path
from secrets import token_hex

_OWNER_ONLY = 0o600


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, mode 0600 from the first byte, so that a crash leaves the old or the new file whole.

    Missing folders are made for the owner alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.parent / f".writing-{token_hex(8)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # Windows has no way to sync a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
