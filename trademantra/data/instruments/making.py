"""Instruments out of listing rows, each made once when it is first asked for."""

from array import array
from decimal import Decimal

from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
    plain,
)
from trademantra.data.instruments.columns import NEVER, NOTHING, Columns, each
from trademantra.data.instruments.contracts import ContractIndex
from trademantra.data.instruments.schema import day_of

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ONE = Decimal(1)
# Members by value: a call of the enum class costs as much as the rest of a row.
_EXCHANGES = {member.value: member for member in Exchange}
_SEGMENTS = {member.value: member for member in Segment}
_KINDS = {member.value: member for member in InstrumentKind}
_RIGHTS = {member.value: member for member in OptionRight}
_UNITS = {member.value: member for member in QuantityUnit}
_DEFAULT_TICK = Decimal("0.05")
_MOST_KEPT = 500_000


class InstrumentMaker:
    """Turns a row into an `Instrument` with the facts of its broker, completed from the other brokers' rows.

    What the row's broker does not state (ISIN, series, name, freeze quantity, multiplier, the size of a lot where
    it counts lots) is taken from another broker's listing of the same contract that holds on the same day.
    """

    __slots__ = ("_columns", "_contracts", "_decimals", "_listed", "_made")

    def __init__(self, columns: Columns, contracts: ContractIndex) -> None:
        self._columns = columns
        self._contracts = contracts
        self._decimals: dict[int, Decimal] = {}
        self._made: dict[tuple[int, int | None], Instrument] = {}
        self._listed: dict[str, list[tuple[int, int]]] | None = None

    def forget(self) -> None:
        """Drop what was made, after rows have been added."""
        self._made.clear()
        self._listed = None

    def instrument(self, row: int, day: int | None) -> Instrument:
        key = (row, day)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST_KEPT:
                self._made.clear()
            made = self._made[key] = self._make(row, day)
        return made

    def _make(self, row: int, day: int | None) -> Instrument:
        columns = self._columns
        words = columns.words.of
        kind = _KINDS[words[columns.kind[row]]]
        others = self._others(row, day)
        underlying, expiry, strike, right = None, None, None, None
        if columns.underlying[row]:
            underlying = words[columns.underlying[row]]
            expiry = day_of(columns.expiry[row])
            symbol = f"{underlying}{expiry.day:02}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02}"
            if kind is InstrumentKind.OPTION:
                strike = self._decimal(columns.strike[row])
                right = _RIGHTS[words[columns.right[row]]]
                symbol = f"{symbol}{plain(strike)}{right.value}"
            else:
                symbol = f"{symbol}FUT"
        else:
            symbol = columns.root[row] or columns.symbol[row]
        freeze = self._number(columns.freeze, row, others)
        multiplier = self._number(columns.multiplier, row, others)
        isin = _text(columns.isin, row, others)
        series = next((words[columns.series[one]] for one in (row, *others) if columns.series[one]), None)
        return Instrument(
            exchange=_EXCHANGES[words[columns.exchange[row]]],
            segment=_SEGMENTS[words[columns.segment[row]]],
            kind=kind,
            symbol=symbol,
            underlying=underlying,
            expiry=expiry,
            strike=strike,
            right=right,
            lot_size=self._lot(row, others),
            tick_size=_DEFAULT_TICK if columns.tick[row] == NOTHING else self._decimal(columns.tick[row]),
            freeze_quantity=freeze,
            multiplier=_ONE if multiplier is None else multiplier,
            quantity_unit=_UNITS[words[columns.unit[row]]],
            isin=isin,
            series=series,
            name=_text(columns.name, row, others),
            has_derivatives=self._has_derivatives(symbol, isin, day)
            if kind is InstrumentKind.SHARE
            else None,
        )

    def _others(self, row: int, day: int | None) -> tuple[int, ...]:
        columns = self._columns
        if columns.has_one_broker:
            return ()
        rows = self._contracts.of_contract(columns.contract[row])
        if isinstance(rows, int):
            return ()
        return tuple(
            other
            for other in rows
            if columns.broker[other] != columns.broker[row] and columns.is_valid(other, day)
        )

    def _lot(self, row: int, others: tuple[int, ...]) -> Decimal:
        """Units in a lot.  A broker that counts lots states 1; another one may tell what that is."""
        columns = self._columns
        if columns.lot[row] == NOTHING:
            return _ONE
        in_units = columns.words.known(QuantityUnit.UNITS.value)
        if columns.unit[row] != in_units:
            row = next((other for other in others if columns.unit[other] == in_units), row)
        return self._decimal(columns.lot[row])

    def _number(self, column: "array[int]", row: int, others: tuple[int, ...]) -> Decimal | None:
        for one in (row, *others):
            if column[one] != NOTHING:
                return self._decimal(column[one])
        return None

    def _decimal(self, number: int) -> Decimal:
        found = self._decimals.get(number)
        if found is None:
            text = plain(Decimal(number).scaleb(-8))
            found = self._decimals[number] = Decimal(text)
        return found

    def _has_derivatives(self, root: str, isin: str | None, day: int | None) -> bool | None:
        """Whether futures or options on a share are listed, by any broker's files of the day.

        Unknown (None) while no equity derivatives of NSE are: nearly all single-stock contracts are there.
        """
        listed = self._derivative_days()
        if not _holds(listed.get(""), day):
            return None
        columns = self._columns
        names = {root}
        if isin is not None:  # BSE may call the share by another name than the exchange of its contracts
            names.update(columns.root[row] or root for row in each(self._contracts.isins.get(isin)))
        return any(_holds(listed.get(name), day) for name in names)

    def _derivative_days(self) -> dict[str, list[tuple[int, int]]]:
        """For each underlying, and under "" for NSE as a whole, the spans of days with a listed equity derivative."""
        if self._listed is None:
            columns = self._columns
            words = columns.words.of
            equity = {
                columns.words.known(segment) for segment in (Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS)
            }
            nse = columns.words.known(Exchange.NSE.value)
            spans: dict[tuple[int, int], set[tuple[int, int]]] = {}
            for (exchange, underlying), expiries in self._contracts.chains.items():
                for expiry, legs in expiries.items():
                    for rows in legs.values():
                        for row in each(rows):
                            if columns.segment[row] in equity:
                                end = columns.valid_to[row]
                                span = (
                                    columns.valid_from[row],
                                    end if end == NEVER else min(end, expiry + 1),
                                )
                                spans.setdefault((exchange, underlying), set()).add(span)
            by_name: dict[str, set[tuple[int, int]]] = {}
            for (exchange, underlying), found in spans.items():
                by_name.setdefault(words[underlying], set()).update(found)
                if exchange == nse:
                    by_name.setdefault("", set()).update(found)
            self._listed = {name: _joined(found) for name, found in by_name.items()}
        return self._listed


def _joined(spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _holds(spans: list[tuple[int, int]] | None, day: int | None) -> bool:
    if spans is None:
        return False
    if day is None:
        return any(end == NEVER for _, end in spans)
    return any(start <= day < end for start, end in spans)


def _text(column: list[str | None], row: int, others: tuple[int, ...]) -> str | None:
    for one in (row, *others):
        if column[one] is not None:
            return column[one]
    return None
