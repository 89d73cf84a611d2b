"""What runs were told of ticks, as their logs in the session's folder have it, for the back-test that is compared with them."""

from collections.abc import Sequence
from pathlib import Path

from trademantra.core.errors import BadInputError
from trademantra.engine.bars import Int64Array
from trademantra.engine.ticks import ToldRun, ToldTicks
from trademantra.trading.runner.run_log import BarsClosed, LogEntry, TicksTold, from_line, to_line
from trademantra.trading.runner.wire import ProtocolError

_APART = 1 << 20  # places between two prices, for what was told between them
_AS_TICKS = '["ticks",'
_AS_BARS = '["bars",'


def log_file(folder: Path, run_id: str) -> Path:
    """Where a session keeps what one of its runs was told."""
    return folder / f"{run_id.partition(':')[2].replace('/', '_')}.log"


def write_log(folder: Path, run_id: str, entries: Sequence[LogEntry]) -> None:
    """All of it at once, for a session that has ended."""
    with log_file(folder, run_id).open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(f"{to_line(entry)}\n")


def read_told(folder: Path, run_id: str, begin_ns: int) -> ToldRun:
    """The ticks that a run was told, each between the prices where it was.

    Errors: `BadInputError` for a log that is missing or cannot be read.
    """
    file = log_file(folder, run_id)
    told: list[ToldTicks] = []
    since_ns, fed, same = begin_ns, -1, 0
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith((_AS_TICKS, _AS_BARS)) or not line.endswith("\n"):
                    continue  # a last line that was cut off was told to nobody
                entry = from_line(line)
                if isinstance(entry, BarsClosed):
                    since_ns = max(since_ns, 1 + max((bar.start_ns for _, bar in entry.bars), default=0))
                elif isinstance(entry, TicksTold):
                    same = same + 1 if entry.fed == fed else 0
                    fed = entry.fed
                    told.append(ToldTicks((fed - 1) * _APART + 1 + same, since_ns, entry.ticks))
    except (OSError, UnicodeDecodeError, ProtocolError) as error:
        raise BadInputError(
            file,
            f"cannot be read: {error}",
            hint="without the ticks that a strategy was told nothing can be compared",
        ) from error
    return ToldRun(begin_ns, told)


def order_of(numbers: Int64Array) -> Int64Array:
    """The place of prices, by their numbers among all that the session's exchange was fed."""
    return numbers * _APART
