"""Random orders, fills, cancels, prices and days: the gate lets pass exactly what a slow reference of the limits does."""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.trading.risk.reference import Ordered, Reference
from tests.trading.risk.scene import CALL, INFY, NOON, SBIN, SECOND, TCS, Scene
from trademantra.core.order import Product, Side
from trademantra.trading.intents import Purpose
from trademantra.trading.risk.decisions import Outcome
from trademantra.trading.risk.limits import Scope
from trademantra.trading.risk.taken import RiskOrder

INSTRUMENTS = (TCS, INFY, SBIN, CALL)
SECTORS = {TCS.key: "IT", INFY.key: "IT", SBIN.key: "BANK", CALL.key: ""}
ACCOUNTS = {"a1": "u1", "a2": "u1", "b1": "u2"}
CAPITAL = Decimal(5000)


def maybe(**values):
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(each) for name, each in values.items()})


def books(scale):
    return st.one_of(
        maybe(max_open_positions=(1, 2, 3), max_trades_per_day=(1, 3, 6), max_orders_per_second=(1, 3)),
        maybe(max_exposure=(1000 * scale, 4000 * scale), max_leverage=(1, 2)),
        maybe(max_daily_loss_realised=(5, 50), max_daily_loss_marked=(20, 100), max_drawdown=(30, 200)),
        st.just({"profit_lock_from": 40, "profit_lock_percent": 50}),
        st.just({"max_consecutive_losses": 2, "loss_pause_minutes": 1}),
    )  # fmt: skip


LIMITS = st.fixed_dictionaries(
    {
        "order": st.one_of(
            st.just({}),
            maybe(max_order_quantity=(20, 50), max_order_value=(800, 3000)),
            maybe(max_price_deviation_percent=(5,), max_price_age_seconds=(60,)),
            st.just({"duplicate_window_seconds": 1}),
        ),
        "strategy": books(1), "account": books(2), "user": books(3),
        "instrument": maybe(max_position_quantity=(30, 60), max_position_value=(1500, 5000)),
        "sector": maybe(max_sector_exposure=(1500, 6000)),
    }
)  # fmt: skip
ASKED = st.fixed_dictionaries(
    {
        "account": st.sampled_from(sorted(ACCOUNTS)), "strategy": st.sampled_from(("s1", "s2")),
        "side": st.sampled_from(Side), "instrument": st.sampled_from(INSTRUMENTS), "quantity": st.sampled_from((1, 5, 10, 10, 25, 30, 60)),
        "purpose": st.sampled_from((Purpose.ENTRY, Purpose.ENTRY, Purpose.EXIT)),
        "limit_percent": st.sampled_from((None, None, None, 90, 95, 105, 110)),
        "product": st.sampled_from((Product.MIS, Product.MIS, Product.CNC)),
    }
)  # fmt: skip


class GateMachine(RuleBasedStateMachine):
    """One step is one event; after each, the sums of every book are compared too."""

    @initialize(limits=LIMITS, reduces=st.booleans())
    def begin(self, limits, reduces):
        actions = (
            {"order_quantity": "reduce", "exposure": "reduce", "position_quantity": "reduce"}
            if reduces
            else {}
        )
        self.scene = Scene({**limits, "actions": actions})
        self.now_ns = NOON
        for account, user in ACCOUNTS.items():
            if account != "a1":
                self.scene.open(account, user)
            self.scene.state.capital(account, CAPITAL)
        for key, sector in SECTORS.items():
            self.scene.state.sector_told(key, sector)
        capital = {
            ("user", user): CAPITAL * list(ACCOUNTS.values()).count(user) for user in ACCOUNTS.values()
        }
        for account in ACCOUNTS:
            capital["account", account] = CAPITAL
            for strategy in ("s1", "s2"):
                capital["strategy", account, strategy] = CAPITAL
                self.scene.state.strategy_capital(account, strategy, CAPITAL)
        prices = {each.key: self.scene.state.market(each.key).price for each in INSTRUMENTS}
        self.reference = Reference(
            limits, ACCOUNTS, prices={key: (price, price, NOON) for key, price in prices.items()},
            instruments={each.key: each for each in INSTRUMENTS}, sectors=SECTORS, capital=capital,
        )  # fmt: skip
        self.ordered = {}

    @property
    def now(self):
        return self.now_ns

    @rule(asked=st.lists(ASKED, min_size=1, max_size=5), fills=st.booleans())
    def ask(self, asked, fills):
        for each in asked:
            name = self.ask_one(**each)
            if name and fills:
                order = self.ordered[name]
                self.executed(name, order, order.quantity, 100, 1)
                self.scene.state.order_ended(name)
                order.ended = True
            self.sums_agree()

    def ask_one(self, account, strategy, side, instrument, quantity, purpose, limit_percent, product):
        last = self.reference.prices[instrument.key][1]
        intent = self.scene.intent(
            side, quantity, instrument, account=account, strategy=strategy, purpose=purpose, product=product,
            price=None if limit_percent is None else last * limit_percent / 100,
        )  # fmt: skip
        decision = self.scene.gate.check(intent, self.now_ns)
        holding = account, strategy, instrument.key, product
        free = self.reference.free_to_close(holding, side.sign)
        if quantity <= free:
            assert (decision.outcome, decision.quantity) == (Outcome.ALLOW, quantity)
        elif purpose is Purpose.EXIT:
            assert decision.quantity == free
        else:
            self.judge(intent, decision, free)
        if not decision.is_allowed:
            return None
        return self.taken(intent, decision.quantity, entry=quantity > free and decision.quantity > free)

    def judge(self, intent, decision, free):
        def breaches(quantity):
            order = Ordered(intent, Decimal(quantity), self.now_ns, self.reference.day, "", entry=True)
            return self.reference.breaches(order, self.now_ns)

        if decision.quantity > free:
            assert not breaches(decision.quantity), decision
        if decision.quantity < intent.quantity:
            assert breaches(intent.quantity), decision
            assert decision.rule
            assert decision.text
        if free > 0:
            assert decision.quantity >= free
        elif decision.outcome is Outcome.REDUCE:  # it is not cut by more than it must be
            lot = intent.instrument.lot_size
            assert decision.quantity + lot > intent.quantity or breaches(decision.quantity + lot)

    def taken(self, intent, quantity, entry):
        order_id = f"o{intent.intent_id}"
        self.scene.state.order_taken(RiskOrder.of(intent, order_id, self.now_ns, quantity))
        self.ordered[order_id] = Ordered(
            intent, quantity, self.now_ns, self.reference.day, ACCOUNTS[intent.account_id], entry
        )
        self.reference.orders.append(self.ordered[order_id])
        return order_id

    def some(self, data, wanted):
        names = [name for name, each in self.ordered.items() if wanted(each)]
        return data.draw(st.sampled_from(names)) if names else None

    @rule(data=st.data(), part=st.sampled_from((1, 2, 3)), percent=st.sampled_from((97, 100, 100, 103)),
          charges=st.sampled_from((0, 1)))  # fmt: skip
    def fill(self, data, part, percent, charges):
        name = self.some(data, lambda each: each.left)
        if name is None:
            return
        order = self.ordered[name]
        quantity = max(Decimal(1), order.left // part)
        self.executed(name, order, quantity, percent, charges)
        if not order.left:
            self.scene.state.order_ended(name)
            order.ended = True

    @rule(data=st.data())
    def fill_late(self, data):
        name = self.some(
            data, lambda each: each.ended and each.filled < each.quantity and each.day == self.reference.day
        )
        if name is not None:
            self.executed(name, self.ordered[name], Decimal(1), 100, 0)

    def executed(self, name, order, quantity, percent, charges):
        price = self.reference.prices[order.intent.instrument.key][1] * percent / 100
        self.reference.step += 1
        order.fills.append(
            (self.reference.step, self.reference.day, self.now_ns, quantity, price, Decimal(charges))
        )
        self.scene.now = (self.now_ns - NOON) / SECOND
        self.scene.fill(name, quantity, price, charges, end=False)

    @rule(data=st.data())
    def cancel(self, data):
        name = self.some(data, lambda each: not each.ended)
        if name is not None:
            self.scene.state.order_ended(name)
            self.ordered[name].ended = True

    @rule(instrument=st.sampled_from(INSTRUMENTS), percent=st.sampled_from((80, 95, 99, 100, 101, 105, 120)))
    def price(self, instrument, percent):
        self.move(instrument, percent)

    def move(self, instrument, percent):
        price = max(
            Decimal("0.05"),
            (self.reference.prices[instrument.key][1] * percent / 100).quantize(Decimal("0.05")),
        )
        self.scene.state.price(instrument.key, price, self.now_ns)
        self.reference.prices[instrument.key] = (price, price, self.now_ns)

    @rule(instrument=st.sampled_from(INSTRUMENTS))
    def lose_price(self, instrument):
        self.scene.state.price_lost(instrument.key)
        self.reference.prices[instrument.key] = (None, *self.reference.prices[instrument.key][1:])

    @rule(seconds=st.sampled_from((0.25, 0.5, 1, 4, 61)), quoted=st.sampled_from((True, True, False)))
    def pass_time(self, seconds, quoted):
        self.now_ns += int(seconds * SECOND)
        for instrument in INSTRUMENTS if quoted else ():
            self.move(instrument, 100)

    @precondition(lambda self: self.ordered)
    @rule()
    def roll(self):
        self.reference.roll()
        self.scene.state.day_rolled()

    @invariant()
    def sums_agree(self):
        if not hasattr(self, "ordered"):
            return
        self.reference.mark()
        self.scene.gate.watch(self.now_ns)
        self.reference.watch()
        for key in self.reference.books():
            account = (
                key[1] if key[0] != "user" else next(a for a, user in ACCOUNTS.items() if user == key[1])
            )
            book = self.scene.state.book(Scope(key[0]), account, key[-1])
            holdings = self.reference.holdings(key)
            assert len(book.open) == sum(self.reference.worst(each) > 0 for each in holdings)
            assert book.exposure == sum((self.reference.exposure(each) or 0 for each in holdings), Decimal(0))
            assert bool(book.unpriced) == self.reference.unpriced(key)
            assert book.realised == self.reference.realised_today(key)
            assert book.result == self.reference.result(key)
            assert set(book.stops) == {rule for each, rule in self.reference.stops if each == key}


GateMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestGate = GateMachine.TestCase
