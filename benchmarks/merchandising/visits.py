"""Thirty visits without a click: what a shopper sees with and without each dial of variety, and limits: `make benchmark-visits`.

Each shopper of a trained shop opens the home page once a day and clicks nothing. Every list counts as shown. Relevance is that of the
ranking without any of these, discounted by place as in NDCG: 1 is the list as it is ranked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import OUT, _engine, _users, remember
from recsys.clock import DAY
from recsys.engine.merchandising.campaign_effect import DEEPER, relevance_lost
from recsys.engine.pipeline import Engine, answer, build, resolve_query
from recsys.engine.shoppers.impressions import Impression, shown_without_click
from recsys.settings.placements import Placement
from recsys.types import Query

VISITS, LIMIT = 30, 12
DIALS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "fatigue, after 10": {"fatigue": {"after": 10}},
    "fatigue, after 3": {"fatigue": {"after": 3}},
    "rotate 0.3": {"rotate": 0.3},
    "fatigue, after 10, and rotate 0.3": {"fatigue": {"after": 10}, "rotate": 0.3},
    "mixed (built in)": {"mixed": True},
    "variety 0.3": {"variety": 0.3},
    "at most 4 of a leaf category": {"limits": [{"by": "category", "max": 4}]},
}


def main() -> int:
    """Simulate, print a table and append it to the history; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=OUT / "shop", help="a shop that was trained; default: that of `make bench`"
    )
    parser.add_argument("--users", type=int, default=100, help="shoppers (default: 100)")
    chosen = parser.parse_args()
    plain = _with_home(_engine(chosen.folder), {})
    users = _users(plain, chosen.users)
    table = Table(
        "home page has", "items", "categories", "brands", "one fills it", "relevance", title="of 30 visits, a shopper"
    )
    found: dict[str, float] = {}
    for name, dial in DIALS.items():
        engine = _with_home(plain, dial)
        means = np.mean([_visits(engine, plain, user) for user in users], axis=0)
        items, categories, brands, filled, kept = means.tolist()
        table.add_row(name, f"{items:.1f}", f"{categories:.1f}", f"{brands:.1f}", f"{filled:.1%}", f"{kept:.3f}")
        found |= {f"{name}: items": round(items, 1), f"{name}: relevance": round(kept, 3)}
    Console().print(table)
    remember("visits", found)
    return 0


def _with_home(engine: Engine, dial: dict[str, Any]) -> Engine:
    """The same shop with a home page that has one dial and no other."""
    home = msgspec.convert({**msgspec.to_builtins(engine.placement("home")), "mixed": False, **dial}, Placement)
    placements = {**engine.settings.placements, "home": home}
    return Engine(engine.snapshot, msgspec.structs.replace(engine.settings, placements=placements))


def _visits(engine: Engine, plain: Engine, user: str) -> tuple[float, float, float, float, float]:
    """Of a shopper's visits: distinct items, leaf categories and brands shown, share of lists that one leaf fills, relevance kept."""
    catalog, history, home = engine.catalog, engine.snapshot.histories.of(user), engine.placement("home")
    seen: list[Impression] = []
    shown: set[int] = set()
    filled, kept = 0, 0.0
    for day in range(VISITS):
        now = engine.snapshot.as_of + day * DAY
        query = Query(now=now, user_id=user, limit=LIMIT)
        tired = shown_without_click(seen, home.fatigue, now) if home.fatigue else ()
        items = answer(engine, msgspec.structs.replace(query, shown=tired), history).items
        asked = resolve_query(plain, query, history)
        ranked = [
            *answer(plain, query, history).items,
            *(pick[0] for pick in build(plain, asked, LIMIT + DEEPER).builder.picks),
        ]
        kept += 1 - relevance_lost(items, list(dict.fromkeys(ranked)))
        filled += len({int(catalog.category[row]) for row in items}) == 1
        shown.update(items)
        seen += [Impression(catalog.item_id(row), now, False) for row in items]
    rows = np.array(sorted(shown), np.int32)
    leaves, brands = len(np.unique(catalog.category[rows])), len(np.unique(catalog.brand[rows]))
    return len(shown), leaves, brands, filled / VISITS, kept / VISITS


if __name__ == "__main__":
    sys.exit(main())
