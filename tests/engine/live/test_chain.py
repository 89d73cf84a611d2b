"""Option chains: the same rows in a back-test and live, the nearest expiry of the day, and rubbish that is named."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isnan, nan
from typing import ClassVar

import pytest

from tests.engine.live.parity import LIVE, MIS, assert_same, both
from tests.engine.live.tapes import days_of, walks
from tests.engine.scripted import FIRST_DAY
from trademantra.core.errors import InvalidValueError
from trademantra.engine.chain import ChainRow, Chains
from trademantra.engine.events import BarView, Context, EventStrategy, TickView
from trademantra.engine.rules import Size

TODAY = date(1970, 1, 1) + timedelta(days=int(FIRST_DAY))


@dataclass
class Named:
    symbol: str
    last: float = nan


def option(underlying: str, expiry: date, strike: str, right: str) -> str:
    return f"{underlying}{expiry:%d%b%y}{strike}{right}".upper()


class Straddles(EventStrategy):
    """Buys the nearest strike on both sides in the morning, writes down each chain that it sees."""

    name = title = idea = source = market = "straddles"
    intraday = True
    times = (30, 150)
    seen: ClassVar[list[list[object]]] = []  # of each run, until it is read

    def on_start(self, context: Context) -> None:
        self.rows: list[object] = []
        self.seen.append(self.rows)

    def on_session(self, context: Context) -> None:
        self.rows.append(("session", repr(context.chain())))

    def on_time(self, context: Context, minute: int) -> None:
        rows = [row for row in context.chain("NIFTY") if row.call and row.put]
        self.rows.append((minute, repr(rows)))
        if rows and minute == 30:
            nearest = min(rows, key=lambda row: abs(row.call_price - row.put_price))
            context.buy(nearest.call)
            context.buy(nearest.put)
        elif minute == 150:
            for symbol in context.symbols:
                context.exit(symbol)

    def on_bar(self, context: Context, bar: BarView) -> None:
        self.rows.append(repr(context.chain()))


class OnTicks(Straddles):
    name = "on_ticks"

    def on_tick(self, context: Context, tick: TickView) -> None:
        for row in context.chain():
            if tick.symbol in (row.call, row.put):
                price = row.call_price if tick.symbol == row.call else row.put_price
                assert price == tick.price, "a chain shows the tick that is told"


@pytest.mark.parametrize("strategy", [Straddles, OnTicks])
def test_a_straddle_trades_the_same_live(strategy: type[Straddles]) -> None:
    """Two expiries, the first of which is over after three days; the first two days warm up."""
    soon, later = TODAY + timedelta(days=2), TODAY + timedelta(days=9)
    names = [
        option("NIFTY", expiry, strike, right)
        for expiry in (soon, later)
        for strike in ("500", "510.5")
        for right in ("CE", "PE")
    ]
    named = dict(zip([*names, "INFY"], walks(9, 5, seed=77).values(), strict=True))
    days = days_of(named, 2, 5, leave=360)
    rules = replace(LIVE, size=Size.parse("quantity:10"))
    result, trader = both(strategy, days, rules, MIS, {})
    assert_same(result, trader, 4)
    in_backtest, live = strategy.seen.pop(0), strategy.seen.pop(0)
    assert in_backtest == live
    assert {result.symbols[int(each["instrument"])] for each in result.trades} <= set(names)
    chains = [each for each in live if isinstance(each, str)]
    assert any(option("NIFTY", soon, "500", "CE") in each for each in chains)
    assert any(option("NIFTY", later, "500", "CE") in each for each in chains)
    assert not any(
        soon.strftime("%d%b").upper() in each and later.strftime("%d%b").upper() in each for each in chains
    )


def test_rows_by_strike() -> None:
    expiry, day = date(2026, 11, 23), (date(2026, 11, 20) - date(1970, 1, 1)).days
    members = [
        Named("NIFTY23NOV2624500CE", 120.5), Named("NIFTY23NOV2624500PE"), Named("NIFTY23NOV2624450.5PE", 80.0),
        Named("NIFTY23NOV26FUT", 24_480.0), Named("NIFTY01DEC2624500CE", 300.0), Named("SBIN", 700.0),
        Named("BANKNIFTY23NOV2650000CE", 9.0),
    ]  # fmt: skip
    chains = Chains(members)
    low, high = chains.rows("NIFTY", None, day)
    assert (low.strike, low.call, low.put, isnan(low.call_price), low.put_price) == (
        24450.5, "", "NIFTY23NOV2624450.5PE", True, 80.0,
    )  # fmt: skip
    assert (high.strike, high.call_price, isnan(high.put_price)) == (24500.0, 120.5, True)
    assert repr(chains.rows("NIFTY", expiry, day)) == repr((low, high))  # NaN is not equal to itself
    other = ChainRow(24500.0, "NIFTY01DEC2624500CE", "", 300.0, nan)
    assert repr(chains.rows("NIFTY", date(2026, 12, 1), day)) == repr((other,))
    on_the_day = (expiry - date(1970, 1, 1)).days
    assert chains.rows("NIFTY", None, on_the_day)[0].put.startswith("NIFTY23NOV")
    assert chains.rows("NIFTY", None, on_the_day + 1)[0].call == "NIFTY01DEC2624500CE"
    assert chains.rows("NIFTY", None, on_the_day + 60) == ()
    members[0].last = 121.0
    assert chains.rows("NIFTY", None, day)[1].call_price == 121.0


def test_what_is_not_there_is_named() -> None:
    chains = Chains([Named("NIFTY23NOV2624500CE"), Named("BANKNIFTY23NOV2650000CE"), Named("SBIN")])
    with pytest.raises(InvalidValueError, match="no options of 'SBIN'") as refused:
        chains.rows("SBIN", None, 0)
    assert "BANKNIFTY, NIFTY" in refused.value.hint
    with pytest.raises(InvalidValueError, match="no options of ''"):
        chains.rows("", None, 0)
    with pytest.raises(InvalidValueError, match="expire on 2026-11-24") as refused:
        chains.rows("NIFTY", date(2026, 11, 24), 0)
    assert "2026-11-23" in refused.value.hint
    with pytest.raises(InvalidValueError, match="no options") as refused:
        Chains([Named("SBIN")]).rows("", None, 0)
    assert "options of nothing" in refused.value.hint
    [row] = Chains([Named("NIFTY23NOV2624500CE")]).rows("", None, 0)
    assert row.call == "NIFTY23NOV2624500CE"
