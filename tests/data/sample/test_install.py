from dataclasses import replace
from datetime import date
from itertools import islice

import numpy as np
import polars as pl
import pytest

from trademantra.core.errors import DataConflictError, MissingFactError, NotFoundError
from trademantra.data.adjust import AdjustmentEvent, AdjustmentEvents
from trademantra.data.bar_file import SeriesInfo
from trademantra.data.sample.install import (
    SYNTHETIC_LABEL,
    Outcome,
    SampleRequest,
    Which,
    install_sample,
    pieces,
    synthetic_market,
)
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.real import real_prices
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.series import Series
from trademantra.data.store import BarStore
from trademantra.engine.bars import Bars

SMALL = SampleRequest(shares=2, days=3)
SYNTHETIC = replace(SMALL, only=Which.SYNTHETIC)
APPLE = Series.parse("NASDAQ:AAPL:1d")
BANK = Series.parse("SYNTH:SYNBANK1:1m")


def install(root, request=SMALL):
    return {piece.name: piece.outcome for piece in install_sample(root, request)}


def contents(root):
    return {
        path.relative_to(root): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*.parquet")
    }


def my_bars(close=100.0):
    one = np.array([close])
    return Bars.of([int(real_prices()[0].bars.ts[0])], one, one, one, one, one)


def test_everything_is_made_and_can_be_read_back(tmp_path):
    made = install(tmp_path)
    assert set(made.values()) == {Outcome.MADE}
    assert len(made) == pieces(SMALL) == 5 + 2 + 3
    store = BarStore(tmp_path / "bars")
    expected = generate_bars(synthetic_market(SMALL))
    for symbol, bars in expected.items():
        assert np.array_equal(store.read(Series.parse(f"SYNTH:{symbol}:1m")).close, bars.close)
    assert len(store.read(APPLE)) == 3270
    assert len(store.series()) == 5 + 3


def test_splits_are_applied_on_read(tmp_path):
    install(tmp_path, replace(SMALL, only=Which.REAL))
    store = BarStore(tmp_path / "bars")
    raw, smooth = store.read(APPLE), store.read(APPLE, adjusted=True)
    assert np.array_equal(smooth.close[:78], raw.close[:78] / 4)  # until 2000-06-20
    assert smooth.close[-1] == raw.close[-1]


def test_synthetic_data_says_so_everywhere_and_real_data_does_not(tmp_path):
    for piece in install_sample(tmp_path, SMALL):
        assert piece.synthetic == ("SYN" in piece.name)
    for entry in BarStore(tmp_path / "bars").series():
        assert entry.info.synthetic == (entry.series.exchange == "SYNTH")
        if entry.info.synthetic:
            assert entry.info.label == SYNTHETIC_LABEL
            assert "seed 7" in entry.info.source
        else:
            assert "public domain" in entry.info.label
    tables = list((tmp_path / "sample").glob("*.parquet"))
    assert len(tables) == 2
    for path in tables:
        assert path.name.startswith("SYNTH-")
        assert pl.read_parquet_metadata(path)["trademantra"].startswith("SYNTHETIC")


def test_a_second_time_changes_nothing(tmp_path):
    install(tmp_path)
    before = contents(tmp_path)
    assert set(install(tmp_path).values()) == {Outcome.ALREADY_THERE}
    assert contents(tmp_path) == before
    # Also with --force: there is nothing to replace.
    assert set(install(tmp_path, replace(SMALL, force=True)).values()) == {Outcome.ALREADY_THERE}
    assert contents(tmp_path) == before


def test_more_days_are_appended_and_fewer_change_nothing(tmp_path):
    install(tmp_path, SYNTHETIC)
    longer = replace(SYNTHETIC, days=5)
    outcomes = install(tmp_path, longer)
    assert outcomes[str(BANK)] is outcomes["SYNTH:SYNINDEX:1m"] is Outcome.EXTENDED
    stored = BarStore(tmp_path / "bars").read(BANK)
    assert np.array_equal(stored.close, generate_bars(synthetic_market(longer))["SYNBANK1"].close)
    assert set(install(tmp_path, SYNTHETIC).values()) == {Outcome.ALREADY_THERE}


def test_an_installation_that_was_cut_off_is_completed(tmp_path):
    list(islice(install_sample(tmp_path, SMALL), 6))
    outcomes = list(install(tmp_path).values())
    assert outcomes[:6] == [Outcome.ALREADY_THERE] * 6
    assert set(outcomes[6:]) == {Outcome.MADE}


@pytest.mark.parametrize("series", [APPLE, BANK])
def test_data_of_the_user_is_kept(tmp_path, series):
    store = BarStore(tmp_path / "bars")
    store.append(series, my_bars(), SeriesInfo(source="mine"))
    assert install(tmp_path)[str(series)] is Outcome.KEPT
    assert store.read(series).close.tolist() == [100.0]
    assert store.describe(series).source == "mine"


def test_bars_that_the_user_added_after_ours_are_kept(tmp_path):
    install(tmp_path)
    store = BarStore(tmp_path / "bars")
    last = int(store.read(APPLE).ts[-1])
    one = np.array([50.0])
    store.append(APPLE, Bars.of([last + 86_400 * 10**9], one, one, one, one, one))
    assert install(tmp_path)[str(APPLE)] is Outcome.ALREADY_THERE
    assert len(store.read(APPLE)) == 3271


def test_prices_of_the_user_do_not_get_our_splits(tmp_path):
    store = BarStore(tmp_path / "bars")
    store.append(APPLE, my_bars(), SeriesInfo(source="mine"))
    install(tmp_path)
    assert store.events("NASDAQ").of("AAPL") == ()
    assert len(store.events("NASDAQ").of("MSFT")) == 1


@pytest.mark.parametrize("series", [APPLE, BANK])
def test_force_replaces_it_whole(tmp_path, series):
    store = BarStore(tmp_path / "bars")
    store.append(series, my_bars(), SeriesInfo(source="mine"))
    assert install(tmp_path, replace(SMALL, force=True))[str(series)] is Outcome.REPLACED
    assert "mine" not in store.describe(series).source
    assert 100.0 not in store.read(series).close
    assert set(install(tmp_path).values()) == {Outcome.ALREADY_THERE}


@pytest.mark.parametrize("change", [{"seed": 8}, {"shares": 3}, {"shares": 1}, {"seed": 8, "shares": 3}])
def test_two_invented_markets_never_mix(tmp_path, change):
    install(tmp_path, SYNTHETIC)
    before = contents(tmp_path)
    other = replace(SYNTHETIC, **change)
    with pytest.raises(
        DataConflictError, match="another sample market is stored: synthetic market, seed 7, 2 shares"
    ):
        install(tmp_path, other)
    assert contents(tmp_path) == before
    install(tmp_path, replace(other, force=True))
    assert set(install(tmp_path, other).values()) == {Outcome.ALREADY_THERE}
    stored = BarStore(tmp_path / "bars").series()
    assert len(stored) == other.shares + 1
    assert {entry.info.source for entry in stored} == {f"synthetic market, seed {other.seed}"}


def test_a_market_that_was_cut_off_is_completed(tmp_path):
    pieces = install_sample(tmp_path, SYNTHETIC)
    next(pieces)
    pieces.close()
    assert Outcome.ALREADY_THERE in set(install(tmp_path, SYNTHETIC).values())
    assert len(BarStore(tmp_path / "bars").series()) == SYNTHETIC.shares + 1


def test_a_damaged_table_is_kept_unless_forced(tmp_path):
    install(tmp_path, SYNTHETIC)
    (path,) = (tmp_path / "sample").glob("*ticks*")
    path.write_bytes(b"rubbish")
    assert install(tmp_path, SYNTHETIC)[path.name] is Outcome.KEPT
    assert install(tmp_path, replace(SYNTHETIC, force=True))[path.name] is Outcome.REPLACED
    assert pl.read_parquet(path).height > 1000


def test_the_tables_hold_what_the_generators_make(tmp_path):
    install(tmp_path, SYNTHETIC)
    market = synthetic_market(SYNTHETIC)
    (path,) = (tmp_path / "sample").glob("*ticks*")
    ticks = generate_ticks(market, "SYNBANK1", market.days[0].trade_date)
    stored = pl.read_parquet(path)
    assert stored["price"].to_list() == ticks.price.tolist()
    assert stored["ts"].to_physical().to_list() == ticks.ts.tolist()
    (path,) = (tmp_path / "sample").glob("*options*")
    chain = pl.read_parquet(path)
    assert chain.height == 41
    assert chain.columns[-10:] == [
        f"{side}_{name}"
        for side in ("call", "put")
        for name in ("price", "bid", "ask", "open_interest", "volume")
    ]


def test_only_one_kind_is_made_when_asked(tmp_path):
    real = install(tmp_path, replace(SMALL, only=Which.REAL))
    assert len(real) == pieces(replace(SMALL, only=Which.REAL)) == 5
    assert len(install(tmp_path, SYNTHETIC)) == pieces(SYNTHETIC) == 5


def test_without_a_known_expiry_there_is_no_chain_and_it_says_so(tmp_path):
    outcomes = install(tmp_path, replace(SYNTHETIC, first=date(2015, 1, 1)))
    assert outcomes["SYNTH-SYNINDEX-options-2015-01-01.parquet"] is Outcome.UNKNOWN
    assert list(outcomes.values()).count(Outcome.MADE) == 4
    assert not list((tmp_path / "sample").glob("*options*"))


def test_wrong_days_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(MissingFactError, match="2027"):
        install(tmp_path, replace(SMALL, first=date(2026, 12, 30)))
    with pytest.raises(NotFoundError):
        BarStore(tmp_path / "bars").read(APPLE)


def test_splits_that_contradict_the_users_are_an_error_that_says_what_to_do(tmp_path):
    store = BarStore(tmp_path / "bars")
    wrong = AdjustmentEvent("AAPL", date(2000, 6, 21), 3, "split")
    store.put_events("NASDAQ", AdjustmentEvents((wrong,)))
    with pytest.raises(DataConflictError, match="--only synthetic"):
        install(tmp_path)
