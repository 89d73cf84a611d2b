"""Progress bars as a terminal sees them."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from trademantra.cli.progress import rate_words

pty = pytest.importorskip("pty", reason="needs a system with pseudo-terminals")

WORK = """
from trademantra.cli.progress import counted
with counted("trials") as progress:
    progress(3, 8)
    progress(8, 8)
"""


def on_a_terminal(code: str) -> str:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # Linux ends the other side's output with an error
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert done.returncode == 0
    return shown.decode()


def test_a_terminal_shows_count_rate_and_time_left() -> None:
    shown = on_a_terminal(WORK)
    assert "trials" in shown
    assert "8/8" in shown
    assert "/s" in shown
    assert "left" in shown


def test_a_pipe_shows_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, check=True)
    assert done.stdout == done.stderr == b""


def test_rates_are_readable_at_every_speed() -> None:
    assert [rate_words(done, 10.0) for done in (0, 1, 9, 55, 1_000, 10_000_000)] == [
        "", "6.0/min", "54.0/min", "5.5/s", "100/s", "1,000,000/s"
    ]  # fmt: skip
    assert rate_words(5, 0.0) == ""
