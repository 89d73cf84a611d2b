"""Quality of a stored series against the calendar of its exchange."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.core.errors import InvalidValueError, MissingFactError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.time import datetime_of
from trademantra.data.adjust import AdjustmentEvent
from trademantra.data.quality import Fault, QualityLimits, QualityReport, check
from trademantra.data.resample import Session, daily_spans, utc_day_spans
from trademantra.data.series import Series
from trademantra.data.spans import closing_auctions, known_sessions
from trademantra.data.store import BarStore, Entry
from trademantra.engine.bars import Bars

_AROUND_THE_CLOCK = frozenset({Exchange.BINANCE, Exchange.COINBASE, Exchange.WAZIRX})
_CONTRACT = re.compile(
    r"(?P<root>.+):(?P<expiry>\d{4}-\d{2}-\d{2}):(?:FUT|(?P<strike>[\d.]+):(?P<right>CE|PE))"
)
# The synthetic market trades on NSE's days (trademantra.data.sample).
_CALENDARS = {"SYNTH": Exchange.NSE}
_INDICES = re.compile(
    r"(NIFTY|BANKNIFTY|FINNIFTY|MIDCPNIFTY|SENSEX|BANKEX|INDIAVIX|INDIA VIX)( .*|50|NXT50)?"
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found, and what could not be looked at: `remarks`, such as a year without a holiday list."""

    entry: Entry
    report: QualityReport
    remarks: tuple[str, ...]


def audit(store: BarStore, entry: Entry) -> Audit:
    """Check every bar of a stored series.

    Where the calendar of its exchange is not known, bars are checked against the days that they have themselves,
    and a remark says so.  A share of which it is not known whether it has a closing auction (NSE, from
    2026-08-03) is taken to have one, unless it has bars all through those minutes.
    Files without a checksum are named: damage inside those cannot be seen.
    Errors: `NotFoundError` when it has been removed meanwhile; `BadInputError` for a damaged file.
    """
    found = _checked_with_calendar(store, entry)
    years = store.without_checksum(entry.series)
    if not years:
        return found
    remark = (
        f"{', '.join(map(str, years))} has no checksum (an earlier version wrote it), so damage inside the file is "
        "not noticed; import it again with --replace to give it one"
    )
    return replace(found, remarks=(*found.remarks, remark))


def _checked_with_calendar(store: BarStore, entry: Entry) -> Audit:
    bars = store.read(entry.series)
    zone = ZoneInfo(entry.info.timezone) if entry.info.timezone else entry.series.zone
    first, last = (datetime_of(ns, zone).date() for ns in (entry.first_ns, entry.last_ns))
    events = () if entry.info.adjusted else _events(store, entry.series)
    limits = _OPTION_LIMITS if _is_option(entry.series) else None
    remarks: list[str] = []
    for instrument in _readings(entry.series):
        try:
            sessions, auctions, unknown = _sessions(instrument, first, last, entry)
        except (MissingFactError, InvalidValueError) as error:
            remarks.append(f"missing days and bars outside sessions were not looked for: {error.message}")
            continue
        if instrument.has_derivatives and _trades_through(bars, auctions):
            continue
        report = check(
            bars, entry.series.timeframe, sessions, auctions=auctions, events=events, zone=zone, limits=limits
        )
        return Audit(
            entry, report, tuple(f"{day} was not checked: its trading hours are not known" for day in unknown)
        )
    own = _own_days(bars, zone)
    report = check(bars, entry.series.timeframe, own, events=events, zone=zone, limits=limits)
    return Audit(entry, _without_calendar(report), tuple(dict.fromkeys(remarks)) or (_NO_CALENDAR,))


# Bars a day inside the auction's minutes; the auction itself is one.
_LEAST_TRADED_THROUGH = 2.0
# An option's price jumps by any percentage between two trades; that says nothing of its data.
_OPTION_LIMITS = QualityLimits(jump_percent=float("inf"))
_NO_CALENDAR = (
    "missing days and bars outside sessions were not looked for: no calendar of this exchange is known"
)


def _is_option(series: Series) -> bool:
    contract = _CONTRACT.fullmatch(series.symbol)
    return contract is not None and contract["right"] is not None


def _trades_through(bars: Bars, auctions: Sequence[Session]) -> bool:
    """Whether bars go on through closing auctions; a share that has one prints a single bar in each."""
    starts = np.array([auction.open_ns for auction in auctions], np.int64)
    ends = np.array([auction.close_ns for auction in auctions], np.int64)
    inside = np.searchsorted(bars.ts, ends) - np.searchsorted(bars.ts, starts)
    traded = inside[inside > 0]
    return len(traded) > 0 and float(traded.mean()) >= _LEAST_TRADED_THROUGH


def _without_calendar(report: QualityReport) -> QualityReport:
    """Only what needs no calendar."""
    of_calendar = (Fault.GAP, Fault.MISSING_SESSION, Fault.OUTSIDE, Fault.OFF_GRID)
    kept = tuple(finding for finding in report.findings if finding.fault not in of_calendar)
    return QualityReport(report.timeframe, report.bars, report.bars, 0, kept, report.zone)


def _events(store: BarStore, series: Series) -> tuple[AdjustmentEvent, ...]:
    try:
        return store.events(series.exchange).of(series.symbol)
    except NotFoundError:
        return ()


def _sessions(
    instrument: Instrument, first: date, last: date, entry: Entry
) -> tuple[tuple[Session, ...], tuple[Session, ...], tuple[date, ...]]:
    """Sessions, their closing auctions, and the trading days whose hours are not known."""
    if instrument.exchange in _AROUND_THE_CLOCK:
        return _around_the_clock(entry), (), ()
    found, unknown = known_sessions(instrument, first, last)
    return found, closing_auctions(found), unknown


def _around_the_clock(entry: Entry) -> tuple[Session, ...]:
    """Days without pause; of the first and the last day only what lies between the first and the last bar."""
    spans = list(utc_day_spans(entry.first_ns, entry.last_ns))
    timeframe = entry.series.timeframe
    if timeframe.is_intraday:
        length = timeframe.length_ns
        first, last = spans[0], spans[-1]
        begin = first.open_ns + (entry.first_ns - first.open_ns) // length * length
        spans[0] = replace(first, open_ns=begin)
        spans[-1] = replace(spans[-1], close_ns=min(last.close_ns, entry.last_ns + length))
    return tuple(spans)


def _own_days(bars: Bars, zone: ZoneInfo) -> tuple[Session, ...]:
    """The calendar days on which there are bars, whole."""
    days = sorted({datetime_of(int(ns), zone).date() for ns in bars.ts})
    return daily_spans(days, time(), time(), zone)


def _readings(series: Series) -> tuple[Instrument, ...]:
    """What the series may be, as far as its hours go; empty when its exchange has no calendar here."""
    exchange = _CALENDARS.get(series.exchange)
    if exchange is None:
        try:
            exchange = Exchange(series.exchange)
        except ValueError:
            return ()
    if exchange in _AROUND_THE_CLOCK:
        return (_plain(exchange, series.symbol, Segment.CRYPTO_SPOT, InstrumentKind.COIN),)
    if exchange is Exchange.FOREX:
        return (_plain(exchange, series.symbol, Segment.FOREX, InstrumentKind.CURRENCY_PAIR),)
    if contract := _CONTRACT.fullmatch(series.symbol):
        return (_contract(exchange, series.symbol, contract),)
    if exchange in (Exchange.MCX, Exchange.NCDEX):
        return ()
    if _INDICES.fullmatch(series.symbol):
        return (_plain(exchange, series.symbol, Segment.INDEX, InstrumentKind.INDEX),)
    return tuple(
        _plain(exchange, series.symbol, Segment.EQUITY, InstrumentKind.SHARE, has_derivatives=known)
        for known in (True, False)
    )


def _plain(
    exchange: Exchange,
    symbol: str,
    segment: Segment,
    kind: InstrumentKind,
    *,
    has_derivatives: bool | None = None,
) -> Instrument:
    return Instrument(
        exchange=exchange, segment=segment, kind=kind, symbol=symbol, has_derivatives=has_derivatives
    )


def _contract(exchange: Exchange, symbol: str, found: re.Match[str]) -> Instrument:
    option = found["right"] is not None
    family = "commodity" if exchange is Exchange.MCX else "equity"
    return Instrument(
        exchange=exchange,
        segment=Segment(f"{family}_{'options' if option else 'futures'}"),
        kind=InstrumentKind.OPTION if option else InstrumentKind.FUTURE,
        symbol=symbol,
        underlying=found["root"],
        expiry=date.fromisoformat(found["expiry"]),
        strike=Decimal(found["strike"]) if option else None,
        right=OptionRight(found["right"]) if option else None,
    )
