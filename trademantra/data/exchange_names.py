"""Exchanges as people and brokers write them."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange

# FILE holds what a file of no exchange gives to a run; SYNTH is the invented market of `tm data sample`.
UNNAMED, SYNTHETIC = "FILE", "SYNTH"
# Brokers' names of segments by their exchange: Kite's, Upstox's, Dhan's (specs/brokers.md).
_SEGMENTS: Mapping[str, Exchange] = MappingProxyType(
    {
        **dict.fromkeys(
            ("NFO", "CDS", "NSE_EQ", "NSE_FO", "NSE_FNO", "NSE_CURRENCY", "NCD_FO", "NSE_INDEX"), Exchange.NSE
        ),
        **dict.fromkeys(
            ("BFO", "BCD", "BSE_EQ", "BSE_FO", "BSE_FNO", "BSE_CURRENCY", "BCD_FO", "BSE_INDEX"), Exchange.BSE
        ),
        **dict.fromkeys(("MCX_FO", "MCX_COMM", "MCX_INDEX"), Exchange.MCX),
    }
)


def exchange_named(text: str) -> str:
    """The exchange under whose name bars are stored, from its own name or a broker's name of one of its segments.

    Errors: `InvalidValueError` with those that are near, or all.

    >>> exchange_named("nse"), exchange_named("NFO"), exchange_named("MCX_FO"), exchange_named("SYNTH")
    ('NSE', 'NSE', 'MCX', 'SYNTH')
    """
    name = text.strip().upper()
    if name in _SEGMENTS:
        return _SEGMENTS[name].value
    known = (*(each.value for each in Exchange), UNNAMED, SYNTHETIC)
    if name in known:
        return name
    near = get_close_matches(name, (*known, *_SEGMENTS), 3)
    raise InvalidValueError(
        f"{text!r} is not an exchange",
        hint=f"did you mean {', '.join(near)}?" if near else f"one of: {', '.join(known)}",
    )


def segments_of(exchange: str | None) -> tuple[str, ...]:
    """Brokers' names of the segments of an exchange.

    >>> segments_of("MCX")
    ('MCX_FO', 'MCX_COMM', 'MCX_INDEX')
    """
    return tuple(name for name, owner in _SEGMENTS.items() if owner.value == exchange)
