"""What the owner of a run is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class StopReason(StrEnum):
    """Why a run was stopped."""

    ASKED = "asked"
    RAISED = "raised"
    LATE = "late"
    DIED = "died"
    RUBBISH = "rubbish"
    """It answered what no strategy can want."""
    FLOODED = "flooded"
    """It printed more than anybody reads."""


@dataclass(frozen=True, slots=True)
class StrategyStopped:
    """The strategy decides no more.  The desk cancels its entries; its exits stay armed.

    `trace` is the end of the traceback of a strategy that raised, or of what its process printed last.
    """

    run_id: str
    reason: StopReason
    text: str
    hint: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class StrategyPrinted:
    """What the code of these runs printed, cut to a readable length."""

    run_ids: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class WorkerRestarted:
    """The process of these runs ended and was started again; they go on where they were."""

    run_ids: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class StrategyDiverged:
    """Told the same again, the run decided otherwise: it looks at a clock, at chance or at a file.  It goes on."""

    run_id: str


RunnerEvent: TypeAlias = StrategyStopped | StrategyPrinted | WorkerRestarted | StrategyDiverged
