"""What the instruments of a session are traded by: their own charges, lots and hours; and what does not go together."""

from dataclasses import replace
from datetime import date, time

import numpy as np
import pytest

from tests.trading.feeds.tick_making import share
from tests.trading.house import scene as s
from tests.trading.house.test_symbols import contract
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import Product, Side
from trademantra.engine.rules import Size
from trademantra.engine.terms import same_charges
from trademantra.markets.charges.numeric import charges_of, day_number
from trademantra.trading.house.session_spec import SessionTimes
from trademantra.trading.house.session_terms import with_terms

FRIDAY, EXPIRY = date(2026, 11, 20), date(2026, 11, 24)
INFY, TCS = replace(share("INFY"), has_derivatives=True), replace(share("TCS"), has_derivatives=True)
NIFTY, CALL = contract("NIFTY", EXPIRY), contract("NIFTY", EXPIRY, 24500, "CE")
OTHER = replace(contract("BANKNIFTY", EXPIRY), lot_size=30)
GOLD = replace(
    contract("GOLD", date(2026, 12, 4), exchange=Exchange.MCX, family="commodity"), lot_size=1, multiplier=100
)
INDEX = Instrument(
    exchange=Exchange.NSE, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol="NIFTY", lot_size=1
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    return s.strategy_file(tmp_path, "mine", "pass")


def spec_of(file, *instruments, **more):
    found = {each.symbol: each for each in instruments}
    words = {"product": Product.MIS, "tariff": "zerodha"} | more
    made = s.session(file, "p", list(found), session_id="one")
    return replace(made, instruments=found, **words)


def test_runs_of_one_instrument_have_its_lot_tick_multiplier_and_charges(file):
    small = replace(NIFTY, tick_size=0.1)
    made = spec_of(file, INFY, small, alone=True)
    spec = with_terms(replace(made, rules=replace(made.rules, size=Size.parse("equity:1"))), FRIDAY)
    shares, futures = spec.runs()
    assert (shares.rules.lot, futures.rules.lot, futures.rules.tick, futures.own) == (1.0, 75.0, 0.1, {})
    costs = [charges_of(run.charges, Side.SELL, 1000.0, 75.0, day_number(FRIDAY)) for run in spec.runs()]
    assert costs[1] > costs[0] + 15.0  # tax of 0.05 % of a future sold (since 2026-04-01), 0.025 % of a share
    gold = with_terms(spec_of(file, GOLD), FRIDAY).runs()[0].rules
    assert (gold.lot, gold.multiplier) == (1.0, 100.0)


def test_a_run_of_several_has_the_terms_of_each(file):
    """The index is heard and not traded: the run is that of the first that can be."""
    [run] = with_terms(spec_of(file, INDEX, NIFTY, OTHER, CALL), FRIDAY).runs()
    assert (run.rules.lot, run.own[OTHER.symbol].lot, run.own[CALL.symbol].lot) == (75.0, 30.0, 75.0)
    assert same_charges(run.charges, run.own[OTHER.symbol].charges)
    assert not same_charges(run.charges, run.own[CALL.symbol].charges)
    assert run.own["NIFTY"].charges is None
    [alike] = with_terms(spec_of(file, INFY, TCS), FRIDAY).runs()
    assert alike.own == {}


def test_a_session_that_lasts_is_charged_on_each_of_its_days(file):
    [run] = with_terms(spec_of(file, NIFTY, product=Product.NRML), FRIDAY).runs()
    for day in (FRIDAY, EXPIRY, date(2026, 12, 29), date(2026, 6, 1)):
        assert charges_of(run.charges, Side.SELL, 24500.0, 75.0, day_number(day)) > 800.0
    # before 2026-04-01 the tax on a future sold was 0.02 % (specs/india-markets.md 1)
    assert charges_of(run.charges, Side.SELL, 24500.0, 75.0, day_number(date(2026, 3, 30))) < 600.0


def test_what_was_approved_is_what_runs(file):
    asked = replace(spec_of(file, NIFTY, futures_margin=0.15), instruments={})
    assert (
        with_terms(spec_of(file, NIFTY, futures_margin=0.15), FRIDAY).parameters_hash == asked.parameters_hash
    )


def test_margin_of_futures_is_that_of_a_back_test_unless_somebody_says_another(file):
    def margin(*instruments, futures_margin=0.15):
        return (
            with_terms(spec_of(file, *instruments, futures_margin=futures_margin), FRIDAY)
            .runs()[0]
            .rules.margin
        )

    assert [margin(NIFTY), margin(INDEX, NIFTY), margin(NIFTY, CALL), margin(INFY)] == [0.15, 0.15, 1.0, 1.0]
    assert margin(NIFTY, futures_margin=None) == 1.0


def test_minutes_are_those_of_the_market_and_the_earliest_square_off_counts(file):
    def minutes(*instruments, **times):
        made = with_terms(spec_of(file, *instruments, times=SessionTimes(**times)), FRIDAY)
        return made.leave_minute, made.first_entry_minute, made.last_entry_minute

    assert minutes(NIFTY, squares_off="zerodha") == (365, None, None)  # 15:20, 20 before the close of 15:40
    assert minutes(INDEX, NIFTY, squares_off="zerodha") == (365, None, None)
    assert minutes(INFY, NIFTY, squares_off="zerodha") == (
        352,
        None,
        None,
    )  # 15:07, before the closing auction
    assert minutes(GOLD, squares_off="zerodha", last_entry=time(22)) == (865, None, 780)
    assert minutes(NIFTY, squares_off="zerodha", leave=time(15), first_entry=time(9, 20)) == (345, 5, None)
    assert minutes(NIFTY, leave=time(15)) == (345, None, None)
    assert minutes(NIFTY) == (None, None, None)


@pytest.mark.parametrize(
    ("instruments", "more", "says"),
    [
        ([NIFTY], {"product": Product.CNC}, "is a future: it is not traded as CNC"),
        ([INFY, CALL], {"product": Product.NRML}, "INFY is a share: it is not traded as NRML"),
        ([INFY, GOLD], {}, "MCX:GOLD:2026-12-04:FUT trades 09:00 to 23:55, NSE:INFY 09:15 to 15:15"),
        ([NIFTY], {"alone": True}, "quantity:10 is less than one lot of NIFTY24NOV26FUT, which is 75"),
        ([NIFTY, OTHER], {"weights": True}, "keeps target weights.*BANKNIFTY24NOV26FUT would need others"),
        ([NIFTY, CALL], {"weights": True}, "keeps target weights.*NIFTY24NOV2624500CE would need others"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(file, instruments, more, says):
    with pytest.raises(InvalidValueError, match=says):
        with_terms(spec_of(file, *instruments, **more), FRIDAY)


def test_a_sold_option_is_not_sized_by_its_premium(file):
    made = spec_of(file, CALL, alone=True)
    sells = replace(made.rules, allow_short=True, size=Size.parse("equity:1"))
    with pytest.raises(InvalidValueError, match="not sized by its premium"):
        with_terms(replace(made, rules=sells), FRIDAY)
    with_terms(replace(made, rules=replace(sells, size=Size.parse("quantity:75"))), FRIDAY)
    with_terms(replace(made, rules=replace(sells, allow_short=False)), FRIDAY)


def test_weights_may_have_ticks_of_their_own(file):
    [run] = with_terms(spec_of(file, INFY, replace(TCS, tick_size=0.1), weights=True), FRIDAY).runs()
    assert run.own == {}
    assert np.isfinite(run.charges["rate"]).all()
