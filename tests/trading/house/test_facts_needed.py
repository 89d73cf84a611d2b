"""Only what some account's limits look at is read, from the feed account that the account sees."""

from datetime import date

import pytest

from tests.trading.house.fact_scene import INFY, TCS
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.index_names import parse_indices
from trademantra.trading.accounts.settings import AccountMode, Broker, PaperAccountSettings
from trademantra.trading.house.facts_needed import Needs, Trading, needs_of, watched_of
from trademantra.trading.risk.limits_json import parse_limits

COPPER = Instrument(
    exchange=Exchange.MCX, segment=Segment.COMMODITY_FUTURES, kind=InstrumentKind.FUTURE, symbol="COPPER26NOVFUT",
    underlying="COPPER", expiry=date(2026, 11, 30),
)  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "needed"),
    [
        ({}, set()),
        ({"order": {"max_order_value": 1000}, "account": {"max_exposure": 1}}, set()),
        ({"order": {"require_price_band": False}}, set()),
        ({"order": {"require_price_band": True}}, {"bands"}),
        ({"strategies": {"orb": {"order": {"require_price_band": True}}}}, {"bands"}),
        ({"order": {"max_index_move_percent": 3}}, {"index"}),
        ({"strategies": {"orb": {"order": {"max_index_move_percent": 3}}}}, {"index"}),
        ({"sector": {"max_sector_percent": 40}}, {"sectors"}),
        ({"sectors": {"IT": {"max_sector_exposure": 40}}}, {"sectors"}),
        ({"account": {"max_correlated_positions": 1}}, {"closes"}),
        ({"user": {"max_correlated_positions": 1}}, {"closes"}),
        ({"strategy": {"max_correlated_positions": 1}}, {"closes"}),
        ({"strategies": {"orb": {"book": {"max_correlated_positions": 0}}}}, {"closes"}),
    ],
)
def test_what_limits_need(limits, needed):
    assert needs_of([parse_limits({}), parse_limits(limits)]) == Needs(**dict.fromkeys(needed, True))


def trading(name, source, needs, instruments, index="NSE:NIFTY 50", held=()):
    account = Account(
        account_id=name, broker=Broker.PAPER, mode=AccountMode.PAPER, settings=PaperAccountSettings(index=index),
        data_sources=(source,),
    )  # fmt: skip
    return Trading(account=account, needs=needs, instruments=instruments, held=held)


def keys(instruments):
    return [each.key for each in instruments]


def test_each_feed_account_is_asked_for_what_its_own_accounts_need_once():
    one, other = object(), object()
    everything = Needs(bands=True, index=True, closes=True)
    found = watched_of(
        [
            trading("a", "kite", everything, [TCS, INFY]),
            trading("b", "kite", Needs(bands=True), [INFY, COPPER], index="BSE:SENSEX"),
            trading("c", "upstox", Needs(closes=True), [TCS], held=[INFY]),
            trading("d", "upstox", Needs(), [INFY], index="NSE:NIFTY BANK"),
            trading("e", "idle", Needs(), [COPPER]),
        ],
        {"kite": one, "upstox": other, "idle": object()},
    )
    kite, upstox = found
    assert (kite.source, upstox.source) == (one, other)
    assert keys(kite.bands) == ["NSE:TCS", "NSE:INFY", COPPER.key]
    assert keys(kite.indices) == ["NSE:NIFTY 50"]
    assert keys(kite.breakers) == ["BSE:SENSEX"], "watched for a halt: b trades a share"
    assert keys(kite.closes) == ["NSE:TCS", "NSE:INFY"]
    assert keys(upstox.closes) == ["NSE:TCS", "NSE:INFY"]
    assert not upstox.bands
    assert not upstox.indices
    assert keys(upstox.breakers) == ["NSE:NIFTY 50", "NSE:NIFTY BANK"]


@pytest.mark.parametrize("text", ["", " ", "MCX:GOLD", "NSE:", "NIFTY 50,,BSE:SENSEX", "A:B:C"])
def test_what_is_no_index_is_refused_with_the_settings(text):
    with pytest.raises(InvalidValueError, match="no index of NSE or BSE"):
        parse_indices(text)
    with pytest.raises(InvalidValueError, match="no index of NSE or BSE"):
        PaperAccountSettings(index=text)
