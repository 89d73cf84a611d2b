"""Orders by hand: what people ask of a running desk, on the road that every order takes (gate, journal, algorithms).

Invariants:
- everything that a request places is named by it: a request that is answered twice, or late, is placed once;
- nothing is sent for a request that expired, or of whose instrument no price is known; what only closes needs no price;
- the rows of a basket are checked, each by itself, before the first of them is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Order, Product, Side
from trademantra.core.plural import counted
from trademantra.engine.records import Reason
from trademantra.kit.bus import Bus
from trademantra.kit.timer import Timer
from trademantra.trading.algos.bracket import ENTRY, BracketSpec, GuardSpec
from trademantra.trading.control.requests import DeskAnswer, DeskRequest, RequestKind
from trademantra.trading.conversion import convert_product
from trademantra.trading.house.held import protects
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.room import AccountRoom, own_money
from trademantra.trading.intents import MANUAL, OrderIntent, Purpose
from trademantra.trading.manual.answers import algo_facts, answer_of, leg_facts, number
from trademantra.trading.manual.feed import HandFeed
from trademantra.trading.manual.plans import (
    Terms,
    algo_of,
    bracket_of,
    check_lots,
    guard_of,
    intent_of,
    key_of,
    purpose_of,
    request_name,
)
from trademantra.trading.manual.single_orders import SingleOrders
from trademantra.trading.manual.size import check_size
from trademantra.trading.manual.wishes import (
    AlgoKind,
    AlgoWish,
    OrderWish,
    basket_wish,
    cancel_wish,
    convert_wish,
    modify_wish,
    order_wish,
    protect_wish,
    target_wish,
)
from trademantra.trading.manual.working_hours import check_hours, curve
from trademantra.trading.orders import PositionKey
from trademantra.trading.outcomes import (
    LONGEST_WAIT_NS,
    LegResult,
    Outcome,
    overall,
    result_of,
    submit_all,
    wait_for,
)
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.limits import Scope
from trademantra.trading.targets import TargetOrder, move_to_target

_NOTHING = Decimal(0)


class ExpiredRequestError(TradeMantraError):
    """It took so long that who asked has gone: nothing was sent."""

    code = "request_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualParts:
    """`sources`: the adapters whose prices and history are read, by feed; `sessions_in`: who trades an instrument in an
    account by a session that runs.  `timer` is that of the markets, `wall` the real one.
    """

    rooms: Mapping[str, AccountRoom]
    sources: Mapping[str, PriceReads]
    feed: HandFeed
    gate: RiskGate
    sessions_in: Callable[[str, str], Sequence[str]]
    bus: Bus
    timer: Timer
    wall: Timer


class ManualDesk:
    """Of one desk.  `answers` says which requests are its own."""

    def __init__(self, parts: ManualParts) -> None:
        self._parts = parts
        self._locks: dict[str, asyncio.Lock] = {}
        self._single = SingleOrders(
            sessions_in=parts.sessions_in, check_larger=self._check_larger, bus=parts.bus, wall=parts.wall
        )
        self._kinds: Mapping[RequestKind, Callable[[AccountRoom, DeskRequest], Awaitable[DeskAnswer]]] = {
            RequestKind.PLACE: self._place, RequestKind.TARGET: self._target, RequestKind.BASKET: self._basket,
            RequestKind.CONVERT: self._convert, RequestKind.PROTECT: self._protect, RequestKind.ALGOS: self._algos,
            RequestKind.ALGO_STOP: self._algo_stop, RequestKind.CANCEL: self._cancel, RequestKind.MODIFY: self._modify,
        }  # fmt: skip

    def answers(self, kind: RequestKind) -> bool:
        return kind in self._kinds

    async def answer(self, request: DeskRequest) -> DeskAnswer:
        """Do what a person asked.  Errors become answers: who asked is told."""
        room = self._parts.rooms.get(request.account_id)
        if room is None:
            return DeskAnswer(False, f"account {request.account_id} is not open here")
        try:
            return await self._kinds[request.kind](room, request)
        except TradeMantraError as error:
            return DeskAnswer(False, f"{error.message}{f' ({error.hint})' if error.hint else ''}")

    # -- orders

    async def _place(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish, name = order_wish(request.arguments), request_name(request.request_id)
        if room.algos.knows(name) or room.desk.book.of_intent(name):
            return await self._placed(room, name, wish)
        instrument = (await self._parts.feed.find(room, [wish.symbol]))[wish.symbol]
        check_lots(instrument, wish.quantity)
        is_entry = purpose_of(wish, self._held(room, instrument, wish.product)) is Purpose.ENTRY
        if is_entry or wish.algo is not None or wish.levels.is_some:  # a plain exit waits for no price
            missing = await self._parts.feed.first_prices(room, [instrument])
        if is_entry:
            self._parts.feed.require(missing)
            await self._know_money(room)
            self._check_units(room, instrument, wish.side, wish.quantity, wish.price or wish.trigger)
        if wish.algo is not None:
            return await self._work(room, request, wish, wish.algo, instrument)
        self._check_in_time(request)
        terms = self._terms(room, name, instrument, wish.product)
        if wish.levels.is_some:
            await room.algos.start(bracket_of(wish, terms))
            return await self._placed(room, name, wish)
        legs = await submit_all(room.desk, self._parts.timer, [intent_of(wish, terms)])
        return answer_of(str(wish), overall(legs), legs, room.desk.book, _cut(room, name, wish.quantity))

    async def _placed(self, room: AccountRoom, name: str, wish: OrderWish) -> DeskAnswer:
        """What came of an order that was taken in, now or when it was asked for before."""
        runs = any(each.algo_id == name for each in room.algos.running())
        if wish.algo is not None:
            told = f"it runs as {name}; tm desk algos shows how far it is" if runs else "it has ended"
            return DeskAnswer(True, f"{wish}: {told}", {"outcome": Outcome.ACCEPTED.value, "algo": name})
        intent_id = f"{name}/{ENTRY}" if wish.levels.is_some else name
        book = room.desk.book
        if wish.levels.is_some and not runs and not book.of_intent(intent_id):
            leg = LegResult(
                intent_id, Outcome.REFUSED, "the desk ended before it was sent; take a new --id", ()
            )
        else:
            await self._answered(room, intent_id)
            leg = result_of(intent_id, book.of_intent(intent_id))
        return answer_of(str(wish), leg.outcome, [leg], book, _cut(room, intent_id, wish.quantity))

    async def _work(
        self, room: AccountRoom, request: DeskRequest, wish: OrderWish, algo: AlgoWish, instrument: Instrument
    ) -> DeskAnswer:
        """Begin an algorithm; it is told by `algos` from then on."""
        name = request_name(request.request_id)
        check_hours(instrument, algo, self._parts.timer.now_ns())
        source, now_ns = self._parts.sources[room.account.feed], self._parts.timer.now_ns()
        weights = await curve(source, instrument, algo, now_ns) if algo.kind is AlgoKind.VWAP else ()
        self._check_in_time(request)
        terms = self._terms(room, name, instrument, wish.product)
        await room.algos.start(algo_of(wish, algo, terms, weights))
        return await self._placed(room, name, wish)

    async def _target(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish, name = target_wish(request.arguments), request_name(request.request_id)
        instrument = (await self._parts.feed.find(room, [wish.symbol]))[wish.symbol]
        check_lots(instrument, wish.quantity)
        held = self._held(room, instrument, wish.product)
        if held * wish.quantity < 0 or abs(wish.quantity) > abs(held):  # what only reduces waits for no price
            self._parts.feed.require(await self._parts.feed.first_prices(room, [instrument]))
            added = abs(wish.quantity) if held * wish.quantity <= 0 else abs(wish.quantity) - abs(held)
            side = Side.BUY if wish.quantity > 0 else Side.SELL
            await self._know_money(room)
            self._check_units(room, instrument, side, added, wish.price)
        async with self._lock(room):
            self._check_in_time(request)
            terms = self._terms(room, name, instrument, wish.product)
            order = TargetOrder(
                order_id=name, account_id=room.account_id, strategy_id=MANUAL, instrument=instrument, product=wish.product,
                target=wish.quantity, decided_ns=terms.now_ns, price=wish.price, reference_price=terms.last,
                reason=Reason.BY_HAND,
            )  # fmt: skip
            result = await move_to_target(room.desk, room.algos, self._parts.timer, order)
        now = self._held(room, instrument, wish.product)
        what = f"{instrument.key} ({wish.product}) to {number(wish.quantity)}"
        told = result.text or f"{number(now)} are held now"
        if gone := [str(room.desk.book[each].order.order_type) for each in result.cancelled]:
            told += f"; cancelled for it: {', '.join(gone)}"
        return answer_of(what, result.outcome, result.legs, room.desk.book, told)

    async def _basket(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        """All rows, or none where one would be refused, unless those that pass are wanted (`skip_refused`)."""
        rows = basket_wish(request.arguments.get("rows"))
        if any(row.algo is not None or row.levels.is_some for row in rows):
            raise InvalidValueError("rows of a basket are plain orders", hint="tm desk place for the others")
        found = await self._parts.feed.find(room, [row.symbol for row in rows])
        missing = await self._parts.feed.first_prices(
            room, list({each.key: each for each in found.values()}.values())
        )
        await self._know_money(room)
        self._check_in_time(request)
        intents: dict[int, OrderIntent] = {}
        refused: dict[int, str] = {}
        for at, row in enumerate(rows, 1):
            instrument = found[row.symbol]
            try:
                name = f"{request_name(request.request_id)}.{at}"
                intent = intent_of(row, self._terms(room, name, instrument, row.product))
                if intent.purpose is Purpose.ENTRY and instrument in missing:
                    self._parts.feed.require([instrument])
                if intent.purpose is Purpose.ENTRY:
                    self._check_units(room, instrument, row.side, row.quantity, row.price or row.trigger)
                if not room.desk.book.of_intent(name):
                    room.desk.preview(intent)
                intents[at] = intent
            except TradeMantraError as error:
                refused[at] = str(error)
        if refused and not request.arguments.get("skip_refused"):
            told = "; ".join(f"row {at} ({rows[at - 1]}): {why}" for at, why in refused.items())
            return DeskAnswer(
                False, f"nothing was sent: {told}", {"refused": {str(at): why for at, why in refused.items()}}
            )
        first = sorted(intents, key=lambda at: intents[at].purpose is not Purpose.EXIT)  # exits bring money
        legs = await submit_all(room.desk, self._parts.timer, [intents[at] for at in first])
        by_row = dict(zip(first, legs, strict=True))
        outcome = overall(legs) if legs else Outcome.REFUSED
        if refused and outcome is Outcome.ACCEPTED:
            outcome = Outcome.PARTLY
        told_rows: list[dict[str, object]] = []
        lines = [f"{counted(len(rows), 'row')}: {outcome.value}"]
        for at, row in enumerate(rows, 1):
            leg = by_row.get(at)
            said = refused.get(at) or (leg.text if leg else "")
            came = Outcome.REFUSED.value if leg is None else leg.outcome.value
            lines.append(f"  {at}. {row}: {came}{f' ({said})' if said else ''}")
            facts = {"outcome": came, "text": said} if leg is None else leg_facts(leg, room.desk.book)
            told_rows.append({"row": at, **facts})
        return DeskAnswer(
            outcome is not Outcome.REFUSED, "\n".join(lines), {"outcome": outcome.value, "rows": told_rows}
        )

    async def _cancel(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish = cancel_wish(request.arguments)
        self._check_in_time(request)
        return await self._single.cancel(room, wish)

    async def _modify(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish = modify_wish(request.arguments)
        await self._know_money(room)
        self._check_in_time(request)
        return await self._single.modify(room, wish)

    # -- positions

    async def _convert(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish = convert_wish(request.arguments)
        instrument = (await self._parts.feed.find(room, [wish.symbol]))[wish.symbol]
        async with self._lock(room):
            key = self._holder(room, instrument, wish.old, wish.strategy)
            running = self._parts.sessions_in(room.account_id, instrument.key)
            if key.strategy_id in running:
                raise InvalidValueError(
                    f"{key.strategy_id} trades {instrument.key} in {room.account_id} now",
                    hint="end its session first: tm desk stop SESSION",
                )
            held = room.desk.book.positions[key].quantity
            quantity = abs(held) if wish.quantity is None else wish.quantity
            check_lots(instrument, quantity)
            overnight = await self._is_overnight(room, instrument, wish.old)
            self._check_in_time(request)
            await convert_product(room.conversion, instrument, key, quantity, wish.new, overnight=overnight)
        text = f"{number(quantity)} of {instrument.key} of {key.strategy_id} are {wish.new} now, and were {wish.old}"
        return DeskAnswer(True, text, {"outcome": Outcome.ACCEPTED.value, "quantity": number(quantity)})

    async def _protect(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        wish, name = protect_wish(request.arguments), request_name(request.request_id)
        if room.algos.knows(name) and all(each.algo_id != name for each in room.algos.running()):
            raise InvalidValueError(
                f"{name} was begun and has ended", hint="take a new --id to protect what is held now"
            )
        instrument = (await self._parts.feed.find(room, [wish.symbol]))[wish.symbol]
        await self._parts.feed.first_prices(room, [instrument])
        async with self._lock(room):
            self._check_in_time(request)
            key = key_of(instrument, wish.product)
            others = [
                each.algo_id
                for each in room.algos.running()
                if (each.strategy_id, each.product) == (MANUAL, wish.product)
                and instrument.key in _keys(each.instruments())
                and each.algo_id != name
            ]
            if others:
                raise InvalidValueError(
                    f"{others[0]} works on {instrument.key} already", hint="tm desk algo-stop ends it"
                )
            position = room.desk.book.positions.get(key, HeldPosition())
            spec = guard_of(
                wish.levels, wish.product, position, self._terms(room, name, instrument, wish.product)
            )
            await room.algos.start(spec)
        side = "long" if position.quantity > 0 else "short"
        return DeskAnswer(
            True, f"{side} {number(abs(position.quantity))} of {instrument.key} is protected by {name}",
            {"outcome": Outcome.ACCEPTED.value, "algo": name},
        )  # fmt: skip

    # -- algorithms

    async def _algos(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        del request
        now_ns = self._parts.timer.now_ns()
        running = [
            algo_facts(spec, room.desk.book, now_ns) | {"protects": protects(room, spec)}
            for spec in room.algos.running()
        ]
        return DeskAnswer(
            True, f"in {room.account_id}: {counted(len(running), 'algorithm')}", {"algos": running}
        )

    async def _algo_stop(self, room: AccountRoom, request: DeskRequest) -> DeskAnswer:
        name = str(request.arguments.get("id", ""))
        spec = next((each for each in room.algos.running() if each.algo_id == name), None)
        if spec is None:
            there = ", ".join(each.algo_id for each in room.algos.running()) or "none"
            raise NotFoundError(
                f"no algorithm {name!r} runs in {room.account_id}", hint=f"there are: {there}"
            )
        if request.arguments.get("leave"):
            room.algos.leave(name, Reason.BY_HAND)
            return DeskAnswer(True, f"{name}: its position is left at market, the rest is taken back")
        if protects(room, spec) and not request.arguments.get("unprotect"):
            raise InvalidValueError(
                f"{name} protects {spec.instruments()[0].key}: its stop would go with it, and the position stay UNPROTECTED",
                hint="--yes does it all the same; --leave closes the position",
            )
        room.algos.drop(name)
        if isinstance(spec, GuardSpec):
            return DeskAnswer(
                True, f"{name}: its exits are taken back; nothing of it protects the position any more"
            )
        stays = "; its stop and target stay" if isinstance(spec, BracketSpec) else ""
        return DeskAnswer(
            True, f"{name}: what it has not done yet is taken back; what it holds stays as it is{stays}"
        )

    # -- inside

    def _held(self, room: AccountRoom, instrument: Instrument, product: Product) -> Decimal:
        return room.desk.book.held(key_of(instrument, product))

    def _terms(self, room: AccountRoom, name: str, instrument: Instrument, product: Product) -> Terms:
        return Terms(
            name=name, account_id=room.account_id, instrument=instrument, held=self._held(room, instrument, product),
            last=self._parts.gate.state.market(instrument.key).price, now_ns=self._parts.timer.now_ns(),
            rest_target=room.account.rest_target,
        )  # fmt: skip

    def _holder(
        self, room: AccountRoom, instrument: Instrument, product: Product, strategy: str
    ) -> PositionKey:
        """Whose position is to be converted.  Errors: `InvalidValueError`."""
        held = [
            key
            for key, position in room.desk.book.positions.items()
            if key.instrument_key == instrument.key and key.product is product and position.quantity
        ]
        chosen = [key for key in held if strategy in ("", key.strategy_id)]
        if len(chosen) == 1:
            return chosen[0]
        whose = ", ".join(key.strategy_id for key in held)
        if not chosen:
            what = f"nothing of {instrument.key} is held as {product}{f' by {strategy}' if strategy else ''}"
            raise InvalidValueError(
                what, hint=f"held by: {whose}" if whose else "tm desk positions shows what is"
            )
        raise InvalidValueError(
            f"{instrument.key} ({product}) is held by {whose}", hint="name one: --strategy ID"
        )

    async def _is_overnight(self, room: AccountRoom, instrument: Instrument, product: Product) -> bool:
        """Whether the broker carried it from an earlier day."""
        if product is Product.MIS:
            return False
        for each in await room.adapter.positions():
            if each.instrument.key == instrument.key and each.product is product:
                return each.overnight_quantity != 0
        return False

    def _check_in_time(self, request: DeskRequest) -> None:
        """Errors: `ExpiredRequestError`.  Nothing is awaited between this and what it allows."""
        if self._parts.wall.now_ns() >= request.expires_ns:
            raise ExpiredRequestError("it took longer than was to be waited for; nothing was sent")

    async def _know_money(self, room: AccountRoom) -> None:
        """Read the account's own money, where the start could not."""
        state = self._parts.gate.state
        if state.book(Scope.ACCOUNT, room.account_id).capital is None:
            state.capital(room.account_id, await own_money(room.adapter))

    def _check_units(
        self, room: AccountRoom, instrument: Instrument, side: Side, quantity: Decimal, price: Decimal | None
    ) -> None:
        """Errors: `InvalidValueError` for an entry that is too large for the account, or whose money is not known."""
        gate = self._parts.gate
        capital = gate.state.book(Scope.ACCOUNT, room.account_id).capital
        if capital is None:
            raise InvalidValueError(
                f"what money {room.account_id} has cannot be read now, so no order by hand can be sized",
                hint="try again; exits pass",
            )
        known = [each for each in (price, gate.state.market(instrument.key).price) if each is not None]
        limits = gate.limits(room.account_id).order(MANUAL)
        check_size(instrument, side, quantity, max(known, default=_NOTHING), limits, capital)

    def _check_larger(self, room: AccountRoom, order: Order) -> None:
        """Errors: as `_check_units`."""
        self._check_units(
            room, order.instrument, order.side, order.open_quantity, order.price or order.trigger_price
        )

    async def _answered(self, room: AccountRoom, intent_id: str) -> None:
        book = room.desk.book
        await wait_for(
            lambda: result_of(intent_id, book.of_intent(intent_id)).outcome is not Outcome.UNKNOWN,
            self._parts.timer,
            LONGEST_WAIT_NS,
        )

    def _lock(self, room: AccountRoom) -> asyncio.Lock:
        """Two requests do not plan on the same position at once."""
        return self._locks.setdefault(room.account_id, asyncio.Lock())


def _keys(instruments: Sequence[Instrument]) -> set[str]:
    return {each.key for each in instruments}


def _cut(room: AccountRoom, intent_id: str, wished: Decimal) -> str:
    """What a limit made smaller."""
    made = sum((each.order.quantity for each in room.desk.book.of_intent(intent_id)), _NOTHING)
    return f"a limit cut it to {number(made)}" if 0 < made < wished else ""
