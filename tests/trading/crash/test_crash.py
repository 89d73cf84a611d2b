"""The promise of the desk: killed at any instant, however often, it loses no order and sends none twice.

`session.py` says what happens here; a failure prints its seed and keeps its evidence.
"""

import re
import subprocess
import sys
from pathlib import Path

from tests.trading.crash import session

KILLS = 200


def test_two_hundred_kills_lose_nothing_and_double_nothing(url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", session.__name__,
            "--kills", str(KILLS), "--database", url, "--folder", str(tmp_path),
        ],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0, said
    worked, asked, acknowledged = map(
        int, re.findall(r"(\d+) lives began.* (\d+) intents asked, (\d+) ack", said)[0]
    )
    assert worked > KILLS // 4
    assert asked > acknowledged > KILLS // 2
