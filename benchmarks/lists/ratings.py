"""Ratings without tuning: what `make train` learns of the blend against each recommender alone, on a fifth of a folder's ratings.

Each rating counts as a purchase, whatever its stars; those held back are drawn at random (`ratings.csv` as MovieLens has it).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from recsys.engine.pipeline import Engine
from recsys.settings.load import load_settings
from recsys.settings.placements import BlendSettings
from training.job.blend_pools import Question, Values, gather
from training.job.default_blend import SOURCES
from training.job.job import learn, prepare, with_default_blend

TOML = """
[data.events]
paths = ["events.csv"]
time_unit = "s"

[data.events.constants]
event_type = "purchase"

[web]
clock = "events"
"""
SEED, HELD_BACK, SHOPPERS = 7, 0.2, 500


def halves(ratings: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw the ratings that are learned from, and those that are asked for."""
    columns = {"userId": "user_id", "movieId": "item_id", "timestamp": "timestamp"}
    read = pl.read_csv(ratings, schema_overrides={"userId": pl.String, "movieId": pl.String})
    rows = read.select(list(columns)).rename(columns)
    late = pl.Series(np.random.default_rng(SEED).random(rows.height) < HELD_BACK)
    return rows.filter(~late), rows.filter(late)


def questions(engine: Engine, test: pl.DataFrame) -> list[Question]:
    """The first shoppers by id, and what was held back of each."""
    of_each = test.group_by("user_id").agg("item_id").sort("user_id").head(SHOPPERS)
    found: list[Question] = []
    for user, items in of_each.iter_rows():
        rows = (engine.catalog.row(item) for item in items)
        found.append((user, np.array(sorted({row for row in rows if row >= 0}), np.int32), len(items)))
    return found


def in_words(measured: Values, best: Values) -> str:
    """The mean, and the difference from the best single recommender with its 95 % interval."""
    gains = measured - best
    half = 1.96 * gains.std() / np.sqrt(len(gains))
    return f"{measured.mean():.4f} | {gains.mean():+.4f} [{gains.mean() - half:+.4f}, {gains.mean() + half:+.4f}]"


def main() -> None:
    """Print a table in Markdown."""
    train, test = halves(Path(sys.argv[1]) / "ratings.csv")
    now = datetime.now(UTC)
    with TemporaryDirectory() as folder:
        train.write_csv(Path(folder) / "events.csv")
        (Path(folder) / "settings.toml").write_text(TOML)
        settings = load_settings(Path(folder) / "settings.toml")
        prepared = prepare(settings, now=now)
        learned = with_default_blend(prepared, settings, now=now)[0].blend
        engine = Engine(learn(prepared, settings, now=now, asked=SOURCES).snapshot(), settings)
        for segment in ("customer", "repeat"):
            pools = gather(engine, questions(engine, test), prepared.as_of, segment, SOURCES)
            alone = {name: pools.ndcg(weights) for name, weights in zip(SOURCES, np.eye(len(SOURCES)), strict=True)}
            best = max(alone, key=lambda name: float(alone[name].mean()))
            print(f"| {segment} | {len(pools)} | {best} alone | {in_words(alone[best], alone[best])} |")
            for name, blend in (("default weights", BlendSettings()), ("learned", learned)):
                weights = getattr(blend, segment)
                ranked = pools.ndcg(np.array([weights.get(source, 0.0) for source in SOURCES]))
                print(f"| {segment} | {len(pools)} | {name} | {in_words(ranked, alone[best])} |", flush=True)


if __name__ == "__main__":
    main()
