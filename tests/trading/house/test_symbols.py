"""The instruments that a session or a person names: shares, and contracts by each of their names."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.feeds.tick_making import share
from tests.trading.house.scene import session
from trademantra.core.errors import AmbiguousInstrumentError, InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.markets.symbols.grammars import write
from trademantra.trading.house.symbols import full_name, listed, with_instruments

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def contract(underlying, expiry, strike=None, right=None, exchange=Exchange.NSE, family="equity"):
    """Named as the desk names it."""
    tail = "FUT" if strike is None else f"{strike}{right}"
    return Instrument(
        exchange=exchange, segment=Segment(f"{family}_{'futures' if strike is None else 'options'}"),
        kind=InstrumentKind.FUTURE if strike is None else InstrumentKind.OPTION,
        symbol=f"{underlying}{expiry.day:02}{_MONTHS[expiry.month - 1]}{expiry.year % 100}{tail}", underlying=underlying,
        expiry=expiry, strike=None if strike is None else Decimal(strike),
        right=None if right is None else OptionRight(right), lot_size=Decimal(75),
    )  # fmt: skip


WEEKLY, MONTHLY, DECEMBER = date(2026, 11, 17), date(2026, 11, 23), date(2026, 12, 29)
CONTRACTS = [
    contract("NIFTY", MONTHLY),
    contract("NIFTY", DECEMBER),
    *(contract("NIFTY", day, strike, right) for day in (WEEKLY, MONTHLY, DECEMBER) for strike in (24500, 24550) for right in ("CE", "PE")),
    contract("NIFTY", WEEKLY, 24600, "CE"),
    contract("SENSEX", date(2026, 11, 26), exchange=Exchange.BSE),
    contract("CRUDEOIL", date(2026, 12, 18), exchange=Exchange.MCX, family="commodity"),
    contract("USDINR", date(2026, 11, 26), family="currency"),
    contract("USDINR", date(2026, 11, 27), family="currency"),
    contract("BOTH", MONTHLY),
    contract("BOTH", MONTHLY, exchange=Exchange.BSE),
]  # fmt: skip


class Source:
    async def instruments(self):
        return [share("INFY"), *CONTRACTS]


def find(name):
    return asyncio.run(listed([full_name(name)], Source()))[full_name(name)].key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("infy", "NSE:INFY"),
        ("NIFTY26NOVFUT", "NSE:NIFTY:2026-11-23:FUT"),
        ("nfo:nifty26novfut", "NSE:NIFTY:2026-11-23:FUT"),
        ("NSE:NIFTY26NOVFUT", "NSE:NIFTY:2026-11-23:FUT"),
        (
            "NFO:NIFTY26NOV24500CE",
            "NSE:NIFTY:2026-11-23:24500:CE",
        ),  # the monthly, not the weekly of its month
        ("NFO:NIFTY26N1724500CE", "NSE:NIFTY:2026-11-17:24500:CE"),
        ("NIFTY23NOV2624500CE", "NSE:NIFTY:2026-11-23:24500:CE"),
        ("NFO:NIFTY:2026-11-23:24500:PE", "NSE:NIFTY:2026-11-23:24500:PE"),
        ("SENSEX26NOVFUT", "BSE:SENSEX:2026-11-26:FUT"),
        ("BFO:SENSEX26NOVFUT", "BSE:SENSEX:2026-11-26:FUT"),
        ("MCX:CRUDEOIL26DECFUT", "MCX:CRUDEOIL:2026-12-18:FUT"),
        ("CRUDEOIL26DECFUT", "MCX:CRUDEOIL:2026-12-18:FUT"),
        ("BFO:BOTH26NOVFUT", "BSE:BOTH:2026-11-23:FUT"),
        ("CDS:USDINR27NOV26FUT", "NSE:USDINR:2026-11-27:FUT"),
    ],
)
def test_each_name_of_a_contract_finds_it(name, key):
    assert find(name) == key


@given(
    st.sampled_from([each for each in CONTRACTS if each.underlying in ("NIFTY", "SENSEX", "CRUDEOIL")]),
    st.booleans(),
)
def test_every_contract_is_found_by_what_the_broker_calls_it(contract, with_prefix):
    name = write("kite", contract, is_monthly=contract.expiry != WEEKLY)
    segment = {Exchange.NSE: "NFO", Exchange.BSE: "BFO", Exchange.MCX: "MCX"}[contract.exchange]
    assert find(f"{segment}:{name}" if with_prefix else name) == contract.key
    assert find(contract.key) == contract.key


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("NFO:NIFTY26NOV24600CE", NotFoundError, "nearest strike is NSE:NIFTY:2026-11-23:24550:CE"),
        ("NIFTY27JANFUT", NotFoundError, "NIFTY has futures of 2026-11-23, 2026-12-29"),
        ("NSE:SENSEX26NOVFUT", NotFoundError, "there is BSE:SENSEX:2026-11-26:FUT"),
        ("NFO:INFY", NotFoundError, "NFO:INFY is not listed"),  # never the share
        ("NSO:INFY", InvalidValueError, "did you mean"),
        ("USDINR26NOVFUT", AmbiguousInstrumentError, "write the day: NSE:USDINR:2026-11-2"),
        ("BOTH26NOVFUT", AmbiguousInstrumentError, "BSE:BOTH:2026-11-23:FUT or NSE:BOTH:2026-11-23:FUT"),
    ],
)
def test_what_cannot_be_found_says_what_to_write(name, error, says):
    with pytest.raises(error) as refused:
        find(name)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["NIFTY26NOV24500CE", "NIFTY23NOV2624500CE", "NFO:NIFTY26NOV24500CE", "NSE:NIFTY:2026-11-23:24500:CE"],
)
def test_a_session_knows_its_option_by_one_name_and_its_words_by_another(tmp_path, name):
    file = tmp_path / "mine.py"
    file.touch()
    asked = session(file, "practice", ["INFY", name])
    spec = asyncio.run(with_instruments(asked, Source(), date(2026, 11, 20)))
    assert spec.instruments["NIFTY23NOV2624500CE"].lot_size == 75
    assert [run.symbols for run in spec.runs()] == [("INFY", "NIFTY23NOV2624500CE")]
    assert (
        spec.parameters_hash == asked.parameters_hash
    )  # what the go-live gate asked for is what is recorded


def test_the_same_contract_by_two_names_is_traded_once(tmp_path):
    file = tmp_path / "mine.py"
    file.touch()
    asked = session(file, "practice", ["NFO:NIFTY26NOVFUT", "NIFTY23NOV26FUT"])
    assert list(asyncio.run(with_instruments(asked, Source(), date(2026, 11, 20))).symbols) == [
        "NIFTY23NOV26FUT"
    ]
