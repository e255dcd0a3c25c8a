"""Untuned lists on baskets, sequences and ratings: the blend as `make train` leaves it against each recommender alone.

Goes the way of a stranger: a settings file, `train`, `export`. Of every shopper the last order, the last item, or a random fifth is
held back. Each row of the input counts as a purchase.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.__main__ import main as command
from training.job.default_blend import SOURCES

TOML = """
[data.events]
paths = ["events.parquet"]

[data.events.constants]
event_type = "purchase"

[web]
clock = "events"

[placements.best_guess]
rules = [{ name = "blend", blend = true }]
fallback = []
limit = 10
"""
ALONE = """
[placements.alone_{name}]
rules = [{{ name = "alone", recommenders = {{ {name} = 1.0 }} }}]
fallback = []
limit = 10
"""
TASKS = {"new": "hide_days:3650", "repeat": "allow"}
SEED, PART, SHOPPERS, LEAST = 7, 0.2, 2_500, 2
Rows = pl.DataFrame


def ratings(file: Path) -> Rows:
    """Ratings as MovieLens has them, each a purchase of its own."""
    columns = {"userId": "user_id", "movieId": "item_id", "timestamp": "timestamp"}
    read = pl.read_csv(file, schema_overrides={"userId": pl.String, "movieId": pl.String}).select(list(columns))
    return read.rename(columns).with_columns(pl.from_epoch("timestamp", "s").dt.replace_time_zone("UTC"))


def baskets(file: Path) -> Rows:
    """Invoice lines of known customers as UCI's Online Retail has them."""
    columns = {"CustomerID": "user_id", "StockCode": "item_id", "InvoiceDate": "timestamp", "InvoiceNo": "order_id"}
    read = pl.read_parquet(file).select(*columns, "Quantity").rename(columns).cast({"user_id": pl.String})
    sold = (pl.col("Quantity") > 0) & ~pl.col("order_id").str.starts_with("C") & pl.col("item_id").str.contains("^[0-9]{5}")
    named = pl.col("user_id").str.len_chars() > 0
    times = pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return read.filter(sold & named).drop("Quantity").with_columns(times).unique(maintain_order=True)


def _last(rows: Rows, key: str) -> pl.Series:
    """Tell which rows are of the last `key` of a shopper who has two or more."""
    order = rows.with_row_index("at").sort("timestamp", "at")
    last = order.group_by("user_id").agg(pl.col(key).last().alias("last"), pl.col(key).n_unique().alias("n"))
    joined = rows.join(last, on="user_id", how="left", maintain_order="left")
    return ((joined[key] == joined["last"]) & (joined["n"] >= LEAST)).rename("held")


def last_order(rows: Rows) -> pl.Series:
    """The last order of each shopper."""
    return _last(rows, "order_id")


def last_item(rows: Rows) -> pl.Series:
    """The last item of each shopper."""
    return _last(rows, "item_id")


def at_random(rows: Rows) -> pl.Series:
    """A fifth, drawn."""
    return pl.Series("held", np.random.default_rng(SEED).random(rows.height) < PART)


HELD: dict[str, tuple[Callable[[Path], Rows], Callable[[Rows], pl.Series]]] = {
    "last-order": (baskets, last_order),
    "last-item": (ratings, last_item),
    "random": (ratings, at_random),
}


def wanted(train: Rows, test: Rows, task: str) -> dict[str, set[str]]:
    """Items that each shopper asked for took, drawn shoppers who are known; on `new` only those not had before."""
    found = test.join(train.select("user_id").unique(), on="user_id")
    if task == "new":
        found = found.join(train, on=["user_id", "item_id"], how="anti")
    of_each = dict(found.group_by("user_id").agg(pl.col("item_id").unique()).sort("user_id").iter_rows())
    users = np.random.default_rng(SEED).permutation(list(of_each))[:SHOPPERS].tolist()
    return {user: set(of_each[user]) for user in users}


def ndcg(lists: dict[str, list[str]], truth: dict[str, set[str]]) -> NDArray[np.float64]:
    """NDCG@10 of each shopper."""
    discounts = 1 / np.log2(np.arange(2, 12))
    found = [
        discounts[[at for at, item in enumerate(lists.get(user, [])[:10]) if item in items]].sum()
        / discounts[: min(len(items), 10)].sum()
        for user, items in truth.items()
    ]
    return np.array(found)


def exported(folder: Path, placement: str, task: str) -> dict[str, list[str]]:
    """Lists of the shoppers in `users.txt`, as `export` writes them."""
    options = ["--placement", placement, "--limit", "10", "--bought", TASKS[task], "--users", str(folder / "users.txt")]
    command(["--settings", str(folder / "settings.toml"), "export", *options, "--out", str(folder / "lists.parquet")])
    rows = pl.read_parquet(folder / "lists.parquet").sort("user_id", "rank")
    return dict(rows.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())


def in_words(values: NDArray[np.float64]) -> str:
    """A mean with its 95 % interval."""
    mean, half = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
    return f"{mean:.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


def main() -> None:
    """Print rows of a table in Markdown."""
    file, way = Path(sys.argv[1]), sys.argv[2]
    read, hold = HELD[way]
    rows = read(file)
    held = hold(rows)
    train, test = rows.filter(~held), rows.filter(held)
    with TemporaryDirectory() as made:
        folder = Path(made)
        train.write_parquet(folder / "events.parquet")
        (folder / "settings.toml").write_text(TOML + "".join(ALONE.format(name=name) for name in SOURCES))
        command(["--settings", str(folder / "settings.toml"), "train", "--force", "a benchmark"])
        for task in TASKS:
            truth = wanted(train, test, task)
            (folder / "users.txt").write_text("".join(f"{user}\n" for user in truth))
            ours = ndcg(exported(folder, "best_guess", task), truth)
            alone = {name: ndcg(exported(folder, f"alone_{name}", task), truth) for name in SOURCES}
            best = max(alone, key=lambda name: float(alone[name].mean()))
            said = f"{in_words(ours)} | {best} {alone[best].mean():.4f} | {in_words(ours - alone[best])}"
            print(f"| {file.stem}, {way} | `{task}` | {len(truth):,} | {said} |", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
