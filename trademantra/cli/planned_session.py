"""A strategy in the words of the command line, and the session that the desk makes of it."""

from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

from trademantra.cli import run_options as o
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.order import Product

if TYPE_CHECKING:
    from trademantra.core.time import Clock
    from trademantra.engine.backtest import Strategy
    from trademantra.kit.database import Database
    from trademantra.trading.accounts.account import Account
    from trademantra.trading.house.session_spec import SessionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of a session on the prices of now."""

    symbol: o.SymbolOption = None
    timeframe: o.TimeframeOption = "5m"
    settings: o.SetOption = None
    cash: o.CashOption = 1_000_000.0
    costs: o.CostsOption = "zerodha:MIS"
    size: o.SizeOption = None
    stop: o.StopOption = None
    target: o.TargetOption = None
    trail: o.TrailOption = None
    short: o.ShortOption = None


def live_options(
    strategy: str,
    words: SessionOptions,
    data_dir: Path | None,
    *,
    margin: float | None = None,
    time_exit: int | None = None,
) -> o.RunOptions:
    """The words of a session on the prices of now.  Errors: `InvalidValueError` where something must be said."""
    names = tuple(name.strip() for each in words.symbol or () for name in each.split(",") if name.strip())
    if not names:
        raise InvalidValueError(
            "name the instruments", hint="--symbol INFY, or --symbol NSE:INFY; may be repeated"
        )
    return o.RunOptions(
        strategy=strategy, bars=(), symbols=names, timeframe=words.timeframe or "5m", first=None, last=None, exchange=None,
        timezone=None, raw=False, data_dir=data_dir, settings=tuple(words.settings or ()), cash=words.cash, costs=words.costs,
        fill=o.Fill.NEXT_OPEN, limit_fill=o.LimitFill.THROUGH, slippage="none", size=words.size, stop=words.stop, target=words.target,
        trail=words.trail, short=words.short, lot=None, tick=None, margin=margin, participation=0.0, time_exit=time_exit,
        segment=Segment.EQUITY, intraday=False, risk_free=0.0, benchmark=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """One strategy of a desk, in the words of the command line.  `session`: one that was interrupted.

    `wants_live`: the mode that its account must have, None for either.  `leave`, `first_entry` and `last_entry`: times of
    the day.
    """

    options: o.RunOptions
    account_id: str
    session: str | None = None
    wants_live: bool | None = None
    leave: time | None = None
    last_entry: time | None = None
    first_entry: time | None = None


async def spec_of(
    planned: Planned, account: "Account", database: "Database", home: Path, clock: "Clock"
) -> "SessionSpec":
    """The session of one strategy.  Errors: those of its words; where it may not trade live yet, why."""
    from trademantra.core.errors import TradeMantraError
    from trademantra.trading.accounts.store import AccountStore
    from trademantra.trading.go_live_overrides import GoLiveGate, GoLiveOverrides
    from trademantra.trading.record.store import RecordStore

    spec = _spec(planned, clock)
    gate = GoLiveGate(RecordStore(database), AccountStore(database), GoLiveOverrides(home))
    reason = await gate.why_not_live(account, spec.strategy.name, spec.parameters_hash)
    if reason is not None:
        raise TradeMantraError(
            reason, hint=f"tm account go-live {spec.strategy.name} --account {planned.account_id}"
        )
    return spec


def _spec(planned: Planned, clock: "Clock") -> "SessionSpec":
    import secrets
    from dataclasses import replace

    from trademantra.core.time import ist_date
    from trademantra.engine.backtest import is_intraday
    from trademantra.engine.panel import AllocationStrategy
    from trademantra.engine.rules import Level, Size
    from trademantra.engine.strategy import SignalStrategy
    from trademantra.research.inputs import FUTURES_MARGIN
    from trademantra.trading.house.daily_session import check_daily
    from trademantra.trading.house.session_spec import SessionSpec, SessionTimes
    from trademantra.trading.runner.spec import StrategySource

    options = planned.options
    strategy = options.load_strategy()
    timeframe = Timeframe.parse(options.timeframe or "5m")
    tariff, product = _costs(options.costs)
    changes: dict[str, object] = {
        "cash": options.cash, "as_live": True, "lot": 1.0, "tick": 0.05,  # until the instruments are known
        "size": None if options.size is None else Size.parse(options.size),
        "stop": None if options.stop is None else Level.parse(options.stop),
        "target": None if options.target is None else Level.parse(options.target),
        "trail": None if options.trail is None else Level.parse(options.trail),
        "allow_short": options.short, "margin": options.margin, "time_exit": options.time_exit,
    }  # fmt: skip
    rules = replace(strategy.rules, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    intraday = is_intraday(strategy) or product is Product.MIS
    today = ist_date(clock.now_ns())
    values = options.parameters()
    if isinstance(strategy, AllocationStrategy) and (planned.first_entry or planned.last_entry):
        raise InvalidValueError(
            f"{strategy.name} keeps target weights: it has no entries that first_entry or last_entry could hold back",
            hint="leave them out",
        )
    times = SessionTimes(
        squares_off=tariff if intraday else None, leave=planned.leave, first_entry=planned.first_entry,
        last_entry=planned.last_entry,
    )  # fmt: skip
    made = SessionSpec(
        session_id=planned.session
        or f"{today:%Y%m%d}-{Path(options.strategy).stem.lower()[:24]}-{secrets.token_hex(3)}",
        account_id=planned.account_id,
        strategy=StrategySource.file(options.strategy)
        if options.strategy.endswith(".py")
        else StrategySource.shipped(options.strategy),
        symbols=options.symbols,
        timeframe=timeframe,
        values=values,
        rules=rules,
        product=product,
        alone=isinstance(strategy, SignalStrategy),
        weights=isinstance(strategy, AllocationStrategy),
        warm_up_bars=_longest(strategy, values),
        begins_minute=_begins_minute(strategy),
        times=times,
        tariff=tariff,
        futures_margin=None if options.margin is not None or rules.margin != 1.0 else FUTURES_MARGIN,
    )
    check_daily(made)
    return made


def _longest(strategy: "Strategy", values: dict[str, float]) -> int:
    from trademantra.engine.strategy import SignalStrategy

    return strategy.warm_up(strategy.values(values)) if isinstance(strategy, SignalStrategy) else 0


def _begins_minute(strategy: "Strategy") -> int:
    """The first moment of its day, in minutes since the open; below zero before it."""
    return min((0, *strategy.times)) if isinstance(strategy, type) else 0


def _costs(text: str) -> tuple[str, Product]:
    """Whose charges, and the product: MIS where none is said.  Errors: `InvalidValueError`."""
    broker, _, word = text.partition(":")
    if broker in ("none", "flat"):
        return text, Product.MIS
    try:
        return broker, Product(word.upper()) if word else Product.MIS
    except ValueError:
        raise InvalidValueError(
            f"costs {text!r} name no product",
            hint="write none, flat:0.001 or BROKER:PRODUCT, such as zerodha:MIS; NRML carries futures and options",
        ) from None
