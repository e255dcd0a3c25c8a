"""Cost of a filter over three attributes, the first time that it is asked and again: `make benchmark-filters`.

A made catalogue: each item is for one of three genders, has a margin and some of 50 tags; a quarter of all has `sale`. Every filter
asks for a gender, a least margin and no `sale`, and no two are alike. Processor time, in one process, which keeps as many masks as it
may when the first of them is asked.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import remember
from recsys.engine.merchandising.attribute_filters import FilterMasks, typed_filter
from recsys.item_filters import Condition, ItemFilter
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.tables.items import finish_items
from recsys.tables.schema import schema

GENDERS = ("women", "men", "children")


def main() -> int:
    """Measure, print a table and append it to the history; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000, help="items of the catalogue (default: 100,000)")
    parser.add_argument("--filters", type=int, default=300, help="filters that are asked (default: 300)")
    chosen = parser.parse_args()
    catalog = made_catalog(chosen.items)
    started = time.thread_time_ns()
    masks = FilterMasks(catalog)
    prepared = (time.thread_time_ns() - started) / 1e6
    asked = [a_filter(catalog, number / chosen.filters) for number in range(chosen.filters)]
    for number in range(1000):  # a worker that has answered a while keeps as many masks as it may
        masks.mask(a_filter(catalog, 1 + number / 1000), 0)
    first, again = ([_microseconds(masks, each) for each in asked for _ in range(times)] for times in (1, 2))
    table = Table("filter over three attributes", "p50 µs", "p95 µs", title=f"{chosen.items:,} items")
    for name, times in (("the first time", first), ("again", again[1::2])):
        table.add_row(name, f"{statistics.median(times):.1f}", f"{statistics.quantiles(times, n=20)[-1]:.1f}")
    Console().print(table, f"prepared in {prepared:.1f} ms when the snapshot is opened")
    remember("filters", {"first_us": round(statistics.median(first), 1), "prepared_ms": round(prepared, 1)})
    return 0


def made_catalog(n: int) -> Catalog:
    """A catalogue of n items with three attributes."""
    draw = np.random.default_rng(20)
    tags = np.array([*(f"tag {number}" for number in range(50)), *["sale"] * 5])
    types = {**schema("items"), "attr.gender": pl.String(), "attr.margin": pl.Float64(), "attr.tags": pl.List(pl.String())}
    columns = {
        **{name: [None] * n for name in types},
        "item_id": [f"i{number:07}" for number in range(n)],
        "attr.gender": np.array(GENDERS)[draw.integers(0, len(GENDERS), n)].tolist(),
        "attr.margin": draw.random(n).tolist(),
        "attr.tags": [sorted(set(each)) for each in tags[draw.integers(0, len(tags), (n, 3))].tolist()],
    }
    return Catalog(catalog_arrays(finish_items(pl.DataFrame(columns, schema=types), "EUR"), "EUR"))


def a_filter(catalog: Catalog, margin: float) -> ItemFilter:
    """A filter that no other margin shares."""
    gender = Condition(any=(GENDERS[int(margin * 1000) % len(GENDERS)],))
    return typed_filter(catalog, {"gender": gender, "margin": Condition(min=margin), "tags": Condition(none=("sale",))})


def _microseconds(masks: FilterMasks, item_filter: ItemFilter) -> float:
    """Processor time of a mask."""
    started = time.thread_time_ns()
    masks.mask(item_filter, 0)
    return (time.thread_time_ns() - started) / 1000


if __name__ == "__main__":
    sys.exit(main())
