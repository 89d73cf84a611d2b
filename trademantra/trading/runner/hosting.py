"""The worker's inside: the runs that one process holds, and how each request changes them."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trademantra.core.bar import Bar
from trademantra.core.errors import BadInputError, TradeMantraError
from trademantra.engine.backtest import Strategy
from trademantra.engine.compile import compile_loaded
from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import Want
from trademantra.strategies.registry import load_strategy, load_strategy_file
from trademantra.trading.runner.answers import plain_state
from trademantra.trading.runner.decisions import Decisions
from trademantra.trading.runner.plain import row, table, whole
from trademantra.trading.runner.requests import Loaded, bars_of, load_of, warm_up_of
from trademantra.trading.runner.run_log import (
    BarsClosed,
    ClockTold,
    EntryGone,
    FillTold,
    LogEntry,
    SessionBegan,
    TicksTold,
    entry_of,
)
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.runner.want_form import plain_want
from trademantra.trading.runner.wire import ProtocolError

_LONGEST_TRACE = 4_000
_LONGEST_MESSAGE = 1_000


@dataclass(slots=True, eq=False)
class _Hosted:
    number: int
    live: LiveRun
    symbol_of: dict[int, str]
    decisions: Decisions = field(default_factory=Decisions)

    def told(self, entry: LogEntry) -> list[Want]:
        wants = self._call(entry)
        self.decisions.add(wants)
        return wants

    def _call(self, entry: LogEntry) -> list[Want]:
        live = self.live
        match entry:
            case BarsClosed(bars):
                return live.on_bars(bars)
            case TicksTold(_, ticks):
                return live.on_ticks(ticks)
            case ClockTold(now_ns):
                return live.on_clock(now_ns)
            case FillTold(fill):
                return live.on_fill(fill)
            case EntryGone(symbol, why):
                return live.on_entry_gone(symbol, why)
            case SessionBegan(session, auction):
                return live.on_session(session, auction)


class Host:
    """Runs by number.  A run whose strategy raises is gone; the others stay.

    `at` is told which run is asked now, before its strategy is: should the process die, the desk knows in whose code.
    """

    def __init__(self, at: Callable[[int], None]) -> None:
        self._at = at
        self._runs: dict[int, _Hosted] = {}
        self._of_stream: dict[int, list[_Hosted]] = {}

    def answer(self, plain: object, raw: bytes) -> dict[str, object]:
        """Carry out a request.  Errors: `ProtocolError` for one that is not known."""
        body = table(plain, "a request")
        match body.get("do"):
            case "bars":
                return self._on_bars(raw)
            case "tell":
                return self._tell(body.get("entries"))
            case "load":
                return self._one(body, lambda run: self._load(run, load_of(body.get("spec"), raw)))
            case "warm_up":
                return self._one(body, lambda run: self._warm_up(run, body.get("arrays"), raw))
            case "replay":
                return self._one(body, lambda run: self._replay(run, body.get("entries"), raw))
            case "query":
                return self._one(body, lambda run: {"state": plain_state(self._run(run).live)})
            case "unload":
                return self._one(body, self._unload)
        raise ProtocolError(f"a request to {body.get('do')!r} is not known")

    # -- the four kinds of work

    def _on_bars(self, block: bytes) -> dict[str, object]:
        together: dict[int, list[tuple[str, Bar]]] = {}
        for stream, bar in bars_of(block):
            for hosted in self._of_stream.get(stream, ()):
                together.setdefault(hosted.number, []).append((hosted.symbol_of[stream], bar))
        answers: list[object] = []
        for number, bars in sorted(together.items()):
            self._wants(number, BarsClosed(tuple(bars)), answers)
        return {"runs": answers}

    def _tell(self, entries: object) -> dict[str, object]:
        answers: list[object] = []
        for each in row(entries, "entries"):
            number, entry = row(each, "an entry", 2)
            self._wants(whole(number, "run"), entry_of(entry), answers)
        return {"runs": answers}

    def _load(self, number: int, given: Loaded) -> dict[str, object]:
        self._unload(number)
        strategy = _strategy(given.strategy)
        compile_loaded()  # now, while there is time: a decision has seconds
        live = LiveRun(
            strategy,
            given.symbols,
            given.timeframe_ns,
            given.values,
            given.rules,
            given.charges,
            given.bars_per_year,
            given.own,
        )
        symbol_of = dict(zip(given.streams, given.symbols, strict=True))
        hosted = _Hosted(number, live, symbol_of)
        self._runs[number] = hosted
        for stream in given.streams:
            self._of_stream.setdefault(stream, []).append(hosted)
        return {"ready": {"hears_ticks": live.hears_ticks}}

    def _warm_up(self, number: int, plain: object, raw: bytes) -> dict[str, object]:
        warm_up = warm_up_of(plain, raw)
        self._run(number).live.warm_up(warm_up.bars, warm_up.timelines)
        return {"done": True}

    def _replay(self, number: int, plain: object, raw: bytes) -> dict[str, object]:
        """Inputs again, their wants thrown away.  A number stands for so many bytes of a block."""
        hosted, at = self._run(number), 0
        for each in row(plain, "entries"):
            if isinstance(each, int):
                block = raw[at : at + each]
                at += each
                bars = [(hosted.symbol_of[s], bar) for s, bar in bars_of(block) if s in hosted.symbol_of]
                hosted.told(BarsClosed(tuple(bars)))
            else:
                hosted.told(entry_of(each))
        return {"digest": hosted.decisions.digest}

    def _unload(self, number: int) -> dict[str, object]:
        hosted = self._runs.pop(number, None)
        if hosted is not None:
            for stream in hosted.symbol_of:
                self._of_stream[stream].remove(hosted)
        return {"done": True}

    # -- a user's code runs inside these

    def _one(self, body: dict[str, object], work: Callable[[int], dict[str, object]]) -> dict[str, object]:
        number = whole(body.get("run"), "run")
        self._at(number)
        try:
            outcome = work(number)
        except BaseException as error:  # noqa: BLE001  (the boundary of a user's code: whatever it raises is told)
            self._unload(number)
            outcome = {"error": plain_error(error)}
        return {"runs": [[number, outcome]]}

    def _wants(self, number: int, entry: LogEntry, answers: list[object]) -> None:
        hosted = self._runs.get(number)
        if hosted is None:
            return  # it raised earlier in this very request
        self._at(number)
        try:
            wants = [plain_want(want) for want in hosted.told(entry)]
        except BaseException as error:  # noqa: BLE001  (as above)
            self._unload(number)
            answers.append([number, {"error": plain_error(error)}])
            return
        if wants:
            answers.append([number, {"wants": wants}])

    def _run(self, number: int) -> _Hosted:
        if number not in self._runs:
            raise ProtocolError(f"run {number} is not loaded here")
        return self._runs[number]


def plain_error(error: BaseException) -> dict[str, object]:
    """What the owner is told of an exception: its kind, its text, and the end of its traceback."""
    message = error.message if isinstance(error, TradeMantraError) else f"{type(error).__name__}: {error}"
    hint = error.hint if isinstance(error, TradeMantraError) else ""
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    return {"message": message[:_LONGEST_MESSAGE], "hint": hint[:_LONGEST_MESSAGE], "trace": trace}


def _strategy(source: StrategySource) -> Strategy:
    """Errors: as the registry's, and `BadInputError` for a file that is no longer the one of the run."""
    if not source.is_file:
        _check(StrategySource.shipped(source.name), source)
        return load_strategy(source.name)
    _check(StrategySource.file(source.path), source)
    strategy = load_strategy_file(source.path)
    _check(StrategySource.file(source.path), source)  # nor was it changed while it was read
    return strategy


def _check(now: StrategySource, wanted: StrategySource) -> None:
    if now.sha256 != wanted.sha256:
        raise BadInputError(
            Path(wanted.path or f"{wanted.name}.py"),
            "the strategy was changed since the run was set up",
            hint="start a new run: its parameters hash, and with it its paper record, are new",
        )
