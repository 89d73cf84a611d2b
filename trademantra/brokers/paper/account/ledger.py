"""The cash ledger of an account.  Invariant: each balance is the one before it plus the amount; nothing is changed."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from trademantra.brokers.paper.account.views import LedgerEntry


@dataclass(slots=True)
class Ledger:
    """`opening` is the money the account began with."""

    opening: Decimal
    entries: list[LedgerEntry] = field(default_factory=list)

    @property
    def balance(self) -> Decimal:
        return self.entries[-1].balance if self.entries else self.opening

    def post(self, day: date, text: str, amount: Decimal) -> None:
        """Add an entry; an amount of 0 leaves none."""
        if amount:
            self.entries.append(LedgerEntry(day=day, text=text, amount=amount, balance=self.balance + amount))
