"""The broker's errors in our words, by `error_type` and HTTP status (specs/brokers.md 1.6)."""

from types import MappingProxyType

from trademantra.brokers.errors import (
    BrokerError,
    BrokerUnavailableError,
    FundsRefusedError,
    PermissionRefusedError,
    RateLimitedError,
    RequestRefusedError,
    SessionExpiredError,
)

_TOO_MANY = 429
_FIRST_SERVER_FAULT = 500

_KINDS: MappingProxyType[str, type[BrokerError]] = MappingProxyType(
    {
        "TokenException": SessionExpiredError,
        "PermissionException": PermissionRefusedError,
        "UserException": PermissionRefusedError,
        "InputException": RequestRefusedError,
        "OrderException": RequestRefusedError,
        "MarginException": FundsRefusedError,
        "HoldingException": FundsRefusedError,
        "NetworkException": BrokerUnavailableError,
        "DataException": BrokerUnavailableError,
    }
)
_HINTS: MappingProxyType[type[BrokerError], str] = MappingProxyType(
    {
        SessionExpiredError: "log in again in the browser",
        PermissionRefusedError: "check the app's permissions and the registered IP address at developers.kite.trade",
        FundsRefusedError: "add funds or send a smaller order",
        BrokerUnavailableError: "try again; Zerodha's own state is at status.zerodha.com",
    }
)


def error_of(status: int, error_type: str, message: str) -> BrokerError:
    """The typed error of a failed reply; `error_type` is "" where the reply named none.

    >>> type(error_of(403, "TokenException", "Invalid session")).__name__
    'SessionExpiredError'
    >>> type(error_of(429, "NetworkException", "Too many requests")).__name__
    'RateLimitedError'
    """
    if status == _TOO_MANY:
        return RateLimitedError(message or "too many requests", broker_code=error_type)
    kind = _KINDS.get(error_type)
    if kind is None:
        kind = BrokerUnavailableError if status >= _FIRST_SERVER_FAULT else RequestRefusedError
    return kind(
        message or f"the broker answered with HTTP {status}",
        hint=_HINTS.get(kind, ""),
        broker_code=error_type or f"HTTP {status}",
    )
