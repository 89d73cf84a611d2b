"""Carrying out what a step asks for, and keeping account of what the desk did not take."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.kit.lease import LeaseLostError
from trademantra.kit.timer import Timer
from trademantra.trading.algos.running import ENOUGH_REFUSALS, Running
from trademantra.trading.algos.trader import Trader
from trademantra.trading.algos.view import Action, AlgoSpec, Cancel, Change, Place, Price
from trademantra.trading.desk_events import RefusedIntentError
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.journal import JournalFailedError
from trademantra.trading.policy import PolicyError

_IS_NOT_STUCK = frozenset(
    {"not_resting", "exit_beyond_held"}
)  # the order takes changes, but not this one now


class Doer:
    """Submits, changes and cancels for one account.  `call(subject, reason)` fetches a person.

    `goes_on` is false once another process owns the account: then nothing more may be asked for.
    """

    def __init__(self, trader: Trader, timer: Timer, call: Callable[[str, str], None]) -> None:
        self._trader, self._timer, self._call = trader, timer, call
        self.goes_on = True

    def check_account(self, spec: AlgoSpec) -> None:
        """Errors: `InvalidValueError` for a spec of another account, and for a name that cannot be told apart."""
        if spec.account_id != self._trader.account_id:
            raise InvalidValueError(
                f"algorithm {spec.algo_id} is for account {spec.account_id}, not {self._trader.account_id}"
            )

    async def do(
        self, run: Running, actions: Sequence[Action], prices: dict[str, Price], opens_ns: int | None
    ) -> Sequence[TradeMantraError]:
        """All of them, their journal rows in one group.  Answers with what was refused; it is noted in `run`."""
        answers = await asyncio.gather(*(self._one(run, action, prices, opens_ns) for action in actions))
        return [error for error in answers if error is not None]

    async def _one(
        self, run: Running, action: Action, prices: dict[str, Price], opens_ns: int | None
    ) -> TradeMantraError | None:
        if not self.goes_on:
            return None
        try:
            if isinstance(action, Place):
                await self._place(run, action, prices)
            elif isinstance(action, Change):
                run.changing(action.order_id)
                await self._trader.modify(action.order_id, action.change)
            else:
                await self._trader.cancel(action.order_id)
        except LeaseLostError as error:
            self.goes_on = False
            self._call("lease", f"{error}; its algorithms stop here")
            return error
        except (RefusedIntentError, PolicyError, JournalFailedError, NotFoundError) as error:
            self._not_taken(run, action, error, opens_ns)
            return error
        return None

    async def _place(self, run: Running, place: Place, prices: dict[str, Price]) -> None:
        spec, now_ns = run.spec, self._timer.now_ns()
        price = prices.get(place.instrument.key)
        reference = place.reference_price or (None if price is None else price.decimal)
        intent = OrderIntent(
            intent_id=run.intent_id(place.name),
            account_id=spec.account_id,
            strategy_id=spec.strategy_id,
            instrument=place.instrument,
            side=place.side,
            quantity=place.quantity,
            product=place.product,
            purpose=place.purpose,
            decided_ns=spec.decided_ns if place.purpose is Purpose.ENTRY else now_ns,
            order_type=place.order_type,
            price=place.price,
            trigger_price=place.trigger_price,
            validity=place.validity,
            reference_price=reference,
            exit_with=run.intent_id(place.exit_with) if place.exit_with else "",
            algo_id=spec.registered_id,
            sector=spec.sector,
            labels=spec.labels,
        )
        run.children[place.name] = None
        await self._trader.submit(intent)
        run.placed(place.name)

    def _not_taken(self, run: Running, action: Action, error: TradeMantraError, opens_ns: int | None) -> None:
        """Exits are tried again, with growing pauses, for as long as they are asked for; entries a few times."""
        if isinstance(action, Cancel):
            return  # the next step asks again
        if isinstance(action, Change):
            if not (isinstance(error, RefusedIntentError) and error.rule in _IS_NOT_STUCK):
                run.change_refused(action.order_id)
            return
        closes = action.purpose is Purpose.EXIT
        if isinstance(error, RefusedIntentError) and error.rule == "nothing_to_exit":
            run.found_nothing(self._timer.now_ns())
        times = run.not_taken(action.name, self._timer.now_ns(), opens_ns, closes=closes)
        if times < ENOUGH_REFUSALS:
            return
        if not closes:
            run.memory = replace(run.memory, dropped=True)
        if times == ENOUGH_REFUSALS:
            what = "an exit" if closes else "an entry"
            self._call(run.intent_id(action.name), f"{what} is not taken: {error}")
