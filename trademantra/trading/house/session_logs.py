"""What the runs of a session were told, in files: what outlives a crash."""

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from trademantra.data.durable import replace_file
from trademantra.engine.live.wants import LiveFill
from trademantra.trading.runner.run_log import FillTold, LogEntry, from_line, to_line
from trademantra.trading.runner.workers import StrategyWorkers
from trademantra.trading.session.told import log_file

_BEGAN, _CARRIED = "began", "carried.json"


class SessionLogs:
    """A file a run in the session's folder, a line an entry.

    Invariant: nothing is written once `fence` raises, for then another process may go on with these files; one that was
    stopped meanwhile would cut off what that process was told.
    """

    def __init__(
        self, folder: Path, workers: StrategyWorkers, run_ids: Collection[str], fence: Callable[[], None]
    ) -> None:
        self._folder, self._workers, self._fence = folder, workers, fence
        self._logged: dict[str, int] = dict.fromkeys(run_ids, 0)
        self._bytes: dict[str, int] = dict.fromkeys(run_ids, 0)
        self._fills: dict[str, list[LiveFill]] = {}

    def begin(self, now_ns: int) -> None:
        """The session has begun: from here on it is gone on with, not begun anew."""
        self._fence()
        replace_file(self._folder / _BEGAN, str(now_ns).encode())

    def write(self, *, durable: bool = False) -> Mapping[str, Sequence[LiveFill]]:
        """Keep what the runs were told; the fills since the last call, by run."""
        self.keep(durable=durable)
        fills, self._fills = self._fills, {}
        return fills

    def keep(self, *, durable: bool = False) -> None:
        """Write what the runs were told up to now; on the disk where it must outlive a power cut."""
        for run_id in self._logged:
            fresh = self._workers.log(run_id, self._logged[run_id]).entries
            if fresh:
                self._fence()
                text = "".join(f"{to_line(entry)}\n" for entry in fresh).encode()
                with log_file(self._folder, run_id).open("ab") as file:
                    file.truncate(self._bytes[run_id])  # half a line of a full disk, or of a crash
                    file.write(text)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                self._bytes[run_id] += len(text)
                self._logged[run_id] += len(fresh)
                fills = self._fills.setdefault(run_id, [])
                fills += [entry.fill for entry in fresh if isinstance(entry, FillTold)]

    def cut(self, run_id: str, entries: Sequence[LogEntry]) -> None:
        """Keep these of what `read` found: what was told after them is told again."""
        content = "".join(f"{to_line(entry)}\n" for entry in entries).encode()
        self._fence()
        replace_file(log_file(self._folder, run_id), content)
        self._bytes[run_id], self._logged[run_id] = len(content), len(entries)

    def note_carried(self, run_ids: Collection[str], day: int) -> None:
        """What these runs decided for the open of a day was carried out."""
        known = self.carried()
        if any(known.get(run_id) != day for run_id in run_ids):
            made = {**known, **dict.fromkeys(run_ids, day)}
            self._fence()
            replace_file(self._folder / _CARRIED, json.dumps(made).encode())

    def carried(self) -> dict[str, int]:
        """The last such day by run."""
        file = self._folder / _CARRIED
        return (
            {str(run_id): int(day) for run_id, day in json.loads(file.read_bytes()).items()}
            if file.exists()
            else {}
        )

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
