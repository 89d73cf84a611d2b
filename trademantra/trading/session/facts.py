"""What a session was, as its folder keeps it: enough to replay it as a back-test.

The folder holds `session.json` (this), `warm_up.parquet` and `events.parquet` (`trading.session.tape`), `charges.npz` where trading
costs something, `strategy.py` where the strategy is a user's file, and, once it has ended, `trades.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.data.durable import replace_file
from trademantra.data.resample import SessionSpan
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.trading.runner.rules_form import plain_rules, rules_of
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.runner.wire import ProtocolError
from trademantra.trading.terms import instrument_of_words, instrument_words

_VERSION = 1
_UNREADABLE = (
    KeyError, TypeError, AttributeError, ValueError, ArithmeticError, InvalidValueError, ProtocolError,
)  # fmt: skip
FILE = "session.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run of the session: a strategy on its instruments with its own cash; see `runner.spec.RunSpec`.  Charges are kept beside it."""

    run_id: str
    strategy: StrategySource
    symbols: tuple[str, ...]
    values: Mapping[str, float]
    rules: TradingRules
    parameters_hash: str
    own: Mapping[str, Terms] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """`spans`: the windows of trading, warm-up included, in time order; times in ns UTC.

    `leave_minute`: minutes after the open at which intraday positions leave, None for carried ones; `last_entry_minute`: from
    which on nothing is entered, `first_entry_minute`: before which.  `lateness_ns`: how
    long after a bar's end its decision was made.  `bars_per_year` of the strategy's timeframe, for yearly figures.
    `is_replay`: its prices were of the past.  `begin_ns`: bars that start before it warmed up and were not traded.
    """

    session_id: str
    account_id: str
    mode: str
    is_replay: bool
    timeframe: Timeframe
    instruments: Mapping[str, Instrument]
    runs: Sequence[RunFacts]
    spans: Sequence[SessionSpan]
    begin_ns: int
    lateness_ns: int
    leave_minute: int | None
    bars_per_year: float
    costs: str
    product: str
    source: str
    last_entry_minute: int | None = None
    first_entry_minute: int | None = None

    def write(self, folder: Path) -> None:
        """Into `folder`, durably."""
        plain = {
            "version": _VERSION,
            "session_id": self.session_id,
            "account_id": self.account_id,
            "mode": self.mode,
            "is_replay": self.is_replay,
            "timeframe": str(self.timeframe),
            "instruments": {symbol: instrument_words(each) for symbol, each in self.instruments.items()},
            "runs": [_plain_run(run) for run in self.runs],
            "spans": [
                [span.trade_date.isoformat(), span.open_ns, span.close_ns, span.auction_ns]
                for span in self.spans
            ],
            "begin_ns": self.begin_ns,
            "lateness_ns": self.lateness_ns,
            "leave_minute": self.leave_minute,
            "bars_per_year": self.bars_per_year,
            "costs": self.costs,
            "product": self.product,
            "source": self.source,
            "last_entry_minute": self.last_entry_minute,
            "first_entry_minute": self.first_entry_minute,
        }
        replace_file(folder / FILE, json.dumps(plain, indent=1, allow_nan=False).encode())

    @classmethod
    def read(cls, folder: Path) -> "SessionFacts":
        """Errors: `BadInputError` for a folder without a session, or one of another version."""
        file = folder / FILE
        try:
            plain = json.loads(file.read_bytes())
        except OSError:
            raise BadInputError(
                folder, "holds no session", hint="tm paper makes one and prints its name"
            ) from None
        except ValueError as error:
            raise BadInputError(file, f"is no JSON: {error}") from error
        try:
            if plain["version"] != _VERSION:
                raise BadInputError(file, f"version {plain['version']}", hint="update the product")
            return cls(
                session_id=str(plain["session_id"]),
                account_id=str(plain["account_id"]),
                mode=str(plain["mode"]),
                is_replay=plain["is_replay"],
                timeframe=Timeframe.parse(plain["timeframe"]),
                instruments={
                    name: instrument_of_words(words) for name, words in plain["instruments"].items()
                },
                runs=tuple(_run(run) for run in plain["runs"]),
                spans=tuple(SessionSpan(date.fromisoformat(day), *times) for day, *times in plain["spans"]),
                begin_ns=_whole(plain["begin_ns"]),
                lateness_ns=_whole(plain["lateness_ns"]),
                leave_minute=_whole_or_none(plain["leave_minute"]),
                bars_per_year=float(plain["bars_per_year"]),
                costs=str(plain["costs"]),
                product=str(plain["product"]),
                source=str(plain["source"]),
                last_entry_minute=_whole_or_none(plain.get("last_entry_minute")),
                first_entry_minute=_whole_or_none(plain.get("first_entry_minute")),
            )
        except _UNREADABLE as error:
            raise BadInputError(file, f"cannot be read: {error}") from error


def _plain_run(run: RunFacts) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "strategy": {"name": run.strategy.name, "sha256": run.strategy.sha256, "path": run.strategy.path},
        "symbols": list(run.symbols),
        "values": dict(run.values),
        "rules": plain_rules(run.rules),
        "parameters_hash": run.parameters_hash,
        "own": {symbol: [each.lot, each.tick, each.multiplier] for symbol, each in run.own.items()},
    }


def _whole(value: object) -> int:
    if type(value) is not int:
        raise InvalidValueError(f"{value!r} is no whole number")
    return value


def _whole_or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _run(plain: Mapping[str, object]) -> RunFacts:
    strategy, symbols, values = plain["strategy"], plain["symbols"], plain["values"]
    if not isinstance(strategy, dict) or not isinstance(symbols, list) or not isinstance(values, dict):
        raise InvalidValueError("a run has a strategy, symbols and values")
    return RunFacts(
        run_id=str(plain["run_id"]),
        strategy=StrategySource(strategy["name"], strategy["sha256"], strategy["path"]),
        symbols=tuple(symbols),
        values={name: float(value) for name, value in values.items()},
        rules=rules_of(plain["rules"]),
        parameters_hash=str(plain["parameters_hash"]),
        own=_own(plain.get("own", {})),
    )


def _own(plain: object) -> Mapping[str, Terms]:
    if not isinstance(plain, dict):
        raise InvalidValueError("own terms are a table")
    return {
        symbol: Terms(lot=float(lot), tick=float(tick), multiplier=float(multiplier))
        for symbol, (lot, tick, multiplier) in plain.items()
    }
