"""What holds whatever happens: random orders, fills, cancellations, conversions, price moves and settlements.

The reference knows nothing of products and margins: money is what was paid and received, wealth is that and all units at
their marks.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.paper.account.making import future, option, order, request, share, trade
from trademantra.brokers.listings import Listing
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.core.instrument import OptionRight
from trademantra.core.order import Product, Side

FAR = date(2027, 12, 28)
SHARES = (share("INFY", 408065), share("TCS", 2953217))
CONTRACTS = (
    option(24000, OptionRight.CALL, expiry=FAR),
    option(24200, OptionRight.CALL, expiry=FAR),
    option(24000, OptionRight.PUT, expiry=FAR),
    future(FAR, token=9000),
    future(FAR + timedelta(days=28), token=9001),
)
LISTINGS = (*SHARES, *CONTRACTS)
FREE_OF_CHARGE = MarginSettings(tariff="none")
SETTINGS = (
    FREE_OF_CHARGE,
    MarginSettings(
        tariff="none", use_todays_profit=True, premium_buys_options_only=False, t1_sale_credit=Decimal(1)
    ),
    MarginSettings(tariff="none", cover=Decimal("0.5"), hedge_benefit=False),
)


def products(listing: Listing) -> tuple[Product, ...]:
    if listing in SHARES:
        return Product.CNC, Product.MIS, Product.MTF
    return Product.NRML, Product.MIS


@dataclass
class Run:
    """An account, the reference and the market."""

    account: Account
    money: Decimal
    day: date = date(2026, 11, 20)
    units: dict[int, Decimal] = field(default_factory=dict)
    marks: dict[int, Decimal] = field(default_factory=dict)
    working: list[tuple[str, Listing, Side, Product, Decimal, Decimal]] = field(default_factory=list)
    number: int = 0

    def mark(self, token: int) -> Decimal | None:
        return self.marks[token]

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def trade(
        self, order_id: str, listing: Listing, side: Side, product: Product, quantity: Decimal, price: Decimal
    ) -> None:
        done = trade(self.name(), listing, side, quantity, price, product, order_id=order_id)
        self.account.book(done)
        before = self.account.to_json()
        self.account.book(done)
        assert self.account.to_json() == before
        self.money -= side.sign * quantity * price * listing.instrument.multiplier
        self.units[listing.token] = self.units.get(listing.token, Decimal(0)) + side.sign * quantity

    def wealth(self) -> Decimal:
        return self.money + sum(
            (units * self.marks[token] for token, units in self.units.items()), Decimal(0)
        )

    def check(self) -> None:
        account = self.account
        assert account.wealth(self.mark) == self.wealth()
        margins = account.margins(self.mark)
        equity, commodity = margins["equity"], margins["commodity"]
        assert equity.net == commodity.net == account.available
        assert (
            equity.net
            == equity.available.opening_balance - equity.utilised.debits - commodity.utilised.debits
        )
        for segment in (equity, commodity):
            used = segment.utilised
            assert used.debits == (
                used.span + used.exposure + used.option_premium + used.delivery + used.m2m_realised
            )
        for row in (*account.positions(self.mark).net, *account.positions(self.mark).day):
            assert row.last_price is not None
            assert row.value == row.sell_value - row.buy_value
            assert row.pnl == row.value + row.quantity * row.last_price * row.multiplier
            assert row.unrealised is not None
            assert abs(row.realised + row.unrealised - row.pnl) < Decimal("1e-9")
            assert row.quantity == row.buy_quantity - row.sell_quantity
        for row in account.holdings(self.mark):
            assert 0 <= row.used_quantity <= row.opening_quantity
            assert row.opening_quantity == row.quantity + row.t1_quantity
            assert 0 <= row.mtf.used_quantity <= row.mtf.quantity


def place(run: Run, draw: st.DataObject) -> None:
    listing = draw.draw(st.sampled_from(LISTINGS))
    product = draw.draw(st.sampled_from(products(listing)))
    side = draw.draw(st.sampled_from(Side))
    quantity = Decimal(draw.draw(st.integers(1, 8))) * listing.instrument.lot_size
    price = run.marks[listing.token] + draw.draw(st.integers(-40, 40)) * Decimal("0.05")
    limit = draw.draw(st.booleans())
    asked = request(
        listing, side, quantity, product, price=str(max(price, Decimal("0.05"))) if limit else None
    )
    account, order_id = run.account, run.name()
    before, told = account.available, account.to_json()
    ahead = sum(
        (q for _, of, s, p, q, _ in run.working if (of, s, p) == (listing, side, product)), Decimal(0)
    )
    reduces = quantity + ahead <= -side.sign * account.open_quantity(listing.token, product)
    to_give = product in (Product.CNC, Product.MTF)
    needed = account.required(listing, asked, run.marks[listing.token]).total
    try:
        account.check_and_block(order(order_id, listing, asked), run.marks[listing.token])
    except AccountRejectionError:
        assert not (reduces and not to_give)
        assert account.to_json() == told
        assert account.available == before
        return
    held = account.blocked(order_id)
    assert held == needed
    if reduces and not to_give:
        assert held == 0
    if held:
        assert account.available >= 0
    if not held:
        assert account.available == before
    fill_price = asked.price or run.marks[listing.token]
    run.working.append((order_id, listing, side, product, quantity, fill_price))


def fill(run: Run, draw: st.DataObject) -> None:
    if not run.working:
        return
    place_of = draw.draw(st.integers(0, len(run.working) - 1))
    order_id, listing, side, product, pending, price = run.working[place_of]
    lots = int(pending / listing.instrument.lot_size)
    quantity = draw.draw(st.integers(1, lots)) * listing.instrument.lot_size
    run.trade(order_id, listing, side, product, quantity, price)
    if quantity == pending:
        del run.working[place_of]
        assert run.account.blocked(order_id) == 0
    else:
        run.working[place_of] = (order_id, listing, side, product, pending - quantity, price)


def cancel(run: Run, draw: st.DataObject) -> None:
    if run.working:
        order_id = run.working.pop(draw.draw(st.integers(0, len(run.working) - 1)))[0]
        run.account.release(order_id)
        assert run.account.blocked(order_id) == 0


def move(run: Run, draw: st.DataObject) -> None:
    listing = draw.draw(st.sampled_from(LISTINGS))
    run.marks[listing.token] = Decimal(draw.draw(st.integers(1, 60_000))) * Decimal("0.05")


def turn(run: Run, draw: st.DataObject) -> None:
    listing = draw.draw(st.sampled_from(LISTINGS))
    old, new = draw.draw(st.permutations(products(listing)).map(lambda found: found[:2]))
    open_quantity = run.account.open_quantity(listing.token, old)
    quantity = Decimal(draw.draw(st.integers(1, 4))) * listing.instrument.lot_size
    if draw.draw(st.booleans()):
        quantity = abs(open_quantity) or quantity
    side = Side.BUY if open_quantity > 0 else Side.SELL
    told, before = run.account.to_json(), run.account.available
    try:
        run.account.convert(listing, side, quantity, old, new, overnight=draw.draw(st.booleans()))
    except AccountRejectionError:
        assert run.account.to_json() == told
        assert run.account.available == before
        return
    assert run.account.available >= min(before, Decimal(0))


def next_day(run: Run, draw: st.DataObject) -> None:
    for order_id, *_ in run.working:
        run.account.release(order_id)
    run.working.clear()
    for position in run.account.intraday_positions():
        side = Side.SELL if position.quantity > 0 else Side.BUY
        price = run.marks[position.listing.token]
        run.trade("", position.listing, side, position.product, abs(position.quantity), price)
    following = run.day + timedelta(days=1)
    before = run.account.wealth(run.mark)
    settled = run.account.settle(run.day, run.mark, following)
    interest = sum(e.amount for e in settled.entries if e.text == "Margin trading interest")
    run.money += interest
    run.day = following
    assert run.account.wealth(run.mark) == (before or 0) + interest
    assert not any(p.day_buy_quantity or p.day_sell_quantity for p in run.account.positions(run.mark).net)


def read_back(run: Run, draw: st.DataObject) -> None:
    written = json.loads(json.dumps(run.account.to_json()))
    again = Account.from_json(written, run.account.settings)
    assert again.to_json() == run.account.to_json()
    assert again.available == run.account.available
    assert again.positions(run.mark) == run.account.positions(run.mark)
    assert again.holdings(run.mark) == run.account.holdings(run.mark)
    assert again.margins(run.mark) == run.account.margins(run.mark)
    assert again.ledger() == run.account.ledger()
    run.account = again


Step = Callable[[Run, st.DataObject], None]
STEPS: tuple[Step, ...] = (place, place, place, fill, fill, fill, cancel, move, turn, next_day, read_back)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(STEPS), min_size=5, max_size=60),
    st.sampled_from(SETTINGS),
    st.sampled_from([Decimal(20_000), Decimal(500_000), Decimal(5_000_000)]),
    st.data(),
)
def test_whatever_happens(
    steps: list[Step], chosen: MarginSettings, cash: Decimal, data: st.DataObject
) -> None:
    run = Run(Account("AB1234", cash, chosen), cash)
    run.marks = {listing.token: Decimal(1500) if listing in SHARES else Decimal(200) for listing in LISTINGS}
    run.marks[9000], run.marks[9001] = Decimal(24_100), Decimal(24_200)
    for step in steps:
        step(run, data)
        run.check()
    for order_id, *_ in run.working:
        run.account.release(order_id)
    run.working.clear()
    assert run.account.funds().equity.blocks.total == 0
    for row in run.account.positions(run.mark).net:  # all flat: no margin is left behind
        if row.quantity:
            side = Side.SELL if row.quantity > 0 else Side.BUY
            run.trade("", row.listing, side, row.product, abs(row.quantity), run.marks[row.listing.token])
    used = run.account.funds().equity
    assert used.span == used.exposure == used.var == 0
    run.check()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from((place, place, fill, turn)), min_size=1, max_size=25), st.data())
def test_an_order_taken_back_leaves_nothing_behind(steps: list[Step], data: st.DataObject) -> None:
    run = Run(Account("AB1234", Decimal(1_000_000), FREE_OF_CHARGE), Decimal(1_000_000))
    run.marks = {listing.token: Decimal(200) for listing in LISTINGS}
    for step in steps:
        step(run, data)
    before = run.account.available
    count = len(run.working)
    place(run, data)
    if len(run.working) > count:
        run.account.release(run.working[-1][0])
    assert run.account.available == before
