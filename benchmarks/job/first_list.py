"""Time from a stranger's export to a first list: `init --yes`, `train` and one answer in each folder (`make benchmark-first-list`).

A case's own settings are taken away; only its files are looked at. Printed are the seconds that the machine takes, and how many lines
of the written settings are marked `LOOK AT THIS`, which is what a person has left to decide; where no list comes of it, why.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from recsys.types import RecsysError
from training import notebook
from training.cli.init import init
from training.onboarding.writing import MARK

NOT_DATA = ("settings*.toml", "expected.*", "send.json", "*.py", "README*")
"""Files of a case that its shop would not have exported."""
WIDTH = 100
"""Letters of a refusal that are printed."""


class Walk:
    """One case, walked: seconds of `init` and of training with an answer, lines left to decide, items of a list, refusal."""

    def __init__(self, case: Path, now: datetime) -> None:
        self.name, self.lines, self.items, self.refused = case.name, 0, 0, ""
        self.seconds = [0.0, 0.0]
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            self._walk(_copied(case, Path(folder) / "shop"), now)

    def _walk(self, shop: Path, now: datetime) -> None:
        settings = shop / "settings.toml"
        try:
            with self._timed(0):
                init([str(shop)], settings, now, yes=True)
            with self._timed(1):
                self.items = notebook.open(settings, artifacts=shop / "artifacts", now=now).recommend().height
        except RecsysError as error:
            self.refused = str(error).replace(f"{shop}/", "").replace("\n", " ")
        if settings.exists():
            self.lines = settings.read_text().count(MARK)

    @contextlib.contextmanager
    def _timed(self, step: int) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = time.monotonic() - begun


def _copied(case: Path, shop: Path) -> Path:
    """A case's files alone, those made that a program makes."""
    shutil.copytree(case, shop)
    if (shop / "make_events.py").exists():
        subprocess.run([sys.executable, "make_events.py"], cwd=shop, check=True, stdout=subprocess.DEVNULL)
    for pattern in NOT_DATA:
        for file in shop.glob(pattern):
            file.unlink()
    return shop


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk over all folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of cases")
    folder: Path = parser.parse_args(arguments).folder
    table = Table("case", "init s", "train and list s", "lines to decide", "items", "else")
    walks = []
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        walk = Walk(case, datetime.now(UTC))
        walks.append(walk)
        table.add_row(
            walk.name, *(f"{each:.1f}" for each in walk.seconds), f"{walk.lines}", f"{walk.items}", walk.refused[:WIDTH]
        )
        print(
            f"{walk.name}: {sum(walk.seconds):.1f} s, {walk.lines} lines to decide, {walk.items} items {walk.refused[:WIDTH]}",
            flush=True,
        )
    Console(width=200).print(table)
    longest, listed = max(sum(walk.seconds) for walk in walks), sum(walk.items > 0 for walk in walks)
    print(f"{listed} of {len(walks)} folders gave a list with nothing changed; the longest took {longest:.0f} s")


if __name__ == "__main__":
    main()
