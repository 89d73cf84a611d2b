"""What goes wrong with a broker, in words that the desk can act on."""

from typing import ClassVar

from trademantra.core.errors import TradeMantraError


class BrokerError(TradeMantraError):
    """Base.  `broker_code` is the broker's own error type or number, for the log and the report."""

    code: ClassVar[str] = "broker_error"

    def __init__(self, message: str, *, hint: str = "", broker_code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.broker_code = broker_code


class SessionExpiredError(BrokerError):
    """The login is over or was never made; nothing goes until a person logs in again."""

    code = "broker_session_expired"


class PermissionRefusedError(BrokerError):
    """The key may not do this: a missing permission, or an address that is not registered for orders."""

    code = "broker_permission_refused"


class RequestRefusedError(BrokerError):
    """The broker says that the request itself is wrong, or that the order cannot be changed any more."""

    code = "broker_request_refused"


class FundsRefusedError(BrokerError):
    """Not enough margin or holdings."""

    code = "broker_funds_refused"


class RateLimitedError(BrokerError):
    """Too many requests; `retry_after_seconds` where the broker says how long."""

    code = "broker_rate_limited"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, broker_code: str = ""
    ) -> None:
        super().__init__(message, hint="wait and try again", broker_code=broker_code)
        self.retry_after_seconds = retry_after_seconds


class BrokerUnavailableError(BrokerError):
    """No answer, or one that cannot be read.  What was asked may or may not have happened."""

    code = "broker_unavailable"


class NotSupportedError(BrokerError):
    """The broker has no such feature; its manifest says so."""

    code = "broker_not_supported"
