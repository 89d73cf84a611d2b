"""What a session keeps on disk: prices, trades and facts come back as they were, and damage is named."""

import json
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.paper.market import share
from trademantra.brokers.listings import Listing, Listings
from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.core.time import ist_ns
from trademantra.data.resample import SessionSpan, resample
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import LiveTrade
from trademantra.engine.records import TRADE, Reason
from trademantra.engine.rules import Level, Size, TradingRules
from trademantra.trading.runner.spec import StrategySource
from trademantra.trading.session.facts import FILE, RunFacts, SessionFacts
from trademantra.trading.session.replay_steps import events_of
from trademantra.trading.session.tape import (
    CHARGES,
    EVENTS,
    WARM_UP,
    bars_of,
    read_charges,
    read_events,
    read_warm_up,
    write_charges,
    write_events,
    write_warm_up,
)
from trademantra.trading.session.trades import FILE as TRADES
from trademantra.trading.session.trades import read_trades, write_trades

M1 = Timeframe.parse("1m")
DAYS = (date(2026, 6, 1), date(2026, 6, 2))
SPANS = tuple(SessionSpan(day, ist_ns(day, time(9, 15)), ist_ns(day, time(15, 30))) for day in DAYS)
INFY, TCS = share("INFY"), share("TCS")
LISTINGS = Listings.of(
    [Listing("NSE", each.symbol, (1_000 + n) << 8 | 1, each) for n, each in enumerate((INFY, TCS))]
)


@st.composite
def minutes(draw: st.DrawFn) -> Bars:
    """Minutes of two days on the tick, any of them missing."""
    chosen = draw(st.lists(st.integers(0, 749), min_size=1, max_size=60, unique=True).map(sorted))
    ts = np.array([SPANS[k // 375].open_ns + k % 375 * MINUTE for k in chosen])
    four = draw(
        st.lists(st.lists(st.integers(1, 400), min_size=4, max_size=4), min_size=len(ts), max_size=len(ts))
    )
    prices = np.array(four, float).T / 20.0
    volume = np.array(draw(st.lists(st.integers(0, 10_000), min_size=len(ts), max_size=len(ts))), float)
    return Bars.of(ts, prices[0], prices.max(axis=0), prices.min(axis=0), prices[3], volume)


def events(folder: Path, **bars: Bars) -> dict[str, Bars]:
    """The events of bars, over the disk."""
    by_instrument = {share(symbol): one for symbol, one in bars.items()}
    write_events(folder, ["INFY", "TCS"], [events_of(by_instrument, LISTINGS, M1.length_ns)])
    return read_events(folder)


def same(one: Bars, other: Bars) -> None:
    for name in Bars.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@settings(deadline=None, max_examples=60)
@given(infy=minutes(), tcs=minutes(), length=st.sampled_from([1, 3, 5, 7, 15, 60]))
def test_bars_of_the_events_are_the_bars_that_made_them(
    tmp_path_factory: pytest.TempPathFactory, infy: Bars, tcs: Bars, length: int
) -> None:
    """Two ways to longer bars: through events, ticks and disk, and by the resampling of stored bars."""
    timeframe = Timeframe(length, "m")
    came_back = events(tmp_path_factory.mktemp("tape"), INFY=infy, TCS=tcs)
    for symbol, bars in (("INFY", infy), ("TCS", tcs)):
        expected = bars if length == 1 else resample(bars, M1, timeframe, SPANS)
        same(bars_of(came_back[symbol], SPANS, timeframe.length_ns), expected)


@settings(deadline=None, max_examples=30)
@given(bars=minutes())
def test_events_of_one_instrument_are_apart_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, bars: Bars
) -> None:
    ts = events(tmp_path_factory.mktemp("tape"), INFY=bars)["INFY"].ts
    assert (np.diff(ts) > 0).all()


def test_no_events_make_no_bars() -> None:
    assert len(bars_of(Bars.empty(), SPANS, M1.length_ns)) == 0


def test_warm_up_and_charges_come_back(tmp_path: Path) -> None:
    bars = Bars.of(
        np.array([1, 2]), *(np.array([k, k + 0.05]) for k in (3.0, 4.0, 2.0, 3.0)), np.array([7.0, 0.0])
    )
    write_warm_up(tmp_path, {"M&M": bars, "NIFTY PSU BANK": bars})
    made = read_warm_up(tmp_path)
    assert list(made) == ["M&M", "NIFTY PSU BANK"]
    same(made["M&M"], bars)
    assert read_charges(tmp_path, ["A", "B"]) == {}
    np.save(tmp_path / "charges.npy", rules := np.zeros(2, TRADE))  # as older sessions kept them
    np.testing.assert_array_equal(read_charges(tmp_path, ["A", "B"])["B"], rules)
    own = {"M&M": np.ones(3, TRADE), "NIFTY PSU BANK": rules, "FREE": np.zeros(0, TRADE)}
    write_charges(tmp_path, own)
    for symbol, kept in read_charges(tmp_path, ["A"]).items():
        np.testing.assert_array_equal(kept, own.pop(symbol))
    assert own == {}


def test_no_warm_up_is_an_empty_file(tmp_path: Path) -> None:
    write_warm_up(tmp_path, {})
    assert read_warm_up(tmp_path) == {}


SOLD = LiveTrade("M&M", -1, 10, 20, 5.0, 101.05, 99.1 + 1e-13, 9.75, 1 / 3, 9.75 - 1 / 3, Reason.SQUARE_OFF)


@settings(deadline=None)
@given(prices=st.lists(st.floats(0.05, 1e7), max_size=5), reason=st.sampled_from(Reason))
def test_trades_come_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, prices: list[float], reason: Reason
) -> None:
    folder = tmp_path_factory.mktemp("trades")
    trades = {"a:M&M": [replace(SOLD, exit_price=price, reason=reason) for price in prices], "b": []}
    write_trades(folder, trades)
    assert read_trades(folder) == trades


def facts() -> SessionFacts:
    rules = TradingRules(
        as_live=True, tick=0.05, lot=1.0, size=Size.parse("risk:0.01"), stop=Level.parse("1%")
    )
    run = RunFacts(
        run_id="mine:INFY", strategy=StrategySource("mine", "ab" * 32, "/somewhere/mine.py"), symbols=("INFY",),
        values={"fast": 3.0}, rules=rules, parameters_hash="cd" * 32,
    )  # fmt: skip
    return SessionFacts(
        session_id="20261120-mine", account_id="paper", mode="replay", is_replay=True, timeframe=M1,
        instruments={"INFY": replace(INFY, tick_size=Decimal("0.05"))}, runs=(run,), spans=SPANS, begin_ns=SPANS[1].open_ns,
        lateness_ns=0, leave_minute=360, bars_per_year=94_500.5, costs="zerodha:MIS", product="MIS", source="bars.parquet",
    )  # fmt: skip


def test_facts_come_back(tmp_path: Path) -> None:
    facts().write(tmp_path)
    assert SessionFacts.read(tmp_path) == facts()


def test_positions_that_are_carried_have_no_minute_to_leave(tmp_path: Path) -> None:
    replace(facts(), leave_minute=None).write(tmp_path)
    assert SessionFacts.read(tmp_path).leave_minute is None


@pytest.mark.parametrize("field", ["runs", "spans", "instruments", "timeframe", "begin_ns", "version"])
@pytest.mark.parametrize("wrong", [None, 7, "x", [1], {"a": 1}])
def test_facts_that_are_none_name_the_file(tmp_path: Path, field: str, wrong: object) -> None:
    facts().write(tmp_path)
    plain = json.loads((tmp_path / FILE).read_text())
    for plain_wrong in (plain | {field: wrong}, {key: value for key, value in plain.items() if key != field}):
        if field == "begin_ns" and plain_wrong.get(field) == 7:
            continue  # a time, if an early one
        (tmp_path / FILE).write_text(json.dumps(plain_wrong))
        with pytest.raises(BadInputError, match=r"session\.json"):
            SessionFacts.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"PAR1"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    for name, read in (
        (FILE, SessionFacts.read), (TRADES, read_trades), (WARM_UP, read_warm_up), (EVENTS, read_events), (CHARGES, partial(read_charges, symbols=["A"])),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInputError, match=name.partition(".")[0]):
            read(tmp_path)


def test_another_table_is_not_a_tape(tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame({"symbol": ["INFY"], "ts": ["today"]}).write_parquet(tmp_path / EVENTS)
    with pytest.raises(BadInputError, match="events"):
        read_events(tmp_path)


def test_a_folder_without_a_session_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no session"):
        SessionFacts.read(tmp_path)
    with pytest.raises(BadInputError, match="has not ended"):
        read_trades(tmp_path)


def test_a_tape_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    facts().write(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_the_last_bar_of_a_day_that_its_close_cuts_off_trades_all_its_prices(tmp_path: Path) -> None:
    """Bug found here: of the last hour, 15:15 to 15:30, only the first quarter of the way was played."""
    hour = 60 * MINUTE
    ts = [span.open_ns + k * hour for span in SPANS for k in range(7)]
    bars = Bars.of(ts, [100.0] * 14, [103.0] * 14, [98.0] * 14, [101.0] * 14, [400.0] * 14)
    write_events(tmp_path, ["INFY", "TCS"], [events_of({share("INFY"): bars}, LISTINGS, hour, SPANS)])
    made = bars_of(read_events(tmp_path)["INFY"], SPANS, hour)
    for name in Bars.__slots__:
        assert getattr(made, name).tolist() == getattr(bars, name).tolist()
