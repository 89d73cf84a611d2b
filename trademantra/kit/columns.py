"""Column types that mean the same on SQLite and PostgreSQL: instants, money, quantities."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, Dialect, TypeDecorator

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import amount_of, units_of

_QUANTITY_DIGITS = 8
_LARGEST = 2**63 - 1


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC.  SQLite drops zones: what comes back is UTC again.

    Errors: `InvalidValueError` for a naive datetime.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidValueError(
                f"time {value.isoformat()} has no zone", hint="store aware datetimes only"
            )
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount or a price, exact to 1/10 000 of its currency, in a 64-bit integer.

    Errors: `InvalidValueError` for an amount that is finer or does not fit; it is never rounded.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else units_of(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else amount_of(value)


class Quantity(TypeDecorator[Decimal]):
    """A number of units, exact to 1/100 000 000 (coins are counted so), in a 64-bit integer.

    Errors: as `Money`.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        scaled = value.scaleb(_QUANTITY_DIGITS)
        units = int(scaled)
        if units != scaled or abs(units) > _LARGEST:
            raise InvalidValueError(
                f"quantity {value} does not fit its column", hint="at most 8 decimals and 92 billion units"
            )
        return units

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-_QUANTITY_DIGITS).normalize() + 0
