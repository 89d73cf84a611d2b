"""Before a desk opens: every kernel into the cache, by a process of its own, for the desk itself loads no compiler.

`python -m trademantra.cli.compile_ahead` is that process.
"""

import os
import subprocess
import sys
from pathlib import Path

import typer

import trademantra

_DONE = "complete"


def compile_ahead() -> None:
    """Fill the cache of kernels, once after an install or update: then no strategy of the desk waits for a compiler."""
    from trademantra.engine.compile import CACHE_FOLDER

    kept = (
        CACHE_FOLDER.parent.name == "kernels"
    )  # else a folder of this process alone: nothing would be gained
    if not kept or (CACHE_FOLDER / _DONE).is_file():
        return
    typer.echo("compiling the engine (once after an install or update, about a minute) …", err=True)
    package = Path(trademantra.__file__).resolve().parent
    subprocess.run(  # noqa: S603  (this program itself)
        [sys.executable, "-P", "-m", __name__], env={**os.environ, "PYTHONPATH": str(package.parent)}, check=False
    )  # fmt: skip  # if it fails, the strategies' own processes compile


def main() -> None:
    """Compile what the engine and the library declare, and note that it was done."""
    import pkgutil
    from importlib import import_module

    import trademantra.engine
    import trademantra.strategies
    from trademantra.engine.compile import CACHE_FOLDER, compile_loaded

    for package in (trademantra.engine, trademantra.strategies):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    compile_loaded()
    Path(CACHE_FOLDER / _DONE).touch()


if __name__ == "__main__":
    main()
