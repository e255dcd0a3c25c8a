"""Time to map many attributes of many items, and the memory that two workers share of them: `make benchmark-attributes`.

A made catalogue with numbers, words, lists of words, yes and no, and times is written as a snapshot writes it. Two processes map it at
once and read all of it; what of the files' pages each has for itself, and what both share, is the kernel's own account.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Manager, get_context
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.console import Console

from benchmarks.http.bench import remember
from recsys.item_filters import ATTRIBUTE
from recsys.snapshot.attributes import MAX_ATTRIBUTES, Attributes, attribute_arrays
from recsys.types import Arrays

WORKERS = 2
ROUNDS = 5
KINDS = ("number", "word", "words", "yes_no", "time")
WORDS_OF_EACH = 3
"""Words that an item has of an attribute of `words`."""
DIFFERENT = 200
"""Words of an attribute."""


class Mapped(NamedTuple):
    """Of one process: seconds to map, and megabytes of the files that are in memory, shared with others, its own, and written to."""

    seconds: float
    resident: float
    shared: float
    own: float
    dirty: float


def main() -> int:
    """Measure, print and append it to the history; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000, help="items of the catalogue (default: 1,000,000)")
    parser.add_argument("--attributes", type=int, default=MAX_ATTRIBUTES, help="attributes of each (default: 20)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arrays = attribute_arrays(made_items(chosen.items, chosen.attributes))
        for name, array in arrays.items():
            np.save(Path(folder, f"{name}.npy"), array, allow_pickle=False)
        on_disk = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        with Manager() as manager, ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            together = manager.Barrier(WORKERS)
            found = list(pool.map(measured, [Path(folder)] * WORKERS, [together] * WORKERS))
    seconds = max(each.seconds for each in found)
    shared, own = min(each.shared for each in found), max(each.own for each in found)
    Console(soft_wrap=True).print(
        f"{chosen.items:,} items, {chosen.attributes} attributes: {on_disk:.0f} MB of files, mapped in {seconds * 1000:.1f} ms; "
        f"of {found[0].resident:.0f} MB in memory {WORKERS} processes share {shared:.0f}, each has {own:.0f} for itself "
        f"({max(each.dirty for each in found):.0f} written to)"
    )
    remember("attributes", {"mapped_ms": round(seconds * 1000, 1), "shared_mb": round(shared), "own_mb": round(own)})
    return 0


def made_items(n: int, attributes: int) -> pl.DataFrame:
    """The attribute columns of n items, kinds in turns."""
    draw = np.random.default_rng(20)
    return pl.DataFrame([_column(draw, n, f"{ATTRIBUTE}{KINDS[at % len(KINDS)]}-{at:02}", at) for at in range(attributes)])


def _column(draw: np.random.Generator, n: int, name: str, at: int) -> pl.Series:
    kind = KINDS[at % len(KINDS)]
    if kind == "number":
        return pl.Series(name, draw.random(n))
    if kind == "yes_no":
        return pl.Series(name, draw.random(n) < 0.5)
    if kind == "time":
        micros = draw.integers(0, 2**50, n)
        return pl.Series(name, micros).cast(pl.Datetime("us", "UTC"))
    words = pl.Series([f"a word of {at:02}, number {number:03}" for number in range(DIFFERENT)])
    if kind == "word":
        return words.gather(draw.integers(0, DIFFERENT, n)).alias(name)
    some = (draw.integers(0, DIFFERENT, n)[:, None] + np.arange(WORDS_OF_EACH)) % DIFFERENT
    return words.gather(some.ravel()).reshape((n, WORDS_OF_EACH)).arr.to_list().alias(name)


def measured(folder: Path, together: Barrier) -> Mapped:
    """Map the attributes, read all of them, wait for the others, and ask the kernel for what is shared."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        arrays, _ = _mapped(folder)
        took.append(time.perf_counter() - started)
    for array in arrays.values():
        array.max(initial=0)
    together.wait()
    account = _account(folder)
    together.wait()
    return Mapped(statistics.median(took), *account)


def _mapped(folder: Path) -> tuple[Arrays, Attributes]:
    """The arrays as a snapshot maps those of its catalogue, and the attributes over them."""
    arrays = {file.stem: np.load(file, mmap_mode="c", allow_pickle=False).view(np.ndarray) for file in folder.iterdir()}
    return arrays, Attributes(arrays)


def _account(folder: Path) -> tuple[float, float, float, float]:
    """Resident, shared, own and written megabytes of this process's mappings of a folder's files."""
    totals = dict.fromkeys(("Rss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"), 0)
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = str(folder) in line
        elif inside and (name := line.partition(":")[0]) in totals:
            totals[name] += int(line.split()[1])
    of = {name: kilobytes / 1000 for name, kilobytes in totals.items()}
    shared, own = of["Shared_Clean"] + of["Shared_Dirty"], of["Private_Clean"] + of["Private_Dirty"]
    return of["Rss"], shared, own, of["Private_Dirty"]


if __name__ == "__main__":
    sys.exit(main())
