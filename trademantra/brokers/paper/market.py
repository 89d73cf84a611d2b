"""The market of each instrument: what was fed, and what a quote shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import nan

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trademantra.brokers.listings import Listing, Listings
from trademantra.brokers.market import DepthLevel
from trademantra.brokers.paper import scan
from trademantra.brokers.paper.depth import LEVELS, MadeDepth, made_depth
from trademantra.brokers.paper.prices import decimal_price
from trademantra.brokers.paper.terms import PriceEvent
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import InstrumentKind
from trademantra.data.instruments.readers.rows import SCALE
from trademantra.engine.bars import Float64Array, Int64Array

DEPTH_LEVELS = LEVELS
_USUAL_QUANTITY = 100  # lots at a level before anything has traded
_USUAL_TICK = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """Price events as columns of one length n, in the order in which they happen.

    `token_row` int64 numbers of rows in the `Listings`, `at_ns` int64 nanoseconds UTC, the rest float64; a tick has
    open = high = low = close.  `open_interest` NaN where it is not told.
    """

    token_row: Int64Array
    at_ns: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array
    open_interest: Float64Array

    @classmethod
    def of(cls, listings: Listings, events: Sequence[PriceEvent]) -> "EventBatch":
        """Errors: `UnknownInstrumentError` for a token that is not listed."""

        def column(name: str) -> Float64Array:
            return np.array([getattr(event, name) for event in events], np.float64)

        interest = [nan if event.open_interest is None else event.open_interest for event in events]
        return cls(
            listings.rows_of([event.token for event in events]),
            np.array([event.at_ns for event in events], np.int64),
            column("open"),
            column("high"),
            column("low"),
            column("close"),
            column("volume"),
            np.array(interest, np.float64),
        )

    def __len__(self) -> int:
        return len(self.at_ns)

    def check(self, rows: int) -> None:
        """Errors: `InvalidValueError` naming the first event that cannot be: an unknown row, a price that is not a
        positive number or lies outside high and low, a negative volume, columns of different length."""
        n = len(self)
        for name in ("token_row", "open", "high", "low", "close", "volume", "open_interest"):
            if getattr(self, name).shape != (n,):
                raise InvalidValueError(f"price events: column {name} has not the length {n} of at_ns")
        top = np.maximum(self.open, self.close)
        bottom = np.minimum(self.open, self.close)
        good: NDArray[np.bool_] = (
            (self.token_row >= 0)
            & (self.token_row < rows)
            & (self.low > 0.0)
            & (self.low <= bottom)
            & (top <= self.high)
            & (self.high < np.inf)
            & (self.volume >= 0.0)
            & (self.volume < np.inf)
        )
        if not good.all():
            i = int(np.argmin(good))
            raise InvalidValueError(
                f"price event {i} (row {self.token_row[i]}): open {self.open[i]}, high {self.high[i]}, "
                f"low {self.low[i]}, close {self.close[i]}, volume {self.volume[i]} cannot be",
                hint="prices are positive, high and low enclose open and close, volume is not negative",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """What is known of one instrument.  Absent values are None.

    `open high low` of the day; `previous_close` of the day before; `average_price` weighted by volume.  `depth_is_real`
    is False where the visible depth was made up around the last price because the source has none.
    """

    listing: Listing
    at_ns: int | None
    last_price: Decimal | None
    last_quantity: int | None
    average_price: Decimal | None
    volume: int
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    previous_close: Decimal | None
    open_interest: int | None
    open_interest_high: int | None
    open_interest_low: int | None
    lower_circuit: Decimal | None
    upper_circuit: Decimal | None
    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]
    depth_is_real: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """Visible orders, best first, and when they were seen."""

    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]
    at_ns: int


class Market:
    """The state of every instrument in columns; see `scan` for what the columns are."""

    __slots__ = ("_has_depth", "_lot", "_tick", "columns", "depths", "last_ns", "listings")

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.columns: Float64Array = np.zeros((len(listings), scan.COLUMNS))
        self.last_ns: Int64Array = np.zeros(len(listings), np.int64)
        self.depths: dict[int, Depth] = {}
        rows = listings.rows
        self._lot: Float64Array = np.maximum(_scaled(rows["lot"], 1.0), 1.0)
        self._tick: Float64Array = _scaled(rows["tick"], _USUAL_TICK)
        self._has_depth = (rows["kind"].cast(pl.String) != InstrumentKind.INDEX.value).to_numpy()

    def price(self, row: int, column: int) -> Decimal | None:
        """A price column as a decimal on the tick; None while there is none."""
        value = float(self.columns[row, column])
        return decimal_price(value, self.listings.at(row).instrument.tick_size) if value else None

    def last_price(self, row: int) -> Decimal | None:
        return self.price(row, scan.LAST)

    def previous_close(self, row: int) -> Decimal | None:
        """The close of the day before: what was seen, else what the listing says."""
        seen = self.price(row, scan.PREVIOUS)
        return self.listings.at(row).previous_close if seen is None else seen

    def mark(self, token: int) -> Decimal | None:
        """`account.views.Marks`: the last price by token."""
        return self.last_price(self.listings.row_of(token))

    def new_day(self) -> None:
        """Forget the day; the last price of each instrument becomes its previous close."""
        seen = np.flatnonzero(self.last_ns)
        self.columns[seen, scan.PREVIOUS] = self.columns[seen, scan.LAST]
        for column in (scan.OPEN, scan.HIGH, scan.LOW, scan.VOLUME, scan.VALUE, scan.LAST_QUANTITY, scan.TRADES,
                       scan.INTEREST_HIGH, scan.INTEREST_LOW, scan.LOWER, scan.UPPER):  # fmt: skip
            self.columns[seen, column] = 0.0
        self.depths.clear()

    def state(self, row: int, seed: int) -> MarketState | None:
        """The quote of an instrument; None before its first price."""
        columns, listing = self.columns[row], self.listings.at(row)
        if not self.last_ns[row]:
            return None
        volume = float(columns[scan.VOLUME])
        tick = listing.instrument.tick_size
        average = (
            None if volume <= 0.0 else decimal_price(round(float(columns[scan.VALUE]) / volume, 4), tick)
        )

        def count(column: int) -> int | None:
            return int(columns[column]) if columns[column] else None

        depth = self.depths.get(row)
        shown = depth or self.made_depth(row, seed)
        return MarketState(
            listing=listing,
            at_ns=int(self.last_ns[row]),
            last_price=self.price(row, scan.LAST),
            last_quantity=count(scan.LAST_QUANTITY),
            average_price=average,
            volume=int(volume),
            open=self.price(row, scan.OPEN),
            high=self.price(row, scan.HIGH),
            low=self.price(row, scan.LOW),
            previous_close=self.previous_close(row),
            open_interest=count(scan.INTEREST),
            open_interest_high=count(scan.INTEREST_HIGH),
            open_interest_low=count(scan.INTEREST_LOW),
            lower_circuit=self.price(row, scan.LOWER),
            upper_circuit=self.price(row, scan.UPPER),
            bids=shown.bids,
            asks=shown.asks,
            depth_is_real=depth is not None,
        )

    def visible(self, row: int, seed: int) -> Depth:
        """The source's depth, or one made up around the last price."""
        return self.depths.get(row) or self.made_depth(row, seed)

    def made_depth(self, row: int, seed: int) -> Depth:
        """Five levels on the tick grid on each side of the last price (`depth.made_depth`).  An index has none."""
        listing = self.listings.at(row)
        last = self.price(row, scan.LAST)
        at_ns = int(self.last_ns[row])
        if last is None or listing.instrument.kind is InstrumentKind.INDEX:
            return Depth((), (), at_ns)
        made = self._made(np.array([row]), seed)
        lot, tick = int(listing.instrument.lot_size) or 1, listing.instrument.tick_size
        lower, upper = self.price(row, scan.LOWER), self.price(row, scan.UPPER)
        levels = [
            DepthLevel(last + steps * tick, lots * lot, orders)
            for steps, lots, orders in zip(
                made.steps[0].tolist(), made.lots[0].tolist(), made.orders[0].tolist(), strict=True
            )
        ]

        def possible(side: list[DepthLevel]) -> tuple[DepthLevel, ...]:
            return tuple(
                level
                for level in side
                if level.price > 0
                and (lower is None or level.price >= lower)
                and (upper is None or level.price <= upper)
            )

        return Depth(possible(levels[:DEPTH_LEVELS]), possible(levels[DEPTH_LEVELS:]), at_ns)

    def depth_columns(self, rows: Int64Array, seed: int) -> tuple[Float64Array, Float64Array, Float64Array]:
        """What `visible` shows of many instruments: price, quantity and orders, each of shape (k, 10), five buy
        levels, best first, then five sell levels; 0 where there is none."""
        made = self._made(rows, seed)
        state = self.columns[rows]
        price = state[:, scan.LAST, None] + made.steps * self._tick[rows, None]
        lower, upper = state[:, scan.LOWER, None], state[:, scan.UPPER, None]
        half = self._tick[rows, None] / 2
        shown = (
            (price > half)
            & ((lower == 0.0) | (price > lower - half))
            & ((upper == 0.0) | (price < upper + half))
            & (state[:, scan.LAST, None] > 0.0)
            & self._has_depth[rows, None]
        )
        price = np.where(shown, price, 0.0)
        quantity = np.where(shown, made.lots * self._lot[rows, None], 0.0)
        orders = np.where(shown, made.orders, 0.0)
        if self.depths:
            for place, row in enumerate(rows.tolist()):
                if row in self.depths:
                    _put(self.depths[row], price[place], quantity[place], orders[place])
        return price, quantity, orders

    def _made(self, rows: Int64Array, seed: int) -> MadeDepth:
        state = self.columns[rows]
        lot = self._lot[rows]
        trades = np.maximum(state[:, scan.TRADES], 1.0)
        volume = state[:, scan.VOLUME]
        mean_lots = np.where(volume > 0.0, volume / trades / lot, _USUAL_QUANTITY)
        return made_depth(self.listings.tokens[rows], self.last_ns[rows], mean_lots, seed)


def _scaled(column: pl.Series, default: float) -> Float64Array:
    """A column of the listings in its own unit; what is not known is `default`, as in the listing itself."""
    values: Float64Array = (column.cast(pl.Float64) / SCALE).fill_null(default).to_numpy()
    return values


def _put(depth: Depth, price: Float64Array, quantity: Float64Array, orders: Float64Array) -> None:
    """A depth that was told, in the place of the one that was made up."""
    price[:], quantity[:], orders[:] = 0.0, 0.0, 0.0
    for first, levels in ((0, depth.bids), (DEPTH_LEVELS, depth.asks)):
        for place, level in enumerate(levels[:DEPTH_LEVELS], start=first):
            price[place], quantity[place], orders[place] = float(level.price), level.quantity, level.orders
