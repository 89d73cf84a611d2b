"""From the options of `tm paper --replay` to the plan of a session."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from trademantra.cli.run_options import RunOptions
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Product
from trademantra.core.time import ns_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trademantra.data.resample import SessionSpan
    from trademantra.engine.bars import Bars
    from trademantra.research.inputs import Prepared, RunSpec
    from trademantra.trading.risk.limits import RiskLimits
    from trademantra.trading.session.plan import ReplayPlan

_FINEST = Decimal("0.0001")  # of the currency: what money is counted in
_NEAR = 1e-4  # of a tick: a price in binary is never exactly on it
_MOST_NAMES = 4


def replay_plan(
    options: RunOptions,
    path: Path,
    *,
    session_id: str,
    folder: Path,
    tick_size: Decimal,
    limits: "RiskLimits",
) -> "tuple[ReplayPlan, tuple[str, ...]]":
    """The plan, and what the user should know of its data.

    `path`: a file of bars, a bar store, or a data folder.  `options.first` is the first day that is played (default: the
    last day of the data); everything before it warms up.
    Errors: `NotFoundError`, `InvalidValueError`, those of an import, each naming what to change.
    """
    from trademantra.data.resample import resample
    from trademantra.data.store import BarStore
    from trademantra.engine.backtest import is_intraday
    from trademantra.engine.panel import AllocationStrategy
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.research.inputs import prepare_run
    from trademantra.trading.runner.spec import StrategySource
    from trademantra.trading.session.plan import ReplayPlan

    strategy = options.load_strategy()
    if options.costs.upper().endswith(f":{Product.NRML}"):
        raise InvalidValueError(
            "a replay trades its bars as shares, which are not carried as NRML",
            hint="--costs zerodha:MIS or zerodha:CNC; futures and options trade on the prices of now: --account",
        )
    spec = replace(options.spec(is_intraday(strategy)), first=None, timeframe=None, benchmark=None)
    root, sources = _sources(path, spec.symbols)
    spec = replace(
        spec, sources=sources, symbols=spec.symbols if path.is_file() else (), exchange=_exchange(spec, path)
    )
    prepared = prepare_run(spec, BarStore(root))
    bar = prepared.timeframe
    if not bar.is_intraday:
        raise InvalidValueError(
            f"{path}: bars of {bar} cannot be replayed, which of their prices came first is not known",
            hint="take intraday bars, also for --timeframe 1d; tm backtest runs on days",
        )
    timeframe = Timeframe.parse(options.timeframe) if options.timeframe else bar
    daily = timeframe == Timeframe(1, "d")
    if not daily and (not timeframe.is_intraday or timeframe.length_ns % bar.length_ns):
        raise InvalidValueError(
            f"bars of {timeframe} cannot be made of bars of {bar}", hint="give another --timeframe"
        )
    rules = options.rules(strategy, prepared)
    rules = replace(rules, as_live=True, lot=rules.lot or 1.0)
    lot_size = Decimal(repr(rules.lot))
    if tick_size * lot_size % _FINEST:
        raise InvalidValueError(
            f"a tick of {tick_size} and a lot of {lot_size} make amounts finer than the {_FINEST} that accounts keep",
            hint="give a larger --tick or --lot",
        )
    instruments = _instruments(prepared, tick_size, lot_size)
    spans = _spans(prepared, instruments, spec.segment)
    bars, notes = _on_the_tick(prepared.given.bars, tick_size)
    begin = _begin(options, prepared)
    begin_ns = ns_of(datetime.combine(begin, datetime.min.time(), prepared.zone))
    play = {
        symbol: part for symbol, one in bars.items() if len(part := one.slice(_at(one, begin_ns), len(one)))
    }
    if not play:
        raise NotFoundError(f"there are no bars from {begin} on", hint="choose an earlier --from")
    earlier = {symbol: one.slice(0, _at(one, begin_ns)) for symbol, one in bars.items() if symbol in play}
    warm_up = {
        symbol: one if timeframe == bar else resample(one, bar, timeframe, spans)
        for symbol, one in earlier.items()
        if len(one)
    }
    intraday = is_intraday(strategy) or options.intraday or prepared.product is Product.MIS
    if daily and intraday:
        raise InvalidValueError(
            "daily bars are decided on after the close, and intraday positions leave before it",
            hint="give an intraday --timeframe, or carry positions: --costs zerodha:CNC",
        )
    product = prepared.product or (Product.MIS if intraday else Product.CNC)
    if rules.allow_short and product is Product.CNC:
        raise InvalidValueError(
            "a position that is sold short cannot be carried overnight on paper",
            hint="add --intraday, or --long-only",
        )
    plan = ReplayPlan(
        session_id=session_id,
        folder=folder,
        strategy=StrategySource.file(options.strategy) if options.strategy.endswith(".py") else StrategySource.shipped(options.strategy),
        alone=isinstance(strategy, SignalStrategy),
        weights=isinstance(strategy, AllocationStrategy),
        instruments={symbol: instruments[symbol] for symbol in play},
        play=play,
        bar=bar,
        warm_up=warm_up,
        spans=spans,
        timeframe=timeframe,
        values=options.parameters(),
        rules=rules,
        charges=prepared.given.charges,
        bars_per_year=_bars_per_year(prepared, bar, timeframe),
        costs=options.costs,
        tariff=options.costs.partition(":")[0] if options.costs.partition(":")[0] != "flat" else options.costs,
        product=product,
        leave_minute=_leave_minute(prepared) if intraday else None,
        begin_ns=begin_ns,
        source=str(path),
        limits=limits,
        always_open=any(each.exchange not in (Exchange.NSE, Exchange.BSE, Exchange.MCX) for each in instruments.values()),
    )  # fmt: skip
    return plan, (*prepared.notes, *notes)


def _on_the_tick(
    all_bars: "Mapping[str, Bars]", tick_size: Decimal
) -> "tuple[dict[str, Bars], tuple[str, ...]]":
    """Prices as an exchange has them, and a note that names the shares of which some were beside the tick.

    Errors: `InvalidValueError` for prices below one tick.
    """
    from trademantra.engine.bars import Bars

    tick, digits = float(tick_size), max(0, -int(tick_size.normalize().as_tuple().exponent))
    made, beside = {}, []
    for symbol, bars in all_bars.items():
        if float(bars.low.min()) < tick:
            raise InvalidValueError(
                f"{symbol} trades at {float(bars.low.min()):g}, below one tick of {tick_size}",
                hint="give its --tick",
            )
        given = (bars.open, bars.high, bars.low, bars.close)
        prices = [((one / tick).round() * tick).round(digits) for one in given]
        opening, high, low, close = prices
        made[symbol] = Bars(bars.ts, opening, high, low, close, bars.volume)
        if any((abs(one - price) > _NEAR * tick).any() for one, price in zip(given, prices, strict=True)):
            beside.append(symbol)
    if not beside:
        return made, ()
    names = ", ".join(beside[:_MOST_NAMES]) + (" …" if len(beside) > _MOST_NAMES else "")
    return made, (f"prices beside the tick of {tick_size} were moved onto it: {names}; see --tick",)


def _sources(path: Path, symbols: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Root of the bar store, and the names or the file to read from it."""
    from trademantra.data.find import find_all
    from trademantra.data.store import BarStore

    if not path.exists():
        raise NotFoundError(f"there is no {path}", hint="name a file of bars, or the folder of a bar store")
    if path.is_file():
        return path.parent, (str(path),)
    root = path / "bars" if (path / "bars").is_dir() else path
    stored = BarStore(root).series([])
    entries = tuple(entry for entry in stored if entry.series.timeframe.is_intraday)
    if not entries:
        raise NotFoundError(
            f"no intraday bars are stored in {root}", hint="make some with tm data sample, or tm data import"
        )
    for symbol in symbols:
        if not any(entry.series.timeframe.is_intraday for entry in find_all(stored, symbol)):
            raise NotFoundError(
                f"of {symbol} only days are stored, and a replay needs intraday bars",
                hint="import some, or run tm backtest",
            )
    wanted = (
        entries if not symbols else tuple(entry for symbol in symbols for entry in find_all(entries, symbol))
    )
    shortest: dict[tuple[str, str], str] = {}
    for entry in sorted(wanted, key=lambda entry: entry.series.timeframe.length_ns):
        shortest.setdefault((entry.series.exchange, entry.series.symbol), str(entry.series))
    return root, tuple(shortest.values())


def _exchange(spec: "RunSpec", path: Path) -> str | None:
    return spec.exchange if spec.exchange or path.is_dir() else Exchange.NSE.value


def _instruments(prepared: "Prepared", tick_size: Decimal, lot_size: Decimal) -> dict[str, Instrument]:
    """Shares for all: an index is traded as if it were one, as `tm backtest` does."""
    made = {}
    for name in prepared.series:
        exchange, _, rest = name.partition(":")
        symbol = rest.rpartition(":")[0]
        known = exchange in {each.value for each in Exchange}
        made[symbol] = Instrument(
            exchange=Exchange(exchange) if known else Exchange.NSE,
            segment=Segment.EQUITY,
            kind=InstrumentKind.SHARE,
            symbol=symbol,
            tick_size=tick_size,
            lot_size=lot_size,
            has_derivatives=True,
        )
    return made


def _spans(
    prepared: "Prepared", instruments: dict[str, Instrument], segment: Segment
) -> "tuple[SessionSpan, ...]":
    """Windows of trading from the first bar to the last; days of the zone for markets that never close."""
    from datetime import timedelta

    from trademantra.core.time import datetime_of
    from trademantra.data.resample import daily_spans
    from trademantra.data.spans import known_sessions, spans_of

    first = min(datetime_of(int(one.ts[0]), prepared.zone).date() for one in prepared.given.bars.values())
    last = max(datetime_of(int(one.ts[-1]), prepared.zone).date() for one in prepared.given.bars.values())
    instrument = next(iter(instruments.values()))
    if instrument.exchange in (Exchange.NSE, Exchange.BSE, Exchange.MCX):
        sessions, _ = known_sessions(instrument, first, last)
        return spans_of(sessions)
    midnight = datetime.min.time()
    days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    return daily_spans(days, midnight, midnight, prepared.zone)


def _begin(options: RunOptions, prepared: "Prepared") -> date:
    from trademantra.core.time import datetime_of, parse_date

    last = max(datetime_of(int(one.ts[-1]), prepared.zone).date() for one in prepared.given.bars.values())
    begin = parse_date(options.first) if options.first else last
    if begin > last:
        raise InvalidValueError(f"the bars end on {last}", hint="choose an earlier --from")
    return begin


def _at(bars: "Bars", ns: int) -> int:
    return int(bars.ts.searchsorted(ns))


def _bars_per_year(prepared: "Prepared", bar: Timeframe, timeframe: Timeframe) -> float:
    """Of the strategy's timeframe, on average."""
    given = prepared.given
    if not timeframe.is_intraday:
        return given.sessions_per_year
    a_session = max(len(line) / len(line.ends) for line in given.timelines.values() if len(line))
    return given.sessions_per_year * a_session * bar.length_ns / timeframe.length_ns


def _leave_minute(prepared: "Prepared") -> int | None:
    """The minute of square-off that the run's timeline was laid out with; the last bar's where none was."""
    from trademantra.engine.records import Signal

    for line in prepared.given.timelines.values():
        if len(line.allowed):
            leaving = (line.allowed & int(Signal.SQUARE_OFF)) != 0
            if leaving.any():
                return int(line.minute[leaving].max())
    return None
