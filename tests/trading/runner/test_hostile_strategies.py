"""Whatever a user's strategy does, its run alone is stopped, the owner is told why, and the others decide as before."""

import asyncio
import os
import socket
import sys
import threading

import pytest

from tests.trading.runner.scene import CALM, closed, own, scene, shipped, strategy_file
from trademantra.trading.runner.events import StopReason, StrategyPrinted, StrategyStopped
from trademantra.trading.runner.runs import RunState

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines files, network and processes")

PATCHED = """
from math import nan, inf
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Drop, Enter, Leave, Protection
from trademantra.engine.records import EntryKind, Reason
from trademantra.engine.rules import Level
NONE = Protection(nan, nan, Level(), Level(), Level(), nan)
def enter(symbol="A", side=1, quantity=1.0, kind=EntryKind.MARKET, price=nan, protection=NONE, reference=100.0):
    return Enter(symbol, side, quantity, kind, price, protection, reference)
"""


def patched(wants):
    """A file that makes its own model answer anything."""
    return PATCHED + f"LiveRun.on_bars = lambda self, closed: {wants}\n"


def stopped_by(folder, bodies, head="", **settings):
    """The events that one bar makes of strategies with these bodies of `on_bar`, while an honest one runs beside them."""

    async def play():
        async with scene(folder, **settings) as it:
            names = [f"bad{number}" for number in range(len(bodies))]
            await it.start(
                shipped("good"),
                *(
                    own(
                        name,
                        strategy_file(folder, f"def on_bar(self, context, bar):\n    {body}", head, name),
                    )
                    for name, body in zip(names, bodies, strict=True)
                ),
            )
            assert await it.workers.decide(closed(0)) == {"good": []}
            assert await it.workers.decide(closed(1)) == {"good": []}
            events = [
                await it.heard(StrategyStopped, lambda event, name=name: event.run_id == name)
                for name in names
            ]
            assert sum(isinstance(each, StrategyStopped) for each in it.told) == len(names)
            for name in names:
                assert it.state(name).state is RunState.STOPPED
                assert it.state(name).pid is None
            return events

    return asyncio.run(play())


def test_those_that_never_answer_are_late(tmp_path):
    events = stopped_by(tmp_path, ["while True: pass", "__import__('time').sleep(1e6)"], decision_seconds=1.5)
    assert [event.reason for event in events] == [StopReason.LATE] * 2
    assert all("1.5 s" in event.text for event in events)


def test_one_that_raises_is_told_with_its_line(tmp_path):
    async def play():
        body = (
            "def on_bar(self, context, bar):\n    if bar.index == 9:\n        raise KeyError('lots of 75')\n"
        )
        async with scene(tmp_path) as it:
            await it.start(own("bad", strategy_file(tmp_path, body + CALM.replace("on_bar", "other"))))
            for minute in range(9):
                assert "bad" in await it.workers.decide(closed(minute))
            assert await it.workers.decide(closed(9)) == {}
            return await it.heard(StrategyStopped)

    event = asyncio.run(play())
    assert event.reason is StopReason.RAISED
    assert "KeyError" in event.text
    assert "lots of 75" in event.text
    assert "raise KeyError('lots of 75')" in event.trace


def test_those_whose_process_ends_are_stopped(tmp_path):
    ways = {
        "import os; os._exit(3)": "exit status 3",
        "import signal; signal.raise_signal(signal.SIGKILL)": "SIGKILL",
        "import ctypes; ctypes.string_at(0)": "SIGSEGV",
        "import os; os.closerange(3, 200)": "exit status",
    }
    events = stopped_by(tmp_path, list(ways))
    assert [event.reason for event in events] == [StopReason.DIED] * 4
    assert [text in event.text for event, text in zip(events, ways.values(), strict=True)] == [True] * 4


def test_whatever_is_raised_is_heard(tmp_path):
    events = stopped_by(tmp_path, ["raise SystemExit(0)", "raise KeyboardInterrupt", "f = lambda: f(); f()"])
    assert [event.reason for event in events] == [StopReason.RAISED] * 3


@LINUX
def test_memory_ends_at_its_limit(tmp_path):
    (event,) = stopped_by(
        tmp_path, ["self.kept = [bytearray(1 << 28) for _ in range(64)]"], memory_bytes=1 << 29
    )
    assert event.reason is StopReason.RAISED
    assert "MemoryError" in event.text


def test_a_flood_of_prints_is_cut_off(tmp_path):
    (event,) = stopped_by(tmp_path, ["for _ in range(100): print('x' * (1 << 20))"])
    assert event.reason is StopReason.FLOODED
    assert len(event.trace) < 3_000


def test_some_prints_are_told_in_short(tmp_path):
    async def play():
        async with scene(tmp_path, printed_kept=100) as it:
            body = "def on_bar(self, context, bar):\n    print('at', bar.index)\n    print('y' * 500)\n"
            await it.start(own("talks", strategy_file(tmp_path, body)))
            assert await it.workers.decide(closed(0)) == {"talks": []}
            await it.heard(StrategyPrinted, lambda event: event.text.endswith(" […]"))
            assert all(event.run_ids == ("talks",) for event in it.told)
            text = "".join(event.text for event in it.told)
            assert text.startswith("at 0\nyyy")
            assert len(text) < 120
            assert it.state("talks").state is RunState.RUNNING

    asyncio.run(play())


def test_wants_that_nobody_can_have_are_rubbish(tmp_path):
    """More of them: test_edges.py."""
    (nan,) = stopped_by(tmp_path, ["pass"], patched("[enter(quantity=nan)]"))
    assert (nan.reason, "quantity" in nan.text) == (StopReason.RUBBISH, True)
    (large,) = stopped_by(tmp_path, ["pass"], patched("[Drop('A' * 10_000_000)]"))
    assert (large.reason, "bytes" in large.text) == (StopReason.RUBBISH, True)


IS_SOCKET = """
import os, stat, struct
def _is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
"""


def test_rubbish_on_the_wire_is_refused(tmp_path):
    frames = [
        "b'hello, desk, here is a pickle' * 10",
        "struct.pack('<4sIIII', b'TMW1', 2, 10**6, 0, 0)",  # an answer to another request
        "struct.pack('<4sIIII', b'TMW1', 2, 4, 2**32 - 1, 0)",
        "struct.pack('<4sIIII', b'TMW1', 3, 1, 0, 0) * 10_000",  # progress without end
        "struct.pack('<4sIIII', b'TMW1', 9, 1, 0, 0)",
    ]
    link = "next(fd for fd in range(3, 200) if _is_socket(fd))"
    events = stopped_by(tmp_path, [f"os.write({link}, {frame})" for frame in frames], IS_SOCKET)
    assert [event.reason for event in events] == [StopReason.RUBBISH] * len(frames)


TRIES = """
def on_bar(self, context, bar):
    for line in LINES:
        try:
            exec(line)
            print("POSSIBLE", line)
        except PermissionError:
            pass
    print("tried")
"""


@LINUX
def test_the_machine_is_out_of_reach(tmp_path):
    secret = tmp_path / "token.json"
    secret.write_text("{}", encoding="utf-8")

    async def play(lines):
        async with scene(tmp_path) as it:
            head = f"import os, signal, socket, subprocess\nLINES = {lines}\n"
            await it.start(own("pries", strategy_file(tmp_path, TRIES, head)))
            held = it.state("pries").confinement
            if held.missing:
                pytest.skip(f"this machine cannot confine: {'; '.join(held.missing)}")
            assert (held.files, held.network, held.processes, held.memory, held.parent) == (True,) * 5
            assert "pries" in await it.workers.decide(closed(0))
            await it.heard(StrategyPrinted, lambda event: "tried" in event.text)
            return "".join(event.text for event in it.told)

    with socket.create_server(("127.0.0.1", 0)) as server:
        lines = [
            "open('/etc/passwd')", "open(f'/proc/{os.getppid()}/environ')", f"open({str(secret)!r})",
            "open(__file__, 'a')", "open('/tmp/mine-was-here', 'w')", "os.listdir('/')",
            "os.symlink('/etc', 'etc') or open('etc/passwd')", f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))",
            "socket.socket(socket.AF_UNIX)", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            "os.kill(os.getppid(), 9)", "os.fork()", "subprocess.run(['/bin/ls'])", "os.execv('/bin/ls', ['ls'])",
            "os.posix_spawn('/bin/ls', ['ls'], {})", "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
            "os.killpg(os.getpgid(os.getppid()), 9)",
        ]  # fmt: skip
        assert asyncio.run(play(lines)) == "tried\n"


def test_its_environment_and_files_hold_nothing_of_the_desk(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEMANTRA_SECRET_KEY", "s3cret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret@db/tm")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@proxy")
    body = """
def on_bar(self, context, bar):
    import os, sys
    held = [fd for fd in range(3, 200) if _is_socket(fd) or _is_open(fd)]
    print(sorted(os.environ), "s3cret" in str(os.environ), "files", held, os.listdir(os.environ["HOME"]), sys.argv[1])
"""
    is_open = "def _is_open(fd):\n    try:\n        return bool(os.fstat(fd))\n    except OSError:\n        return False\n"

    async def play():
        async with scene(tmp_path) as it:
            await it.start(own("looks", strategy_file(tmp_path, body, IS_SOCKET + is_open)))
            await it.workers.decide(closed(0))
            return (await it.heard(StrategyPrinted)).text

    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        text = asyncio.run(play())
    finally:
        os.close(reading)
        os.close(writing)
    assert "TRADEMANTRA" not in text
    assert "DATABASE_URL" not in text
    assert "PROXY" not in text
    link = text.split()[-1]
    assert f"False files [{link}] [] {link}" in text


def test_threads_are_allowed(tmp_path):
    body = """
def on_bar(self, context, bar):
    import threading
    worker = threading.Thread(target=lambda: print("from a thread"))
    worker.start()
    worker.join()
"""

    async def play():
        async with scene(tmp_path) as it:
            await it.start(own("threads", strategy_file(tmp_path, body)))
            assert await it.workers.decide(closed(0)) == {"threads": []}
            await it.heard(StrategyPrinted, lambda event: "from a thread" in event.text)

    assert threading.current_thread() is threading.main_thread()  # whose end would end the workers
    asyncio.run(play())
