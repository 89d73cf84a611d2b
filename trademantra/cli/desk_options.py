"""The options of `tm desk`, each in one place, and how its commands are added."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from trademantra.cli.option_groups import grouped
from trademantra.core.order import Product, Validity

_ALGORITHM = "Algorithm"
_PROTECTION = "Protection"
_PRODUCTS = ", ".join(Product)

OneAccount = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="The account; not needed when one desk runs.")
]
SomeAccounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="NAME", help="Only this account; may be repeated.")
]
Timeout = Annotated[float, typer.Option(min=0.5, help="Seconds to wait for the desk's answer.")]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="ID", help="Only this one; default: all.")
]
SessionOption = Annotated[
    str | None,
    typer.Option("--session", metavar="NAME", help="Go on with a session that was interrupted."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also on a live account.")]
RequestId = Annotated[
    str | None,
    typer.Option("--id", metavar="NAME", help="A name of your own: the same one again places nothing twice."),
]
Symbol = Annotated[
    str,
    typer.Argument(
        metavar="SYMBOL",
        help="INFY, NSE:INFY, or a contract as the broker names it: NIFTY26NOVFUT, NFO:NIFTY26NOV25000CE.",
    ),
]
ProductOption = Annotated[
    str,
    typer.Option("--product", help=f"One of {_PRODUCTS}; which of them, the instrument and the broker say."),
]
OldProduct = Annotated[
    str, typer.Option("--from", metavar="PRODUCT", help=f"As it is held now: {_PRODUCTS}.")
]
NewProduct = Annotated[str, typer.Option("--to", metavar="PRODUCT", help="As it is to be held.")]
ValidityOption = Annotated[str, typer.Option("--validity", help=f"{Validity.DAY} or {Validity.IOC}.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Distances of exits, as texts."""

    stop: Annotated[
        str | None, typer.Option("--stop", help="Stop loss: 1% or 15pt.", rich_help_panel=_PROTECTION)
    ] = None
    target_at: Annotated[
        str | None, typer.Option("--target", help="Target: 2% or 30pt.", rich_help_panel=_PROTECTION)
    ] = None
    trail: Annotated[
        str | None,
        typer.Option(
            "--trail", help="Trailing stop behind the best price: 1% or 15pt.", rich_help_panel=_PROTECTION
        ),
    ] = None

    def words(self) -> dict[str, str | bool | None]:
        return {"stop": self.stop, "target": self.target_at, "trail": self.trail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """How a quantity is worked, as texts."""

    algo: Annotated[
        str | None,
        typer.Option(
            "--algo", help="twap, vwap, iceberg, participation or chase.", rich_help_panel=_ALGORITHM
        ),
    ] = None
    minutes: Annotated[
        str | None,
        typer.Option("--minutes", help="How long it may take (not iceberg).", rich_help_panel=_ALGORITHM),
    ] = None
    parts: Annotated[
        str | None,
        typer.Option(
            "--parts", help="twap, vwap: how many; default one a minute.", rich_help_panel=_ALGORITHM
        ),
    ] = None
    shown: Annotated[
        str | None, typer.Option("--shown", help="iceberg: units at a time.", rich_help_panel=_ALGORITHM)
    ] = None
    share: Annotated[
        str | None,
        typer.Option("--share", help="participation: of what trades, 10%.", rich_help_panel=_ALGORITHM),
    ] = None
    follows: Annotated[
        str | None,
        typer.Option("--follows", help="chase: own_best, other_best, last.", rich_help_panel=_ALGORITHM),
    ] = None
    rest: Annotated[
        bool,
        typer.Option(
            "--rest", help="Parts wait at the best price of their own side.", rich_help_panel=_ALGORITHM
        ),
    ] = False
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up", help="At the end the rest is not bought at market.", rich_help_panel=_ALGORITHM
        ),
    ] = False

    def words(self) -> dict[str, str | bool | None]:
        return {
            "algo": self.algo, "minutes": self.minutes, "parts": self.parts, "shown": self.shown, "share": self.share,
            "follows": self.follows, "rest": self.rest, "give_up": self.give_up,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeskCommand:
    """A command of `tm desk`; `epilog` shows examples."""

    name: str
    callback: Callable[..., None]
    epilog: str


def add(desk_app: typer.Typer, *commands: DeskCommand) -> None:
    """Add these to `tm desk`; those that it has already are left."""
    known = {each.name for each in desk_app.registered_commands}
    for each in commands:
        if each.name not in known:
            desk_app.command(each.name, epilog=each.epilog)(grouped(each.callback))
