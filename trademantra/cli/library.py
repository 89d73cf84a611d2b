"""`tm strategies` and `tm indicators`: what there is to run."""

from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.core.errors import NotFoundError

if TYPE_CHECKING:
    from trademantra.engine.backtest import Strategy
    from trademantra.engine.parameters import Parameter


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command(rich_help_panel="Research", epilog="Example: [bold]tm strategies supertrend[/bold]")(
        strategies
    )
    app.command(
        rich_help_panel="Research",
        epilog="Example: [bold]tm indicators rsi --bars RELIANCE --set length=10[/bold]",
    )(indicators)


def strategies(
    name: Annotated[str | None, typer.Argument(help="Show one, with its parameters.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The strategies that come with the product."""
    from trademantra.strategies.registry import load_strategy, load_strategy_file, strategy_names

    if name is not None and name.endswith(".py"):
        chosen = [load_strategy_file(name)]
    else:
        chosen = [load_strategy(each) for each in ([name] if name else strategy_names())]
    if as_json:
        import json

        typer.echo(json.dumps([_described(each) for each in chosen], indent=1))
        return
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(emoji=False)
    if name:
        [one] = chosen
        console.print(f"[bold]{one.title}[/bold] ({one.name})", highlight=False)
        console.print(one.idea, highlight=False, markup=False)
        console.print(
            f"market: {one.market}\nsource: {one.source}", style="dim", highlight=False, markup=False
        )
        console.print(_parameters(one.parameters))
        return
    table = Table(Column("name", no_wrap=True), "title", "kind", "parameters")
    for one in chosen:
        table.add_row(
            one.name,
            one.title,
            _kind(one),
            ", ".join(f"{p.name} {p.default:g}" for p in one.parameters),
        )
    console.print(table)


def indicators(
    name: Annotated[str | None, typer.Argument(help="Show one, or compute it with --bars.")] = None,
    bars: Annotated[
        str | None, typer.Option("--bars", metavar="PATH|SYMBOL", help="Bars to compute it on.")
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="Choose the symbol of a file.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", help="5m, 1h, 1d …")] = None,
    exchange: Annotated[str | None, typer.Option("--exchange", help="Exchange of a file's bars.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Zone of a file's times.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many of the last bars to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The indicators; with --bars, the values of one at the last bars."""
    from difflib import get_close_matches

    from trademantra.engine.indicators.registry import INDICATORS

    if name is not None and name not in INDICATORS:
        near = ", ".join(get_close_matches(name, list(INDICATORS), 5, 0.4)) or "see tm indicators"
        raise NotFoundError(f"there is no indicator {name!r}", hint=f"did you mean {near}?")
    if name is not None and bars is not None:
        _values(
            name,
            bars,
            tuple(symbol or ()),
            timeframe,
            exchange,
            timezone,
            tuple(settings or ()),
            rows,
            as_json,
        )
        return
    chosen = [INDICATORS[each] for each in ([name] if name else INDICATORS)]
    if as_json:
        import json

        described = [
            {
                "name": one.name, "title": one.title, "outputs": one.outputs, "source": one.source,
                "parameters": [_parameter(p) for p in one.parameters],
            }
            for one in chosen
        ]  # fmt: skip
        typer.echo(json.dumps(described, indent=1))
        return
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(emoji=False)
    if name:
        [only] = chosen
        console.print(f"[bold]{only.title}[/bold] ({only.name}): {', '.join(only.outputs)}", highlight=False)
        console.print(only.source, style="dim", highlight=False, markup=False)
        console.print(_parameters(only.parameters))
        return
    table = Table(Column("name", no_wrap=True), "title", "parameters", "outputs")
    for one in chosen:
        table.add_row(
            one.name,
            one.title,
            ", ".join(f"{p.name} {p.default:g}" for p in one.parameters),
            ", ".join(one.outputs),
        )
    console.print(table)


def _values(
    name: str,
    bars: str,
    symbols: tuple[str, ...],
    timeframe: str | None,
    exchange: str | None,
    timezone: str | None,
    settings: tuple[str, ...],
    rows: int,
    as_json: bool,
) -> None:
    from trademantra.cli.run_options import settings_of
    from trademantra.core.bar import Timeframe
    from trademantra.core.errors import InvalidValueError
    from trademantra.core.time import datetime_of, parse_zone
    from trademantra.data.home import bars_home
    from trademantra.data.store import BarStore
    from trademantra.engine.indicators.registry import INDICATORS
    from trademantra.research.inputs import RunSpec, prepare_run

    spec = RunSpec(
        sources=(bars,), symbols=symbols, timeframe=Timeframe.parse(timeframe) if timeframe else None,
        exchange=exchange, timezone=parse_zone(timezone) if timezone else None,
    )  # fmt: skip
    prepared = prepare_run(spec, BarStore(bars_home()))
    if len(prepared.given.bars) != 1:
        raise InvalidValueError(
            f"{len(prepared.given.bars)} symbols were found", hint="choose one with --symbol"
        )
    [one], [timeline] = prepared.given.bars.values(), prepared.given.timelines.values()
    out = INDICATORS[name].batch(one, timeline.session, **settings_of(settings))
    shown = range(max(0, len(one) - rows), len(one))
    times = [datetime_of(int(one.ts[i]), prepared.zone) for i in shown]
    columns = {"close": one.close, **out}
    if as_json:
        import json

        from trademantra.reports.json_values import figure, number

        table = [
            {
                "time": when.isoformat(),
                **{key: number(figure(float(values[i]))) for key, values in columns.items()},
            }
            for i, when in zip(shown, times, strict=True)
        ]
        typer.echo(json.dumps(table, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table("time", title=f"{prepared.series[0]}, {prepared.timeframe}: {INDICATORS[name].title}")
    for key in columns:
        view.add_column(key, justify="right")
    for i, when in zip(shown, times, strict=True):
        cells = (float(values[i]) for values in columns.values())
        view.add_row(f"{when:%Y-%m-%d %H:%M}", *(f"{cell:,.4f}" if cell == cell else "–" for cell in cells))
    Console(emoji=False).print(view)


def _kind(strategy: "Strategy") -> str:
    from trademantra.engine.panel import AllocationStrategy
    from trademantra.engine.strategy import SignalStrategy

    if isinstance(strategy, SignalStrategy):
        return "signal"
    return "allocation" if isinstance(strategy, AllocationStrategy) else "event"


def _described(strategy: "Strategy") -> dict[str, object]:
    return {
        "name": strategy.name, "title": strategy.title, "kind": _kind(strategy), "idea": strategy.idea,
        "source": strategy.source, "market": strategy.market,
        "parameters": [_parameter(p) for p in strategy.parameters],
    }  # fmt: skip


def _parameter(parameter: "Parameter") -> dict[str, object]:
    return {
        "name": parameter.name, "default": parameter.default, "low": parameter.low, "high": parameter.high,
        "step": parameter.step, "integer": parameter.integer, "description": parameter.description,
    }  # fmt: skip


def _parameters(parameters: "tuple[Parameter, ...]") -> object:
    from rich.table import Table

    table = Table("parameter", "default", "from", "to", "step", "what it is")
    for one in parameters:
        table.add_row(
            one.name, f"{one.default:g}", f"{one.low:g}", f"{one.high:g}", f"{one.step:g}", one.description
        )
    return table
