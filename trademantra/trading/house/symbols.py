"""The instruments that a session or a person names, as a data source lists them today.

A contract has three names: its key (NSE:NIFTY:2026-11-23:FUT), that of the desk (NSE:NIFTY23NOV26FUT) and that of the
broker (NFO:NIFTY26NOVFUT).  All are taken, the last two also without an exchange.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from trademantra.core.errors import (
    AmbiguousInstrumentError,
    InvalidValueError,
    MissingFactError,
    NotFoundError,
    UnknownInstrumentError,
)
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind
from trademantra.data.exchange_names import exchange_named
from trademantra.markets.contracts.expiries import expiry_calendar
from trademantra.markets.symbols.grammars import Grammar, parse
from trademantra.markets.symbols.names import ContractName, with_expiry
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.house.session_spec import SessionSpec
from trademantra.trading.house.session_terms import with_terms

_GRAMMARS = (Grammar.KITE, Grammar.ANGEL_ONE)  # the broker's names of contracts; the desk's own
_KEY = re.compile(r"[^:]+:[^:]+:\d{4}-\d\d-\d\d:.+")
_MOST_TOLD = 6


def full_name(text: str) -> str:
    """A name as `listed` takes it: in capitals, with the exchange in the place of a segment's name; NSE is meant where a
    share names none.  A contract without an exchange is looked for in all.

    Errors: `InvalidValueError` for an exchange that is not known.

    >>> full_name("infy"), full_name("NFO:NIFTY26NOVFUT"), full_name("nifty26novfut"), full_name("BSE:INFY")
    ('NSE:INFY', 'NSE:NIFTY26NOVFUT', 'NIFTY26NOVFUT', 'BSE:INFY')
    """
    name = text.strip().upper()
    prefix, colon, rest = name.partition(":")
    if not colon:
        return name if _readings(name) else f"{Exchange.NSE}:{name}"
    exchange = exchange_named(prefix)
    if exchange == prefix or _KEY.fullmatch(name) or _readings(f"{exchange}:{rest}"):
        return f"{exchange}:{rest}"
    return name  # a share has no such prefix: it is told as not listed


async def listed(names: Collection[str], source: PriceReads) -> Mapping[str, Instrument]:
    """By the name asked for, as `full_name` writes it.

    Errors: `NotFoundError` naming those that are not listed; `AmbiguousInstrumentError` saying what to write.
    """
    found: dict[str, Instrument] = {}
    readings = {name: _readings(name) for name in names}
    wanted = {reading.underlying for each in readings.values() for reading in each}
    underlyings: set[str] = set()
    contracts: list[Instrument] = []
    for each in await source.instruments():
        if each.key in readings:
            found[each.key] = each
        if each.underlying is not None:
            underlyings.add(each.underlying)
            if each.underlying in wanted:
                contracts.append(each)
            if (name := f"{each.exchange}:{each.symbol}") in readings and each.expiry is not None:
                found[name] = each
    for name, each_reading in readings.items():
        if name not in found and (contract := _contract_of(name, each_reading, contracts)) is not None:
            found[name] = contract
    missing = [name for name in names if name not in found]
    if missing:
        raise NotFoundError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not listed at the broker today",
            hint=_instead(missing[0], readings[missing[0]], contracts),
        )
    return {name: _with_hours(found[name], underlyings) for name in names}


async def with_instruments(spec: SessionSpec, source: PriceReads, today: date) -> SessionSpec:
    """The session with what it trades, by plain symbol in the order asked for, and by what terms.

    Errors: those of `listed` and of `with_terms`; `InvalidValueError` for one symbol of two exchanges.
    """
    names = dict.fromkeys(full_name(name) for name in spec.symbols)
    chosen: dict[str, Instrument] = {}
    for name, instrument in (await listed(names, source)).items():
        other = chosen.setdefault(instrument.symbol, instrument)
        if other.key != instrument.key:
            raise InvalidValueError(
                f"{name} and {other.key} have one symbol; a strategy could not tell them apart",
                hint="run it once for each exchange",
            )
    found = replace(spec, instruments=chosen, symbols=tuple(chosen), asked=spec.symbols)
    return with_terms(found, today)


def _readings(name: str) -> Sequence[ContractName]:
    """What contracts a name can mean; none for a share."""
    made = []
    for grammar in _GRAMMARS:
        try:
            made.append(parse(grammar, name))
        except InvalidValueError:
            continue
    return made


def _contract_of(
    name: str, readings: Sequence[ContractName], contracts: Sequence[Instrument]
) -> Instrument | None:
    """The listed contract that a name means; None: there is none.  Errors: `AmbiguousInstrumentError`."""
    found = {each.key: each for reading in readings for each in _meant(reading, contracts)}
    if len(found) > 1:
        raise AmbiguousInstrumentError(
            f"{name} can be {' or '.join(sorted(found))}", hint=f"write the one that you mean: {min(found)}"
        )
    return next(iter(found.values()), None)


def _meant(reading: ContractName, contracts: Sequence[Instrument]) -> Iterator[Instrument]:
    """Contracts that a reading means, one an exchange at most."""
    kin = [
        each
        for each in contracts
        if (each.underlying, each.kind) == (reading.underlying, reading.kind)
        and reading.exchange in (None, each.exchange)
    ]
    for exchange in {each.exchange for each in kin}:
        there = [each for each in kin if each.exchange is exchange]
        expiry = _expiry(reading, there)
        for each in there:
            if (each.expiry, each.strike, each.right) == (expiry, reading.strike, reading.right):
                yield each


def _expiry(reading: ContractName, there: Sequence[Instrument]) -> date | None:
    """The day that a name means, among all expiries of its underlying: the monthly contract is the last of its month.

    Currencies list weeklies after it, and a holiday can move a weekly contract behind it: then the month does not say.
    Errors: `AmbiguousInstrumentError`.
    """
    listed_days = {each.expiry for each in there if each.expiry is not None}
    is_currency = any(each.segment.value.startswith("currency") for each in there)
    asked = replace(reading, is_monthly=None) if is_currency else reading
    try:
        expiry = with_expiry(asked, listed_days).expiry
    except UnknownInstrumentError:
        return None
    except AmbiguousInstrumentError as error:
        raise AmbiguousInstrumentError(error.message, hint=_write(there)) from error
    if reading.expiry is None and expiry is not None and len(listed_days) > 1:
        try:
            monthly = expiry_calendar(there[0].exchange, there[0].segment).monthly_expiry(
                reading.underlying, reading.year, reading.month
            )
        except (MissingFactError, InvalidValueError):
            return expiry
        if monthly != expiry and monthly in listed_days:
            raise AmbiguousInstrumentError(
                f"the monthly contract of {reading.underlying} in {reading.year}-{reading.month:02} may be of {monthly} or "
                f"{expiry}",
                hint=_write(there),
            )
    return expiry


def _write(there: Sequence[Instrument]) -> str:
    return f"write the day: {there[0].key}"


def _instead(name: str, readings: Sequence[ContractName], contracts: Sequence[Instrument]) -> str:
    """What could be written instead of a name that is not listed."""
    for reading in readings:
        kin = [
            (each.expiry, each)
            for each in contracts
            if each.expiry is not None and (each.underlying, each.kind) == (reading.underlying, reading.kind)
        ]
        days = sorted({day for day, _ in kin})
        month = [day for day in days if (day.year, day.month) == (reading.year, reading.month)]
        wanted, strike = reading.expiry or max(month, default=None), reading.strike or Decimal(0)
        near = [each for day, each in kin if day == wanted and each.right is reading.right]
        if near:
            nearest = min(near, key=lambda each: abs((each.strike or strike) - strike))
            return f"{'the nearest strike is' if strike else 'there is'} {nearest.key}"
        if days:
            kind = "futures" if reading.kind is InstrumentKind.FUTURE else "options"
            more = " …" if len(days) > _MOST_TOLD else ""
            return f"{reading.underlying} has {kind} of {', '.join(map(str, days[:_MOST_TOLD]))}{more}"
    return "write EXCHANGE:SYMBOL, such as NSE:INFY, BSE:INFY or NFO:NIFTY26NOVFUT"


def _with_hours(instrument: Instrument, underlyings: Collection[str]) -> Instrument:
    """A share's hours depend on whether it has derivatives (closing auction, specs/india-markets.md 3.1): the broker's
    list of the day says so."""
    if instrument.has_derivatives is not None or instrument.kind is not InstrumentKind.SHARE:
        return instrument
    return replace(instrument, has_derivatives=instrument.symbol in underlyings)
