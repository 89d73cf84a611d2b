"""A process that slept while its account moved to another one touches no file that the other goes on with."""

import pytest

from tests.trading.session.fences import Fence, no_fence
from trademantra.kit.lease import LeaseLostError
from trademantra.trading.house.session_logs import SessionLogs
from trademantra.trading.runner.run_log import ClockTold, RunLog
from trademantra.trading.session.live_tape import LiveTape

RUN = "s1:all"


class Workers:
    """One run that was told of some minutes."""

    def __init__(self, count):
        self.entries = [ClockTold(minute) for minute in range(count)]

    def log(self, run_id, begin):
        return RunLog(None, self.entries[begin:])


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def asleep_and_awake(tmp_path):
    """What the first process holds, the fence before it, and the files after the second one has gone on."""
    fence = Fence()
    first = SessionLogs(tmp_path, Workers(3), [RUN], fence)
    first.begin(1)
    first.keep()
    first_tape = LiveTape.open(tmp_path, {0: "INFY"}, 1, fence, again=False)
    second = SessionLogs(tmp_path, Workers(9), [RUN], no_fence)
    assert len(second.read(RUN)) == 3
    second.keep()
    LiveTape.open(tmp_path, {0: "INFY"}, 5, no_fence, again=True).write(6)
    first._workers.entries.append(ClockTold(99))
    fence.is_up = True
    return first, first_tape


def test_who_lost_the_lease_cuts_off_nothing_of_the_next_owner(tmp_path):
    first, tape = asleep_and_awake(tmp_path)
    before = contents(tmp_path)
    for write in (
        first.keep,
        lambda: first.cut(RUN, []),
        lambda: first.note_carried([RUN], 1),
        lambda: first.begin(2),
        lambda: tape.write(9),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert contents(tmp_path) == before
    assert len(SessionLogs(tmp_path, None, [RUN], no_fence).read(RUN)) == 9
