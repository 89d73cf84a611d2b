"""The folders of a worker: an empty home, and a place for compiled kernels that another's code cannot reach."""

import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trademantra
from trademantra.engine.compile import CACHE_FOLDER
from trademantra.trading.runner.confine import ConfineTerms
from trademantra.trading.runner.settings import RunnerSettings
from trademantra.trading.runner.spec import StrategySource

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/opt", "/System/Library", "/Library/Frameworks")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_FACTS = ("/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class WorkerFolders:
    """`home` is the worker's own and goes with it; `kernels` is numba's cache."""

    home: Path
    kernels: Path

    @classmethod
    def make(cls, root: Path, source: StrategySource | None) -> "WorkerFolders":
        """Folders below `root` for a user's file, or for a shared worker (None), which uses the program's own kernels.

        A user's code could write anything into a cache of kernels, and the desk would run it: so each file has a copy.
        """
        root.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="worker-", dir=root))
        shared = CACHE_FOLDER.parent.name == "kernels"
        if source is None:
            return cls(home, CACHE_FOLDER.parents[1] if shared else home)
        own = root / "kernels" / hashlib.sha256(source.path.encode()).hexdigest()[:16]
        folder = own / "kernels" / CACHE_FOLDER.name
        if not folder.is_dir():
            for older in (own / "kernels").glob("*"):
                shutil.rmtree(older, ignore_errors=True)
            copied = home / "kernels"
            shutil.copytree(CACHE_FOLDER, copied, ignore=shutil.ignore_patterns("strategy_file_*"))
            folder.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another start of the same file was faster
                copied.rename(folder)
            shutil.rmtree(copied, ignore_errors=True)
        return cls(home, own)

    def environment(self, inherited: dict[str, str]) -> dict[str, str]:
        """All that the worker's environment holds; `inherited` is read for the paths of libraries alone.

        A fixed hash seed: a strategy that walks a set decides the same in every process.
        """
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(_package().parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "NUMBA_CACHE_DIR": str(self.kernels),
            "NUMBA_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            **{name: inherited[name] for name in _PASSED_ON if name in inherited},
        }

    def terms(self, settings: RunnerSettings, source: StrategySource | None) -> ConfineTerms:
        """What the worker may use of this machine."""
        python = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), *sysconfig.get_paths().values()}
        readable = [
            *sorted(python),
            str(_package()),
            *_SYSTEM,
            *_DEVICES,
            *_FACTS,
            *map(str, settings.readable),
        ]
        if source is not None:
            readable.append(source.path)
        return ConfineTerms(
            settings.memory_bytes,
            settings.open_files,
            tuple(readable),
            (str(self.home), str(self.kernels)),
            (str(_package().parent),),
        )

    def remove(self) -> None:
        """The worker has ended: nothing of its home stays."""
        shutil.rmtree(self.home, ignore_errors=True)


def _package() -> Path:
    return Path(trademantra.__file__).resolve().parent
