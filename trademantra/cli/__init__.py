"""`tm`: the commands.  Modules here import typer, rich and core at the top; everything else inside a command,
so that `tm --help` stays fast."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from trademantra import __version__
from trademantra.cli import (
    account,
    backtest,
    charges,
    check,
    data,
    delete,
    desk,
    instruments,
    library,
    live,
    main_job,
    montecarlo,
    optimise,
    paper,
    parity,
    sample,
    sandbox,
    sessions,
    sweep,
    walkforward,
)
from trademantra.core.errors import TradeMantraError

USER_ERROR = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

app = typer.Typer(
    name="tm",
    help="Trade Mantra: write a strategy once; back-test, sweep, paper-trade and run it live.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[  # `main` takes it out of any place on the line; here it is only told of
        bool, typer.Option("--debug", help="With any command: the traceback of an error.")
    ] = False,
) -> None:
    """What every command knows."""


for area in (
    main_job, backtest, sweep, optimise, walkforward, montecarlo, check, library, paper, live, parity, account, desk, sandbox,
    data, sample, delete, instruments, sessions, charges,
):  # fmt: skip
    area.register(app)


def main() -> NoReturn:
    """Run `tm` and leave with its exit code.

    0 done, 2 the user can mend it, 130 interrupted, 141 nobody reads the output any more (`tm … | head`).
    """
    try:
        code = _run([word for word in sys.argv[1:] if word != "--debug"], debug="--debug" in sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        code = PIPE_CLOSED
    if code == PIPE_CLOSED:
        # Python would flush once more on the way out, and tell of the failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(arguments: list[str], *, debug: bool) -> int | str | None:
    try:
        app(arguments, prog_name="tm")
    except SystemExit as leaving:
        # typer and rich turn a closed pipe into exit code 1, which here means that something was found.
        return PIPE_CLOSED if isinstance(leaving.__context__, BrokenPipeError) else leaving.code
    except TradeMantraError as error:
        if debug:
            raise
        typer.secho(f"tm: {error.message}", err=True, fg="red")
        if error.hint:
            typer.echo(f"    {error.hint}", err=True)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        typer.secho(f"tm: {place}{error.strerror or error}", err=True, fg="red")
        typer.echo(
            "    check the path, its permissions and the free space; nothing half-written was left", err=True
        )
        return USER_ERROR
    return 0
