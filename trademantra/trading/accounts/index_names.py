"""The indices that an account's limits look at, as its owner names them."""

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment

DEFAULT_INDEX = "NSE:NIFTY 50"
_EXCHANGES = (Exchange.NSE, Exchange.BSE)


def parse_indices(text: str) -> tuple[Instrument, ...]:
    """Indices of NSE and BSE, separated by commas; one without its exchange is NSE's.

    Errors: `InvalidValueError` naming what is no index.

    >>> [each.key for each in parse_indices("NIFTY 50, BSE:SENSEX")]
    ['NSE:NIFTY 50', 'BSE:SENSEX']
    """
    found: dict[str, Instrument] = {}
    for word in text.split(","):
        venue, _, symbol = word.strip().rpartition(":")
        exchange = next((each for each in _EXCHANGES if each.value == (venue.strip() or Exchange.NSE)), None)
        if exchange is None or not symbol.strip():
            raise InvalidValueError(
                f"index: {word.strip()!r} is no index of NSE or BSE",
                hint="write it as the broker lists it, such as NSE:NIFTY 50 or NSE:NIFTY 50,BSE:SENSEX",
            )
        index = Instrument(
            exchange=exchange, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol=symbol.strip()
        )
        found[index.key] = index
    return tuple(found.values())
