from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from trademantra.engine.bars import Bars
from trademantra.engine.records import LevelKind, SizeKind, SlippageKind
from trademantra.engine.rules import FillAt, Level, Size, Slippage, TradingRules
from trademantra.reports.rule_words import (
    finer_in_words,
    level_word,
    rules_in_words,
    rules_object,
    size_word,
    slippage_word,
)

VALUES = st.integers(1, 10**9).map(lambda k: k / 10**6)


@given(kind=st.sampled_from([k for k in LevelKind if k is not LevelKind.NONE]), value=VALUES)
def test_a_level_is_written_as_it_is_read(kind: LevelKind, value: float) -> None:
    assert Level.parse(level_word(Level(kind, value)) or "") == Level(kind, value)


@given(kind=st.sampled_from(SizeKind), value=VALUES)
def test_a_size_is_written_as_it_is_read(kind: SizeKind, value: float) -> None:
    size = Size(kind, ceil(value) if kind is SizeKind.EQUAL else value)
    assert Size.parse(size_word(size)) == size


@given(kind=st.sampled_from([k for k in SlippageKind if k is not SlippageKind.NONE]), value=VALUES)
def test_slippage_is_written_as_it_is_read(kind: SlippageKind, value: float) -> None:
    slippage = Slippage(kind, min(value, 1.0))
    assert Slippage.parse(slippage_word(slippage) or "") == slippage


def test_every_rule_is_in_the_object() -> None:
    found = rules_object(TradingRules())
    assert list(found) == list(TradingRules.__dataclass_fields__)
    assert (found["stop"], found["slippage"], found["size"]) == (None, None, "equity:1")


def test_words_say_what_is_optimistic() -> None:
    words = dict(rules_in_words(TradingRules(fill_at=FillAt.CLOSE)))
    assert words["Market orders"].endswith("(optimistic)")
    assert words["Slippage"] == "none (optimistic)"
    careful = dict(
        rules_in_words(TradingRules(slippage=Slippage.parse("bps:2"), stop=Level.parse("2%"), margin=0.2))
    )
    assert careful["Slippage"] == "2 basis points of the price, each market order"
    assert careful["Stop"] == "2% of the entry price"
    assert careful["Stop and target in one bar"] == "the stop is taken first"
    assert careful["Margin"] == "20% of a position's value must be covered (up to 5×)"


def test_words_say_what_is_as_live() -> None:
    words = dict(rules_in_words(TradingRules(as_live=True, stop=Level.parse("2%"), tick=0.05)))
    assert words["Protection"] == "placed after the fill, as live"
    assert words["Tick"] == "levels and slipped prices are multiples of 0.05"


def test_finer_bars_are_told() -> None:
    day = Bars.of([0], [10], [12], [9], [11], [5])
    assert finer_in_words({}) == ""
    finer = finer_in_words({"X": day}, ("NSE:X:1m",))
    assert finer == "NSE:X:1m, 1 finer bars"
    words = dict(rules_in_words(TradingRules(stop=Level.parse("2%")), finer))
    assert words["Inside a bar"].endswith(finer)
    assert words["Stop and target in one finer bar"] == "the stop is taken first"
    assert "Inside a bar" not in dict(rules_in_words(TradingRules()))
