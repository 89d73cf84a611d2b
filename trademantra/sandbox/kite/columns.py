"""The exchange's market as columns for the ticker."""

from collections.abc import Collection, Mapping

import numpy as np

from trademantra.brokers.paper import scan
from trademantra.brokers.paper.depth import LEVELS
from trademantra.brokers.paper.exchange import Exchange
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.sandbox.kite.packets import IntArray, Ticks


class MarketColumns:
    """A `TickSource`: reads the exchange's own arrays."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._market = exchange.market
        self._listed_close = np.full(len(exchange.listings), np.nan)

    @property
    def size(self) -> int:
        return len(self._exchange.listings)

    def rows_of(self, tokens: Collection[int]) -> Mapping[int, int]:
        listings = self._exchange.listings
        found = {}
        for token in tokens:
            try:
                found[token] = listings.row_of(token)
            except UnknownInstrumentError:
                continue
            close = listings.at(found[token]).previous_close
            if close is not None:
                self._listed_close[found[token]] = float(close)
        return found

    def ticks(self, rows: IntArray) -> Ticks:
        state = self._market.columns[rows]
        last_ns = self._market.last_ns[rows]
        known = last_ns > 0
        previous = np.where(state[:, scan.PREVIOUS] > 0, state[:, scan.PREVIOUS], self._listed_close[rows])
        last = np.where(known, state[:, scan.LAST], previous)
        volume = state[:, scan.VOLUME]
        average = np.divide(state[:, scan.VALUE], volume, out=np.zeros(len(rows)), where=volume > 0)
        price, quantity, orders = self._market.depth_columns(rows, self._exchange.settings.seed)
        seconds = last_ns // NANOSECONDS_PER_SECOND
        return Ticks(
            last_price=last,
            last_quantity=state[:, scan.LAST_QUANTITY],
            average_price=average,
            volume=volume,
            buy_quantity=quantity[:, :LEVELS].sum(axis=1),
            sell_quantity=quantity[:, LEVELS:].sum(axis=1),
            open=state[:, scan.OPEN],
            high=state[:, scan.HIGH],
            low=state[:, scan.LOW],
            previous_close=previous,
            last_trade_second=seconds,
            open_interest=state[:, scan.INTEREST],
            open_interest_high=state[:, scan.INTEREST_HIGH],
            open_interest_low=state[:, scan.INTEREST_LOW],
            second=seconds,
            depth_price=price,
            depth_quantity=quantity,
            depth_orders=orders,
        )
