"""Kite's error replies: a type, an HTTP status and a text (specs/brokers.md 1.6)."""

from types import MappingProxyType
from typing import ClassVar

from trademantra.brokers.paper.terms import Refusal, RefusedRequestError
from trademantra.core.errors import TradeMantraError

TOKEN, PERMISSION, INPUT, ORDER = (
    "TokenException",
    "PermissionException",
    "InputException",
    "OrderException",
)
NETWORK, DATA, GENERAL = "NetworkException", "DataException", "GeneralException"

_STATUS = MappingProxyType(
    {
        Refusal.INPUT: 400,
        Refusal.ORDER: 400,
        Refusal.MARGIN: 400,
        Refusal.HOLDING: 400,
        Refusal.PERMISSION: 403,
        Refusal.USER: 403,
        Refusal.GENERAL: 500,
    }
)


class KiteReplyError(TradeMantraError):
    """A request that is answered with Kite's error body; nothing was changed by it."""

    code: ClassVar[str] = "kite_reply"

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


def missing(field: str) -> KiteReplyError:
    """A required field is absent or empty."""
    return KiteReplyError(400, INPUT, f"Missing or empty field `{field}`")


def invalid(field: str, detail: str = "") -> KiteReplyError:
    """A field that cannot be read, or holds a word that is not among the known ones."""
    return KiteReplyError(400, INPUT, f"Invalid `{field}`.{' ' + detail if detail else ''}")


def bad_token(message: str = "Incorrect `api_key` or `access_token`.") -> KiteReplyError:
    """The session is over, or the key or token is not known."""
    return KiteReplyError(403, TOKEN, message)


def refused(error: RefusedRequestError) -> KiteReplyError:
    """The exchange's own refusal, in Kite's form."""
    return KiteReplyError(_STATUS[error.kind], error.kind.value, error.message)
