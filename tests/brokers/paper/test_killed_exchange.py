"""The promise of the paper exchange: what it acknowledged survives kill -9 at any instant, whole and once."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.brokers.paper import placing
from tests.brokers.paper.placing import ACCOUNTS, build, state_of, step_or_refusal
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.journal import Journal

ROUNDS = 8


class Course:
    """The same course in memory: its state after each number of steps."""

    def __init__(self) -> None:
        self.host = ExchangeHost(build)
        self.steps = 0

    def states(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """After `first` steps, after one more, … after `last`."""
        while self.steps < last:
            if self.steps >= first:
                yield self.steps, state_of(self.host.exchange)
            step_or_refusal(self.host.exchange, self.steps)
            self.steps += 1
        yield self.steps, state_of(self.host.exchange)


def run_until_killed(path: Path, first: int, lines: int) -> int:
    """Let a process play from step `first` on and kill it after it printed some lines; how many steps it acknowledged."""
    player = subprocess.Popen(
        [sys.executable, "-m", placing.__name__, str(path), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert player.stdout is not None
    acknowledged = first
    for _ in range(lines):
        player.stdout.readline()
        acknowledged += 1
    player.send_signal(signal.SIGKILL)
    for line in player.stdout:
        acknowledged += line.endswith("\n")
    player.stdout.close()
    player.wait()
    return acknowledged


def test_every_acknowledged_step_survives_and_the_state_is_that_of_whole_steps(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    path = tmp_path / "exchange.journal"
    course, steps = Course(), 0
    for _ in range(ROUNDS):
        acknowledged = run_until_killed(path, steps, chance.randrange(1, 120))
        with Journal.open(path) as journal:
            found = state_of(ExchangeHost(build, journal).exchange)
        # at most 8 steps were under way, unacknowledged: they are there whole, in order, or not
        matches = [
            number for number, state in course.states(acknowledged, acknowledged + 8) if state == found
        ]
        assert matches, f"after {acknowledged} acknowledged steps the journal holds another state"
        steps = matches[0]
        course = Course()
        assert next(course.states(steps, steps))[1] == found
    tags = [order.request.tag for name in ACCOUNTS for order in course.host.exchange.orders(name)]
    assert len(tags) == len(set(tags)) > 10
