"""How `tm` leaves: exit codes, closed pipes, Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and signals as on POSIX")


def environment(home: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "TRADEMANTRA_HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def tm(home: Path, *words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trademantra", *words],
        env=environment(home), stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip


@posix
@pytest.mark.parametrize(
    "words",
    [
        ("sessions", "2026-11-20"),
        ("sessions", "2026-11-20", "--json"),
        ("data", "list"),
        ("--help",),
        ("--version",),
    ],
)
def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = tm(tmp_path, *words, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_exit_codes(tmp_path: Path) -> None:
    assert tm(tmp_path, "--version").returncode == 0
    assert tm(tmp_path, "data", "list").returncode == 0
    refused = tm(tmp_path, "sessions", "yesterday")
    assert refused.returncode == 2
    assert refused.stderr.startswith("tm: 'yesterday' is not a date")
    assert tm(tmp_path, "nonsense").returncode == 2


@posix
@pytest.mark.parametrize("module", ["trademantra.cli", "typer", "trademantra.cli.walkforward"])
def test_ctrl_c_while_the_commands_load_shows_no_import(tmp_path: Path, module: str) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(
        "import os, runpy, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['tm', '--version']\n"
        "runpy.run_module('trademantra', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
