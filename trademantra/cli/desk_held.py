"""What `tm desk status` says of positions that somebody must look at."""

from collections.abc import Mapping, Sequence

import typer

from trademantra.trading.control.held import OpenPosition


def show_held(held: Mapping[str, Sequence[OpenPosition]], running: frozenset[str]) -> None:
    """Those that somebody must look at; `running`: accounts that a desk serves now."""
    for name, mine in sorted(held.items()):
        runs = name in running
        for each in mine:
            if not each.is_alarming:
                continue
            typer.secho(
                f"{each.words(desk_runs=runs)}{'' if runs else '; no desk runs there'}",
                fg=None if each.is_protected else "red",
            )
            typer.echo(
                f"  {each.advice if runs else f'start its desk again, or: tm desk run --account {name}'}"
            )


def held_json(held: Sequence[OpenPosition]) -> list[dict[str, object]]:
    return [each.facts() for each in held]
