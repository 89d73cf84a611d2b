"""What crosses between desk and worker: it comes back equal, and nothing loose gets past the desk's edge."""

import json
from contextlib import suppress
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.core.bar import Bar
from trademantra.engine.bars import Bars
from trademantra.engine.live.wants import Drop, Enter, Leave, LiveFill, LiveSession, Protection
from trademantra.engine.records import EntryKind, LevelKind, Reason
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules
from trademantra.engine.timeline import by_days
from trademantra.trading.runner.answers import outcomes_of
from trademantra.trading.runner.requests import bars_of, block_row, plain_warm_up, warm_up_of
from trademantra.trading.runner.rules_form import plain_rules, rules_of
from trademantra.trading.runner.run_log import (
    BarsClosed,
    ClockTold,
    EntryGone,
    FillTold,
    SessionBegan,
    WarmUp,
    from_line,
    to_line,
)
from trademantra.trading.runner.want_form import plain_want, want_of, wants_of
from trademantra.trading.runner.wire import HEADER, FrameKind, ProtocolError, body_of, header_of, packed

SYMBOLS = ("A", "B")
NONE = Protection(nan, nan, Level(), Level(), Level(), nan)
ENTER = Enter("A", 1, 10.0, EntryKind.MARKET, nan, NONE, 100.0)

amounts = st.floats(min_value=1e-9, max_value=1e15)
or_none = st.one_of(st.just(nan), amounts)
levels = st.one_of(
    st.just(Level()),
    st.builds(Level, st.sampled_from([kind for kind in LevelKind if kind is not LevelKind.NONE]), amounts),
)
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from([-1, 1])
protections = st.builds(Protection, or_none, or_none, levels, levels, levels, or_none)
wants = st.one_of(
    st.builds(Enter, symbols, sides, amounts, st.just(EntryKind.MARKET), st.just(nan), protections, amounts),
    st.builds(
        Enter,
        symbols,
        sides,
        amounts,
        st.sampled_from([EntryKind.LIMIT, EntryKind.STOP]),
        amounts,
        protections,
        amounts,
    ),
    st.builds(
        Leave,
        symbols,
        st.sampled_from([Reason.SIGNAL, Reason.TIME, Reason.SQUARE_OFF, Reason.MARGIN]),
        or_none,
    ),
    st.builds(Drop, symbols),
)
instants = st.integers(0, 2**62)
minutes = st.one_of(st.none(), st.integers(0, 1_000))
bars = st.builds(
    lambda start, low, *more: Bar(start, low + more[0], low + sum(more[:2]), low, low, more[2]),
    instants, amounts, *[st.floats(0, 1e6)] * 3,
)  # fmt: skip
entries = st.one_of(
    st.builds(ClockTold, instants),
    st.builds(EntryGone, symbols, st.text(max_size=40)),
    st.builds(
        FillTold,
        st.builds(LiveFill, symbols, sides, amounts, amounts, st.sampled_from(Reason), instants),
    ),
    st.builds(lambda each: BarsClosed(tuple(each)), st.lists(st.tuples(symbols, bars), max_size=5)),
    st.builds(
        SessionBegan,
        st.builds(LiveSession, st.integers(0, 10**5), instants, instants, minutes, minutes),
        st.dictionaries(symbols, amounts),
    ),
)


@given(wants)
def test_wants_come_back_equal(want):
    read = want_of(body_of(json.dumps(plain_want(want), allow_nan=False).encode()), SYMBOLS)
    assert repr(read) == repr(want)  # NaN equals nothing, its text does


@given(entries)
def test_entries_come_back_equal(entry):
    assert from_line(to_line(entry)) == entry


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9),
              st.sampled_from(["enter", "leave", "drop", "A", "wants", "error", "done", "digest", "state", "bars", "fill"])),
    lambda inner: st.one_of(st.lists(inner, max_size=9), st.dictionaries(st.sampled_from(["runs", "wants", "state"]), inner)),
    max_leaves=30,
)  # fmt: skip


@given(anything)
def test_any_other_json_is_read_or_refused_as_a_breach_of_the_protocol(plain):
    for read in (
        lambda: wants_of(plain, SYMBOLS),
        lambda: outcomes_of({"runs": [[1, plain]]}, {1: SYMBOLS}),
        lambda: outcomes_of(plain, {1: SYMBOLS}),
        lambda: from_line(json.dumps(plain)),
        lambda: rules_of(plain),
    ):
        with suppress(ProtocolError):
            read()


@given(st.data())
def test_one_changed_value_of_a_want_is_refused_or_read(data):
    """No change of one value makes a want with a number that is not finite and positive."""
    plain = json.loads(json.dumps(plain_want(data.draw(wants))))
    place = data.draw(st.integers(0, len(plain) - 1))
    plain[place] = data.draw(anything)
    try:
        want = want_of(plain, SYMBOLS)
    except ProtocolError:
        return
    assert want.symbol in SYMBOLS
    if isinstance(want, Enter):
        assert want.side in (1, -1)
        assert 0.0 < want.quantity < inf
        assert 0.0 < want.reference < inf
        assert (want.price != want.price) == (want.kind is EntryKind.MARKET)


@pytest.mark.parametrize(
    ("want", "text"),
    [
        (replace(ENTER, quantity=nan), "quantity"),
        (replace(ENTER, quantity=inf), "quantity"),
        (replace(ENTER, quantity=-5.0), "quantity"),
        (replace(ENTER, side=0), "side"),
        (replace(ENTER, side=7), "side"),
        (replace(ENTER, symbol="OTHER"), "none of the run's instruments"),
        (replace(ENTER, reference=nan), "reference"),
        (replace(ENTER, kind=EntryKind.LIMIT), "price"),
        (replace(ENTER, price=5.0), "no price"),
        (replace(ENTER, protection=replace(NONE, stop=-1.0)), "stop"),
        (Leave("A", Reason.STOP), "cannot leave"),
        (Leave("A", Reason.SIGNAL, -1.0), "quantity"),
        (Drop("C"), "none of the run's instruments"),
    ],
)
def test_wants_that_nobody_can_have(want, text):
    with pytest.raises(ProtocolError, match=text):
        wants_of([plain_want(want)], SYMBOLS)


def test_more_wants_than_instruments_can_have():
    with pytest.raises(ProtocolError, match="at once"):
        wants_of([plain_want(ENTER)] * 100, SYMBOLS)


@pytest.mark.parametrize(
    "runs",
    [
        [[2, {"done": True}]],
        [[1, {"done": True}]] * 2,
        [[1, {"done": False}]],
        [[1, {"wants": [], "done": True}]],
    ],
)
def test_answers_that_were_not_asked_for(runs):
    with pytest.raises(ProtocolError):
        outcomes_of({"runs": runs}, {1: SYMBOLS})


@pytest.mark.parametrize("text", [b"NaN", b'{"a":Infinity}', b"{", b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_json(text):
    with pytest.raises(ProtocolError):
        body_of(text)


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_any_header_is_read_or_refused(data):
    with suppress(ProtocolError):
        assert header_of(data, largest=1_000).body_length <= 1_000


def test_a_header_of_a_frame_that_is_too_large():
    with pytest.raises(ProtocolError, match="at most 1,000"):
        header_of(packed(FrameKind.ANSWER, 1, "x" * 1_000), largest=1_000)


def test_rules_come_back_equal():
    rules = TradingRules(
        cash=5e5, lot=75.0, tick=0.05, allow_short=True, max_entries=3, slippage=Slippage.parse("bps:2"),
        size=Size.parse("risk:0.01"), stop=Level.parse("2%"), trail=Level.parse("3atr"), as_live=True,
    )  # fmt: skip
    assert rules_of(plain_rules(rules)) == rules
    assert rules_of(plain_rules(TradingRules(fill_at=FillAt.CLOSE))).fill_at is FillAt.CLOSE
    for name, wrong in (
        ("cash", "much"),
        ("lot", None),
        ("size", ["HUGE", 1.0]),
        ("allow_short", 1),
        ("extra", 1),
    ):
        with pytest.raises(ProtocolError):
            rules_of({**plain_rules(rules), name: wrong})


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), bars), max_size=5))
def test_blocks_come_back_equal(rows):
    assert bars_of(b"".join(block_row(stream, bar) for stream, bar in rows)) == rows


def test_a_warm_up_comes_back_equal():
    ts = np.arange(5) * 60_000_000_000
    made = Bars.of(ts, *[np.arange(5) + 100.0] * 4, np.arange(5.0))
    line = by_days(ts)
    plain, raw = plain_warm_up(WarmUp({"A": made, "B": Bars.empty()}, {"A": line, "B": by_days(ts[:0])}))
    read = warm_up_of(json.loads(json.dumps(plain)), raw)
    assert list(read.bars) == ["A", "B"]
    assert len(read.bars["B"]) == 0
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(read.bars["A"], name), getattr(made, name))
    for name in ("session", "minute", "day", "ends", "allowed"):
        assert np.array_equal(getattr(read.timelines["A"], name), getattr(line, name))
    with pytest.raises(ProtocolError, match="fewer bytes"):
        warm_up_of(plain, raw[:-1])
