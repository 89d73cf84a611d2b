"""The input of a run as one file, so that workers are told its name and not its bars."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trademantra.data.durable import replace_file
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars
from trademantra.engine.timeline import Timeline
from trademantra.markets.charges.numeric import CHARGE_RULE

_BARS = ("open", "high", "low", "close", "volume")
_TIMELINE = ("session", "minute", "day", "ends", "allowed")


def fingerprint(given: BacktestInput) -> str:
    """SHA-256 over everything that a run reads: bars, sessions, charges, price bands, benchmark and rates."""
    total = hashlib.sha256()
    for name, array in sorted(_arrays(given).items()):
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def write_input(path: Path, given: BacktestInput) -> None:
    """Write the input to `path`, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **_arrays(given))
    replace_file(path, buffer.getvalue())


def read_input(path: Path) -> BacktestInput:
    """The input that `write_input` wrote.  Errors: `OSError`."""
    with np.load(path, allow_pickle=False) as file:
        bars: dict[str, Bars] = {}
        timelines: dict[str, Timeline] = {}
        for i, symbol in enumerate(file["symbols"].tolist()):
            bars[symbol] = Bars(file[f"{i}.ts"], *file[f"{i}.bars"])
            timelines[symbol] = Timeline(*(file[f"{i}.{name}"] for name in _TIMELINE))
        sessions_per_year, risk_free_rate = file["rates"].tolist()
        return BacktestInput(
            bars,
            timelines,
            file["charges"].view(CHARGE_RULE) if "charges" in file else None,
            file["bands"],
            sessions_per_year,
            risk_free_rate,
            file.get("benchmark"),
        )


def _arrays(given: BacktestInput) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {
        "symbols": np.array(list(given.bars)),
        "bands": given.bands,
        "rates": np.array([given.sessions_per_year, given.risk_free_rate]),
    }
    for i, (symbol, one) in enumerate(given.bars.items()):
        arrays[f"{i}.ts"] = one.ts
        arrays[f"{i}.bars"] = np.stack([getattr(one, name) for name in _BARS])
        for name in _TIMELINE:
            arrays[f"{i}.{name}"] = getattr(given.timelines[symbol], name)
    if given.charges is not None:  # as bytes: the file format forgets that the records are aligned
        arrays["charges"] = np.ascontiguousarray(given.charges).view(np.uint8)
    if given.benchmark is not None:
        arrays["benchmark"] = given.benchmark
    return arrays
