"""The instruments that a session names: shares, and contracts by their whole names."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest

from tests.trading.feeds.tick_making import share
from tests.trading.house.scene import session
from trademantra.core.errors import NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.trading.house.symbols import instruments_of

CALL = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="NIFTY23NOV2624500CE",
    underlying="NIFTY", expiry=date(2026, 11, 23), strike=Decimal(24500), right=OptionRight.CALL, lot_size=Decimal(75),
)  # fmt: skip


class Source:
    async def instruments(self):
        return [share("INFY"), CALL]


@pytest.mark.parametrize("name", ["NIFTY23NOV2624500CE", "NSE:NIFTY23NOV2624500CE"])
def test_an_option_is_found_by_its_name_and_its_run_calls_it_so(tmp_path, name):
    file = tmp_path / "mine.py"
    file.touch()
    spec = session(file, "practice", ["INFY", name])
    found = asyncio.run(instruments_of(spec, Source()))
    assert found["NIFTY23NOV2624500CE"].lot_size == 75
    assert [run.symbols for run in spec.runs()] == [tuple(found)]


def test_what_is_not_listed_is_named(tmp_path):
    file = tmp_path / "mine.py"
    file.touch()
    with pytest.raises(NotFoundError, match="NSE:NIFTY30NOV2624500CE is not listed") as refused:
        asyncio.run(instruments_of(session(file, "practice", ["NIFTY30NOV2624500CE"]), Source()))
    assert "NSE:NIFTY23NOV2624500CE" in refused.value.hint
