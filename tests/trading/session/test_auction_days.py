"""Days with a closing auction (from 2026-08-03): intraday positions leave before it, alike on paper and in the back-test."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from trademantra.cli import app
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import NANOSECONDS_PER_MINUTE
from trademantra.data.spans import spans_for, whole_days
from trademantra.engine.live.books import Hours
from trademantra.engine.live.wants import LiveSession
from trademantra.engine.records import Signal
from trademantra.engine.timeline import by_sessions
from trademantra.trading.session.parity import parity
from trademantra.trading.session.plan import auction_minute

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type")

SHARE = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="SBIN", tick_size=Decimal("0.05"),
    lot_size=Decimal(1), has_derivatives=True,
)  # fmt: skip
SPANS = spans_for(SHARE, date(2026, 7, 31), date(2026, 8, 4))  # a day before, two with auctions
HOLDS = """
from trademantra.engine.events import EventStrategy

class Mine(EventStrategy):
    name = title = idea = source = market = "mine"

    def on_bar(self, context, bar):
        if context.position(bar.symbol) == 0.0:
            context.buy(bar.symbol, quantity=10)
"""


@pytest.mark.parametrize("timeframe", ["5m", "15m", "30m", "1h"])
@pytest.mark.parametrize("leave", [330, 345, 357, 365])
def test_the_bar_at_whose_open_positions_leave_is_before_the_auction_and_alike_live(timeframe, leave):
    length = Timeframe.parse(timeframe).length_ns
    ts = np.concatenate([np.arange(each.open_ns, each.close_ns, length) for each in SPANS])
    days = whole_days(SPANS)
    line = by_sessions(ts, days, auctions_ns=[day.auction_ns for day in days]).with_square_off(leave)
    leaving = ts[(line.allowed & int(Signal.SQUARE_OFF)) != 0]
    assert len(leaving) == len(days)
    for day, at in zip(days, leaving.tolist(), strict=True):
        begin = auction_minute(day)
        assert (begin is None) == (day.trade_date < date(2026, 8, 3))
        assert begin is None or at < day.open_ns + begin * NANOSECONDS_PER_MINUTE
        live = LiveSession(0, day.open_ns, day.close_ns, leave, auction_minute=begin)
        assert Hours(live, length).leaves_ns == at - day.open_ns


def test_a_replay_leaves_before_the_auction_and_equals_its_back_test(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(3)
    ts = np.concatenate([np.arange(each.open_ns, each.close_ns, NANOSECONDS_PER_MINUTE) for each in SPANS])
    close = 800.0 + np.cumsum(random.normal(0.0, 0.3, len(ts))).round(1)
    bars = pl.DataFrame(
        {"ts": pl.Series(ts).cast(pl.Datetime("ns", "UTC")), "open": close, "high": close + 0.5, "low": close - 0.5,
         "close": close, "volume": np.full(len(ts), 1_000.0)}
    )  # fmt: skip
    bars.write_parquet(tmp_path / "SBIN.parquet")
    (tmp_path / "mine.py").write_text(HOLDS)
    command = ["paper", str(tmp_path / "mine.py"), "--replay", str(tmp_path / "SBIN.parquet"), "--from", "2026-08-03",
               "--intraday", "--timeframe", "1h", "--costs", "zerodha:MIS", "--data-dir", str(tmp_path), "--json"]  # fmt: skip
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["refused"], told["calls"], told["positions"]) == ([], [], {"mine:SBIN": {}})
    assert [trade["reason"] for trade in told["trades"]] == ["square_off"] * 2
    auctions = [day.auction_ns for day in whole_days(SPANS) if day.auction_ns is not None]
    assert all(trade["exit_ns"] < auction for trade, auction in zip(told["trades"], auctions, strict=True))
    assert parity(Path(told["folder"])).is_identical
