"""Which family of contract rules an instrument belongs to."""

from collections.abc import Set as AbstractSet
from enum import StrEnum

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument, InstrumentKind, Segment

# Underlyings of index futures and options in the brokers' masters of 2026-03 and 2026-08.
INDEX_UNDERLYINGS = frozenset(
    {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "SENSEX50", "FOCIT"}
)


class InstrumentClass(StrEnum):
    """Ticks and price bands go by these."""

    SHARE = "share"
    ETF = "etf"
    STOCK_FUTURE = "stock_future"
    INDEX_FUTURE = "index_future"
    STOCK_OPTION = "stock_option"
    INDEX_OPTION = "index_option"
    CURRENCY_FUTURE = "currency_future"
    CURRENCY_OPTION = "currency_option"


def class_of(
    instrument: Instrument, *, index_underlyings: AbstractSet[str] = INDEX_UNDERLYINGS
) -> InstrumentClass:
    """Class of an instrument of an Indian exchange; `index_underlyings` tells index contracts from stock ones.

    Errors: `InvalidValueError` for what has none here: bonds, indices, commodities, crypto, forex.
    """
    is_index = instrument.underlying in index_underlyings
    found: InstrumentClass | None
    match instrument.segment:
        case Segment.EQUITY if instrument.kind is InstrumentKind.SHARE:
            found = InstrumentClass.SHARE
        case Segment.EQUITY if instrument.kind is InstrumentKind.ETF:
            found = InstrumentClass.ETF
        case Segment.EQUITY_FUTURES:
            found = InstrumentClass.INDEX_FUTURE if is_index else InstrumentClass.STOCK_FUTURE
        case Segment.EQUITY_OPTIONS:
            found = InstrumentClass.INDEX_OPTION if is_index else InstrumentClass.STOCK_OPTION
        case Segment.CURRENCY_FUTURES:
            found = InstrumentClass.CURRENCY_FUTURE
        case Segment.CURRENCY_OPTIONS:
            found = InstrumentClass.CURRENCY_OPTION
        case _:
            found = None
    if found is None:
        raise InvalidValueError(
            f"no contract rules are known for {instrument.symbol}, a {instrument.kind} in {instrument.segment}",
            hint="take tick and limits from the broker's instrument file",
        )
    return found
