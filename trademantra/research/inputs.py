"""From what a person names to what the engine runs on: bars, sessions, charges, trading rules."""

import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError, InvalidValueError, MissingFactError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Product
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND, datetime_of, ns_of
from trademantra.data.find import find_all, find_one
from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions
from trademantra.data.imports.reading import Plan
from trademantra.data.resample import Outside, SessionSpan, daily_spans, resample
from trademantra.data.series import zone_of
from trademantra.data.spans import known_sessions, spans_of, whole_days
from trademantra.data.store import BarStore, Entry
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars, Float64Array, Int64Array
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.timeline import Timeline, by_days, by_sessions
from trademantra.markets.charges.numeric import numeric_rules, numeric_warnings
from trademantra.markets.charges.orders import AssetKind
from trademantra.markets.sessions import square_off_time
from trademantra.research.price_jumps import jump_notes

INDICES = frozenset(
    {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "INDIAVIX"}
)
SYNTHETIC = "SYNTH"
NO_COSTS = "no costs: real trades pay brokerage and taxes, see --costs"
NO_EXCHANGE = "FILE"
# Options of `tm data import` alone, which its errors name.
_IMPORT_ONLY = ("--map", "--date-format", "--skip-bad", "--adjusted", "--only", "--decimal")
_CURRENCIES = {
    Exchange.NYSE.value: "USD",
    Exchange.NASDAQ.value: "USD",
    Exchange.BINANCE.value: "USDT",
    Exchange.COINBASE.value: "USD",
}
_INDIAN = (Exchange.NSE, Exchange.BSE)
_AROUND_THE_CLOCK = 365.0
_TRADING_DAYS = 252.0
_MIS_MARGIN = 0.2  # VaR + ELM is at least 20 %: five times at most (specs/india-markets.md 4)
FUTURES_MARGIN = 0.15  # a setting, not a fact: SPAN + exposure differ by contract and day


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What a run is asked for.

    `sources`: files, or names of stored series; `symbols` chooses among them.  `first` and `last` are days of the
    exchange, inclusive.  `costs`: `none`, `flat:RATE`, or `BROKER:PRODUCT`.  `exchange`, `timezone` help to read files.
    `adjusted` None: adjusted for splits and bonuses where events are on file.
    """

    sources: tuple[str, ...]
    symbols: tuple[str, ...] = ()
    timeframe: Timeframe | None = None
    first: date | None = None
    last: date | None = None
    costs: str = "none"
    segment: Segment = Segment.EQUITY
    exchange: str | None = None
    timezone: ZoneInfo | None = None
    benchmark: str | None = None
    adjusted: bool | None = None
    intraday: bool = False
    risk_free_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Input of the engine, the trading rules that its product implies, and what the user should know about both."""

    given: BacktestInput
    series: tuple[str, ...]
    timeframe: Timeframe
    product: Product | None
    notes: tuple[str, ...]
    zone: ZoneInfo
    currency: str
    finer_series: tuple[str, ...] = ()

    def rules(self, rules: TradingRules) -> TradingRules:
        """`rules` with whole units where shares trade, and with the leverage of the product."""
        whole = all(not each.startswith(("BINANCE", "COINBASE", "WAZIRX")) for each in self.series)
        lot = rules.lot or (1.0 if whole else 0.0)
        margin = {Product.MIS: _MIS_MARGIN, Product.NRML: FUTURES_MARGIN}.get(
            self.product or Product.CNC, 1.0
        )
        return replace(rules, lot=lot, margin=rules.margin if rules.margin != 1.0 else margin)


def prepare_run(spec: RunSpec, store: BarStore) -> Prepared:
    """Find the bars, cut and resample them, lay them on their sessions, choose the charges.

    Errors: `NotFoundError`, `BadInputError`, `InvalidValueError`, `MissingFactError`, each naming what to change.
    """
    with tempfile.TemporaryDirectory(prefix="tm-run-") as folder:
        notes: list[str] = []
        found = _entries(spec, store, Path(folder), notes)
        bars: dict[str, Bars] = {}
        timelines: dict[str, Timeline] = {}
        for where, entry in found:
            name = entry.series.symbol
            bars[name], timelines[name] = _one(spec, where, entry, notes)
            notes.extend(jump_notes(entry.series, bars[name], zone_of_run(entry.series.exchange)))
        [timeframe] = {spec.timeframe or entry.series.timeframe for _, entry in found} or {Timeframe(1, "d")}
        benchmark = _benchmark(spec, store, found, bars)
    exchange = found[0][1].series.exchange
    first, last = _days(bars.values(), zone_of_run(exchange))
    broker, product = _costs(spec.costs)
    if (spec.intraday or product is Product.MIS) and not timeframe.is_intraday:
        raise InvalidValueError(
            f"positions that are flat at the end of each day cannot be run on bars of {timeframe}",
            hint="take intraday bars, or a product that is carried (CNC, NRML)",
        )
    if spec.intraday or product is Product.MIS:
        timelines = {
            name: _squared_off(each, broker, exchange, name, last, spec.segment)
            for name, each in timelines.items()
        }
    charges = _charges(spec, broker, product, exchange, tuple(bars), first, last, notes)
    return Prepared(
        BacktestInput(
            bars,
            timelines,
            charges,
            sessions_per_year=_sessions_per_year(exchange, timeframe),
            risk_free_rate=spec.risk_free_rate,
            benchmark=benchmark,
        ),
        tuple(str(entry.series) for _, entry in found),
        timeframe,
        product,
        tuple(dict.fromkeys(notes)),
        spec.timezone if exchange == NO_EXCHANGE and spec.timezone else zone_of_run(exchange),
        _CURRENCIES.get(exchange, "INR"),
    )


def zone_of_run(exchange: str) -> ZoneInfo:
    """Zone of the days of a run: that of the exchange; the synthetic market keeps India's hours."""
    return zone_of("NSE" if exchange == SYNTHETIC else exchange)


def _entries(spec: RunSpec, store: BarStore, scratch: Path, notes: list[str]) -> list[tuple[BarStore, Entry]]:
    """The stored series to run on, each with its store; files are read into a store in `scratch` first."""
    files = [Path(source) for source in spec.sources if _is_file(source)]
    names = [source for source in spec.sources if not _is_file(source)]
    found: list[tuple[BarStore, Entry]] = []
    if files:
        own = BarStore(scratch / "bars")
        for place, file in enumerate(files):
            _read_file(spec, file, own, scratch, notes, alone=len(files) == 1 and place == 0)
        entries = own.series()
        for symbol in spec.symbols:
            find_all(entries, symbol)
        found += [(own, entry) for entry in entries]
    if names or (spec.symbols and not files):
        damaged: list[BadInputError] = []
        entries = store.series(damaged)
        notes.extend(f"left out: {error.message}" for error in damaged)
        entries = _on_exchange(entries, spec.exchange)
        chosen = [
            _chosen(entries, name, spec.timeframe) for name in (*names, *(spec.symbols if not files else ()))
        ]
        found += [(store, entry) for entry in dict.fromkeys(chosen)]
    if not found:
        raise NotFoundError(
            "no bars were named", hint="--bars PATH or --bars SYMBOL; tm data list shows what is stored"
        )
    exchanges = {entry.series.exchange for _, entry in found}
    timeframes = {entry.series.timeframe for _, entry in found}
    shown = ", ".join(sorted(str(entry.series) for _, entry in found)[:6])
    if len(exchanges) > 1:
        raise InvalidValueError(
            f"the series are of several exchanges: {shown}",
            hint=f"a run has the hours, charges and currency of one: run {' and '.join(sorted(exchanges))} apart",
        )
    if len(timeframes) > 1 and spec.timeframe is None:
        raise InvalidValueError(
            f"the series are of several timeframes: {shown}",
            hint="give --timeframe, one that can be made from all of them",
        )
    return found


def _on_exchange(entries: tuple[Entry, ...], exchange: str | None) -> tuple[Entry, ...]:
    """The stored series of an exchange, all when none is asked for.  Errors: `NotFoundError` for one without any."""
    found = tuple(entry for entry in entries if exchange in (None, entry.series.exchange))
    if entries and not found:
        stored = ", ".join(sorted({entry.series.exchange for entry in entries}))
        raise NotFoundError(f"no bars of {exchange} are stored", hint=f"bars are stored of {stored}")
    return found


def _read_file(
    spec: RunSpec, file: Path, store: BarStore, scratch: Path, notes: list[str], *, alone: bool
) -> None:
    """Put the bars of a file into a store of this run alone.

    What the file leaves open is settled without asking, since nothing is kept: a file of no exchange counts its days
    in the zone of its times, times without a zone are the exchange's (UTC where none is named), and a file without
    symbols is named by itself.  All of it is told in the notes.
    """

    def remember(plan: Plan) -> None:
        notes.extend(f"{file.name}: {notice}" for notice in plan.layout.notices)
        if plan.layout.stamps.kind.needs_zone and spec.timezone is None:
            notes.append(
                f"{file.name}: its times have no zone and are read as {zone.key}; --timezone says otherwise"
            )
        if plan.layout.exchange == NO_EXCHANGE:
            notes.append(
                f"{file.name}: no exchange is named, so every day is one session; --exchange says otherwise"
            )

    zone = spec.timezone or (zone_of_run(spec.exchange) if spec.exchange else ZoneInfo("UTC"))
    named = spec.symbols[0] if alone and len(spec.symbols) == 1 else file.name.split(".")[0]
    options = ImportOptions(
        exchange=spec.exchange,
        timezone=zone,
        only=spec.symbols,
        exchange_if_unnamed=NO_EXCHANGE,
        symbol_if_unnamed=named.upper(),
    )
    job = ImportJob(
        paths=[file], options=options, rejects=scratch / "rejects.csv", scratch=scratch, on_plan=remember
    )
    try:
        run(job, store)
    except BadInputError as error:
        if any(option in error.hint for option in _IMPORT_ONLY):
            command = f"tm data import {shlex.quote(str(file))} --exchange {spec.exchange or 'NSE'}"
            error.hint += (
                f"; that is an option of the import: run {command} --symbol {named.upper()} --timezone {zone.key} "
                f"with it, then this with --bars {named.upper()}"
            )
        raise


def _is_file(source: str) -> bool:
    looks = (
        "/" in source
        or "\\" in source
        or source.lower().endswith((".parquet", ".csv", ".gz", ".zip", ".json"))
    )
    if looks and not Path(source).exists():
        raise NotFoundError(f"there is no file {source}")
    return Path(source).is_file() or looks


def _chosen(entries: Sequence[Entry], text: str, timeframe: Timeframe | None) -> Entry:
    """The stored series to use: the one asked for, or the longest bars from which the timeframe can be made."""
    if timeframe is None:
        return find_one(entries, text)
    fitting = [
        entry
        for entry in find_all(entries, text)
        if entry.series.timeframe == timeframe
        or (
            not timeframe.is_intraday
            and (entry.series.timeframe.is_intraday or entry.series.timeframe.unit == "d")
        )
        or (
            timeframe.is_intraday
            and entry.series.timeframe.is_intraday
            and timeframe.length_ns % entry.series.timeframe.length_ns == 0
        )
    ]
    if not fitting:
        return find_one(entries, text, timeframe)
    symbols = {(entry.series.exchange, entry.series.symbol) for entry in fitting}
    if len(symbols) > 1:
        return find_one(entries, text, timeframe)
    return max(fitting, key=lambda entry: (entry.series.timeframe == timeframe, entry.series))


def _one(spec: RunSpec, store: BarStore, entry: Entry, notes: list[str]) -> tuple[Bars, Timeline]:
    """Bars of one series in the asked range and timeframe, on their sessions."""
    series = entry.series
    zone = zone_of_run(series.exchange)
    start = ns_of(datetime.combine(spec.first, datetime.min.time(), zone)) if spec.first else None
    stop = (
        ns_of(datetime.combine(spec.last + timedelta(days=1), datetime.min.time(), zone))
        if spec.last
        else None
    )
    wants = _adjusts(spec, store, entry)
    bars = store.read(series, start, stop, adjusted=wants)
    if wants:
        notes.append("prices are adjusted for the splits and bonuses on file")
    if entry.info.synthetic:
        notes.append("synthetic data: invented prices, good for trying things, not for judging a strategy")
    if len(bars) == 0:
        raise NotFoundError(
            f"{series} has no bars from {spec.first or 'the start'} to {spec.last or 'the end'}",
            hint=f"it holds {datetime_of(entry.first_ns, zone).date()} to {datetime_of(entry.last_ns, zone).date()}",
        )
    timeframe = spec.timeframe or series.timeframe
    spans = (
        _spans(series.exchange, series.symbol, spec.segment, bars, zone)
        if series.timeframe.is_intraday
        else None
    )
    if spans is None:  # days need no hours, and a market that never closes has none
        if timeframe != series.timeframe:
            first, last = _days([bars], zone)
            all_days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
            midnight = datetime.min.time()
            bars = resample(
                bars, series.timeframe, timeframe, daily_spans(all_days, midnight, midnight, zone)
            )
        return bars, _by_local_days(bars.ts, zone)
    inside = resample(bars, series.timeframe, series.timeframe, spans, outside=Outside.DROP)
    if 2 * len(inside) < len(bars):
        raise InvalidValueError(
            f"{series}: {len(bars) - len(inside):,} of {len(bars):,} bars lie outside the trading hours of {series.exchange}",
            hint="state the zone of the times with --timezone, or another --exchange",
        )
    if len(inside) < len(bars):
        notes.append(f"{series}: {len(bars) - len(inside)} bars outside trading hours were left out")
    if timeframe != series.timeframe:
        inside = resample(inside, series.timeframe, timeframe, spans)
    if len(inside) == 0:
        raise NotFoundError(
            f"{series} has no bars inside trading hours", hint="check its time zone: tm data check"
        )
    if not timeframe.is_intraday:
        return inside, _by_local_days(inside.ts, zone)
    days = whole_days(spans)
    return inside, by_sessions(inside.ts, days, auctions_ns=[day.auction_ns for day in days])


def _by_local_days(ts: Int64Array, zone: ZoneInfo) -> Timeline:
    """Every day of the zone is a session.  Summer time moves the offset, so each bar has its own."""
    seconds = [(datetime_of(ns, zone).utcoffset() or timedelta()).total_seconds() for ns in ts.tolist()]
    return by_days(ts + np.array(seconds, np.int64) * NANOSECONDS_PER_SECOND)


def _adjusts(spec: RunSpec, store: BarStore, entry: Entry) -> bool:
    """Whether prices are adjusted on reading: as asked, else where splits or bonuses of the symbol are on file."""
    if spec.adjusted is not None:
        return spec.adjusted
    if entry.info.adjusted:
        return False
    try:
        return bool(store.events(entry.series.exchange).of(entry.series.symbol))
    except NotFoundError:
        return False


def _spans(
    exchange: str, symbol: str, segment: Segment, bars: Bars, zone: ZoneInfo
) -> tuple[SessionSpan, ...] | None:
    """Trading hours of the bars; None for markets that are taken by calendar days."""
    if exchange != SYNTHETIC and exchange not in (*(e.value for e in _INDIAN), Exchange.MCX.value):
        return None
    first, last = _days([bars], zone)
    sessions, unknown = known_sessions(instrument_of(exchange, symbol, segment), first, last)
    for day in unknown:
        begin = ns_of(datetime.combine(day, datetime.min.time(), zone))
        if len(bars.between(begin, begin + NANOSECONDS_PER_DAY)):
            raise MissingFactError(
                "special_sessions",
                f"the hours of {exchange} on {day}, a day on which {symbol} has bars",
                hint="leave the day out with --from and --to, or use daily bars",
            )
    return spans_of(sessions)


def instrument_of(exchange: str, symbol: str, segment: Segment) -> Instrument:
    """An instrument good enough to ask the session tables: a share counts as one that takes part in the closing
    auction unless something better is known, since that timetable covers the other."""
    if exchange == SYNTHETIC:
        exchange = Exchange.NSE.value
    index = symbol in INDICES or symbol.startswith("NIFTY ")
    if index or segment is not Segment.EQUITY:
        return Instrument(
            exchange=Exchange(exchange), segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol=symbol
        )
    return Instrument(
        exchange=Exchange(exchange), segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol,
        has_derivatives=True,
    )  # fmt: skip


def _days(many: Iterable[Bars], zone: ZoneInfo) -> tuple[date, date]:
    """First and last day of some bars, in the zone."""
    bounds = [(int(bars.ts[0]), int(bars.ts[-1])) for bars in many]
    first, last = min(first for first, _ in bounds), max(last for _, last in bounds)
    return datetime_of(first, zone).date(), datetime_of(last, zone).date()


def _never_closes(exchange: str) -> bool:
    return exchange in (Exchange.BINANCE.value, Exchange.COINBASE.value, Exchange.WAZIRX.value)


def _sessions_per_year(exchange: str, timeframe: Timeframe) -> float:
    """Sessions a year, or bars a year where a bar is longer than a day."""
    days = _AROUND_THE_CLOCK if _never_closes(exchange) else _TRADING_DAYS
    return {"d": days, "w": 52.0, "mo": 12.0}.get(timeframe.unit, days * timeframe.count) / timeframe.count


def _costs(text: str) -> tuple[str, Product | None]:
    """Broker and product of `zerodha:MIS`; no product for `none` and `flat:RATE`."""
    broker, _, product = text.partition(":")
    if broker in ("none", "flat"):
        return text, None
    try:
        return broker, Product(product.upper())
    except ValueError as error:
        raise InvalidValueError(
            f"costs {text!r} name no product",
            hint="write none, flat:0.001 or BROKER:PRODUCT, such as zerodha:MIS",
        ) from error


def charges_for(costs: str, exchange: str, bars: Mapping[str, Bars]) -> RecordArray | None:
    """Numeric charge rules of shares for bars that come without a store; None for no costs."""
    broker, product = _costs(costs)
    first, last = _days(bars.values(), zone_of_run(exchange))
    return _charges(RunSpec(sources=()), broker, product, exchange, ("", ""), first, last, [])


def _charges(
    spec: RunSpec,
    broker: str,
    product: Product | None,
    exchange: str,
    symbols: tuple[str, ...],
    first: date,
    last: date,
    notes: list[str],
) -> RecordArray | None:
    """Numeric charge rules for the days of the run; what a contract note would warn of goes to `notes`."""
    if broker == "none":
        notes.append(NO_COSTS)
        return None
    if (
        any(symbol in INDICES or symbol.startswith("NIFTY ") for symbol in symbols)
        and spec.segment is Segment.EQUITY
    ):
        notes.append(
            "an index cannot be bought or sold: charges are those of a share, take its futures for real figures"
        )
    at = Exchange.NSE if exchange == SYNTHETIC or exchange not in list(Exchange) else Exchange(exchange)
    if at.value != exchange:
        notes.append(f"charges are those of {at}")
    segment = spec.segment
    if _never_closes(exchange):
        segment = Segment.CRYPTO_SPOT
    one = symbols[0] if len(symbols) == 1 and exchange != SYNTHETIC else ""
    kind = AssetKind.SHARE if not one and segment is Segment.EQUITY else None
    traded = product or Product.CNC
    notes.extend(numeric_warnings(broker, segment, traded, at, symbol=one, kind=kind, first=first, last=last))
    return numeric_rules(broker, segment, traded, at, symbol=one, kind=kind, first=first, last=last)


def _squared_off(
    timeline: Timeline, broker: str, exchange: str, symbol: str, last: date, segment: Segment
) -> Timeline:
    """Intraday rules: flat when the broker squares off, or by the platform's default, or with the last bar."""
    if exchange != SYNTHETIC and exchange not in (Exchange.NSE.value, Exchange.BSE.value):
        return timeline.with_square_off(int(timeline.minute.max()))
    instrument = instrument_of(exchange, symbol, segment)
    try:
        leave = square_off_time(broker, instrument, last)
    except (MissingFactError, InvalidValueError):
        leave = square_off_time("default", instrument, last)
    opened = 9 * 60 + 15
    return timeline.with_square_off(leave.hour * 60 + leave.minute - opened)


def _benchmark(
    spec: RunSpec, store: BarStore, found: Sequence[tuple[BarStore, Entry]], bars: Mapping[str, Bars]
) -> Float64Array | None:
    """Closes of the benchmark on the clock of the run: its last known close at each time.

    Errors: `NotFoundError`; `InvalidValueError` when it begins after the run does.
    """
    if spec.benchmark is None:
        return None
    stores = [*dict.fromkeys(each for each, _ in found), store]
    entries = {entry: each for each in reversed(stores) for entry in each.series([])}
    asked = spec.timeframe or found[0][1].series.timeframe
    entry = _chosen(tuple(entries), spec.benchmark, asked)
    other = entries[entry].read(entry.series, adjusted=_adjusts(spec, entries[entry], entry))
    ts = np.unique(np.concatenate([one.ts for one in bars.values()]))
    at = np.searchsorted(other.ts, ts, side="right") - 1
    if at[0] < 0:
        raise InvalidValueError(
            f"benchmark {entry.series} begins after the run does",
            hint="take a later --from or another benchmark",
        )
    return other.close[at]
