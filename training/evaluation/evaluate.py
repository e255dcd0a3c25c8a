"""Evaluation: the serving pipeline itself, asked as of a past moment, judged by what shoppers bought next.

Two tasks: `repeat` counts anything that was bought, and what a shopper owns may be shown; `new` counts, and shows, only what the
shopper had not bought before. Every recommender alone, the blend alone and every placement's full policy are rows of one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine
from recsys.settings import Settings
from recsys.snapshot.catalog import Catalog
from recsys.types import Arrays, EventType, Profile, Rows, SettingsError
from training.evaluation.asking import POPULARITY as POPULARITY
from training.evaluation.asking import TASKS as TASKS
from training.evaluation.asking import Examination as Examination
from training.evaluation.asking import Judged as Judged
from training.evaluation.asking import Lists as Lists
from training.evaluation.asking import Subject as Subject
from training.evaluation.asking import Task as Task
from training.evaluation.asking import ask as ask
from training.evaluation.asking import examine as examine
from training.evaluation.asking import fit_for as fit_for
from training.evaluation.asking import subjects as subjects
from training.evaluation.asking import with_subjects as with_subjects
from training.evaluation.metrics import (
    METRICS,
    Bootstrap,
    Interval,
    coverage,
    long_tail,
    per_user,
    tail_items,
)
from training.evaluation.rules import RuleRow, judge_rules
from training.job.job import Prepared, learn_ranker, with_default_blend

Progress = Callable[[int, int], None]


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One subject on one task: means over `users` with 95 % intervals, and what its lists are like."""

    subject: Subject
    task: Task
    users: int
    metrics: Mapping[str, Interval]
    coverage: float
    """Share of the catalogue in anybody's first ten."""
    long_tail: float
    """Share of the first ten outside the items that make 80 % of purchases."""
    personalized: float
    """Share of slates that the shopper's own history shaped."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """NDCG@10 of one subject within a part of the users."""

    subject: Subject
    task: Task
    by: str
    value: str
    users: int
    ndcg10: Interval


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one fold; plain data, so that it can stand in a manifest and a report."""

    at: str
    days: int
    users: int
    items: int
    rows: tuple[ScoreRow, ...]
    slices: tuple[Slice, ...] = ()
    rules: tuple[RuleRow, ...] = ()

    def row(self, subject: Subject, task: Task) -> ScoreRow:
        """The row of a subject on a task."""
        return next(row for row in self.rows if (row.subject, row.task) == (subject, task))


def judge(
    engine: Engine, examination: Examination, chosen: Sequence[Subject], progress: Progress = lambda _done, _of: None
) -> dict[Task, Judged]:
    """Let each subject answer each task, and measure every user's list."""
    judged: dict[Task, Judged] = {}
    for number, task in enumerate(TASKS):
        truth = examination.truths[task]
        lists: dict[Subject, Lists] = {}
        for place, subject in enumerate(chosen):
            progress(number * len(chosen) + place, len(TASKS) * len(chosen))
            lists[subject] = ask(engine, examination, subject, task)
        values = {subject: per_user(found.items, truth, engine.catalog.n_items) for subject, found in lists.items()}
        warm = np.array([len(engine.snapshot.histories.of(user)) > 0 for user in truth.users], bool)
        judged[task] = Judged(truth, warm, lists, values)
    progress(1, 1)
    return judged


def evaluate(
    settings: Settings,
    examination: Examination,
    now: datetime,
    progress: Progress = lambda _done, _of: None,
    known: dict[bytes, Arrays] | None = None,
) -> tuple[Evaluation, dict[Task, Judged]]:
    """Fit, ask and measure every subject on one fold; returns the table and the values per user behind it."""
    settings, _ = with_default_blend(examination.split.prepared, settings, now=now)
    ranker = learn_ranker(examination.split.prepared, settings, now=now).serving
    engine = fit_for(examination, settings, now, known, ranker)
    judged = judge(engine, examination, subjects(settings), progress)
    tail = tail_items(_purchases(examination.split.prepared, engine.catalog.n_items))
    rows, slices = [], []
    for task, found in judged.items():
        profiles = [
            engine.profiler.profile(user, engine.snapshot.histories.of(user), examination.now) for user in found.truth.users
        ]
        warm = found.warm
        bootstrap = Bootstrap(len(found.truth), settings.evaluation.resamples, settings.seed)
        for subject, values in found.values.items():
            lists = found.lists[subject]
            rows.append(
                ScoreRow(
                    subject=subject,
                    task=task,
                    users=int(warm.sum()),
                    metrics={name: bootstrap.interval(values[name], warm) for name in METRICS},
                    coverage=round(coverage(lists.items[warm], engine.catalog.n_known), 4),
                    long_tail=round(long_tail(lists.items[warm], tail), 4),
                    personalized=round(float(lists.personal[warm].mean()), 4) if warm.any() else 0.0,
                )
            )
            for by, labels in _slices(profiles, engine).items():
                for value in sorted(set(labels)):
                    part = np.array([label == value for label in labels], bool)
                    interval = bootstrap.interval(values["ndcg10"], part)
                    slices.append(
                        Slice(subject=subject, task=task, by=by, value=value, users=int(part.sum()), ndcg10=interval)
                    )
    fold = examination.split.fold
    return Evaluation(
        at=fold.at.isoformat(),
        days=fold.days,
        users=len(examination.truths["repeat"]),
        items=engine.catalog.n_known,
        rows=tuple(rows),
        slices=tuple(slices),
        rules=judge_rules(engine, examination, judged, settings),
    ), judged


def difference(one: Judged, other: Judged, subject: Subject, settings: Settings, against: Subject | None = None) -> Interval:
    """NDCG@10 of `subject` in `one` minus that of `against` (default: the same) in `other`: the mean over the same users with
    a train event, paired, with its interval.

    Raises:
        SettingsError: if the two were not asked for the same users.
    """
    if one.truth.users != other.truth.users:
        raise SettingsError("evaluation: two runs can be compared only for the same users")
    values = one.values[subject]["ndcg10"] - other.values[against or subject]["ndcg10"]
    return Bootstrap(len(values), settings.evaluation.resamples, settings.seed).interval(values, one.warm)


def history_length(events: int) -> str:
    """Name the bucket of a history's length."""
    for max_n, name in ((0, "0 events"), (1, "1"), (5, "2-5"), (20, "6-20"), (100, "21-100")):
        if events <= max_n:
            return name
    return "over 100"


def _slices(profiles: Sequence[Profile], engine: Engine) -> dict[str, list[str]]:
    """The parts that users fall into, by what was known of them; cold users have no train event."""
    roots = _roots(engine.catalog)
    return {
        "history": [history_length(len(profile.history)) for profile in profiles],
        "intent": [profile.intent if profile.known else "cold" for profile in profiles],
        "lifecycle": [profile.lifecycle if profile.known else "cold" for profile in profiles],
        "category": [_category(profile, engine.catalog, roots) if profile.known else "cold" for profile in profiles],
    }


def _roots(catalog: Catalog) -> Rows:
    """The top-level category int32[c] of every category."""
    roots = np.arange(len(catalog.parent), dtype=np.int32)
    while (above := catalog.parent[roots] >= 0).any():
        roots[above] = catalog.parent[roots[above]]
    return roots


def _category(profile: Profile, catalog: Catalog, roots: Rows) -> str:
    """The top-level category that most of the shopper's events were in."""
    items = profile.history.items
    leaves = catalog.category[items[items >= 0]]
    leaves = leaves[leaves >= 0]
    return catalog.categories.text(int(np.bincount(roots[leaves]).argmax())) if len(leaves) else "none"


def _purchases(prepared: Prepared, n_items: int) -> NDArray[np.int64]:
    events = prepared.events
    return np.bincount(events.items[(events.kinds == EventType.PURCHASE) & (events.items >= 0)], minlength=n_items)
