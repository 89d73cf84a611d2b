"""Groups of options: typer sees each field as an option, and the command gets the group."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from trademantra.cli.option_groups import grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    folder: Annotated[str, typer.Option("--folder", help="Where it is.")] = "here"
    many: Annotated[list[str] | None, typer.Option("--many")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPlace(Place):
    folder: Annotated[str, typer.Option("--folder")] = "there"


@pytest.mark.parametrize(("kind", "default"), [(Place, "here"), (OtherPlace, "there")])
def test_fields_are_options_with_the_defaults_of_the_group(kind, default):
    def show(name: str, loud: bool = False, *, place) -> None:
        """Tell it."""
        typer.echo(f"{name} {loud} {place.folder} {place.many}")

    show.__annotations__["place"] = kind
    app = typer.Typer()
    app.command("show", epilog="x")(grouped(show))
    run = CliRunner().invoke
    assert run(app, ["a"]).output.split() == ["a", "False", default, "None"]
    said = run(app, ["a", "--folder", "f", "--loud", "--many", "1", "--many", "2"]).output
    assert said == "a True f ['1', '2']\n"
    shown = run(app, ["--help"]).output
    assert "--folder" in shown
    assert "Tell it." in shown
    assert run(app, ["a", "--place", "x"]).exit_code != 0


def test_what_cannot_be_a_group_is_refused_when_the_command_is_made():
    @dataclass
    class Needed:
        folder: str

    def one(place: Needed) -> None: ...

    def two(place: Place, folder: str = "") -> None: ...

    with pytest.raises(TypeError, match=r"Needed.folder has no default"):
        grouped(one)
    with pytest.raises(TypeError, match="two options of one name"):
        grouped(two)
