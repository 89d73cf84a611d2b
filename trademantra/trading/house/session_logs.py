"""What the runs of a session were told, in files: what outlives a crash."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from trademantra.data.durable import replace_file
from trademantra.engine.live.wants import LiveFill
from trademantra.trading.runner.run_log import FillTold, LogEntry, from_line, to_line
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.told import log_file

_BEGAN = "began"


class SessionLogs:
    """A file a run in the session's folder, a line an entry."""

    def __init__(self, folder: Path, workers: StrategyWorkers, run_ids: Collection[str]) -> None:
        self._folder, self._workers = folder, workers
        self._logged: dict[str, int] = dict.fromkeys(run_ids, 0)
        self._bytes: dict[str, int] = dict.fromkeys(run_ids, 0)
        self._fills: dict[str, list[LiveFill]] = {}

    def begin(self, now_ns: int) -> None:
        """The session has begun: from here on it is gone on with, not begun anew."""
        replace_file(self._folder / _BEGAN, str(now_ns).encode())

    def write(self) -> Mapping[str, Sequence[LiveFill]]:
        """Keep what the runs were told; the fills since the last call, by run."""
        self.keep()
        fills, self._fills = self._fills, {}
        return fills

    def keep(self) -> None:
        """Write what the runs were told up to now."""
        for run_id in self._logged:
            fresh = self._workers.log(run_id, self._logged[run_id]).entries
            if fresh:
                text = "".join(f"{to_line(entry)}\n" for entry in fresh).encode()
                with log_file(self._folder, run_id).open("ab") as file:
                    file.truncate(self._bytes[run_id])  # half a line of a full disk, or of a crash
                    file.write(text)
                self._bytes[run_id] += len(text)
                self._logged[run_id] += len(fresh)
                fills = self._fills.setdefault(run_id, [])
                fills += [entry.fill for entry in fresh if isinstance(entry, FillTold)]

    def began_ns(self) -> int | None:
        """When the session first began; None for one that begins now."""
        file = self._folder / _BEGAN
        return int(file.read_text()) if file.exists() else None

    def read(self, run_id: str) -> list[LogEntry]:
        """What an earlier process told the run; a last line that was cut off is left out."""
        file = log_file(self._folder, run_id)
        if not file.exists():
            return []
        whole, newline, _ = file.read_bytes().rpartition(b"\n")
        self._bytes[run_id] = len(whole) + len(newline)
        entries = [from_line(line) for line in whole.decode().split("\n")] if newline else []
        self._logged[run_id] = len(entries)
        return entries
