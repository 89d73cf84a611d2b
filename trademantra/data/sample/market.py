"""What a synthetic market consists of: days, shares and indices, all invented."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Int64Array

SYNTHETIC_EXCHANGE = "SYNTH"
PAISE_PER_RUPEE = 100
_LARGEST_VOLATILITY = 0.05
_LARGEST_BETA = 3.0
_LARGEST_DRIFT = 0.005


@dataclass(frozen=True, slots=True)
class TradingDay:
    """When one day trades continuously: half-open intervals [start, stop) of whole minutes, in order.

    Times are nanoseconds UTC; `auction_ns` is when the pre-open auction matches, None on a day without one.
    Errors: `InvalidValueError` for intervals that overlap, are empty or are not whole minutes.
    """

    trade_date: date
    intervals: tuple[tuple[int, int], ...]
    auction_ns: int | None = None

    def __post_init__(self) -> None:
        if not self.intervals:
            raise InvalidValueError(f"trading day {self.trade_date} has no trading interval")
        before = self.auction_ns if self.auction_ns is not None else self.intervals[0][0]
        for start, stop in self.intervals:
            if not before <= start < stop:
                raise InvalidValueError(f"trading day {self.trade_date}: intervals overlap or are empty")
            if (stop - start) % NANOSECONDS_PER_MINUTE:
                raise InvalidValueError(f"trading day {self.trade_date}: an interval is not whole minutes")
            before = stop

    @property
    def minutes(self) -> int:
        """Number of 1-minute bars of the day."""
        return sum((stop - start) // NANOSECONDS_PER_MINUTE for start, stop in self.intervals)

    def minute_starts(self) -> Int64Array:
        """Start of each 1-minute bar, nanoseconds UTC; shape (minutes,)."""
        return np.concatenate(
            [np.arange(start, stop, NANOSECONDS_PER_MINUTE, dtype=np.int64) for start, stop in self.intervals]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticShare:
    """An invented share.

    `start_price` and `tick` are whole paise; volatilities are of daily log returns (0.011 is 1.1 %):
    `volatility` is the share's own, apart from market and sector, to which the betas tie it.
    `daily_volume` is the mean number of shares traded in a full day, `shares_outstanding` weighs it in indices.
    """

    symbol: str
    sector: str
    start_price: int
    tick: int
    lot_size: int
    market_beta: float
    sector_beta: float
    volatility: float
    daily_volume: int
    shares_outstanding: int

    def __post_init__(self) -> None:
        _need_symbol(self.symbol)
        for name in ("start_price", "tick", "lot_size", "daily_volume", "shares_outstanding"):
            if getattr(self, name) <= 0:
                raise InvalidValueError(f"{self.symbol}: {name} must be positive")
        if self.start_price % self.tick:
            raise InvalidValueError(
                f"{self.symbol}: start price {self.start_price} is off its tick {self.tick}"
            )
        for name in ("market_beta", "sector_beta"):
            if not abs(getattr(self, name)) <= _LARGEST_BETA:
                raise InvalidValueError(
                    f"{self.symbol}: {name} is not within −{_LARGEST_BETA} and {_LARGEST_BETA}"
                )
        if not 0 <= self.volatility <= _LARGEST_VOLATILITY:
            raise InvalidValueError(
                f"{self.symbol}: volatility {self.volatility} is not within 0 and {_LARGEST_VOLATILITY} a day"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticIndex:
    """An index weighted by market value over `members`; `start_level` and `tick` are whole paise (1/100 point)."""

    symbol: str
    members: tuple[str, ...]
    start_level: int = 2_000_000
    tick: int = 5
    lot_size: int = 65

    def __post_init__(self) -> None:
        _need_symbol(self.symbol)
        if not self.members or len(set(self.members)) != len(self.members):
            raise InvalidValueError(f"{self.symbol}: an index needs members, each once")
        if self.tick <= 0 or self.start_level <= 0 or self.lot_size <= 0:
            raise InvalidValueError(f"{self.symbol}: level, tick and lot size must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticMarket:
    """A whole invented market; equal values generate equal bytes.

    `seed` is 0 or more.  `days` are in order; a later day never changes an earlier one, a share never another.
    Volatilities are of daily log returns: `market_volatility` of the factor all share, `sector_volatility` of
    each sector's.  `drift` is the market factor's mean daily log return.
    Errors: `InvalidValueError` for a contradiction.
    """

    seed: int
    days: tuple[TradingDay, ...]
    shares: tuple[SyntheticShare, ...]
    indices: tuple[SyntheticIndex, ...] = ()
    market_volatility: float = 0.009
    sector_volatility: float = 0.007
    drift: float = 0.0003

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InvalidValueError(f"a seed must be 0 or more, got {self.seed}")
        if not self.days or not self.shares:
            raise InvalidValueError("a synthetic market needs at least one trading day and one share")
        for earlier, later in zip(self.days, self.days[1:], strict=False):
            if later.trade_date <= earlier.trade_date or later.intervals[0][0] < earlier.intervals[-1][1]:
                raise InvalidValueError(f"trading day {later.trade_date} is not after {earlier.trade_date}")
        symbols = self.symbols
        if len(set(symbols)) != len(symbols):
            raise InvalidValueError("a symbol appears twice in the synthetic market")
        known = {share.symbol for share in self.shares}
        for index in self.indices:
            for member in index.members:
                if member not in known:
                    raise InvalidValueError(f"{index.symbol}: member {member} is not a share of this market")
        if not abs(self.drift) <= _LARGEST_DRIFT:
            raise InvalidValueError(
                f"drift {self.drift} is not within −{_LARGEST_DRIFT} and {_LARGEST_DRIFT} a day"
            )
        for name in ("market_volatility", "sector_volatility"):
            if not 0 <= getattr(self, name) <= _LARGEST_VOLATILITY:
                raise InvalidValueError(
                    f"{name} {getattr(self, name)} is not within 0 and {_LARGEST_VOLATILITY} a day"
                )

    @property
    def symbols(self) -> tuple[str, ...]:
        """Shares, then indices."""
        return tuple(security.symbol for security in self._securities)

    def security(self, symbol: str) -> SyntheticShare | SyntheticIndex:
        """The share or index of this name.  Errors: `UnknownInstrumentError`."""
        for security in self._securities:
            if security.symbol == symbol:
                return security
        raise UnknownInstrumentError(
            f"the synthetic market has no symbol {symbol!r}", hint=f"it has {', '.join(self.symbols)}"
        )

    @property
    def _securities(self) -> tuple[SyntheticShare | SyntheticIndex, ...]:
        return self.shares + self.indices

    def members(self, index: SyntheticIndex) -> tuple[SyntheticShare, ...]:
        """The shares of an index, in its order."""
        by_symbol = {share.symbol: share for share in self.shares}
        return tuple(by_symbol[member] for member in index.members)

    def day_number(self, trade_date: date) -> int:
        """Position of a date among `days`.  Errors: `InvalidValueError` for a date without trading."""
        for number, day in enumerate(self.days):
            if day.trade_date == trade_date:
                return number
        raise InvalidValueError(
            f"{trade_date} is not a trading day of this synthetic market",
            hint=f"it trades from {self.days[0].trade_date} to {self.days[-1].trade_date}",
        )


def _need_symbol(symbol: str) -> None:
    if not symbol.startswith("SYN"):
        raise InvalidValueError(
            f"{symbol!r} could be mistaken for a real symbol",
            hint="names of invented securities start with SYN",
        )
