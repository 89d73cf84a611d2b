"""Two desks on one account, one of them stopped while its lease moves: `python -m tests.trading.crash.rivals`.

Like `session`, this process forks and has no event loop.  Each round: a desk works, its rival is refused; the desk is
stopped (SIGSTOP), its lease runs out, the rival takes over; the desk goes on (SIGCONT) and tries everything it can.
"""

import argparse
import asyncio
import json
import os
import select
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path
from random import Random, SystemRandom

from tests.trading.crash import exchange
from tests.trading.crash.deaths import Death
from tests.trading.crash.life import Life, Plan, intent_of, log_in
from tests.trading.crash.session import Memory, fork, run_life
from tests.trading.crash.world import ACCOUNT, FastClock, World, sleep
from trademantra.core.errors import TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.kit.lease import Lease, LeaseHeldError
from trademantra.sandbox.kite.server import listen, root_of
from trademantra.trading.account_desk import AccountDesk
from trademantra.trading.policy import tag_of

_PATIENCE = 30.0
_TRIES = 12
_AT_WORK = 8  # orders that a desk must have before it is stopped


class Rival(Life):
    """A desk that places orders far from the market, one after the other."""

    lease_ns = 20 * SECOND  # 2 s of the wall: a busy machine must not lose it by itself

    def __init__(self, world: World, number: int, pipe: int) -> None:
        super().__init__(world, Plan(number, Death(_PATIENCE), (), waits_for_lease=True), pipe)
        self.stops_in_the_gap = False
        self.lost = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.stop_in_the_gap)

    def stop_in_the_gap(self) -> None:
        self.stops_in_the_gap = True

    def may_send(self, lease: Lease) -> None:
        """The worst instant to be stopped at: the lease was looked at, the request is not written yet."""
        lease.ensure_may_send()
        if self.stops_in_the_gap:
            self.stops_in_the_gap = False
            os.kill(os.getpid(), signal.SIGSTOP)

    def held(self, error: LeaseHeldError) -> None:
        self.say(held=f"{error}", hint=error.hint)

    def lease_lost(self, error: TradeMantraError) -> None:
        self.say(lost=str(error))
        self.lost.set()

    def resting(self) -> Mapping[str, object]:
        self.submitted += 1
        return {
            "id": f"{self.plan.number}/{self.submitted}", "instrument": "share", "side": "BUY", "quantity": 1,
            "kind": "LIMIT", "price": "90", "trigger": None, "purpose": "entry", "strategy": "s1",
        }  # fmt: skip

    async def work(self, desk: AccountDesk) -> None:
        while not self.lost.is_set():
            await self.submit(desk, self.resting())
            await asyncio.sleep(0.03)

    async def defy(self, desk: AccountDesk) -> None:
        """What a process does that does not know, or does not care, that it lost: nothing of it may arrive."""
        for _ in range(_TRIES):
            await self.submit(desk, self.resting())
            await sleep(0.2)
        for managed in desk.book.working()[:_TRIES]:
            await self.cancel(desk, managed.order.order_id)
        policy = desk._parts.policy
        for managed in desk.book.working()[:_TRIES]:
            number = managed.order.broker_order_id
            plan = policy.plan(intent_of(self.resting() | {"instrument": "contract", "quantity": 5}))
            for call in (
                self.adapter.place(policy.request(plan[0], "")),
                *((self.adapter.cancel(number),) if number else ()),
            ):
                try:
                    self.say(arrived=repr(await call))
                except TradeMantraError as error:
                    self.say(refused="direct", code=error.code)
        await sleep(10)
        self.say(done=True)


async def rival(world: World, number: int, pipe: int) -> None:
    life = Rival(world, number, pipe)
    async with AsyncExitStack() as stack:
        desk = await life.open(stack)
        life.say(ready=True)
        await life.work(desk)
        await life.defy(desk)


@dataclass(slots=True)
class Running:
    """A forked desk and what it said so far."""

    number: int
    process: int
    pipe: int
    said: list[dict] = field(default_factory=list)
    rest: bytes = b""

    def listen_until(self, wanted: Callable[[list[dict]], bool]) -> None:
        """Read on until something was said.  Errors: `TimeoutError` with all that was said instead."""
        until = time.monotonic() + _PATIENCE
        while not wanted(self.said):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise TimeoutError(f"desk {self.number} said {self.said[-20:]}")
            self._read()

    def catch_up(self) -> None:
        """Read what lies in the pipe already."""
        while select.select([self.pipe], [], [], 0)[0]:
            self._read()

    def _read(self) -> None:
        read = os.read(self.pipe, 65536)
        if not read:
            raise TimeoutError(f"desk {self.number} ended; it said {self.said[-20:]}")
        *lines, self.rest = (self.rest + read).split(b"\n")
        self.said += [json.loads(line) for line in lines]

    def has(self, word: str, times: int = 1) -> None:
        self.listen_until(lambda said: sum(word in each for each in said) >= times)


def start(world: World, number: int) -> Running:
    reading, writing = os.pipe()

    def work() -> None:
        os.close(reading)
        asyncio.run(rival(world, number, writing))

    process = fork(work, writing)
    os.close(writing)
    return Running(number, process, reading)


def tags_of(number: int) -> set[str]:
    """All tags that this desk may ever have used."""
    return {tag_of(ACCOUNT, f"{number}/{one}", 0) for one in range(1, 5_000)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round showed."""

    number: int
    gap: bool
    refusal: str
    hint: str
    resumed: Sequence[str]
    arrived: int
    late: Mapping[str, str]
    changed: int

    def told(self) -> str:
        return (
            f"desk {self.number} was stopped {'in the gap' if self.gap else 'at random'}; its rival was told "
            f"{self.refusal!r}; resumed: {dict(Counter(self.resumed))}, {self.arrived} calls arrived, late: {self.late}"
        )

    def faults(self) -> list[str]:
        found = []
        # stopped inside a transaction of its journal, which PostgreSQL ended meanwhile: those writes failed, and are refused
        refusals = list(dropwhile(lambda code: code == "order_journal_failed", self.resumed))
        if f"in use by life {self.number}" not in self.refusal or "wait" not in self.hint:
            found.append(f"the rival was told {self.refusal!r} ({self.hint})")
        if self.arrived or self.changed or set(refusals) != {"lease_lost"} or len(refusals) < 2 * _TRIES:
            found.append(
                f"{self.arrived} calls arrived, {self.changed} orders were changed, refused: {self.resumed}"
            )
        if len(self.late) > self.gap or set(self.late.values()) - {"CANCELLED"}:
            found.append(f"orders came late: {self.late}")
        return [f"desk {self.number}: {fault}" for fault in found]


def locked(url: str) -> bool:
    """Whether a SQLite file is locked for good: its writer was stopped in the middle, and nobody can take over from it."""
    if not url.startswith("sqlite:///"):
        return False  # PostgreSQL ends a transaction that stands still
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.2)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def wait_for_resting(account: exchange.Account, tags: set[str]) -> None:
    """Until some orders of a desk rest at the exchange, on however slow a machine: it must have something to lose."""
    until = time.monotonic() + _PATIENCE
    while sum(status == "OPEN" for tag, status in account.orders_by_tag().items() if tag in tags) < _AT_WORK:
        if time.monotonic() > until:
            raise TimeoutError(f"of {len(tags)} tags none rests: {account.orders_by_tag()}")
        time.sleep(0.05)


def takeover(
    url: str, account: exchange.Account, first: Running, second: Running, chance: Random, *, gap: bool
) -> Seen:
    """`first` works and is stopped, `second` takes over, `first` goes on and tries everything."""
    first.has("acknowledged", _AT_WORK)
    wait_for_resting(account, tags_of(first.number))
    second.has("held")
    while True:
        time.sleep(chance.uniform(0, 0.2))
        os.kill(first.process, signal.SIGUSR1 if gap else signal.SIGSTOP)
        os.waitpid(first.process, os.WUNTRACED)
        if not locked(url):
            break
        os.kill(first.process, signal.SIGCONT)
    second.has("acknowledged", 3)
    if gap:
        time.sleep(3)  # 30 s by the desks' clock: what the broker never showed is ABSENT by now
    first.catch_up()
    known, before = len(first.said), account.orders_by_tag()
    os.kill(first.process, signal.SIGCONT)
    first.has("done")
    first.has("lost")
    os.waitpid(first.process, 0)
    time.sleep(0.5)
    mine, after = tags_of(first.number), account.orders_by_tag()
    asked = next(each for each in second.said if "held" in each)
    afterwards = first.said[known:]
    return Seen(
        first.number,
        gap,
        asked["held"],
        asked["hint"],
        [each["code"] for each in afterwards if "refused" in each],
        sum("arrived" in each for each in afterwards),
        {tag: after[tag] for tag in mine & (after.keys() - before.keys())},
        sum(after[tag] != before[tag] for tag in mine & before.keys()),
    )


def run_rivals(url: str, rounds: int, seed: int, folder: Path) -> list[Seen]:
    chance = Random(seed)
    listener = listen("127.0.0.1", 0)
    world = World(root_of(listener), url, folder, FastClock(time.time_ns()), seed)
    server = fork(lambda: exchange.serve(listener, world))
    listener.close()
    desks: list[Running] = []
    try:
        memory = Memory()
        run_life(lambda pipe: asyncio.run(log_in(world, pipe)), Death(_PATIENCE), memory.hear)
        account = exchange.Account(world.root, memory.token)
        desks.append(start(world, 1))
        seen = []
        for number in range(1, rounds + 1):
            desks[-1].has("ready")
            desks.append(start(world, number + 1))
            seen.append(takeover(url, account, desks[-2], desks[-1], chance, gap=number % 2 == 0))
            print(seen[-1].told(), flush=True)
        return seen
    finally:
        for process in [*(desk.process for desk in desks[-2:]), server]:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--database", default="", help="the address of an empty database; default: a new SQLite file"
    )
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tm-rivals-") as folder:
        url = asked.database or f"sqlite:///{folder}/desk.db"
        faults = [
            fault for each in run_rivals(url, asked.rounds, seed, Path(folder)) for fault in each.faults()
        ]
    print("\n".join([*faults, f"{len(faults)} faults"]))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
