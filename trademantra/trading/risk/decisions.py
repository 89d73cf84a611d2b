"""What the risk gate answers, and what it asks the desk to do."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from trademantra.trading.risk.limits import Scope


class Outcome(StrEnum):
    ALLOW = "allow"
    REDUCE = "reduce"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class PauseStrategy:
    """Refuse the entries of this strategy until a person releases it (`RiskState.pause`), and stop it."""

    account_id: str
    strategy_id: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """Cancel the working entries and close all positions of a scope.

    `account_id` and `name` as in `RiskState.book`: for scope USER, all accounts of the user `name`.
    """

    scope: Scope
    account_id: str
    name: str
    rule: str
    text: str


BreachRequest: TypeAlias = PauseStrategy | Flatten


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer to one intent.

    `quantity` may go out (0: nothing).  `rule` and `text` say why it is not all: the code is stable, the text names the
    limit, the figure and what to do.  `retry_ns`: when the cause passes by itself, for a desk that queues instead.
    `covered_by`: working orders that hold what an exit asks for; cancel or change one of them first.
    """

    outcome: Outcome
    quantity: Decimal
    rule: str = ""
    text: str = ""
    retry_ns: int | None = None
    requests: tuple[BreachRequest, ...] = ()
    covered_by: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether anything may go out."""
        return self.quantity > 0
