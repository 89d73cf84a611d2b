import gzip
from datetime import date
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from bokeh_sampledata import stocks

from trademantra.core.errors import BadInputError, NotFoundError
from trademantra.core.time import datetime_of
from trademantra.data.adjust import adjusted
from trademantra.data.sample.real import real_prices


@pytest.fixture(scope="module")
def shares():
    return {share.series.symbol: share for share in real_prices()}


def test_bars_are_those_of_the_package_number_for_number(shares):
    """Differential: the package's own reader."""
    assert list(shares) == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    for symbol, share in shares.items():
        theirs = getattr(stocks, symbol)
        share.bars.check()
        for name in ("open", "high", "low", "close", "volume"):
            assert getattr(share.bars, name).tolist() == [float(value) for value in theirs[name]]
        starts = [datetime_of(int(ts), share.series.zone) for ts in share.bars.ts]
        assert [start.date().isoformat() for start in starts] == theirs["date"]
        assert {start.hour for start in starts} == {0}


def test_series_are_filed_under_their_exchange(shares):
    assert [str(share.series) for share in shares.values()] == [
        "NASDAQ:AAPL:1d",
        "NASDAQ:FB:1d",
        "NASDAQ:GOOG:1d",
        "NYSE:IBM:1d",
        "NASDAQ:MSFT:1d",
    ]


def test_splits_are_the_known_ones(shares):
    found = [(e.symbol, e.ex_date, e.factor, e.kind) for s in shares.values() for e in s.splits]
    assert found == [
        ("AAPL", date(2000, 6, 21), Fraction(1, 2), "split"),
        ("AAPL", date(2005, 2, 28), Fraction(1, 2), "split"),
        ("MSFT", date(2003, 2, 18), Fraction(1, 2), "split"),
    ]


def test_raw_prices_halve_on_the_day_of_a_split_and_adjusted_ones_do_not(shares):
    for share in shares.values():
        days = [datetime_of(int(ts), share.series.zone).date() for ts in share.bars.ts]
        smooth = adjusted(share.bars, share.splits, share.series.zone)
        for event in share.splits:
            i = days.index(event.ex_date)
            assert 1.7 < share.bars.close[i - 1] / share.bars.close[i] < 2.1
            assert 0.85 < smooth.close[i - 1] / smooth.close[i] < 1.05


def test_adjusting_gives_the_returns_of_the_sources_adjusted_close_but_for_dividends(shares):
    for symbol, share in shares.items():
        theirs = np.array(getattr(stocks, symbol)["adj_close"])
        ours = adjusted(share.bars, share.splits, share.series.zone).close
        # What is left is dividends: the source's ratio only rises, by the largest of them at most
        # (Microsoft paid 3 dollars on 29.97 in November 2004).
        steps = np.diff(np.log(theirs / ours))
        assert steps.min() > -1e-6
        assert steps.max() < 0.115
        assert (np.abs(steps) > 1e-6).sum() <= 53


def test_no_day_is_left_out(shares):
    """AAPL, IBM and MSFT have the same 3,270 days, no two of them more than a week apart."""
    days = [shares[symbol].bars.ts.tolist() for symbol in ("AAPL", "IBM", "MSFT")]
    assert days[0] == days[1] == days[2]
    longest = max(later - earlier for earlier, later in pairwise(days[0]))
    assert longest < 8 * 86_400 * 10**9  # September 2001


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Another package, of a name that no other test has imported: what the reader does with a changed file."""
    folder = tmp_path / f"sampledata_{tmp_path.name}"
    (folder / "_data").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


HEADER = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n", "line 1: the columns are not"),
        (HEADER + "AAPL,2000-03-01,1,2,x,1,5,1\n", "line 2: unexpected row"),
        (HEADER + "TSLA,2000-03-01,1,2,1,1,5,1\n", "line 2: unexpected row"),
        (HEADER + "AAPL,2000-03-01,1,2\n", "line 2: unexpected row"),
    ],
)
def test_a_changed_file_is_named_with_its_line(package, text, fault):
    (package / "_data" / "stocks.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    with pytest.raises(BadInputError, match=fault):
        real_prices(package.name)


def test_a_missing_package_or_file_says_how_to_get_it(package):
    for name in (package.name, "no_such_package_at_all"):
        with pytest.raises(NotFoundError, match=rf"{name} .*run \./tm once"):
            real_prices(name)
