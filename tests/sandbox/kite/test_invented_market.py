from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from trademantra.brokers.paper.settings import ExchangeSettings
from trademantra.core.errors import MissingFactError
from trademantra.core.time import ist_date
from trademantra.sandbox.kite.invented_market import invented_market


def market(day: date):
    return invented_market(day, seed=7, shares=2, settings=ExchangeSettings())


def test_a_weekend_begins_on_monday_and_prices_come_in_order() -> None:
    made = market(date(2026, 11, 21))
    assert ist_date(made.began_ns) == date(2026, 11, 23)
    times: list[int] = []
    while ist_date(made.source.next_ns()) == date(2026, 11, 23):
        batch = made.source.take(made.source.next_ns() + 10**12, 5_000)
        batch.check(len(made.listings))
        times += batch.at_ns.tolist()
    assert len(times) > 30_000
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_contracts_are_priced_around_their_index_and_expire_later() -> None:
    made = market(date(2026, 11, 20))
    batch = made.source.take(made.began_ns + 600 * 10**9, 1_000_000)
    last = {row: batch.close[batch.token_row == row][-1] for row in np.unique(batch.token_row)}
    by_symbol = {listing.symbol: last[row] for row, listing in enumerate(made.listings)}
    index = by_symbol["SYNINDEX"]
    future = next(price for name, price in by_symbol.items() if name.endswith("FUT"))
    assert 0 < future - index < index * 0.01
    calls = [price for name, price in by_symbol.items() if name.endswith("CE")]
    puts = [price for name, price in by_symbol.items() if name.endswith("PE")]
    assert calls == sorted(calls, reverse=True)
    assert puts == sorted(puts)
    expiry = made.listings.at(len(made.listings) - 1).instrument.expiry
    assert (expiry - date(2026, 11, 20)).days > 2


def test_the_same_seed_makes_the_same_market() -> None:
    one, other = (market(date(2026, 11, 20)).source.take(10**19, 1_000) for _ in range(2))
    assert np.array_equal(one.close, other.close)


@pytest.mark.parametrize("day", [date(2026, 12, 24), date(2026, 12, 31)])
def test_the_last_days_of_the_known_calendar_work(day: date) -> None:
    made = market(day)
    assert ist_date(made.began_ns) == day
    assert len(made.source.take(10**19, 100)) == 100


def test_a_year_without_holidays_is_an_error() -> None:
    with pytest.raises(MissingFactError):
        market(date(2031, 1, 1))
