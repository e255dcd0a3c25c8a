"""Relevance against variety: `RECSYS_DATA=… make benchmark-variety`.

Three shops are trained on what came before their last 28 days. Everybody who bought something new in these is shown ten items, picked
from the best sixty of the home page in three ways, each at several settings of its dial: as the setting `variety` does (an item is
worth less for each one above it of its leaf category, and of its brand), by maximal marginal relevance (Carbonell and Goldstein,
SIGIR 1998; items resemble each other by half for either), and calibrated to the leaf categories and brands of the shopper's own
history (Steck, RecSys 2018). NDCG@10 against the leaf categories and brands among the ten; the curves are docs/pictures/variety.png.
The gift shop names no categories: the last word of its titles (BAG, HOLDER) stands for one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import remember
from recsys.engine.merchandising.merchandising import POOL
from recsys.engine.merchandising.relevance import relevance_of
from recsys.engine.pipeline import Engine, build, resolve_query
from recsys.settings import Settings
from recsys.settings.load import load_settings, parse_settings
from recsys.snapshot.catalog import Catalog
from recsys.types import History, Mask, Query, Rows
from training.cli.evaluation_commands import last_event
from training.evaluation.evaluate import TASKS, Task, examine, fit_for
from training.evaluation.metrics import Bootstrap, per_user
from training.evaluation.split import Truth, folds_before, split

OUT, PICTURE = Path("benchmarks/out/variety"), Path("docs/pictures/variety.png")
SHOPS = ("online_retail", "completejourney", "foodmart")
DAYS, PLACES, RESAMPLES, SEED = 28, 10, 1000, 20
SMOOTHED = 0.01
"""Of what a list is calibrated to, the part that counts as shown anyway, so that logarithms are finite (Steck's alpha)."""
Reals = NDArray[np.float64]


class Shelf(NamedTuple):
    """One shopper's best items int32[m], their relevance float64[m], and their kinds (leaf category, brand) with what the shopper's
    history holds of each float64[k]."""

    rows: Rows
    relevance: Reals
    kinds: tuple[Rows, Rows]
    leans: tuple[Reals, Reals]


def main() -> int:
    """Measure, print a table, draw the curves; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000, help="most shoppers of a shop (default: 1,000)")
    parser.add_argument("--task", choices=tuple(TASKS), default="new", help="what counts (default: new)")
    chosen = parser.parse_args()
    data = Path(os.environ.get("RECSYS_DATA") or "/nowhere")
    if not all((data / shop).is_dir() for shop in SHOPS):
        raise SystemExit(f"set RECSYS_DATA to the folder that holds {', '.join(SHOPS)}")
    curves = {shop: _curves(shop, data, chosen.users, chosen.task) for shop in SHOPS}
    found = {}
    for shop, of_method in curves.items():
        table = Table("way", "dial", "NDCG@10", "against 0", "categories", "brands", title=f"{shop}, {chosen.task}")
        for method, points in of_method.items():
            for each in points:
                change = f"{each.change[0]:+.4f} ({each.change[1]:+.4f} to {each.change[2]:+.4f})"
                table.add_row(
                    method, f"{each.dial:g}", f"{each.ndcg:.4f}", change, f"{each.leaves:.2f}", f"{each.brands:.2f}"
                )
                found[f"{shop}, {method}, {each.dial:g}"] = round(each.ndcg, 4)
        Console().print(table)
    _draw(curves)
    remember("variety", found)
    return 0


class Point(NamedTuple):
    """Means over shoppers at one setting of a dial; `change` of NDCG@10 against 0, paired, with its 95 % interval."""

    dial: float
    ndcg: float
    change: tuple[float, float, float]
    leaves: float
    brands: float


def _curves(shop: str, data: Path, users: int, task: Task) -> dict[str, list[Point]]:
    settings = _settings(shop, data)
    now = datetime.now(UTC)
    [fold] = folds_before(last_event(settings, now), DAYS, 1)
    asked = msgspec.structs.replace(settings.evaluation, users=users)
    examination = examine(split(settings, fold, now), asked, settings.seed)
    engine = fit_for(examination, settings, now)
    truth = examination.truths[task]
    warm = [user for user, name in enumerate(truth.users) if len(engine.snapshot.histories.of(name))]
    truth = truth.where(np.array(warm, np.intp))
    shelves = [_shelf(engine, user, examination.now, task) for user in truth.users]
    return {name: _points(shelves, method, dials, truth, engine.catalog) for name, (method, dials) in METHODS.items()}


def _points(shelves: Sequence[Shelf], method: Method, dials: Sequence[float], truth: Truth, catalog: Catalog) -> list[Point]:
    draws = Bootstrap(len(truth), RESAMPLES, SEED)
    found: list[Point] = []
    plain = np.zeros(0)
    for dial in dials:
        lists = np.full((len(shelves), PLACES), -1, np.int32)
        for user, shelf in enumerate(shelves):
            picked = shelf.rows[method(shelf, dial)]
            lists[user, : len(picked)] = picked
        values = per_user(lists, truth, catalog.n_items)["ndcg10"]
        plain = values if not found else plain
        leaves, brands = (np.mean([_distinct(kind, each) for each in lists]) for kind in (catalog.category, catalog.brand))
        found.append(Point(dial, float(values.mean()), draws.interval(values - plain), float(leaves), float(brands)))
    return found


def _distinct(kind: Rows, rows: Rows) -> int:
    kinds = kind[rows[rows >= 0]]
    return len(np.unique(kinds[kinds >= 0]))


def _settings(shop: str, data: Path) -> Settings:
    file = Path("examples", shop, "settings.toml")
    if shop != "online_retail":
        return load_settings(file)
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT.resolve() / "online_retail.parquet"
    last_word = pl.col("Description").str.strip_chars().str.split(" ").list.last()
    pl.read_parquet(data / shop / "online_retail.parquet").with_columns(Kind=last_word).write_parquet(table)
    text = file.read_text().replace("$RECSYS_DATA/online_retail/online_retail.parquet", str(table))
    return parse_settings(text.replace('title = "Description"', 'title = "Description"\ncategory = "Kind"'), file.parent)


def _shelf(engine: Engine, user: str, now: int, task: Task) -> Shelf:
    query = Query(now=now, user_id=user, limit=PLACES, bought=TASKS[task])
    history = engine.snapshot.histories.of(user)
    asked = resolve_query(engine, query, history, campaigns=False)
    builder = build(engine, asked, PLACES + POOL).builder
    ranked, catalog = builder.ranked, engine.catalog
    relevance = relevance_of(ranked.scores, ranked.sources, builder.n_blended, 1.0)
    leaves, brands = _of_kinds(catalog.category, ranked.rows, history), _of_kinds(catalog.brand, ranked.rows, history)
    return Shelf(ranked.rows, relevance, (leaves[0], brands[0]), (leaves[1], brands[1]))


def _of_kinds(kind: Rows, rows: Rows, history: History) -> tuple[Rows, Reals]:
    """The kinds of items, numbered from 0 (-1: of none), and the share of each in a history."""
    past = kind[history.items[history.items >= 0]]
    names = np.unique(np.concatenate([kind[rows], past]))
    names = names[names >= 0]
    shares = np.bincount(np.searchsorted(names, past[past >= 0]), minlength=len(names)).astype(np.float64)
    numbered = np.where(kind[rows] >= 0, np.searchsorted(names, kind[rows]), -1).astype(np.int32)
    return numbered, shares / max(shares.sum(), 1.0)


Method = Callable[[Shelf, float], list[int]]


def fading(shelf: Shelf, dial: float) -> list[int]:
    """The places in a shelf of what `variety` picks."""
    worth, each = shelf.relevance.copy(), (1 - dial) ** 0.5
    return _greedily(shelf, lambda chosen: worth, lambda alike: np.multiply(worth, each, out=worth, where=alike))


def marginal(shelf: Shelf, dial: float) -> list[int]:
    """The places of what maximal marginal relevance picks: (1 - dial) relevance - dial resemblance to the closest one above."""
    closest = np.zeros(len(shelf.rows))

    def pick(chosen: list[int]) -> Reals:
        if chosen:
            alike = [(kind >= 0) & (kind == kind[chosen[-1]]) for kind in shelf.kinds]
            np.maximum(closest, np.mean(alike, axis=0), out=closest)
        found: Reals = (1 - dial) * shelf.relevance - dial * closest
        return found

    return _greedily(shelf, pick)


def calibrated(shelf: Shelf, dial: float) -> list[int]:
    """The places of what is picked to keep the kinds of a history: (1 - dial) relevance - dial Kullback-Leibler divergence."""

    def pick(chosen: list[int]) -> Reals:
        closer = [_closeness(kind, leans, chosen) for kind, leans in zip(shelf.kinds, shelf.leans, strict=True)]
        found: Reals = (1 - dial) * shelf.relevance + dial * np.mean(closer, axis=0)
        return found

    return _greedily(shelf, pick)


def _closeness(kind: Rows, leans: Reals, chosen: list[int]) -> Reals:
    """Minus the divergence of a history's kinds from those of a list that each item in turn would be the last of, but for what is
    the same for all."""
    of_chosen = kind[chosen]
    counts, n = np.bincount(of_chosen[of_chosen >= 0], minlength=len(leans)).astype(np.float64), len(chosen) + 1
    before, after = ((1 - SMOOTHED) * each / n + SMOOTHED * leans + 1e-12 for each in (counts, counts + 1))
    gains = leans * (np.log(after) - np.log(before))
    return np.where(kind >= 0, gains[kind] if len(gains) else 0.0, 0.0)


def _greedily(
    shelf: Shelf, worth_of: Callable[[list[int]], Reals], alike: Callable[[Mask], object] = lambda _alike: None
) -> list[int]:
    chosen: list[int] = []
    free = np.ones(len(shelf.rows), bool)
    for _ in range(min(PLACES, len(shelf.rows))):
        best = int(np.argmax(np.where(free, worth_of(chosen), -np.inf)))
        free[best] = False
        chosen.append(best)
        for kind in shelf.kinds:
            alike((kind >= 0) & (kind == kind[best]))
    return chosen


METHODS: Mapping[str, tuple[Method, tuple[float, ...]]] = {
    "variety": (fading, (0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)),
    "marginal relevance": (marginal, (0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)),
    "calibrated": (calibrated, (0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)),
}


def _draw(curves: Mapping[str, Mapping[str, Sequence[Point]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), dpi=100, layout="constrained")
    for axes, (shop, of_method) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        for (name, points), mark in zip(of_method.items(), "osx", strict=True):
            places = [(each.leaves + each.brands, each.ndcg / points[0].ndcg) for each in points]
            axes.plot(*zip(*places, strict=True), marker=mark, label=name)
            for each, place in zip(points[::2], places[::2], strict=True) if name == "variety" else ():
                axes.annotate(f"{each.dial:g}", place, (0, 6), textcoords="offset points", fontsize=8)
        axes.set(
            title=shop, xlabel="leaf categories and brands in the first ten", ylabel="NDCG@10, without is 1", ylim=(0.7, 1.4)
        )
    axes.legend(fontsize=8)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, metadata={"Software": None})
    Console().print(f"✓ {PICTURE}")


if __name__ == "__main__":
    sys.exit(main())
