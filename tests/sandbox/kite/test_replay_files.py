"""A file of bars is as good as a bar store."""

from datetime import time

import pytest

from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.time import ist_date, ist_ns
from trademantra.data.store import BarStore
from trademantra.sandbox.kite.replay_files import bar_store_of
from trademantra.sandbox.kite.replayed_market import replayed_market

ROWS = "date,open,high,low,close,volume\n" + "".join(
    f"2026-11-19 09:{15 + minute}:00,100,101,99,100.5,1000\n" for minute in range(30)
)


def symbols(root):
    return [listing.symbol for listing in replayed_market(root, None, ExchangeSettings()).listings]


def test_a_file_is_replayed_and_forgotten(tmp_path):
    file = tmp_path / "tcs.csv"
    file.write_text(ROWS)
    with bar_store_of(file) as root:
        assert symbols(root) == ["TCS"]
    assert not root.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["tcs.csv"]


def test_a_bar_store_is_found_by_its_folder_and_by_the_folder_above(home):
    for path in (home, home / "bars"):
        with bar_store_of(path) as root:
            assert root == home / "bars"
            assert symbols(root)


def test_what_cannot_be_replayed_is_named(tmp_path):
    with pytest.raises(NotFoundError, match="nothing here"), bar_store_of(tmp_path / "nothing here"):
        pass
    bad = tmp_path / "bad.csv"
    bad.write_text(ROWS.replace("101,99", "x,99"))
    with pytest.raises(BadInputError, match="line 2"), bar_store_of(bad):
        pass


def test_the_close_before_the_first_day_is_known(home):
    whole = replayed_market(home / "bars", None, ExchangeSettings())
    store, day = BarStore(home / "bars"), ist_date(whole.began_ns)
    for listing in whole.listings:
        [entry] = [
            e
            for e in store.series([])
            if e.series.symbol == listing.symbol and e.series.timeframe.is_intraday
        ]
        before = store.read(entry.series, None, ist_ns(day, time()))
        assert float(listing.previous_close) == float(before.close[-1])
