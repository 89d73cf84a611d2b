"""Sample data put into a person's data folder: made once, extended, and never over data of his own."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.errors import DataConflictError, MissingFactError, NotFoundError
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.data.adjust import AdjustmentEvents
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.durable import exclusive_lock, replace_file
from trademantra.data.sample.calendar import option_expiries, trading_days_from
from trademantra.data.sample.market import PAISE_PER_RUPEE, SYNTHETIC_EXCHANGE, SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.options import OptionChain, OptionQuotes, generate_option_chain
from trademantra.data.sample.real import EXCHANGES, SOURCE, RealPrices, real_prices
from trademantra.data.sample.ticks import Ticks, generate_ticks
from trademantra.data.sample.universe import INDEX_SYMBOL, synthetic_index, synthetic_shares
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import PRICE_FIELDS, Bars

SYNTHETIC_LABEL = "SYNTHETIC sample"
REAL_LABEL = "public domain sample"
_MINUTE = Timeframe(1, "m")
# Shares made at a time, so that memory stays flat however many are asked for.
_BATCH = 16
_METADATA_KEY = "trademantra"


class Which(StrEnum):
    """Which of the sample data to make."""

    REAL = "real"
    SYNTHETIC = "synthetic"


class Outcome(StrEnum):
    """What happened to one piece of sample data."""

    MADE = "made"
    EXTENDED = "extended"
    REPLACED = "replaced"
    ALREADY_THERE = "already there"
    KEPT = "kept as it was"
    UNKNOWN = "not made: no expiry is known for that day"


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What to make: seed, number of invented shares, number of trading days and the first of them.

    `only` None makes both kinds; `force` puts sample data in the place of whatever else has its name.
    """

    seed: int = 7
    shares: int = 10
    days: int = 60
    first: date = field(default=date(2026, 1, 1))
    only: Which | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """One piece: `name` of the series, or file name; number of `rows`; what happened."""

    name: str
    rows: int
    outcome: Outcome
    synthetic: bool


def synthetic_market(request: SampleRequest) -> SyntheticMarket:
    """The market of a request, an index over all its shares included.

    Errors: `InvalidValueError`; `MissingFactError` when the days reach into a year without a holiday list.
    """
    shares = synthetic_shares(request.shares)
    days = trading_days_from(request.first, request.days)
    return SyntheticMarket(seed=request.seed, days=days, shares=shares, indices=(synthetic_index(shares),))


def pieces(request: SampleRequest) -> int:
    """How many pieces `install_sample` will answer for a request."""
    real = 0 if request.only is Which.SYNTHETIC else len(EXCHANGES)
    # Shares, the index, a day of ticks, an option chain.
    return real + (0 if request.only is Which.REAL else request.shares + 3)


def install_sample(root: Path, request: SampleRequest) -> Iterator[Installed]:
    """Make sample data below a data folder, piece by piece: bars in its bar store, tables in `sample/`.

    What is there already is left as it is; a longer period of the same seed is appended.  Anything else under
    the same name is kept unless `request.force`.  Of invented markets there is one at a time: another one is refused,
    or with `force` put in the place of the whole of the stored one.
    Errors: as `synthetic_market`, and `DataConflictError` for another market; both before anything is written.
    """
    store = BarStore(root / "bars")
    market = None if request.only is Which.REAL else synthetic_market(request)
    if market is not None:
        _make_way(store, market, force=request.force)
    if request.only is not Which.SYNTHETIC:
        for share in real_prices():
            yield _install_real(store, share, force=request.force)
    if market is not None:
        yield from _install_synthetic(store, market, force=request.force)
        yield from _install_tables(root / "sample", market, force=request.force)


def _make_way(store: BarStore, market: SyntheticMarket, *, force: bool) -> None:
    """Refuse, or with `force` delete, what is stored of another invented market: shares of two do not belong together.

    What an installation that was cut off has left of this very market may stay.
    """
    stored = {
        entry.series: entry.info.source
        for entry in store.series([])
        if entry.series.exchange == SYNTHETIC_EXCHANGE and entry.info.label == SYNTHETIC_LABEL
    }
    asked = {Series(SYNTHETIC_EXCHANGE, symbol, _MINUTE) for symbol in market.symbols}
    whole = Series(SYNTHETIC_EXCHANGE, INDEX_SYMBOL, _MINUTE) in stored
    fits = stored.keys() == asked if whole else stored.keys() <= asked
    sources = sorted(set(stored.values()))
    if fits and all(source == _source(market) for source in sources):
        return
    if not force:
        shares = len(stored) - (1 if whole else 0)
        raise DataConflictError(
            f"another sample market is stored: {' and '.join(sources)}, {shares} shares; this one is "
            f"{_source(market)}, {len(market.shares)} shares, and the two do not mix",
            hint=f"--force replaces it; --seed and --symbols {shares} as before extend it; --data-dir keeps both",
        )
    for series in stored.keys() - asked:
        store.delete(series)


def _source(market: SyntheticMarket) -> str:
    return f"synthetic market, seed {market.seed}"


def _install_real(store: BarStore, share: RealPrices, *, force: bool) -> Installed:
    info = SeriesInfo(source=SOURCE, tick_size=Decimal("0.01"), label=REAL_LABEL)
    outcome = _store(store, share.series, share.bars, info, force=force)
    # Events belong to the prices that they adjust; a person's own prices may be adjusted already.
    if outcome is not Outcome.KEPT and share.splits:
        try:
            _put_events(store, share.series.exchange, AdjustmentEvents(share.splits))
        except DataConflictError as error:
            raise DataConflictError(
                f"the stored splits of {share.series.exchange}:{share.series.symbol} differ from those in the "
                f"sample data: {error.message}",
                hint="remove the wrong one; or make only the synthetic data: tm data sample --only synthetic",
            ) from error
    return Installed(str(share.series), len(share.bars), outcome, synthetic=False)


def _install_synthetic(store: BarStore, market: SyntheticMarket, *, force: bool) -> Iterator[Installed]:
    symbols = market.symbols
    for start in range(0, len(symbols), _BATCH):
        for symbol, bars in generate_bars(market, symbols[start : start + _BATCH]).items():
            series = Series(SYNTHETIC_EXCHANGE, symbol, _MINUTE)
            info = SeriesInfo(
                source=_source(market),
                timezone="Asia/Kolkata",
                tick_size=Decimal(market.security(symbol).tick) / PAISE_PER_RUPEE,
                synthetic=True,
                label=SYNTHETIC_LABEL,
            )
            outcome = _store(store, series, bars, info, force=force)
            yield Installed(str(series), len(bars), outcome, synthetic=True)
    # Nothing is ever split or consolidated there; an empty table says so to adjusted reads.
    _put_events(store, SYNTHETIC_EXCHANGE, AdjustmentEvents())


def _put_events(store: BarStore, exchange: str, events: AdjustmentEvents) -> None:
    """Add events, and leave the file as it is when they are on it."""
    try:
        on_file = store.events(exchange)
    except NotFoundError:
        store.put_events(exchange, events)
    else:
        if on_file.joined(events) != on_file:
            store.put_events(exchange, events)


def _store(store: BarStore, series: Series, bars: Bars, info: SeriesInfo, *, force: bool) -> Outcome:
    try:
        stored = store.read(series)
    except NotFoundError:
        store.append(series, bars, info)
        return Outcome.MADE
    if _begins_with(stored, bars):
        return Outcome.ALREADY_THERE
    if _begins_with(bars, stored) and store.describe(series).source == info.source:
        store.append(series, bars, info)
        return Outcome.EXTENDED
    if not force:
        return Outcome.KEPT
    store.replace(
        series,
        bars,
        info,
        start_ns=min(int(stored.ts[0]), int(bars.ts[0])),
        stop_ns=max(int(stored.ts[-1]), int(bars.ts[-1])) + 1,
    )
    return Outcome.REPLACED


def _begins_with(longer: Bars, shorter: Bars) -> bool:
    if len(longer) < len(shorter):
        return False
    head = longer.slice(0, len(shorter))
    names = ("ts", *PRICE_FIELDS, "volume")
    return all(np.array_equal(getattr(head, name), getattr(shorter, name)) for name in names)


def _install_tables(folder: Path, market: SyntheticMarket, *, force: bool) -> Iterator[Installed]:
    """Ticks of the first share and a chain on the index, both of the first day: what follows never moves it."""
    day = market.days[0]
    share = market.shares[0].symbol
    ticks = _ticks_frame(generate_ticks(market, share, day.trade_date))
    yield _write_table(folder / f"SYNTH-{share}-ticks-{day.trade_date}.parquet", ticks, market.seed, force)
    # Half an hour before the close the chain has its volume, and the week's contract still has time value.
    instant_ns = day.intervals[-1][1] - 30 * NANOSECONDS_PER_MINUTE
    name = f"SYNTH-{INDEX_SYMBOL}-options-{day.trade_date}.parquet"
    try:
        (expiry,) = option_expiries(day.trade_date, 1, weekly=True)
    except MissingFactError:
        yield Installed(name, 0, Outcome.UNKNOWN, synthetic=True)
        return
    chain = _chain_frame(generate_option_chain(market, INDEX_SYMBOL, instant_ns, expiry))
    yield _write_table(folder / name, chain, market.seed, force)


def _write_table(path: Path, frame: pl.DataFrame, seed: int, force: bool) -> Installed:
    outcome = Outcome.MADE
    with exclusive_lock(path.parent / ".lock"):
        if path.exists():
            if _same_table(path, frame):
                return Installed(path.name, frame.height, Outcome.ALREADY_THERE, synthetic=True)
            if not force:
                return Installed(path.name, frame.height, Outcome.KEPT, synthetic=True)
            outcome = Outcome.REPLACED
        buffer = io.BytesIO()
        frame.write_parquet(
            buffer,
            compression="zstd",
            metadata={_METADATA_KEY: f"{SYNTHETIC_LABEL}: invented prices, seed {seed}"},
        )
        replace_file(path, buffer.getvalue())
    return Installed(path.name, frame.height, outcome, synthetic=True)


def _same_table(path: Path, frame: pl.DataFrame) -> bool:
    try:
        return pl.read_parquet(path.read_bytes()).equals(frame)
    except pl.exceptions.PolarsError:
        return False


def _ticks_frame(ticks: Ticks) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts": pl.Series(ticks.ts).cast(pl.Datetime("ns", "UTC")),
            "price": ticks.price,
            "quantity": ticks.quantity,
            "bid": ticks.bid,
            "bid_quantity": ticks.bid_quantity,
            "ask": ticks.ask,
            "ask_quantity": ticks.ask_quantity,
        }
    )


def _chain_frame(chain: OptionChain) -> pl.DataFrame:
    shared: Mapping[str, pl.Series] = {
        "ts": pl.repeat(chain.instant_ns, len(chain.strike), dtype=pl.Int64, eager=True).cast(
            pl.Datetime("ns", "UTC")
        ),
        "expiry": pl.repeat(chain.expiry, len(chain.strike), dtype=pl.Date, eager=True),
        "spot": pl.repeat(chain.spot, len(chain.strike), eager=True),
        "strike": pl.Series(chain.strike),
        "implied_volatility": pl.Series(chain.implied_volatility),
    }
    sides = {**_side_columns("call", chain.call), **_side_columns("put", chain.put)}
    return pl.DataFrame({**shared, **sides})


def _side_columns(side: str, quotes: OptionQuotes) -> dict[str, pl.Series]:
    names = ("price", "bid", "ask", "open_interest", "volume")
    return {f"{side}_{name}": pl.Series(getattr(quotes, name)) for name in names}
