"""Instruments, quotes and candles: `/instruments`, `/quote`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from trademantra.brokers.paper.market import MarketState
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import InstrumentKind
from trademantra.core.money import round_down, round_up
from trademantra.core.time import IST, ns_of, parse_instant
from trademantra.sandbox.kite import quotes
from trademantra.sandbox.kite.errors import INPUT, KiteReplyError, invalid, missing
from trademantra.sandbox.kite.json_form import Json, number
from trademantra.sandbox.kite.limits import Budget
from trademantra.sandbox.kite.operations import Answer, Call, Operation, Parameter, Raw, Where, text, whole
from trademantra.sandbox.kite.order_forms import EXCHANGES

MOST_QUOTES = 500
MOST_SHORT_QUOTES = 1000
_COVER_PERCENT = 5  # how far a cover order's trigger may be away; not documented (low)


class Interval(StrEnum):
    MINUTE = "minute"
    MINUTES_3 = "3minute"
    MINUTES_5 = "5minute"
    MINUTES_10 = "10minute"
    MINUTES_15 = "15minute"
    MINUTES_30 = "30minute"
    HOUR = "60minute"
    DAY = "day"


MINUTES = MappingProxyType(
    {
        Interval.MINUTE: 1, Interval.MINUTES_3: 3, Interval.MINUTES_5: 5, Interval.MINUTES_10: 10,
        Interval.MINUTES_15: 15, Interval.MINUTES_30: 30, Interval.HOUR: 60, Interval.DAY: 0,
    }
)  # fmt: skip


def instruments(call: Call) -> Answer:
    """The instrument file, of all exchanges or of one; gzip where the client takes it."""
    exchange = call.path.get("exchange")
    body = call.desk.instruments.compressed(exchange)
    if body is None:
        raise invalid("exchange")
    return Raw(body, "text/csv", 200, {"content-encoding": "gzip"})


def quote(call: Call) -> Json:
    return _quoted(call, MOST_QUOTES, quotes.quote)


def ohlc(call: Call) -> Json:
    return _quoted(call, MOST_SHORT_QUOTES, quotes.ohlc)


def ltp(call: Call) -> Json:
    return _quoted(call, MOST_SHORT_QUOTES, quotes.ltp)


def candles(call: Call) -> Json:
    """History of one instrument."""
    query = call.query
    listing = _listed_token(call)
    try:
        interval = Interval(call.path["interval"])
    except ValueError as error:
        raise invalid("interval") from error
    first, last = _time(query.text("from"), "from"), _time(query.text("to"), "to")
    if first > last:
        raise KiteReplyError(400, INPUT, "Invalid `from` or `to` date: from is after to.")
    most = call.desk.settings.rules.history_days[interval.value]
    if last - first > timedelta(days=most):
        raise KiteReplyError(400, INPUT, f"interval exceeds max limit: {most} days")
    continuous = query.flag("continuous")
    instrument = call.desk.exchange.listings.by_token(listing).instrument
    if continuous and (interval is not Interval.DAY or instrument.kind is not InstrumentKind.FUTURE):
        raise invalid("continuous", "It is for futures, with interval day.")
    rows = call.desk.candles.of(
        listing,
        MINUTES[interval],
        ns_of(first),
        ns_of(last),
        continuous=continuous,
        interest=query.flag("oi"),
    )
    return {"candles": rows}


def trigger_range(call: Call) -> Json:
    """How far the trigger of a cover order may be away."""
    if call.path["transaction_type"] not in ("buy", "sell"):
        raise invalid("transaction_type")
    buys = call.path["transaction_type"] == "buy"

    def band(state: MarketState) -> Json:
        last, tick = state.last_price, state.listing.instrument.tick_size
        if last is None:
            return {
                "instrument_token": state.listing.token,
                "lower": 0,
                "upper": 0,
                "percentage": _COVER_PERCENT,
            }
        far = last * _COVER_PERCENT / 100
        lower, upper = (last - far, last) if buys else (last, last + far)
        return {
            "instrument_token": state.listing.token,
            "lower": number(round_up(lower, tick)),
            "upper": number(round_down(upper, tick)),
            "percentage": _COVER_PERCENT,
        }

    return _quoted(call, MOST_QUOTES, band)


def _quoted(call: Call, most: int, shape: Callable[[MarketState], Json]) -> Json:
    """Keyed by what was asked; what is not known is missing."""
    asked = call.repeated.get("i", ())
    if not asked:
        raise missing("i")
    if len(asked) > most:
        raise KiteReplyError(400, INPUT, f"Maximum of {most} instruments in one request.")
    found: dict[str, Json] = {}
    exchange = call.desk.exchange
    for key in asked:
        venue, _, symbol = key.partition(":")
        try:
            listing = (
                exchange.listings.by_token(int(key))
                if _is_token(key)
                else exchange.listings.find(venue, symbol)
            )
        except UnknownInstrumentError:
            continue
        state = exchange.quote(listing.token)
        if state is not None:
            found[key] = shape(state)
    return found


def _is_token(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= 10


def _listed_token(call: Call) -> int:
    text_of_token = call.path["instrument_token"]
    if not _is_token(text_of_token):
        raise KiteReplyError(400, INPUT, "invalid token")
    try:
        return call.desk.exchange.listings.by_token(int(text_of_token)).token
    except UnknownInstrumentError as error:
        raise KiteReplyError(400, INPUT, "invalid token") from error


def _time(value: str, name: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS` or a date, Indian time; an offset is taken too."""
    try:
        return parse_instant(value.replace("+0530", "+05:30"), IST)
    except InvalidValueError as error:
        raise invalid(name, "Write it as yyyy-mm-dd hh:mm:ss.") from error


_ASKED = Parameter(
    "i", Where.QUERY, {"type": "string", "minLength": 1, "maxLength": 60}, required=True, repeated=True
)
_SPAN = (
    text("from", Where.QUERY, required=True), text("to", Where.QUERY, required=True),
    whole("continuous", Where.QUERY), whole("oi", Where.QUERY),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/instruments", summary="All instruments", answer=instruments, needs_login=False,
        content_type="text/csv",
    ),
    Operation(
        method="GET", path="/instruments/historical/{instrument_token}/{interval}", summary="Candles",
        answer=candles, budget=Budget.HISTORY,
        parameters=(
            whole("instrument_token", Where.PATH), text("interval", Where.PATH, words=tuple(Interval)), *_SPAN
        ),
    ),
    Operation(
        method="GET", path="/instruments/trigger_range/{transaction_type}", summary="Band of cover orders",
        answer=trigger_range,
        parameters=(text("transaction_type", Where.PATH, words=("buy", "sell")), _ASKED),
    ),
    Operation(
        method="GET", path="/instruments/{exchange}", summary="Instruments of an exchange", answer=instruments,
        needs_login=False, parameters=(text("exchange", Where.PATH, words=EXCHANGES),), content_type="text/csv",
    ),
    Operation(
        method="GET", path="/quote", summary="Quotes", answer=quote, budget=Budget.QUOTES, parameters=(_ASKED,)
    ),
    Operation(
        method="GET", path="/quote/ohlc", summary="Day's prices", answer=ohlc, budget=Budget.QUOTES,
        parameters=(_ASKED,),
    ),
    Operation(
        method="GET", path="/quote/ltp", summary="Last prices", answer=ltp, budget=Budget.QUOTES,
        parameters=(_ASKED,),
    ),
)  # fmt: skip
