"""Trading days, sessions and phases of every market, from dated tables; a date that no row covers is an error.

Times are aware datetimes or int64 nanoseconds UTC; dates are the exchange's own.  What the tables hold, their
sources and their limits: docs/sessions.md.
"""

from trademantra.markets.sessions.calendar import (
    holiday_name,
    is_trading_day,
    next_trading_day,
    previous_trading_day,
    trading_days_between,
)
from trademantra.markets.sessions.closing_auction import joins_closing_auction
from trademantra.markets.sessions.overrides import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.phases import BlockWindow, Phase, PhaseWindow, Session, SessionKind
from trademantra.markets.sessions.schedule import (
    block_windows_on,
    phase_at,
    session_on,
    sessions_between,
    window_at,
)
from trademantra.markets.sessions.settlement import is_settlement_day, settlement_date
from trademantra.markets.sessions.squareoff import entry_cutoff_time, square_off_brokers, square_off_time

__all__ = [
    "NO_OVERRIDES",
    "BlockWindow",
    "Overrides",
    "Phase",
    "PhaseWindow",
    "Session",
    "SessionKind",
    "block_windows_on",
    "entry_cutoff_time",
    "holiday_name",
    "is_settlement_day",
    "is_trading_day",
    "joins_closing_auction",
    "next_trading_day",
    "phase_at",
    "previous_trading_day",
    "session_on",
    "sessions_between",
    "settlement_date",
    "square_off_brokers",
    "square_off_time",
    "trading_days_between",
    "window_at",
]
