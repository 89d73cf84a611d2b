"""A busy session in which the desk is killed again and again: `python -m tests.trading.crash.session --help`.

This process imports everything and forks: the exchange once, and a desk for each life.  It has no event loop and no
threads of its own; what the desk's callers know comes to it by a pipe and outlives the desk.
"""

import argparse
import asyncio
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from tests.trading.crash import exchange
from tests.trading.crash.deaths import Death, some_death
from tests.trading.crash.life import Plan, live, log_in
from tests.trading.crash.verdict import There, Told, differences
from tests.trading.crash.world import FastClock, World
from trademantra.sandbox.kite.server import listen, root_of

_LAST_LIFE_SECONDS = 120.0
_LONGEST_START = 20.0
_ORDERS_BY_HAND = 0.15


@dataclass(slots=True)
class Memory:
    """What the callers of all lives know together."""

    asked: dict[str, dict] = field(default_factory=dict)
    acknowledged: dict[str, tuple[list, int]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    refused: Counter = field(default_factory=Counter)
    called: Counter = field(default_factory=Counter)
    by_hand: list[str] = field(default_factory=list)
    token: str = ""
    ready: int = 0
    errors: list[str] = field(default_factory=list)

    def hear(self, line: bytes) -> None:
        words = json.loads(line)
        match next(iter(words)):
            case "asked":
                self.asked[words["asked"]["id"]] = words["asked"]
            case "acknowledged":
                self.acknowledged[words["acknowledged"]] = (words["tags"], words["quantity"])
            case "changing":
                self.changed.add(words["changing"])
            case "cancelled" if words["rests"]:
                self.cancelled.add(words["cancelled"])
            case "refused":
                self.refused[f"{words['code']}: {words['why']}"] += 1
            case "called":
                self.called[f"{words['reason']}"] += 1
            case "error":
                self.errors.append(words["error"])
            case "token":
                self.token = words["token"]
            case "ready":
                self.ready += 1

    def unanswered(self) -> list[dict]:
        return [words for name, words in self.asked.items() if name not in self.acknowledged]


def fork(work: Callable[[], None], pipe: int | None = None) -> int:
    """The number of a new process that does `work` and ends."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # the top of a process: it says what happened and ends
        text = traceback.format_exc()
        os.write(2, text.encode())
        if pipe is not None:
            os.write(pipe, json.dumps({"error": text[-3000:]}).encode() + b"\n")
    finally:
        os._exit(status)


def run_life(work: Callable[[int], None], death: Death, hear: Callable[[bytes], None]) -> str:
    """Fork a life, hear what it says, kill it when its time has come; how it ended."""
    reading, writing = os.pipe()
    life = fork(lambda: (os.close(reading), work(writing))[0], writing)
    os.close(writing)
    first = _LONGEST_START if death.works_first else 0.0
    until, rest, how = time.monotonic() + first + death.after_seconds, b"", ""
    while True:
        left = until - time.monotonic()
        if left <= 0 and not how:
            os.kill(life, signal.SIGKILL)
            how = "killed"
        ready, _, _ = select.select([reading], [], [], max(0.0, left) if not how else None)
        if not ready:
            continue
        said = os.read(reading, 65536)
        if not said:
            break
        *lines, rest = (rest + said).split(b"\n")
        for line in lines:
            if death.works_first and line.startswith(b'{"ready"'):
                until = time.monotonic() + death.after_seconds
            hear(line)
    os.close(reading)
    _, status = os.waitpid(life, 0)
    if os.WIFSIGNALED(status):
        return how or death.point
    return "ended" if not os.WEXITSTATUS(status) else "failed"


@dataclass(slots=True)
class Result:
    """How a session went."""

    seed: int
    differences: list[str]
    ends: Counter
    memory: Memory
    struck: dict[str, int]
    orders: int
    trades: int
    seconds: float
    statuses: Counter

    def told(self) -> str:
        lines = [
            f"seed {self.seed}: {sum(self.ends.values())} kills in {self.seconds:.1f} s: {dict(self.ends)}",
            (
                f"{self.memory.ready} lives began to work, {len(self.memory.asked)} intents asked, "
                f"{len(self.memory.acknowledged)} acknowledged, {len(self.memory.changed)} orders changed, {self.orders} orders and {self.trades} trades at the exchange, "
                f"{len(self.memory.by_hand)} orders by hand"
            ),
            f"orders of the desk: {dict(self.statuses)}",
            f"faults: {self.struck}",
            f"refused: {dict(self.memory.refused)}",
            f"a person was called: {dict(self.memory.called)}",
            *self.memory.errors,
            *self.differences[:40],
            f"{len(self.differences)} differences",
        ]
        return "\n".join(lines)


def run_session(url: str, kills: int, seed: int, folder: Path) -> Result:
    """One session on an empty database."""
    began = time.monotonic()
    chance = Random(seed)
    listener = listen("127.0.0.1", 0)
    world = World(root_of(listener), url, folder, FastClock(time.time_ns()), seed)
    server = fork(lambda: exchange.serve(listener, world))
    listener.close()
    memory, ends = Memory(), Counter()
    try:
        run_life(lambda pipe: asyncio.run(log_in(world, pipe)), Death(_LONGEST_START), memory.hear)
        if not memory.token:
            raise RuntimeError(f"nobody could log in: {memory.errors}")
        account = exchange.Account(world.root, memory.token)
        account.switch_faults_on(seed)
        number = 0
        while sum(ends.values()) < kills:
            number += 1
            plan = Plan(number, some_death(chance), memory.unanswered()[-5:], chance.random() < 0.1)
            ends[
                run_life(
                    lambda pipe, plan=plan: asyncio.run(live(world, plan, pipe)), plan.death, memory.hear
                )
            ] += 1
            if memory.errors:
                break
            if chance.random() < _ORDERS_BY_HAND:
                order_by_hand(account, chance, memory)
        struck = dict(account.switch_faults_off())
        last = Plan(number + 1, Death(_LAST_LIFE_SECONDS), (), waits_for_lease=False, calm=True)
        how = run_life(lambda pipe: asyncio.run(live(world, last, pipe)), last.death, memory.hear)
        there = There(
            account.rows("/orders"), account.rows("/trades"), account.rows("/portfolio/positions")["net"]
        )
    finally:
        os.kill(server, signal.SIGTERM)
        os.waitpid(server, 0)
    found = [] if how == "ended" else [f"the last life {how}"]
    desk = {}
    if not found:
        desk = json.loads((folder / "evidence.json").read_text())
        found = differences(
            desk, there, Told(memory.asked, memory.acknowledged, memory.changed, memory.by_hand)
        )
    (folder / "there.json").write_text(json.dumps([there.orders, there.trades, there.positions]))
    (folder / "told.json").write_text(
        json.dumps([memory.asked, memory.acknowledged, sorted(memory.changed), memory.by_hand])
    )
    statuses = Counter(row["status"] for row in desk.get("orders", ()))
    return Result(
        seed,
        found,
        ends,
        memory,
        struck,
        len(there.orders),
        len(there.trades),
        time.monotonic() - began,
        statuses,
    )


def order_by_hand(account: exchange.Account, chance: Random, memory: Memory) -> None:
    """A person's order in the broker's own program; a fault may strike it, then nobody knows."""
    fields = {
        "exchange": "NSE", "tradingsymbol": "CONTRACTED", "transaction_type": chance.choice(("BUY", "SELL")),
        "quantity": 3, "order_type": "LIMIT", "product": "MIS", "validity": "DAY", "price": chance.choice((99, 100, 101)),
    }  # fmt: skip
    with suppress(OSError):
        memory.by_hand.append(account.place_by_hand(fields))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--database", default="", help="the address of an empty database; default: a new SQLite file"
    )
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--folder", type=Path, default=None, help="under which the evidence of a failure is kept"
    )
    asked = parser.parse_args()
    seed = SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    folder = Path(tempfile.mkdtemp(prefix="tm-crash-", dir=asked.folder))
    print(f"seed {seed}, evidence in {folder}", flush=True)
    result = run_session(asked.database or f"sqlite:///{folder / 'desk.db'}", asked.kills, seed, folder)
    print(result.told())
    if result.differences or result.memory.errors:
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
