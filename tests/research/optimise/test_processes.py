"""Real processes, really killed: no trial is lost and none is counted twice.

The strategy itself sends the signals, at chosen trials, so that nothing depends on time.
"""

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.research.optimise.studies import content, doom, follow, input_of, plan_of, prices
from trademantra.core.errors import InvalidValueError
from trademantra.research.optimise.executors import ProcessPool
from trademantra.research.optimise.optimise import optimise
from trademantra.research.optimise.samplers import Method
from trademantra.research.optimise.trials import Trial, TrialState, TrialStore

GIVEN = input_of()
SECONDS = 120  # deadline of a process; only a broken one comes near it
TM = """
import typer
from trademantra.cli.optimise import register
app = typer.Typer()
register(app)
app.command("other")(lambda: None)
app()
"""
WRITER = """
import sys
from pathlib import Path
from trademantra.research.optimise.trials import *
from trademantra.engine.sweep import SCORES
store = TrialStore(Path(sys.argv[1]))
while True:
    first = store.count()
    store.propose([(float(first + k),) for k in range(20)], ["{}"] * 20, str(first))
    for start in range(first, first + 20, 5):
        store.finish(Trial(n, TrialState.FINISHED, (float(n),), scores=(float(n),) * len(SCORES)) for n in range(start, start + 5))
        print(start + 5, flush=True)
"""


def test_a_killed_worker_loses_no_trial(tmp_path: Path) -> None:
    plan = plan_of(follow(tmp_path), ("length=2:30", "hold=1:2"), Method.TPE, trials=16, batch=8)
    alone = optimise(plan, GIVEN, tmp_path, name="alone", workers=1)
    for length in np.unique(alone.points[:, 0])[[1, 5]].tolist():
        doom(tmp_path, int(length), "SIGKILL self")
    together = optimise(plan, GIVEN, tmp_path, name="together", workers=2)
    assert not list(tmp_path.glob("doom-*"))
    assert content(together) == content(alone)
    assert not list(tmp_path.glob("*.npz"))


def test_a_slice_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    file = follow(tmp_path)
    file.write_text(file.read_text().replace("doom.unlink()", "pass"))
    doom(tmp_path, 4, "SIGKILL self")
    plan = plan_of(file, ("length=3:4",), Method.GRID)
    with pytest.raises(InvalidValueError, match="keep dying"):
        optimise(plan, GIVEN, tmp_path, name="s", executor=ProcessPool(1))
    with closing(TrialStore(tmp_path / "s.sqlite3")) as store:
        assert store.count(TrialState.FINISHED) == 1


def test_the_pool_runs_compiled_strategies_to_the_same_bits(tmp_path: Path) -> None:
    plan = plan_of(ranges=("fast=3:15", "slow=10:60:10", "stop=0:2:1"), method=Method.GRID)
    alone = optimise(plan, GIVEN, tmp_path, name="alone", workers=1)
    assert content(optimise(plan, GIVEN, tmp_path, name="pool", executor=ProcessPool(2))) == content(alone)


def command(folder: Path, *more: str) -> list[str]:
    """`tm optimise` on the strategy and the prices in `folder`, every trial shown."""
    bars = folder / "bars.parquet"
    if not bars.exists():
        made = prices(300)
        columns = {name: getattr(made, name) for name in ("open", "high", "low", "close", "volume")}
        pl.DataFrame({"symbol": ["X"] * 300, "timestamp": pl.Series(made.ts).cast(pl.Datetime("ns", "UTC")), **columns}).write_parquet(bars)  # fmt: skip
    words = (
        "optimise", str(folder / "follow.py"), "--bars", str(bars), "--exchange", "NYSE", "--data-dir", str(folder),
        "--vary", "length=2:25", "--method", "nsga2", "--batch", "8", "--trials", "24", "--study", "s",
        "--objective", "sharpe", "--objective", "max_drawdown", "--top", "99", "--json",
    )  # fmt: skip
    return [sys.executable, "-c", TM, *words, *more]


def ended(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end: that of every process which holds its output, so that no worker is left behind."""
    return subprocess.run(
        words, capture_output=True, text=True, timeout=SECONDS, start_new_session=True, check=False
    )


def trials_of(folder: Path, name: str = "s") -> list[Trial]:
    with closing(TrialStore(folder / "studies" / f"{name}.sqlite3")) as store:
        return list(store.done())


def test_a_study_survives_kill_9_and_ctrl_c(tmp_path: Path) -> None:
    follow(tmp_path)
    whole = ended(command(tmp_path, "--workers", "1", "--study", "whole"))
    assert whole.returncode == 0, whole.stderr
    expected = trials_of(tmp_path, "whole")
    lengths = list(dict.fromkeys(int(trial.point[0]) for trial in expected))
    doom(tmp_path, lengths[2], "SIGKILL parent")
    doom(tmp_path, lengths[-2], "SIGINT group")

    killed = ended(command(tmp_path, "--workers", "2"))
    assert killed.returncode == -signal.SIGKILL
    after_kill = trials_of(tmp_path)
    assert len(after_kill) < 8  # within the first batch

    interrupted = ended(command(tmp_path, "--workers", "2", "--resume"))
    assert interrupted.returncode == 130, interrupted.stderr
    assert "go on with: tm " in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    kept = trials_of(tmp_path)
    told = json.loads(interrupted.stdout)
    assert told["interrupted"] is True
    assert told["trials"] == len(kept)
    assert len(after_kill) <= len(kept) < 24

    rest = ended(command(tmp_path, "--workers", "1", "--resume"))
    assert rest.returncode == 0, rest.stderr
    assert {**json.loads(rest.stdout), "study": ""} == {
        **json.loads(whole.stdout),
        "study": "",
        "file": told["file"],
    }
    assert str(trials_of(tmp_path)) == str(expected)
    assert set(map(str, kept)) <= set(map(str, expected))


@pytest.mark.parametrize("after", [3, 41])
def test_whatever_was_acknowledged_is_there_after_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "s.sqlite3"
    from trademantra.research.optimise.trials import create_study

    create_study(path, {"what": "a test"}, "")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(after)][-1]
        writer.kill()
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    with closing(TrialStore(path)) as store:
        done = list(store.done())
        assert [trial.number for trial in done] == list(range(len(done)))
        assert acknowledged <= len(done) <= acknowledged + 5
        assert all(set(trial.scores) == {float(trial.number)} for trial in done)
        assert store.count() % 20 == 0
        assert len(store.waiting(10**9)) == store.count() - len(done)
        store.finish([Trial(0, TrialState.FINISHED, (0.0,), scores=(-1.0,) * len(done[0].scores))])
        assert next(store.done()).scores[0] == 0.0  # finished once is finished
