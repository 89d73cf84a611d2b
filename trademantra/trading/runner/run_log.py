"""All that a run was told, in order: from it the run's state is built again, after any crash.

An entry is one call of the model.  `to_line` and `from_line` are its form on disk, one JSON line an entry.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TypeAlias

from trademantra.core.bar import Bar
from trademantra.core.errors import InvalidValueError
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveFill, LiveSession
from trademantra.engine.records import Reason
from trademantra.engine.ticks import Tick
from trademantra.engine.timeline import Timeline
from trademantra.trading.runner.plain import number, or_null, positive, positive_or_none, row, text, whole
from trademantra.trading.runner.wire import ProtocolError, body_of


@dataclass(frozen=True, slots=True, eq=False)
class WarmUp:
    """History before the first live bar: bars by symbol, each with its timeline.

    Errors: `InvalidValueError` where a timeline is missing or of another length.
    """

    bars: Mapping[str, Bars]
    timelines: Mapping[str, Timeline]

    def __post_init__(self) -> None:
        for symbol, bars in self.bars.items():
            line = self.timelines.get(symbol)
            if line is None or len(line) != len(bars):
                raise InvalidValueError(
                    f"warm-up: {symbol} has {len(bars)} bars, and no timeline of that length"
                )


NO_HISTORY = WarmUp({}, {})
_HOURS = 7  # fields of a session
_LEAST_HOURS = 5


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """A trading day begins; `auction` holds the pre-open prices that are known."""

    session: LiveSession
    auction: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ClockTold:
    now_ns: int


@dataclass(frozen=True, slots=True)
class BarsClosed:
    """Bars that closed at one instant, by symbol."""

    bars: tuple[tuple[str, Bar], ...]


@dataclass(frozen=True, slots=True)
class TicksTold:
    """The newest pictures of some instruments at one moment, at most one each.

    `fed`: how many prices of the session its exchange had been fed before, so that a back-test tells them there.
    """

    fed: int
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class FillTold:
    fill: LiveFill


@dataclass(frozen=True, slots=True)
class EntryGone:
    """What is left of the entry of `symbol` will not fill."""

    symbol: str
    text: str


LogEntry: TypeAlias = SessionBegan | ClockTold | BarsClosed | TicksTold | FillTold | EntryGone


@dataclass(frozen=True, slots=True, eq=False)
class RunLog:
    """Inputs of a run since it was started, all of them answered; `decisions` is the digest of the answers, if known."""

    warm_up: WarmUp
    entries: Sequence[LogEntry]
    decisions: str = ""


def plain_entry(entry: LogEntry) -> list[object]:
    """What `entry_of` reads back equal."""
    match entry:
        case BarsClosed(bars):
            return [
                "bars",
                [[symbol, b.start_ns, b.open, b.high, b.low, b.close, b.volume] for symbol, b in bars],
            ]
        case TicksTold(fed, ticks):
            return ["ticks", fed, [_plain_tick(tick) for tick in ticks]]
        case ClockTold(now_ns):
            return ["clock", now_ns]
        case FillTold(fill):
            return ["fill", fill.symbol, fill.side, fill.quantity, fill.price, int(fill.reason), fill.at_ns]
        case EntryGone(symbol, why):
            return ["gone", symbol, why]
        case SessionBegan(day, auction):
            hours = [
                day.day,
                day.open_ns,
                day.close_ns,
                day.leave_minute,
                day.last_entry_minute,
                day.first_entry_minute,
                day.auction_minute,
            ]
            return ["session", hours, {symbol: or_null(price) for symbol, price in auction.items()}]


def entry_of(plain: object) -> LogEntry:
    """Errors: `ProtocolError` naming what cannot be read."""
    values = row(plain, "an entry")
    match values:
        case ["bars", bars]:
            return BarsClosed(tuple(_bar(each) for each in row(bars, "bars")))
        case ["ticks", fed, ticks]:
            return TicksTold(whole(fed, "fed", 0), tuple(_tick(each) for each in row(ticks, "ticks")))
        case ["clock", now_ns]:
            return ClockTold(whole(now_ns, "now_ns"))
        case ["fill", symbol, side, quantity, price, reason, at_ns]:
            return FillTold(
                LiveFill(
                    text(symbol, "symbol"),
                    whole(side, "side", -1, 1),
                    positive(quantity, "quantity"),
                    positive(price, "price"),
                    _reason(reason),
                    whole(at_ns, "at_ns"),
                )
            )
        case ["gone", symbol, why]:
            return EntryGone(text(symbol, "symbol"), text(why, "text"))
        case ["session", hours, auction]:
            return SessionBegan(_hours(hours), _auction(auction))
    raise ProtocolError(f"an entry {str(values)[:60]} is not known")


def to_line(entry: LogEntry) -> str:
    """
    >>> to_line(ClockTold(5))
    '["clock",5]'
    """
    return json.dumps(plain_entry(entry), separators=(",", ":"), allow_nan=False)


def from_line(line: str) -> LogEntry:
    """Errors: `ProtocolError` for a line that is no entry.

    >>> from_line('["gone","TCS","rejected"]')
    EntryGone(symbol='TCS', text='rejected')
    """
    return entry_of(body_of(line.encode()))


def _bar(plain: object) -> tuple[str, Bar]:
    symbol, start_ns, *prices = row(plain, "a bar", 7)
    try:
        return text(symbol, "symbol"), Bar(
            whole(start_ns, "start_ns"), *(number(each, "price") for each in prices)
        )
    except InvalidValueError as error:
        raise ProtocolError(error.message) from error


def _plain_tick(tick: Tick) -> list[object]:
    numbers = (tick.price, tick.bid, tick.ask, tick.volume)
    return [tick.symbol, tick.ts, *(_short(each) for each in numbers)]


def _short(value: float) -> float | int | None:
    """A number as JSON holds it in fewest characters: there may be hundreds of thousands a day."""
    if isnan(value):
        return None
    return int(value) if value.is_integer() else value


def _tick(plain: object) -> Tick:
    symbol, ts, price, bid, ask, volume = row(plain, "a tick", 6)
    return Tick(
        text(symbol, "symbol"),
        whole(ts, "ts"),
        positive(price, "price"),
        positive_or_none(bid, "bid"),
        positive_or_none(ask, "ask"),
        nan if volume is None else number(volume, "volume"),
    )


def _hours(plain: object) -> LiveSession:
    values = row(plain, "session")
    # written before there was a first entry, or an auction
    values = [*values, *[None] * (_HOURS - len(values))] if len(values) >= _LEAST_HOURS else values
    day, open_ns, close_ns, leave, last_entry, first_entry, auction = row(values, "session", _HOURS)
    return LiveSession(
        whole(day, "day"),
        whole(open_ns, "open_ns"),
        whole(close_ns, "close_ns"),
        None if leave is None else whole(leave, "leave_minute"),
        None if last_entry is None else whole(last_entry, "last_entry_minute"),
        None if first_entry is None else whole(first_entry, "first_entry_minute"),
        None if auction is None else whole(auction, "auction_minute"),
    )


def _auction(plain: object) -> dict[str, float]:
    if not isinstance(plain, dict):
        raise ProtocolError("auction must be an object")
    return {
        text(symbol, "symbol"): positive(price, "price")
        for symbol, price in plain.items()
        if price is not None
    }


def _reason(value: object) -> Reason:
    try:
        return Reason(whole(value, "reason"))
    except ValueError as error:
        raise ProtocolError(f"a fill for reason {value}") from error
