"""Between the strategies of one account and its desk: what they want is carried out, what happens is told to them.

Every entry is a bracket of the desk (`trading.algos`), so its exits live here and not in the strategy's process.  Target weights
are kept by plain orders: they have no protection, and leave in parts.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan
from typing import TypeAlias

from trademantra.core.errors import NotFoundError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.money import round_half_up
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.engine.live.wants import Drop, Enter, Leave, LiveFill, Want
from trademantra.engine.records import EntryKind, Reason
from trademantra.kit.timer import Timer
from trademantra.trading.algos.bracket import BracketSpec
from trademantra.trading.algos.events import AlgoEnded, AlgoEvent, AlgoFill, EntryGone
from trademantra.trading.algos.host import AlgoBook
from trademantra.trading.algos.levels import Protection, on_tick
from trademantra.trading.algos.trader import Trader
from trademantra.trading.desk_events import Booked, Heard, OrderMoved
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.runner.workers import StrategyWorkers

_KINDS = {
    EntryKind.MARKET: OrderType.MARKET,
    EntryKind.LIMIT: OrderType.LIMIT,
    EntryKind.STOP: OrderType.SL_M,
}
_DUST = Decimal("1e-12")  # of a quantity
_RUN = "run:"
_EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One run and how it trades.  `strategy_id` is whose positions and limits they are.

    `weights`: a strategy of target weights, whose orders are plain.
    """

    run_id: str
    strategy_id: str
    session_id: str
    instruments: Mapping[str, Instrument]
    product: Product
    weights: bool = False
    rest_target: bool = True
    registered_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What a strategy wanted and did not get, with the reason of the gate, the policy or the journal."""

    run_id: str
    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class _Gone:
    run_id: str
    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class _Filled:
    run_id: str
    fill: LiveFill


_News: TypeAlias = _Filled | _Gone


@dataclass(slots=True)
class _Entry:
    """An entry of a run that is not over.  `dropped`: its strategy wants no more of it, and waits for no answer."""

    algo_id: str
    run: Carried
    symbol: str
    dropped: bool = False


@dataclass(slots=True)
class _Place:
    """One run's entries in one instrument, oldest first."""

    entries: dict[str, _Entry] = field(default_factory=dict)


class Conductor:
    """One account's.  `heard` is the `owner` of the account's `AlgoBook`; `refused` is called with what was not taken."""

    def __init__(
        self, trader: Trader, workers: StrategyWorkers, timer: Timer, refused: Callable[[Refused], None]
    ) -> None:
        self._trader, self._workers, self._timer = trader, workers, timer
        self._refused = refused
        self._algos: AlgoBook | None = None
        self._runs: dict[str, Carried] = {}
        self._labels: dict[str, frozenset[str]] = {}
        self._places: dict[tuple[str, str], _Place] = {}
        self._by_algo: dict[str, _Entry] = {}
        self._plain: dict[str, tuple[Carried, str, Reason]] = {}
        self._news: deque[_News] = deque()
        self._held: dict[str, list[_News]] = {}
        self._last_name = ""
        self._same_name = 0
        self.fills = 0
        trader.listen(self._hear_plain)

    def carries_with(self, algos: AlgoBook) -> None:
        """The account's algorithms, once they are open: brackets that were running are taken up by their runs."""
        self._algos = algos

    def add(self, run: Carried) -> None:
        """From now on what `run` wants is carried out.  Its brackets of an earlier life are found by their labels."""
        self._runs[run.run_id] = run
        self._labels[run.run_id] = frozenset({f"{_RUN}{run.run_id}"})
        symbols = {instrument.key: symbol for symbol, instrument in run.instruments.items()}
        for spec in self._book.running():
            if isinstance(spec, BracketSpec) and f"{_RUN}{run.run_id}" in spec.labels:
                symbol = symbols[spec.instrument.key]
                self._keep(_Entry(spec.algo_id, run, symbol))

        if run.weights:
            self._take_up_plain(run)

    def has_entry(self, run_id: str, symbol: str) -> bool:
        """Whether an entry of the run works in an instrument, or may still."""
        place = self._place(run_id, symbol)
        return any(not self._is_gone(entry.algo_id) for entry in place.entries.values()) or any(
            run.run_id == run_id and at == symbol and reason is Reason.ENTRY
            for run, at, reason in self._plain.values()
        )

    def remove(self, run_id: str) -> None:
        """The run decides no more: what has not filled of its entries is taken back, its exits stay armed."""
        for (owner, _), place in self._places.items():
            if owner == run_id:
                for entry in list(place.entries.values()):
                    self._drop(entry)
        self._runs.pop(run_id, None)

    def heard(self, event: AlgoEvent) -> None:
        """What a bracket tells.  Kept until `tell_runs`, so that a strategy is told between two decisions."""
        entry = self._by_algo.get(event.algo_id)
        if entry is None:
            return
        if isinstance(event, AlgoFill):
            self.fills += 1
            self._news.append(_Filled(entry.run.run_id, _fill_of(entry.symbol, event)))
        elif isinstance(event, EntryGone) and not entry.dropped:
            if self._is_rejected(entry.algo_id):
                self._refused(Refused(entry.run.run_id, entry.symbol, event.text))
            elif event.text == OrderStatus.FILLED:  # what was sent is filled: less was sent than wanted
                text = f"a limit cut the order by {event.quantity.normalize():f}"
                self._refused(Refused(entry.run.run_id, entry.symbol, text))
            self._news.append(_Gone(entry.run.run_id, entry.symbol, event.text))
        elif isinstance(event, AlgoEnded):
            self._forget(entry)

    def hold(self, run_id: str) -> None:
        """Tell a run nothing until `release`: it must hear of something else first."""
        self._held.setdefault(run_id, [])

    def release(self, run_id: str) -> None:
        """Go on telling it, from where it was."""
        self._news.extendleft(reversed(self._held.pop(run_id, [])))

    @property
    def has_news(self) -> bool:
        return bool(self._news)

    async def tell_runs(self) -> None:
        """Tell the strategies what happened, in order, and carry out what they want in answer."""
        while self._news:
            news = self._news.popleft()
            if news.run_id not in self._runs:
                continue
            if news.run_id in self._held:
                self._held[news.run_id].append(news)
                continue
            if isinstance(news, _Filled):
                wants = await self._workers.fill(news.run_id, news.fill)
            else:
                wants = await self._workers.entry_gone(news.run_id, news.symbol, news.text)
            await self.carry_out({news.run_id: wants})

    async def carry_out(self, decided: Mapping[str, Sequence[Want]]) -> None:
        """Place, leave and cancel what runs want; ways out of all runs are with the desk before any entry is asked for."""
        is_leaving = False
        for run_id, wants in decided.items():
            for want in wants:
                if run_id in self._runs and not isinstance(want, Enter):
                    is_leaving = True
                    await self._out(self._runs[run_id], want)
        if is_leaving:  # the entry of a reversal would close the position that its exit is for
            await self._book.settled()
        for run_id, wants in decided.items():
            for want in wants:
                if run_id in self._runs and isinstance(want, Enter):
                    await self._enter(self._runs[run_id], want)

    # -- carrying out

    async def _out(self, run: Carried, want: Leave | Drop) -> None:
        if run.weights:
            if isinstance(want, Leave):
                await self._leave_plainly(run, want)
            return
        for entry in list(self._place(run.run_id, want.symbol).entries.values()):
            if isinstance(want, Drop):
                self._drop(entry)
            else:
                self._book.leave(entry.algo_id, want.reason)

    async def _enter(self, run: Carried, want: Enter) -> None:
        instrument = run.instruments[want.symbol]
        side = Side.BUY if want.side > 0 else Side.SELL
        for entry in list(self._place(run.run_id, want.symbol).entries.values()):
            self._drop(entry)  # a new decision takes the place of one that has not filled
        name = self._name(run, want.symbol)
        quantity = _in_lots(want.quantity, instrument)
        reference = None if isnan(want.reference) else Decimal(str(want.reference))
        level = None if isnan(want.price) else on_tick(instrument, side, want.price)
        try:
            if run.weights:
                await self._plainly(
                    run, want.symbol, name, side, quantity, Purpose.ENTRY, Reason.ENTRY, reference
                )
                return
            guard = want.protection
            spec = BracketSpec(
                algo_id=name,
                account_id=self._trader.account_id,
                strategy_id=run.strategy_id,
                instrument=instrument,
                side=side,
                quantity=quantity,
                product=run.product,
                decided_ns=self._timer.now_ns(),
                protection=Protection(
                    guard.stop, guard.target, guard.stop_rule, guard.target_rule, guard.trail, guard.atr
                ),
                order_type=_KINDS[want.kind],
                price=level if want.kind is EntryKind.LIMIT else None,
                trigger_price=level if want.kind is EntryKind.STOP else None,
                reference_price=reference,
                rest_target=run.rest_target,
                registered_id=run.registered_id,
                labels=self._labels[run.run_id],
            )
            self._keep(_Entry(name, run, want.symbol))
            await self._book.start(spec)
        except TradeMantraError as error:  # nothing was sent
            self._by_algo.pop(name, None)
            self._place(run.run_id, want.symbol).entries.pop(name, None)
            self._refused(Refused(run.run_id, want.symbol, error.message))
            self._news.append(_Gone(run.run_id, want.symbol, error.message))

    async def _leave_plainly(self, run: Carried, want: Leave) -> None:
        instrument = run.instruments[want.symbol]
        held = sum(
            (
                position.quantity
                for key, position in self._trader.book.positions.items()
                if key.strategy_id == run.strategy_id
                and key.instrument_key == instrument.key
                and key.product is run.product
            ),
            Decimal(0),
        )
        if not held:
            return
        quantity = abs(held) if isnan(want.quantity) else min(_in_lots(want.quantity, instrument), abs(held))
        side = Side.SELL if held > 0 else Side.BUY
        name = self._name(run, want.symbol)
        try:
            await self._plainly(run, want.symbol, name, side, quantity, Purpose.EXIT, want.reason, None)
        except TradeMantraError as error:
            self._refused(Refused(run.run_id, want.symbol, error.message))

    async def _plainly(
        self,
        run: Carried,
        symbol: str,
        name: str,
        side: Side,
        quantity: Decimal,
        purpose: Purpose,
        reason: Reason,
        reference: Decimal | None,
    ) -> None:
        intent_id = f"{name}/{_EXIT if purpose is Purpose.EXIT else 'entry'}"
        self._plain[intent_id] = (run, symbol, reason)
        await self._trader.submit(
            OrderIntent(
                intent_id=intent_id,
                account_id=self._trader.account_id,
                strategy_id=run.strategy_id,
                instrument=run.instruments[symbol],
                side=side,
                quantity=quantity,
                product=run.product,
                purpose=purpose,
                decided_ns=self._timer.now_ns(),
                reference_price=reference,
                algo_id=run.registered_id,
            )
        )

    def _hear_plain(self, heard: Heard) -> None:
        if isinstance(heard, Booked):
            execution = heard.booking.execution
            managed = self._trader.book[execution.order_id]
            known = self._plain.get(managed.intent_id)
            if known is not None and execution.price is not None:
                run, symbol, reason = known
                self.fills += 1
                fill = LiveFill(
                    symbol,
                    managed.order.side.sign,
                    float(execution.quantity),
                    float(execution.price),
                    reason,
                    execution.at_ns,
                )
                self._news.append(_Filled(run.run_id, fill))
        elif isinstance(heard, OrderMoved):
            self._plain_ended(heard.order.intent_id)

    def _plain_ended(self, intent_id: str) -> None:
        """Once nothing more of a plain order can fill, in all its parts: what is missing is told, and it is forgotten."""
        known = self._plain.get(intent_id)
        orders = [managed.order for managed in self._trader.book.of_intent(intent_id)]
        if known is None or not all(order.status.is_final for order in orders):
            return
        del self._plain[intent_id]
        missing = [order for order in orders if order.filled_quantity < order.quantity]
        if not missing:
            return
        run, symbol, reason = known
        text = missing[-1].reason or str(missing[-1].status)
        if any(order.status is OrderStatus.REJECTED for order in missing):
            self._refused(Refused(run.run_id, symbol, text))
        if reason is Reason.ENTRY:
            self._news.append(_Gone(run.run_id, symbol, text))

    # -- keeping

    @property
    def _book(self) -> AlgoBook:
        if self._algos is None:
            raise NotFoundError("the account's algorithms are not open", hint="call carries_with first")
        return self._algos

    def _drop(self, entry: _Entry) -> None:
        """Take back what has not filled of it.  Its end is not told: by then the strategy may wait for another one."""
        if not entry.dropped:
            entry.dropped = True
            self._book.drop(entry.algo_id)

    def _place(self, run_id: str, symbol: str) -> _Place:
        return self._places.setdefault((run_id, symbol), _Place())

    def _keep(self, entry: _Entry) -> None:
        self._by_algo[entry.algo_id] = entry
        self._place(entry.run.run_id, entry.symbol).entries[entry.algo_id] = entry

    def _forget(self, entry: _Entry) -> None:
        self._by_algo.pop(entry.algo_id, None)
        self._place(entry.run.run_id, entry.symbol).entries.pop(entry.algo_id, None)

    def _is_gone(self, algo_id: str) -> bool:
        """Whether nothing more of an entry can fill.  One without an order is just being asked for."""
        orders = self._trader.book.of_intent(f"{algo_id}/entry")
        return bool(orders) and all(managed.order.status.is_final for managed in orders)

    def _take_up_plain(self, run: Carried) -> None:
        """Orders of an earlier life that may still fill, known by the name that they were given."""
        for managed in self._trader.book.working():
            name, _, child = managed.intent_id.rpartition("/")
            for symbol in run.instruments:
                if name.startswith(f"{run.session_id}.{symbol}."):
                    reason = Reason.SIGNAL if child == _EXIT else Reason.ENTRY
                    self._plain[managed.intent_id] = (run, symbol, reason)

    def _is_rejected(self, algo_id: str) -> bool:
        return any(
            managed.order.status is OrderStatus.REJECTED
            for managed in self._trader.book.of_intent(f"{algo_id}/entry")
        )

    def _name(self, run: Carried, symbol: str) -> str:
        """Of an entry, unique for ever: by whom, in what, when."""
        name = f"{run.session_id}.{symbol}.{self._timer.now_ns()}"
        self._same_name = self._same_name + 1 if name == self._last_name else 0
        self._last_name = name
        return f"{name}.{self._same_name}" if self._same_name else name


def _fill_of(symbol: str, fill: AlgoFill) -> LiveFill:
    return LiveFill(symbol, fill.side.sign, float(fill.quantity), float(fill.price), fill.reason, fill.at_ns)


def _in_lots(quantity: float, instrument: Instrument) -> Decimal:
    """The number of lots that `quantity` is but for its last binary digits: 0.087 for 0.08700000000000001."""
    exact = Decimal(repr(quantity))
    near = round_half_up(exact, instrument.lot_size)
    return near if abs(exact - near) <= _DUST * exact else exact
