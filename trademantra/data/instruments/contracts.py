"""Where the listings of each contract are, by what the contract is."""

from decimal import Decimal
from typing import TypeAlias

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument, InstrumentKind, OptionRight
from trademantra.core.money import decimal_of
from trademantra.core.time import parse_date
from trademantra.data.instruments.columns import NOTHING, Columns, Listings, each, note
from trademantra.data.instruments.readers.rows import SCALE
from trademantra.data.instruments.schema import day_number

# Strike and right of an option as one number; the future of an expiry stands beside them.
Leg: TypeAlias = int
FUTURE_LEG: Leg = NOTHING


class ContractIndex:
    """Futures and options by exchange, underlying, expiry and leg; shares and indices by symbol and ISIN.

    Each table is built when it is first asked for.
    """

    __slots__ = ("_by_contract", "_chains", "_columns", "_grouped", "_isins", "_named", "_roots")

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._chains: dict[tuple[int, int], dict[int, dict[Leg, Listings]]] = {}
        self._roots: dict[str, Listings] = {}
        self._isins: dict[str, Listings] = {}
        self._by_contract: dict[int, Listings] = {}
        self._named = 0  # rows of `columns` that the tables by name already have
        self._grouped = 0  # the same for the table by contract

    @property
    def chains(self) -> dict[tuple[int, int], dict[int, dict[Leg, Listings]]]:
        """(exchange, underlying) -> expiry -> leg -> listings; words and days as in `Columns`."""
        self._name_rows()
        return self._chains

    @property
    def roots(self) -> dict[str, Listings]:
        self._name_rows()
        return self._roots

    @property
    def isins(self) -> dict[str, Listings]:
        self._name_rows()
        return self._isins

    def of_contract(self, contract: int) -> Listings:
        """Every listing of a contract by its number."""
        columns = self._columns
        for row in range(self._grouped, len(columns)):
            note(self._by_contract, columns.contract[row], row)
        self._grouped = len(columns)
        return self._by_contract[contract]

    def _name_rows(self) -> None:
        columns = self._columns
        if self._named == len(columns):
            return
        put = columns.words.known("PE")
        future = columns.words.known(InstrumentKind.FUTURE.value)
        for row in range(self._named, len(columns)):
            underlying = columns.underlying[row]
            if underlying:
                expiries = self._chains.setdefault((columns.exchange[row], underlying), {})
                is_future = columns.kind[row] == future
                leg = (
                    FUTURE_LEG if is_future else leg_of(columns.strike[row], is_put=columns.right[row] == put)
                )
                note(expiries.setdefault(columns.expiry[row], {}), leg, row)
                continue
            root, isin = columns.root[row], columns.isin[row]
            if root is not None:
                note(self._roots, root, row)
            if isin is not None:
                note(self._isins, isin, row)
        self._named = len(columns)

    def rows_of_fields(self, exchange: str, underlying: str, expiry: str, leg: list[str]) -> tuple[int, ...]:
        """Listings of a contract whose key's parts are given: `FUT`, or strike and right.

        Errors: `InvalidValueError` for a part that cannot be read.
        """
        words = self._columns.words
        expiries = self.chains.get((words.known(exchange), words.known(underlying)), {})
        legs = expiries.get(day_number(parse_date(expiry)), {})
        match leg:
            case ["FUT"]:
                return each(legs.get(FUTURE_LEG))
            case [strike, "CE" | "PE" as right]:
                return each(legs.get(leg_for(decimal_of(strike, "strike"), OptionRight(right))))
        raise InvalidValueError(
            f"{':'.join(leg)!r} does not end a key",
            hint="a key ends with FUT, or with STRIKE:CE or STRIKE:PE",
        )

    def rows_of(self, instrument: Instrument) -> tuple[int, ...]:
        """Every listing of an instrument, whichever broker's and whenever; empty for one that is not known."""
        columns = self._columns
        exchange = columns.words.known(instrument.exchange.value)
        if instrument.expiry is not None:
            assert instrument.underlying is not None
            expiries = self.chains.get((exchange, columns.words.known(instrument.underlying)), {})
            legs = expiries.get(day_number(instrument.expiry), {})
            return each(legs.get(leg_for(instrument.strike, instrument.right)))
        by_isin = self.isins.get(instrument.isin) if instrument.isin else None
        found = [row for row in each(by_isin) if columns.exchange[row] == exchange] or [
            row
            for row in each(self.roots.get(instrument.symbol))
            if columns.exchange[row] == exchange
            and columns.words.of[columns.segment[row]] == instrument.segment
        ]
        contracts = dict.fromkeys(columns.contract[row] for row in found)
        return tuple(row for contract in contracts for row in each(self.of_contract(contract)))


def leg_of(strike: int, *, is_put: bool) -> Leg:
    return strike * 2 + is_put


def leg_for(strike: Decimal | None, right: OptionRight | None) -> Leg:
    """The leg of a contract's fields; `FUTURE_LEG` for a future."""
    if strike is None:
        return FUTURE_LEG
    return leg_of(int(strike * SCALE), is_put=right is OptionRight.PUT)
