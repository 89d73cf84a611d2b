"""One small market for each signal strategy, worked out by hand: the bars and prices at which it trades."""

from dataclasses import replace

import numpy as np
import pytest

from tests.strategies.tape import hand_made, input_of
from trademantra.engine.backtest import BacktestResult, backtest
from trademantra.engine.records import Reason, SizeKind
from trademantra.engine.rules import Size
from trademantra.engine.strategy import SignalStrategy
from trademantra.strategies.registry import load_strategy

pytestmark = pytest.mark.filterwarnings("ignore:First-class function type feature")

Row = tuple[float, float, float, float]
SIGNAL, STOP, TARGET, TIME = Reason.SIGNAL, Reason.STOP, Reason.TARGET, Reason.TIME


def run(
    name: str,
    rows: list[Row],
    values: dict[str, float],
    *,
    session: int = 0,
    short: bool | None = None,
) -> BacktestResult:
    """100 shares an entry."""
    strategy = load_strategy(name)
    assert isinstance(strategy, SignalStrategy)
    rules = replace(strategy.rules, size=Size(SizeKind.QUANTITY, 100.0))
    if short is not None:
        rules = replace(rules, allow_short=short)
    return backtest(strategy, input_of(hand_made(rows, session or len(rows))), values, rules)


def closes(*prices: float) -> list[Row]:
    """Bars without wicks that open where the one before closed."""
    before = [prices[0], *prices[:-1]]
    return [(o, max(o, c), min(o, c), c) for o, c in zip(before, prices, strict=True)]


def flat(*prices: float) -> list[Row]:
    """Bars of a single price."""
    return [(p, p, p, p) for p in prices]


def trades(result: BacktestResult) -> list[tuple[int, int, float, int, float, Reason]]:
    """Side, entry bar and price, exit bar and price, reason."""
    return [
        (int(t["side"]), int(t["entry_index"]), round(float(t["entry_price"]), 9), int(t["exit_index"]),
         round(float(t["exit_price"]), 9), Reason(int(t["reason"])))
        for t in result.trades
    ]  # fmt: skip


def test_sma_cross() -> None:
    # fast 10, 10.5, 11.5, 10.5 and slow 10, 10.33, 11, 10.67 at bars 2 to 5: up at 3, down at 5
    result = run("sma_cross", closes(10, 10, 10, 11, 12, 9, 8), {"fast": 2, "slow": 3})
    assert trades(result) == [(1, 4, 11.0, 6, 9.0, SIGNAL)]


def test_ema_cross() -> None:
    # fast 10, 10.67, 11.56, 9.85 and slow 10, 10.5, 11.25, 10.125 at bars 2 to 5: up at 3, down at 5
    result = run("ema_cross", closes(10, 10, 10, 11, 12, 9, 8), {"fast": 2, "slow": 3})
    assert trades(result) == [(1, 4, 11.0, 6, 9.0, SIGNAL)]


def test_macd() -> None:
    # line 0.167, 0.306, -0.273, -0.299, 0.199 and signal 0.083, 0.231, -0.105, -0.234, 0.055 at bars 3 to 7
    prices = closes(10, 10, 10, 11, 12, 9, 8, 10, 10)
    values = {"fast": 2.0, "slow": 3.0, "smoothing": 2.0}
    assert trades(run("macd", prices, values, short=True)) == [(-1, 6, 9.0, 8, 10.0, SIGNAL)]
    assert trades(run("macd", prices, values)) == []  # long at bar 8's open, still held at the end
    zero = run("macd", prices, values | {"zero_line": 1}, short=True)
    assert trades(zero) == []  # at bar 5 the line is below zero: too late to sell


def test_rsi_reversion() -> None:
    # RSI(2): 0 at bar 3; 100 - 100 / (1 + 0.5 / 0.5) = 50 at bar 4; 100 - 100 / (1 + 1.25 / 0.25) = 83.3 at bar 5
    values = {"length": 2.0, "oversold": 30.0, "middle": 60.0}
    result = run("rsi_reversion", closes(10, 9, 8, 7, 8, 10, 11), values)
    assert trades(result) == [(1, 5, 8.0, 6, 10.0, SIGNAL)]
    # with the middle at 40 the same jump passes it: nothing is bought that would not be sold again
    assert len(run("rsi_reversion", closes(10, 9, 8, 7, 8, 10, 11), values | {"middle": 40.0}).fills) == 0


def test_bollinger_reversion() -> None:
    # bar 3: 9 - 1.41 = 7.59 above the close 7; bar 4: 8.33 - 1.25 = 7.09 below the close 8; bar 5: middle 8, close 9
    result = run("bollinger_reversion", closes(10, 10, 10, 7, 8, 9, 10), {"length": 3, "deviations": 1})
    assert trades(result) == [(1, 5, 8.0, 6, 9.0, SIGNAL)]


def test_donchian_breakout_stops_at_two_average_ranges() -> None:
    quiet: list[Row] = [(100, 101, 99, 100)] * 15
    # ATR 2 also on the breakout bar; entry 102, stop 98; the second low reaches it
    broken: list[Row] = [(100, 102, 100, 102), (102, 103, 101, 102), (102, 102, 97, 99), (99, 99, 99, 99)]
    result = run("donchian_breakout", quiet + broken, {"entry": 3, "leave": 2})
    assert trades(result) == [(1, 16, 102.0, 17, 98.0, STOP)]


def test_donchian_breakout_leaves_through_the_fast_channel() -> None:
    quiet: list[Row] = [(100, 101, 99, 100)] * 15
    rise: list[Row] = [(100, 102, 100, 102), (102, 106, 102, 106), (106, 110, 106, 110), (110, 110, 105, 105)]
    fall: list[Row] = [
        (105, 105, 103, 104),
        (104, 104, 103, 103),
    ]  # lows before: 102 for the 105, 105 for the 104
    result = run("donchian_breakout", quiet + rise + fall, {"entry": 3, "leave": 2})
    assert trades(result) == [(1, 16, 102.0, 20, 104.0, SIGNAL)]


def test_supertrend() -> None:
    rows: list[Row] = [
        (100, 101, 99, 100), (100, 101, 99, 100), (100, 101, 99, 100),  # ATR 2: bands 98 and 102, down
        (100, 104, 100, 104),  # closes above 102: up
        (104, 105, 103, 104),  # lower band 104 - 2.5 = 101.5
        (104, 104, 100, 101),  # the band cannot fall; 101 is below it: down
        (101, 101, 99, 100),
    ]  # fmt: skip
    result = run("supertrend", rows, {"length": 2, "multiplier": 1})
    assert trades(result) == [(1, 4, 104.0, 6, 101.0, SIGNAL)]


def test_vwap_cross() -> None:
    # averages 100, 99.5, 100, 100.25 and on the next day 90, 92.5: its first bar crosses nothing
    rows = flat(100, 99, 101, 101) + flat(90, 95, 95, 95)
    result = run("vwap_cross", rows, {"after": 0}, session=4)
    assert trades(result) == [(-1, 2, 101.0, 3, 101.0, SIGNAL)]
    assert [int(f["index"]) for f in result.fills] == [2, 3, 3]
    # from minute 10 on: only bar 2 of the first day, for there the next day has nothing left to cross
    late = run("vwap_cross", rows, {"after": 10}, session=4)
    assert [(int(f["index"]), int(f["side"])) for f in late.fills] == [(3, 1)]


def test_opening_range_breakout_reaches_its_target() -> None:
    rows: list[Row] = [
        (100, 102, 99, 101), (101, 101, 98, 99), (99, 100, 99, 100),  # range 98 to 102
        (100, 102.5, 100, 102),  # the high breaks out, the close does not
        (102, 103, 102, 103),  # decides
        (103, 106, 102, 105),  # fills at 103: stop 98, target 102 + 2 x 4 = 110
        (105, 111, 105, 110.5),
        (110, 110, 96, 96),  # below the range, but the one try is used
    ]  # fmt: skip
    result = run("opening_range_breakout", rows, {})
    assert trades(result) == [(1, 5, 103.0, 6, 110.0, TARGET)]


def test_opening_range_breakout_is_stopped_at_the_other_edge_and_tries_again() -> None:
    rows: list[Row] = [
        (100, 102, 98, 100), (100, 101, 99, 100), (100, 101, 99, 100),
        (100, 100, 97, 97),
        (97, 97, 96, 96),  # short at 97, stop 102, target 90
        (96, 103, 96, 103),  # stopped; closes above the range: the second try
        (103, 104, 103, 104),  # long at 103, stop 98, target 110
        (104, 104, 97, 97),  # stopped; below the range, but two tries are used
        (97, 97, 97, 97),
    ]  # fmt: skip
    result = run("opening_range_breakout", rows, {"tries": 2})
    assert trades(result) == [(-1, 4, 97.0, 5, 102.0, STOP), (1, 6, 103.0, 7, 98.0, STOP)]
    assert (
        trades(run("opening_range_breakout", rows, {"tries": 2, "last": 20}))[1:] == []
    )  # bar 5 is minute 25
    assert trades(run("opening_range_breakout", rows, {"stop": 0.5}))[0][4] == 100.0  # the middle


def test_opening_range_without_bars_in_it_trades_nothing() -> None:
    bars = hand_made([(100, 101, 99, 100)] * 8 + [(100, 120, 100, 120)] * 8, 8)
    late = replace(input_of(bars).timelines["X"])
    object.__setattr__(late, "minute", late.minute + 20)  # the data start 20 minutes after the open
    given = replace(input_of(bars), timelines={"X": late})
    strategy = load_strategy("opening_range_breakout")
    assert len(backtest(strategy, given, {}).fills) == 0


def test_cpr_breakout() -> None:
    # yesterday H 110, L 90, C 106: pivot 102, bottom 100, top 104, width 3.92 %
    rows: list[Row] = [
        (100, 110, 90, 100), (100, 106, 100, 106), (106, 106, 106, 106), (106, 106, 106, 106),
        (103, 104, 102, 103), (103, 105, 103, 105),  # closes above 104
        (105, 106, 104, 105),  # fills at 105: stop 100, target 105 + 2 x 5
        (105, 116, 105, 115),
    ]  # fmt: skip
    assert trades(run("cpr_breakout", rows, {"widest": 4.0}, session=4)) == [(1, 6, 105.0, 7, 115.0, TARGET)]
    assert trades(run("cpr_breakout", rows, {"widest": 3.9}, session=4)) == []  # not narrow enough
    gap = [*rows[:4], (107.0, 108.0, 105.0, 106.0), *rows[5:]]
    assert len(run("cpr_breakout", gap, {"widest": 4.0}, session=4).fills) == 0  # it opened beyond the range


def test_keltner_squeeze() -> None:
    quiet: list[Row] = [(100, 101, 99, 100)] * 12
    # closes 100 100 100 100 110: deviation 4, twice 8; ranges 2 2 2 2 10: mean 3.6, times 1.5 is 5.4: released
    rows = [*quiet, (100.0, 110.0, 100.0, 110.0), *closes(110, 108, 100, 95, 90, 90, 90)]
    result = run("keltner_squeeze", rows, {"length": 5, "least": 3})
    high, low, close = (np.array([row[k] for row in rows]) for k in (1, 2, 3))

    def momentum(i: int) -> float:
        away = [
            close[k]
            - ((high[k - 4 : k + 1].max() + low[k - 4 : k + 1].min()) / 2 + close[k - 4 : k + 1].mean()) / 2
            for k in range(i - 4, i + 1)
        ]
        return float(np.polyval(np.polyfit(range(5), away, 1), 4))

    assert momentum(12) > 0.0
    turned = next(i for i in range(13, len(rows)) if momentum(i) < 0.0)
    assert turned < len(rows) - 1
    assert trades(result) == [(1, 13, 110.0, turned + 1, rows[turned + 1][0], SIGNAL)]
    # five bars of squeeze are seen from bar 8, where the indicator starts, to bar 11: four
    assert trades(run("keltner_squeeze", rows, {"length": 5, "least": 5})) == []


def narrow_day(after: list[Row]) -> list[Row]:
    """Six days of range 10, a seventh from 106 to 108 that closes above its average of two closes, then `after`."""
    return [(100.0, 105.0, 95.0, 100.0)] * 6 + [(106.0, 108.0, 106.0, 107.0), *after]


def test_nr7_breakout_enters_at_its_trigger_and_leaves_at_the_other_edge() -> None:
    rows = narrow_day([(107.5, 110, 107, 109), (109, 109, 105, 105.5), (105, 106, 104, 105)])
    result = run("nr7_breakout", rows, {"trend": 2, "buffer": 0.5})
    assert trades(result) == [(1, 7, 108.54, 8, 106.0, STOP)]


def test_nr7_breakout_target_and_time() -> None:
    # trigger 108, target 108 + 3 x 2 = 114
    up = run(
        "nr7_breakout", narrow_day([(107.5, 110, 107, 109), (109, 115, 108, 114)]), {"trend": 2, "buffer": 0}
    )
    assert trades(up) == [(1, 7, 108.0, 8, 114.0, TARGET)]
    # nothing is reached: after five bars, the entry's counted, out at the next open
    still = narrow_day([(107.5, 112.0, 107.0, 109.0)] * 6)
    assert trades(run("nr7_breakout", still, {"trend": 2, "buffer": 0})) == [(1, 7, 108.0, 12, 107.5, TIME)]


def test_nr7_order_lapses_after_one_bar() -> None:
    rows = narrow_day([(107, 107.9, 99, 107), (107, 112, 97, 110)])  # too low, and wide; then too late
    assert len(run("nr7_breakout", rows, {"trend": 2, "buffer": 0}).fills) == 0


def test_nr7_sells_below_the_average_only_when_shorts_are_allowed() -> None:
    rows: list[Row] = [(100.0, 105.0, 95.0, 100.0)] * 6 + [
        (94, 94, 92, 93),
        (93, 93, 90, 91),
        (91, 95, 91, 94),
    ]
    assert trades(run("nr7_breakout", rows, {"trend": 2, "buffer": 0}, short=True)) == [
        (-1, 7, 92.0, 8, 94.0, STOP)
    ]
    assert len(run("nr7_breakout", rows, {"trend": 2, "buffer": 0}).fills) == 0


def test_levels_that_are_not_wanted_are_absent() -> None:
    rows: list[Row] = [(100, 102, 98, 100)] * 3 + [(100, 103, 100, 103)] + [(103, 300, 103, 103)] * 2
    assert trades(run("opening_range_breakout", rows, {"target": 0})) == []
