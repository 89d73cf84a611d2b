"""What a symbol says: fields of a contract or of a security, with what it leaves open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from trademantra.core.errors import (
    AmbiguousInstrumentError,
    InvalidValueError,
    UnknownInstrumentError,
)
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractName:
    """Fields of a future (`strike` and `right` None) or an option, as far as its symbol tells them.

    `year` and `month` are those of the expiry.  `expiry` is None where the symbol carries no day;
    `with_expiry` finds it.  `is_monthly` is None where the symbol does not tell weekly from monthly.
    `exchange` is None where neither a prefix nor the caller named it.
    """

    underlying: str
    kind: InstrumentKind
    year: int
    month: int
    expiry: date | None = None
    strike: Decimal | None = None
    right: OptionRight | None = None
    is_monthly: bool | None = None
    exchange: Exchange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityName:
    """Fields of a share, ETF or bond; `series` is None where the symbol does not carry one."""

    symbol: str
    series: str | None = None
    exchange: Exchange | None = None


def with_expiry(name: ContractName, listed: Iterable[date]) -> ContractName:
    """The name with its expiry, found among the expiries listed for its underlying and kind.

    A monthly name takes the last one of its month.  Where a weekly contract stands behind the monthly one (every
    currency pair; SENSEX of 2024-10-31, moved into October by a holiday) give only the monthly expiries, for
    example `ExpiryCalendar.monthly_expiry`.  A name that leaves weekly or monthly open must find exactly one.
    Errors: `UnknownInstrumentError` when none lies in its month; `AmbiguousInstrumentError`.

    >>> from datetime import date
    >>> name = ContractName(underlying="NIFTY", kind=InstrumentKind.FUTURE, year=2026, month=11, is_monthly=True)
    >>> with_expiry(name, [date(2026, 11, 17), date(2026, 11, 23), date(2026, 12, 29)]).expiry
    datetime.date(2026, 11, 23)
    """
    if name.expiry is not None:
        return name
    in_month = sorted({day for day in listed if (day.year, day.month) == (name.year, name.month)})
    if not in_month:
        raise UnknownInstrumentError(
            f"no expiry of {name.underlying} is listed in {name.year}-{name.month:02}",
            hint="import the instrument file of that time",
        )
    if len(in_month) > 1 and not name.is_monthly:
        days = ", ".join(str(day) for day in in_month)
        raise AmbiguousInstrumentError(
            f"{name.underlying} has several expiries in {name.year}-{name.month:02}: {days}",
            hint="this broker's symbol does not tell them apart; use its instrument id or name the day",
        )
    return replace(name, expiry=in_month[-1])


def name_of(instrument: Instrument, *, is_monthly: bool | None = None) -> ContractName:
    """The full name of a future or option.  Errors: `InvalidValueError` for anything else."""
    if instrument.underlying is None or instrument.expiry is None:
        raise InvalidValueError(f"{instrument.symbol} is a {instrument.kind}, not a future or option")
    return ContractName(
        underlying=instrument.underlying,
        kind=instrument.kind,
        year=instrument.expiry.year,
        month=instrument.expiry.month,
        expiry=instrument.expiry,
        strike=instrument.strike,
        right=instrument.right,
        is_monthly=is_monthly,
        exchange=instrument.exchange,
    )
