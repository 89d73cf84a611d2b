"""The probe of event strategies: every order that a callback asks for is written down, with what it could know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars, Int64Array
from trademantra.engine.event_run import run_events
from trademantra.engine.events import Context, EventStrategy
from trademantra.engine.grid import scale_of
from trademantra.engine.indicators.declare import matrix_of
from trademantra.engine.pool import Pool
from trademantra.engine.timeline import Timeline
from trademantra.engine.validation.probes import Difference, Future, otherwise


class _When(IntEnum):
    """When a callback runs, as against the last bar that is over."""

    BEFORE_NEXT = (
        0  # on_start, on_session, on_time: the next bar's open may be known (pre-open), no more of it
    )
    WITHIN_NEXT = 1  # on_fill, on_tick: the next bar is being traded
    AT_CLOSE = 2  # on_bar


_HOOKS = {
    "on_start": _When.BEFORE_NEXT,
    "on_session": _When.BEFORE_NEXT,
    "on_time": _When.BEFORE_NEXT,
    "on_bar": _When.AT_CLOSE,
    "on_fill": _When.WITHIN_NEXT,
    "on_tick": _When.WITHIN_NEXT,
}


@dataclass(frozen=True, slots=True)
class _Call:
    known: int  # time of the last bar that is over; -1 before the first
    when: _When
    words: str


class EventProbe:
    """Orders of an event strategy."""

    def __init__(
        self, strategy: type[EventStrategy], values: Mapping[str, float], given: BacktestInput
    ) -> None:
        self._strategy, self._values, self._given = strategy, dict(values), given
        self.clock: Int64Array = np.unique(np.concatenate([bars.ts for bars in given.bars.values()]))
        self._calls = self._run(given)

    def decided(self) -> Int64Array:
        known = np.array([call.known for call in self._calls], np.int64)
        return np.unique(np.searchsorted(self.clock, known))

    @property
    def first_common(self) -> int:
        """Position from which on every instrument has a bar; cuts must lie after it."""
        return int(np.searchsorted(self.clock, max(int(bars.ts[0]) for bars in self._given.bars.values())))

    def difference(self, cut: int, future: Future) -> Difference | None:
        given = (
            _ended(self._given, int(self.clock[cut])) if future is Future.NONE else self._changed(cut, future)
        )
        return self._compare(self._run(given), cut, future)

    def differs_again(self) -> Difference | None:
        return self._compare(self._run(self._given), len(self.clock), Future.NONE)

    def _compare(self, calls: tuple[_Call, ...], cut: int, future: Future) -> Difference | None:
        before = self._before(self._calls, cut, future)
        after = self._before(calls, cut, future)
        for i in range(max(len(before), len(after))):
            was = before[i] if i < len(before) else None
            now = after[i] if i < len(after) else None
            if was != now:
                known = min(call.known for call in (was, now) if call is not None)
                at = int(np.searchsorted(self.clock, known))
                return Difference(at, was.words if was else "nothing", now.words if now else "nothing")
        return None

    def _before(self, calls: tuple[_Call, ...], cut: int, future: Future) -> list[_Call]:
        """Calls that cannot know bar `cut`, or not more of it than the open that a changed future leaves it."""
        if cut >= len(self.clock):
            return list(calls)
        last = int(self.clock[cut - 1])
        allowed = {_When.AT_CLOSE} if future is Future.NONE else {_When.AT_CLOSE, _When.BEFORE_NEXT}
        return [call for call in calls if call.known < last or (call.known == last and call.when in allowed)]

    def _changed(self, cut: int, future: Future) -> BacktestInput:
        """The same bars before `cut`; from it on others, save the open of bar `cut` itself."""
        bars = {}
        for symbol, one in self._given.bars.items():
            at = int(np.searchsorted(one.ts, self.clock[cut]))
            if at == len(one):
                bars[symbol] = one
                continue
            made = otherwise(matrix_of(one), at, future, scale_of(one))
            if one.ts[at] == self.clock[cut]:
                made[0, at] = one.open[at]
                made[1, at], made[2, at] = max(made[1, at], one.open[at]), min(made[2, at], one.open[at])
            bars[symbol] = Bars(one.ts, *made)
        return replace(self._given, bars=bars)

    def _run(self, given: BacktestInput) -> tuple[_Call, ...]:
        calls: list[_Call] = []
        strategy = _recorded(self._strategy, calls)(**self._values)
        run_events(strategy, given.bars, given.timelines, self._strategy.rules)
        return tuple(calls)


class _Recorder(Context):
    """A context that writes down what is asked of it, and does it."""

    def __init__(self, portfolio: Pool, calls: list[_Call]) -> None:
        super().__init__(portfolio)
        self._calls = calls
        self.when = _When.BEFORE_NEXT

    def buy(
        self, symbol: str = "", *, quantity: float | None = None, limit: float | None = None,
        trigger: float | None = None, stop: float | None = None, target: float | None = None,
    ) -> None:  # fmt: skip
        self._note("buy", symbol, quantity=quantity, limit=limit, trigger=trigger, stop=stop, target=target)
        super().buy(symbol, quantity=quantity, limit=limit, trigger=trigger, stop=stop, target=target)

    def sell(
        self, symbol: str = "", *, quantity: float | None = None, limit: float | None = None,
        trigger: float | None = None, stop: float | None = None, target: float | None = None,
    ) -> None:  # fmt: skip
        self._note("sell", symbol, quantity=quantity, limit=limit, trigger=trigger, stop=stop, target=target)
        super().sell(symbol, quantity=quantity, limit=limit, trigger=trigger, stop=stop, target=target)

    def exit(self, symbol: str = "") -> None:
        self._note("exit", symbol)
        super().exit(symbol)

    def cancel(self, symbol: str = "") -> None:
        self._note("cancel", symbol)
        super().cancel(symbol)

    def _note(self, verb: str, symbol: str, **numbers: float | None) -> None:
        books = self._portfolio.books
        known = max((int(book.past().ts[-1]) for book in books if book.i >= 0), default=-1)
        given = [f"{name} {number:.12g}" for name, number in numbers.items() if number is not None]
        name = symbol or (self._portfolio.only.symbol if self._portfolio.only else "")
        self._calls.append(_Call(known, self.when, " ".join([verb, name, *given]).strip()))


def _recorded(strategy: type[EventStrategy], calls: list[_Call]) -> type[EventStrategy]:
    """The strategy with a recorder in place of the context of each of its callbacks."""
    recorders: list[_Recorder] = []

    def wrapped(original: Callable[..., None], when: _When) -> Callable[..., None]:
        def hook(self: EventStrategy, context: Context, *rest: object) -> None:
            if not recorders:
                recorders.append(_Recorder(context._portfolio, calls))  # noqa: SLF001  (it stands in for the context)
            recorder = recorders[0]
            vars(recorder).update(
                vars(context)
            )  # what the loop tells its context, such as that the auction is on
            recorder.when = when
            original(self, recorder, *rest)

        return hook

    own = {
        name: wrapped(getattr(strategy, name), when)
        for name, when in _HOOKS.items()
        if getattr(strategy, name) is not getattr(EventStrategy, name)
    }
    return type(strategy.__name__, (strategy,), own)


def _ended(given: BacktestInput, stop_ns: int) -> BacktestInput:
    """Only the bars that start before `stop_ns`."""
    bars, timelines = {}, {}
    for symbol, one in given.bars.items():
        count = int(np.searchsorted(one.ts, stop_ns))
        bars[symbol] = one.slice(0, count)
        line = given.timelines[symbol]
        session = line.session[:count]
        timelines[symbol] = Timeline(
            session,
            line.minute[:count],
            line.day[:count],
            np.flatnonzero(np.append(np.diff(session), 1)).astype(np.int64),
            line.allowed[:count] if len(line.allowed) else line.allowed,
        )
    return replace(given, bars=bars, timelines=timelines)
