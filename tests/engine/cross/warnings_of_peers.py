"""Warnings of the peers' own code, which say nothing of ours; everything else stays an error."""

import pytest

THEIR_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore:{message}")
    for message in (
        r"\s*Encountered the use of a type that is scheduled for deprecation",  # vectorbt compiles over Python lists
        "DatetimeIndex.dayofweek is deprecated",  # backtesting.py asks pandas for it
        "Some trades remain open at the end of backtest",  # backtesting.py; open positions are in no trade list
    )
]
