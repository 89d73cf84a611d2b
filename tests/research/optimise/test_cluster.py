"""A real Dask scheduler with two worker processes: the same trials as in one process, also when a worker is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.research.optimise.studies import content, doom, follow, input_of, plan_of
from trademantra.core.errors import InvalidValueError
from trademantra.research.optimise.optimise import optimise
from trademantra.research.optimise.samplers import Method
from trademantra.research.optimise.trials import TrialState, TrialStore

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
GIVEN = input_of()
SECONDS = 120  # deadline of the start; only a broken one comes near it


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler to which two workers are connected."""
    folder = tmp_path_factory.mktemp("dask")
    meeting = ["--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard"]
    words = {
        "dask_scheduler": ["--host", "127.0.0.1", "--port", "0"],
        "dask_worker": ["--nworkers", "2", "--nthreads", "1", "--local-directory", str(folder)],
    }
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        for name, own in words.items():
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *meeting, *own], stdout=log, stderr=log
            )
            stack.callback(process.wait, SECONDS)
            stack.callback(process.terminate)
        while not (folder / "scheduler.json").exists():
            with pytest.raises(subprocess.TimeoutExpired):  # it runs, and has not written its address yet
                process.wait(0.1)
        with distributed.Client(scheduler_file=str(folder / "scheduler.json"), timeout=SECONDS) as client:
            client.wait_for_workers(2, timeout=SECONDS)
            address = client.scheduler.address
        yield address


def test_a_cluster_finds_what_one_process_finds_also_when_a_worker_is_killed(
    tmp_path: Path, cluster: str
) -> None:
    plan = plan_of(
        follow(tmp_path),
        ("length=2:30", "hold=1:2"),
        Method.NSGA2,
        objectives=("sharpe", "trades"),
        trials=16,
        batch=8,
    )
    alone = optimise(plan, GIVEN, tmp_path, name="alone", workers=1)
    doom(tmp_path, int(alone.points[5, 0]), "SIGKILL self")
    told: list[tuple[int, int]] = []
    spread = optimise(
        plan, GIVEN, tmp_path, name="spread", cluster=cluster, progress=lambda *now: told.append(now)
    )
    assert not list(tmp_path.glob("doom-*"))
    assert content(spread) == content(alone)
    assert told[0] == (0, 16)
    assert told[-1] == (16, 16)


def test_a_cluster_runs_compiled_strategies_to_the_same_bits(tmp_path: Path, cluster: str) -> None:
    plan = plan_of(ranges=("fast=3:15", "slow=10:60:10", "stop=0:2:1"), method=Method.GRID)
    alone = optimise(plan, GIVEN, tmp_path, name="alone", workers=1)
    assert content(optimise(plan, GIVEN, tmp_path, name="s", cluster=cluster)) == content(alone)


def test_what_fails_on_a_cluster_is_told(tmp_path: Path, cluster: str) -> None:
    plan = plan_of(follow(tmp_path), ("length=5:8",), Method.GRID)
    doom(tmp_path, 7, "raise")
    with pytest.raises(InvalidValueError, match="follow raised ZeroDivisionError: no such length"):
        optimise(plan, GIVEN, tmp_path, name="s", cluster=cluster)
    with closing(TrialStore(tmp_path / "s.sqlite3")) as store:
        assert store.count(TrialState.FINISHED) < 4
    with pytest.raises(InvalidValueError, match="exclude each other"):
        optimise(plan, GIVEN, tmp_path, name="s", resume=True, cluster=cluster, workers=2)
    assert len(optimise(plan, GIVEN, tmp_path, name="s", resume=True, cluster=cluster)) == 4
