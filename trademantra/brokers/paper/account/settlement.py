"""The end of an account's day: intraday leftovers, expiries, obligations, charges, delivery, and a new day.

Everything that can fail (a missing rate, an unknown tariff) is worked out before anything is changed.
Invariant: wealth at the settlement's marks falls by the charges and interest posted, and changes by what an expiry or a
close-out is worth more or less than its mark; by nothing else.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from trademantra.brokers.paper.account.blocking import PositionKey
from trademantra.brokers.paper.account.charges import executed, executed_order
from trademantra.brokers.paper.account.conversion import Conversion, move
from trademantra.brokers.paper.account.funds import HoldingKey, lent
from trademantra.brokers.paper.account.holdings import HoldingState, security_of
from trademantra.brokers.paper.account.positions import Accounting, PositionState
from trademantra.brokers.paper.account.settings import is_index_contract
from trademantra.brokers.paper.account.state import AccountState
from trademantra.brokers.paper.account.views import ZERO, Marks, Settlement
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, InstrumentKind, OptionRight, Segment
from trademantra.core.money import PAISA, round_half_up
from trademantra.core.order import Product, Side
from trademantra.markets.charges.note import ContractNote, contract_note
from trademantra.markets.charges.orders import ExecutedOrder, TradeEvent
from trademantra.markets.sessions.settlement import settlement_date


class _Expiry(NamedTuple):
    """A contract that ends today: what it is worth per unit, and how the note charges it (None: it is worthless)."""

    key: PositionKey
    price: Decimal
    charged: ExecutedOrder | None


def settle(
    state: AccountState, day: date, marks: Marks, next_day: date, final_prices: Mapping[str, Decimal]
) -> tuple[AccountState, Settlement]:
    """The account as the next day finds it, and what was posted.  `state` itself is not changed.

    `final_prices`: the underlyings' final settlement prices by name, for contracts that expire.
    Errors: `MissingFactError` where the charges of `day` are not known; `InvalidValueError` when `next_day` is not later.
    """
    if next_day <= day:
        raise InvalidValueError(f"the day after {day} cannot be {next_day}")
    state = _copied(state)
    start = len(state.ledger.entries)
    day_end = _DayEnd(state, day, marks, next_day, final_prices)
    charges = day_end.run()
    posted = Settlement(
        day=day,
        next_day=next_day,
        entries=tuple(state.ledger.entries[start:]),
        charges=charges,
        warnings=tuple(day_end.warnings),
    )
    return state, posted


def delivery_date(day: date, next_day: date) -> date:
    """When shares bought on `day` are delivered: T+1 in settlement days.

    Where the settlement calendar has no answer (before 2023-01-27, years without a list, days on which the real
    exchange was closed) it is the next trading day of the simulated exchange.

    >>> delivery_date(date(2025, 9, 4), date(2025, 9, 5))  # a clearing holiday between
    datetime.date(2025, 9, 9)
    >>> delivery_date(date(2016, 8, 1), date(2016, 8, 2))
    datetime.date(2016, 8, 2)
    """
    try:
        return max(settlement_date(day, Exchange.NSE, Segment.EQUITY), next_day)
    except (MissingFactError, InvalidValueError):
        return next_day


class _DayEnd:
    """One settlement while it is being made, step by step."""

    def __init__(
        self,
        state: AccountState,
        day: date,
        marks: Marks,
        next_day: date,
        final_prices: Mapping[str, Decimal],
    ) -> None:
        self.state, self.day, self.marks, self.next_day = state, day, marks, next_day
        self.final_prices = final_prices
        self.warnings: list[str] = []

    def run(self) -> Decimal:
        self._close_intraday()
        self._close_short_deliveries()
        expiries = self._expiries()
        note = self._note(expiries)
        self._post_obligations(expiries)
        charges = self._post_charges(note)
        self._deliver()
        self._post_interest()
        self._carry(expiries)
        self.state.executions = {}
        self.state.regroup()
        return charges

    def _close_intraday(self) -> None:
        """MIS that nobody squared off: contracts are carried as NRML, shares bought are kept, shares sold closed out.

        Shares: specs/india-markets.md section 4, "Short selling".
        """
        for position in list(self.state.positions.values()):
            quantity = position.quantity
            if position.product is not Product.MIS or not quantity:
                continue
            listing, side = position.listing, Side.BUY if quantity > 0 else Side.SELL
            contract = listing.instrument.segment.is_derivative
            if not contract and side is Side.SELL:
                self._close_out(position, -quantity)
                continue
            new = Product.NRML if contract else Product.CNC
            today = position.day_buy_quantity if side is Side.BUY else position.day_sell_quantity
            for overnight, most in ((False, today), (True, abs(position.overnight_quantity))):
                moved = min(abs(position.quantity), most)
                if moved:
                    conversion = Conversion(
                        listing=listing,
                        side=side,
                        quantity=moved,
                        old=Product.MIS,
                        new=new,
                        overnight=overnight,
                    )
                    move(self.state, conversion)
            self.warnings.append(f"{listing.symbol}: {quantity} MIS left open, carried as {new}")

    def _close_short_deliveries(self) -> None:
        """Shares sold for delivery that are not there.  The checks of orders let none happen; a trade is booked anyway."""
        for key, of_security in self._shares().items():
            short = -self.state.held(key)
            for position in of_security:
                closed = min(short, -position.quantity)
                if closed > 0:
                    self._close_out(position, closed)
                    short -= closed

    def _close_out(self, position: PositionState, quantity: Decimal) -> None:
        mark = self.marks(position.listing.token)
        if mark is None:
            mark = position.average_price
        price = round_half_up(mark * (1 + self.state.settings.short_delivery), PAISA)
        self.warnings.append(
            f"{position.listing.symbol}: {quantity} {position.product} sold and not delivered, closed out at {price}"
        )
        position.trade(Side.BUY, quantity, price)

    def _expiries(self) -> dict[PositionKey, _Expiry]:
        found: dict[PositionKey, _Expiry] = {}
        for key, position in self.state.positions.items():
            expiry = position.listing.instrument.expiry
            if expiry is None or expiry > self.day or not position.quantity:
                continue
            ended = self._expiry(key, position)
            if ended is None:
                self.warnings.append(f"{position.listing.symbol}: expired without a final price, still open")
            else:
                found[key] = ended
        return found

    def _expiry(self, key: PositionKey, position: PositionState) -> _Expiry | None:
        """Index and other contracts in cash; stock contracts at the same money, charged as delivery of the shares."""
        instrument = position.listing.instrument
        final = self.final_prices.get(instrument.underlying or "")
        mark = self.marks(position.listing.token)
        strike = instrument.strike
        if strike is None:
            price = mark if final is None else final
            if price is None:
                return None
            return _Expiry(key, price, self._delivered(position, price, instrument.kind))
        call = instrument.right is OptionRight.CALL
        if final is None:
            if mark is None:
                return None
            final = (
                strike + mark if call else max(strike - mark, ZERO)
            )  # what its last price says of the underlying
        worth = max(final - strike if call else strike - final, ZERO)
        if not worth:
            return _Expiry(key, ZERO, None)
        if _is_stock(position):
            return _Expiry(key, worth, self._delivered(position, strike, instrument.kind))
        holder = position.quantity > 0
        side = Side.SELL if holder else Side.BUY  # of an exercise: the note's words for holder and writer
        charged = self._charged(position, side, final, TradeEvent.EXERCISE) if final > 0 else None
        return _Expiry(key, worth, charged)

    def _delivered(
        self, position: PositionState, price: Decimal, kind: InstrumentKind
    ) -> ExecutedOrder | None:
        if not _is_stock(position) or price <= 0:
            return None
        receives = position.quantity > 0
        if kind is InstrumentKind.OPTION and position.listing.instrument.right is OptionRight.PUT:
            receives = not receives
        side = Side.BUY if receives else Side.SELL
        return self._charged(position, side, price, TradeEvent.PHYSICAL_DELIVERY)

    def _charged(
        self, position: PositionState, side: Side, price: Decimal, event: TradeEvent
    ) -> ExecutedOrder:
        return executed_order(
            position.listing, position.product, side, abs(position.quantity), price, event=event
        )

    def _note(self, expiries: Mapping[PositionKey, _Expiry]) -> ContractNote | None:
        tariff = self.state.settings.tariff
        if tariff is None:
            return None
        orders = [executed(part) for parts in self.state.executions.values() for part in parts]
        orders += [expiry.charged for expiry in expiries.values() if expiry.charged]
        return contract_note(orders, tariff, self.day) if orders else None

    def _post_obligations(self, expiries: Mapping[PositionKey, _Expiry]) -> None:
        sums: dict[str, Decimal] = {}
        for key, position in self.state.positions.items():
            amount = position.day_flow
            text = _OBLIGATION[position.accounting]
            if position.accounting is Accounting.MARGINED:
                if position.listing.instrument.segment.is_derivative:
                    text = "Mark to market of futures"
                if position.quantity:
                    price = expiries[key].price if key in expiries else self._settlement_price(position)
                    amount += position.quantity * price * position.multiplier
            elif key in expiries:
                worth = position.quantity * expiries[key].price * position.multiplier
                sums["Options settled at expiry"] = sums.get("Options settled at expiry", ZERO) + worth
            sums[text] = sums.get(text, ZERO) + amount
        for security, of_security in self._shares().items():
            holding = self.state.holdings.get(security)
            funded = lent(security, of_security, holding, self.state.settings)
            sums["Margin trading funding"] = sums.get("Margin trading funding", ZERO) + funded
        for text, amount in sums.items():
            self.state.ledger.post(self.day, text, amount)

    def _settlement_price(self, position: PositionState) -> Decimal:
        """The mark; where there is none, the price at which it stands already: then nothing is marked."""
        mark = self.marks(position.listing.token)
        if mark is None:
            self.warnings.append(f"{position.listing.symbol}: no price on {self.day}, not marked to market")
            return position.mark_average
        return mark

    def _post_interest(self) -> None:
        """On what is lent now, for the days until the next settlement."""
        days = (self.next_day - self.day) / timedelta(days=1)
        loans = sum((holding.loan for holding in self.state.holdings.values()), ZERO)
        interest = loans * self.state.settings.mtf_interest_per_day * Decimal(days)
        self.state.ledger.post(self.day, "Margin trading interest", -round_half_up(interest, PAISA))

    def _post_charges(self, note: ContractNote | None) -> Decimal:
        if note is None:
            return ZERO
        self.warnings += note.warnings
        lines = ", ".join(f"{levy.value} {amount}" for levy, amount in note.lines.items() if amount)
        self.state.ledger.post(self.day, f"Charges: {lines}", -note.total)
        return note.total

    def _shares(self) -> dict[HoldingKey, list[PositionState]]:
        """Today's trades in shares for delivery, by security and product."""
        found: dict[HoldingKey, list[PositionState]] = {}
        for position in self.state.positions.values():
            if position.accounting in (Accounting.DELIVERY, Accounting.FUNDED):
                key = (security_of(position.listing.instrument), position.product)
                found.setdefault(key, []).append(position)
        return found

    def _deliver(self) -> None:
        for key, of_security in self._shares().items():
            holdings, quantity = self.state.holdings, sum((p.quantity for p in of_security), ZERO)
            if quantity > 0:
                holding = holdings.setdefault(key, HoldingState(of_security[0].listing, key[1]))
                units = sum((p.day_buy_quantity for p in of_security), ZERO)
                value = sum((p.day_buy_value for p in of_security), ZERO) * quantity / units
                loan = lent(key, of_security, None, self.state.settings)
                holding.add(quantity, value, loan, delivery_date(self.day, self.next_day))
            elif quantity < 0:
                holdings[key].take(-quantity)
        for key, holding in list(self.state.holdings.items()):
            holding.deliver(self.day)
            mark = self.marks(holding.listing.token)
            if mark is not None:
                holding.close_price = mark
            if not holding.total:
                del self.state.holdings[key]

    def _carry(self, expiries: Mapping[PositionKey, _Expiry]) -> None:
        for key, position in list(self.state.positions.items()):
            kept = position.quantity and position.listing.instrument.segment.is_derivative
            if not kept or key in expiries:
                del self.state.positions[key]
                continue
            mark = self.marks(position.listing.token)
            position.carry(position.mark_average if mark is None else mark)


_OBLIGATION = {
    Accounting.DELIVERY: "Shares bought and sold for delivery",
    Accounting.FUNDED: "Shares bought and sold with margin funding",
    Accounting.PREMIUM: "Option premium",
    Accounting.MARGINED: "Shares traded intraday",
}


def _is_stock(position: PositionState) -> bool:
    instrument = position.listing.instrument
    equity = instrument.segment in (Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS)
    return equity and not is_index_contract(instrument)


def _copied(state: AccountState) -> AccountState:
    """A state that can be changed without touching this one."""
    holdings = {
        key: replace(holding, undelivered=[replace(lot) for lot in holding.undelivered])
        for key, holding in state.holdings.items()
    }
    copied = replace(
        state,
        ledger=replace(state.ledger, entries=list(state.ledger.entries)),
        positions={key: copy.copy(position) for key, position in state.positions.items()},
        holdings=holdings,
        working=dict(state.working),
        executions=dict(state.executions),
    )
    copied.regroup()
    return copied
