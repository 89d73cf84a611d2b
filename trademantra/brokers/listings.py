"""What a broker calls an instrument: its venue, symbol and token."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
)
from trademantra.data.instruments.readers import kite
from trademantra.data.instruments.readers.rows import COLUMNS, SCALE
from trademantra.engine.bars import Int64Array


@dataclass(frozen=True, slots=True)
class Listing:
    """One row of a broker's instrument file.

    `venue` is the broker's word for exchange and segment (NSE, NFO, MCX …), `symbol` its trading symbol, `token` the
    number that streams and history use (Kite: `exchange_token << 8 | segment`, specs/brokers.md 1.4).
    `previous_close` in currency, None where unknown.
    """

    venue: str
    symbol: str
    token: int
    instrument: Instrument
    name: str = ""
    previous_close: Decimal | None = None

    @property
    def exchange_token(self) -> int:
        return self.token >> 8


class Listings:
    """Everything that a broker lists, as columns; a `Listing` is made when it is first asked for.

    A row's number is its place in every per-instrument array of the exchange.
    """

    __slots__ = ("_by_key", "_by_symbol", "_by_token", "_made", "_order", "rejected", "rows", "tokens")

    def __init__(self, rows: pl.DataFrame, made: Mapping[int, Listing], rejected: int = 0) -> None:
        """`rows` has the columns of `data.instruments.readers.rows.COLUMNS`; `made` the listings that exist already."""
        self.rows = rows
        self.rejected = rejected
        self.tokens: Int64Array = rows["token"].cast(pl.Int64).to_numpy()
        self._order = np.argsort(self.tokens, kind="stable")
        self._by_token = self.tokens[self._order]
        doubled = np.flatnonzero(self._by_token[1:] == self._by_token[:-1])
        if len(doubled):
            raise InvalidValueError(
                f"token {self._by_token[doubled[0]]} is listed twice",
                hint="each listing needs a token of its own",
            )
        self._made: dict[int, Listing] = dict(made)
        self._by_symbol: dict[tuple[str, str], int] = {}
        self._by_key: dict[str, int] = {}

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> "Listings":
        """From listings that exist, in their order: of replayed series, of tests.

        Errors: `InvalidValueError` for a token or a symbol of a venue that comes twice.
        """
        given = list(listings)
        frame = pl.DataFrame(
            [_row_of(listing, line) for line, listing in enumerate(given)],
            schema={name: pl.String if kind is pl.Categorical else kind for name, kind in COLUMNS.items()},
            orient="row",
        )
        made = cls(frame, dict(enumerate(given)))
        made._index_symbols()
        if len(made._by_symbol) < len(given):
            raise InvalidValueError("a symbol of one venue is listed twice")
        return made

    @classmethod
    def read_kite(cls, file: Path) -> "Listings":
        """From a Kite instruments CSV (or Parquet of its columns).  Rows that cannot be read are left out and counted.

        Errors: `BadInputError` when the file is no such table.
        """
        dump = kite.read(file)
        return cls(dump.rows, {}, rejected=len(dump.rejects))

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[Listing]:
        return (self.at(row) for row in range(len(self)))

    def at(self, row: int) -> Listing:
        found = self._made.get(row)
        if found is None:
            found = self._made[row] = _listing_of(self.rows.row(row, named=True))
        return found

    def row_of(self, token: int) -> int:
        """Errors: `UnknownInstrumentError`."""
        place = int(np.searchsorted(self._by_token, token))
        if place == len(self._by_token) or self._by_token[place] != token:
            raise UnknownInstrumentError(f"no listing has the token {token}")
        return int(self._order[place])

    def rows_of(self, tokens: Sequence[int] | Int64Array) -> Int64Array:
        """Row numbers of many tokens.  Errors: `UnknownInstrumentError` for the first unknown one."""
        asked = np.asarray(tokens, np.int64)
        if len(self) == 0 and len(asked):
            raise UnknownInstrumentError(f"no listing has the token {asked[0]}")
        places = np.minimum(np.searchsorted(self._by_token, asked), len(self) - 1)
        wrong = np.flatnonzero(self._by_token[places] != asked) if len(asked) else asked
        if len(wrong):
            raise UnknownInstrumentError(f"no listing has the token {asked[wrong[0]]}")
        return self._order[places].astype(np.int64)

    def by_token(self, token: int) -> Listing:
        """Errors: `UnknownInstrumentError`."""
        return self.at(self.row_of(token))

    def find(self, venue: str, symbol: str) -> Listing:
        """By venue and trading symbol.  Errors: `UnknownInstrumentError`."""
        self._index_symbols()
        row = self._by_symbol.get((venue, symbol))
        if row is None:
            raise UnknownInstrumentError(
                f"{venue} lists no {symbol!r}", hint="symbols are written as the broker does"
            )
        return self.at(row)

    def by_instrument(self, instrument: Instrument) -> Listing:
        """By what an instrument is (`Instrument.key`), whatever else is said of it.  Errors: `UnknownInstrumentError`."""
        return self.at(self.row_of_instrument(instrument))

    def row_of_instrument(self, instrument: Instrument) -> int:
        """Errors: `UnknownInstrumentError`."""
        row = self.row_of_key(instrument.key)
        if row is None:
            raise UnknownInstrumentError(f"{instrument.key} is not listed here")
        return row

    def row_of_key(self, key: str) -> int | None:
        """The row of an `Instrument.key`; None where none is listed."""
        if not self._by_key and len(self):
            self._by_key = _keys(self.rows)
        return self._by_key.get(key)

    def _index_symbols(self) -> None:
        if not self._by_symbol:
            venues, symbols = self.rows["venue"].cast(pl.String).to_list(), self.rows["symbol"].to_list()
            self._by_symbol = {name: row for row, name in enumerate(zip(venues, symbols, strict=True))}


def _scaled(value: Decimal | None) -> int | None:
    return None if value is None else int(value * SCALE)


def _row_of(listing: Listing, line: int) -> tuple[object, ...]:
    of = listing.instrument
    stated = {
        "line": line,
        "venue": listing.venue,
        "token": str(listing.token),
        "exchange_token": str(listing.exchange_token),
        "symbol": listing.symbol,
        "exchange": of.exchange.value,
        "segment": of.segment.value,
        "kind": of.kind.value,
        "root": of.symbol,
        "underlying": of.underlying,
        "expiry": of.expiry,
        "strike": _scaled(of.strike),
        "right": of.right and of.right.value,
        "isin": of.isin,
        "series": of.series,
        "name": listing.name or of.name,
        "lot": _scaled(of.lot_size),
        "tick": _scaled(of.tick_size),
        "freeze": _scaled(of.freeze_quantity),
        "multiplier": _scaled(of.multiplier),
        "unit": of.quantity_unit.value,
    }
    return tuple(stated[name] for name in COLUMNS)


def _listing_of(row: Mapping[str, object]) -> Listing:
    def text(name: str) -> str | None:
        value = row[name]
        return None if value is None else str(value)

    def amount(name: str) -> Decimal | None:
        value = row[name]
        return None if value is None else (Decimal(str(value)) / SCALE).normalize() + 0

    expiry = row["expiry"]
    right = text("right")
    contract = text("underlying") is not None
    instrument = Instrument(
        exchange=Exchange(str(row["exchange"])),
        segment=Segment(str(row["segment"])),
        kind=InstrumentKind(str(row["kind"])),
        symbol=str(row["symbol"]) if contract else text("root") or str(row["symbol"]),
        underlying=text("underlying"),
        expiry=expiry,  # type: ignore[arg-type]  # the column is a date or null
        strike=amount("strike"),
        right=None if right is None else OptionRight(right),
        lot_size=amount("lot") or Decimal(1),
        tick_size=amount("tick") or Decimal("0.05"),
        freeze_quantity=amount("freeze"),
        multiplier=amount("multiplier") or Decimal(1),
        quantity_unit=QuantityUnit(str(row["unit"])),
        isin=text("isin"),
        series=text("series"),
        name=text("name"),
    )
    return Listing(
        str(row["venue"]), str(row["symbol"]), int(str(row["token"])), instrument, text("name") or ""
    )


def _keys(rows: pl.DataFrame) -> dict[str, int]:
    """`Instrument.key` of every row; of two rows with one key the first."""
    columns = (
        rows["exchange"].cast(pl.String), rows["root"].fill_null(rows["symbol"]), rows["underlying"].cast(pl.String),
        rows["expiry"], rows["strike"], rows["right"].cast(pl.String),
    )  # fmt: skip
    found: dict[str, int] = {}
    for row, (exchange, root, underlying, expiry, strike, right) in enumerate(zip(*columns, strict=True)):
        if underlying is None:
            key = f"{exchange}:{root}"
        elif strike is None:
            key = f"{exchange}:{underlying}:{expiry}:FUT"
        else:
            whole, rest = divmod(strike, SCALE)
            written = f"{whole}.{rest:08d}".rstrip("0") if rest else whole
            key = f"{exchange}:{underlying}:{expiry}:{written}:{right}"
        found.setdefault(key, row)
    return found
