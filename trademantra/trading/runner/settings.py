"""How workers are supervised."""

from dataclasses import dataclass
from pathlib import Path

from trademantra.core.errors import InvalidValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Seconds are real ones: they watch processes, not markets.

    `decision_seconds`: one strategy's time for one answer; while the machine is so busy that its process wants to run and
    cannot, up to `starved_times` as long.  `loading_seconds`: for a load, a warm-up or a replay, which
    may compile kernels.  `printed_most` bytes may be printed between two answers; `printed_kept` of them are told.
    `restarts`: how often a shared worker is started again within one request before its runs are stopped.
    `readable`: files and folders beside its own file that strategies may read.
    Errors: `InvalidValueError` for a value that is not positive.
    """

    decision_seconds: float = 2.0
    starved_times: int = 5
    loading_seconds: float = 300.0
    memory_bytes: int = 1 << 30
    open_files: int = 256
    answer_bytes: int = 4 << 20
    printed_most: int = 1 << 20
    printed_kept: int = 4 << 10
    restarts: int = 3
    readable: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name in (
            "decision_seconds", "starved_times", "loading_seconds", "memory_bytes", "open_files", "answer_bytes", "printed_most",
            "printed_kept", "restarts",
        ):  # fmt: skip
            if not getattr(self, name) > 0:
                raise InvalidValueError(f"runner: {name} must be positive, got {getattr(self, name)}")
