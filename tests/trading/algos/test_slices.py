"""Algorithms that slice, whatever becomes of their slices: never more than the parent, never a worse price, always an end."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.contract.simulated import CONTRACT, SHARE, START_NS
from tests.trading.algos.board import Board
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.order import OrderStatus, OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_DAY as DAY
from trademantra.core.time import NANOSECONDS_PER_MINUTE as MINUTE
from trademantra.engine.bars import Bars
from trademantra.trading.algos.chase import ChaseSpec, Follows
from trademantra.trading.algos.iceberg import IcebergSpec
from trademantra.trading.algos.kinds import KINDS, kind_of, read_spec
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec, volume_curve
from trademantra.trading.algos.slices import Finish, Style
from trademantra.trading.algos.spec_json import to_json
from trademantra.trading.algos.view import Change, Place

S = OrderStatus
HOUR = 60 * MINUTE
END_NS = START_NS + HOUR


def words(side=Side.BUY, quantity=100, instrument=SHARE, **more):
    return {
        "algo_id": "w1", "account_id": "paper", "strategy_id": "s1", "instrument": instrument, "side": side,
        "quantity": Decimal(quantity), "product": Product.NRML, "decided_ns": START_NS, **more,
    }  # fmt: skip


@st.composite
def specs(draw):
    side = draw(st.sampled_from(list(Side)))
    instrument, step = draw(st.sampled_from([(SHARE, 1), (CONTRACT, 5)]))
    lots = draw(st.integers(1, 60))
    limit = draw(st.sampled_from([None, Decimal(101 if side is Side.BUY else 99)]))
    common = words(side, lots * step, instrument, price_limit=limit)
    style, finish = draw(st.sampled_from(list(Style))), draw(st.sampled_from(list(Finish)))
    kind = draw(st.sampled_from(["iceberg", "schedule", "participation", "chase"]))
    if kind == "iceberg":
        return IcebergSpec(
            **{**common, "price_limit": Decimal(100)}, shown=Decimal(draw(st.integers(1, 20)) * step)
        )
    if kind == "schedule":
        weights = draw(
            st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0]), min_size=1, max_size=8).filter(any)
        )
        return ScheduleSpec(
            **common,
            start_ns=START_NS + MINUTE,
            end_ns=END_NS,
            weights=tuple(weights),
            style=style,
            finish=finish,
        )
    if kind == "participation":
        least = Decimal(draw(st.integers(1, 10)) * step)
        share = draw(st.sampled_from([0.05, 0.1, 1.0]))
        return ParticipationSpec(
            **common, share=share, least=least, end_ns=END_NS, style=style, finish=finish
        )
    return ChaseSpec(
        **common, end_ns=END_NS, follows=draw(st.sampled_from(list(Follows))), most_moves=draw(st.integers(0, 6)),
        offset_ticks=draw(st.integers(-2, 2)), finish=finish,
    )  # fmt: skip


def steps_within_bounds(board):
    spec = board.spec
    actions = board.step()
    sent = board.filled("slice") + sum((board.left(name) for name in board.working()), Decimal(0))
    assert sent <= spec.quantity
    for action in actions:
        if isinstance(action, Place):
            assert action.quantity > 0
            assert action.quantity % spec.instrument.lot_size == 0
        price = (
            action.price
            if isinstance(action, Place)
            else action.change.price
            if isinstance(action, Change)
            else None
        )
        if price is not None and spec.price_limit is not None:
            assert spec.side.sign * (price - spec.price_limit) <= 0, "never a worse price than the limit"
        if isinstance(action, Place) and spec.price_limit is not None:
            assert price is not None, "a price limit leaves no market order"


@settings(max_examples=300, deadline=None)
@given(spec=specs(), data=st.data())
def test_children_never_sum_to_more_than_their_parent_and_it_ends(spec, data):
    board = Board(spec, START_NS)
    draw, lot = data.draw, spec.instrument.lot_size
    board.price(spec.instrument, 100.0, 99.95, 100.05, 50.0)
    steps_within_bounds(board)
    trouble = False
    for _ in range(draw(st.integers(0, 25))):
        what = draw(
            st.sampled_from(["settle", "settle", "fill", "fill", "price", "price", "time", "end", "drop"])
        )
        if what == "settle" and board.pending():
            answer = draw(st.sampled_from(["yes", "yes", "no", "lost"]))
            trouble |= answer != "yes"
            board.settle(draw(st.sampled_from(board.pending())), answer)
        elif what == "fill" and board.working():
            board.fill(draw(st.sampled_from(board.working())), draw(st.integers(1, 60)) * lot, Decimal(100))
        elif what == "price":
            last = draw(st.integers(1960, 2040)) / 20
            board.price(
                spec.instrument, last, last - 0.05, last + 0.05, draw(st.sampled_from([0.0, 10.0, 5000.0]))
            )
        elif what == "time":
            board.now_ns += draw(st.integers(0, 30)) * MINUTE
        elif what == "end" and board.working():
            trouble = True
            board.end(draw(st.sampled_from(board.working())), draw(st.sampled_from([S.CANCELLED, S.EXPIRED])))
        elif what == "drop" and draw(st.integers(0, 4)) == 0:
            trouble = True
            board.memory = replace(board.memory, dropped=True)
        steps_within_bounds(board)
    board.now_ns = max(board.now_ns, END_NS)
    for _ in range(200):
        if board.ended and not board.working():
            break
        for name in board.pending():
            board.settle(name, "yes")
        for name in board.working():
            board.fill(name, Decimal(1000), Decimal(100))
        board.now_ns += 10**9
        steps_within_bounds(board)
    assert board.ended
    assert not board.working()
    gives_up = getattr(spec, "finish", Finish.CROSS) is Finish.GIVE_UP
    if not trouble and not gives_up:
        assert board.filled("slice") == spec.quantity


@given(spec=specs())
def test_every_spec_comes_back_from_its_json_as_it_was(spec):
    again = read_spec(kind_of(spec), to_json(spec), spec.algo_id)
    assert again == spec
    assert type(again) is type(spec) is KINDS[kind_of(spec)]


def test_an_iceberg_shows_one_part_at_a_time():
    board = Board(IcebergSpec(**words(price_limit=Decimal(100)), shown=Decimal(40)), START_NS)
    for name, shown in (("slice", 40), ("slice.1", 40), ("slice.2", 20)):
        board.step()
        assert board.working() == [name]
        assert board.left(name) == shown
        assert board.orders[name].order_type is OrderType.LIMIT
        board.settle(name, "yes")
        board.fill(name, Decimal(shown), Decimal(100))
    board.step()
    assert board.ended == "filled"


def test_twap_sends_equal_parts_on_time_and_what_rests_crosses_when_the_next_begins():
    spec = ScheduleSpec.twap(
        parts=4, **words(), start_ns=START_NS, end_ns=START_NS + 4 * MINUTE, style=Style.REST
    )
    board = Board(spec, START_NS)
    board.price(SHARE, 100.0, 99.95, 100.05)
    board.now_ns = START_NS
    board.step()
    assert (board.left("slice"), board.orders["slice"].price) == (25, Decimal("99.95"))
    board.settle("slice", "yes")
    assert not board.step()
    board.now_ns = START_NS + MINUTE
    board.step()
    assert board.left("slice.1") == 25
    board.settle_all()
    assert board.orders["slice"].order_type is OrderType.MARKET


def test_vwap_follows_the_volume_of_past_days_each_day_alike():
    ts = [START_NS - day * DAY + minute * MINUTE for day in (2, 1) for minute in range(4)]
    volume = [10.0, 0.0, 0.0, 30.0, 500.0, 500.0, 0.0, 0.0]
    ones = [1.0] * 8
    bars = Bars.of(np.array(ts), ones, ones, ones, ones, volume)
    curve = volume_curve(bars, START_NS, START_NS + 4 * MINUTE, 4)
    assert curve == pytest.approx((0.375, 0.25, 0.0, 0.375))
    today = Bars.of(np.array([START_NS]), [1.0], [1.0], [1.0], [1.0], [9.0])
    with pytest.raises(MissingFactError):  # today's own volume is not yet known
        volume_curve(today, START_NS, START_NS + 4 * MINUTE, 4)


def test_participation_takes_its_share_of_what_trades_after_it_began():
    spec = ParticipationSpec(**words(), share=0.1, least=Decimal(5), end_ns=END_NS)
    board = Board(spec, START_NS - 2 * 10**9)
    board.price(SHARE, 100.0, volume=1000.0)  # before it was decided
    board.price(SHARE, 100.0, volume=1000.0)
    assert not board.step()
    board.price(SHARE, 100.0, volume=49.0)
    assert not board.step()
    board.price(SHARE, 100.0, volume=71.0)
    board.step()
    assert board.left("slice") == 12


def test_a_chase_follows_the_bid_a_limited_number_of_times_and_then_crosses():
    board = Board(ChaseSpec(**words(), end_ns=END_NS, most_moves=2), START_NS)
    board.price(SHARE, 100.0, 99.95, 100.05)
    board.settle_all()
    assert board.orders["slice"].price == Decimal("99.95")
    for bid, expected in ((100.2, "100.20"), (100.5, "100.50")):
        board.price(SHARE, bid, bid, bid + 0.1)
        board.step()
        board.settle("slice", "yes")
        assert board.orders["slice"].price == Decimal(expected)
    board.price(SHARE, 101.0, 101.0, 101.1)
    board.step()
    board.settle("slice", "yes")
    assert board.orders["slice"].order_type is OrderType.MARKET


def test_a_chase_that_gives_up_ends_at_its_time():
    board = Board(ChaseSpec(**words(), end_ns=END_NS, finish=Finish.GIVE_UP), START_NS)
    board.price(SHARE, 100.0, 99.95, 100.05)
    board.settle_all()
    board.now_ns = END_NS
    board.settle_all()
    assert board.ended.startswith("the market did not come")


@pytest.mark.parametrize(
    "make",
    [
        lambda: IcebergSpec(**words(), shown=Decimal(10)),
        lambda: IcebergSpec(
            **words(quantity=50, instrument=CONTRACT, price_limit=Decimal(9)), shown=Decimal(3)
        ),
        lambda: ScheduleSpec(**words(), start_ns=2, end_ns=2, weights=(1.0,)),
        lambda: ScheduleSpec(**words(), start_ns=1, end_ns=2, weights=(0.0, 0.0)),
        lambda: ScheduleSpec(**words(), start_ns=1, end_ns=2, weights=(1.0, float("nan"))),
        lambda: ParticipationSpec(**words(), share=1.5, least=Decimal(1), end_ns=END_NS),
        lambda: ChaseSpec(**words(), end_ns=END_NS, most_moves=-1),
        lambda: ChaseSpec(**words(quantity=0), end_ns=END_NS),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_name(make):
    with pytest.raises(InvalidValueError, match="w1"):
        make()
