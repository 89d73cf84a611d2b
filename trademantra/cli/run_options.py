"""The options that every command which runs a strategy shares, and what they become."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.time import parse_date, parse_zone

if TYPE_CHECKING:
    from trademantra.engine.backtest import Strategy
    from trademantra.engine.rules import TradingRules
    from trademantra.research.inputs import Prepared, RunSpec

DATA, TRADING, OUTPUT = "Data", "Trading", "Output"


class Fill(StrEnum):
    NEXT_OPEN = "next_open"
    CLOSE = "close"


class LimitFill(StrEnum):
    THROUGH = "through"
    TOUCH = "touch"


StrategyName = Annotated[
    str, typer.Argument(metavar="STRATEGY", help="A name of `tm strategies`, or a .py file of yours.")
]
BarsOption = Annotated[
    list[str] | None,
    typer.Option("--bars", metavar="PATH|SYMBOL", help="A file, or a stored symbol.", rich_help_panel=DATA),
]
SymbolOption = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol",
        "--symbols",
        metavar="SYMBOL",
        help="Choose symbols; may be repeated.",
        rich_help_panel=DATA,
    ),
]
TimeframeOption = Annotated[
    str | None,
    typer.Option(
        "--timeframe", help="5m, 1h, 1d …: made from shorter bars where needed.", rich_help_panel=DATA
    ),
]
FirstOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.", rich_help_panel=DATA)
]
LastOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="Last day, inclusive.", rich_help_panel=DATA)
]
ExchangeOption = Annotated[
    str | None,
    typer.Option("--exchange", help="Exchange of a file's bars, or of stored symbols.", rich_help_panel=DATA),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option("--timezone", help="Zone of a file's times where it states none.", rich_help_panel=DATA),
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Do not adjust for splits and bonuses on file.", rich_help_panel=DATA)
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of your data; default: TRADEMANTRA_HOME or ~/.trademantra.",
        rich_help_panel=DATA,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the strategy.", rich_help_panel=TRADING),
]
CashOption = Annotated[float, typer.Option("--cash", help="Opening cash.", rich_help_panel=TRADING)]
CostsOption = Annotated[
    str,
    typer.Option(
        "--costs",
        help="none, flat:0.001 (of turnover) or BROKER:PRODUCT, such as zerodha:MIS.",
        rich_help_panel=TRADING,
    ),
]
FillOption = Annotated[
    Fill, typer.Option("--fill", help="When a decision made at a close is filled.", rich_help_panel=TRADING)
]
LimitFillOption = Annotated[
    LimitFill,
    typer.Option(
        "--limit-fill", help="Limits fill when traded through, or when touched.", rich_help_panel=TRADING
    ),
]
SlippageOption = Annotated[
    str,
    typer.Option(
        "--slippage", help="bps:2, ticks:1, range:0.1, impact:0.5 or none.", rich_help_panel=TRADING
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        help="quantity:50, cash:100000, equity:0.5, risk:0.01, atr:0.01, volatility:0.15, kelly:0.5, equal:5 "
        "(slots) or inverse:0.15.",
        rich_help_panel=TRADING,
    ),
]
StopOption = Annotated[
    str | None,
    typer.Option("--stop", help="2% of the entry price, 15pt or 3atr; none.", rich_help_panel=TRADING),
]
TargetOption = Annotated[str | None, typer.Option("--target", help="As --stop.", rich_help_panel=TRADING)]
TrailOption = Annotated[
    str | None, typer.Option("--trail", help="Trailing stop; as --stop.", rich_help_panel=TRADING)
]
ShortOption = Annotated[
    bool | None,
    typer.Option("--short/--long-only", help="Allow short positions or not.", rich_help_panel=TRADING),
]
LotOption = Annotated[
    float | None, typer.Option("--lot", help="Quantities are multiples of it.", rich_help_panel=TRADING)
]
TickOption = Annotated[
    float | None, typer.Option("--tick", help="Price step, for levels and slippage.", rich_help_panel=TRADING)
]
MarginOption = Annotated[
    float | None,
    typer.Option(
        "--margin",
        help="Fraction of a position covered by equity; 0.2 is five times leverage.",
        rich_help_panel=TRADING,
    ),
]
ParticipationOption = Annotated[
    float,
    typer.Option(
        "--participation",
        help="Largest fraction of a bar's volume that fills; 0: no limit.",
        rich_help_panel=TRADING,
    ),
]
TimeExitOption = Annotated[
    int | None, typer.Option("--time-exit", help="Leave after so many bars.", rich_help_panel=TRADING)
]
FinerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--finer",
        metavar="PATH|SYMBOL",
        help="Shorter bars that decide what happens inside a bar; a file or a stored symbol.",
        rich_help_panel=DATA,
    ),
]
FinerTimeframeOption = Annotated[
    str | None,
    typer.Option(
        "--finer-timeframe",
        help="Of the finer bars, such as 1m; alone: the run's own stored symbols.",
        rich_help_panel=DATA,
    ),
]
SegmentOption = Annotated[
    Segment, typer.Option("--segment", help="Whose charges and hours apply.", rich_help_panel=TRADING)
]
IntradayOption = Annotated[
    bool, typer.Option("--intraday", help="Flat at the end of each day.", rich_help_panel=TRADING)
]
RiskFreeOption = Annotated[
    float, typer.Option("--risk-free", help="Annual rate for Sharpe and others.", rich_help_panel=OUTPUT)
]
BenchmarkOption = Annotated[
    str | None,
    typer.Option("--benchmark", metavar="SYMBOL", help="For alpha and beta.", rich_help_panel=OUTPUT),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the shared options said, still in the user's words."""

    strategy: str
    bars: tuple[str, ...]
    symbols: tuple[str, ...]
    timeframe: str | None
    first: str | None
    last: str | None
    exchange: str | None
    timezone: str | None
    raw: bool
    data_dir: Path | None
    settings: tuple[str, ...]
    cash: float
    costs: str
    fill: Fill
    limit_fill: LimitFill
    slippage: str
    size: str | None
    stop: str | None
    target: str | None
    trail: str | None
    short: bool | None
    lot: float | None
    tick: float | None
    margin: float | None
    participation: float
    time_exit: int | None
    segment: Segment
    intraday: bool
    risk_free: float
    benchmark: str | None
    finer: tuple[str, ...] = ()
    finer_timeframe: str | None = None

    def load_strategy(self) -> "Strategy":
        """The named strategy, or that of a file.  Errors: `NotFoundError`, `InvalidValueError`."""
        from trademantra.strategies.registry import load_strategy, load_strategy_file

        if self.strategy.endswith(".py"):
            return load_strategy_file(Path(self.strategy))
        return load_strategy(self.strategy)

    def parameters(self) -> dict[str, float]:
        """`--set name=value` as numbers.  Errors: `InvalidValueError`."""
        return settings_of(self.settings)

    def spec(self, intraday: bool) -> "RunSpec":
        """What to run on.  Errors: `InvalidValueError` for dates, zones or timeframes that are none."""
        from trademantra.data.exchange_names import exchange_named
        from trademantra.research.inputs import RunSpec

        if not abs(self.risk_free) < 1.0:
            raise InvalidValueError(
                f"--risk-free {self.risk_free:g} is not an annual rate", hint="write 0.065 for 6.5 %"
            )
        first = parse_date(self.first) if self.first else None
        last = parse_date(self.last) if self.last else None
        if first and last and first > last:
            raise InvalidValueError(f"--from {first} is after --to {last}")
        return RunSpec(
            sources=self.bars,
            symbols=self.symbols,
            timeframe=Timeframe.parse(self.timeframe) if self.timeframe else None,
            first=first,
            last=last,
            costs=self.costs,
            segment=self.segment,
            exchange=exchange_named(self.exchange) if self.exchange else None,
            timezone=parse_zone(self.timezone) if self.timezone else None,
            benchmark=self.benchmark,
            adjusted=False if self.raw else None,
            intraday=self.intraday or intraday,
            risk_free_rate=self.risk_free,
        )

    def prepare(self, strategy: "Strategy") -> "Prepared":
        """Bars, sessions and charges of the run."""
        from trademantra.data.home import chosen_home
        from trademantra.data.store import BarStore
        from trademantra.engine.backtest import is_intraday
        from trademantra.research.finer import FinerSpec, with_finer
        from trademantra.research.inputs import prepare_run

        store, spec = BarStore(chosen_home(self.data_dir) / "bars"), self.spec(is_intraday(strategy))
        finer = FinerSpec(self.finer, Timeframe.parse(self.finer_timeframe) if self.finer_timeframe else None)
        return with_finer(prepare_run(spec, store), spec, finer, store)

    def rules(self, strategy: "Strategy", prepared: "Prepared") -> "TradingRules":
        """The strategy's own rules, changed by what the options say."""
        from dataclasses import replace

        from trademantra.engine.rules import FillAt, Level, Size, Slippage

        changes: dict[str, object] = {
            "cash": self.cash,
            "fill_at": FillAt(self.fill.value),
            "limit_touch": self.limit_fill is LimitFill.TOUCH,
            "slippage": Slippage.parse(self.slippage),
            "participation": self.participation,
        }
        optional: dict[str, object | None] = {
            "size": None if self.size is None else Size.parse(self.size),
            "stop": None if self.stop is None else Level.parse(self.stop),
            "target": None if self.target is None else Level.parse(self.target),
            "trail": None if self.trail is None else Level.parse(self.trail),
            "allow_short": self.short,
            "tick": self.tick,
            "time_exit": self.time_exit,
        }
        changes |= {name: value for name, value in optional.items() if value is not None}
        rules = prepared.rules(replace(strategy.rules, **changes))  # type: ignore[arg-type]
        # what the user states wins over what the product implies
        return replace(
            rules,
            lot=rules.lot if self.lot is None else self.lot,
            margin=rules.margin if self.margin is None else self.margin,
        )


def settings_of(texts: tuple[str, ...]) -> dict[str, float]:
    """`name=value` words as numbers.  Errors: `InvalidValueError`."""
    values = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise InvalidValueError(f"--set {text!r} is not NAME=NUMBER", hint="for example --set fast=10")
    return values
