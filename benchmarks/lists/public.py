"""Public sets: what a stranger gets from `init`, `train`, `tune` and `export`, against each recommender alone.

The files are read as `init` reads them, through a preset where they have one. Of every shopper something is held back, and the lists
of the rest are held against it, over the whole catalogue.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.settings.load import load_settings
from recsys.tables.shop import read_shop
from training.__main__ import main as command
from training.job.default_blend import SOURCES

TOML = """
[data.events]
paths = ["events.parquet"]

[web]
clock = "events"
"""
ALONE = """
[placements.alone_{name}]
rules = [{{ name = "alone", recommenders = {{ {name} = 1.0 }} }}]
fallback = []
"""
TASKS = {"new": "hide_days:3650", "repeat": "allow"}
COLUMNS = ("user_id", "item_id", "timestamp", "order_id", "event_type")
SEED, PART, LEAST, LENGTH, FIRST = 7, 0.2, 2, 20, 10
GAP = pl.duration(minutes=30)
LATE = 0.1
"""Share of the visits, the last ones, that are asked for."""
REPEATED = 0.01
"""Share of rows of what a shopper had before from which on they are baskets."""
POPULARITY_WEIGHT = 0.5
"""Weight of the most popular item against one own purchase, in the baseline."""
Rows = pl.DataFrame
Lists = Mapping[str, Sequence[str]]
Values = NDArray[np.float64]


def read(data: Sequence[str], folder: Path) -> Rows:
    """Rows of the events as `init` reads them, by time."""
    if len(data) == 1 and data[0].endswith(".toml"):
        file = Path(data[0])
    else:
        file = folder / "as-init-reads.toml"
        command(["init", *data, "--yes", "--out", str(file)])
    events = read_shop(load_settings(file)).events.select(COLUMNS).drop_nulls(["user_id", "item_id"]).collect()
    return events.filter(~pl.col("event_type").is_in(["refund", "impression", "click"])).sort(
        "timestamp", maintain_order=True
    )


def core(rows: Rows, least: int) -> Rows:
    """Rows of shoppers and items with at least so many of each other, each pair once, the first time."""
    rows = rows.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    size = -1
    while size != rows.height:
        size = rows.height
        rows = rows.filter(pl.len().over("user_id") >= least).filter(pl.len().over("item_id") >= least)
    return rows


def last_basket(rows: Rows) -> tuple[Rows, pl.Series]:
    """Purchases, and which are of the last order of a shopper who has two or more."""
    rows = rows.filter(pl.col("event_type") == "purchase")
    order = pl.col("order_id").fill_null(pl.col("timestamp").cast(pl.String))
    rows = rows.with_columns(basket=order)
    last = (pl.col("basket") == pl.col("basket").last().over("user_id")) & (
        pl.col("basket").n_unique().over("user_id") >= LEAST
    )
    return rows.drop("basket"), rows.select(last).to_series()


def last_item(rows: Rows) -> tuple[Rows, pl.Series]:
    """Each pair of shopper and item once, as a purchase, and which is the last of a shopper who has three or more."""
    rows = core(rows, 1).with_columns(event_type=pl.lit("purchase"), order_id=pl.lit(None, pl.String))
    last = (pl.int_range(pl.len()) == pl.len() - 1).over("user_id") & (pl.len().over("user_id") > LEAST)
    return rows, rows.select(last).to_series()


def at_random(rows: Rows) -> tuple[Rows, pl.Series]:
    """Each pair once, as a purchase, and a fifth of them, drawn."""
    rows, _ = last_item(rows)
    return rows, pl.Series(np.random.default_rng(SEED).random(rows.height) < PART)


def visits(rows: Rows) -> tuple[Rows, pl.Series]:
    """Visits in the place of shoppers, without what repeats itself; the last item of each of the last tenth of them."""
    rows = rows.sort("user_id", "timestamp", maintain_order=True)
    begins = ((pl.col("timestamp") - pl.col("timestamp").shift(1)) > GAP).fill_null(True).cum_sum().over("user_id")
    rows = rows.with_columns(user_id=pl.concat_str("user_id", begins, separator="/"))
    rows = rows.filter((pl.col("item_id") != pl.col("item_id").shift(1).over("user_id")).fill_null(True))
    begin = pl.col("timestamp").min().over("user_id")
    last = (pl.int_range(pl.len()) == pl.len() - 1).over("user_id") & (pl.len().over("user_id") >= LEAST)
    asked = last & (begin > begin.quantile(1 - LATE))
    return rows, rows.select(asked).to_series()


HELD: Mapping[str, tuple[Callable[[Rows], tuple[Rows, pl.Series]], tuple[str, ...]]] = {
    "last-basket": (last_basket, ("new", "repeat")),
    "last-item": (last_item, ("new",)),
    "random": (at_random, ("new",)),
    "visits": (visits, ("repeat",)),
}


def held_back(rows: Rows, held: str) -> tuple[Rows, Rows]:
    """Part the rows of a set: those that are learned from, and those that are held back."""
    rows, late = HELD[held][0](rows)
    return rows.filter(~late), rows.filter(late)


def suited(rows: Rows) -> str:
    """What is held back unless told: visits where most looked, baskets where things are bought again, else the last item."""
    if rows.filter(pl.col("event_type") != "purchase").height > rows.height / 2:
        return "visits"
    again = rows.unique(["user_id", "item_id"]).height < (1 - REPEATED) * rows.height
    return "last-basket" if again else "last-item"


def wanted(train: Rows, test: Rows, task: str, users: int) -> dict[str, set[str]]:
    """Items that each shopper asked for took, drawn shoppers who are known; on `new` only those not had before."""
    found = test.join(train.select("user_id").unique(), on="user_id")
    if task == "new":
        found = found.join(train, on=["user_id", "item_id"], how="anti")
    of_each = dict(found.group_by("user_id").agg(pl.col("item_id").unique()).sort("user_id").iter_rows())
    drawn = np.random.default_rng(SEED).permutation(list(of_each))[:users].tolist()
    return {user: set(of_each[user]) for user in drawn}


def measured(lists: Lists, truth: Mapping[str, set[str]]) -> dict[str, Values]:
    """NDCG@10, Recall@10, Recall@20 and MRR@20 of each shopper."""
    hits = np.zeros((len(truth), LENGTH))
    for row, (user, items) in enumerate(truth.items()):
        for place, item in enumerate(lists.get(user, ())[:LENGTH]):
            hits[row, place] = item in items
    sizes = np.array([len(items) for items in truth.values()])
    discounts = 1 / np.log2(np.arange(2, FIRST + 2))
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)
    return {
        "NDCG@10": hits[:, :FIRST] @ discounts / np.cumsum(discounts)[np.minimum(sizes, FIRST) - 1],
        "Recall@10": hits[:, :FIRST].sum(axis=1) / sizes,
        "Recall@20": hits.sum(axis=1) / sizes,
        "MRR@20": 1 / first,
    }


def frequency(train: Rows, truth: Mapping[str, set[str]], task: str) -> Lists:
    """Lists by own purchases, ties broken by how many bought an item: personal frequency with popularity."""
    popular = (
        train.group_by("item_id")
        .agg(pl.col("user_id").n_unique().alias("buyers"))
        .sort("buyers", "item_id", descending=True)
    )
    share = dict(popular.select("item_id", POPULARITY_WEIGHT * pl.col("buyers") / pl.col("buyers").max()).iter_rows())
    first = popular["item_id"].head(500).to_list()
    counts = train.filter(pl.col("user_id").is_in(list(truth))).group_by("user_id", "item_id").len()
    own: dict[str, dict[str, int]] = {}
    for user, item, count in counts.iter_rows():
        own.setdefault(user, {})[item] = count
    lists = {}
    for user in truth:
        had = own.get(user, {})
        known = {} if task == "new" else {item: count + share[item] for item, count in had.items()}
        rest = {item: share[item] for item in first if item not in had}
        scores = known | rest
        lists[user] = sorted(scores, key=lambda item: -scores[item])[:LENGTH]
    return lists


def exported(folder: Path, placement: str, task: str) -> Lists:
    """Lists of the shoppers in `users.txt`, as `export` writes them."""
    options = [
        "--placement",
        placement,
        "--limit",
        str(LENGTH),
        "--bought",
        TASKS[task],
        "--users",
        str(folder / "users.txt"),
    ]
    command(["--settings", str(folder / "settings.toml"), "export", *options, "--out", str(folder / "lists.parquet")])
    rows = pl.read_parquet(folder / "lists.parquet").sort("user_id", "rank")
    return dict(rows.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())


def in_words(values: Values) -> str:
    """A mean with its 95 % interval."""
    mean, half = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
    return f"{mean:.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


def rows_of(folder: Path, train: Rows, test: Rows, tasks: Sequence[str], users: int, label: str) -> None:
    """Print a row for each task: what is served, and against it the best recommender alone and the baseline."""
    for task in tasks:
        truth = wanted(train, test, task, users)
        (folder / "users.txt").write_text("".join(f"{user}\n" for user in truth))
        served = measured(exported(folder, "blend", task), truth)
        alone = {name: measured(exported(folder, f"alone_{name}", task), truth)["NDCG@10"] for name in SOURCES}
        best = max(alone, key=lambda name: float(alone[name].mean()))
        base = measured(frequency(train, truth, task), truth)["NDCG@10"]
        means = " | ".join(f"{values.mean():.4f}" for values in served.values())
        said = f"{best} {alone[best].mean():.4f} | {in_words(served['NDCG@10'] - alone[best])}"
        against = f"{base.mean():.4f} | {in_words(served['NDCG@10'] - base)}"
        print(f"| {label} | `{task}` | {len(truth):,} | {means} | {said} | {against} |", file=sys.stderr, flush=True)
        print(
            "  alone:",
            ", ".join(f"{name} {values.mean():.4f}" for name, values in alone.items()),
            file=sys.stderr,
            flush=True,
        )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", help="files or folders that `init` reads, or a settings file")
    parser.add_argument("--held", choices=HELD, help="what is held back (default: what suits the set)")
    parser.add_argument(
        "--core", type=int, default=1, help="leave out shoppers and items with fewer of each other (sequences: 5)"
    )
    parser.add_argument("--users", type=int, default=2_500, help="most shoppers that are asked for")
    parser.add_argument("--tune", type=float, default=0.0, help="minutes of tuning, after which all is measured again")
    return parser.parse_args(given)


def main() -> None:
    """Print rows of a table in Markdown."""
    chosen = arguments()
    with TemporaryDirectory() as made:
        folder = Path(made)
        rows = read(chosen.data, folder)
        rows = core(rows, chosen.core) if chosen.core > 1 else rows
        held = chosen.held or suited(rows)
        train, test = held_back(rows, held)
        sizes = f"{rows.height:,} rows, {rows['user_id'].n_unique():,} shoppers, {rows['item_id'].n_unique():,} items"
        print(f"{held}: {sizes}", file=sys.stderr, flush=True)
        train.write_parquet(folder / "events.parquet")
        (folder / "settings.toml").write_text(TOML + "".join(ALONE.format(name=name) for name in SOURCES))
        settings = ["--settings", str(folder / "settings.toml")]
        label = f"{Path(chosen.data[0]).stem}, {held}"
        command([*settings, "train", "--force", "a benchmark"])
        rows_of(folder, train, test, HELD[held][1], chosen.users, f"{label}, untuned")
        if chosen.tune:
            command([*settings, "tune", "--minutes", str(chosen.tune)])
            command([*settings, "train", "--force", "a benchmark"])
            rows_of(folder, train, test, HELD[held][1], chosen.users, f"{label}, tuned {chosen.tune:g} min")


if __name__ == "__main__":
    main()
