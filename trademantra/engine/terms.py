"""What an instrument is traded by, where those of one run differ: its lot, its tick, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trademantra.core.errors import InvalidValueError
from trademantra.engine.charging import no_charges
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Terms:
    """Of one instrument.  `lot` in units, `tick` in currency; `multiplier` turns price × quantity into currency.

    `charges` (r,) numeric rules of `markets.charges`; None: it costs nothing.
    """

    lot: float
    tick: float
    multiplier: float = 1.0
    charges: RecordArray | None = None

    def of(self, rules: TradingRules) -> TradingRules:
        """The rules of a run as they are for this instrument.

        >>> Terms(lot=65.0, tick=0.1).of(TradingRules(cash=1e6)).lot
        65.0
        """
        return replace(rules, lot=self.lot, tick=self.tick, multiplier=self.multiplier)

    def is_like(self, other: "Terms") -> bool:
        """Whether trading by these is trading by those."""
        mine, its = (self.lot, self.tick, self.multiplier), (other.lot, other.tick, other.multiplier)
        return mine == its and same_charges(self.charges, other.charges)


def same_charges(one: RecordArray | None, other: RecordArray | None) -> bool:
    """Whether two tables charge alike."""
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


@dataclass(frozen=True, slots=True, eq=False)
class MemberTerms:
    """The rules of one instrument of a run: as words, as the record of them (1,) that kernels read, and its charges."""

    rules: TradingRules
    numbers: RecordArray
    charges: RecordArray

    @classmethod
    def made(
        cls, rules: TradingRules, charges: RecordArray, bars_per_year: float, own: Terms | None = None
    ) -> "MemberTerms":
        """Those of the run; where the instrument has its `own`, those take their place."""
        if own is not None:
            rules, charges = own.of(rules), no_charges() if own.charges is None else own.charges
        return cls(rules, rules.record(bars_per_year), charges)


def refuse_own_terms(strategy: str, own: Mapping[str, Terms]) -> None:
    """Errors: `InvalidValueError` where there are any: a kernel takes its rules for all instruments that it is given."""
    if own:
        raise InvalidValueError(
            f"strategy {strategy} is decided with one lot, one tick and one table of charges; "
            f"{', '.join(sorted(own))} would need others",
            hint="run those instruments apart",
        )
