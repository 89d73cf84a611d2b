"""The sandbox's own routes, for this machine only: `/sandbox`."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from trademantra.core.errors import InvalidValueError
from trademantra.core.time import IST, NANOSECONDS_PER_SECOND, datetime_of, ns_of, parse_instant
from trademantra.sandbox.kite.description import described
from trademantra.sandbox.kite.errors import INPUT, KiteReplyError, invalid
from trademantra.sandbox.kite.faults import FaultKind
from trademantra.sandbox.kite.fields import Fields, fields_of, parsed_json
from trademantra.sandbox.kite.json_form import Json, encode, stamp
from trademantra.sandbox.kite.limits import Budget
from trademantra.sandbox.kite.operations import Answer, Call, Operation, Raw, Where, whole
from trademantra.sandbox.kite.pages import home_page

LONGEST_ADVANCE = timedelta(days=31)
_CLOCK_FIELDS = frozenset({"advance_seconds", "advance_to", "to_next_price", "speed", "paused"})


def home(call: Call) -> Answer:
    """What a browser sees first."""
    return Raw(home_page(call.desk.root, call.desk.accounts).encode(), "text/html; charset=utf-8")


def state(call: Call) -> Answer:
    """Where the server stands."""
    desk = call.desk
    return _json(
        {
            "profile": desk.settings.profile.value,
            "rate_limits": desk.settings.rate_limits,
            "clock": _clock(call),
            "instruments": len(desk.exchange.listings),
            "events": desk.pump.events,
            "sockets": desk.ticker.sockets,
            "sessions": [
                {"user_id": s.account.user_id, "api_key": s.account.api_key, "expires": stamp(s.expires_ns)}
                for s in desk.sessions.current()
            ],
            "accounts": [
                {
                    "user_id": a.user_id,
                    "api_key": a.api_key,
                    "orders": len(desk.exchange.orders(a.user_id)),
                    "trades": len(desk.exchange.trades(a.user_id)),
                }
                for a in desk.accounts
            ],
            "postbacks": {
                "waiting": desk.postbacks.waiting,
                "delivered": desk.postbacks.counts.delivered,
                "failed": desk.postbacks.counts.failed,
                "dropped": desk.postbacks.counts.dropped,
            },
            "faults": desk.faults.listed(),
        }
    )


def faults(call: Call) -> Answer:
    return _json({"faults": call.desk.faults.listed()})


def add_fault(call: Call) -> Answer:
    """Switch a failure on."""
    fault = call.desk.faults.add(parsed_json(call.body, "body"))
    if fault.kind is FaultKind.SOCKET_CUT:
        call.desk.ticker.beat()
    return _json(fault.json())


def clear_faults(call: Call) -> Answer:
    """Switch one failure off, or all."""
    number = call.query.whole("id") if call.query.has("id") else None
    return _json({"cleared": call.desk.faults.clear(number)})


async def move_clock(call: Call) -> Answer:
    """Advance the exchange's clock, change its pace, stop it and let it go on."""
    wanted = parsed_json(call.body, "body")
    unknown = sorted(set(wanted) - _CLOCK_FIELDS) if isinstance(wanted, Mapping) else []
    if unknown:
        raise invalid(unknown[0], f"Fields: {', '.join(sorted(_CLOCK_FIELDS))}.")
    fields = fields_of(wanted, "body")
    pump = call.desk.pump
    speed = float(fields.number("speed")) if fields.has("speed") else None
    paused = fields.flag("paused") if fields.has("paused") else None
    until_ns = _until(call, fields)
    try:
        if until_ns is not None:
            await pump.advance_to(until_ns)
        pump.set_pace(speed=speed, paused=paused)
    except InvalidValueError as error:
        raise KiteReplyError(400, INPUT, error.message) from error
    call.desk.sessions.end_expired()
    return _json(_clock(call))


def description(call: Call) -> Answer:
    """This API in OpenAPI's form."""
    return _json(described(call.desk.operations, call.desk.root))


def _until(call: Call, fields: Fields) -> int | None:
    now_ns = call.desk.clock.now_ns()
    until_ns = None
    if fields.has("advance_seconds"):
        until_ns = now_ns + int(fields.price("advance_seconds") * NANOSECONDS_PER_SECOND)
    elif fields.has("advance_to"):
        try:
            until_ns = ns_of(parse_instant(fields.text("advance_to"), IST))
        except InvalidValueError as error:
            raise invalid("advance_to", "Write it as 2026-11-20T09:15.") from error
    elif fields.flag("to_next_price"):
        until_ns = call.desk.pump.source.next_ns() or now_ns
    if (
        until_ns is not None
        and until_ns - now_ns > LONGEST_ADVANCE / timedelta(seconds=1) * NANOSECONDS_PER_SECOND
    ):
        raise KiteReplyError(400, INPUT, f"One step is at most {LONGEST_ADVANCE.days} days.")
    return until_ns


def _clock(call: Call) -> Json:
    pump = call.desk.pump
    now_ns = pump.time_ns
    upcoming = pump.source.next_ns()
    return {
        "now": datetime_of(now_ns).isoformat(),
        "now_ns": now_ns,
        "next_price": None if upcoming is None else datetime_of(upcoming).isoformat(),
        "speed": pump.speed,
        "paused": pump.paused,
    }


def _json(value: Json) -> Raw:
    return Raw(encode(value), "application/json")


_FAULT: Mapping[str, Json] = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"enum": [kind.value for kind in FaultKind]},
        "method": {"type": "string", "examples": ["POST", "*"]},
        "path": {"type": "string", "examples": ["/orders/*"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "probability": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "seed": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        "delay_ms": {"type": "integer", "minimum": 1, "maximum": 600_000},
        "tokens": {"type": "array", "items": {"type": "integer"}},
    },
}
_CLOCK: Mapping[str, Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "advance_seconds": {"type": "number", "exclusiveMinimum": 0},
        "advance_to": {"type": "string", "examples": ["2026-11-20T09:15"]},
        "to_next_price": {"type": "boolean"},
        "speed": {"type": "number", "minimum": 0, "maximum": 1_000_000},
        "paused": {"type": "boolean"},
    },
}


_CONTROL = partial(Operation, needs_login=False, budget=Budget.FREE, control=True)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/", summary="Start page", answer=home, needs_login=False, budget=Budget.FREE,
        content_type="text/html",
    ),
    _CONTROL(method="GET", path="/sandbox/state", summary="Where the server stands", answer=state),
    _CONTROL(method="GET", path="/sandbox/faults", summary="Failures that are on", answer=faults),
    _CONTROL(
        method="POST", path="/sandbox/faults", summary="Switch a failure on", answer=add_fault, json_body=_FAULT
    ),
    _CONTROL(
        method="DELETE", path="/sandbox/faults", summary="Switch failures off", answer=clear_faults,
        parameters=(whole("id", Where.QUERY),),
    ),
    _CONTROL(
        method="POST", path="/sandbox/clock", summary="Move the clock", answer=move_clock, json_body=_CLOCK
    ),
    _CONTROL(method="GET", path="/sandbox/openapi.json", summary="This description", answer=description),
)  # fmt: skip
