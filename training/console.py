"""Terminal output of the offline commands: progress during the work, and a short table at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

console = Console(stderr=True)
"""Progress goes to standard error, so that results can be piped."""
results = Console()
_NUMBER = re.compile(r"-?[\d,]*\.?\d+")


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
    """Print a table; numbers stand right and are never broken, nor are names in the first column if other text can be."""
    cells = [[f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row] for row in rows]
    numeric = [bool(rows) and all(_NUMBER.fullmatch(row[at]) for row in cells) for at in range(len(columns))]
    shown = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    for at, column in enumerate(columns):
        whole = numeric[at] or (at == 0 and not all(numeric[1:]))
        shown.add_column(column, justify="right" if numeric[at] else "left", overflow="fold", no_wrap=whole)
    for row in cells:
        shown.add_row(*map(Text, row))
    _print_under(title, shown)


def facts(title: str, pairs: Sequence[tuple[str, object]]) -> None:
    """Print a two-column table of facts."""
    shown = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, show_header=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in pairs:
        shown.add_row(Text(name), Text(f"{value:,}" if isinstance(value, int | float) else str(value)))
    _print_under(title, shown)


def _print_under(title: str, shown: Table) -> None:
    results.print(Text(title, "bold"), soft_wrap=True)
    results.print(shown)
    results.print()


def say(text: str) -> None:
    """Print one line of the result."""
    results.print(text, highlight=False, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print what went wrong, to standard error."""
    console.print(Text.assemble(("error: ", "bold red"), text), highlight=False, soft_wrap=True)
