"""Memory of a read-out by how many shoppers were exposed: `make benchmark-readout ARGS="--exposures 1000000"`.

Exposures are written to a live log by one process. Another one, which has done nothing else, joins them, counts logged lists and
reads the experiment out, and says what its memory came to in each step beyond what it was before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import polars as pl

from recsys.clock import DAY, MINUTE, to_datetime
from recsys.live.databases import open_log
from recsys.live.experiments import BATCH, Exposure
from recsys.live.slate_log import SlateHead
from recsys.settings import Settings
from recsys.settings.experiments import Arm, ArmChange, Experiment
from recsys.settings.load import parse_settings
from recsys.types import Assignment, Query
from training import console
from training.experiments.ledger import Ledger
from training.experiments.readout import Trial, read
from training.experiments.shown_lists import shown_lists
from training.experiments.units import exposed

NAME = "trial"
CHOSEN = Experiment(placement="home", arms=(Arm("control", 0.5), Arm("changed", 0.5, ArmChange(bought="allow"))))
_BEGAN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_UNTIL = _BEGAN + 28 * DAY
_ITEMS, _PLACES = 100_000, 12
_MIB = 1 << 20
_Found = TypeVar("_Found")


def main() -> int:
    """Write the exposures, read them in a process of its own, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", type=int, default=1_000_000, help="shoppers' ids that were exposed")
    parser.add_argument("--lists", type=int, default=100_000, help="lists of the experiment that are logged")
    parser.add_argument("--linked", type=float, default=0.2, help="share of the ids that are linked to a user")
    parser.add_argument("--folder", type=Path, help="of a log that is written already")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        for row in measured(arguments.folder, arguments.exposures, arguments.lists, arguments.linked):
            console.say("{:<28}{:>8.1f} s of processor{:>8,} MiB at most{:>8,} MiB stay".format(*row))
        return 0
    with TemporaryDirectory() as folder:
        write(Path(folder), arguments.exposures)
        command = [sys.executable, "-m", "benchmarks.experiments.readout_memory", "--folder", folder]
        for name in ("exposures", "lists", "linked"):
            command += [f"--{name}", str(getattr(arguments, name))]
        return subprocess.run(command, check=False).returncode


def write(folder: Path, exposures: int) -> None:
    """Store exposures of ids, every other one in each arm."""
    log = open_log(_settings(folder)).experiments
    for first in range(0, exposures, BATCH):
        ids = range(first, min(first + BATCH, exposures))
        log.expose([Exposure(NAME, _id(each), CHOSEN.arms[each % 2].name, _at(each, exposures)) for each in ids], 1)


def measured(folder: Path, exposures: int, lists: int, linked: float) -> Iterator[tuple[str, float, int, int]]:
    """Read an experiment out step by step: name, seconds of processor, peak and rest beyond the memory of before (MiB)."""
    step, owners = _Step(), owners_of(exposures, linked)
    found = step.take("owners, as the tables have them", lambda: owners)
    yield step.stated
    log = open_log(_settings(folder)).experiments
    persons = step.take("exposures joined", lambda: exposed(log.exposures(NAME), found))
    yield step.stated
    ledger = step.take("tables of these shoppers", lambda: ledger_of(persons.frame, owners))
    yield step.stated
    step.take("logged lists", lambda: shown_lists(heads(lists, exposures), NAME, ledger, persons.frame))
    yield step.stated
    trial = Trial(NAME, CHOSEN, ledger, persons.frame, persons.crossed, persons.ids, {}, to_datetime(_UNTIL))
    step.take("figures, curve and segments", lambda: read(trial, _settings(folder)))
    yield step.stated


class _Step:
    """One step after another, each with its own peak."""

    def __init__(self) -> None:
        self.stated = ("", 0.0, 0, 0)

    def take(self, name: str, do: Callable[[], _Found]) -> _Found:
        """Do something, and note what it took."""
        before, began = _resident("VmRSS"), time.process_time()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        found = do()
        seconds = time.process_time() - began
        self.stated = (name, seconds, _resident("VmHWM") - before, _resident("VmRSS") - before)
        return found


def _resident(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) * 1024 // _MIB


def owners_of(exposures: int, linked: float) -> pl.DataFrame:
    """Ids of which two each are one user's."""
    ids = range(int(exposures * linked))
    found = pl.DataFrame({"id": [_id(each) for each in ids], "unit": [f"user-{each // 2:08}" for each in ids]})
    return found.with_columns(since=pl.lit(None, pl.Int64), until=pl.lit(None, pl.Int64))


def ledger_of(persons: pl.DataFrame, owners: pl.DataFrame) -> Ledger:
    """Tables of what these shoppers did: each saw a list, four of ten clicked on it, one of five bought two lines."""
    rng = np.random.default_rng(1)
    items = pl.Series([f"item-{each:06}" for each in range(_ITEMS)])
    seen = persons.select(
        "unit", time=pl.col("at") + MINUTE, recommendation_id=pl.col("unit"), send_id=pl.lit(None, pl.String)
    )
    clicks = seen.sample(fraction=0.4, seed=2)
    clicks = clicks.with_columns(items.gather(rng.integers(0, _ITEMS, clicks.height)).alias("item_id"))
    buyers = persons.sample(fraction=0.4, with_replacement=True, seed=3).select("unit", "at")
    rows = buyers.height
    lines = buyers.select(
        "unit",
        time=pl.col("at") + pl.Series(rng.integers(-20 * DAY, 20 * DAY, rows)),
        item_id=items.gather(rng.integers(0, _ITEMS, rows)),
        order=pl.Series(np.arange(rows) // 2),
        amount=pl.Series(rng.gamma(2.0, 30.0, rows)),
        units=pl.lit(1.0),
        returned=pl.lit(0.0),
    )
    known = pl.DataFrame({"item_id": items, "cost": rng.random(_ITEMS) * 30, "since": np.full(_ITEMS, _BEGAN - 50 * DAY)})
    return Ledger(lines=lines, seen=seen, clicks=clicks, owners=owners, currency="EUR", items=known, as_of=_UNTIL)


def heads(lists: int, exposures: int) -> Iterator[SlateHead]:
    """Logged lists of the arms."""
    rng = np.random.default_rng(3)
    for number in range(lists):
        user = int(rng.integers(exposures))
        shown = tuple((f"item-{each:06}", "ease") for each in rng.integers(0, _ITEMS, _PLACES).tolist())
        query = Query(now=_UNTIL, user_id=_id(user))
        yield SlateHead(f"{number:032x}", "snapshot", 0, query, (), (Assignment(NAME, CHOSEN.arms[user % 2].name),), shown)


def _id(number: int) -> str:
    return f"shopper-{number:08}"


def _at(number: int, exposures: int) -> int:
    return _BEGAN + number * (_UNTIL - _BEGAN) // (exposures + 1)


def _settings(folder: Path) -> Settings:
    return parse_settings(f'[state]\nfolder = "{folder}"\n', folder)


if __name__ == "__main__":
    sys.exit(main())
