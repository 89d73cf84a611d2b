"""`tm check`'s engine: every shipped strategy passes, every cheat is caught and told where."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.core.errors import InvalidValueError
from trademantra.engine.backtest import BacktestInput
from trademantra.engine.bars import Bars
from trademantra.engine.combinations import prepare, run_combinations
from trademantra.engine.records import Reason, Signal
from trademantra.engine.timeline import by_days
from trademantra.engine.validation.causality import Verdict, check_strategy
from trademantra.engine.validation.probes import Future, SignalProbe, cut_off, otherwise
from trademantra.engine.validation.synthetic import synthetic_input
from trademantra.strategies.registry import load_strategy, load_strategy_file, strategy_names

CHEATS = Path(__file__).with_name("cheating.py")


@pytest.fixture(scope="module")
def cheats():
    """The module of cheats; pytest's import mode has no sibling imports."""
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("cheating", CHEATS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cheating"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cheating"]


def checked(strategy, seed: int = 1, **options) -> dict:
    bars = options.pop("bars", None) or synthetic_input(strategy, np.random.default_rng(seed))
    made = check_strategy(strategy, bars, {}, np.random.default_rng(seed), **options)
    return {each.check: each for each in made}


@pytest.mark.parametrize("name", strategy_names())
def test_every_shipped_strategy_passes(name):
    strategy = load_strategy(name)
    cuts = 8 if isinstance(strategy, type) else 24
    found = checked(strategy, cuts=cuts)
    assert {each.verdict for each in found.values()} <= {Verdict.PASSED, Verdict.NOT_APPLICABLE}, found
    assert found["causality"].verdict is Verdict.PASSED


class TestSignalCheats:
    def test_the_honest_form_passes(self, cheats):
        found = checked(cheats.signal_strategy(cheats.HONEST))
        assert all(each.verdict is Verdict.PASSED for each in found.values()), found

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("sin", ["NEXT_BAR", "LEVEL"])
    def test_one_bar_ahead_is_caught_and_measured(self, cheats, sin, seed):
        found = checked(cheats.signal_strategy(getattr(cheats, sin)), seed)["causality"]
        assert found.verdict is Verdict.FAILED
        assert "looks 1 bar ahead" in found.words
        assert f"at bar {found.bar} (" in found.words

    def test_ten_bars_ahead_is_measured(self, cheats):
        assert "looks 10 bars ahead" in checked(cheats.signal_strategy(cheats.FAR_BAR))["causality"].words

    def test_the_named_bar_is_the_first_whose_past_changed(self, cheats):
        """Two bars of which only the second cut tells: the reported decision is one that its own prefix denies."""
        strategy = cheats.signal_strategy(cheats.NEXT_BAR)
        given = synthetic_input(strategy, np.random.default_rng(2))
        [bars] = given.bars.values()
        found = checked(strategy, bars=given)["causality"]
        enters = bars.close[found.bar + 1] > bars.close[found.bar] * 1.02
        assert found.words.split("it says ")[1].startswith("enter long" if enters else "nothing")
        assert found.time_ns == bars.ts[found.bar]

    def test_a_mean_of_all_bars_is_caught(self, cheats):
        found = checked(cheats.signal_strategy(cheats.MEAN_OF_ALL))["causality"]
        assert found.verdict is Verdict.FAILED
        assert "far ahead" in found.words

    @pytest.mark.parametrize("sin", ["LAST_BAR", "WRAPPED"])
    def test_knowing_where_the_bars_end_is_caught(self, cheats, sin):
        assert checked(cheats.signal_strategy(getattr(cheats, sin)))["causality"].verdict is Verdict.FAILED

    def test_an_entry_before_the_warm_up_is_caught(self, cheats):
        found = checked(cheats.signal_strategy(cheats.EARLY))["warm-up"]
        assert found.verdict is Verdict.FAILED
        assert "19 bars of warm-up are declared" in found.words

    def test_a_memory_that_never_forgets_is_caught(self, cheats):
        found = checked(cheats.signal_strategy(cheats.LONG_MEMORY))
        assert found["causality"].verdict is Verdict.PASSED
        assert found["memory"].verdict is Verdict.FAILED
        assert "190 bars old" in found["memory"].words


class TestOtherCheats:
    def test_a_rotation_that_knows_the_winner(self, cheats):
        found = checked(cheats.PROPHET)["causality"]
        assert found.verdict is Verdict.FAILED
        assert "looks 5 bars ahead" in found.words
        assert "hold SYN" in found.words

    @pytest.mark.parametrize("name", ["Peeker", "SeesTheDay"])
    def test_an_event_strategy_that_peeks(self, cheats, name):
        found = checked(getattr(cheats, name))["causality"]
        assert found.verdict is Verdict.FAILED
        assert "buy SYN" in found.words or "exit SYN" in found.words

    def test_an_honest_event_strategy_may_use_preopen_history_and_fills(self, cheats):
        found = checked(cheats.Honest)
        assert found["causality"].verdict is Verdict.PASSED
        assert found["warm-up"].verdict is Verdict.NOT_APPLICABLE

    def test_a_strategy_that_is_never_twice_the_same(self, cheats):
        found = checked(cheats.Moody)
        assert found["repeatable"].verdict is Verdict.FAILED
        assert "seed every random number" in found["repeatable"].hint


class TestHonestVerdicts:
    def test_nothing_decided_is_nothing_proven(self):
        strategy = load_strategy("sma_cross")
        flat = np.full(600, 100.0)
        ts = np.arange(600) * 86_400_000_000_000
        bars = Bars.of(ts, flat, flat, flat, flat, flat)
        found = checked(strategy, bars=BacktestInput({"F": bars}, {"F": by_days(ts)}))
        assert found["causality"].verdict is Verdict.UNPROVEN
        assert "nothing was decided" in found["causality"].words

    def test_too_few_bars_to_judge_the_memory(self):
        strategy = load_strategy("sma_cross")
        given = synthetic_input(strategy, np.random.default_rng(1))
        [bars] = given.bars.values()
        part = bars.slice(0, 700)
        found = checked(strategy, bars=BacktestInput({"S": part}, {"S": by_days(part.ts)}))
        assert found["memory"].verdict is Verdict.UNPROVEN
        assert "give at least 1,390 bars" in found["memory"].hint

    def test_the_input_is_left_as_it_was(self):
        for name in ("sma_cross", "dual_momentum", "opening_range_breakout"):
            strategy = load_strategy(name)
            given = synthetic_input(strategy, np.random.default_rng(1))
            before = given.fingerprint, [line.session.copy() for line in given.timelines.values()]
            checked(strategy, bars=given)
            assert given.fingerprint == before[0]
            for line, session in zip(given.timelines.values(), before[1], strict=True):
                assert (line.session == session).all()

    def test_no_cuts_prove_nothing(self):
        with pytest.raises(InvalidValueError, match="0 cuts"):
            checked(load_strategy("sma_cross"), cuts=0)


def test_the_probe_says_what_the_engine_trades_on(cheats):
    """Signals of the probe, filled by hand at the next open, are the fills of a run."""
    strategy = cheats.signal_strategy(cheats.HONEST)
    given = synthetic_input(strategy, np.random.default_rng(4))
    [bars], [line] = given.bars.values(), given.timelines.values()
    values = strategy.values({})
    codes = SignalProbe(strategy, values, given)._said[:, 0].astype(int)
    made = run_combinations(strategy, prepare(bars, line), [values], [strategy.rules], record=True)
    exits = set((np.flatnonzero(codes & Signal.EXIT_LONG) + 1).tolist())
    entries = set((np.flatnonzero(codes & Signal.ENTER_LONG) + 1).tolist())
    fills = made.fills
    assert len(fills) > 50
    assert set(fills[fills["reason"] == Reason.ENTRY]["index"].tolist()) <= entries
    assert set(fills[fills["reason"] == Reason.SIGNAL]["index"].tolist()) <= exits
    first = min(entries)
    assert fills["index"][0] == first


class TestFutures:
    @settings(max_examples=30)
    @given(st.integers(1, 199), st.sampled_from([Future.UP, Future.DOWN]), st.integers(0, 99))
    def test_another_future_is_a_possible_one_and_keeps_the_past(self, cut, future, seed):
        given = synthetic_input(load_strategy("sma_cross"), np.random.default_rng(seed))
        [bars] = given.bars.values()
        part = bars.slice(0, 200)
        matrix = np.stack([part.open, part.high, part.low, part.close, part.volume])
        made = otherwise(matrix, cut, future, 100.0)
        assert (made[:, :cut] == matrix[:, :cut]).all()
        Bars.of(part.ts, *made)  # refuses what is no bar
        moved = made[3, cut] / matrix[3, cut - 1]
        was = matrix[3, cut] / matrix[3, cut - 1]
        assert bool(moved * was > 1.0) == (future is Future.UP)
        assert made[:4, cut:] * 100 == pytest.approx(np.rint(made[:4, cut:] * 100))

    def test_reading_past_the_end_reads_nothing_known(self):
        whole = np.arange(50.0).reshape(5, 10)
        part = cut_off(whole, 4)
        assert part.flags.c_contiguous
        assert (part == whole[:, :4]).all()
        assert np.isnan(part.base[20:]).all()
        assert part.base.size >= whole.size


def test_a_user_file_is_checked_like_a_shipped_strategy(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from trademantra.engine.events import EventStrategy\n"
        "class Mine(EventStrategy):\n"
        "    name = title = idea = source = market = 'mine'\n"
        "    def on_bar(self, context, bar):\n"
        "        if bar.index % 50 == 0:\n"
        "            context.buy(quantity=1.0)\n"
        "        if bar.index % 50 == 30:\n"
        "            context.exit()\n"
    )
    found = checked(load_strategy_file(file), cuts=4)
    assert found["causality"].verdict is Verdict.PASSED
