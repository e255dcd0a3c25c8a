"""Ranked lists of a past window: those that are served against the blend alone, and what becomes of items that are young.

Everything is fitted on what came before the window; differences are paired over the shoppers who were known before it.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from time import thread_time_ns
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.engine.pipeline import Engine, answer
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.types import EventType, Mask, Query
from training.evaluation.asking import Examination, Judged, Subject, examine, fit_for
from training.evaluation.evaluate import judge
from training.evaluation.metrics import DEPTH, Bootstrap, Interval, hits
from training.evaluation.split import Fold, split
from training.job.job import learn_ranker, with_default_blend
from training.job.tasks import TASKS, Task

BLEND = Subject("blend", "blend")
AGES = {"the 7 days before": (0, 7), "the 28 days before": (0, 28)}
"""Days before the window within which an item was sold first."""
ASKED, LISTED = 300, 12
"""Shoppers who are asked for while time is taken, and the items of their lists."""
Ages = NDArray[np.float64]


def without_ranker(settings: Settings) -> Settings:
    """The same settings, the blend leading."""
    return msgspec.structs.replace(settings, ranker=msgspec.structs.replace(settings.ranker, mode="off"))


def first_sold(events: Events, n_items: int, as_of: int) -> Ages:
    """Days from the first sale of each item up to the window, float64[n]; infinite: not sold before it."""
    first = np.full(n_items, np.iinfo(np.int64).max)
    sold = (events.kinds == EventType.PURCHASE) & (events.items >= 0)
    np.minimum.at(first, events.items[sold], events.times[sold])
    return np.where(first < as_of, (as_of - first) / DAY, np.inf)


class Side(NamedTuple):
    """One side of the comparison: what answers, and what came of it on both tasks."""

    engine: Engine
    tasks: dict[Task, Judged]


def side_of(settings: Settings, examination: Examination, now: datetime, subject: Subject) -> Side:
    """Fit, and measure the lists of a subject on both tasks."""
    prepared = examination.split.prepared
    settings, _ = with_default_blend(prepared, settings, now=now)
    ranker = learn_ranker(prepared, settings, now=now).serving
    engine = fit_for(examination, settings, now, ranker=ranker)
    return Side(engine, judge(engine, examination, [subject]))


def in_words(interval: Interval, sign: str = "") -> str:
    """A mean with its interval."""
    return f"{interval.mean:{sign}.4f} [{interval.low:{sign}.4f}, {interval.high:{sign}.4f}]"


def accuracy(name: str, before: dict[Task, Judged], after: dict[Task, Judged], subject: Subject, settings: Settings) -> None:
    """Print a row for each task: both means, and the paired difference."""
    for task in before:
        draws = Bootstrap(len(before[task].truth), settings.evaluation.resamples, settings.seed)
        one, other = (each[task].values[subject]["ndcg10"] for each in (before, after))
        warm = before[task].warm
        said = [
            in_words(draws.interval(one, warm)),
            in_words(draws.interval(other, warm)),
            in_words(draws.interval(other - one, warm), "+"),
        ]
        print(f"| {name} | `{task}` | {int(warm.sum()):,} | {' | '.join(said)} |", flush=True)


def speed(name: str, first: Side, other: Side, examination: Examination, subject: Subject) -> None:
    """Print for each task the median processor time of an answer on both sides, asked in turn for the same shoppers."""
    for task, truth in examination.truths.items():
        taken = np.zeros((2, min(len(truth), ASKED)))
        for place, user in enumerate(truth.users[:ASKED]):
            query = Query(now=examination.now, user_id=user, placement=subject.placement, limit=LISTED, bought=TASKS[task])
            for at in (0, 1) if place % 2 else (1, 0):
                engine = (first, other)[at].engine
                history = engine.snapshot.histories.of(user)
                begun = thread_time_ns()
                answer(engine, query, history)
                taken[at, place] = (thread_time_ns() - begun) / 1000
        before, after = np.median(taken, axis=1)
        print(f"| {name} | `{task}` | {before:.0f} → {after:.0f} µs | {after / before:.2f} × |", flush=True)


def young(name: str, examination: Examination, found: dict[Task, Judged], subject: Subject) -> None:
    """Print for each age of items how many there are, the shoppers who bought one, the share of them whose list of 20 has one
    that they bought, and the share of places that hold one."""
    prepared, n_items = examination.split.prepared, len(examination.split.prepared.base["category"])
    known = np.arange(n_items) < Catalog(prepared.base).n_known
    ages = first_sold(prepared.events, n_items, examination.now)
    kinds: dict[str, Mask] = {label: (ages > low) & (ages <= high) for label, (low, high) in AGES.items()}
    kinds |= {"never": np.isinf(ages) & known, "earlier": np.isfinite(ages) & (ages > AGES["the 28 days before"][1])}
    for task, truth in examination.truths.items():
        rows = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))
        lists = found[task].lists[subject].items
        for label, chosen in kinds.items():
            buyers = np.unique(rows[chosen[truth.items]])
            of_kind = (lists >= 0) & chosen[lists]
            met = (hits(lists, truth, n_items) & of_kind)[buyers].any(axis=1).mean() if len(buyers) else 0.0
            places = of_kind.sum() / (len(lists) * DEPTH)
            print(
                f"| {name} | `{task}` | {label} | {int(chosen.sum()):,} | {len(buyers):,} | {met:.2%} | {places:.2%} |",
                flush=True,
            )


def main() -> None:
    """Print three tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "settings",
        type=Path,
        nargs="+",
        help="the first is what others are held against; one alone: itself without the ranker",
    )
    parser.add_argument("--as-of", required=True, type=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC))
    parser.add_argument(
        "--placement", default="", help="a placement's whole policy (default: the blend alone, without fallback)"
    )
    chosen, now = parser.parse_args(), datetime.now(UTC)
    sides = {file.stem: load_settings(file) for file in chosen.settings}
    if len(sides) == 1:
        sides = {"blend": without_ranker(*sides.values()), **sides}
    settings = next(iter(sides.values()))
    subject = Subject("placement", chosen.placement) if chosen.placement else BLEND
    examination = examine(
        split(settings, Fold(chosen.as_of, settings.evaluation.days), now), settings.evaluation, settings.seed
    )
    found = {name: side_of(each, examination, now, subject) for name, each in sides.items()}
    first, *others = found.items()
    for name, each in others:
        accuracy(name, first[1].tasks, each.tasks, subject, settings)
    for name, each in others:
        speed(name, first[1], each, examination, subject)
    for name, each in found.items():
        young(name, examination, each.tasks, subject)


if __name__ == "__main__":
    main()
