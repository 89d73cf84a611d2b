"""What `tm desk status` says of positions that somebody must look at."""

from collections.abc import Mapping, Sequence

import typer

from trademantra.trading.control.held import OpenPosition


def show_held(held: Mapping[str, Sequence[OpenPosition]], running: frozenset[str]) -> None:
    """Those that nobody decides on, or that nothing protects; `running`: accounts that a desk serves now."""
    for name, mine in sorted(held.items()):
        for each in mine:
            if name in running and each.sessions:
                continue  # its strategy leaves it
            desk = "" if name in running else "; no desk runs: nothing that it watched is watched"
            colour = "" if each.is_protected else "red"
            typer.secho(f"{each.words(desk_runs=name in running)}{desk}", fg=colour or None)
            typer.echo(f"  {each.advice}" if name in running else f"  start its desk again, or one for it: tm desk run --account {name}")  # fmt: skip


def held_json(held: Sequence[OpenPosition]) -> list[dict[str, object]]:
    return [each.facts() for each in held]
