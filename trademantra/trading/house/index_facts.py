"""Moves of indices against yesterday's close, and the halts of the market that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from trademantra.brokers.market import Quote
from trademantra.core.errors import InvalidValueError, MissingFactError, TradeMantraError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import datetime_of, ist_date
from trademantra.markets.sessions import session_on
from trademantra.trading.house.breaker import Breaker
from trademantra.trading.house.fact_parts import FactParts, Watched

_HALTED = (Exchange.NSE, Exchange.BSE)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Move:
    percent: Decimal
    read_ns: int


@dataclass(slots=True)
class IndexFacts:
    """Of one desk.  `limited`: keys of the indices that limits look at; of several the larger move counts, and all must
    be known."""

    parts: FactParts
    limited: frozenset[str]
    _moves: dict[str, _Move] = field(default_factory=dict)
    _why: dict[str, str] = field(default_factory=dict)
    _breaker: Breaker = field(default_factory=Breaker)

    async def read(self, watched: Watched) -> int:
        """Ask for the indices now; answers when to ask again, in ns from now."""
        parts = self.parts
        indices = (*watched.indices, *watched.breakers)
        asked_ns = parts.clock.now_ns()
        in_hours = any(_is_open(each.exchange, asked_ns) for each in indices)
        try:
            quotes = await watched.source.quotes(indices)
        except (TradeMantraError, OSError) as error:
            self._why |= dict.fromkeys(
                (each.key for each in indices), f"{watched.name} does not tell it: {error}"
            )
        else:
            for index in indices:
                self._heard(index, quotes, watched.name, asked_ns)
        self.look()
        return parts.times.index_ns if watched.indices and in_hours else parts.times.seldom_ns

    def look(self) -> None:
        """Tell the gate what is known now; what is too old is not."""
        self._look_at_halt()
        if not self.limited:
            return
        wall_ns, now_ns = self.parts.wall.now_ns(), self.parts.clock.now_ns()
        known = {
            key: move.percent
            for key in self.limited
            if (move := self._moves.get(key)) is not None
            and wall_ns - move.read_ns <= self.parts.times.index_oldest_ns
        }
        whole = len(known) == len(self.limited)
        self.parts.state.index_moved(max(known.values(), key=abs) if whole else None)
        for key in self.limited:
            what = f"index {key}"
            if key in known:
                self.parts.notes.back(what)
            elif (why := self._why.get(key)) and _is_open(Exchange(key.partition(":")[0]), now_ns):
                self.parts.notes.lost(what, f"{why}; entries with max_index_move_percent wait")

    def _heard(self, index: Instrument, quotes: Mapping[Instrument, Quote], name: str, asked_ns: int) -> None:
        quote = quotes.get(index)
        if quote is None:
            self._why[index.key] = f"{name} does not list it; name another: tm account set ACCOUNT index=…"
            return
        if not quote.previous_close or not quote.last_price > 0:
            self._why[index.key] = f"{name} has no close of yesterday"
            return
        at = datetime_of(quote.at_ns)
        if at.date() != ist_date(self.parts.clock.now_ns()):
            self._why[index.key] = f"its last price is of {at:%Y-%m-%d %H:%M}"
            return
        percent = (quote.last_price / quote.previous_close - 1) * _HUNDRED
        if self._breaker.heard(index.key, percent, quote.last_price, quote.at_ns):
            self._tell_halt()
        if quote.at_ns < asked_ns - self.parts.times.index_stale_ns:
            self._why[index.key] = f"its last price is of {at:%H:%M:%S}"
            return
        self._why[index.key] = "it could not be read again"
        self._moves[index.key] = _Move(percent, self.parts.wall.now_ns())

    def _look_at_halt(self) -> None:
        if self._breaker.look(self.parts.clock.now_ns()):
            self._tell_halt()

    def _tell_halt(self) -> None:
        halt, state, say = self._breaker.halt, self.parts.state, self.parts.notes.say
        if halt is None:
            for exchange in _HALTED:
                state.market_resumed(exchange)
            say("the halt of the market is over, by the clock or because the index moves; entries go on")
            return
        for exchange in _HALTED:
            state.market_halted(exchange, halt.until_ns)
        until = (
            "for the rest of the day"
            if halt.until_ns is None
            else f"until {datetime_of(halt.until_ns):%H:%M}"
        )
        say(
            f"{halt.index_key} moved by {halt.percent:+.1f} % at {datetime_of(halt.since_ns):%H:%M:%S}: the circuit breaker "
            f"halts NSE and BSE {until} (derived from the index, no exchange told it); entries wait, exits go on"
        )


def _is_open(exchange: Exchange, now_ns: int) -> bool:
    """Whether an exchange's shares trade; where its calendar is not known, they may."""
    share = Instrument(
        exchange=exchange,
        segment=Segment.EQUITY,
        kind=InstrumentKind.SHARE,
        symbol="ANY",
        has_derivatives=False,
    )
    try:
        session = session_on(ist_date(now_ns), share)
    except (MissingFactError, InvalidValueError):
        return True
    return session is not None and session.open_ns <= now_ns < session.close_ns
