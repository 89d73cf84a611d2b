import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.data.sample.streams import Purpose, exponential, lane, normal, raw_words, uniform


@given(st.integers(0, 2**63), st.sampled_from(Purpose), st.text(max_size=12), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_longer_draw_starts_with_the_shorter_one(seed, purpose, name, number):
    long = raw_words(seed, purpose, name, number, 20)
    assert np.array_equal(long[:7], raw_words(seed, purpose, name, number, 7))


def test_streams_of_other_names_purposes_days_and_seeds_are_different():
    keys = [
        (seed, purpose, name, number)
        for seed in (0, 1)
        for purpose in (Purpose.DAY, Purpose.TICK)
        for name in ("SYNA", "SYNB")
        for number in (0, 739_000)
    ]
    firsts = {int(raw_words(*key, 1)[0]) for key in keys}
    assert len(firsts) == len(keys)


def test_normal_has_mean_0_and_variance_1_and_is_bounded():
    z = normal(raw_words(1, Purpose.DAY, "X", 0, 200_000))
    assert abs(z.mean()) < 0.01
    assert abs(z.var() - 1) < 0.01
    assert abs((z**4).mean() - 2.7) < 0.05
    assert np.abs(z).max() < 3.47


def test_normal_of_the_smallest_and_largest_word():
    ends = normal(np.array([0, 2**64 - 1], np.uint64))
    assert ends[0] == -ends[1]
    assert abs(ends[1] - 2 * math.sqrt(3)) < 1e-4


def test_lanes_are_the_sixteen_bit_parts_of_a_word():
    word = np.array([0x0004_0003_0002_0001], np.uint64)
    assert [int(lane(word, k)[0]) for k in range(4)] == [1, 2, 3, 4]
    assert uniform(np.array([0, 2**64 - 1], np.uint64), 2).tolist() == [0.5 / 65536, 65535.5 / 65536]


@given(st.floats(-700, 700))
@settings(deadline=None)
def test_exponential_is_that_of_the_library_but_for_its_last_bits(x):
    ours = float(exponential(np.array([x]))[0])
    assert abs(ours - math.exp(x)) <= 2 * math.ulp(math.exp(x))


def test_exponential_is_the_same_to_the_bit_everywhere():
    """Pinned bits: only + − × ÷ and rounding are used, which IEEE 754 fixes."""
    values = exponential(np.array([-3.5, -0.1, 0.0, 0.3, 2.75]))
    assert [value.hex() for value in values.tolist()] == [
        "0x1.eec1018e4ff66p-6",
        "0x1.cf46d99d52b3ap-1",
        "0x1.0000000000000p+0",
        "0x1.599058c8c1a96p+0",
        "0x1.f49070bdbe8fdp+3",
    ]
