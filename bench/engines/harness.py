"""What every peer file shares: run one task in this process, time it, print one JSON line.

A peer file imports its library inside its task functions' module, registers tasks with
`@task(name, peer)` and ends with `main()`.  A task function takes nothing and returns
(work, check): `work()` is the timed call; `check` turns its result into numbers to compare.
Preparing inputs (loading arrays, building frames or bar objects) stays outside `work`.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import time

TASKS: dict[str, object] = {}
T0 = time.perf_counter()


def task(name):
    def register(fn):
        TASKS[name] = fn
        return fn

    return register


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    imported = time.perf_counter() - T0
    p = argparse.ArgumentParser()
    p.add_argument("task")
    p.add_argument("--reps", type=int, default=3, help="warm repetitions after the first call")
    p.add_argument("--limit-gb", type=float, default=19.0, help="address-space cap")
    p.add_argument("--trace", action="store_true", help="show a failing peer's traceback")
    a = p.parse_args()
    if a.limit_gb:
        cap = int(a.limit_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    out = {"task": a.task, "import_s": imported}
    try:
        t = time.perf_counter()
        made = TASKS[a.task]()
        work, check = made[0], made[1]
        units = made[2] if len(made) > 2 else None
        out["prepare_s"] = time.perf_counter() - t
        rss_before = rss_mb()
        t, c = time.perf_counter(), time.process_time()
        result = work()
        out["first_s"], out["first_cpu_s"] = time.perf_counter() - t, time.process_time() - c
        warm, cpu = [], []
        for _ in range(a.reps):
            result = None
            gc.collect()
            t, c = time.perf_counter(), time.process_time()
            result = work()
            warm.append(time.perf_counter() - t)
            cpu.append(time.process_time() - c)
        if warm:
            out["warm_s"] = statistics.median(warm)
            out["warm_cpu_s"] = statistics.median(cpu)
            out["warm_all"] = [round(w, 5) for w in warm]
        out["rss_mb"], out["rss_before_mb"] = rss_mb(), rss_before
        out["check"] = {k: float(v) for k, v in check(result).items()}
        if units:
            out["units"] = units
    except MemoryError as e:
        out["error"] = f"MemoryError: {e}"
    except Exception as e:  # a peer that cannot do a task says so in the table
        if a.trace:
            raise
        out["error"] = f"{type(e).__name__}: {str(e)[:300]}"
    print("\nRESULT " + json.dumps(out), flush=True)
