"""How the simulated exchange behaves.  Every default is the honest one, and reproducible."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from random import Random

from trademantra.core.errors import InvalidValueError
from trademantra.engine.rules import Slippage, TradingRules
from trademantra.markets.sessions import NO_OVERRIDES, Overrides
from trademantra.markets.sessions.squareoff import DEFAULT_BROKER

_NO_SLIPPAGE = Slippage()


class Hours(StrEnum):
    """When orders are taken."""

    EXCHANGE = "exchange"
    """In the sessions of `markets.sessions`; where they are not known, a request outside says so."""
    ALWAYS = "always"
    """At any time: around-the-clock markets, invented sessions, tests."""


class Meets(StrEnum):
    """Which price an arriving order meets first."""

    NEXT_PRICE = "next_price"
    """The first one after its arrival, as in a back-test: nothing trades at a price that was there before it."""
    STANDING = "standing"
    """The market as it stands: the last price, or the visible depth.  For live ticks that come seldom."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a request is under way, in nanoseconds of exchange time: lognormal around `median_ns`.

    `spread` is the deviation of the logarithm: 0 always gives the median, 0.5 a 95th percentile of 2.3 medians.
    """

    median_ns: int = 0
    spread: float = 0.0

    def __post_init__(self) -> None:
        if self.median_ns < 0 or not 0.0 <= self.spread <= 5.0:
            raise InvalidValueError(
                f"a latency of {self.median_ns} ns with spread {self.spread} is not possible"
            )

    def of(self, seed: int, number: int) -> int:
        """Delay of request `number`: the same for the same seed, also after a restart."""
        if self.median_ns == 0 or self.spread == 0.0:
            return self.median_ns
        random = Random(f"latency:{seed}:{number}")  # noqa: S311  (no secret)
        return int(self.median_ns * random.lognormvariate(0.0, self.spread))


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """What the market gives.  The same words as `engine.rules.TradingRules`, and the same meaning.

    `limit_touch`: limits fill when touched, not only when traded through.  `participation`: at most this fraction of
    an event's volume fills (0: no bound).  `entry_bar`: protection works in the event of its entry already.
    `target_first`: in an event that holds stop and target, the target.
    `visible_depth`: what takes liquidity walks the visible depth, level by level, and waits for the next event with
    the rest.  `queue`: a limit order stands behind the quantity that was visible at its price when it joined; at a
    touch it fills only when that has traded.
    """

    limit_touch: bool = False
    slippage: Slippage = _NO_SLIPPAGE
    participation: float = 0.0
    entry_bar: bool = True
    target_first: bool = False
    visible_depth: bool = False
    queue: bool = False

    def __post_init__(self) -> None:
        if not isfinite(self.participation) or not 0.0 <= self.participation <= 1.0:
            raise InvalidValueError(f"participation {self.participation:g} is not within 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """Everything that can be set of one exchange.

    `square_off`: whose times close intraday positions (`markets.sessions`), None: nobody's.  `unprotected_orders`:
    whether MARKET and SL-M without market protection are taken (specs/brokers.md 1.5: not since 2026-04-01).
    `most_changes`: modifications of one order (specs/brokers.md 0.6).
    `journal_prices`: whether prices go into the journal; without them a restart knows none until the feed brings them.
    `is_compiled`: prices are taken by compiled code, for replays; the fills are the same without, and no compiler is loaded.
    """

    liquidity: Liquidity = Liquidity()
    latency: Latency = Latency()
    meets: Meets = Meets.NEXT_PRICE
    hours: Hours = Hours.EXCHANGE
    overrides: Overrides = field(default=NO_OVERRIDES)
    square_off: str | None = DEFAULT_BROKER
    unprotected_orders: bool = True
    most_changes: int = 25
    journal_prices: bool = True
    seed: int = 0
    is_compiled: bool = True


def liquidity_of(rules: TradingRules) -> Liquidity:
    """The fill rules of a back-test, for an exchange that fills as it does.  Errors: `InvalidValueError`."""
    return Liquidity(
        limit_touch=rules.limit_touch,
        slippage=rules.slippage,
        participation=rules.participation,
        entry_bar=rules.entry_bar,
        target_first=rules.target_first,
    )
