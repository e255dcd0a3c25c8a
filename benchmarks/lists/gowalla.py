"""Compare the collaborative filters with published tables on Gowalla (the LightGCN split): `make benchmark-gowalla`.

Settings are chosen on a random tenth of the training pairs, refitted on all of them, and tested once. Recall@20 and NDCG@20 rank
the whole catalogue with the user's training items left out, as in He et al., "LightGCN" (SIGIR 2020), section 4.1. A blend is
chosen among those that recommend items about as popular as `item_item` alone does: the tenth rewards rare items more than the test.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array

from recsys.recommenders.als import AlsSettings, factorise
from recsys.recommenders.item_item import ItemItemSettings, neighbour_arrays
from recsys.types import Rows

OUT = Path("benchmarks/out")
DEPTH = 20
SEED = 20
SHIFT = 0.1
"""Most by which a blend may move the mean log popularity of what is recommended."""
PUBLISHED: Sequence[tuple[str, float, float]] = (
    ("ItemCF", 0.1570, 0.1214),
    ("SLIM", 0.1699, 0.1382),
    ("EASE", 0.1765, 0.1467),
    ("LightGCN", 0.1820, 0.1547),
    ("GF-CF", 0.1849, 0.1518),
    ("SimpleX", 0.1872, 0.1557),
    ("UltraGCN", 0.1862, 0.1580),
    ("BSPM", 0.1920, 0.1597),
)
"""Recall@20 and NDCG@20 on the BARS board."""

Scorer = Callable[[slice], NDArray[np.float32]]
"""Scores float32[users of the slice, items]."""
Fit = Callable[[csr_array], Scorer]

_BLOCK = 1_000


def main() -> int:
    """Choose, refit, test and write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=OUT, help="folder for gowalla.json and the lists (default: benchmarks/out)"
    )
    out: Path = parser.parse_args().out
    folder = Path(os.environ.get("RECSYS_DATA", ""), "gowalla")
    if not os.environ.get("RECSYS_DATA") or not folder.is_dir():
        Console(stderr=True).print("error: set RECSYS_DATA to the folder that holds gowalla/")
        return 1
    train, test = (_matrix(pl.read_parquet(folder / f"{part}.parquet")) for part in ("train", "test"))
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    chosen: dict[str, Fit] = {}
    for model, candidates in {**grids(), "blend": []}.items():
        if model == "blend":
            fit, said = choose(blends(chosen["item_item"]), train, chosen["item_item"])
        else:
            fit, said = choose(candidates, train) if len(candidates) > 1 else candidates[0]
        chosen[model] = fit
        started = time.perf_counter()
        scorer = fit(train)
        seconds = time.perf_counter() - started
        lists = top_lists(scorer, train)
        recall, ndcg = measure(lists, test)
        _write_lists(out / f"gowalla_{model}.parquet", lists)
        rows.append({"model": model, "recall20": recall, "ndcg20": ndcg, "fit_seconds": round(seconds, 1), "settings": said})
        (out / "gowalla.json").write_text(json.dumps(rows, indent=1))
    _print(rows)
    return 0


def grids() -> dict[str, list[tuple[Fit, str]]]:
    """The settings tried per model."""
    degree = [
        ItemItemSettings(neighbours=k, item_power=p, user_power=a, most_items=100_000)
        for a, p, k in product((0.45, 0.5), (1.0, 1.1), (100, 200))
    ]
    bm25 = [
        ItemItemSettings(weighting="bm25", neighbours=200, bm25_k1=k1, bm25_b=b, most_items=100_000)
        for k1, b in product((1.0, 10.0), (0.5,))
    ]
    als = [AlsSettings(factors=128, iterations=15, regularization=0.01, alpha=alpha) for alpha in (5.0, 20.0)]
    return {
        "popularity": [(_popularity, "")],
        "item_item": [(_neighbours(settings), _said(settings)) for settings in degree],
        "item_item_bm25": [(_neighbours(settings), _said(settings)) for settings in bm25],
        "als": [(_factors(settings), _said(settings)) for settings in als],
    }


def blends(item_item: Fit) -> list[tuple[Fit, str]]:
    """`item_item` with ALS of several sizes and weights."""
    neighbours = _once(item_item)
    candidates = []
    for factors, weights in {128: (0.5,), 192: (0.25, 0.5), 256: (0.25, 0.5)}.items():
        settings = AlsSettings(factors=factors, iterations=15, regularization=1.0, alpha=20.0)
        als = _once(_factors(settings))
        candidates += [(_blended(neighbours, als, w), f"item_item + {w} als ({_said(settings)})") for w in weights]
    return candidates


def choose(candidates: list[tuple[Fit, str]], train: csr_array, like: Fit | None = None) -> tuple[Fit, str]:
    """Fit each on nine tenths of the training pairs, rank the rest, and keep the best by NDCG@20.

    With `like`, those whose items are more than SHIFT more or less popular than its own are out.
    """
    kept, held_back = split(train)
    usual = None if like is None else popularity(top_lists(like(kept), kept), kept)
    scores = []
    for fit, said in candidates:
        lists = top_lists(fit(kept), kept)
        (recall, ndcg), popular = measure(lists, held_back), popularity(lists, kept)
        shifted = usual is not None and abs(popular - usual) > SHIFT
        line = f"validation recall20 {recall:.4f} ndcg20 {ndcg:.4f} log popularity {popular:.3f}{' (out)' * shifted}  {said}"
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)
        scores.append(-1.0 if shifted else ndcg)
    return candidates[int(np.argmax(scores))]


def popularity(lists: Rows, train: csr_array) -> float:
    """Mean log(1 + training users) of the recommended items."""
    return float(np.log1p(np.bincount(train.indices, minlength=train.shape[1]))[lists].mean())


def split(train: csr_array) -> tuple[csr_array, csr_array]:
    """Hold a random tenth of the pairs back."""
    pairs = train.tocoo()
    chosen = np.random.default_rng(SEED).random(train.nnz) < 0.1
    parts = []
    for mask in (~chosen, chosen):
        frame = pl.DataFrame({"user": pairs.coords[0][mask], "item": pairs.coords[1][mask]})
        parts.append(_matrix(frame, train.shape))
    return parts[0], parts[1]


def top_lists(scorer: Scorer, train: csr_array) -> Rows:
    """The 20 best items int32[users, 20] of every user, training items left out."""
    lists = np.zeros((train.shape[0], DEPTH), np.int32)
    for users in _blocks(train.shape[0]):
        scores = scorer(users)
        _leave_out(scores, train[users])
        best = np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        lists[users] = np.take_along_axis(best, order, 1)
    return lists


def measure(lists: Rows, truth: csr_array) -> tuple[float, float]:
    """Mean Recall@20 and NDCG@20 (binary gain, ideal over min(20, truth)) of the users that have truth."""
    users = np.flatnonzero(np.diff(truth.indptr))
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    recall, ndcg = 0.0, 0.0
    for user in users:
        relevant = truth.indices[truth.indptr[user] : truth.indptr[user + 1]]
        hits = np.isin(lists[user], relevant)
        recall += hits.sum() / len(relevant)
        ndcg += discount[hits].sum() / discount[: min(DEPTH, len(relevant))].sum()
    return round(float(recall / len(users)), 4), round(float(ndcg / len(users)), 4)


def _popularity(train: csr_array) -> Scorer:
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda users: np.tile(counts, (len(range(*users.indices(train.shape[0]))), 1))


def _neighbours(settings: ItemItemSettings) -> Fit:
    def fit(train: csr_array) -> Scorer:
        arrays = neighbour_arrays(train, settings)
        neighbours, weights = arrays["neighbours"], arrays["weights"]
        n, width = neighbours.shape
        similar = csr_array((weights.ravel(), neighbours.ravel(), np.arange(0, n * width + 1, width)), shape=(n, n))
        return lambda users: np.asarray((train[users] @ similar).todense(), np.float32)

    return fit


def _factors(settings: AlsSettings) -> Fit:
    def fit(train: csr_array) -> Scorer:
        confidence = train.copy()
        confidence.data = (1 + settings.alpha * confidence.data).astype(np.float32)
        users, items = factorise(confidence, settings, SEED)
        return lambda chosen: users[chosen] @ items.T

    return fit


def _blended(first: Fit, second: Fit, weight: float) -> Fit:
    """`first` + weight · `second`, each divided by the user's best score as in `recsys.engine.blend`."""

    def fit(train: csr_array) -> Scorer:
        members = first(train), second(train)

        def scores(users: slice) -> NDArray[np.float32]:
            part = train[users]
            one, other = (_relative(member(users), part) for member in members)
            other *= np.float32(weight)
            one += other
            return one

        return scores

    return fit


def _once(fit: Fit) -> Fit:
    """Fit only when the matrix is another one than the last time."""
    last: list[tuple[csr_array, Scorer]] = []

    def again(train: csr_array) -> Scorer:
        if not last or last[0][0] is not train:
            last[:] = [(train, fit(train))]
        return last[0][1]

    return again


def _relative(scores: NDArray[np.float32], train: csr_array) -> NDArray[np.float32]:
    """Scores over the best of the user's unseen items; those not above zero, and seen items, count nothing."""
    _leave_out(scores, train)
    np.maximum(scores, 0, out=scores)
    scores /= np.maximum(scores.max(axis=1, keepdims=True), np.float32(1e-30))
    return scores


def _leave_out(scores: NDArray[np.float32], train: csr_array) -> None:
    scores[np.repeat(np.arange(train.shape[0]), np.diff(train.indptr)), train.indices] = -np.inf


def _said(settings: msgspec.Struct) -> str:
    default = type(settings)()
    changed = {key: value for key, value in msgspec.structs.asdict(settings).items() if value != getattr(default, key)}
    return ", ".join(f"{key}={value}" for key, value in changed.items())


def _matrix(pairs: pl.DataFrame, shape: tuple[int, int] = (29_858, 40_981)) -> csr_array:
    ones = np.ones(pairs.height, np.float32)
    return csr_array((ones, (pairs["user"].to_numpy(), pairs["item"].to_numpy())), shape=shape)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _write_lists(file: Path, lists: Rows) -> None:
    users, depth = lists.shape
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(users, dtype=np.int32), depth),
            "rank": np.tile(np.arange(1, depth + 1, dtype=np.int32), users),
            "item": lists.ravel(),
        }
    )
    frame.write_parquet(file)


def _print(rows: Sequence[dict[str, object]]) -> None:
    table = Table(title="Gowalla, LightGCN split", title_justify="left")
    for column in ("model", "Recall@20", "NDCG@20", "fit s", "settings"):
        table.add_column(column, justify="right" if "@" in column or "fit" in column else "left")
    lines = [
        (str(row["model"]), row["recall20"], row["ndcg20"], str(row["fit_seconds"]), str(row["settings"])) for row in rows
    ]
    published = [(f"{name} (published)", recall, ndcg, "", "") for name, recall, ndcg in PUBLISHED]
    for line in sorted([*lines, *published], key=lambda line: -float(str(line[1]))):
        table.add_row(line[0], f"{line[1]:.4f}", f"{line[2]:.4f}", *line[3:])
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
