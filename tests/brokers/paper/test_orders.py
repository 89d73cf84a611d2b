"""Each kind of order, price by price, with fills worked out by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.brokers.paper.market import ACCOUNT, TOKEN, always_open, market, share
from trademantra.brokers.market import DepthLevel
from trademantra.brokers.orders import OrderChange, Variety
from trademantra.brokers.paper.gtt import GttOrder, GttStatus
from trademantra.brokers.paper.settings import ExchangeSettings, Latency, Liquidity, Meets
from trademantra.brokers.paper.terms import PriceEvent, Refusal, RefusedRequestError, Stage
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Exchange as Venue
from trademantra.core.instrument import Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.order import OrderStatus, OrderType, Product, Side, Validity
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.engine.rules import Slippage

ROAD = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"]


def test_a_market_order_fills_at_the_next_price() -> None:
    m = market()
    m.tick(100.0)
    order_id = m.buy(10)
    assert m.stages(order_id) == ROAD
    m.tick(100.35)
    assert m.stages(order_id) == [*ROAD, "COMPLETE"]
    assert m.fills == [("BUY", 10, 100.35)]
    assert m.order(order_id).average_price == Decimal("100.35")


def test_a_standing_market_fills_at_once() -> None:
    m = market(ExchangeSettings(meets=Meets.STANDING))
    m.tick(100.0)
    m.buy(10)
    m.sell(4, OrderType.LIMIT, price="99.95")
    m.buy(1, OrderType.LIMIT, price="99.95")
    assert m.fills == [("BUY", 10, 100.0), ("SELL", 4, 100.0)]


def test_a_limit_order_must_be_traded_through_unless_touch_is_enough() -> None:
    for touch, fills in ((False, [("BUY", 10, 98.9)]), (True, [("BUY", 10, 99.0)])):
        m = market(ExchangeSettings(liquidity=Liquidity(limit_touch=touch)))
        m.tick(100.0)
        m.buy(10, OrderType.LIMIT, price="99.00")
        m.tick(99.0)
        m.tick(98.9)
        assert m.fills == fills


def test_price_before_time() -> None:
    """Two buys: the higher limit is served first, though it came later; volume serves one."""
    m = market(always_open(liquidity=Liquidity(participation=0.1)))
    m.tick(100.0)
    early = m.buy(10, OrderType.LIMIT, price="99.00", product=Product.CNC)
    late = m.buy(10, OrderType.LIMIT, price="99.05", product=Product.CNC)
    same = m.buy(10, OrderType.LIMIT, price="99.00", product=Product.CNC)
    m.tick(98.0, volume=100)
    assert [m.order(one).stage for one in (early, late, same)] == [Stage.OPEN, Stage.COMPLETE, Stage.OPEN]
    m.tick(98.0, volume=150)
    assert [m.order(one).filled_quantity for one in (early, same)] == [10, 5]
    assert m.order(same).status is OrderStatus.PARTLY_FILLED


@pytest.mark.parametrize(
    ("kind", "price", "prices", "fills"),
    [
        (OrderType.SL_M, None, [100.95, 101.4], [("BUY", 5, 101.4)]),
        (OrderType.SL, "101.20", [101.1], [("BUY", 5, 101.1)]),
        (
            OrderType.SL,
            "101.20",
            [102.0, 101.5, 101.1],
            [("BUY", 5, 101.1)],
        ),  # gapped past its limit, then came back
    ],
)
def test_stops_trigger(
    kind: OrderType, price: str | None, prices: list[float], fills: list[tuple[str, float, float]]
) -> None:
    m = market()
    m.tick(100.0)
    order_id = m.buy(5, kind, price=price, trigger="101.00")
    assert m.order(order_id).stage is Stage.TRIGGER_PENDING
    for each in prices:
        m.tick(each)
    assert m.fills == fills


def test_a_stop_inside_a_bar_fills_at_its_trigger_with_slippage() -> None:
    m = market(ExchangeSettings(liquidity=Liquidity(slippage=Slippage.parse("ticks:2"))))
    m.tick(100.0)
    m.buy(5, OrderType.SL_M, trigger="101.00")
    m.bar(100.5, 102.0, 100.0, 101.5)
    assert m.fills == [("BUY", 5, 101.1)]


def test_stop_and_target_of_an_entry_cancel_each_other() -> None:
    m = market()
    m.tick(100.0)
    entry = m.buy(10, stop="98.00", target="103.00")
    m.tick(100.0)
    stop, target = m.exchange.orders(ACCOUNT)[1:]
    assert (stop.stage, target.stage) == (Stage.TRIGGER_PENDING, Stage.OPEN)
    assert stop.parent_order_id == target.parent_order_id == entry
    m.bar(100.0, 103.5, 97.5, 100.0)  # both inside: the stop is taken
    assert m.fills[1:] == [("SELL", 10, 98.0)]
    assert m.order(target.order_id).stage is Stage.CANCELLED
    assert m.held == 0


def test_protection_goes_with_its_position() -> None:
    """Left by hand, the stop must not open a short position later."""
    m = market()
    m.tick(100.0)
    m.buy(10, stop="98.00", target="103.00")
    m.tick(100.0)
    m.sell(10)
    m.tick(101.0)
    m.tick(97.0)
    m.tick(104.0)
    assert m.fills == [("BUY", 10, 100.0), ("SELL", 10, 101.0)]
    assert [one.stage for one in m.exchange.orders(ACCOUNT)[1:3]] == [Stage.CANCELLED] * 2


def test_protection_follows_a_partly_filled_entry_and_takes_its_rest_along() -> None:
    m = market(always_open(liquidity=Liquidity(participation=0.1)))
    m.tick(100.0)
    entry = m.buy(30, stop="98.00")
    m.tick(100.0, volume=100)
    m.tick(100.0, volume=100)
    [stop] = m.exchange.orders(ACCOUNT)[1:]
    assert stop.request.quantity == 20
    m.tick(97.9, volume=5_000)
    assert m.fills[2:] == [("SELL", 20, 97.9)]
    assert m.held == 0
    assert m.order(entry).stage is Stage.CANCELLED


def test_a_cover_order_is_left_by_cancelling_it() -> None:
    m = market()
    m.tick(100.0)
    entry = m.buy(10, variety=Variety.COVER, trigger="98.00")
    m.tick(100.0)
    [stop] = m.exchange.orders(ACCOUNT)[1:]
    assert stop.stage is Stage.TRIGGER_PENDING
    m.exchange.cancel(ACCOUNT, entry)
    m.tick(100.5)
    assert m.fills == [("BUY", 10, 100.0), ("SELL", 10, 100.5)]
    assert m.order(stop.order_id).stage is Stage.COMPLETE


def test_iceberg_legs_come_one_after_the_other() -> None:
    m = market()
    m.tick(100.0)
    first = m.buy(100, variety=Variety.ICEBERG, legs=3)
    assert len(m.exchange.orders(ACCOUNT)) == 1
    for _ in range(3):
        m.tick(100.0)
    assert [quantity for _, quantity, _ in m.fills] == [34, 34, 32]
    legs = m.exchange.orders(ACCOUNT)
    assert [(leg.iceberg_leg, leg.iceberg_quantity, leg.parent_order_id) for leg in legs] == [
        (1, 100, None), (2, 100, first), (3, 100, first)
    ]  # fmt: skip


def test_immediate_or_cancel_and_minutes() -> None:
    m = market()
    m.tick(100.0)
    ioc = m.buy(10, OrderType.LIMIT, price="99.00", validity=Validity.IOC)
    ttl = m.buy(10, OrderType.LIMIT, price="99.00", validity=Validity.TTL, minutes=2)
    m.tick(100.0)
    assert m.order(ioc).stage is Stage.CANCELLED
    m.at(9, 31, 59)
    assert m.order(ttl).stage is Stage.OPEN
    m.at(9, 32, 2)
    assert (m.order(ttl).stage, m.order(ttl).status) == (Stage.CANCELLED, OrderStatus.EXPIRED)


def test_market_protection_limits_the_price() -> None:
    """0.5% above 1,000 is 1,005: a jump beyond it leaves the order resting there."""
    m = market(instrument=share(tick_size=Decimal("0.10")))
    m.tick(1_000.0)
    order_id = m.buy(1, protection=-1)
    m.tick(1_010.0)
    assert m.order(order_id).stage is Stage.OPEN
    m.tick(1_004.9)
    assert m.fills == [("BUY", 1, 1_004.9)]
    m.tick(1_000.0)
    m.buy(1, protection=2)
    m.tick(1_019.9)
    assert m.fills[1:] == [("BUY", 1, 1_019.9)]


def test_unprotected_orders_are_refused_where_the_broker_does() -> None:
    m = market(ExchangeSettings(unprotected_orders=False))
    m.tick(100.0)
    with pytest.raises(RefusedRequestError, match="without market protection") as refused:
        m.buy(1)
    assert refused.value.kind is Refusal.INPUT
    m.buy(1, protection=-1)


def test_modify_changes_terms_and_loses_the_place() -> None:
    m = market(always_open(liquidity=Liquidity(participation=0.01)))
    m.tick(100.0)
    first = m.buy(10, OrderType.LIMIT, price="99.00")
    second = m.buy(10, OrderType.LIMIT, price="99.00")
    m.exchange.modify(ACCOUNT, first, OrderChange(price=Decimal("98.95")))
    m.exchange.modify(ACCOUNT, first, OrderChange(price=Decimal("99.00")))
    assert m.stages(first)[-3:] == ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "OPEN"]
    m.tick(98.0, volume=1_000)
    assert (m.order(first).filled_quantity, m.order(second).filled_quantity) == (0, 10)
    m.exchange.modify(ACCOUNT, first, OrderChange(quantity=Decimal(4), order_type=OrderType.MARKET))
    m.tick(97.0, volume=1_000)
    assert m.fills[1:] == [("BUY", 4, 97.0)]
    with pytest.raises(RefusedRequestError, match="COMPLETE"):
        m.exchange.modify(ACCOUNT, first, OrderChange(quantity=Decimal(5)))
    with pytest.raises(RefusedRequestError, match="Couldn't find"):
        m.exchange.cancel(ACCOUNT, "nonsense")


def test_a_change_beyond_the_funds_is_taken_back() -> None:
    m = market(cash=Decimal(10_000))
    m.tick(100.0)
    order_id = m.buy(50, OrderType.LIMIT, price="99.00", product=Product.CNC)
    m.exchange.modify(ACCOUNT, order_id, OrderChange(quantity=Decimal(5_000)))
    order = m.order(order_id)
    assert (order.stage, order.request.quantity) == (Stage.OPEN, 50)
    assert "Insufficient funds" in (order.status_message or "")


def test_most_changes() -> None:
    m = market(ExchangeSettings(most_changes=2))
    order_id = m.buy(1, OrderType.LIMIT, price="99.00")
    for price in ("99.05", "99.10"):
        m.exchange.modify(ACCOUNT, order_id, OrderChange(price=Decimal(price)))
    with pytest.raises(RefusedRequestError, match="Maximum allowed order modifications"):
        m.exchange.modify(ACCOUNT, order_id, OrderChange(price=Decimal("99.15")))


def test_latency_delays_orders_changes_and_cancels() -> None:
    m = market(ExchangeSettings(latency=Latency(5 * NANOSECONDS_PER_SECOND)))
    m.tick(100.0)
    order_id = m.buy(10, OrderType.LIMIT, price="99.50")
    m.tick(99.0)
    assert m.order(order_id).stage is Stage.OPEN_PENDING
    m.at(9, 30, 7)
    assert m.order(order_id).stage is Stage.OPEN
    m.exchange.cancel(ACCOUNT, order_id)
    assert m.order(order_id).stage is Stage.CANCEL_PENDING
    m.tick(99.0)  # it may still fill
    assert m.order(order_id).stage is Stage.COMPLETE


def test_visible_depth_is_walked_level_by_level() -> None:
    m = market(ExchangeSettings(liquidity=Liquidity(visible_depth=True)))
    m.tick(100.0)
    asks = [DepthLevel(Decimal("100.05"), 30, 1), DepthLevel(Decimal("100.10"), 20, 1)]
    m.exchange.set_depth(TOKEN, [DepthLevel(Decimal("100.00"), 50, 2)], asks)
    order_id = m.buy(80)
    m.tick(100.0)
    assert m.fills == [("BUY", 30, 100.0), ("BUY", 20, 100.05)]
    assert (m.order(order_id).stage, m.order(order_id).pending_quantity) == (Stage.OPEN, 30)


def test_a_queue_must_trade_before_a_touched_limit_fills() -> None:
    m = market(ExchangeSettings(liquidity=Liquidity(queue=True)))
    m.tick(100.0)
    m.exchange.set_depth(TOKEN, [DepthLevel(Decimal("99.00"), 500, 5)], [])
    m.buy(100, OrderType.LIMIT, price="99.00")
    m.tick(99.0, volume=450)
    assert m.fills == []
    m.tick(99.0, volume=80)  # 30 of them are behind the queue
    assert m.fills == [("BUY", 30, 99.0)]
    m.tick(98.95, volume=10)  # through: all of it
    assert m.fills[1:] == [("BUY", 70, 98.95)]


def test_circuit_limits_hold_orders_and_prices() -> None:
    m = market()
    m.tick(100.0)
    m.exchange.set_circuit_limits(TOKEN, Decimal("95.00"), Decimal("105.00"))
    with pytest.raises(RefusedRequestError, match="upper circuit"):
        m.buy(1, OrderType.LIMIT, price="105.05")
    order_id = m.buy(1)
    m.tick(105.0)  # locked: nobody sells
    assert m.order(order_id).stage is Stage.OPEN
    m.tick(104.95)
    assert m.fills == [("BUY", 1, 104.95)]


NIFTY = Instrument(
    exchange=Venue.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="NIFTY24NOV2624500CE",
    underlying="NIFTY", expiry=date(2026, 11, 24), strike=Decimal(24_500), right=OptionRight.CALL,
    lot_size=Decimal(65), freeze_quantity=Decimal(1_800),
)  # fmt: skip


def test_above_the_freeze_quantity_orders_are_rejected_or_sliced() -> None:
    m = market(instrument=NIFTY, cash=Decimal(10_000_000))
    m.tick(100.0)
    terms = {"product": Product.NRML, "price": "100.00"}
    rejected = m.buy(3_900, OrderType.LIMIT, **terms)
    assert m.order(rejected).stage is Stage.REJECTED
    assert "freeze quantity 1800" in (m.order(rejected).status_message or "")
    placed = m.exchange.place(ACCOUNT, m.request(Side.BUY, 3_900, OrderType.LIMIT, slices=True, **terms))  # type: ignore[arg-type]
    slices = [m.order(child.order_id or "") for child in placed.children]
    assert [int(one.request.quantity) for one in slices] == [1_755, 1_755, 390]
    assert {one.parent_order_id for one in slices} == {placed.order_id}


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("lot size", {"quantity": 66}),
        ("Tick size", {"price": "100.03"}),
        ("positive", {"price": "0"}),
        ("Product CNC", {"product": Product.CNC}),
        ("SL-M orders are not accepted", {"kind": OrderType.SL_M, "price": None, "trigger": "101.00"}),
        ("should be lower", {"kind": OrderType.SL, "price": "100.00", "trigger": "101.00"}),
        ("Disclosed", {"disclosed": 65}),
        ("legs", {"variety": Variety.ICEBERG, "legs": 11}),
    ],
)
def test_what_is_wrong_in_itself_is_refused_and_makes_no_order(words: str, terms: dict[str, object]) -> None:
    m = market(instrument=NIFTY, cash=Decimal(10_000_000))
    m.tick(100.0)
    given: dict[str, object] = {
        "kind": OrderType.LIMIT,
        "quantity": 65,
        "price": "100.00",
        "product": Product.NRML,
    }
    given.update(terms)
    with pytest.raises(RefusedRequestError, match=words):
        m.exchange.place(ACCOUNT, m.request(Side.BUY, **given))  # type: ignore[arg-type]
    assert m.exchange.orders(ACCOUNT) == ()


def test_unknown_names_change_nothing() -> None:
    m = market()
    with pytest.raises(RefusedRequestError, match="account"):
        m.exchange.orders("nobody")
    with pytest.raises(RefusedRequestError, match="not listed"):
        m.exchange.place(ACCOUNT, replace(m.request(Side.BUY, 1), instrument=share("OTHER")))
    with pytest.raises(UnknownInstrumentError, match="42"):
        m.exchange.feed([PriceEvent(42, 1, 1.0, 1.0, 1.0, 1.0, 1.0)])
    with pytest.raises(InvalidValueError, match="cannot be"):
        m.exchange.feed([PriceEvent(TOKEN, 1, 100.0, float("nan"), 99.0, 100.0, 1.0)])
    assert m.exchange.quote(TOKEN) is None
    assert m.exchange.quote(42) is None


def test_a_gtt_places_its_order_when_its_trigger_is_reached() -> None:
    m = market()
    m.tick(100.0)
    listing = m.exchange.listings.by_token(TOKEN)
    orders = [
        GttOrder(side=Side.BUY, quantity=Decimal(10), price=price, product=Product.CNC)
        for price in (Decimal("95.00"), Decimal("106.00"))
    ]
    pair = m.exchange.place_gtt(ACCOUNT, listing, [Decimal("95.00"), Decimal("105.00")], orders, Decimal(100))
    gone = m.exchange.place_gtt(ACCOUNT, listing, [Decimal("90.00")], orders[:1], Decimal(100))
    m.exchange.delete_gtt(ACCOUNT, gone)
    m.tick(105.5)
    m.tick(105.6)
    triggered = m.exchange.gtt(ACCOUNT, pair)
    assert triggered.status is GttStatus.TRIGGERED
    assert triggered.results[0] is None
    assert triggered.results[1] is not None
    assert m.order(triggered.results[1].order_id or "").stage is Stage.COMPLETE
    assert m.fills == [("BUY", 10, 105.6)]
    with pytest.raises(RefusedRequestError, match=r"0\.25%"):
        m.exchange.place_gtt(ACCOUNT, listing, [Decimal("100.10")], orders[:1], Decimal(100))
