"""Each rule at its edge: just inside passes, just outside does not, and says why.  Figures by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.risk.scene import CALL, INFY, NOON, SBIN, SECOND, TCS, Scene, exact, share
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Order, OrderStatus, OrderType, Product, Side
from trademantra.trading.fills import OrderFills
from trademantra.trading.intents import Purpose
from trademantra.trading.orders import ManagedOrder
from trademantra.trading.positions import HeldPosition
from trademantra.trading.risk.decisions import Flatten, Outcome, PauseStrategy
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.rules.registry import ALL_RULES
from trademantra.trading.risk.taken import RiskOrder

BUY, SELL = Side.BUY, Side.SELL
BOOK_SCOPES = ("strategy", "account", "user")


def verdict(scene, *order, **words):
    decision = scene.ask(*order, **words)
    assert decision.text or decision.outcome is Outcome.ALLOW
    return decision.rule or "allowed"


def edge(scene, rule, inside, outside, **words):
    assert verdict(scene, *inside, **words) == "allowed"
    assert verdict(scene, *outside, **words) == rule


# -- one order


def test_order_quantity():
    edge(Scene({"order": {"max_order_quantity": 10}}), "order_quantity", (BUY, 10), (BUY, 11))


def test_order_value_counts_the_highest_price_that_is_named():
    scene = Scene({"order": {"max_order_value": 1000}})
    edge(scene, "order_value", (BUY, 10), (BUY, 11))
    edge(scene, "order_value", (SELL, 10), (SELL, 11))
    assert verdict(scene, BUY, 10, price="100.01") == "order_value"
    assert verdict(scene, BUY, 10, price="99", reference="101") == "order_value"
    assert verdict(scene, BUY, 10, price="1") == "allowed"


def test_order_value_of_an_unknown_price_is_unknown():
    scene = Scene({"order": {"max_order_value": 1000}})
    scene.state.price_lost(TCS.key)
    assert "no price" in scene.ask(BUY, 1, price="1").text


@pytest.mark.parametrize(
    "words", [{"price": "105"}, {"price": "95"}, {"trigger": "105"}, {"reference": "95"}]
)
def test_price_deviation(words):
    scene = Scene({"order": {"max_price_deviation_percent": 5}})
    assert verdict(scene, **words) == "allowed"
    name, value = next(iter(words.items()))
    further = exact(value) + (1 if exact(value) > 100 else -1) * Decimal("0.05")
    assert verdict(scene, **{name: further}) == "price_deviation"


def test_price_deviation_of_options_takes_the_wider_width():
    limits = {"max_price_deviation_percent": 5, "option_deviation_percent": 40, "option_deviation_amount": 20}
    scene = Scene({"order": limits})
    for price, width in ((200, 80), (30, 20)):  # 40 % of 200; of 30 it would be 12, so 20 rupees
        scene.price(CALL, price)
        assert verdict(scene, BUY, 65, CALL, price=price + width) == "allowed"
        assert verdict(scene, BUY, 65, CALL, price=price + width + Decimal("0.05")) == "price_deviation"


def test_price_deviation_of_an_unknown_price_is_unknown():
    scene = Scene({"order": {"max_price_deviation_percent": 5}})
    scene.state.price_lost(TCS.key)
    assert verdict(scene, price="100") == "price_deviation"
    assert verdict(scene) == "allowed"  # names no price


def test_price_band():
    scene = Scene({"order": {"require_price_band": True}})
    assert "not known" in scene.ask(price="100").text
    scene.state.band(TCS.key, Decimal(90), Decimal(110))
    for inside, outside in (("110", "110.05"), ("90", "89.95")):
        assert verdict(scene, price=inside) == "allowed"
        assert verdict(scene, price=outside) == "price_band"


def test_stale_price():
    scene = Scene({"order": {"max_price_age_seconds": 30}})
    scene.now = 30
    assert verdict(scene) == "allowed"
    scene.now = 30.000001
    assert verdict(scene) == "stale_price"
    scene.price(TCS, 100)  # the same price again is news
    assert verdict(scene) == "allowed"
    scene.state.price_lost(TCS.key)
    assert verdict(scene) == "stale_price"


def test_duplicate():
    scene = Scene({"order": {"duplicate_window_seconds": 2}})
    scene.take(BUY, 10)
    for other in (
        {"quantity": 11},
        {"side": SELL},
        {"price": "100"},
        {"strategy": "s2"},
        {"product": Product.CNC},
    ):
        assert verdict(scene, **{"side": BUY, "quantity": 10, **other}) == "allowed"
    scene.now = 1.999
    decision = scene.ask(BUY, 10)
    assert (decision.rule, decision.retry_ns) == ("duplicate", NOON + 2 * SECOND)
    scene.now = 2
    assert verdict(scene, BUY, 10) == "allowed"


def test_an_exit_is_not_the_like_of_the_entry_that_reverses():
    scene = Scene({"order": {"duplicate_window_seconds": 1}})
    scene.hold(50)
    scene.take(SELL, 50, purpose=Purpose.EXIT)
    scene.now = 0.001
    assert verdict(scene, SELL, 50) == "allowed"
    scene.take(SELL, 50)
    assert verdict(scene, SELL, 50) == "duplicate"


def test_products_and_segments():
    scene = Scene({"order": {"allowed_products": ["MIS"], "allowed_segments": ["equity"]}})
    assert verdict(scene) == "allowed"
    assert verdict(scene, product=Product.CNC) == "product"
    assert verdict(scene, BUY, 65, CALL) == "segment"


def test_hours():
    scene = Scene({"order": {"allowed_hours": ["09:15-12:00", "12:30-15:15"]}})
    for now, expected in (
        (-0.001, "allowed"), (0, "hours"), (1799.999, "hours"), (1800, "allowed"), (3.25 * 3600 - 1, "allowed"),
        (3.25 * 3600, "hours"), (-2.75 * 3600, "allowed"), (-2.75 * 3600 - 1, "hours"),
    ):  # fmt: skip
        scene.now = now
        assert verdict(scene) == expected, now


def test_market_halt():
    scene = Scene({})
    scene.state.market_halted(Exchange.NSE, NOON + SECOND)
    decision = scene.ask()
    assert (decision.rule, decision.retry_ns) == ("market_halt", NOON + SECOND)
    scene.now = 1
    assert verdict(scene) == "allowed"
    scene.state.market_halted(Exchange.NSE, None)
    assert verdict(scene) == "market_halt"
    scene.state.market_resumed(Exchange.NSE)
    assert verdict(scene) == "allowed"


def test_index_move():
    scene = Scene({"order": {"max_index_move_percent": 8}})
    assert "not known" in scene.ask().text
    for move, expected in (
        ("7.99", "allowed"),
        ("8", "index_move"),
        ("-8", "index_move"),
        ("-7.99", "allowed"),
    ):
        scene.state.index_moved(Decimal(move))
        assert verdict(scene) == expected


def test_currency():
    scene = Scene({})
    assert verdict(scene, BUY, 1, replace(TCS, symbol="AAPL", currency="USD")) == "currency"


# -- strategy, account, user: whose book adds up


def other_hands(scene):
    """(strategy, account) whose trades do and do not count in each scope, beside s1 in a1."""
    scene.open("a2")
    scene.open("b1", user="u2")
    return {
        "strategy": ([("s1", "a1")], [("s2", "a1"), ("s1", "a2")]),
        "account": ([("s2", "a1")], [("s1", "a2")]),
        "user": ([("s1", "a2")], [("s1", "b1")]),
    }


@pytest.mark.parametrize("scope", BOOK_SCOPES)
@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"max_open_positions": 1}, "open_positions"),
        ({"max_trades_per_day": 1}, "trades_per_day"),
        ({"max_orders_per_second": 1}, "orders_per_second"),
        ({"max_exposure": 1500}, "exposure"),
    ],
)
def test_each_scope_adds_up_its_own(scope, limits, rule):
    scene = Scene({scope: limits})
    count, other = other_hands(scene)[scope]
    for strategy, account in other:
        scene.hold(20, INFY, strategy=strategy, account=account)  # worth 1,000
    assert verdict(scene, BUY, 10) == "allowed"
    for strategy, account in count:
        scene.hold(20, INFY, strategy=strategy, account=account)
    assert verdict(scene, BUY, 10) == rule


def test_open_positions_count_what_works():
    scene = Scene({"account": {"max_open_positions": 2}})
    scene.hold(10)
    order = scene.take(BUY, 1, INFY)
    assert verdict(scene, BUY, 1, SBIN) == "open_positions"
    assert verdict(scene, BUY, 1, INFY) == "allowed"  # adds to one that counts already
    scene.state.order_ended(order)
    assert verdict(scene, BUY, 1, SBIN) == "allowed"


def test_trades_per_day():
    scene = Scene({"account": {"max_trades_per_day": 2}})
    scene.trade(BUY, 10, 100)
    scene.trade(SELL, 10, 100)  # an exit is no trade of its own
    order = scene.take(BUY, 10)
    assert verdict(scene, BUY, 1) == "trades_per_day"
    scene.state.order_ended(order)  # unfilled: it was none
    assert verdict(scene, BUY, 1) == "allowed"
    scene.fill(scene.take(BUY, 10), 1, 100)  # filled in part: it was one
    assert verdict(scene, BUY, 1) == "trades_per_day"
    scene.state.day_rolled()
    assert verdict(scene, BUY, 1) == "allowed"


def test_orders_per_second():
    scene = Scene({"account": {"max_orders_per_second": 2}})
    scene.now = 0.4
    scene.take(BUY, 1)
    scene.state.message_sent("a1", "s1", Exchange.NSE, Segment.EQUITY, scene.now_ns)
    decision = scene.ask()
    assert (decision.rule, decision.retry_ns) == ("orders_per_second", NOON + SECOND)
    assert verdict(scene, BUY, 65, CALL) == "allowed"  # another segment
    scene.now = 1
    assert verdict(scene) == "allowed"


def test_exposure_counts_what_works_at_its_worst():
    scene = Scene({"account": {"max_exposure": 3000}})
    scene.hold(10)  # 1,000
    scene.take(BUY, 20, INFY)  # 1,000
    edge(scene, "exposure", (BUY, 10), (BUY, 11))
    scene.take(SELL, 5)  # an exit that may not fill frees nothing
    edge(scene, "exposure", (BUY, 10), (BUY, 11))
    scene.price(INFY, 55)  # 1,100
    edge(scene, "exposure", (BUY, 9), (BUY, 10))


def test_exposure_of_a_short_option_is_its_strike():
    scene = Scene({"account": {"max_exposure": 65 * 24500}})
    edge(scene, "exposure", (SELL, 65), (SELL, 66), instrument=CALL)
    assert verdict(scene, BUY, 65 * 122, CALL) == "allowed"  # 65 x 122 x 200 = 65 x 24,400


def test_exposure_with_an_unpriced_holding_is_unknown():
    scene = Scene({"account": {"max_exposure": 3000}})
    scene.hold(1, INFY)
    scene.state.price_lost(INFY.key)
    assert INFY.key in scene.ask(BUY, 1).text
    scene.price(INFY, 50)
    assert verdict(scene, BUY, 1) == "allowed"


def test_leverage():
    scene = Scene({"account": {"max_leverage": 2}})
    assert "capital" in scene.ask(BUY, 1).text
    scene.state.capital("a1", Decimal(500))
    edge(scene, "leverage", (BUY, 10), (BUY, 11))


def test_leverage_of_a_user_needs_the_capital_of_all_accounts():
    scene = Scene({"user": {"max_leverage": 2}})
    scene.state.capital("a1", Decimal(500))
    scene.open("a2")
    scene.state.capital("a1", Decimal(500))
    assert "capital" in scene.ask(BUY, 1).text
    scene.state.capital("a2", Decimal(250))
    edge(scene, "leverage", (BUY, 15), (BUY, 16))


def test_correlation():
    scene = Scene({"account": {"max_correlated_positions": 1, "correlation_from": "0.9"}})
    up = [0.01, -0.02, 0.03, -0.01] * 6
    for key in (TCS, INFY):
        scene.state.returns(key.key, up)
    scene.hold(10, INFY)
    assert "not known" not in scene.ask(BUY, 1).text
    scene.hold(10, SBIN)
    assert "not known" in scene.ask(BUY, 1).text
    scene.state.returns(SBIN.key, [-each for each in up])
    assert verdict(scene, BUY, 1) == "allowed"  # SBIN is held long and moves the other way
    scene.hold(-20, SBIN)  # now short: moves with the others
    assert verdict(scene, BUY, 1) == "correlation"
    assert verdict(scene, SELL, 1) == "allowed"


# -- results


def test_daily_loss_realised_with_charges():
    scene = Scene({"account": {"max_daily_loss_realised": 50}})
    scene.trade(BUY, 10, 100, charges="0.50")
    scene.trade(SELL, 10, "95.10", charges="0.49")  # 49 and 0.99
    assert verdict(scene, BUY, 1) == "allowed"
    scene.trade(BUY, 1, 100, INFY, charges="0.01")
    assert verdict(scene, BUY, 1) == "daily_loss_realised"
    scene.price(INFY, 1000)
    scene.trade(SELL, 1, 1000, INFY)  # won back: the day is over all the same
    assert verdict(scene, BUY, 1) == "daily_loss_realised"
    scene.state.day_rolled()
    assert verdict(scene, BUY, 1) == "allowed"


def test_daily_loss_marked_flattens_once():
    scene = Scene({"account": {"max_daily_loss_marked": 50}})
    scene.hold(10)
    scene.price(TCS, "95.01")
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, 95)
    asked = scene.gate.watch(scene.now_ns)
    assert [(type(each), each.scope, each.name, each.rule) for each in asked] == [
        (Flatten, Scope.ACCOUNT, "a1", "daily_loss_marked")
    ]
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, 200)
    assert verdict(scene, BUY, 1) == "daily_loss_marked"
    assert scene.ask(SELL, 10).outcome is Outcome.ALLOW


def test_daily_loss_marked_counts_from_the_days_start():
    scene = Scene({"account": {"max_daily_loss_marked": 50}})
    scene.hold(10)
    scene.price(TCS, "95.01")
    scene.state.day_rolled()
    scene.price(TCS, "90.02")
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, "90.01")
    assert len(scene.gate.watch(scene.now_ns)) == 1


def test_an_unpriced_holding_stops_entries_but_closes_nothing():
    scene = Scene({"account": {"max_daily_loss_marked": 50}})
    scene.hold(10)
    scene.state.price_lost(TCS.key)
    assert verdict(scene, BUY, 1, INFY) == "daily_loss_marked"
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, 100)
    assert verdict(scene, BUY, 1, INFY) == "allowed"


def test_drawdown_counts_over_days_until_released():
    scene = Scene({"account": {"max_drawdown": 100}})
    scene.hold(10)
    scene.price(TCS, 110)  # 100 up: the highest
    scene.state.day_rolled()
    scene.price(TCS, "100.01")
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, 100)
    assert [each.rule for each in scene.gate.watch(scene.now_ns)] == ["drawdown"]
    scene.state.day_rolled()
    assert verdict(scene, BUY, 1, INFY) == "drawdown"
    assert scene.state.release(Scope.ACCOUNT, "a1", "", "drawdown")
    assert verdict(scene, BUY, 1, INFY) == "allowed"
    scene.price(TCS, 90)
    assert verdict(scene, BUY, 1, INFY) == "drawdown"


def test_profit_lock():
    scene = Scene({"account": {"profit_lock_from": 100, "profit_lock_percent": 60}})
    scene.hold(10)
    scene.price(TCS, "109.99")
    scene.price(TCS, 101)
    assert scene.gate.watch(scene.now_ns) == []  # never reached 100
    scene.price(TCS, 120)  # 200: keeps 120
    scene.price(TCS, "112.01")
    assert scene.gate.watch(scene.now_ns) == []
    scene.price(TCS, 112)
    assert [each.rule for each in scene.gate.watch(scene.now_ns)] == ["profit_lock"]
    assert verdict(scene, BUY, 1, INFY) == "profit_lock"
    scene.state.day_rolled()
    assert verdict(scene, BUY, 1, INFY) == "allowed"


def lose(scene, price=99):
    scene.trade(BUY, 10, 100)
    scene.trade(SELL, 10, price)


def test_consecutive_losses():
    scene = Scene({"strategy": {"max_consecutive_losses": 2, "loss_pause_minutes": 1}})
    lose(scene)
    lose(scene, 101)
    lose(scene)
    assert verdict(scene, BUY, 1) == "allowed"
    lose(scene)
    scene.now = 59
    decision = scene.ask(BUY, 1)
    assert (decision.rule, decision.retry_ns) == ("consecutive_losses", NOON + 60 * SECOND)
    assert verdict(scene, BUY, 1, strategy="s2") == "allowed"
    scene.now = 60
    assert verdict(scene, BUY, 1) == "allowed"


def test_consecutive_losses_for_the_day():
    scene = Scene({"strategy": {"max_consecutive_losses": 1}})
    lose(scene)
    scene.now = 3000
    assert verdict(scene, BUY, 1) == "consecutive_losses"
    scene.state.day_rolled()
    assert verdict(scene, BUY, 1) == "allowed"


def test_a_trade_that_pays_less_than_its_charges_lost():
    scene = Scene({"strategy": {"max_consecutive_losses": 1}})
    scene.trade(BUY, 10, 100, charges=6)
    scene.trade(SELL, 10, 101, charges=5)
    assert verdict(scene, BUY, 1) == "consecutive_losses"


# -- instrument, sector


def test_position_quantity_adds_strategies_without_netting():
    scene = Scene({"instrument": {"max_position_quantity": 100}})
    scene.hold(-60, strategy="s2")
    edge(scene, "position_quantity", (BUY, 40), (BUY, 41))
    assert verdict(scene, BUY, 100, INFY) == "allowed"


def test_position_value():
    scene = Scene(
        {"instrument": {"max_position_value": 5000}, "instruments": {"NSE:INFY": {"max_position_value": 50}}}
    )
    edge(scene, "position_value", (BUY, 50), (BUY, 51))
    assert verdict(scene, BUY, 2, INFY) == "position_value"


def test_price_range():
    scene = Scene({"instrument": {"max_range_percent": 2, "range_window_minutes": 3}})
    scene.now = 60
    scene.price(TCS, 102)
    assert verdict(scene) == "allowed"
    scene.price(TCS, "102.01")
    assert verdict(scene) == "price_range"
    scene.now = 3 * 60 + 59  # the first minute, at 100, is still within three full minutes
    assert verdict(scene) == "price_range"
    scene.now = 4 * 60
    assert verdict(scene) == "allowed"


def test_sector():
    scene = Scene({"sector": {"max_sector_exposure": 2000}, "sectors": {"BANK": {"max_sector_percent": 10}}})
    scene.hold(20, INFY, sector="IT")
    edge(scene, "sector_exposure", (BUY, 10), (BUY, 11), sector="IT")
    scene.price(share("ITC"), 100)
    edge(
        scene, "sector_exposure", (BUY, 20), (BUY, 21), instrument=share("ITC")
    )  # no sector: a pool of its own
    assert "capital" in scene.ask(BUY, 1, SBIN, sector="BANK").text
    scene.state.capital("a1", Decimal(1000))
    edge(scene, "sector_percent", (BUY, 10), (BUY, 11), instrument=SBIN, sector="BANK")


def test_a_sector_that_was_told_cannot_be_named_otherwise():
    scene = Scene({"sector": {"max_sector_exposure": 2000}})
    scene.state.sector_told(TCS.key, "IT")
    scene.hold(40, INFY, sector="IT")
    assert verdict(scene, BUY, 1, sector="ELSEWHERE") == "sector_exposure"


# -- what a breach leads to


def test_reduce_cuts_to_what_fits_in_lots():
    scene = Scene({"order": {"max_order_quantity": 200}, "account": {"max_exposure": 20_000},
                   "actions": {"order_quantity": "reduce", "exposure": "reduce"}})  # fmt: skip
    decision = scene.ask(
        BUY, 325, CALL
    )  # 200 units would fit the first limit: 3 lots; 20,000 / 200 = 100: 1 lot
    assert (decision.outcome, decision.quantity, decision.rule) == (Outcome.REDUCE, 65, "exposure")
    scene.hold(65, CALL)
    assert scene.ask(BUY, 325, CALL).outcome is Outcome.REFUSE


def test_an_order_is_not_cut_where_its_other_side_is_too_large_already():
    scene = Scene({"instrument": {"max_position_quantity": 50}, "actions": {"position_quantity": "reduce"}})
    scene.state.order_taken(RiskOrder.of(scene.intent(SELL, 100), "o1", NOON))  # of before the limit
    assert scene.ask(BUY, 10).outcome is Outcome.REFUSE


def test_an_older_price_changes_nothing():
    scene = Scene({"order": {"max_price_age_seconds": 1, "max_order_value": 1000}})
    scene.state.price(TCS.key, Decimal(50), NOON - 1)
    assert verdict(scene, BUY, 11) == "order_value"


def test_the_first_sector_that_is_named_stays():
    scene = Scene({"sector": {"max_sector_exposure": 2000}})
    scene.hold(40, INFY, sector="IT")
    scene.ask(BUY, 1, sector="IT")
    assert verdict(scene, BUY, 1, strategy="s2", sector="ELSEWHERE") == "sector_exposure"


def test_pause_and_flatten_are_asked_of_the_desk():
    scene = Scene({"order": {"max_order_quantity": 10}, "instrument": {"max_position_quantity": 10},
                   "actions": {"order_quantity": "pause_strategy", "position_quantity": "flatten"}})  # fmt: skip
    (request,) = scene.ask(BUY, 11).requests
    assert (type(request), request.account_id, request.strategy_id) == (PauseStrategy, "a1", "s1")
    scene.hold(10)
    (request,) = scene.ask(BUY, 1).requests
    assert (type(request), request.scope, request.name) == (Flatten, Scope.INSTRUMENT, TCS.key)


def test_a_breach_of_the_account_pauses_each_of_its_strategies():
    scene = Scene(
        {"account": {"max_daily_loss_realised": 5}, "actions": {"daily_loss_realised": "pause_strategy"}}
    )
    scene.hold(1, INFY, strategy="s2")
    lose(scene)
    assert {each.strategy_id for each in scene.gate.watch(scene.now_ns)} == {"s1", "s2"}


def test_a_paused_strategy_waits_for_its_release():
    scene = Scene({})
    scene.state.pause("a1", "s1", "go-live gate")
    scene.state.day_rolled()
    assert verdict(scene) == "paused"
    assert verdict(scene, strategy="s2") == "allowed"
    assert scene.state.release(Scope.STRATEGY, "a1", "s1", "paused")
    assert not scene.state.release(Scope.STRATEGY, "a1", "s1", "paused")
    assert verdict(scene) == "allowed"


def test_without_limits_nothing_enters():
    scene = Scene({})
    assert verdict(scene, account="nobody") == "unknown_account"
    scene.state.account_opened("a9", "u1")
    assert verdict(scene, account="a9") == "no_limits"
    scene.hold(10, account="a9")
    assert verdict(scene, SELL, 10, account="a9") == "allowed"


def test_an_order_of_the_journal_counts_with_what_is_open_of_it():
    order = Order(
        order_id="o1", instrument=TCS, side=BUY, quantity=Decimal(10), order_type=OrderType.MARKET, product=Product.MIS,
        status=OrderStatus.PARTLY_FILLED, filled_quantity=Decimal(4), filled_value=Decimal(400),
    )  # fmt: skip
    managed = ManagedOrder(order, "a1", "s1", "i0", 0, Purpose.ENTRY, "tag", NOON, NOON, OrderFills("o1"))
    scene = Scene({"instrument": {"max_position_quantity": 20}})
    scene.state.restore_position("a1", "s1", TCS, Product.MIS, HeldPosition(Decimal(4), Decimal(400)))
    scene.state.order_taken(RiskOrder.restored(managed))
    edge(scene, "position_quantity", (BUY, 10), (BUY, 11))
    scene.fill("o1", 6, 100)
    edge(scene, "position_quantity", (BUY, 10), (BUY, 11))
    assert scene.ask(SELL, 10, purpose=Purpose.EXIT).outcome is Outcome.ALLOW


def test_a_changed_order_counts_with_its_new_quantity():
    scene = Scene({"instrument": {"max_position_quantity": 20}})
    order = scene.take(BUY, 10)
    scene.state.order_left(order, Decimal(5))
    edge(scene, "position_quantity", (BUY, 15), (BUY, 16))
    scene.state.order_ended(order)
    scene.state.order_ended(order)
    edge(scene, "position_quantity", (BUY, 20), (BUY, 21))


def test_an_order_is_taken_once_and_must_be_known():
    scene = Scene({})
    intent = scene.intent()
    scene.state.order_taken(RiskOrder.of(intent, "o1", NOON))
    with pytest.raises(InvalidValueError, match="before"):
        scene.state.order_taken(RiskOrder.of(intent, "o1", NOON))
    with pytest.raises(NotFoundError, match="o2"):
        scene.state.order_ended("o2")


def test_what_was_stopped_before_a_restart_is_stopped_and_asks_again():
    limits = {"account": {"max_daily_loss_marked": 50, "max_trades_per_day": 9}}
    scene = Scene(limits)
    scene.hold(10)
    scene.price(TCS, 95)
    assert len(scene.gate.watch(scene.now_ns)) == 1
    again = Scene(limits)
    held = scene.state.held("a1", "s1", TCS.key, Product.MIS).held
    again.state.restore_position(
        "a1", "s1", TCS, Product.MIS, HeldPosition(held.quantity, held.cost), opening_unrealised=Decimal(0)
    )
    again.state.restore_book(Scope.ACCOUNT, "a1", "", scene.state.record(Scope.ACCOUNT, "a1"))
    assert again.state.book(Scope.ACCOUNT, "a1").trades_today == 1
    assert [each.rule for each in again.gate.watch(again.now_ns)] == ["daily_loss_marked"]
    assert verdict(again, BUY, 1, INFY) == "daily_loss_marked"


def test_codes_are_unique_and_defaults_possible():
    assert len({rule.code for rule in ALL_RULES}) == len(ALL_RULES)
    assert all(rule.default in rule.actions and rule.scopes and rule.description for rule in ALL_RULES)
