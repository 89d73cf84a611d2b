"""One account, two desks: the second is refused; one that slept while its lease moved can write and send nothing."""

import subprocess
import sys

from tests.trading.crash import rivals


def test_a_desk_that_was_stopped_while_its_lease_moved_is_refused_everything(url: str) -> None:
    """Half of the rounds stop the desk at a random instant, half at the worst one (`crash.rivals`)."""
    command = [sys.executable, "-m", rivals.__name__, "--rounds", "4", "--database", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 faults\n")
