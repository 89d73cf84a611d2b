"""Which shares end the day with a closing auction (from 2026-08-03)."""

from datetime import date

from trademantra.core.errors import MissingFactError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.markets.sessions.tables import closing_auction_shares, timetable_starts


def joins_closing_auction(instrument: Instrument) -> bool | None:
    """Whether the closing auction applies, on days that have one; None where it is not known.

    It applies to shares with futures or options on any exchange and, by the shares that it is made of, to an index
    (C:CMTR74466).  BSE leaves out the shares of BSE and CDSL (C:20260610-41).  `Instrument.has_derivatives`
    decides; where it is None a short list of large shares does.

    >>> share = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="RELIANCE")
    >>> joins_closing_auction(share)
    True
    """
    if instrument.segment not in (Segment.EQUITY, Segment.INDEX):
        return False
    if instrument.exchange not in (Exchange.NSE, Exchange.BSE):
        return False
    shares = closing_auction_shares()
    if shares.get((instrument.symbol, instrument.exchange)) is False:
        return False
    if instrument.has_derivatives is not None:
        return instrument.has_derivatives
    if instrument.kind is InstrumentKind.INDEX:
        return True
    if instrument.kind is not InstrumentKind.SHARE:  # no ETF or bond has listed derivatives in India
        return False
    return shares.get((instrument.symbol, ""))


def closing_auction_starts() -> date:
    """First day with a closing auction."""
    return timetable_starts("cash_closing_auction")


def undecided(instrument: Instrument, day: date) -> MissingFactError:
    """The error for a share of which nobody said whether it has derivatives."""
    return MissingFactError(
        "closing_auction_shares",
        f"{instrument.exchange}:{instrument.symbol} on {day}",
        hint="say it with has_derivatives on the instrument (tm phase: --closing-auction or --no-closing-auction); "
        "a share with futures or options stops trading at 15:15 for the auction, others at 15:30",
    )
