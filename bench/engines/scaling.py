"""How a sweep grows: with combinations, with bars, with cores, on a Dask cluster of two local workers.

../../.venv/bin/python scaling.py            # the curves, then the ratios
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
COMBINATIONS = (1_000, 2_000, 5_000, 10_000)
BARS = (50_000, 100_000, 200_000, 400_000)


def one(combinations: int, bars: int, threads: int, repeats: int) -> None:
    """Median seconds and peak MiB of one sweep with scores, in this process."""
    import resource

    import data
    from peer_trademantra import CASH, fee

    from trademantra.engine.backtest import BacktestInput
    from trademantra.engine.bars import Bars
    from trademantra.engine.rules import TradingRules
    from trademantra.engine.sweep import sweep
    from trademantra.engine.timeline import by_days
    from trademantra.strategies.registry import load_strategy

    b = {name: column[:bars] for name, column in data.load("bars1000000").items()}
    series = Bars.of(b["ts"], b["open"], b["high"], b["low"], b["close"], b["volume"])
    given = BacktestInput({"X": series}, {"X": by_days(series.ts)}, fee(0.001), sessions_per_year=365.0)
    fast = {1_000: 20, 2_000: 40, 5_000: 50, 10_000: 100}[combinations]
    grid = {"fast": list(range(5, 5 + fast)), "slow": list(range(110, 110 + combinations // fast))}
    strategy, rules, times = load_strategy("sma_cross"), TradingRules(cash=CASH), []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        result = sweep(strategy, given, grid, rules=rules, workers=threads)
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(len(result), statistics.median(times[1:]), peak)


def measured(combinations: int, bars: int, threads: int = 2, repeats: int = 3) -> tuple[int, float, float]:
    words = [
        sys.executable,
        str(HERE / "scaling.py"),
        "--one",
        str(combinations),
        str(bars),
        str(threads),
        str(repeats),
    ]
    count, seconds, peak = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=HERE
    ).stdout.split()[-3:]
    return int(count), float(seconds), float(peak)


def curves() -> None:
    print("| combinations x bars | seconds | ns per bar and combination | peak MiB |\n|---|---|---|---|")
    for combinations, bars in [(c, 100_000) for c in COMBINATIONS] + [(1_000, b) for b in BARS]:
        count, seconds, peak = measured(combinations, bars)
        print(
            f"| {count:,} x {bars:,} | {seconds:.3f} | {seconds / count / bars * 1e9:.2f} | {peak:.0f} |",
            flush=True,
        )


def threads() -> None:
    one_core, two = measured(10_000, 100_000, 1)[1], measured(10_000, 100_000, 2)[1]
    print(f"threads: one core {one_core:.3f} s, two {two:.3f} s: {one_core / two:.2f}x", flush=True)


CROSS = """
from peer_trademantra import Cross
from trademantra.engine.parameters import Parameter


class Study(Cross):
    name = "study"
    parameters = (Parameter("trial", 1, 1, 1_000),)


STRATEGY = Study
"""


def pools(trials: int = 120, bars: int = 200_000) -> None:
    """One study of a Python `on_bar` strategy, which uses one core a process, on each kind of workers."""
    import data
    from distributed import LocalCluster
    from peer_trademantra import CASH, fee

    from trademantra.engine.backtest import BacktestInput
    from trademantra.engine.bars import Bars
    from trademantra.engine.rules import TradingRules
    from trademantra.engine.timeline import by_days
    from trademantra.research.optimise.evaluate import reference_of
    from trademantra.research.optimise.optimise import optimise
    from trademantra.research.optimise.samplers import Method
    from trademantra.research.optimise.space import parse_wish, space_of
    from trademantra.research.optimise.study import StudyPlan
    from trademantra.strategies.registry import load_strategy_file

    b = {name: column[:bars] for name, column in data.load("bars1000000").items()}
    series = Bars.of(b["ts"], b["open"], b["high"], b["low"], b["close"], b["volume"])
    given = BacktestInput({"X": series}, {"X": by_days(series.ts)}, fee(0.001), sessions_per_year=365.0)
    times = {}
    os.environ["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parents[1])))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.py"
        file.write_text(CROSS)
        strategy = load_strategy_file(file)
        space = space_of(strategy, [parse_wish(f"trial=1:{trials}:1")], {}, grid=True)
        plan = StudyPlan(
            strategy=reference_of(str(file)),
            space=space,
            fixed={},
            rules=TradingRules(cash=CASH),
            method=Method.GRID,
        )
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
            for name, words in (
                ("one process", {"workers": 1}),
                ("two processes", {"workers": 2}),
                ("two Dask workers", {"cluster": local.scheduler_address}),
            ):
                for turn in ("warm up", "timed"):  # the first brings up the workers and their imports
                    begin = time.perf_counter()
                    result = optimise(
                        plan, given, Path(folder), name=f"{name} {turn}".replace(" ", "-"), **words
                    )
                    times[name] = time.perf_counter() - begin
                equity = [result.row(k)["final_equity"] for k in range(len(result))]
                print(
                    f"{name}: {trials} back-tests of {bars:,} bars in {times[name]:.2f} s, sum {sum(equity):.6f}",
                    flush=True,
                )
    print(
        f"two processes against one: {times['one process'] / times['two processes']:.2f}x; "
        f"Dask against the pool: {times['two Dask workers'] / times['two processes']:.2f}x the time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=4, type=int)
    chosen = parser.parse_args()
    if chosen.one:
        one(*chosen.one)
        return
    curves()
    threads()
    pools()


if __name__ == "__main__":
    main()
