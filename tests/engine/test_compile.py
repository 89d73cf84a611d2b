"""Kernels run compiled when they are called and plain where that is asked for: the same bits, and no compiler before."""

import math
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.engine import matching, sizing
from trademantra.engine.compile import Kernel, compiled, on_views, part, uncompiled
from trademantra.engine.grid import snapped
from trademantra.engine.records import LevelKind, SlippageKind
from trademantra.engine.signature import INDEX, INTEGERS, NUMBER, TupleOf

ANY = st.floats(width=64)  # NaN, infinities, zeros of both signs, subnormal numbers
PRICE = ANY | st.floats(0.05, 1e6)
SIDE = st.sampled_from([1, -1])
TICK = st.sampled_from([0.0, 0.05, 0.01, 0.0025, 1.0, 0.3, -1.0, 5e-324, math.nan]) | ANY
KINDS = st.integers(-1, 6) | st.just(2**62)

ARGUMENTS = {
    sizing.level_distance: (KINDS, ANY, PRICE, ANY),
    matching.limit_price: (SIDE, PRICE, PRICE, PRICE, PRICE, st.integers(0, 1)),
    matching.stop_price: (SIDE, PRICE, PRICE, PRICE, PRICE),
    matching.on_tick: (TICK, SIDE, PRICE),
    matching.slipped: (KINDS, ANY, TICK, SIDE, PRICE, PRICE, PRICE, PRICE, PRICE),
    matching.whole_lots: (ANY | st.sampled_from([0.0, 1.0, 75.0]), PRICE),
    matching.room_of: (ANY, PRICE),
    matching.rest_of: (PRICE, PRICE),
    snapped: (PRICE, st.sampled_from([0.0, 1.0, 100.0, 1e4, 1e8]) | ANY),
}


def bits(value):
    """Every NaN is one NaN: no caller can tell them apart."""
    return "nan" if value != value else struct.pack("<d", value).hex()


@pytest.mark.parametrize("function", ARGUMENTS, ids=lambda each: each.__name__)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_what_a_desk_works_out_plain_has_the_bits_of_the_back_test(function, data):
    arguments = [data.draw(each) for each in ARGUMENTS[function]]
    compiled = function(*arguments)
    with np.errstate(all="ignore"):
        plain = uncompiled(function)(*arguments)
    assert bits(plain) == bits(compiled)


def test_the_kinds_that_are_drawn_are_all_there_are():
    assert {int(kind) for kind in (*LevelKind, *SlippageKind)} <= set(range(-1, 7))


@part
def doubled(value):
    return 2.0 * value


@part
def doubled_and_one(value):
    return doubled(value) + 1.0


@part
def factorial(number):
    if number <= 1:
        return 1
    return number * factorial(number - 1)


def add_to(much):
    @part
    def added(value):
        return doubled(value) + much

    return added


def test_plain_code_calls_plain_code_all_the_way_down():
    assert uncompiled(doubled_and_one)(3.0) == 7.0
    assert "compiled" not in vars(doubled_and_one)
    assert "compiled" not in vars(doubled)
    assert doubled_and_one(3.0) == 7.0
    assert "compiled" in vars(doubled)


def test_a_kernel_may_call_itself_and_remember_what_it_was_made_with():
    assert uncompiled(factorial)(10) == factorial(10) == math.factorial(10)
    assert uncompiled(add_to(5.0))(1.0) == add_to(5.0)(1.0) == 7.0
    assert add_to(6.0)(1.0) == 8.0


def test_a_kernel_is_not_compiled_twice_by_threads_that_come_at_once():
    kernel = add_to(9.0)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: kernel.compiled, range(8)))
    assert len({id(each) for each in found}) == 1


def test_a_kernel_that_cannot_be_compiled_says_so_each_time_and_never_runs_plain():
    @compiled(NUMBER(NUMBER))
    def wrong(value):
        return unheard_of(value)  # noqa: F821

    for _ in range(2):
        with pytest.raises(Exception, match="unheard_of"):
            _ = wrong.compiled
    with pytest.raises(Exception, match="unheard_of"):
        wrong(1.0)


def test_views_read_and_write_the_arrays():
    @part
    def take(values, matrix, at):
        matrix[at, 1] += values[at]
        return len(matrix)

    values, matrix = np.array([1.0, 2.0]), np.zeros((2, 3))
    values.flags.writeable = False
    assert on_views(take)(values, matrix, 1) == 2
    assert matrix.tolist() == [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]


def test_a_signature_tells_whether_kernels_are_given():
    takes = NUMBER(INTEGERS, INDEX)
    assert not takes.takes_kernels
    assert INDEX(takes).takes_kernels
    assert TupleOf(INDEX, 2)(TupleOf(takes, 3)).takes_kernels


def test_a_kernel_keeps_name_and_description_of_its_function():
    assert isinstance(matching.on_tick, Kernel)
    assert matching.on_tick.__name__ == "on_tick"
    assert "never below one tick" in matching.on_tick.__doc__
