"""Runs every peer on every task in its own process, round after round, and prints the table.

    python run.py                 all tasks, three rounds
    python run.py T1 T2 -r 5      some tasks, five rounds
    python run.py --cold          whole-process times instead (import + compile + run)
    python run.py --table         only print the table of the results kept so far

Peers of a task follow each other inside a round, so that a noisy minute hits all of them alike;
the figure of a peer is the median over rounds, and ratios are taken inside each round first.
Virtual environments live in BENCH_VENVS (default: eb in the temporary folder); venvs.sh makes them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
VENVS = Path(os.environ.get("BENCH_VENVS") or Path(tempfile.gettempdir()) / "eb")
RESULTS = HERE / "results.jsonl"
COLD = HERE / "cold.jsonl"
JIT_CACHE = Path(tempfile.gettempdir()) / "engine-bench-jit"

# name: (venv, script, extra environment, warm repetitions, rounds at the most)
PEERS = {
    "trademantra": (None, "peer_trademantra.py", {}, 9, 9),
    "limit": ("limit", "limit.py", {}, 9, 9),
    "vectorbt": ("vbt", "peer_vectorbt.py", {"VBT_CHUNK": "1000"}, 3, 9),
    "vectorbt-chunk25": ("vbt", "peer_vectorbt.py", {"VBT_CHUNK": "25"}, 2, 9),
    "vectorbt-rust": ("vbtr", "peer_vectorbt.py", {"VBT_ENGINE": "auto", "VBT_CHUNK": "1000"}, 3, 9),
    "vectorbt-rust-chunk25": ("vbtr", "peer_vectorbt.py", {"VBT_ENGINE": "auto", "VBT_CHUNK": "25"}, 2, 9),
    "raptorbt": ("raptor", "peer_raptorbt.py", {}, 3, 9),
    "backtesting.py": ("btpy", "peer_backtestingpy.py", {}, 0, 9),
    "backtrader": ("bktr", "peer_backtrader.py", {}, 0, 1),
    "nautilus-1": ("naut", "peer_nautilus.py", {}, 0, 1),
    "nautilus-2rc": ("naut2", "peer_nautilus2.py", {}, 1, 9),
    "bt": ("bt", "peer_bt.py", {}, 1, 9),
}
# task: peers, the baseline first
TASKS = {
    "T1": [
        "vectorbt", "vectorbt-rust", "raptorbt", "backtesting.py", "nautilus-2rc", "nautilus-1", "backtrader",
        "limit", "trademantra",
    ],
    "T2": ["vectorbt", "vectorbt-chunk25", "vectorbt-rust-chunk25", "raptorbt", "limit", "trademantra"],
    "T2_stats": ["vectorbt-chunk25", "raptorbt", "limit", "trademantra"],
    "T3": ["vectorbt", "bt", "limit", "trademantra"],
    "T4": ["nautilus-2rc", "raptorbt", "backtesting.py", "nautilus-1", "backtrader", "limit", "trademantra"],
    "T6_fixed": ["vectorbt", "vectorbt-rust", "raptorbt", "backtesting.py", "limit", "trademantra"],
    "T6_trail": ["vectorbt", "vectorbt-rust", "raptorbt", "limit", "trademantra"],
    "T6_all": ["limit", "trademantra"],
}  # fmt: skip
ALSO: dict[tuple[str, str], str] = {}  # a peer's own name for a task
ONCE = {"T2_10000": ["vectorbt-chunk25", "raptorbt", "limit", "trademantra"]}  # asked for by name only


def run_one(peer, task, reps=None, timeout=1500, jit=JIT_CACHE):
    venv, script, extra, default, _ = PEERS[peer]
    env = {**os.environ, **extra, "NUMBA_CACHE_DIR": str(jit), "PYTHONDONTWRITEBYTECODE": "1"}
    cmd = [
        sys.executable if venv is None else str(VENVS / venv / "bin/python"),
        str(HERE / script),
        ALSO.get((peer, task), task),
        "--reps",
        str(default if reps is None else reps),
    ]
    t = time.perf_counter()
    try:
        p = subprocess.run(cmd, env=env, cwd=HERE, capture_output=True, text=True, timeout=timeout)
        lines = [x for x in p.stdout.splitlines() if x.startswith("RESULT ")]
        out = json.loads(lines[-1][7:]) if lines else {"error": f"exit {p.returncode}: {p.stderr[-300:]}"}
    except subprocess.TimeoutExpired:
        out = {"error": f"over {timeout} s"}
    return {
        **out,
        "task": task,
        "peer": peer,
        "process_s": time.perf_counter() - t,
        "at": time.time(),
        "load": os.getloadavg()[0],
    }


def rounds(tasks, count):
    for r in range(count):
        for task in tasks:
            for peer in {**TASKS, **ONCE}[task]:
                if r >= PEERS[peer][4]:
                    continue
                out = {**run_one(peer, task), "round": r}
                with RESULTS.open("a") as f:
                    f.write(json.dumps(out) + "\n")
                print(
                    r, task, peer, out.get("error") or round(out.get("warm_s", out["first_s"]), 4), flush=True
                )


def cold(tasks, count):
    """First process ever (empty compile cache), then a second one that finds the cache filled."""
    for r in range(count):
        for task in tasks:
            for peer in TASKS[task]:
                if r >= PEERS[peer][4]:
                    continue
                jit = Path(tempfile.gettempdir()) / f"engine-bench-cold-{os.getpid()}"
                shutil.rmtree(jit, ignore_errors=True)
                for kind in ("first", "again"):
                    out = {**run_one(peer, task, reps=0, jit=jit), "round": r, "kind": kind}
                    with COLD.open("a") as f:
                        f.write(json.dumps(out) + "\n")
                    print(r, task, peer, kind, out.get("error") or round(out["process_s"], 2), flush=True)
                shutil.rmtree(jit, ignore_errors=True)


def seconds(row):
    return row.get("warm_s", row.get("first_s"))


def table():
    rows = [json.loads(x) for x in RESULTS.read_text().splitlines()]
    by = defaultdict(list)
    for row in rows:
        by[row["task"], row["peer"]].append(row)
    print(
        "| task | peer | median s | min-max | units/s | x baseline | RSS MB | check |\n|---|---|---|---|---|---|---|---|"
    )
    for task, peers in {**TASKS, **ONCE}.items():
        base = {r["round"]: r for r in by.get((task, peers[0]), []) if seconds(r)}
        for peer in peers:
            got = [r for r in by.get((task, peer), [])]
            good = [r for r in got if seconds(r)]
            if not good:
                if got:
                    print(f"| {task} | {peer} | - | | | | | {got[-1]['error'][:90]} |")
                continue
            s = [seconds(r) for r in good]
            rate = [r["units"] / seconds(r) for r in good]
            ratio = [
                (r["units"] / seconds(r)) / (base[r["round"]]["units"] / seconds(base[r["round"]]))
                for r in good
                if r["round"] in base
            ]
            check = ", ".join(
                f"{k} {v:,.6g}" if abs(v) < 1e6 else f"{k} {v:,.0f}" for k, v in good[-1]["check"].items()
            )
            print(
                f"| {task} | {peer} | {statistics.median(s):.4g} | {min(s):.4g}-{max(s):.4g} | "
                f"{statistics.median(rate):,.4g} | {statistics.median(ratio) if ratio else float('nan'):.3g} | "
                f"{statistics.median(r['rss_mb'] for r in good):,.0f} | {check} |"
            )
    if COLD.exists():
        by = defaultdict(list)
        for row in map(json.loads, COLD.read_text().splitlines()):
            if "error" not in row:
                by[row["task"], row["peer"], row["kind"]].append(row["process_s"])
        print("\n| task | peer | first process ever, s | next process, s |\n|---|---|---|---|")
        for task, peer, kind in by:
            if kind == "first":
                again = by.get((task, peer, "again"), [float("nan")])
                print(
                    f"| {task} | {peer} | {statistics.median(by[task, peer, kind]):.3g} | {statistics.median(again):.3g} |"
                )


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tasks", nargs="*")
    p.add_argument("-r", "--rounds", type=int, default=3)
    p.add_argument("--cold", action="store_true")
    p.add_argument("--table", action="store_true")
    a = p.parse_args()
    if a.table:
        table()
    elif a.cold:
        cold(a.tasks or ["T1", "T2", "T3", "T6_fixed"], a.rounds)
    else:
        rounds(a.tasks or list(TASKS), a.rounds)
        table()
