"""`kill -9` of the whole desk process at random instants: runs, books and broker agree afterwards (`lives.py`)."""

import os
import re
import subprocess
import sys

from tests.trading.house import lives
from tests.trading.house import scene as s

KILLS = int(os.environ.get("HOUSE_KILLS", "4"))
SEED = int(os.environ.get("HOUSE_SEED", "1"))


def test_a_desk_that_is_killed_again_and_again_goes_on_where_it_was(tmp_path):
    with s.sandbox(speed=30.0) as root:
        done = subprocess.run(
            [sys.executable, "-m", lives.__name__, root, str(tmp_path), str(KILLS), str(SEED)],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0, said
    assert int(re.findall(r"(\d+) of them of an open desk", said)[0]) >= 1
