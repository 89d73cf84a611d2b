"""What the desk tells the risk gate of the market: known while it is fresh, unknown when it is not, said once."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.house.fact_scene import DAY, INFY, NIFTY, SENSEX, TCS, D, Facts, at, play, trading_days
from trademantra.core.instrument import Exchange
from trademantra.core.time import datetime_of
from trademantra.markets.contracts.breakers import HaltKind, circuit_breaker
from trademantra.trading.house.breaker import Breaker
from trademantra.trading.house.fact_parts import Watched
from trademantra.trading.risk.correlation import Correlations

NSE, BSE = Exchange.NSE, Exchange.BSE


# -- price bands


def test_bands_are_read_at_the_start_and_each_minute_and_a_failed_reading_is_said_once_and_forgotten_after_five():
    facts = Facts(bands=(TCS, INFY))
    facts.broker.band(TCS, 90, 110)
    facts.broker.band(INFY, 80, 120)

    async def story():
        assert facts.band(TCS) == (D(90), D(110))
        assert facts.band(INFY) == (D(80), D(120))
        facts.broker.band(TCS, 85, 110)  # flexed
        await facts.step(61)
        assert facts.band(TCS) == (D(85), D(110))
        facts.broker.fails = "the line is cut"
        await facts.step(295)
        assert facts.band(TCS) == (D(85), D(110))
        await facts.step(10)
        assert facts.band(TCS) is None
        assert facts.band(INFY) is None
        assert [line for line in facts.said if "cannot be read" in line] == facts.said
        assert len(facts.said) == 1
        facts.broker.fails = None
        await facts.step(11)
        assert facts.band(TCS) == (D(85), D(110))
        assert facts.said[1:] == ["price bands of kite: known again"]

    play(facts, story)
    assert set(facts.broker.asked) == {(TCS, INFY)}, "one call for all"


@pytest.mark.parametrize(("lower", "upper"), [(None, None), (None, 110), (0, 110), (110, 90), (-5, 110)])
def test_a_quote_without_a_band_is_no_band_at_all_whatever_was_known(lower, upper):
    facts = Facts(bands=(TCS, INFY))
    facts.broker.band(TCS, 90, 110)
    facts.broker.band(INFY, 90, 110)

    async def story():
        facts.broker.band(TCS, lower, upper)
        await facts.step(61)
        assert facts.band(TCS) is None
        assert facts.band(INFY) == (D(90), D(110))
        await facts.step(180)
        assert facts.said == ["price bands of kite: none is told of NSE:TCS; entries that need it wait"]

    play(facts, story)


def test_what_begins_to_be_traded_later_is_known_before_its_first_decision_and_read_with_the_rest_from_then_on():
    facts = Facts(bands=(TCS,))
    facts.broker.band(TCS, 90, 110)
    facts.broker.band(INFY, 80, 120)

    async def story():
        assert facts.band(INFY) is None
        both = Watched(name="kite", source=facts.broker, bands=(TCS, INFY), indices=(NIFTY,))
        await facts.facts.watch([both])
        assert facts.band(INFY) == (D(80), D(120))
        assert facts.band(TCS) == (D(90), D(110))
        asked = len(facts.broker.asked)
        await facts.facts.watch([both])
        assert len(facts.broker.asked) == asked, "nothing new, nothing asked"
        facts.broker.band(INFY, 85, 120)
        await facts.step(61)
        assert facts.band(INFY) == (D(85), D(120))
        await facts.facts.watch([])
        asked = len(facts.broker.asked)
        await facts.step(61)
        assert len(facts.broker.asked) == asked

    play(facts, story)


def test_an_instrument_that_is_left_out_once_keeps_its_band_for_its_time():
    facts = Facts(bands=(TCS,))
    facts.broker.band(TCS, 90, 110)

    async def story():
        facts.broker.told.clear()
        await facts.step(240)
        assert facts.band(TCS) == (D(90), D(110))
        await facts.step(70)
        assert facts.band(TCS) is None

    play(facts, story)


def test_bands_of_yesterday_are_not_those_of_today():
    facts = Facts(bands=(TCS,))
    facts.state.band(TCS.key, D(1), D(2))
    facts.state.day_rolled()
    assert facts.band(TCS) is None


# -- the index


def test_the_index_is_known_from_fresh_quotes_and_unknown_when_they_stop_or_stand_still():
    facts = Facts(indices=(NIFTY,))
    facts.broker.index(NIFTY, "98.5")

    async def story():
        assert facts.state.index_move_percent == D("-1.5")
        facts.broker.index(NIFTY, "101")
        await facts.step(3)
        assert facts.state.index_move_percent == D(1)
        facts.broker.fails = "busy"
        await facts.step(14)
        assert facts.state.index_move_percent == D(1)
        await facts.step(3)
        assert facts.state.index_move_percent is None
        await facts.step(60)
        assert len(facts.said) == 1
        assert "busy; entries with max_index_move_percent wait" in facts.said[0]
        facts.broker.fails = None
        facts.broker.index(NIFTY, "102")
        await facts.step(4)
        assert facts.state.index_move_percent == D(2)
        assert facts.said[1:] == ["index NSE:NIFTY 50: known again"]
        await facts.step(90)  # the broker answers, but the price is an old one
        assert facts.state.index_move_percent is None
        assert "its last price is of 11:01:" in facts.said[2]

    play(facts, story)


def test_the_larger_move_of_several_counts_and_all_must_be_known():
    facts = Facts(indices=(NIFTY, SENSEX))
    facts.broker.index(NIFTY, "101")

    async def story():
        assert facts.state.index_move_percent is None
        assert "does not list it; name another: tm account set" in facts.said[0]
        facts.broker.index(SENSEX, "97")
        await facts.step(4)
        assert facts.state.index_move_percent == D(-3)

    play(facts, story)


@pytest.mark.parametrize("before", [None, D(0)])
def test_without_a_close_of_yesterday_there_is_no_move(before):
    facts = Facts(indices=(NIFTY,))
    facts.broker.index(NIFTY, "101", before)

    async def story():
        assert facts.state.index_move_percent is None
        assert "no close of yesterday" in facts.said[0]

    play(facts, story)


def test_out_of_hours_an_index_that_stands_still_is_unknown_and_nobody_is_troubled():
    facts = Facts("08:30", indices=(NIFTY,))
    facts.broker.index(NIFTY, "101", at_ns=at("15:30", DAY - timedelta(days=1)))

    async def story():
        await facts.step(120)
        assert facts.state.index_move_percent is None
        assert facts.said == []
        assert len(facts.broker.asked) < 12, "asked seldom"

    play(facts, story)


# -- halts


@pytest.mark.parametrize(
    ("percent", "when", "until"),
    [
        ("-10.0", "10:30", "11:30"),  # 45 minutes and the auction of 15
        ("10.2", "13:00", "13:30"),
        ("-10.0", "14:30", None),
        ("-15.0", "12:59", "14:59"),
        ("-15.0", "13:59", "14:59"),
        ("-15.0", "14:00", "rest"),
        ("-20.0", "09:20", "rest"),
        ("-9.99", "10:30", None),
    ],
)
def test_the_circuit_breaker_halts_both_exchanges_for_its_time(percent, when, until):
    facts = Facts(when, breakers=(NIFTY,))
    facts.broker.index(NIFTY, 100 + D(percent))

    async def story():
        found = facts.halt(NSE)
        assert found == facts.halt(BSE)
        if until is None:
            assert found is None
            assert facts.said == []
            return
        assert found == ((None,) if until == "rest" else (at(until),))
        assert len(facts.said) == 1
        assert ("for the rest of the day" if until == "rest" else f"until {until}") in facts.said[0]
        await facts.step(60)  # the index stands still, and nothing more is said
        assert facts.halt(NSE) == found
        assert len(facts.said) == 1
        if until != "rest":
            await facts.jump(at(until))
            assert facts.halt(NSE) is None
            assert "is over" in facts.said[1]

    play(facts, story)
    assert facts.state.index_move_percent is None, "no limit asked for it"


def test_a_halt_counts_from_its_trigger_also_for_a_desk_that_starts_in_it():
    facts = Facts("11:10", indices=(NIFTY,))
    facts.broker.index(NIFTY, "89.9", at_ns=at("10:40"))

    async def story():
        assert facts.halt(NSE) == (at("11:40"),)
        assert facts.state.index_move_percent is None, "a price of half an hour ago"

    play(facts, story)


def test_a_level_works_once_a_day_and_the_next_one_halts_again():
    facts = Facts("10:00", breakers=(NIFTY, SENSEX))
    facts.broker.index(NIFTY, "89.9")
    facts.broker.index(SENSEX, "91")

    async def story():
        await facts.jump(at("11:00"))
        assert facts.halt(NSE) is None
        facts.broker.index(NIFTY, "89")
        facts.broker.index(SENSEX, "89.5")
        await facts.step(30)
        assert facts.halt(NSE) is None
        facts.broker.index(SENSEX, "84.9")
        await facts.step(30)
        assert facts.halt(NSE)[0] > at("12:59")
        assert "BSE:SENSEX moved by -15.1 %" in facts.said[2]

    play(facts, story)


def test_an_index_that_goes_on_moving_shows_that_the_market_trades():
    facts = Facts("14:00", breakers=(NIFTY,))
    facts.broker.index(NIFTY, "89.5")  # the trigger was hours ago, before this desk began

    async def story():
        assert facts.halt(NSE) is not None
        for second in range(150):
            facts.broker.index(NIFTY, D("89.5") - D(second) / 1000)
            await facts.step(1)
        assert facts.halt(NSE) is None
        assert "is over" in facts.said[1]
        assert len(facts.said) == 2

    play(facts, story)


# -- daily closes


def rising(days, by):
    price, found = 100.0, {}
    for number, day in enumerate(days):
        price *= 1 + by[number % len(by)]
        found[day] = price
    return found


def test_closes_are_read_at_the_start_and_each_new_day_without_the_candle_of_today():
    facts = Facts(closes=(TCS, INFY))
    days = [*trading_days(DAY, 40), DAY]
    facts.broker.candles = {TCS: rising(days, [0.01, -0.02, 0.03]), INFY: rising(days, [-0.01, 0.02, -0.03])}
    between = facts.state.correlations.between

    async def story():
        assert between(TCS.key, INFY.key) == pytest.approx(-1.0)
        assert DAY not in facts.state.correlations._closes[TCS.key]
        await facts.step(200)
        assert len(facts.broker.asked) == 2
        await facts.jump(at("00:01", DAY + timedelta(days=1)))
        assert len(facts.broker.asked) == 4
        assert DAY in facts.state.correlations._closes[TCS.key]

    play(facts, story)


def test_candles_that_cannot_be_read_are_asked_for_again_and_forgotten_after_days():
    facts = Facts(closes=(TCS, INFY))
    days = trading_days(DAY, 40)
    facts.broker.candles = {each: rising(days, [0.01, -0.02, 0.03]) for each in (TCS, INFY)}
    facts.broker.fails_for = INFY.key
    between = facts.state.correlations.between

    async def story():
        assert between(TCS.key, INFY.key) is None
        await facts.step(130)
        assert len(facts.said) == 1
        assert "daily candles of kite: NSE:INFY cannot be read: no candles today; entries" in facts.said[0]
        assert sum(asked[0] == TCS.key for asked in facts.broker.asked) == 1
        facts.broker.fails_for = None
        await facts.step(61)
        assert between(TCS.key, INFY.key) == pytest.approx(1.0)
        facts.broker.fails = "no login"
        for number in range(1, 6):
            await facts.jump(at("10:00", DAY + timedelta(days=number)))
        assert between(TCS.key, INFY.key) == pytest.approx(1.0)
        await facts.jump(at("10:00", DAY + timedelta(days=6)))
        assert between(TCS.key, INFY.key) is None

    play(facts, story)


dates = st.integers(0, 80).map(lambda number: date(2026, 8, 1) + timedelta(days=number))
closes = st.dictionaries(dates, st.floats(1, 1000), min_size=15, max_size=80)


@given(closes, closes, st.sets(dates))
def test_days_that_only_one_of_two_traded_change_nothing(mine, theirs, alone):
    """Whatever is missing on either side: the correlation is that of the days in common."""
    common = mine.keys() & theirs.keys()
    whole, cut = Correlations(), Correlations()
    whole.tell_closes("a", mine | dict.fromkeys(alone - theirs.keys(), 7.0))
    whole.tell_closes("b", theirs)
    cut.tell_closes("a", {day: mine[day] for day in common})
    cut.tell_closes("b", {day: theirs[day] for day in common})
    assert whole.between("a", "b") == cut.between("b", "a")
    if len(common) < 21:
        assert whole.between("a", "b") is None


@given(st.decimals(-25, 25, places=2), st.integers(0, 6 * 3600))
def test_a_halt_is_never_shorter_than_the_table_and_never_without_its_level(percent, seconds):
    at_ns = at("09:15") + seconds * 10**9
    breaker = Breaker()
    breaker.heard("NSE:NIFTY 50", Decimal(percent), 100 + Decimal(percent), at_ns)
    expected = circuit_breaker(abs(Decimal(percent)), datetime_of(at_ns).time())
    assert (breaker.halt is None) == (expected.kind is HaltKind.NONE)
    if breaker.halt is not None:
        length = None if breaker.halt.until_ns is None else (breaker.halt.until_ns - at_ns) // (60 * 10**9)
        assert length == expected.minutes
