"""The 9:15 gap strategy: who is chosen, at which price it is entered, where it leaves."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.strategies.tape import hand_made, input_of, timeline_of, walk
from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import backtest
from trademantra.engine.bars import Bars
from trademantra.engine.records import Reason
from trademantra.strategies.gap_open import GapOpen
from trademantra.strategies.registry import load_strategy

Trade = tuple[str, int, int, float, int, float, Reason]


def traded(
    bars: dict[str, Bars], values: dict[str, float], *, rules: dict[str, bool] | None = None
) -> list[Trade]:
    """Symbol, side, entry bar and price, exit bar and price, reason, in order of entry and symbol."""
    result = backtest(GapOpen, input_of(bars, intraday=True), values, replace(GapOpen.rules, **(rules or {})))
    return sorted(
        (
            (result.symbols[t["instrument"]], int(t["side"]), int(t["entry_index"]), round(float(t["entry_price"]), 9),
             int(t["exit_index"]), round(float(t["exit_price"]), 9), Reason(int(t["reason"])))
            for t in result.trades
        ),
        key=lambda trade: (trade[2], trade[0]),
    )  # fmt: skip


def day_two(opening: float, *, high: float = 0.0, low: float = 0.0) -> Bars:
    """Two days of four quarter hours; the first closes at 100, the second opens at `opening` and stays there, save
    for a high or low in its second bar."""
    rows = [(100.0, 100.0, 100.0, 100.0)] * 4 + [(opening,) * 4] * 4
    rows[5] = (opening, max(high, opening), min(low or opening, opening), opening)
    return hand_made(rows, 4, 15)


def test_the_largest_gaps_are_entered_at_the_open() -> None:
    bars = {"UP": day_two(103), "DOWN": day_two(96), "SMALL": day_two(101.9), "UP2": day_two(104.5)}
    # two of three: 4.5 % and -4 %; nothing is reached, so all leave at the open of the session's last bar
    assert traded(bars, {"positions": 2}) == [
        ("DOWN", -1, 4, 96.0, 7, 96.0, Reason.SQUARE_OFF),
        ("UP2", 1, 4, 104.5, 7, 104.5, Reason.SQUARE_OFF),
    ]
    assert [t[0] for t in traded(bars, {"positions": 3})] == ["DOWN", "UP", "UP2"]
    assert [t[0] for t in traded(bars, {"positions": 10, "least": 1.9})] == ["DOWN", "SMALL", "UP", "UP2"]


def test_fading_takes_the_other_side() -> None:
    bars = {"UP": day_two(103), "DOWN": day_two(97)}
    assert [t[:2] for t in traded(bars, {"follow": 1})] == [("DOWN", -1), ("UP", 1)]
    assert [t[:2] for t in traded(bars, {"follow": 0})] == [("DOWN", 1), ("UP", -1)]
    assert [t[:2] for t in traded(bars, {"follow": 0}, rules={"allow_short": False})] == [("DOWN", 1)]


def test_stop_and_target_are_percents_of_the_pre_open_price() -> None:
    values = {"stop": 1.0, "target": 2.0}
    long_target = traded({"A": day_two(110, high=112.5), "B": day_two(100)}, values)
    assert long_target == [("A", 1, 4, 110.0, 5, 112.2, Reason.TARGET)]
    long_stop = traded({"A": day_two(110, low=108), "B": day_two(100)}, values)
    assert long_stop == [("A", 1, 4, 110.0, 5, 108.9, Reason.STOP)]
    short_target = traded({"A": day_two(90, low=88), "B": day_two(100)}, values)
    assert short_target == [("A", -1, 4, 90.0, 5, 88.2, Reason.TARGET)]
    short_stop = traded({"A": day_two(90, high=91), "B": day_two(100)}, values)
    assert short_stop == [("A", -1, 4, 90.0, 5, 90.9, Reason.STOP)]


def test_entries_share_the_equity() -> None:
    bars = {"A": day_two(104), "B": day_two(105), "C": day_two(101)}
    for exposure, positions in ((1.0, 2), (0.5, 2), (1.0, 4)):
        values = {"positions": positions, "exposure": exposure}
        result = backtest(GapOpen, input_of(bars, intraday=True), values)
        entries = result.fills[result.fills["reason"] == int(Reason.ENTRY)]
        assert len(entries) == 2
        np.testing.assert_allclose(entries["quantity"] * entries["price"], exposure * 1e6 / positions)


def test_what_looks_like_a_split_is_left_out() -> None:
    assert traded({"A": day_two(50), "B": day_two(100)}, {}) == []
    assert len(traded({"A": day_two(50), "B": day_two(100)}, {"most": 60.0})) == 1


def test_it_runs_on_one_instrument() -> None:
    assert traded({"A": day_two(103)}, {}) == [("A", 1, 4, 103.0, 7, 103.0, Reason.SQUARE_OFF)]


def shares(seed: int, sessions: int = 40) -> dict[str, Bars]:
    return {chr(65 + k): walk(seed * 10 + k, sessions, 25, 15) for k in range(6)}


@pytest.mark.parametrize("follow", [1, 0])
def test_each_day_it_enters_the_rule(follow: int) -> None:
    values = {"positions": 2, "least": 0.5, "follow": follow, "stop": 0.4, "target": 0.8}
    bars = shares(3)
    trades = traded(bars, values)
    days = timeline_of(bars["A"]).day
    expected = []
    for first in range(25, 1_000, 25):
        gaps = {s: 100 * (b.open[first] / b.close[first - 1] - 1) for s, b in bars.items()}
        chosen = sorted((s for s in gaps if abs(gaps[s]) >= 0.5), key=lambda s: (-abs(gaps[s]), s))[:2]
        expected += [(s, (1 if gaps[s] > 0 else -1) * (1 if follow else -1), first) for s in sorted(chosen)]
    assert [t[:3] for t in trades] == expected
    assert len(expected) > 50
    for symbol, side, entry, price, leave, left, reason in trades:
        b = bars[symbol]
        assert price == pytest.approx(b.open[entry])
        stop, target = price * (1 - side * 0.004), price * (1 + side * 0.008)
        last = entry + 24  # of the session
        for i in range(entry, last):
            stopped = b.low[i] <= stop if side > 0 else b.high[i] >= stop
            reached = b.high[i] > target if side > 0 else b.low[i] < target
            if stopped or reached:
                opened_beyond = side * (b.open[i] - stop) <= 0 or side * (b.open[i] - target) >= 0
                beyond = b.open[i] if opened_beyond and i > entry else (stop if stopped else target)
                assert (leave, reason) == (
                    i,
                    Reason.STOP
                    if stopped and not (i > entry and side * (b.open[i] - target) >= 0)
                    else Reason.TARGET,
                )
                assert left == pytest.approx(beyond)
                break
        else:
            assert (leave, reason, left) == (last, Reason.SQUARE_OFF, pytest.approx(b.open[last]))
        assert days[entry] == days[leave]


def test_trades_do_not_depend_on_later_bars() -> None:
    for seed in range(3):
        bars = shares(seed)
        values = {"positions": 2, "least": 0.5}
        full = backtest(GapOpen, input_of(bars, intraday=True), values)
        for cut in np.random.default_rng(seed).integers(2, 40, 3) * 25:
            part = {s: b.slice(0, int(cut)) for s, b in bars.items()}
            short = backtest(GapOpen, input_of(part, intraday=True), values)
            assert np.array_equal(short.fills, full.fills[full.fills["index"] < cut])
            assert np.array_equal(short.trades, full.trades[full.trades["exit_index"] < cut])


def test_both_ends_of_each_parameter_run() -> None:
    given = input_of(shares(5), intraday=True)
    for parameter, end in product(GapOpen.parameters, ("low", "high")):
        result = backtest(GapOpen, given, {parameter.name: getattr(parameter, end)})
        assert np.isfinite(result.curve).all()


def test_a_parameter_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="strategy gap_open: parameter positions = 0 is out of range"):
        GapOpen(positions=0)


def test_it_is_in_the_library() -> None:
    assert load_strategy("gap_open") is GapOpen
    assert GapOpen.intraday
