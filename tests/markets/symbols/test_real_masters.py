"""Every row of the real instrument masters, read and written (shared/data/instruments, class B: read in place)."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment, plain
from trademantra.markets.contracts.expiries import expiry_calendar
from trademantra.markets.symbols.grammars import parse, parse_security, write
from trademantra.markets.symbols.names import with_expiry

MASTERS = Path(__file__).parents[4] / "shared" / "data" / "instruments"

KITE_EXCHANGE = {"NFO": Exchange.NSE, "BFO": Exchange.BSE}
UPSTOX_EXCHANGE = {
    "NSE_FO": Exchange.NSE,
    "BSE_FO": Exchange.BSE,
    "NCD_FO": Exchange.NSE,
    "BCD_FO": Exchange.BSE,
    "MCX_FO": Exchange.MCX,
    "NSE_COM": Exchange.NSE,
}
CURRENCY_TYPES = ("FUTCUR", "OPTCUR")


class Row(NamedTuple):
    symbol: str
    exchange: Exchange
    currency: bool
    group: str
    expiry: date
    strike: Decimal | None
    right: OptionRight | None


def master(name: str) -> pl.DataFrame:
    path = MASTERS / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"no real instrument master at {path}")
    return pl.read_parquet(path)


def kite_rows() -> Iterator[Row]:
    columns = ("tradingsymbol", "name", "expiry", "strike", "instrument_type", "exchange")
    for symbol, name, expiry, strike, kind, exchange in (
        master("kite_nfo_bfo_2026_08_18").select(columns).iter_rows()
    ):
        right = None if kind == "FUT" else OptionRight(kind)
        yield Row(
            symbol,
            KITE_EXCHANGE[exchange],
            False,
            name,
            expiry,
            None if right is None else Decimal(repr(strike)),
            right,
        )


def upstox_rows() -> Iterator[Row]:
    columns = ("tradingsymbol", "name", "expiry", "strike", "instrument_type", "option_type", "exchange")
    frame = master("upstox_complete_2026_03").filter(pl.col("expiry").is_not_null()).select(columns)
    for symbol, name, expiry, strike, kind, option_type, exchange in frame.iter_rows():
        right = None if option_type == "FF" else OptionRight(option_type)
        yield Row(
            symbol,
            UPSTOX_EXCHANGE[exchange],
            kind in CURRENCY_TYPES,
            name,
            expiry,
            None if right is None else Decimal(repr(strike)),
            right,
        )


def currency_monthlies(
    months: set[tuple[Exchange, str, int, int]],
) -> dict[tuple[Exchange, str, int, int], date]:
    """From the expiry calendar; January 2027, the one month beyond the holiday lists, from bare weekdays."""
    found = {}
    for exchange, pair, year, month in months:
        known = year < 2027
        calendar = expiry_calendar(
            exchange,
            Segment.CURRENCY_FUTURES,
            is_trading_day=None if known else lambda day: day.weekday() < 5,
        )
        assert known or month == 1
        found[exchange, pair, year, month] = calendar.monthly_expiry(pair, year, month)
    return found


def check(rows: list[Row], grammar: str, underlying_is_name: bool) -> Counter[str]:
    """Reads and writes each row; returns how many rows of each kind there were."""
    read = [(row, parse(grammar, row.symbol, exchange=row.exchange)) for row in rows]
    # The monthly contract is the last of its month for its underlying, but for currency pairs, whose rule is
    # another and comes from the expiry calendar.
    last: dict[tuple[Exchange, str, bool, int, int], date] = {}
    listed: dict[tuple[Exchange, str, bool], set[date]] = {}
    for row, name in read:
        product = (row.exchange, name.underlying, row.right is None)
        month = (*product, row.expiry.year, row.expiry.month)
        last[month] = max(last.get(month, row.expiry), row.expiry)
        listed.setdefault(product, set()).add(row.expiry)
    pairs = currency_monthlies(
        {(row.exchange, name.underlying, name.year, name.month) for row, name in read if row.currency}
    )
    seen: Counter[str] = Counter()
    for row, name in read:
        option = row.right is not None
        assert (name.year, name.month) == (row.expiry.year, row.expiry.month), row
        assert name.kind is (InstrumentKind.OPTION if option else InstrumentKind.FUTURE), row
        assert (name.strike, name.right) == (row.strike, row.right), row
        if underlying_is_name:
            assert name.underlying == row.group, row
        product = (row.exchange, name.underlying, not option)
        if row.currency:
            is_monthly = pairs[row.exchange, name.underlying, name.year, name.month] == row.expiry
            expiries = {row.expiry} if is_monthly else listed[product]
        else:
            is_monthly = last[*product, row.expiry.year, row.expiry.month] == row.expiry
            expiries = listed[product]
        assert name.is_monthly == is_monthly, row
        assert name.expiry == (None if is_monthly else row.expiry), row
        assert with_expiry(name, expiries).expiry == row.expiry, row
        instrument = Instrument(
            exchange=row.exchange,
            segment=Segment.EQUITY_OPTIONS if option else Segment.EQUITY_FUTURES,
            kind=name.kind,
            symbol="?",
            underlying=name.underlying,
            expiry=row.expiry,
            strike=row.strike,
            right=row.right,
        )
        assert write(grammar, instrument, is_monthly=is_monthly) == row.symbol
        seen[f"{'monthly' if is_monthly else 'weekly'} {'option' if option else 'future'}"] += 1
        if row.strike is not None and row.strike != int(row.strike):
            seen["fractional strike"] += 1
    return seen


def test_every_kite_derivative_reads_as_its_row_and_is_written_back() -> None:
    seen = check(list(kite_rows()), "kite", underlying_is_name=True)
    # No exception class: not one of the 39,941 rows deviates from the grammar.
    assert seen == {
        "monthly option": 37353,
        "weekly option": 1936,
        "monthly future": 652,
        "fractional strike": 888,
    }


def test_every_upstox_derivative_reads_as_its_row_and_is_written_back() -> None:
    rows = list(upstox_rows())
    seen = check(rows, "upstox_compact", underlying_is_name=False)
    # No exception class here either: all 159,997 rows with an expiry, of six segments.
    assert len(rows) == 159_997
    assert seen == {
        "monthly option": 145_001,
        "weekly option": 13_894,
        "monthly future": 1_006,
        "weekly future": 96,  # currency pairs
        "fractional strike": 18_529,
    }


def test_upstox_underlyings_are_listed_shares_and_indices() -> None:
    """The file names companies, not underlyings; a company has one underlying, and it is a symbol of the file."""
    frame = master("upstox_complete_2026_03")
    shares = set(frame.filter(pl.col("exchange").is_in(["NSE_EQ", "NSE_INDEX"]))["tradingsymbol"])
    by_company: dict[str, set[str]] = {}
    for row in upstox_rows():
        if row.exchange is Exchange.NSE and not row.currency:
            by_company.setdefault(row.group, set()).add(parse("upstox", row.symbol).underlying)
    stocks = frame.filter((pl.col("exchange") == "NSE_FO") & (pl.col("instrument_type") == "FUTSTK"))["name"]
    assert len(set(stocks)) > 200
    for company in set(stocks):
        (underlying,) = by_company[company]
        assert underlying in shares, company


def test_upstox_words_say_the_same_as_the_compact_symbol() -> None:
    """No real master in words is at hand; each row must survive a trip through them."""
    for row in list(upstox_rows())[::37]:
        name = parse("upstox", row.symbol)
        strike = "FUT" if row.strike is None else f"{plain(row.strike)} {row.right}"
        words = parse(
            "upstox", f"{name.underlying} {strike} {row.expiry:%d} {row.expiry:%b} {row.expiry:%y}".upper()
        )
        assert (words.underlying, words.expiry, words.strike, words.right) == (
            name.underlying,
            row.expiry,
            row.strike,
            row.right,
        )


@pytest.mark.parametrize(
    ("file", "exchange"), [("kite_nse_2026_03", Exchange.NSE), ("kite_bse_2025_09", Exchange.BSE)]
)
def test_kite_securities_read_and_are_written_back(file: str, exchange: Exchange) -> None:
    frame = master(file).filter(pl.col("segment") != "INDICES")
    series: Counter[str | None] = Counter()
    for symbol in frame["tradingsymbol"]:
        name = parse_security("kite", symbol, exchange=exchange)
        share = Instrument(
            exchange=exchange,
            segment=Segment.EQUITY,
            kind=InstrumentKind.SHARE,
            symbol=name.symbol,
            series=name.series,
        )
        assert write("kite", share) == symbol
        series[name.series] += 1
    if exchange is Exchange.BSE:
        assert series == {None: len(frame)}
    else:
        assert series["SG"] == 4067  # state loans
        assert series["BE"] == 100
        assert series["EQ"] > 2500
        assert "RE" not in series


@pytest.mark.parametrize("file", ["kite_nse_2026_03", "kite_bse_2025_09", "upstox_complete_2026_03"])
def test_no_security_or_index_passes_for_a_contract(file: str) -> None:
    frame = master(file).filter(pl.col("expiry").is_null())
    assert len(frame) > 9000
    for symbol in frame["tradingsymbol"]:
        for grammar in ("kite", "angel_one", "upstox", "dhan", "five_paisa"):
            with pytest.raises(InvalidValueError):
                parse(grammar, symbol)
