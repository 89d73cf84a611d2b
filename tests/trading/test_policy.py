"""Whatever is asked, what leaves fits the exchange and is no worse than asked."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trademantra.brokers.manifest import Manifest
from trademantra.brokers.orders import AUTOMATIC_PROTECTION, Variety
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.core.money import is_multiple
from trademantra.core.order import OrderType, Product, Side, Validity
from trademantra.core.time import IST, ManualClock, ns_of
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.policy import OrderPolicy, OutsideHours, PolicyError, tag_of

TCS = Instrument(
    exchange=Exchange.NSE,
    segment=Segment.EQUITY,
    kind=InstrumentKind.SHARE,
    symbol="TCS",
    has_derivatives=True,
)
CALL = Instrument(
    exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION, symbol="NIFTY26N2324500CE",
    underlying="NIFTY", expiry=date(2026, 11, 23), strike=Decimal(24500), right=OptionRight.CALL,
    lot_size=Decimal(65), freeze_quantity=Decimal(1800),
)  # fmt: skip
OPEN = datetime(2026, 11, 20, 11, 0, tzinfo=IST)
KITE = Manifest(
    name="kite", title="Kite", exchanges=frozenset({"NSE", "NFO"}), products=frozenset(Product),
    order_types=frozenset(OrderType), validities=frozenset(Validity), varieties=frozenset(Variety), features=frozenset(),
    limits={}, stream_tokens=3000, tag_length=20, token_dies=None, market_needs_protection=True, static_address=True,
)  # fmt: skip
LIMITS_ONLY = replace(KITE, title="Limits only", order_types=frozenset({OrderType.LIMIT, OrderType.SL}))


def policy(at=OPEN, manifest=KITE, outside=OutsideHours.REFUSE):
    return OrderPolicy(manifest, ManualClock(ns_of(at)), outside)


def intent(**words):
    return OrderIntent(
        **{
            "intent_id": "i1", "account_id": "a1", "strategy_id": "s1", "instrument": TCS, "side": Side.BUY,
            "quantity": Decimal(10), "product": Product.MIS, "purpose": Purpose.ENTRY, "decided_ns": 1, **words,
        }
    )  # fmt: skip


PRICES = st.integers(100, 5_000_00).map(lambda paise: Decimal(paise) / 100)


@given(
    kind=st.sampled_from(OrderType), side=st.sampled_from(Side), price=PRICES, trigger=PRICES,
    quantity=st.integers(1, 30_000), instrument=st.sampled_from([TCS, CALL]), manifest=st.sampled_from([KITE, LIMITS_ONLY]),
)  # fmt: skip
def test_orders_fit_the_exchange_and_add_up(kind, side, price, trigger, quantity, instrument, manifest):
    asked = intent(
        instrument=instrument, side=side, quantity=Decimal(quantity), order_type=kind, reference_price=price,
        price=price if kind.has_limit else None, trigger_price=trigger if kind.has_trigger else None,
    )  # fmt: skip
    refused, planned = None, ()
    try:
        planned = policy(manifest=manifest).plan(asked)
    except PolicyError as error:
        refused = error
    if refused is not None:
        assert refused.reason in ("lot", "no_protection")
        assert refused.hint
        return
    lot, tick = instrument.lot_size, instrument.tick_size
    orders = [each.order for each in planned]
    assert sum(order.quantity for order in orders) == quantity - quantity % lot
    assert len({each.tag for each in planned}) == len({order.order_id for order in orders}) == len(planned)
    for order in orders:
        assert is_multiple(order.quantity, lot)
        assert instrument.freeze_quantity is None or order.quantity <= instrument.freeze_quantity
        assert order.price is None or is_multiple(order.price, tick)
        assert order.order_type in manifest.order_types
        assert not (order.order_type is OrderType.SL_M and instrument.segment.is_options)
        if kind.has_limit:
            assert (price - order.price) * side.sign >= 0  # never pays more, never sells for less
        if kind.has_trigger:
            assert is_multiple(order.trigger_price, tick)
            assert (trigger - order.trigger_price) * side.sign >= 0  # never triggers later
        sent = policy(manifest=manifest).request(planned[0], "algo")
        assert (sent.market_protection == AUTOMATIC_PROTECTION) == (
            order.order_type in (OrderType.MARKET, OrderType.SL_M)
        )


def test_slices_are_as_few_as_the_freeze_quantity_allows():
    planned = policy().plan(intent(instrument=CALL, quantity=Decimal(3900), product=Product.NRML))
    assert [int(each.order.quantity) for each in planned] == [1755, 1755, 390]
    with pytest.raises(PolicyError, match="would be"):
        policy().plan(intent(instrument=CALL, quantity=Decimal(65 * 27 * 41), product=Product.NRML))


def test_an_exit_is_never_made_smaller_by_itself():
    with pytest.raises(PolicyError) as refused:
        policy().plan(intent(instrument=CALL, quantity=Decimal(100), purpose=Purpose.EXIT, side=Side.SELL))
    assert refused.value.reason == "lot"


@pytest.mark.parametrize(
    ("at", "kind", "reason"),
    [
        (datetime(2026, 11, 20, 8, 0, tzinfo=IST), OrderType.MARKET, "closed"),
        (datetime(2026, 11, 21, 11, 0, tzinfo=IST), OrderType.LIMIT, "closed"),  # a Saturday
        (datetime(2026, 11, 20, 9, 12, tzinfo=IST), OrderType.LIMIT, "closed"),  # the auction is matched
    ],
)
def test_outside_hours_nothing_leaves(at, kind, reason):
    asked = intent(
        order_type=kind, price=Decimal(100) if kind.has_limit else None, reference_price=Decimal(100)
    )
    with pytest.raises(PolicyError) as refused:
        policy(at).plan(asked)
    assert refused.value.reason == reason
    later = policy(at, outside=OutsideHours.AFTER_MARKET)
    assert later.request(later.plan(asked)[0], "").variety is Variety.AMO


def test_a_way_out_is_not_closed_by_a_missing_fact():
    unknown = replace(TCS, symbol="OBSCURE", has_derivatives=None)  # its closing auction is not known
    at = datetime(2026, 11, 20, 15, 20, tzinfo=IST)
    exit_ = intent(instrument=unknown, purpose=Purpose.EXIT, side=Side.SELL)
    assert policy(at).plan(exit_)
    with pytest.raises(PolicyError, match="not known"):
        policy(at).plan(replace(exit_, purpose=Purpose.ENTRY))


def test_what_the_broker_does_not_offer_is_named():
    narrow = replace(KITE, products=frozenset({Product.CNC}))
    with pytest.raises(PolicyError, match="Kite has no product MIS"):
        policy(manifest=narrow).plan(intent())


def test_a_tag_follows_from_the_order_alone():
    assert tag_of("a", "i", 0) == tag_of("a", "i", 0)
    assert (
        len({tag_of(account, name, part) for account in "ab" for name in ("i", "j") for part in range(50)})
        == 200
    )
    assert tag_of("a", "b\\0c", 1).isalnum()
