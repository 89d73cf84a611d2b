"""The shipped tables: each row has dates, source and trust, no two rows answer one question, and gaps stay gaps."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import product

import pytest

from trademantra.core.errors import BadInputError, InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange
from trademantra.markets.contracts import bands, breakers, expiries, facts, freeze, lots, protection, ticks
from trademantra.markets.contracts.classes import InstrumentClass
from trademantra.markets.contracts.facts import Confidence, Period, PriceRange

FIRST = date(2023, 7, 1)
DAYS = [FIRST + timedelta(days=7 * i) for i in range(200)]


def test_every_row_names_its_source() -> None:
    all_rows = [
        *(row for rows in lots.lot_rows().values() for row in rows),
        *freeze.freeze_rows(),
        *ticks.tick_rows(),
        *bands.band_rules(),
        *breakers.breaker_rows(),
        *expiries.expiry_rows(),
        *protection.protection_slabs(),
    ]
    assert len(all_rows) > 150
    assert all(row.source and isinstance(row.confidence, Confidence) for row in all_rows)


def test_no_question_has_two_answers() -> None:
    """Lots: every expiry and day of both within the tables; `only_row` would raise for a second row."""
    for underlying in lots.lot_rows():
        for expiry, on in product(DAYS[::2], DAYS[::3]):
            if on <= expiry:
                try:
                    lots.lot_size(underlying, expiry, on)
                except MissingFactError:
                    continue
    for row in freeze.freeze_rows():
        for day in DAYS:
            if day in row.period:
                assert freeze.freeze_row(row.underlying, day) is row


@pytest.mark.parametrize("name", ["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "BANKEX"])
def test_lots_have_no_hole_between_listing_and_expiry(name: str) -> None:
    """A contract lives up to three months here; on each day of its life its lot is known."""
    for expiry in (FIRST + timedelta(days=i) for i in range(90, 1300)):
        for age in (0, 30, 60, 90):
            assert lots.lot_size(name, expiry, expiry - timedelta(days=age)) > 0


def test_each_shipped_tick_class_covers_every_price() -> None:
    on = date(2026, 11, 20)
    for exchange, instrument_class in {(row.exchange, row.instrument_class) for row in ticks.tick_rows()}:
        for paise in (0, 1, 9_999, 10_000, 24_999, 25_000, 100_000, 100_005, 500_000, 500_010, 2_000_001):
            assert ticks.tick_size(exchange, instrument_class, Decimal(paise) / 100, on) > 0


def test_a_caller_can_correct_every_fact() -> None:
    day = date(2026, 11, 20)
    period = Period(date(2026, 9, 1), None)
    mine = freeze.FreezeRow(underlying="NIFTY", freeze_quantity=Decimal(1950), period=period)
    with pytest.raises(MissingFactError, match=r"freeze.*2026-11-20.*NSE_FO_contract"):
        freeze.freeze_quantity("NIFTY", day)
    assert freeze.freeze_quantity("NIFTY", day, overrides=[mine]) == 1950
    assert freeze.freeze_quantity("NIFTY", date(2026, 8, 3), overrides=[mine]) == 1800
    lot = lots.LotRow(underlying="RELIANCE", lot_size=Decimal(500))
    assert lots.lot_size("RELIANCE", day, day, overrides=[lot]) == 500
    tick = ticks.TickRow(
        exchange=Exchange.BSE, instrument_class=InstrumentClass.SHARE, tick_size=Decimal("0.01")
    )
    assert ticks.tick_size(
        Exchange.BSE, InstrumentClass.SHARE, Decimal(500), day, overrides=[tick]
    ) == Decimal("0.01")
    with pytest.raises(InvalidValueError, match="2 rows"):
        freeze.freeze_quantity("NIFTY", day, overrides=[mine, mine])


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[250,1000]", ("250", "1000"), ("249.99", "1000.01")),
        ("(1000,5000]", ("1000.01", "5000"), ("1000", "5000.01")),
        ("[0,250)", ("0", "249.99"), ("250",)),
        ("(20000,)", ("20000.01", "999999"), ("20000",)),
    ],
)
def test_price_ranges(text: str, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    prices = PriceRange.parse(text)
    assert all(Decimal(price) in prices for price in inside)
    assert not any(Decimal(price) in prices for price in outside)


def test_unreadable_periods_ranges_and_rows() -> None:
    for text in ("250-1000", "[,5]", "[1,2", ""):
        with pytest.raises(InvalidValueError):
            PriceRange.parse(text)
    with pytest.raises(InvalidValueError, match="cannot end"):
        Period.parse("2026-01-02", "2026-01-01")
    with pytest.raises(BadInputError, match=r"lots\.csv, line 2"):
        facts.read_rows("lots.csv", lambda texts: texts["no such column"])
