"""Round trips and open positions of a run, as a reader sees them: names and times instead of indices."""

from collections.abc import Iterator
from dataclasses import dataclass

from trademantra.engine.backtest import BacktestResult
from trademantra.engine.records import Reason

_DUST = 1e-9  # as the account's: below this part of what was traded a quantity is a rounding residue


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One round trip, from flat to flat.

    `entry` and `exit` are indices into the run's `ts`: the bars inside which, or at whose open, it filled; `bars` lie
    between them.  Prices are averages over the fills; `value` is what was entered, with `gross`, `costs` and `net` in
    currency; `side` is `long` or `short`; `reason` is that of the last exit.
    """

    symbol: str
    side: str
    entry: int
    exit: int
    entry_price: float
    exit_price: float
    quantity: float
    value: float
    gross: float
    costs: float
    net: float
    reason: str

    @property
    def bars(self) -> int:
        return self.exit - self.entry

    @property
    def return_on_value(self) -> float:
        """Net result as a fraction of what was entered."""
        return self.net / self.value if self.value > 0.0 else float("nan")


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What was still held after the last bar.

    `quantity` is positive, `gross` values it at `last_price` and includes parts that were sold on the way; `costs` are
    those paid so far, so that gross - costs is what the position adds to the final equity.
    """

    symbol: str
    side: str
    entry: int
    average_price: float
    last_price: float
    quantity: float
    gross: float
    costs: float


def trade_rows(result: BacktestResult) -> tuple[TradeRow, ...]:
    """Round trips in the order of their exits."""
    trades = result.trades
    columns = [trades[name].tolist() for name in (
        "instrument", "side", "entry_index", "exit_index", "entry_price", "exit_price", "quantity", "gross", "costs",
        "net", "reason",
    )]  # fmt: skip
    return tuple(
        TradeRow(
            result.symbols[instrument], side_word(side), entry, leave, entry_price, exit_price, quantity,
            entry_price * quantity * result.rules.multiplier, gross, costs, net, reason_word(reason),
        )
        for instrument, side, entry, leave, entry_price, exit_price, quantity, gross, costs, net, reason in zip(
            *columns, strict=True
        )
    )  # fmt: skip


def open_positions(result: BacktestResult) -> tuple[OpenPosition, ...]:
    """Positions that the run ended with, found by following its fills."""
    held: dict[int, _Held] = {}
    fills = result.fills
    columns = [fills[name].tolist() for name in ("instrument", "index", "side", "quantity", "price", "costs")]
    for instrument, index, side, quantity, price, costs in zip(*columns, strict=True):
        held.setdefault(instrument, _Held()).fill(index, side, quantity, price, costs)
    return tuple(_open(result, held))


def _open(result: BacktestResult, held: dict[int, "_Held"]) -> Iterator[OpenPosition]:
    for instrument, one in sorted(held.items()):
        if one.quantity == 0.0:
            continue
        symbol = result.symbols[instrument]
        last = float(result.given.bars[symbol].close[-1])
        side = 1 if one.quantity > 0.0 else -1
        gross = (one.quantity * last - side * one.bought) * result.rules.multiplier
        yield OpenPosition(
            symbol, side_word(side), one.entry, one.average, last, abs(one.quantity), gross, one.costs
        )


class _Held:
    """A position while its fills are followed, booked as the engine's account books it."""

    __slots__ = ("average", "bought", "costs", "entry", "quantity", "traded")

    def __init__(self) -> None:
        self.quantity = self.average = self.traded = 0.0
        self.bought = 0.0  # value of the entries less that of the exits, per unit of the multiplier
        self.costs = 0.0
        self.entry = 0

    def fill(self, index: int, side: int, quantity: float, price: float, costs: float) -> None:
        if self.quantity == 0.0:
            self.average = self.traded = self.bought = self.costs = 0.0
            self.entry = index
        self.costs += costs
        if self.quantity * side >= 0.0:
            before = abs(self.quantity)
            self.average = (self.average * before + price * quantity) / (before + quantity)
            self.traded += quantity
            self.bought += price * quantity
            self.quantity += side * quantity
            return
        self.bought -= price * quantity
        self.quantity += side * quantity
        if abs(self.quantity) <= _DUST * max(1.0, self.traded):
            self.quantity = 0.0


def side_word(side: int) -> str:
    return "long" if side > 0 else "short"


def reason_word(reason: int) -> str:
    """`signal`, `stop`, `target`, `trail`, `time`, `square_off`, `margin`, `end`."""
    return Reason(reason).name.lower()
