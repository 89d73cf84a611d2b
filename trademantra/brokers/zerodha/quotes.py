"""Quotes out of the REST interface and out of stream packets."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from trademantra.brokers.market import DepthLevel, Quote
from trademantra.brokers.zerodha.packets import BUYS, PacketKind, Packets
from trademantra.brokers.zerodha.reply import Json, Record, records
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_SECOND

_WITH_OI = (3, 2, 5, 6, 7, 8, 12)
"""Segments of derivatives in the low byte of a token; shares have no open interest, the wire writes 0."""


def quote_of(row: Record, instrument: Instrument, now_ns: int) -> Quote:
    """A quote of GET /quote.  `now_ns` stands in where the broker gives no time."""
    day = row.record("ohlc") if "ohlc" in row else None
    depth = row.record("depth") if "depth" in row else None
    derivative = instrument.segment.is_derivative

    def price(name: str) -> Decimal | None:
        return row.optional_number(name) or None

    def of_day(name: str) -> Decimal | None:
        return (day.optional_number(name) or None) if day else None

    def count(name: str) -> int | None:
        return row.whole(name) if name in row else None

    return Quote(
        instrument=instrument,
        at_ns=row.instant("timestamp") or row.instant("last_trade_time") or now_ns,
        last_price=row.number("last_price"),
        last_quantity=count("last_quantity"),
        last_trade_ns=row.instant("last_trade_time"),
        average_price=price("average_price"),
        volume=count("volume"),
        buy_quantity=count("buy_quantity"),
        sell_quantity=count("sell_quantity"),
        open=of_day("open"),
        high=of_day("high"),
        low=of_day("low"),
        previous_close=of_day("close"),
        open_interest=count("oi") if derivative else None,
        open_interest_high=count("oi_day_high") if derivative else None,
        open_interest_low=count("oi_day_low") if derivative else None,
        lower_circuit=price("lower_circuit_limit"),
        upper_circuit=price("upper_circuit_limit"),
        bids=_levels(depth.value("buy")) if depth else (),
        asks=_levels(depth.value("sell")) if depth else (),
    )


def _levels(rows: Json) -> tuple[DepthLevel, ...]:
    levels = (
        DepthLevel(row.number("price"), row.whole("quantity"), row.whole("orders"))
        for row in records(rows, "depth")
    )
    return tuple(level for level in levels if level.quantity and level.price)


@dataclass(frozen=True, slots=True)
class Tick:
    """One packet, not yet turned into a quote: a row of its frame's columns and when it came."""

    packets: Packets
    row: int
    received_ns: int

    def quote(self, instrument: Instrument) -> Quote:
        """The whole quote.  Fields that this kind of packet lacks, and zeros that mean "none", are None."""
        packets, row = self.packets, self.row
        words: list[int] = packets.words[row].tolist()
        decimals = int(packets.decimals[row])

        def price(units: int) -> Decimal | None:
            return _price(units, decimals) if units else None

        last = _price(words[1], decimals)
        if packets.kind is PacketKind.LTP:
            return Quote(instrument=instrument, at_ns=self.received_ns, last_price=last)
        if packets.kind in (PacketKind.INDEX_QUOTE, PacketKind.INDEX_FULL):
            stamp = words[7] if packets.kind is PacketKind.INDEX_FULL else 0
            return Quote(
                instrument=instrument,
                at_ns=_instant(stamp) or self.received_ns,
                last_price=last,
                high=price(words[2]),
                low=price(words[3]),
                open=price(words[4]),
                previous_close=price(words[5]),
            )
        full = packets.kind is PacketKind.FULL
        derivative = full and words[0] & 0xFF in _WITH_OI
        return Quote(
            instrument=instrument,
            at_ns=(_instant(words[15]) if full else None) or self.received_ns,
            last_price=last,
            last_quantity=words[2],
            last_trade_ns=_instant(words[11]) if full else None,
            average_price=price(words[3]),
            volume=words[4],
            buy_quantity=words[5],
            sell_quantity=words[6],
            open=price(words[7]),
            high=price(words[8]),
            low=price(words[9]),
            previous_close=price(words[10]),
            open_interest=words[12] if derivative else None,
            open_interest_high=words[13] if derivative else None,
            open_interest_low=words[14] if derivative else None,
            bids=self._side(slice(None, BUYS), decimals),
            asks=self._side(slice(BUYS, None), decimals),
        )

    def _side(self, rows: slice, decimals: int) -> tuple[DepthLevel, ...]:
        depth = self.packets.depth
        if depth is None:
            return ()
        columns = np.stack(
            [depth.price[self.row, rows], depth.quantity[self.row, rows], depth.orders[self.row, rows]]
        )
        return tuple(
            DepthLevel(_price(units, decimals), quantity, orders)
            for units, quantity, orders in zip(*columns.tolist(), strict=True)
            if units and quantity
        )


def _price(units: int, decimals: int) -> Decimal:
    return Decimal(units).scaleb(-decimals)


def _instant(seconds: int) -> int | None:
    """Epoch seconds of the wire, where 0 means none."""
    return seconds * NANOSECONDS_PER_SECOND if seconds else None
