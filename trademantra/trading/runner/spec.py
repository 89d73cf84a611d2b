"""What a run is: its strategy by content, its instruments, its parameters, and the hash that stands for all of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path

import trademantra.strategies
from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError
from trademantra.core.time import NANOSECONDS_PER_DAY
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.strategies.registry import strategy_names
from trademantra.trading.runner.rules_form import plain_rules

_HASH_VERSION = 1


@dataclass(frozen=True, slots=True)
class StrategySource:
    """A strategy of the library (`path` empty) or a user's file, with the SHA-256 of its source."""

    name: str
    sha256: str
    path: str = ""

    @property
    def is_file(self) -> bool:
        return bool(self.path)

    @classmethod
    def shipped(cls, name: str) -> "StrategySource":
        """Errors: `NotFoundError` for a name that is not in the library.

        >>> StrategySource.shipped("SMA-cross").name
        'sma_cross'
        """
        wanted = name.strip().lower().replace("-", "_")
        if wanted not in strategy_names():
            raise NotFoundError(f"no strategy {name!r}", hint=f"there are: {', '.join(strategy_names())}")
        folder = Path(trademantra.strategies.__file__).parent
        return cls(wanted, _digest(folder / f"{wanted}.py"))

    @classmethod
    def file(cls, path: str | Path) -> "StrategySource":
        """Errors: `NotFoundError` for no such file, `BadInputError` for one that is no Python or cannot be read."""
        file = Path(path).expanduser().resolve()
        if not file.is_file():
            raise NotFoundError(f"there is no strategy file {file}", hint="give the path of a .py file")
        if file.suffix != ".py":
            raise BadInputError(file, "a strategy file is Python and ends in .py")
        return cls(file.stem, _digest(file), str(file))


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run.  `symbols` in the order in which the strategy sees them; `values` are those parameters that are set.

    `charges` (r,) numeric rules of `markets.charges`, or None for none; `bars_per_year` scales volatilities.  `own`: instruments
    whose lot, tick or charges are not those of `rules` and `charges`.
    Errors: `InvalidValueError` for no or doubled instruments, a value that is not finite, and bars longer than a day.
    """

    run_id: str
    strategy: StrategySource
    symbols: tuple[str, ...]
    timeframe: Timeframe
    rules: TradingRules
    values: Mapping[str, float] = field(default_factory=dict)
    charges: RecordArray | None = None
    bars_per_year: float = 252.0
    own: Mapping[str, Terms] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.run_id:
            raise InvalidValueError("a run needs a run_id")
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise InvalidValueError(f"run {self.run_id}: name each instrument once, got {list(self.symbols)}")
        for name, value in {"bars_per_year": self.bars_per_year, **self.values}.items():
            if not isfinite(value):
                raise InvalidValueError(f"run {self.run_id}: {name} = {value} is not a finite number")
        if not self.timeframe.is_intraday and (self.timeframe.unit, self.timeframe.count) != ("d", 1):
            raise InvalidValueError(
                f"run {self.run_id}: bars of {self.timeframe} do not close live", hint="1d is the longest"
            )

    @property
    def timeframe_ns(self) -> int:
        return self.timeframe.length_ns if self.timeframe.is_intraday else NANOSECONDS_PER_DAY

    @cached_property
    def parameters_json(self) -> str:
        """What decides how the strategy trades, in one canonical text: the audit keeps it beside its hash."""
        source = self.strategy
        own = {symbol: [each.lot, each.tick, each.multiplier] for symbol, each in self.own.items()}
        return json.dumps(
            {
                "version": _HASH_VERSION,
                "strategy": {"file": source.is_file, "name": source.name, "sha256": source.sha256},
                "symbols": list(self.symbols),
                "timeframe": str(self.timeframe),
                "values": {name: float(value) for name, value in self.values.items()},
                "rules": plain_rules(self.rules),
            }
            | ({"own": own} if own else {}),
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )

    @cached_property
    def parameters_hash(self) -> str:
        """SHA-256 of `parameters_json`: two runs with one hash trade alike on the same prices."""
        return hashlib.sha256(self.parameters_json.encode()).hexdigest()


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInputError(file, f"cannot be read: {error}") from error
