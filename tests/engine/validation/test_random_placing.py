"""Where random trades are placed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.engine.validation import random_entry


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_trades_that_fit_keep_apart(held, room, seed):
    n = sum(held) + len(held) + room
    rows = np.random.default_rng(seed).permuted(np.broadcast_to(np.array(held), (20, len(held))), axis=1)
    entry = random_entry._apart(n, rows, np.random.default_rng(seed))
    leave = entry + rows
    assert (entry >= 0).all()
    assert (leave < n).all()
    assert (entry[:, 1:] > leave[:, :-1]).all()


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_trades_that_fill_all_bars_touch_but_do_not_overlap(held, seed):
    n = sum(held) + 1
    rows = np.random.default_rng(seed).permuted(np.broadcast_to(np.array(held), (20, len(held))), axis=1)
    entry = random_entry._apart(n, rows, np.random.default_rng(seed))
    assert (entry + rows < n).all()
    assert (entry[:, 1:] >= (entry + rows)[:, :-1]).all()


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.lists(st.integers(0, 11), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_trades_within_a_session_end_in_it(lengths, held, seed):
    session = np.repeat(np.arange(len(lengths)), lengths)
    held = [min(bars, max(lengths) - 1) for bars in held]
    prices = np.ones(len(session))
    placed = random_entry._Placed(
        prices, prices, session, np.ones(len(held)), np.array(held), np.zeros(len(held)), True
    )
    rows = np.broadcast_to(np.array(held), (30, len(held)))
    entry = random_entry._within_sessions(placed, rows, np.random.default_rng(seed))
    assert (session[entry] == session[entry + rows]).all()
