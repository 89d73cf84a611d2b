"""The broker's names of everything that can be traded today, out of its instruments CSV."""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import overload

import polars as pl

from trademantra.brokers.listings import Listing
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
    plain,
)
from trademantra.data.instruments.master import ImportReport, import_files
from trademantra.data.instruments.readers import kite
from trademantra.data.instruments.readers.rows import CONTRACTS, SCALE, Dump
from trademantra.markets.symbols.kite import parse_security, write_security

_GZIP = b"\x1f\x8b"
_CASH = MappingProxyType({"NSE": Exchange.NSE, "BSE": Exchange.BSE})
_DEFAULT_TICK = Decimal("0.05")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class InstrumentBook:
    """Listings by symbol, by token and by instrument; each is made when it is first asked for.

    An `Instrument` is recognised by what it is (its key, and the series of a share), not by every field: the
    instrument master may know more of it than this file does, such as the units in a lot of MCX.  `adopt` makes the
    book speak of such instruments in the caller's own objects.
    Errors: `UnknownInstrumentError`.
    """

    __slots__ = ("_adopted", "_listings", "_of_key", "_of_symbol", "_of_token", "_rows", "dropped")

    def __init__(self, dump: Dump) -> None:
        rows = dump.rows.unique("token", keep="first", maintain_order=True)
        self._rows = rows
        self.dropped = len(dump.rejects) + dump.rows.height - rows.height
        """Rows of the file that could not be read."""
        self._listings: dict[int, Listing] = {}
        self._adopted: dict[int, Instrument] = {}
        venues, symbols = rows["venue"].to_list(), rows["symbol"].to_list()
        self._of_symbol = {pair: i for i, pair in enumerate(zip(venues, symbols, strict=True))}
        self._of_token = {int(token): i for i, token in enumerate(rows["token"].to_list())}
        self._of_key = {key: i for i, key in enumerate(rows.select(_key())["key"].to_list())}

    @classmethod
    def of_csv(cls, content: bytes) -> "InstrumentBook":
        """Read the CSV, also when it is still compressed.  Rows that cannot be read are left out and counted."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / "instruments.csv"
            file.write_bytes(gzip.decompress(content) if content.startswith(_GZIP) else content)
            return cls(kite.read(file))

    def __len__(self) -> int:
        return self._rows.height

    def adopt(self, instruments: Iterable[Instrument]) -> None:
        """Answer with these objects from now on; what the broker does not list is passed over."""
        for instrument in instruments:
            i = self._find(instrument)
            if i is not None and self._adopted.get(i) is not instrument:
                self._listings.pop(i, None)
                self._adopted[i] = instrument

    @property
    def adopted(self) -> Iterable[Instrument]:
        return self._adopted.values()

    def listing(self, instrument: Instrument) -> Listing:
        """What the broker calls an instrument."""
        i = self._find(instrument)
        if i is None:
            raise UnknownInstrumentError(
                f"Zerodha lists no {instrument.key}", hint="fetch the instruments anew, or check its expiry"
            )
        return self._at(i)

    def by_symbol(self, venue: str, symbol: str, isin: str | None = None) -> Instrument:
        """The instrument of a row of a book.

        A security that is in the account but no longer in the file (suspended, delisted) is described by its symbol.
        """
        i = self._of_symbol.get((venue, symbol))
        if i is not None:
            return self._at(i).instrument
        exchange = _CASH.get(venue)
        if exchange is None:
            raise UnknownInstrumentError(
                f"Zerodha speaks of {venue}:{symbol}, which is not in its instrument file",
                hint="fetch the instruments anew",
            )
        name = parse_security(symbol, exchange)
        return Instrument(
            exchange=exchange,
            segment=Segment.EQUITY,
            kind=InstrumentKind.SHARE,
            symbol=name.symbol,
            series=name.series,
            isin=isin,
        )

    def by_token(self, token: int) -> Instrument | None:
        i = self._of_token.get(token)
        return None if i is None else self._at(i).instrument

    def instruments(self) -> Sequence[Instrument]:
        return _Instruments(self)

    def at(self, place: int) -> Instrument:
        return self._at(place).instrument

    def _find(self, instrument: Instrument) -> int | None:
        found = self._of_key.get(_identity(instrument))
        if found is None and instrument.segment is Segment.EQUITY:  # of a source that states no series
            found = self._of_symbol.get((instrument.exchange.value, write_security(instrument)))
        return found

    def _at(self, i: int) -> Listing:
        listing = self._listings.get(i)
        if listing is None:
            row = self._rows.row(i, named=True)
            listing = self._listings[i] = Listing(
                venue=row["venue"],
                symbol=row["symbol"],
                token=int(row["token"]),
                instrument=self._adopted.get(i) or _instrument(row),
                name=row["name"] or "",
            )
        return listing


class _Instruments(Sequence[Instrument]):
    """All instruments of a book, made one by one as they are looked at."""

    __slots__ = ("_book",)

    def __init__(self, book: InstrumentBook) -> None:
        self._book = book

    def __len__(self) -> int:
        return len(self._book)

    @overload
    def __getitem__(self, place: int) -> Instrument: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Instrument]: ...
    def __getitem__(self, place: int | slice) -> Instrument | Sequence[Instrument]:
        chosen = range(len(self))[place]
        return self._book.at(chosen) if isinstance(chosen, int) else [self._book.at(i) for i in chosen]

    def __iter__(self) -> Iterator[Instrument]:
        return map(self._book.at, range(len(self)))


def import_into_master(content: bytes, master: Path, day: date) -> ImportReport:
    """Bring the instrument master up to a downloaded CSV.  Errors: as `data.instruments.master.import_files`."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"kite-{day.isoformat()}.csv"
        file.write_bytes(gzip.decompress(content) if content.startswith(_GZIP) else content)
        return import_files(master, [file], broker="kite", as_of=day, skip_bad=True)


def units_of(lots_or_units: Decimal, instrument: Instrument) -> Decimal:
    """A quantity of the wire in units: some venues count lots (specs/brokers.md 1.5)."""
    if instrument.quantity_unit is QuantityUnit.LOTS:
        return lots_or_units * instrument.lot_size
    return lots_or_units


def wire_quantity(units: Decimal, instrument: Instrument) -> int:
    """A quantity as the wire counts it.  Errors: `InvalidValueError` when that is no whole number."""
    lots = instrument.quantity_unit is QuantityUnit.LOTS
    counted = units / instrument.lot_size if lots else units
    if counted != int(counted):
        what = f"lots of {plain(instrument.lot_size)}" if lots else "units"
        raise InvalidValueError(f"{instrument.key}: {plain(units)} is no whole number of {what}")
    return int(counted)


def _identity(instrument: Instrument) -> str:
    """What an instrument is, as text; `_key` writes the same from a row."""
    if instrument.expiry is not None:
        return instrument.key
    kind = "index" if instrument.segment is Segment.INDEX else instrument.series or ""
    return f"{instrument.exchange}:{instrument.symbol}:{kind}"


def _key() -> pl.Expr:
    """`_identity` of each row."""
    number = (pl.col("strike") // SCALE).cast(pl.String)
    fraction = (pl.col("strike") % SCALE).cast(pl.String).str.zfill(8).str.strip_chars_end("0")
    strike = pl.when(fraction == "").then(number).otherwise(pl.concat_str(number, pl.lit("."), fraction))
    stem = pl.concat_str(
        pl.col("exchange").cast(pl.String),
        pl.lit(":"),
        pl.col("underlying").cast(pl.String),
        pl.lit(":"),
        pl.col("expiry").dt.to_string("iso"),
    )
    kind = pl.col("kind").cast(pl.String)
    series = pl.when(pl.col("segment").cast(pl.String) == Segment.INDEX.value).then(pl.lit("index"))
    return (
        pl.when(kind == InstrumentKind.OPTION.value)
        .then(pl.concat_str(stem, pl.lit(":"), strike, pl.lit(":"), pl.col("right").cast(pl.String)))
        .when(kind.is_in(CONTRACTS))
        .then(pl.concat_str(stem, pl.lit(":FUT")))
        .otherwise(
            pl.concat_str(
                pl.col("exchange").cast(pl.String),
                pl.lit(":"),
                pl.coalesce("root", "symbol"),
                pl.lit(":"),
                series.otherwise(pl.col("series").fill_null("")),
            )
        )
        .alias("key")
    )


def _instrument(row: Mapping[str, object]) -> Instrument:
    """An instrument with what the file states of it; contracts are named as the instrument master names them."""
    underlying, expiry, right = row["underlying"], row["expiry"], row["right"]
    strike = _decimal(row["strike"])
    symbol = str(row["root"] or row["symbol"])
    if isinstance(expiry, date):
        symbol = f"{underlying}{expiry.day:02}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02}"
        symbol += "FUT" if strike is None else f"{plain(strike)}{right}"
    series = row["series"]
    return Instrument(
        exchange=Exchange(str(row["exchange"])),
        segment=Segment(str(row["segment"])),
        kind=InstrumentKind(str(row["kind"])),
        symbol=symbol,
        underlying=None if underlying is None else str(underlying),
        expiry=expiry if isinstance(expiry, date) else None,
        strike=strike,
        right=None if right is None else OptionRight(str(right)),
        lot_size=_decimal(row["lot"]) or Decimal(1),
        tick_size=_decimal(row["tick"]) or _DEFAULT_TICK,
        quantity_unit=QuantityUnit(str(row["unit"])),
        series=None if series is None else str(series),
        name=None if row["name"] is None else str(row["name"]),
    )


def _decimal(scaled: object) -> Decimal | None:
    return Decimal(plain(Decimal(scaled).scaleb(-8))) if isinstance(scaled, int) else None
