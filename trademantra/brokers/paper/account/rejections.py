"""An order or conversion that the account's risk checks turn down, in the broker's words."""

from typing import ClassVar

from trademantra.brokers.paper.terms import Refusal
from trademantra.core.errors import TradeMantraError


class AccountRejectionError(TradeMantraError):
    """Nothing was changed.  `message` is what the broker tells the client, `raw` its risk system's own text.

    `kind` is Kite's error type (MARGIN, HOLDING or INPUT) where the refusal answers a request directly.
    """

    code: ClassVar[str] = "account_rejected"

    def __init__(self, kind: Refusal, message: str, raw: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.raw = raw or message
