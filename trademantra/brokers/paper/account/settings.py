"""How an account is margined: every number that is a broker's or a clearing house's choice, with its source.

Confidence is that of specs/india-markets.md.  There is no SPAN file here: `span` is a fraction of the contract's value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument, Segment
from trademantra.markets.charges.tariffs import BrokerTariff
from trademantra.markets.contracts.classes import INDEX_UNDERLYINGS


@dataclass(frozen=True, slots=True)
class RiskFractions:
    """Margin of one futures or short options position: fractions of its value at the price (of options: the strike)."""

    span: Decimal
    exposure: Decimal

    def __post_init__(self) -> None:
        if not (0 <= self.span <= 1 and 0 <= self.exposure <= 1):
            raise InvalidValueError(
                f"margin fractions lie between 0 and 1, got {self.span} and {self.exposure}"
            )


@dataclass(frozen=True, slots=True)
class RejectionTexts:
    """The broker's words.  `{required}`, `{available}`, `{account}`, `{symbol}`, `{quantity}`, `{free}` are filled in.

    Funds: an order of Kite's published sample answers, 2022-05-24 (zerodha/kiteconnect-mocks orders.json), high.
    Holdings: its raw beginning "RMS:Rule: Check holdings" (tradingqna.com thread 24010, 2018), med; what a client reads
    today was not found: low.  Conversion: low.
    """

    funds: str = (
        "Insufficient funds. Required margin is {required} but available margin is {available}. "
        "Check the orderbook for open orders."
    )
    funds_raw: str = (
        "RMS:Margin Exceeds,Required:{required}, Available:{available} for entity account-{account} "
        "across exchange across segment across product "
    )
    holdings: str = "Insufficient holdings. {quantity} {symbol} to sell but {free} free. Check the orderbook for open orders."
    holdings_raw: str = (
        "RMS:Rule: Check holdings for entity account-{account} across exchange across segment across product "
    )
    conversion: str = "Conversion quantity {quantity} of {symbol} is more than the open quantity {free}."
    product: str = "Product {product} is not available for {symbol}."


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSettings:
    """All fractions are of value.

    `intraday`: MIS shares; at least VaR + ELM and at least 20%, so at most 5x (sheet section 4, 2021-09-01, K).
    `cover`: multiplies the margin of a cover order's entry; 1, no benefit: the same floor binds it (K, low).
    `mtf`: the client's own part; Zerodha lends up to 80% depending on the share (zerodha.com/z-connect ?p=399696, med);
    the default is more careful (low).
    `mtf_interest_per_day`: of the funded part, by calendar days: Zerodha 0.04% (support.zerodha.com
    interest-calculation-for-mtf, med).
    `index`, `stock`, `currency`, `commodity`: futures and short options.  Exposure of index contracts 2% (Kite's sample
    basket of 2023-01, high), of others K; the SPAN parts are round numbers near what brokers' calculators show, low.
    `intraday_derivatives`: part of that margin asked of MIS: all of it since 2021-09-01 (sheet section 4, K).
    `calendar_spread_span`: SPAN of a future against one of another expiry, of the farther leg's value, and
    `calendar_spread_exposure`: part of that leg's exposure: 1.84% and one third in the same sample basket (med).
    `hedge_benefit` false: no position lowers another's margin.
    `holding_sale_credit`: of delivered shares sold, usable the same day: all, since 2024-10-07; `t1_sale_credit`: of
    shares not delivered yet: none; `use_todays_profit`: no, settled next day; `premium_buys_options_only`: premium
    received today pays for options only (all four: support.zerodha.com
    why-does-kite-allow-me-to-take-positions-with-my-unsettled-balances, high).
    `short_delivery`: shares sold intraday and not bought back are closed out this much above the close (sheet
    section 4, K, med).
    `exits_share_holdings`: working sales of the same delivered shares need them once, as a stop and its target do; Zerodha
    asks for them twice (false).
    `own_fractions`: by trading symbol or underlying, before all others.  `tariff`: whose contract note is charged,
    None: nothing is.
    """

    tariff: str | BrokerTariff | None = "zerodha"
    intraday: Decimal = Decimal("0.20")
    cover: Decimal = Decimal(1)
    mtf: Decimal = Decimal("0.25")
    mtf_interest_per_day: Decimal = Decimal("0.0004")
    index: RiskFractions = RiskFractions(Decimal("0.10"), Decimal("0.02"))
    stock: RiskFractions = RiskFractions(Decimal("0.16"), Decimal("0.035"))
    currency: RiskFractions = RiskFractions(Decimal("0.025"), Decimal("0.01"))
    commodity: RiskFractions = RiskFractions(Decimal("0.10"), Decimal("0.0125"))
    own_fractions: Mapping[str, RiskFractions] = field(default_factory=lambda: MappingProxyType({}))
    own_intraday: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    intraday_derivatives: Decimal = Decimal(1)
    hedge_benefit: bool = True
    calendar_spread_span: Decimal = Decimal("0.02")
    calendar_spread_exposure: Decimal = Decimal(1) / 3
    holding_sale_credit: Decimal = Decimal(1)
    t1_sale_credit: Decimal = Decimal(0)
    use_todays_profit: bool = False
    premium_buys_options_only: bool = True
    exits_share_holdings: bool = False
    short_delivery: Decimal = Decimal("0.20")
    texts: RejectionTexts = RejectionTexts()

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Decimal) and not 0 <= value <= 1:
                raise InvalidValueError(f"margin setting {item.name} lies between 0 and 1, got {value}")
        for symbol, fraction in self.own_intraday.items():
            if not 0 < fraction <= 1:
                raise InvalidValueError(f"intraday margin of {symbol} lies between 0 and 1, got {fraction}")

    def fractions(self, symbol: str, instrument: Instrument) -> RiskFractions:
        """Margin fractions of a futures or options contract."""
        for name in (symbol, instrument.underlying or ""):
            if name in self.own_fractions:
                return self.own_fractions[name]
        if instrument.segment in (Segment.CURRENCY_FUTURES, Segment.CURRENCY_OPTIONS):
            return self.currency
        if instrument.segment in (Segment.COMMODITY_FUTURES, Segment.COMMODITY_OPTIONS):
            return self.commodity
        return self.index if is_index_contract(instrument) else self.stock

    def intraday_fraction(self, symbol: str) -> Decimal:
        return self.own_intraday.get(symbol, self.intraday)


def is_index_contract(instrument: Instrument) -> bool:
    return instrument.underlying in INDEX_UNDERLYINGS
