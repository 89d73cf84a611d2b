"""Price bands: the lowest and highest price that an exchange takes for an instrument on a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache

from trademantra.core.errors import InvalidValueError
from trademantra.core.money import decimal_of, round_down, round_up
from trademantra.markets.contracts.facts import ALWAYS, Confidence, Period, applying, only_row, read_rows

TABLE = "bands"


class BandGroup(StrEnum):
    """Instruments that share a rule."""

    SHARE_WITHOUT_DERIVATIVES = "share_without_derivatives"
    SHARE_WITH_DERIVATIVES = "share_with_derivatives"
    CLOSING_AUCTION = (
        "closing_auction"  # of a share with derivatives, from the reference price of the auction
    )
    ETF = "etf"  # equity and debt; base price is the 30-minute VWAP of the day before
    OVERNIGHT_ETF = "overnight_etf"


class BandKind(StrEnum):
    FIXED = "fixed"
    DYNAMIC = "dynamic"  # flexes, on the side that was hit, after a cooling-off


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRule:
    """One dated rule.  `percents` are those that a share may be assigned, one for all but fixed bands of shares.

    `flex_percent` is added per flex, up to `max_percent` where there is one; `cooling_off_minutes` pass first.
    """

    group: BandGroup
    kind: BandKind
    percents: tuple[Decimal, ...]
    flex_percent: Decimal | None = None
    max_percent: Decimal | None = None
    cooling_off_minutes: int | None = None
    period: Period = ALWAYS
    source: str = "override"
    confidence: Confidence = Confidence.HIGH


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Both bounds are allowed prices, on the tick.

    >>> Decimal("95.30") in PriceBand(Decimal("95.35"), Decimal("105.35"))
    False
    """

    lower: Decimal
    upper: Decimal

    def __contains__(self, price: Decimal) -> bool:
        return self.lower <= price <= self.upper


def price_band(
    group: BandGroup,
    base_price: Decimal,
    tick_size: Decimal,
    on: date,
    *,
    assigned_percent: Decimal | None = None,
    upward_flexes: int = 0,
    downward_flexes: int = 0,
    overrides: Sequence[BandRule] = (),
) -> PriceBand:
    """Band around a base price (the previous close, unless the group says otherwise), rounded inward to the tick.

    `assigned_percent` is the exchange's choice for a share without derivatives and must be given for it.
    Flexes count how often a dynamic band was widened on a side that day; only the side that was hit moves.
    The broker's circuit limits, where a quote carries them, come before this computation.
    Errors: `MissingFactError`, `InvalidValueError`.  Source: data/bands.csv (specs/india-markets.md 2.5);
    the rounding is ours (low confidence).

    >>> price_band(BandGroup.SHARE_WITHOUT_DERIVATIVES, Decimal("100.35"), Decimal("0.05"), date(2026, 11, 20),
    ...            assigned_percent=Decimal(5))
    PriceBand(lower=Decimal('95.35'), upper=Decimal('105.35'))
    """
    if not base_price > 0:
        raise InvalidValueError(f"a base price must be positive, got {base_price}")
    rule = band_rule(group, on, overrides=overrides)
    percent = _assigned(rule, assigned_percent)
    down, up = _flexed(rule, percent, downward_flexes), _flexed(rule, percent, upward_flexes)
    lower = max(tick_size, round_up(base_price * (1 - down / 100), tick_size))
    upper = round_down(base_price * (1 + up / 100), tick_size)
    if upper < lower:
        raise InvalidValueError(f"no price on a tick of {tick_size} lies in the band around {base_price}")
    return PriceBand(lower, upper)


def band_rule(group: BandGroup, on: date, *, overrides: Sequence[BandRule] = ()) -> BandRule:
    """The rule of a group on a day.  Errors: `MissingFactError`."""

    def applies(rule: BandRule) -> bool:
        return rule.group is group and on in rule.period

    return only_row(
        applying(overrides, band_rules(), applies),
        TABLE,
        f"{group} on {on}",
        hint="pass an override, or take the circuit limits from the broker's quote",
    )


def _assigned(rule: BandRule, assigned: Decimal | None) -> Decimal:
    if assigned is None and len(rule.percents) == 1:
        return rule.percents[0]
    if assigned not in rule.percents:
        known = ", ".join(f"{percent}" for percent in rule.percents)
        raise InvalidValueError(
            f"band of {rule.group}: the assigned percent must be one of {known}, got {assigned}",
            hint="the exchange publishes it for every share each day",
        )
    return assigned


def _flexed(rule: BandRule, percent: Decimal, flexes: int) -> Decimal:
    if flexes < 0 or (flexes and rule.flex_percent is None):
        raise InvalidValueError(f"a {rule.kind} band of {rule.group} cannot flex {flexes} times")
    flexed = percent + flexes * (rule.flex_percent or 0)
    return flexed if rule.max_percent is None else min(flexed, rule.max_percent)


@cache
def band_rules() -> tuple[BandRule, ...]:
    """The shipped rules."""
    return read_rows("bands.csv", _band_rule)


def _band_rule(texts: Mapping[str, str]) -> BandRule:
    def optional(name: str) -> Decimal | None:
        return decimal_of(texts[name], name) if texts[name] else None

    return BandRule(
        group=BandGroup(texts["group"]),
        kind=BandKind(texts["kind"]),
        percents=tuple(decimal_of(percent, "percents") for percent in texts["percents"].split()),
        flex_percent=optional("flex_percent"),
        max_percent=optional("max_percent"),
        cooling_off_minutes=int(texts["cooling_off_minutes"]) if texts["cooling_off_minutes"] else None,
        period=Period.parse(texts["from"], texts["to"]),
        source=texts["source"],
        confidence=Confidence(texts["confidence"]),
    )
