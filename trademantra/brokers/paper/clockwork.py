"""What happens because time passes: arrivals, ends of validity, phases, square-off, the turn of the day."""

import heapq
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from enum import IntEnum

from trademantra.brokers.orders import Variety
from trademantra.brokers.paper.attached import requeue
from trademantra.brokers.paper.book import Working
from trademantra.brokers.paper.checks import rejection
from trademantra.brokers.paper.core import Core
from trademantra.brokers.paper.desk import apply_change, bring, square_off
from trademantra.brokers.paper.gtt import GttStatus
from trademantra.brokers.paper.lifecycle import end, expire, step_to
from trademantra.brokers.paper.terms import Stage
from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_DAY, ist_date, ist_ns
from trademantra.markets.sessions import Phase, is_trading_day

_OPENING = frozenset({Phase.PREOPEN_ENTRY, Phase.PREOPEN_LIMIT_ONLY, Phase.CONTINUOUS})
_EXPIRED = "Cancelled by the exchange: the validity of the order ended."
_DAY_OVER = "Cancelled at the end of the day."
_AUCTION = "Cancelled by the exchange: not allowed in the closing auction."
_SQUARED_OFF = "Cancelled before the intraday square-off."


class Cause(IntEnum):
    """Why a moment matters.  At the same moment they come in this order."""

    DAY = 0
    ARRIVAL = 1
    CHANGE = 2
    EXPIRY = 3
    SQUARE_OFF = 4
    PHASE = 5
    GTT = 6


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    at_ns: int
    cause: Cause
    name: str  # an order, or the number of a row or a GTT


class Clockwork:
    """The moments that are to come.  They follow from the state, so a restart finds them again.

    A moment may be one too many (an order that is final by then); it is looked at again when it comes.
    """

    __slots__ = ("_core", "_known", "_moments")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._moments: list[Moment] = []
        self._known: set[Moment] = set()
        self.watch_all()

    @property
    def next_ns(self) -> int:
        """Before this nothing happens by time alone."""
        return self._moments[0].at_ns

    def watch_all(self) -> None:
        """Find all moments anew."""
        core = self._core
        self._moments, self._known = [], set()
        self._add(ist_ns(core.day, time()) + NANOSECONDS_PER_DAY, Cause.DAY, "")
        for working in core.working.values():
            self.watch(working)
        for gtt in core.gtts.values():
            if gtt.status is GttStatus.ACTIVE:
                self._add(gtt.expires_ns, Cause.GTT, str(gtt.gtt_id))
        for account in core.accounts.values():
            for position in account.intraday_positions():
                self._watch_square_off(core.listings.row_of(position.listing.token))

    def watch(self, working: Working) -> None:
        """The moments of a working order."""
        order = working.order
        if not working.arrived and order.stage is not Stage.AMO_RECEIVED:
            self._add(working.arrives_ns, Cause.ARRIVAL, order.order_id)
        if working.change is not None or working.cancelling:
            self._add(working.change_ns, Cause.CHANGE, order.order_id)
        if working.expires_ns is not None:
            self._add(working.expires_ns, Cause.EXPIRY, order.order_id)
        self._watch_phase(working.row)
        if order.request.product is Product.MIS:
            self._watch_square_off(working.row)

    def watch_gtt(self, gtt_id: int) -> None:
        self._add(self._core.gtts[gtt_id].expires_ns, Cause.GTT, str(gtt_id))

    def run(self, until_ns: int) -> None:
        """Let happen what is due until `until_ns`, that instant included."""
        core = self._core
        while self._moments[0].at_ns <= until_ns:
            moment = heapq.heappop(self._moments)
            self._known.discard(moment)
            core.now_ns = max(core.now_ns, moment.at_ns)
            self._happen(moment)
        core.now_ns = max(core.now_ns, until_ns)

    def _happen(self, moment: Moment) -> None:
        core = self._core
        working = core.working.get(moment.name)
        match moment.cause:
            case Cause.DAY:
                self._turn_day()
            case Cause.ARRIVAL if working is not None and not working.arrived:
                bring(core, working)
            case Cause.CHANGE if working is not None and working.change_ns <= core.now_ns:
                self._change(working)
            case Cause.EXPIRY if working is not None and working.expires_ns == moment.at_ns:
                expire(core, working, _EXPIRED)
            case Cause.SQUARE_OFF:
                self._square_off(int(moment.name))
            case Cause.PHASE:
                self._phase(int(moment.name))
            case Cause.GTT:
                gtt = core.gtts.get(int(moment.name))
                if gtt is not None and gtt.status is GttStatus.ACTIVE and gtt.expires_ns <= core.now_ns:
                    core.put_gtt(replace(gtt, status=GttStatus.EXPIRED, updated_ns=core.now_ns))
            case _:
                pass

    def _add(self, at_ns: int, cause: Cause, name: str) -> None:
        moment = Moment(at_ns, cause, name)
        if moment not in self._known:
            self._known.add(moment)
            heapq.heappush(self._moments, moment)

    def _watch_phase(self, row: int) -> None:
        core = self._core
        self._add(core.hours.next_change_ns(core.listings.at(row), core.now_ns), Cause.PHASE, str(row))

    def _watch_square_off(self, row: int) -> None:
        core = self._core
        at_ns = core.hours.square_off_ns(core.listings.at(row), core.day)
        if at_ns is not None and at_ns > core.now_ns:
            self._add(at_ns, Cause.SQUARE_OFF, str(row))

    def _change(self, working: Working) -> None:
        core = self._core
        if working.cancelling:
            end(core, working, Stage.CANCELLED, None)
        elif working.change is not None:
            stage = Stage.TRIGGER_PENDING if working.waits_for_trigger else Stage.OPEN
            apply_change(core, working, working.change, stage)

    def _phase(self, row: int) -> None:
        """A phase of the day began: orders are released, cancelled, or have had their day."""
        core = self._core
        listing = core.listings.at(row)
        there = list(core.books.get(row, ()))
        if not there:
            return
        phase = core.hours.phase(listing, core.now_ns)
        if phase in _OPENING:
            for one in there:
                if one.order.stage is Stage.AMO_RECEIVED:
                    self._release(one)
        if phase is Phase.CAS_REFERENCE:
            for one in there:
                if one.waits_for_trigger or one.order.request.disclosed_quantity:
                    end(core, one, Stage.CANCELLED, _AUCTION)
        if phase is not None and phase is not Phase.POST_CLOSE and core.hours.is_over(listing, core.now_ns):
            for one in there:
                if one.order.stage is not Stage.AMO_RECEIVED and one.order.order_id in core.working:
                    expire(core, one, _DAY_OVER)
        if core.books.get(row):
            self._watch_phase(row)

    def _release(self, working: Working) -> None:
        """An after-market order goes to the exchange, as a regular order of the day."""
        core = self._core
        order = working.order
        regular = replace(order.request, variety=Variety.REGULAR)
        reason = rejection(core, order.listing, regular)
        if reason is not None:
            end(core, working, Stage.REJECTED, reason)
            return
        working.arrives_ns = core.now_ns
        step_to(core, working, Stage.OPEN_PENDING)
        requeue(core, working)
        bring(core, working)

    def _square_off(self, row: int) -> None:
        """The broker closes intraday positions: first their working orders go, then the positions, at market."""
        core = self._core
        listing = core.listings.at(row)
        for one in list(core.books.get(row, ())):
            if one.order.request.product is Product.MIS and not one.order.placed_by_system:
                end(core, one, Stage.CANCELLED, _SQUARED_OFF)
        for account_id, account in core.accounts.items():
            for position in account.intraday_positions():
                if position.listing.token == listing.token:
                    self._drop_guards(account_id, row)
                    square_off(core, account_id, listing, position.product, position.quantity)

    def _drop_guards(self, account_id: str, row: int) -> None:
        core = self._core
        for one in list(core.books.get(row, ())):
            if one.entry_id is not None and one.order.account_id == account_id:
                end(core, one, Stage.CANCELLED, _SQUARED_OFF)

    def _turn_day(self) -> None:
        """Midnight in India: orders of the day are over, accounts settle, the books begin anew."""
        core = self._core
        today = ist_date(core.now_ns)
        for day, following in _days_to_settle(core.day, today):
            core.settle(day, following)
        for one in list(core.working.values()):
            if one.order.stage is not Stage.AMO_RECEIVED:
                expire(core, one, _DAY_OVER)
        core.turn_day(today)
        self.watch_all()


def _days_to_settle(day: date, today: date) -> list[tuple[date, date]]:
    """Trading days from `day` on that are over, each with the next one; a day of an unknown calendar is one if it is
    the day itself."""
    over = [day]
    one = day + timedelta(days=1)
    while one < today:
        try:
            if is_trading_day(one, Exchange.NSE, Segment.EQUITY):
                over.append(one)
        except MissingFactError:
            pass
        one += timedelta(days=1)
    return list(zip(over, [*over[1:], _trading_day_from(today)], strict=True))


def _trading_day_from(day: date) -> date:
    """The first trading day at or after `day`; the day itself where the calendar is not known."""
    one = day
    for _ in range(15):
        try:
            if is_trading_day(one, Exchange.NSE, Segment.EQUITY):
                return one
        except MissingFactError:
            return day
        one += timedelta(days=1)
    return day
