"""Progress bars: on a terminal only, on standard error, gone when done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with count, rate and time left; yields the function that moves it: `progress(done, total)`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, emoji=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None, rate="")

        def move(done: int, total: int) -> None:
            elapsed = progress.tasks[0].elapsed or 0.0
            progress.update(task, completed=done, total=total, rate=rate_words(done, elapsed))

        yield move


def rate_words(done: int, seconds: float) -> str:
    """How fast it goes on the whole: a second, or a minute where that says more; nothing before there is an answer.

    >>> rate_words(12_340, 2.0), rate_words(3, 60.0), rate_words(0, 5.0)
    ('6,170/s', '3.0/min', '')
    """
    if done <= 0 or seconds <= 0.0:
        return ""
    rate = done / seconds
    if rate >= 10.0:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 1.0 else f"{60.0 * rate:.1f}/min"
