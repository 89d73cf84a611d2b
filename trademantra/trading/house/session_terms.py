"""What the instruments of a session are traded by: charges, products, hours, lots; and which of them do not go together."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Instrument, Segment, plain
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of
from trademantra.engine.records import RecordArray, SizeKind
from trademantra.markets.charges.numeric import numeric_rules
from trademantra.markets.sessions.phases import Session
from trademantra.trading.charges import charged_as
from trademantra.trading.house.session_minutes import leave_minute, session_of, since_open
from trademantra.trading.house.session_spec import SessionSpec

_YEAR = timedelta(days=366)  # a session is charged by the rates of each of its days, and few last longer
_OF_SHARES = (Product.CNC, Product.MIS, Product.MTF)
_OF_CONTRACTS = (Product.NRML, Product.MIS)
_NEAR_NS = 30 * NANOSECONDS_PER_MINUTE


def with_terms(spec: SessionSpec, today: date) -> SessionSpec:
    """The session with the charges and the minutes of its own instruments.

    Errors: `InvalidValueError` for what cannot be traded so, or not in one session; `MissingFactError` for no rates.
    """
    traded = {symbol: each for symbol, each in spec.instruments.items() if each.segment is not Segment.INDEX}
    for instrument in traded.values():
        _check_product(instrument, spec.product)
    _check_one_day(list(traded.values()), spec.clock, today)
    charges = {}
    if spec.tariff != "none":
        charges = {
            symbol: charges_of(spec.tariff, each, spec.product, today) for symbol, each in traded.items()
        }
    made = _with_minutes(replace(spec, charges=charges), today)
    _check_lots(made)
    _check_sold_options(made)
    if made.weights and (others := made.unlike):
        raise InvalidValueError(
            f"{spec.strategy.name} keeps target weights, with one lot and one table of charges for all: "
            f"{', '.join(others)} would need others than {made.symbols[0]}",
            hint="leave them out, or run them in a session of their own",
        )
    return made


def charges_of(tariff: str, instrument: Instrument, product: Product, today: date) -> RecordArray:
    """What trading an instrument costs at a broker, a year back and ahead as far as rates are known; at least today.

    Errors: `MissingFactError`, `InvalidValueError`.
    """
    like = charged_as(instrument)
    for first, last in ((today - _YEAR, today + _YEAR), (today - _YEAR, today), (today, today)):
        try:
            return numeric_rules(
                tariff, instrument.segment, product, instrument.exchange, symbol=like.symbol, kind=like.kind,
                group=like.group, first=first, last=last,
            )  # fmt: skip
        except MissingFactError:
            if first == today:
                raise
    raise AssertionError("the last try returns or raises")


def _check_product(instrument: Instrument, product: Product) -> None:
    contract = instrument.segment.is_derivative
    allowed = (
        _OF_CONTRACTS if contract else _OF_SHARES if instrument.segment is Segment.EQUITY else tuple(Product)
    )
    if product not in allowed:
        raise InvalidValueError(
            f"{instrument.key} is a {instrument.kind}: it is not traded as {product}",
            hint="--costs zerodha:NRML carries it, zerodha:MIS leaves within the day"
            if contract
            else "--costs zerodha:CNC carries shares, zerodha:MIS leaves within the day",
        )


def _check_one_day(traded: Sequence[Instrument], clock: Instrument, today: date) -> None:
    """A session has one day: one open, and closes that lie together, as those of shares and of their contracts do."""
    mine, asked = session_of(clock, today), {(clock.exchange, clock.segment)}
    for other in traded:
        if (other.exchange, other.segment) in asked:
            continue
        asked.add((other.exchange, other.segment))
        its = session_of(other, today)
        if (
            mine is None
            or its is None
            or mine.open_ns != its.open_ns
            or abs(mine.close_ns - its.close_ns) > _NEAR_NS
        ):
            raise InvalidValueError(
                f"{clock.key} trades {_hours(mine)}, {other.key} {_hours(its)}: a session has the hours of one market",
                hint="run them in sessions of their own",
            )


def _hours(session: Session | None) -> str:
    if session is None:
        return "at hours that are not known"
    return f"{datetime_of(session.open_ns):%H:%M} to {datetime_of(session.close_ns):%H:%M}"


def _with_minutes(spec: SessionSpec, today: date) -> SessionSpec:
    """Times of the day as minutes since the open; intraday positions leave with the earliest square-off of all."""
    times = spec.times
    if times is None:
        return spec
    traded = [each for each in spec.instruments.values() if each.segment is not Segment.INDEX]
    traded, clock = traded or list(spec.instruments.values()), spec.clock
    leaves = [] if times.leave is None else [since_open(times.leave, clock, today)]
    if times.squares_off is not None:
        leaves += [leave_minute(times.squares_off, each, today) for each in traded]
    first, last = times.first_entry, times.last_entry
    made = replace(
        spec,
        leave_minute=min(leaves, default=None),
        first_entry_minute=None if first is None else since_open(first, clock, today),
        last_entry_minute=None if last is None else since_open(last, clock, today),
    )
    begins = made.first_entry_minute
    ends = made.leave_minute if made.last_entry_minute is None else made.last_entry_minute
    if begins is not None and ends is not None and begins >= ends:
        raise InvalidValueError(
            f"nothing could be entered: first_entry {first} is not before last_entry, or before positions leave",
            hint="give an earlier first_entry",
        )
    return made


def _check_lots(spec: SessionSpec) -> None:
    """A number of units below one lot would enter nothing, day after day."""
    size = spec.rules.size
    for run in spec.runs():
        for symbol in run.symbols:
            lot = run.own[symbol].lot if symbol in run.own else run.rules.lot
            if spec.alone and size.kind is SizeKind.QUANTITY and size.value < lot:
                raise InvalidValueError(
                    f"size quantity:{size.value:g} is less than one lot of {symbol}, which is {lot:g}",
                    hint=f"--size quantity:{lot:g}, or a multiple of it",
                )


def _check_sold_options(spec: SessionSpec) -> None:
    """A part of equity divided by a premium is no size for a sold option: its margin is that of its underlying."""
    if not spec.alone or not spec.rules.allow_short or spec.rules.size.kind is SizeKind.QUANTITY:
        return
    for instrument in spec.instruments.values():
        if instrument.segment.is_options:
            raise InvalidValueError(
                f"{spec.strategy.name} may sell {instrument.key}, and a sold option is not sized by its premium",
                hint=f"--size quantity:{plain(instrument.lot_size)}, or --long-only",
            )
