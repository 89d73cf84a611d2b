"""The last price of each instrument, which always says how old it is and where it comes from."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from trademantra.core.instrument import Instrument
from trademantra.core.money import decimal_of
from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.trading.feeds.ticks import InstrumentTable, Origin, TickBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A last price as it was known at one moment.

    `age_ns` is counted from the older of the feed's stamp and the arrival.  `is_stale`: older than its limit, or the
    feed is down, or another source is heard by now, and it was not asked for since: not a price to trade on.
    """

    instrument: Instrument
    value: Decimal
    at_ns: int
    received_ns: int
    age_ns: int
    source: str
    origin: Origin
    is_stale: bool


class LastPrices:
    """Last prices in columns.  A tick with an older stamp never replaces a newer one."""

    __slots__ = ("_at", "_origin", "_price", "_received", "_source", "_sources", "_table")

    def __init__(self, table: InstrumentTable, sources: tuple[str, ...]) -> None:
        self._table = table
        self._sources = sources
        self._price: Float64Array = np.zeros(0)
        self._at: Int64Array = np.zeros(0, np.int64)
        self._received: Int64Array = np.zeros(0, np.int64)
        self._origin: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._source: Int64Array = np.zeros(0, np.int64)

    def take(self, batch: TickBatch, source: int) -> None:
        if len(self._table) > len(self._price):
            more = np.zeros(2 * len(self._table) - len(self._price), np.int64)
            self._price = np.concatenate([self._price, more.astype(np.float64)])
            self._at = np.concatenate([self._at, more])
            self._received = np.concatenate([self._received, more])
            self._origin = np.concatenate([self._origin, more.astype(np.uint8)])
            self._source = np.concatenate([self._source, more])
        # a stamp from the future would keep true ones out
        stamp = np.minimum(batch.at_ns, batch.received_ns)
        good = np.flatnonzero((batch.price > 0.0) & (batch.price < np.inf) & (stamp >= self._at[batch.row]))
        # of several ticks of one instrument the assignment keeps the last: the newest, of equal ones the last to come
        good = good[np.argsort(stamp[good], kind="stable")]
        row = batch.row[good]
        self._price[row] = batch.price[good]
        self._at[row] = stamp[good]
        self._received[row] = batch.received_ns[good]
        self._origin[row] = batch.origin[good]
        self._source[row] = source

    def forget(self, row: int) -> None:
        """The instrument is not heard any more: what was known of it is no last price."""
        if row < len(self._price):
            self._price[row], self._at[row], self._received[row] = 0.0, 0, 0

    def received_ns(self, row: int) -> int:
        """When its last tick came; 0 when none ever did."""
        return int(self._received[row]) if row < len(self._received) else 0

    def get(
        self, row: int, now_ns: int, limit_ns: int, down_since_ns: int | None, heard: int = 0
    ) -> Price | None:
        """None while there is no price.  `heard`: the source that is heard now."""
        if row >= len(self._price) or not self._price[row]:
            return None
        at, received = int(self._at[row]), int(self._received[row])
        age = max(now_ns - min(at, received), 0)
        cut_off = down_since_ns is not None and received <= down_since_ns
        of_another = self._source[row] != heard and self._origin[row] == Origin.STREAM
        return Price(
            instrument=self._table[row],
            value=decimal_of(float(self._price[row])),
            at_ns=at,
            received_ns=received,
            age_ns=age,
            source=self._sources[int(self._source[row])],
            origin=Origin(int(self._origin[row])),
            is_stale=bool(cut_off or of_another or age > limit_ns),
        )

    def stale_rows(self, rows: Int64Array, now_ns: int, limit_ns: int, heard: int | None) -> Int64Array:
        """Those of `rows` of which nothing was received for `limit_ns`, or nothing from the source that is `heard` since it
        is (None: from any), the longest silent first."""
        received = np.zeros(len(rows), np.int64)
        known = rows < len(self._received)
        received[known] = self._received[rows[known]]
        old = now_ns - received > limit_ns
        if heard is not None:
            known_rows = rows[known]
            old[known] |= (
                (self._source[known_rows] != heard)
                & (self._origin[known_rows] == Origin.STREAM)
                & (received[known] > 0)
            )
        stale: Int64Array = rows[old][np.argsort(received[old], kind="stable")]
        return stale
