"""Risk gate: what a check costs with 30 and more rules in force, and what prices and orders cost beside it."""

import gc
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import row

from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.trading.fills import Execution
from trademantra.trading.intents import OrderIntent, Purpose
from trademantra.trading.risk.gate import RiskGate
from trademantra.trading.risk.kill import KillSwitch
from trademantra.trading.risk.limits_json import parse_limits
from trademantra.trading.risk.state import RiskState
from trademantra.trading.risk.taken import RiskOrder

BIG = 10**12
BOOK = {
    "max_open_positions": 1000, "max_trades_per_day": 10**6, "max_orders_per_second": 10**6, "max_exposure": BIG,
    "max_leverage": 1000, "max_daily_loss_realised": BIG, "max_daily_loss_marked": BIG, "max_drawdown": BIG,
    "profit_lock_from": BIG, "max_consecutive_losses": 1000,
}  # fmt: skip
LIMITS = {
    "order": {
        "max_order_value": BIG, "max_order_quantity": BIG, "max_price_deviation_percent": 5, "require_price_band": True,
        "max_price_age_seconds": 60, "duplicate_window_seconds": 1, "max_index_move_percent": 10,
        "allowed_products": ["MIS", "CNC"], "allowed_segments": ["equity"], "allowed_hours": ["00:00-23:59"],
    },
    "strategy": BOOK, "account": {**BOOK, "max_correlated_positions": 100}, "user": BOOK,
    "instrument": {"max_position_quantity": BIG, "max_position_value": BIG, "max_range_percent": 50},
    "sector": {"max_sector_exposure": BIG, "max_sector_percent": 10**6},
}  # fmt: skip
FEWER = {"strategy": {name: BOOK[name] for name in ("max_exposure", "max_daily_loss_marked", "max_drawdown")}}
START_NS = 1_795_146_300 * NANOSECONDS_PER_SECOND
STRATEGIES, INSTRUMENTS, HELD, REPEATS = 50, 3000, 20, 20_000


def main() -> None:
    state = RiskState()
    shares = [
        Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=f"S{n}")
        for n in range(INSTRUMENTS)
    ]
    with TemporaryDirectory() as folder:
        gate = RiskGate(state, KillSwitch(Path(folder), START_NS))
        state.account_opened("a1", "u1")
        gate.set_limits("a1", parse_limits(LIMITS))
        state.capital("a1", Decimal(10**7))
        state.index_moved(Decimal(1))
        for number, share in enumerate(shares):
            state.price(share.key, Decimal(100), START_NS)
            state.band(share.key, Decimal(80), Decimal(120))
            state.returns(share.key, [((number * 7 + day * day) % 13 - 6) / 100 for day in range(60)])
        for strategy in range(STRATEGIES):
            state.strategy_capital("a1", f"s{strategy}", Decimal(10**7))
        numbers = iter(range(10**9))

        def intent(strategy: int, share: Instrument, purpose: Purpose = Purpose.ENTRY) -> OrderIntent:
            number = next(numbers)
            return OrderIntent(
                intent_id=f"i{number}", account_id="a1", strategy_id=f"s{strategy % STRATEGIES}", instrument=share,
                side=Side.BUY if purpose is Purpose.ENTRY else Side.SELL, quantity=Decimal(1 + number), purpose=purpose,
                product=Product.MIS, decided_ns=START_NS, order_type=OrderType.LIMIT, price=Decimal(100), sector="IT",
            )  # fmt: skip

        def take(wanted: OrderIntent) -> None:
            state.order_taken(RiskOrder.of(wanted, wanted.intent_id, START_NS))
            quantity = wanted.quantity
            state.executed(
                Execution(wanted.intent_id, 1, quantity, quantity * 100, quantity, quantity * 100, START_NS)
            )
            state.order_ended(wanted.intent_id)

        for number in range(HELD):
            take(intent(number, shares[number]))
        in_force = _rules_in_force(gate, intent(0, shares[30]))
        entries = [intent(0, shares[30 + n % 40]) for n in range(REPEATS)]
        _measure(
            f"check of an entry, {in_force} rules in force, {HELD} positions held", "<= 20 us for 30 rules",
            [lambda each=each: gate.check(each, START_NS) for each in entries],
        )  # fmt: skip
        thirty = RiskGate(state, KillSwitch(Path(folder), START_NS))
        thirty.set_limits(
            "a1", parse_limits({name: limits for name, limits in LIMITS.items() if name != "user"} | FEWER)
        )
        in_force = _rules_in_force(thirty, intent(0, shares[30]))
        _measure(
            f"check of an entry, {in_force} rules in force", "<= 20 us",
            [lambda each=each: thirty.check(each, START_NS) for each in entries],
        )  # fmt: skip
        exits = [
            OrderIntent(
                intent_id=f"x{n}", account_id="a1", strategy_id="s0", instrument=shares[0], side=Side.SELL,
                quantity=Decimal(1), product=Product.MIS, purpose=Purpose.EXIT, decided_ns=START_NS,
            )
            for n in range(REPEATS)
        ]  # fmt: skip
        _measure("check of an exit", "-", [lambda each=each: gate.check(each, START_NS) for each in exits])
        _measure("taken, filled and ended", "-", [lambda each=each: take(each) for each in entries[:5000]])
        prices = [Decimal(100), Decimal("100.05")]
        _measure(
            "price of an instrument that nobody holds", "-",
            [lambda n=n: state.price(shares[500 + n % 2000].key, prices[n // 2000 % 2], START_NS + n) for n in range(REPEATS)],
        )  # fmt: skip
        _measure(
            "price of an instrument that one strategy holds", "-",
            [lambda n=n: state.price(shares[1].key, prices[n % 2], START_NS + n) for n in range(REPEATS)],
        )  # fmt: skip
        _measure(
            "look at all losses, 20 strategies hold", "-", [lambda: gate.watch(START_NS) for _ in range(2000)]
        )


def _rules_in_force(gate: RiskGate, wanted: OrderIntent) -> int:
    decision = gate.check(wanted, START_NS)
    assert decision.is_allowed, decision.text
    return len(gate.rules_in_force(wanted.account_id, wanted.strategy_id, wanted.instrument, wanted.sector))


def _measure(task: str, goal: str, calls: list[Callable[[], object]]) -> None:
    """Median and 99th percentile of single calls, in microseconds; the clock's own cost is taken off."""
    for call in calls[:200]:
        call()
    gc.collect()
    gc.disable()
    clock = time.perf_counter_ns
    own = statistics.median([-(clock() - clock()) for _ in range(2000)])
    seen = []
    for call in calls[200:]:
        begin = clock()
        call()
        seen.append(clock() - begin - own)
    gc.enable()
    seen.sort()
    row(task, goal, f"{seen[len(seen) // 2] / 1000:.1f} us, p99 {seen[len(seen) * 99 // 100] / 1000:.1f} us")


if __name__ == "__main__":
    main()
