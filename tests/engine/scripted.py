"""A strategy that says what the test tells it to: codes and levels travel in the timeline's `minute` row.

Word of a bar: the code in the lowest 4 bits, then limit, trigger, stop and target of 12 bits each, as whole
ticks from the close of that bar plus 2048 (0: none).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from hypothesis.vendor.pretty import RepresentationPrinter

from tests.engine.reference import ReferenceEngine, Say
from trademantra.core.time import NANOSECONDS_PER_DAY, NANOSECONDS_PER_MINUTE
from trademantra.engine.bars import Bars, Float64Array, Int8Array, Int64Array
from trademantra.engine.combinations import NO_BANDS, Market, Outcome, prepare, run_combinations
from trademantra.engine.compile import signal_kernel
from trademantra.engine.finer import NO_FINER, lay_inside
from trademantra.engine.records import Reason
from trademantra.engine.rules import Size, TradingRules
from trademantra.engine.strategy import SignalStrategy
from trademantra.engine.timeline import Timeline, by_days
from trademantra.markets.charges.numeric import ChargeRules

TICK = 0.05
LONG, OUT, SHORT, COVER = 1, 2, 4, 8
RULES = TradingRules(cash=100_000.0, size=Size.parse("quantity:10"), allow_short=True)
FLAT = (100.0, 100.0, 100.0, 100.0)
FIRST_DAY = 20_500  # days since 1970-01-01: 2026-02-16
OPENS = 225  # minute of the day at which test sessions open (UTC): 03:45, which is 9:15 in India


@signal_kernel
def scripted_kernel(
    bars: Float64Array,
    session: Int64Array,
    minute: Int64Array,
    columns: Float64Array,
    use: Int64Array,
    parameters: Float64Array,
    state: Float64Array,
    codes: Int8Array,
    levels: Float64Array,
    start: int,
    stop: int,
) -> None:
    for i in range(start, stop):
        word = minute[i]
        codes[i - start] = np.int8(word & 15)
        for row in range(4):
            ticks = (word >> (4 + 12 * row)) & 4095
            if ticks != 0:
                levels[row, i - start] = bars[3, i] + (ticks - 2048) * 0.05


SCRIPTED = SignalStrategy(
    name="scripted",
    title="Scripted",
    idea="Says what the test says.",
    source="tests",
    market="none",
    parameters=(),
    columns=(),
    kernel=scripted_kernel,
    has_levels=True,
)


@dataclass(frozen=True)
class Word:
    """A code and levels in ticks from the close."""

    code: int = 0
    limit: int | None = None
    trigger: int | None = None
    stop: int | None = None
    target: int | None = None

    def packed(self) -> int:
        word = self.code
        for row, ticks in enumerate((self.limit, self.trigger, self.stop, self.target)):
            if ticks is not None:
                word |= (ticks + 2048) << (4 + 12 * row)
        return word

    def say(self, close: float) -> Say:
        return Say(
            self.code,
            *(
                nan if ticks is None else close + ticks * TICK
                for ticks in (self.limit, self.trigger, self.stop, self.target)
            ),
        )


@dataclass(frozen=True, repr=False)
class Script:
    """Bars of one instrument, what is said at each, and the days they lie in."""

    bars: Bars
    timeline: Timeline
    words: tuple[Word, ...]
    bands: Float64Array
    finer: Bars | None = None

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        """What a failing test prints: the bars and what is said at them."""
        if len(self.bars) > 60:
            return f"<script of {len(self.bars)} bars>"
        bars = self.bars
        allowed = self.timeline.allowed.tolist() or [0] * len(bars)
        lines = zip(
            range(len(bars)), self.timeline.session.tolist(), allowed, bars.open.tolist(), bars.high.tolist(),
            bars.low.tolist(), bars.close.tolist(), bars.volume.tolist(), self.words, strict=True,
        )  # fmt: skip
        return (
            "\n".join(
                " ".join(f"{x:.6g}" if isinstance(x, float) else str(x) for x in line) for line in lines
            )
            + f"\nbands {self.bands.T.tolist()}"
            + (f"\nfiner {self.finer.ts.tolist()} {self.finer.close.tolist()}" if self.finer else "")
        )

    def market(self, charges: ChargeRules | None = None) -> Market:
        packed = np.array([word.packed() for word in self.words], np.int64)
        finer = NO_FINER if self.finer is None else lay_inside("ONE", self.bars, self.finer)
        return prepare(self.bars, replace(self.timeline, minute=packed), charges, self.bands, finer=finer)

    def run(self, rules: TradingRules, charges: ChargeRules | None = None, **options: int) -> Outcome:
        return run_combinations(SCRIPTED, self.market(charges), [{}], [rules], record=True, **options)

    def says(self) -> list[Say]:
        """What is said after the timeline's mask."""
        closes = self.bars.close.tolist()
        said = [word.say(close) for word, close in zip(self.words, closes, strict=True)]
        allowed = self.timeline.allowed
        if len(allowed):
            said = [replace(say, code=say.code & int(mask)) for say, mask in zip(said, allowed, strict=True)]
        return said

    def reference(self, rules: TradingRules, charges: ChargeRules) -> ReferenceEngine:
        marks = self.timeline.allowed
        leaving = {i for i in range(len(marks)) if marks[i] & 16}
        engine = ReferenceEngine(rules, charges, bars_per_year=self.market().bars_per_year)
        bands = self.bands if self.bands.shape[1] else None
        return engine.run(self.bars, self.timeline.day.tolist(), self.says(), leaving, bands, self.finer)


def bars_of(rows: Sequence[Sequence[float]], minutes: Sequence[int] | None = None) -> Bars:
    """Bars from (open, high, low, close[, volume]) rows, one minute apart or at given minutes."""
    table = [(*row, 1_000.0) if len(row) == 4 else tuple(row) for row in rows]
    start = FIRST_DAY * NANOSECONDS_PER_DAY + OPENS * NANOSECONDS_PER_MINUTE
    at = range(len(table)) if minutes is None else minutes
    return Bars.of([start + minute * NANOSECONDS_PER_MINUTE for minute in at], *zip(*table, strict=True))


def script_of(
    rows: Sequence[Sequence[float]], words: dict[int, Word | int], minutes: Sequence[int] | None = None
) -> Script:
    """A script by hand: what is said at bar i, silence elsewhere."""
    bars = bars_of(rows, minutes)
    said = (words.get(i, 0) for i in range(len(bars)))
    return Script(bars, by_days(bars.ts), tuple(Word(w) if isinstance(w, int) else w for w in said), NO_BANDS)


def calendar(lengths: Sequence[int]) -> list[int]:
    """Minutes since the first open, for consecutive days of so many one-minute bars."""
    return [day * 1_440 + minute for day, length in enumerate(lengths) for minute in range(length)]


Filled = tuple[int, float, float, Reason]  # bar, signed quantity, price, reason


def fills_of(script: Script, rules: TradingRules) -> list[Filled]:
    fills = script.run(rules).fills
    return [
        (
            int(f["index"]),
            float(f["side"] * f["quantity"]),
            round(float(f["price"]), 9),
            Reason(int(f["reason"])),
        )
        for f in fills
    ]
