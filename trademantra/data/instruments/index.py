"""Find instruments by any name that a broker or an exchange gives them, from memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from trademantra.core.errors import AmbiguousInstrumentError, InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Exchange, Instrument
from trademantra.data.instruments.chain import Chain, ChainStrike
from trademantra.data.instruments.columns import NEVER, Columns, Listings, each, note
from trademantra.data.instruments.contracts import FUTURE_LEG, ContractIndex
from trademantra.data.instruments.foreign import rows_by_grammar
from trademantra.data.instruments.making import InstrumentMaker
from trademantra.data.instruments.schema import day_number, day_of, reading

_MOST_KEPT = 200_000
_Key = tuple[str, str | None, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a broker calls an instrument, from `valid_from` up to but without `valid_to` (None: still)."""

    broker: str
    venue: str
    token: str
    symbol: str
    valid_from: date
    valid_to: date | None


class InstrumentIndex:
    """The master in memory.

    Every question takes `on`, a day: the answer is what held on that day by the files imported (a listing holds
    from the day of the first file that has it until the day of the first that lacks it, a contract no longer than
    its expiry).  Without `on` it is the state after the newest import.
    Errors of every question: `UnknownInstrumentError` when nothing answers, `AmbiguousInstrumentError` when more
    than one instrument does.  Closed listings are loaded when a question first reaches back to them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns = Columns()
        self._contracts = ContractIndex(self._columns)
        self._maker = InstrumentMaker(self._columns, self._contracts)
        self._tokens: dict[str, dict[str, Listings]] = {}
        self._symbols: dict[str, dict[str, Listings]] = {}
        self._found: dict[_Key, Instrument] = {}
        self._securities: dict[tuple[str, int | None], tuple[Instrument, ...]] = {}
        with reading(path) as connection:
            self._columns.add(connection, closed=False)
            last = connection.execute("SELECT max(valid_to) FROM listing").fetchone()[0]
        self._past_before = (
            0 if last is None else int(last)
        )  # the past ends here: later days need only open rows
        self._has_past = last is None

    def by_token(
        self, broker: str, token: str | int, *, venue: str | None = None, on: date | None = None
    ) -> Instrument:
        """The instrument of a broker's token; Angel One and Dhan use one number in several venues: name it then."""
        day = self._day(on)
        key = (str(token), broker, venue, day)
        found = self._found.get(key)
        if found is None:
            tokens = self._by_broker(self._tokens, broker, self._columns.token)
            found = self._keep(
                key, self._one(each(tokens.get(key[0])), day, f"{broker} token {token}", venue=venue)
            )
        return found

    def by_symbol(
        self,
        symbol: str,
        *,
        broker: str | None = None,
        exchange: Exchange | None = None,
        on: date | None = None,
    ) -> Instrument:
        """The instrument of a symbol as a broker writes it, or, without `broker`, as anyone does.

        A contract is also found by the symbol of a broker whose files were never imported: the symbol is read by
        that broker's grammar and its fields are looked up.
        """
        day = self._day(on)
        key = (symbol, broker, "=" + (exchange.value if exchange else ""), day)
        found = self._found.get(key)
        if found is None:
            what = f"{broker or 'any'} symbol {symbol!r}" + (f" on {exchange}" if exchange else "")
            found = self._keep(
                key, self._one(self._symbol_rows(symbol, broker, exchange, day), day, what, exchange=exchange)
            )
        return found

    def by_key(self, key: str, *, on: date | None = None) -> Instrument:
        """The instrument of a canonical name (`Instrument.key`): `NSE:NIFTY:2026-11-23:24500:CE`, `NSE:RELIANCE`."""
        day = self._day(on)
        kept = (key, None, None, day)
        found = self._found.get(kept)
        if found is None:
            found = self._keep(kept, self._one(self._key_rows(key), day, repr(key)))
        return found

    def by_isin(self, isin: str, *, on: date | None = None) -> tuple[Instrument, ...]:
        """The listings of a security, one for each exchange, NSE first."""
        day = self._day(on)
        found = self._securities.get((isin, day))
        if found is None:
            asked = each(self._contracts.isins.get(isin))
            rows = self._valid(asked, day)
            if not rows:
                raise self._unknown(asked, f"ISIN {isin}", day)
            columns, words = self._columns, self._columns.words
            exchanges = sorted(
                {columns.exchange[row] for row in rows}, key=lambda code: words.of[code] != "NSE"
            )
            found = self._securities[isin, day] = tuple(
                self._one([row for row in rows if columns.exchange[row] == exchange], day, f"ISIN {isin}")
                for exchange in exchanges
            )
        return found

    def search(
        self, name: str, *, broker: str | None = None, on: date | None = None
    ) -> tuple[Instrument, ...]:
        """Everything whose token (at any broker), ISIN or key is `name`; empty when nothing is.  For people."""
        day = self._day(on)
        rows = [
            row
            for owner in ([broker] if broker else self._brokers())
            for row in each(self._by_broker(self._tokens, owner, self._columns.token).get(name))
        ]
        rows += each(self._contracts.isins.get(name.upper()))
        if ":" in name:
            rows += self._key_rows(name)
        by_contract: dict[int, list[int]] = {}
        for row in self._valid(rows, day):
            by_contract.setdefault(self._columns.contract[row], []).append(row)
        return tuple(self._maker.instrument(self._best(tuple(one)), day) for one in by_contract.values())

    def of_broker(self, instrument: Instrument, broker: str, *, on: date | None = None) -> Instrument:
        """The same instrument with the facts (lot, tick, unit of quantity) that this broker states."""
        day = self._day(on)
        return self._one(
            self._contracts.rows_of(instrument), day, f"{broker} listing of {instrument.key}", broker=broker
        )

    def listings(
        self, instrument: Instrument, *, broker: str | None = None, on: date | None = None
    ) -> tuple[Listing, ...]:
        """Token and symbol of an instrument at each broker that lists it (or at one); empty when none does."""
        day = self._day(on)
        columns, words = self._columns, self._columns.words
        return tuple(
            Listing(
                words.of[columns.broker[row]],
                words.of[columns.venue[row]],
                columns.token[row],
                columns.symbol[row],
                day_of(columns.valid_from[row]),
                None if columns.valid_to[row] == NEVER else day_of(columns.valid_to[row]),
            )
            for row in self._contracts.rows_of(instrument)
            if columns.is_valid(row, day) and broker in (None, words.of[columns.broker[row]])
        )

    def expiries(
        self,
        underlying: str,
        *,
        exchange: Exchange | None = None,
        broker: str | None = None,
        on: date | None = None,
    ) -> tuple[date, ...]:
        """Expiries of futures and options on an underlying, in order; with `broker` those that it lists."""
        by_expiry = self._expiries(underlying, exchange, broker, self._day(on))
        return tuple(day_of(expiry) for expiry in sorted(by_expiry))

    def chain(
        self,
        underlying: str,
        expiry: date,
        *,
        exchange: Exchange | None = None,
        broker: str | None = None,
        on: date | None = None,
    ) -> Chain:
        """Future and options of one expiry; with `broker` only what that broker lists, with its facts."""
        day = self._day(on)
        by_expiry = self._expiries(underlying, exchange, broker, day)
        legs = by_expiry.get(day_number(expiry))
        if legs is None:
            near = ", ".join(str(day_of(number)) for number in sorted(by_expiry)[:6])
            raise UnknownInstrumentError(
                f"{underlying} has no contract that expires on {expiry}", hint=f"expiries: {near}"
            )
        future: Instrument | None = None
        calls: dict[Decimal, Instrument] = {}
        puts: dict[Decimal, Instrument] = {}
        for leg, rows in legs.items():
            valid = self._of_broker(self._valid(rows, day), broker)
            if not valid:
                continue
            made = self._maker.instrument(self._best(valid), day)
            if leg == FUTURE_LEG:
                future = made
            else:
                assert made.strike is not None
                (puts if leg % 2 else calls)[made.strike] = made
        strikes = sorted(calls.keys() | puts.keys())
        return Chain(
            underlying,
            expiry,
            future,
            tuple(ChainStrike(strike, calls.get(strike), puts.get(strike)) for strike in strikes),
        )

    # Days and rows

    def _day(self, on: date | None) -> int | None:
        """The day as a number; loads closed listings when it is one on which they held."""
        if on is None:
            return None
        day = day_number(on)
        if not self._has_past and day < self._past_before:
            self._load_past()
        return day

    def _load_past(self) -> None:
        with reading(self.path) as connection:
            self._columns.add(connection, closed=True)
        self._has_past = True
        self._maker.forget()
        self._tokens.clear()
        self._symbols.clear()
        self._found.clear()
        self._securities.clear()

    def _by_broker(
        self, tables: dict[str, dict[str, Listings]], broker: str, names: list[str]
    ) -> dict[str, Listings]:
        """Rows of a broker by token or symbol; built when first asked for."""
        table = tables.get(broker)
        if table is None:
            table = tables[broker] = {}
            number = self._columns.words.known(broker)
            for row, owner in enumerate(self._columns.broker):
                if owner == number:
                    note(table, names[row], row)
        return table

    def _brokers(self) -> list[str]:
        return [self._columns.words.of[number] for number in sorted(set(self._columns.broker))]

    def _symbol_rows(
        self, symbol: str, broker: str | None, exchange: Exchange | None, day: int | None
    ) -> tuple[int, ...]:
        brokers = [broker] if broker else self._brokers()
        columns = self._columns
        rows = [
            row
            for name in brokers
            for row in each(self._by_broker(self._symbols, name, columns.symbol).get(symbol))
        ]
        if not broker:
            rows += each(self._contracts.roots.get(symbol))
        if any(columns.is_valid(row, day) for row in rows):
            return tuple(rows)
        return tuple(rows) + rows_by_grammar(self._columns, self._contracts, symbol, broker, exchange, day)

    def _key_rows(self, key: str) -> tuple[int, ...]:
        columns = self._columns
        match key.split(":"):
            case [exchange, symbol]:
                number = columns.words.known(exchange)
                return tuple(
                    row for row in each(self._contracts.roots.get(symbol)) if columns.exchange[row] == number
                )
            case [exchange, underlying, expiry, *leg] if len(leg) in (1, 2):
                return self._contracts.rows_of_fields(exchange, underlying, expiry, leg)
        raise InvalidValueError(
            f"{key!r} is not a key",
            hint="write EXCHANGE:SYMBOL, EXCHANGE:UNDERLYING:DATE:FUT or ...:DATE:STRIKE:CE",
        )

    def _expiries(
        self, underlying: str, exchange: Exchange | None, broker: str | None, day: int | None
    ) -> dict[int, dict[int, Listings]]:
        words = self._columns.words
        name = words.known(underlying)
        found = {}
        for key, by_expiry in self._contracts.chains.items():
            if key[1] == name and exchange in (None, words.of[key[0]]):
                live = {
                    expiry: legs
                    for expiry, legs in by_expiry.items()
                    if any(self._of_broker(self._valid(rows, day), broker) for rows in legs.values())
                }
                if live:
                    found[words.of[key[0]]] = live
        if not found:
            raise UnknownInstrumentError(
                f"no futures or options on {underlying} are listed" + (f" on {exchange}" if exchange else ""),
                hint="use the exchange's name of the underlying (NIFTY, BANKNIFTY, RELIANCE)",
            )
        if len(found) > 1:
            raise AmbiguousInstrumentError(
                f"contracts on {underlying} are listed on {' and '.join(sorted(found))}",
                hint="name the exchange",
            )
        return next(iter(found.values()))

    # The answer

    def _valid(self, rows: Iterable[int] | int, day: int | None) -> tuple[int, ...]:
        is_valid: Callable[[int, int | None], bool] = self._columns.is_valid
        return tuple(
            row for row in (each(rows) if isinstance(rows, int | tuple) else rows) if is_valid(row, day)
        )

    def _of_broker(self, rows: tuple[int, ...], broker: str | None) -> tuple[int, ...]:
        if broker is None:
            return rows
        number = self._columns.words.known(broker)
        return tuple(row for row in rows if self._columns.broker[row] == number)

    def _one(
        self,
        rows: Iterable[int],
        day: int | None,
        what: str,
        *,
        venue: str | None = None,
        exchange: Exchange | None = None,
        broker: str | None = None,
    ) -> Instrument:
        columns, words = self._columns, self._columns.words
        asked = rows if isinstance(rows, tuple) else tuple(rows)
        if len(asked) == 1 and venue is exchange is broker is None and columns.is_valid(asked[0], day):
            return self._maker.instrument(asked[0], day)
        valid = self._of_broker(self._valid(asked, day), broker)
        if venue is not None:
            valid = tuple(row for row in valid if words.of[columns.venue[row]] == venue)
        if exchange is not None:
            valid = tuple(row for row in valid if words.of[columns.exchange[row]] == exchange)
        if not valid:
            raise self._unknown(asked, what, day)
        contracts = {columns.contract[row] for row in valid}
        if len(contracts) > 1:
            names = sorted({self._maker.instrument(row, day).key for row in valid})
            places = sorted({words.of[columns.venue[row]] for row in valid})
            raise AmbiguousInstrumentError(
                f"{what} is {len(contracts)} instruments: {', '.join(names)} (venues {', '.join(places)})",
                hint="name the exchange or venue",
            )
        return self._maker.instrument(self._best(valid), day)

    def _best(self, rows: tuple[int, ...]) -> int:
        """The row whose facts answer for the contract: one that counts units, then the newest, then by broker."""
        if len(rows) == 1:
            return rows[0]
        columns = self._columns
        units = columns.words.known("units")
        return max(
            rows, key=lambda row: (columns.unit[row] == units, columns.valid_from[row], -columns.broker[row])
        )

    def _unknown(self, rows: tuple[int, ...], what: str, day: int | None) -> UnknownInstrumentError:
        columns = self._columns
        when = "" if day is None else f" on {day_of(day)}"
        if not rows:
            return UnknownInstrumentError(
                f"nothing answers to {what}{when}", hint="import the broker's newest file"
            )
        row = rows[-1]
        until = min(columns.valid_to[row], columns.expiry[row])
        held = f"from {day_of(columns.valid_from[row])}" + (
            "" if until == NEVER else f" until {day_of(until)}"
        )
        return UnknownInstrumentError(
            f"nothing answers to {what}{when}", hint=f"it was {columns.symbol[row]} {held}"
        )

    def _keep(self, key: _Key, instrument: Instrument) -> Instrument:
        if len(self._found) >= _MOST_KEPT:
            self._found.clear()
        self._found[key] = instrument
        return instrument
