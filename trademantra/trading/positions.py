"""What strategies hold: quantity, cost and result, moved by executions alone.

Invariants, for every sequence of executions:
- quantity = bought - sold;
- cash flow + value of the open quantity at cost = realised result (before charges): nothing appears or vanishes;
- a flat position has no cost left.

Amounts lie on the grid of 1/10 000 of the currency, as the ledger keeps them: what an average leaves over stays with
the part that is left, so that the sums are exact.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from trademantra.core.order import Side
from trademantra.trading.fills import Execution

_NOTHING = Decimal(0)
_GRID = Decimal("0.0001")


@dataclass(slots=True)
class HeldPosition:
    """One strategy's position in one instrument and product.

    `cost` is what the open quantity cost, signed like `quantity`; `cost`, `realised`, `charges` in currency.
    Accounting is by average cost.
    """

    quantity: Decimal = _NOTHING
    cost: Decimal = _NOTHING
    realised: Decimal = _NOTHING
    charges: Decimal = _NOTHING

    @property
    def average(self) -> Decimal | None:
        """Cost of one unit, in currency; None when flat."""
        return self.cost / self.quantity if self.quantity else None

    def unrealised(self, price: Decimal, multiplier: Decimal) -> Decimal:
        """Result of closing at `price`, before charges."""
        return self.quantity * price * multiplier - self.cost

    def book(
        self, side: Side, execution: Execution, multiplier: Decimal, charges: Decimal = _NOTHING
    ) -> Decimal:
        """Add an execution; answers the cash flow: negative for a purchase, charges included.

        What closes realises against the average cost; what goes beyond flat opens the other side at its own price.
        """
        sign, value = side.sign, on_grid(execution.value * multiplier)
        moved = sign * execution.quantity
        self.charges += charges
        if moved == 0:  # a correction of the value: it belongs to what the fill did
            if self.quantity * sign > 0:
                self.cost += sign * value
            else:
                self.realised -= sign * value
        elif self.quantity * moved >= 0:
            self.quantity += moved
            self.cost += sign * value
        else:
            closed = min(abs(moved), abs(self.quantity))
            proceeds = on_grid(value * closed / execution.quantity)
            share = on_grid(self.cost * closed / abs(self.quantity))
            self.realised += -share - sign * proceeds
            self.cost -= share
            self.quantity += sign * closed
            rest = abs(moved) - closed
            if rest:
                self.quantity = sign * rest
                self.cost = sign * (value - proceeds)
        return -sign * value - charges


def on_grid(amount: Decimal) -> Decimal:
    """To 1/10 000 of the currency, halves to even.

    >>> on_grid(Decimal("33.33335"))
    Decimal('33.3334')
    """
    return amount.quantize(_GRID, ROUND_HALF_EVEN)
