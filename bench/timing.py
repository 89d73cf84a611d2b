"""What every benchmark here shares: median times, peak memory, one table row."""

import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable


def median_seconds(work: Callable[[], object], repeats: int = 7, warm_up: int = 1) -> float:
    """Median wall time of `work`, after `warm_up` calls that do not count."""
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(repeats):
        gc.collect()
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def peak_megabytes() -> float:
    """Peak resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def row(task: str, goal: str, measured: str) -> None:
    """Print one row of a Markdown table: task, goal, measured."""
    print(f"| {task} | {goal} | {measured} |", flush=True)
