"""What the offline commands show a person: progress while they work, and a short table when they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

console = Console(stderr=True)
"""Progress goes to standard error, so that results can be piped."""
results = Console()


@contextmanager
def steps(title: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with the step at hand; yields what tells it the next step."""
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, step="")
        yield lambda step: progress.update(task, step=step)


@contextmanager
def bar(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; yields what tells it (done, total)."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers stand right."""
    shown = Table(title=Text(title), title_justify="left", title_style="bold")
    for at, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[at], int | float) for row in rows)
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=at == 0)
    for row in rows:
        shown.add_row(*(Text(f"{cell:,}" if isinstance(cell, int | float) else str(cell)) for cell in row))
    results.print(shown)


def facts(title: str, pairs: Sequence[tuple[str, object]]) -> None:
    """Print a two-column table of facts."""
    shown = Table(title=Text(title), title_justify="left", title_style="bold", show_header=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in pairs:
        shown.add_row(Text(name), Text(f"{value:,}" if isinstance(value, int | float) else str(value)))
    results.print(shown)


def say(text: str) -> None:
    """Print one line of the result."""
    results.print(text, highlight=False, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print what went wrong, to standard error."""
    console.print(Text.assemble(("error: ", "bold red"), text), highlight=False, soft_wrap=True)
