"""The instrument master: import of a whole Upstox file in its own process, and lookups from memory.

Run `.venv/bin/python bench/instruments.py [FILE]`; without FILE it takes the real one beside the project, or, where
that is absent, makes a file of the same size.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from timing import median_seconds, peak_megabytes, row

from trademantra.core.instrument import Instrument
from trademantra.data.instruments.index import InstrumentIndex

REAL = Path(__file__).parents[2] / "shared" / "data" / "instruments" / "upstox_complete_2026_03.parquet"
DAY = date(2026, 2, 20)
IMPORT = """
import json, sys, time
begin = time.perf_counter()
from datetime import date
from pathlib import Path
from bench.timing import peak_megabytes
from trademantra.data.instruments.master import import_files
report = import_files(Path(sys.argv[1]), [Path(sys.argv[2])], broker="upstox", as_of=date.fromisoformat(sys.argv[3]))
print(json.dumps([report.changes.rows, time.perf_counter() - begin, peak_megabytes()]))
"""


def made_up_file(folder: Path) -> Path:
    """180,000 index options in Upstox's CSV layout."""
    header = "instrument_key,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size"
    lines = [f"{header},instrument_type,option_type,exchange"]
    for n in range(180_000):
        strike, right, day = 10_000 + 50 * (n % 3_000), ("CE", "PE")[n // 3_000 % 2], 1 + n // 6_000 % 30
        lines.append(
            f"NSE_FO|{n},{n},NIFTY264{day:02}{strike}{right},NIFTY,0,2026-04-{day:02},{strike}.0,0.05,65,OPTIDX,{right},NSE_FO"
        )
    file = folder / "made_up.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def imported(master: Path, file: Path) -> tuple[int, float, float]:
    """Rows, seconds (with the imports of the program) and peak MiB of an import in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, str(master), str(file), DAY.isoformat()],
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    rows, seconds, megabytes = json.loads(done.stdout)
    return rows, seconds, megabytes


def microseconds(ask: Callable[[str], object], names: list[str]) -> tuple[float, float]:
    """Mean of the first question about each name, and median of asking again."""
    begin = time.perf_counter()
    for name in names:
        ask(name)
    first = (time.perf_counter() - begin) / len(names)
    again = median_seconds(lambda: [ask(name) for name in names]) / len(names)
    return first * 1e6, again * 1e6


def main() -> None:
    print("| task | goal | measured |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = Path(sys.argv[1]) if len(sys.argv) > 1 else REAL if REAL.exists() else made_up_file(folder)
        master = folder / "instruments.sqlite3"
        for task in ("import a master, first time", "import the same master again"):
            rows, seconds, megabytes = imported(master, file)
            row(f"{task}: {rows:,} rows", "≤ 3 s, ≤ 300 MB", f"{seconds:.2f} s, {megabytes:.0f} MB")
        before, begin = peak_megabytes(), time.perf_counter()
        index = InstrumentIndex(master)
        index.expiries("NIFTY")
        row(
            "load the index",
            "-",
            f"{time.perf_counter() - begin:.2f} s, {peak_megabytes() - before:.0f} MB more",
        )
        questions(index)


def questions(index: InstrumentIndex) -> None:
    seen: dict[str, Instrument] = {}
    for expiry in index.expiries("NIFTY"):
        seen.update((one.key, one) for one in index.chain("NIFTY", expiry).instruments)
    listed = [listing for one in seen.values() for listing in index.listings(one)]
    some = random.Random(7).sample(range(len(listed)), min(4_000, len(listed)))
    index = InstrumentIndex(index.path)
    has_shares = bool(index.search("INE002A01018"))
    for what, names, ask in (
        ("token", [listed[n].token for n in some], lambda name: index.by_token("upstox", name)),
        ("symbol", [listed[n].symbol for n in some], lambda name: index.by_symbol(name, broker="upstox")),
        ("key", list(seen)[: len(some)], index.by_key),
        ("ISIN", ["INE002A01018", "INE009A01021", "INE062A01020"] * 500 if has_shares else [], index.by_isin),
    ):
        if not names:
            continue
        first, again = microseconds(ask, names)
        row(f"resolve by {what}", "≤ 5 µs", f"{again:.1f} µs (first time {first:.0f} µs)")
    expiry = index.expiries("NIFTY")[-1]
    row("a whole chain", "-", f"{median_seconds(lambda: index.chain('NIFTY', expiry)) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
