"""Plain values read strictly into types: what stands in a frame or in a line of a log is known, or refused by name."""

from math import inf, isfinite, nan

from trademantra.trading.runner.wire import ProtocolError


def table(value: object, what: str, names: frozenset[str] | None = None) -> dict[str, object]:
    """A JSON object, of exactly these names when they are given."""
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} must be an object, got {_kind(value)}")
    if names is not None and value.keys() != names:
        raise ProtocolError(
            f"{what} must have {', '.join(sorted(names))}, got {', '.join(sorted(value))[:200]}"
        )
    return value


def row(value: object, what: str, length: int | None = None) -> list[object]:
    """A JSON array, of this length when one is given."""
    if not isinstance(value, list):
        raise ProtocolError(f"{what} must be an array, got {_kind(value)}")
    if length is not None and len(value) != length:
        raise ProtocolError(f"{what} must have {length} values, got {len(value)}")
    return value


def text(value: object, what: str, longest: int = 100_000) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise ProtocolError(f"{what} must be a text of at most {longest} characters, got {_kind(value)}")
    return value


def whole(value: object, what: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProtocolError(f"{what} must be a whole number from {low} to {high}, got {_kind(value)}")
    return value


def number(value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolError(f"{what} must be a number, got {_kind(value)}")
    try:
        read = float(value)
    except OverflowError as error:
        raise ProtocolError(f"{what} is too large a number") from error
    if not isfinite(read):
        raise ProtocolError(f"{what} must be a finite number, got {read}")
    return read


def positive(value: object, what: str) -> float:
    read = number(value, what)
    if read <= 0.0:
        raise ProtocolError(f"{what} must be positive, got {read}")
    return read


def positive_or_none(value: object, what: str) -> float:
    """A positive number; NaN for null."""
    return nan if value is None else positive(value, what)


def or_null(value: float) -> float | None:
    """A number as JSON holds it: null for NaN, which says that there is none."""
    return value if -inf < value < inf else None


def _kind(value: object) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown[:60]}{'…' if len(shown) > 60 else ''}"
