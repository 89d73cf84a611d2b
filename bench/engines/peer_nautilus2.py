"""NautilusTrader 2.0 release candidate: the all-Rust engine with Python strategies; fills at the signal bar's close."""

from collections import deque
from decimal import Decimal

import data
from harness import main, task
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig, LogLevel
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model import (
    AccountType,
    AggressorSide,
    Bar,
    BarType,
    Currency,
    CurrencyPair,
    InstrumentId,
    Money,
    OmsType,
    OrderSide,
    Price,
    Quantity,
    QuoteTick,
    Symbol,
    TradeId,
    TradeTick,
    Venue,
)
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import Strategy, StrategyConfig

SIM, USD, EUR = Venue("SIM"), Currency.from_str("USD"), Currency.from_str("EUR")
ID = InstrumentId(Symbol("EUR/USD"), SIM)
BAR_TYPE = BarType.from_str("EUR/USD.SIM-1-MINUTE-LAST-EXTERNAL")


def instrument():
    return CurrencyPair(
        instrument_id=ID,
        raw_symbol=Symbol("EUR/USD"),
        base_currency=EUR,
        quote_currency=USD,
        price_precision=4,
        size_precision=0,
        price_increment=Price(0.0001, 4),
        size_increment=Quantity(1, 0),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
    )


class Base(Strategy):
    def __init__(self):
        super().__init__(StrategyConfig(log_events=False, log_commands=False))
        self.held, self.fills, self.closed, self.seen = 0, 0, 0, 0
        self.was = 0.0

    def on_start(self):
        self.subscribe_bars(BAR_TYPE)

    def on_order_filled(self, event):
        self.fills += 1

    def act(self, now, price):
        if now > 0 >= self.was and self.was != 0.0:
            if not self.held:
                cash = float(self.cache.account_for_venue(SIM).balance_total(USD))
                self.held = int(cash / (price * 1.001))
                self.submit_order(self.order_factory.market(ID, OrderSide.BUY, Quantity(self.held, 0)))
        elif now < 0 <= self.was and self.was != 0.0:
            if self.held:
                self.submit_order(self.order_factory.market(ID, OrderSide.SELL, Quantity(self.held, 0)))
                self.held = 0
                self.closed += 1
        self.was = now


class Cross(Base):
    def on_start(self):
        self.f, self.s = SimpleMovingAverage(20), SimpleMovingAverage(100)
        self.register_indicator_for_bars(BAR_TYPE, self.f)
        self.register_indicator_for_bars(BAR_TYPE, self.s)
        super().on_start()

    def on_bar(self, bar):
        if self.s.initialized:
            self.act(self.f.value - self.s.value, float(bar.close))


class CrossCallback(Base):
    def on_start(self):
        self.win, self.sum_f, self.sum_s = deque(), 0.0, 0.0
        super().on_start()

    def on_bar(self, bar):
        c = float(bar.close)
        win = self.win
        win.append(c)
        self.sum_f += c
        self.sum_s += c
        n = len(win)
        if n > 20:
            self.sum_f -= win[n - 21]
        if n > 100:
            self.sum_s -= win.popleft()
        if n >= 100:
            self.act(self.sum_f / 20 - self.sum_s / 100, c)


class CountTicks(Base):
    """Keeps a running mean of every tick and trades once in 10,000."""

    def on_start(self):
        self.mean = 0.0
        self.subscribe_trades(ID)
        self.subscribe_quotes(ID)

    def on_trade(self, tick):
        self.on_price(float(tick.price))

    def on_quote(self, tick):
        self.on_price(float(tick.bid_price))

    def on_price(self, p):
        self.mean += 0.05 * (p - self.mean)
        self.seen += 1
        if self.seen % 10_000 == 0:
            side = OrderSide.SELL if self.held else OrderSide.BUY
            self.submit_order(self.order_factory.market(ID, side, Quantity(1, 0)))
            self.held = 1 - self.held


def bars():
    b = data.load("bars1000000")
    vol = Quantity(10_000_000_000, 0)
    o, h, l, c = ([Price(x, 4) for x in b[k].tolist()] for k in ("open", "high", "low", "close"))
    return [Bar(BAR_TYPE, *x, vol, t, t) for *x, t in zip(o, h, l, c, b["ts"].tolist())]


def trades():
    b = data.load("bars1000000")
    q = Quantity(1000, 0)
    return [
        TradeTick(ID, Price(p, 4), q, AggressorSide.BUY, TradeId(str(i)), t, t)
        for i, (p, t) in enumerate(zip(b["close"].tolist(), b["ts"].tolist()))
    ]


def quotes():
    b = data.load("bars1000000")
    q = Quantity(1000, 0)
    return [
        QuoteTick(ID, Price(p, 4), Price(p + 0.01, 4), q, q, t, t)
        for p, t in zip(b["close"].tolist(), b["ts"].tolist())
    ]


def run(strategy, events):
    items = events()

    def work():
        engine = BacktestEngine(
            BacktestEngineConfig(
                logging=LoggerConfig(stdout_level=LogLevel.OFF, bypass_logging=True),
                run_analysis=False,
                risk_engine=RiskEngineConfig(bypass=True),
            )
        )
        engine.add_venue(
            SIM,
            OmsType.NETTING,
            AccountType.MARGIN,
            [Money(1e8, USD)],
            base_currency=USD,
            default_leverage=Decimal(100),
            fee_model=MakerTakerFeeModel(Decimal("0.001"), Decimal("0.001")),
        )
        engine.add_instrument(instrument())
        engine.add_data(items)
        s = strategy()
        engine.add_strategy(s)
        engine.run()
        cash = float(engine.cache.account_for_venue(SIM).balance_total(USD))
        pnl = engine.portfolio.unrealized_pnl(ID)
        out = {"fills": s.fills, "closed": s.closed, "equity": cash + (float(pnl) if pnl else 0.0)}
        engine.dispose()
        return out

    return work, lambda r: r, len(items)


@task("T1")
def single():
    return run(Cross, bars)


@task("T4")
def callback():
    return run(CrossCallback, bars)


@task("T4_trades")
def trade_ticks():
    return run(CountTicks, trades)


@task("T4_quotes")
def quote_ticks():
    return run(CountTicks, quotes)


if __name__ == "__main__":
    main()
