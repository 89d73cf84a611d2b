"""Ticks as columns: what brokers' quotes become at the edge, once, and what bars and recordings are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from trademantra.brokers.market import DepthLevel, Quote
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.engine.bars import Float64Array, Int64Array

LEVELS = 5
UNKNOWN = -1
"""A total or quantity that the feed does not give."""

_ALIASES_PER_INSTRUMENT = 4


class Origin(IntEnum):
    """How a tick came."""

    STREAM = 0
    POLL = 1
    """Asked for over REST while the stream was down: moments may be missing between two of them."""


class InstrumentTable:
    """Numbers instruments, so that ticks can be columns.  A number never changes its meaning.

    Instruments of one `key` are one.
    """

    __slots__ = ("_by_identity", "_by_key", "_instruments", "_kept")

    def __init__(self) -> None:
        self._instruments: list[Instrument] = []
        self._by_key: dict[str, int] = {}
        # Hashing an instrument's 17 fields for every tick costs more than all the rest of it; brokers' adapters give
        # the same object each time.  `_kept` keeps the objects alive, so that an identity is never reused.
        self._by_identity: dict[int, int] = {}
        self._kept: list[Instrument] = []

    def __len__(self) -> int:
        return len(self._instruments)

    def __getitem__(self, row: int) -> Instrument:
        return self._instruments[row]

    def add(self, instrument: Instrument) -> int:
        """The number of an instrument, new or old."""
        row = self.find(instrument)
        if row is None:
            row = self._by_key[instrument.key] = len(self._instruments)
            self._instruments.append(instrument)
            self._remember(instrument, row)
        return row

    def find(self, instrument: Instrument) -> int | None:
        """The number of an instrument; None for one that was never added."""
        row = self._by_identity.get(id(instrument))
        if row is None:
            row = self._by_key.get(instrument.key)
            if row is not None:
                self._remember(instrument, row)
        return row

    def row_of(self, instrument: Instrument) -> int:
        """Errors: `UnknownInstrumentError`."""
        row = self.find(instrument)
        if row is None:
            raise UnknownInstrumentError(
                f"{instrument.key} is on no feed of this desk", hint="subscribe to it first"
            )
        return row

    def _remember(self, instrument: Instrument, row: int) -> None:
        if len(self._kept) > _ALIASES_PER_INSTRUMENT * (len(self._instruments) + 1):
            self._by_identity.clear()
            self._kept.clear()
        self._by_identity[id(instrument)] = row
        self._kept.append(instrument)


@dataclass(frozen=True, slots=True, eq=False)
class DepthColumns:
    """Five levels a side, best first: arrays of shape (n, 5), float64 prices, int64 quantities and orders, 0 where a
    level is empty."""

    bid_price: Float64Array
    bid_quantity: Int64Array
    bid_orders: Int64Array
    ask_price: Float64Array
    ask_quantity: Int64Array
    ask_orders: Int64Array

    def slice(self, start: int, stop: int) -> "DepthColumns":
        """Rows [start, stop), as views."""
        part = slice(start, stop)
        return DepthColumns(
            self.bid_price[part],
            self.bid_quantity[part],
            self.bid_orders[part],
            self.ask_price[part],
            self.ask_quantity[part],
            self.ask_orders[part],
        )


@dataclass(frozen=True, slots=True, eq=False)
class TickBatch:
    """Ticks in the order in which they came; one array a column, all of one length n.

    `row` int64 numbers of an `InstrumentTable`.  `at_ns` int64 UTC, the feed's own stamp (the arrival where it has
    none); `trade_ns` the time of the last trade, 0 where it is not told; `received_ns` when the tick came, by our
    clock, never falling.  `price` float64.  `total` float64 units traded today so far, `quantity` float64 units of
    the last trade, `open_interest` float64; `UNKNOWN` where they are not told.  `origin` uint8.  `depth` or None.
    Errors: `InvalidValueError` for columns of different length or arrivals that go back.
    """

    row: Int64Array
    at_ns: Int64Array
    trade_ns: Int64Array
    received_ns: Int64Array
    price: Float64Array
    total: Float64Array
    quantity: Float64Array
    open_interest: Float64Array
    origin: NDArray[np.uint8]
    depth: DepthColumns | None = None

    def __post_init__(self) -> None:
        columns = (self.at_ns, self.trade_ns, self.received_ns, self.price, self.total, self.quantity,
                   self.open_interest, self.origin)  # fmt: skip
        if any(column.shape != self.row.shape for column in columns):
            raise InvalidValueError("ticks: the columns have different lengths")
        if len(self) > 1 and (self.received_ns[1:] < self.received_ns[:-1]).any():
            raise InvalidValueError(
                "ticks: arrival times go back", hint="give them in the order they came in"
            )

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(
        cls,
        row: Sequence[int] | Int64Array,
        at_ns: Sequence[int] | Int64Array,
        price: Sequence[float] | Float64Array,
        *,
        received_ns: Sequence[int] | Int64Array | None = None,
        trade_ns: Sequence[int] | Int64Array | None = None,
        total: Sequence[float] | Float64Array | None = None,
        quantity: Sequence[float] | Float64Array | None = None,
        open_interest: Sequence[float] | Float64Array | None = None,
        origin: Origin = Origin.STREAM,
        depth: DepthColumns | None = None,
    ) -> "TickBatch":
        """From what is known.  Ticks arrive at their own stamps where `received_ns` is not given.

        >>> len(TickBatch.of([0, 0], [5, 6], [100.0, 100.05]))
        2
        """
        n = len(row)

        def whole(given: Sequence[int] | Int64Array | None, otherwise: Int64Array) -> Int64Array:
            return otherwise if given is None else np.ascontiguousarray(given, np.int64)

        def number(given: Sequence[float] | Float64Array | None) -> Float64Array:
            return np.full(n, float(UNKNOWN)) if given is None else np.ascontiguousarray(given, np.float64)

        stamps = np.ascontiguousarray(at_ns, np.int64)
        return cls(
            np.ascontiguousarray(row, np.int64),
            stamps,
            whole(trade_ns, np.zeros(n, np.int64)),
            whole(received_ns, stamps),
            np.ascontiguousarray(price, np.float64),
            number(total),
            number(quantity),
            number(open_interest),
            np.full(n, int(origin), np.uint8),
            depth,
        )

    def slice(self, start: int, stop: int) -> "TickBatch":
        """Ticks [start, stop), as views."""
        part = slice(start, stop)
        return TickBatch(
            self.row[part],
            self.at_ns[part],
            self.trade_ns[part],
            self.received_ns[part],
            self.price[part],
            self.total[part],
            self.quantity[part],
            self.open_interest[part],
            self.origin[part],
            None if self.depth is None else self.depth.slice(start, stop),
        )


def batch_of(
    quotes: Sequence[Quote],
    table: InstrumentTable,
    received_ns: int,
    *,
    origin: Origin = Origin.STREAM,
    with_depth: bool = False,
) -> TickBatch:
    """Quotes as columns; those of instruments that the table does not know are left out.

    Prices become the float64 next to their decimal, as the engine computes with them.
    """
    find = table.find
    named = [(row, quote) for quote in quotes if (row := find(quote.instrument)) is not None]
    kept = [quote for _, quote in named]
    return TickBatch.of(
        [row for row, _ in named],
        [quote.at_ns for quote in kept],
        [float(quote.last_price) for quote in kept],
        received_ns=np.full(len(kept), received_ns, np.int64),
        trade_ns=[quote.last_trade_ns or 0 for quote in kept],
        total=[UNKNOWN if quote.volume is None else quote.volume for quote in kept],
        quantity=[UNKNOWN if quote.last_quantity is None else quote.last_quantity for quote in kept],
        open_interest=[UNKNOWN if quote.open_interest is None else quote.open_interest for quote in kept],
        origin=origin,
        depth=_depth_of(kept) if with_depth and any(quote.bids or quote.asks for quote in kept) else None,
    )


def _depth_of(quotes: Sequence[Quote]) -> DepthColumns:
    return DepthColumns(*_side([quote.bids for quote in quotes]), *_side([quote.asks for quote in quotes]))


def _side(sides: Sequence[tuple[DepthLevel, ...]]) -> tuple[Float64Array, Int64Array, Int64Array]:
    price = np.zeros((len(sides), LEVELS))
    quantity, orders = np.zeros((2, len(sides), LEVELS), np.int64)
    for i, levels in enumerate(sides):
        for j, level in enumerate(levels[:LEVELS]):
            price[i, j], quantity[i, j], orders[i, j] = level.price, level.quantity, level.orders
    return price, quantity, orders
