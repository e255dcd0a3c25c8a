"""Lists of an item's page side by side, titles only: co-occurrence alone, and as served by what was trained last.

Co-occurrence of similar items is the number of shoppers who bought or looked at both, of complements the number of orders with both.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array, csr_array

from recsys.clock import to_datetime
from recsys.engine.pipeline import Engine, answer
from recsys.settings.load import load_settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import EventType, Query
from training.job.job import prepare

SEED, DRAWN, LENGTH, WIDEST = 7, 50, 3, 34


def together(groups: np.ndarray, items: np.ndarray, n_items: int) -> csr_array:
    """Items × groups, 1 where an item is in a group."""
    _, rows = np.unique(groups, return_inverse=True)
    found = coo_array((np.ones(len(items), np.float32), (items, rows)), shape=(n_items, int(rows.max()) + 1)).tocsr()
    found.data[:] = 1
    return found


def counted(events: Events, n_items: int) -> dict[str, csr_array]:
    """Who had which item, and which order, by placement."""
    kept = events.where(events.items >= 0)
    bought = kept.where(kept.kinds == EventType.PURCHASE)
    orders = bought.users.astype(np.int64) << 32 | bought.orders
    return {
        "similar": together(kept.users, kept.items, n_items),
        "bought_together": together(orders, bought.items, n_items),
    }


def most(of: csr_array, row: int) -> list[int]:
    """The rows of the items that are met most often with one."""
    counts = (of @ of[[row]].T).toarray().ravel()
    counts[row] = 0
    return [at for at in np.argsort(-counts, kind="stable")[:LENGTH].tolist() if counts[at] > 0]


def titles(catalog: Catalog, rows: Sequence[int]) -> str:
    """Titles, cut where they are long."""
    cut = (" ".join(catalog.title(row).split()).replace("|", "/") for row in rows)
    return " · ".join(title if len(title) <= WIDEST else title[: WIDEST - 1] + "…" for title in cut)


def main() -> None:
    """Print a table in Markdown for each placement."""
    settings = load_settings(Path(sys.argv[1]))
    version = current_version(settings.artifacts)
    if version is None:
        raise SystemExit("make train comes first")
    engine = Engine(open_snapshot(settings.artifacts, version), settings)
    catalog, now = engine.catalog, engine.snapshot.as_of
    events = prepare(settings, now=to_datetime(now)).events
    sold = np.flatnonzero(catalog.sold[: catalog.n_known] > 0)
    drawn = np.sort(np.random.default_rng(SEED).choice(sold, min(DRAWN, len(sold)), replace=False)).tolist()
    counts = counted(events, catalog.n_items)
    for placement, of in counts.items():
        print(f"\n| item | `{placement}`: co-occurrence alone | as served |\n| --- | --- | --- |")
        for row in drawn:
            query = Query(now=now, placement=placement, limit=LENGTH, context_items=(catalog.item_id(row),))
            served = answer(engine, query, engine.snapshot.histories.of("")).items
            print(f"| {titles(catalog, [row])} | {titles(catalog, most(of, row))} | {titles(catalog, served)} |")


if __name__ == "__main__":
    main()
