"""Kill the desk thousands of times: the crash test of tests/trading/crash in its long form.

    .venv/bin/python bench/desk_crash.py                                          # 2,000 kills, SQLite
    .venv/bin/python bench/desk_crash.py --kills 2000 --database postgresql       # a server of its own
    .venv/bin/python bench/desk_crash.py --kills 200 --database postgresql://user@host/empty

Each 200 kills are one trading day with an exchange and an empty database of its own: a broker takes 5,000 orders a day.
With the URL of a database there is one day.  Ends with 1 when a day showed a difference; its seed and evidence are named.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KILLS_A_DAY = 200


@contextmanager
def databases(kind: str, days: int) -> Iterator[list[str]]:
    """The address of an empty database for each day; "" for a new SQLite file."""
    if kind == "sqlite":
        yield [""] * days
    elif kind != "postgresql":
        yield [kind]
    else:
        sys.path.insert(0, str(ROOT))
        from tests.databases import fresh, server

        with server() as uri:
            yield [fresh(uri) for _ in range(days)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=2_000)
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, postgresql, or the URL of an empty database"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of the first day; default: each day takes its own"
    )
    parser.add_argument("--keep", type=Path, default=None, help="folder for the evidence of a failure")
    asked = parser.parse_args()
    began, bad, days = time.monotonic(), 0, -(-asked.kills // KILLS_A_DAY)
    with databases(asked.database, days) as urls:
        for day, url in enumerate(urls):
            kills = asked.kills if len(urls) == 1 else min(KILLS_A_DAY, asked.kills - day * KILLS_A_DAY)
            words = ["--kills", str(kills), "--database", url]
            words += [] if asked.seed is None else ["--seed", str(asked.seed + day)]
            words += [] if asked.keep is None else ["--folder", str(asked.keep)]
            done = subprocess.run(
                [sys.executable, "-m", "tests.trading.crash.session", *words],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=False,
            )
            bad += done.returncode != 0
    print(
        f"{asked.kills} kills on {len(urls)} days in {time.monotonic() - began:.0f} s; {bad} days with a difference"
    )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
