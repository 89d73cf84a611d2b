"""Option chains: the options among the instruments of a run, by strike.

Options are known by their symbols, as the desk names them in every mode: underlying, day, month, year, strike and right
(`NIFTY23NOV2624500CE`), so that one strategy finds the same chain in a back-test and live.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import nan
from typing import Protocol

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import OptionRight
from trademantra.markets.symbols.angel_one import parse_contract

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One strike: symbols of call and put (empty where the run has none) and their last known prices (NaN: none yet)."""

    strike: float
    call: str = ""
    put: str = ""
    call_price: float = nan
    put_price: float = nan


class Priced(Protocol):
    """An instrument and its last known price, NaN before the first."""

    symbol: str
    last: float


@dataclass(frozen=True, slots=True)
class _Option:
    underlying: str
    expiry: date
    strike: float
    right: OptionRight
    priced: Priced


class Chains:
    """The options of one run."""

    def __init__(self, members: Iterable[Priced]) -> None:
        self._options = [found for each in members if (found := _option(each)) is not None]

    def rows(self, underlying: str, expiry: date | None, day: int) -> tuple[ChainRow, ...]:
        """Strikes from the lowest up.  `expiry` None: the nearest that is not before `day` (since 1970-01-01).

        Errors: `InvalidValueError` for an underlying or an expiry that the run has no options of.
        """
        names = sorted({each.underlying for each in self._options})
        if not underlying and len(names) == 1:
            underlying = names[0]
        mine = [each for each in self._options if each.underlying == underlying]
        if not mine:
            raise InvalidValueError(
                f"no options of {underlying!r} in this run",
                hint=f"there are options of {', '.join(names) or 'nothing'}; name each leg, as NIFTY23NOV2624500CE",
            )
        expiries = sorted({each.expiry for each in mine})
        if expiry is None:
            today = _EPOCH + timedelta(days=day)
            expiry = next((each for each in expiries if each >= today), None)
            if expiry is None:
                return ()
        if expiry not in expiries:
            raise InvalidValueError(
                f"no options of {underlying} that expire on {expiry}",
                hint=f"there are: {', '.join(map(str, expiries))}",
            )
        chosen = [each for each in mine if each.expiry == expiry]
        return tuple(_row(strike, chosen) for strike in sorted({each.strike for each in chosen}))


def _row(strike: float, options: Iterable[_Option]) -> ChainRow:
    by_right = {each.right: each.priced for each in options if each.strike == strike}
    call, put = by_right.get(OptionRight.CALL), by_right.get(OptionRight.PUT)
    return ChainRow(
        strike,
        "" if call is None else call.symbol,
        "" if put is None else put.symbol,
        nan if call is None else call.last,
        nan if put is None else put.last,
    )


def _option(priced: Priced) -> _Option | None:
    """None for what is no option."""
    try:
        name = parse_contract(priced.symbol, None, None)
    except InvalidValueError:
        return None
    if name.expiry is None or name.strike is None or name.right is None:
        return None
    return _Option(name.underlying, name.expiry, float(name.strike), name.right, priced)
