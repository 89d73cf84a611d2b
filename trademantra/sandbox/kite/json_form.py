"""JSON as Kite writes it: prices are numbers, times are naive Indian wall-clock text."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from trademantra.core.time import NANOSECONDS_PER_SECOND

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

IST_SECONDS = 19_800  # Indian time is 05:30 ahead of UTC, without summer time

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value: Json) -> bytes:
    """JSON text without blanks, UTF-8."""
    return _encoder.encode(value).encode()


def number(value: Decimal) -> int | float:
    """A decimal as JSON shows it: whole numbers without a point, as the broker's server writes them.

    >>> number(Decimal("1500.00")), number(Decimal("1500.05"))
    (1500, 1500.05)
    """
    real = float(value)
    return int(real) if real.is_integer() else real


def count(value: Decimal) -> int:
    """A quantity, which Kite always writes as a whole number."""
    return int(value)


def stamp(ns: int) -> str:
    """`YYYY-MM-DD HH:MM:SS`, Indian time.

    >>> stamp(1795146300000000000)
    '2026-11-20 09:15:00'
    """
    return _stamp(ns // NANOSECONDS_PER_SECOND)


def stamp_or_none(ns: int | None) -> str | None:
    """As `stamp`; what is not known stays null."""
    return None if ns is None else stamp(ns)


def zoned(ns: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS+0530`, as candles carry it.

    >>> zoned(1795146300000000000)
    '2026-11-20T09:15:00+0530'
    """
    return stamp(ns).replace(" ", "T") + "+0530"


@lru_cache(maxsize=4096)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second + IST_SECONDS, UTC).strftime("%Y-%m-%d %H:%M:%S")
