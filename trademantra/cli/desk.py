"""`tm desk`: where the desk stands, the kill switch, and what is asked of a desk that runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from trademantra.cli.desk_options import SomeAccounts
from trademantra.cli.places import AsJson, DatabaseOption, DataDirectory, with_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trademantra.kit.database import Database
    from trademantra.trading.control.books import ShownOrder, ShownPosition

desk_app = typer.Typer(
    name="desk",
    help="The desk: status, positions, orders, kill switch, requests.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_MOST_DONE_ORDERS = 50


def register(app: typer.Typer) -> None:
    """Add `tm desk` with its commands to `app`; calling it again adds nothing twice."""
    from trademantra.cli import (
        desk_algos,
        desk_basket,
        desk_dead_man,
        desk_kill,
        desk_orders,
        desk_place,
        desk_requests,
        desk_run,
        desk_start,
    )

    desk_kill.register(desk_app)
    desk_requests.register(desk_app)
    desk_run.register(desk_app)
    desk_place.register(desk_app)
    desk_orders.register(desk_app)
    desk_basket.register(desk_app)
    desk_algos.register(desk_app)
    desk_dead_man.register(desk_app)
    desk_start.register(desk_app)
    if all(group.typer_instance is not desk_app for group in app.registered_groups):
        app.add_typer(desk_app, rich_help_panel="Trade")


@desk_app.command(
    "status", epilog="Examples: [bold]tm desk status[/bold] · [bold]tm desk status --json[/bold]"
)
def status(as_json: AsJson = False, data_dir: DataDirectory = None, database: DatabaseOption = None) -> None:
    """What is killed, which desks run, how each account stands, what ran last."""
    from trademantra.cli import desk_dead_man, desk_kill, desk_views
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.risk.kill import KillSwitch

    home, now_ns = chosen_home(data_dir), SystemClock().now_ns()
    switch = KillSwitch(home, now_ns)
    kills, timers = switch.in_force(), list(switch.dead_men.values())
    if not as_json:
        desk_kill.show_kills(kills)  # first, for it needs no database
        desk_dead_man.show_timers(timers)
    found = with_database(home, database, desk_views.read_status)
    if as_json:
        desk_views.print_json(
            desk_views.status_json(found, kills, now_ns) | desk_dead_man.timers_json(timers)
        )
    else:
        desk_views.show_status(found, now_ns)


@desk_app.command("positions", epilog="Example: [bold]tm desk positions --account asha[/bold]")
def positions(
    account: SomeAccounts = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is flat again.")] = False,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """What the desk's strategies hold, at cost.  Positions made elsewhere in the same account are not the desk's."""
    from trademantra.cli import desk_views
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.control import books

    async def work(opened_database: "Database") -> "tuple[Sequence[ShownPosition], desk_views.Told]":
        found = await books.positions(opened_database, account, flat=everything)
        return found, await desk_views.read_told(opened_database)

    held, told = with_database(chosen_home(data_dir), database, work)
    now_ns = SystemClock().now_ns()
    if as_json:
        desk_views.print_json([desk_views.position_json(each) for each in held])
    else:
        desk_views.show_positions(held, told, now_ns, everything=everything)


@desk_app.command(
    "orders",
    epilog="Examples: [bold]tm desk orders[/bold] · [bold]tm desk orders --account asha --all[/bold]",
)
def orders(
    account: SomeAccounts = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Also the last {_MOST_DONE_ORDERS} that are done.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDirectory = None,
    database: DatabaseOption = None,
) -> None:
    """Orders that still work, with the ids that tm desk cancel and modify take; with --all also those that are done."""
    from trademantra.cli import desk_views
    from trademantra.data.home import chosen_home
    from trademantra.kit.clock import SystemClock
    from trademantra.trading.control import books, named_orders

    async def work(
        opened_database: "Database",
    ) -> "tuple[Sequence[ShownOrder], Mapping[str, str], desk_views.Told]":
        done = _MOST_DONE_ORDERS if everything else 0
        found = await books.orders(opened_database, account, final=done)
        names = await named_orders.short_ids(opened_database, {each.order.order_id for each in found})
        return found, names, await desk_views.read_told(opened_database)

    found, names, told = with_database(chosen_home(data_dir), database, work)
    now_ns = SystemClock().now_ns()
    if as_json:
        desk_views.print_json([desk_views.order_json(each) for each in found])
    else:
        desk_views.show_orders(found, names, told, now_ns, everything=everything)
