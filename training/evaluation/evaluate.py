"""Evaluation: the serving pipeline itself, asked as of a past moment, judged by what shoppers bought next.

Two tasks: `repeat` counts anything that was bought, and what a shopper owns may be shown; `new` counts, and shows, only what the
shopper had not bought before. Every recommender alone, the blend alone and every placement's full policy are rows of one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine, answer
from recsys.recommenders import RECOMMENDERS
from recsys.settings import EvaluationSettings, Settings
from recsys.settings.placements import Placement, Rule
from recsys.snapshot.catalog import Catalog
from recsys.types import Arrays, EventType, Mask, Profile, Query, Rows, SettingsError
from training.evaluation.metrics import (
    DEPTH,
    METRICS,
    Bootstrap,
    Interval,
    Values,
    coverage,
    long_tail,
    per_user,
    tail_items,
)
from training.evaluation.split import Split, Truth, owned_before
from training.job.job import Prepared, learn, learn_ranker, with_default_blend
from training.job.ranker import FittedRanker
from training.job.tasks import TASKS as TASKS
from training.job.tasks import Task as Task

Progress = Callable[[int, int], None]
_ALONE = "alone_"
_BLEND = "blend_alone"
POPULARITY = "trending"
"""The recommender that everything has to beat."""


class Subject(msgspec.Struct, frozen=True):
    """Subject of an evaluation: a recommender alone, the blend alone, or a placement's whole policy."""

    kind: Literal["recommender", "blend", "placement"]
    name: str

    @property
    def placement(self) -> str:
        """The placement that answers for it."""
        return {"recommender": _ALONE + self.name, "blend": _BLEND, "placement": self.name}[self.kind]


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

    def row(self, subject: Subject, task: Task) -> ScoreRow:
        """The row of a subject on a task."""
        return next(row for row in self.rows if (row.subject, row.task) == (subject, task))


@dataclass(frozen=True)
class Lists:
    """Answers of one subject on one task: rows int32[u, 20] padded with -1, and whether each slate was personal."""

    items: Rows
    personal: Mask


@dataclass(frozen=True)
class Judged:
    """One task of a fold, ready to be compared: the truth, who of its users had an event before it (warm bool[u]; the others
    are cold), and per subject its lists and one value per user and metric."""

    truth: Truth
    warm: Mask
    lists: dict[Subject, Lists]
    values: dict[Subject, dict[str, Values]]


def subjects(settings: Settings) -> list[Subject]:
    """Everything that is judged for a shop."""
    return [
        *(Subject("recommender", name) for name in RECOMMENDERS),
        Subject("blend", "blend"),
        *(Subject("placement", name) for name in settings.placement_names()),
    ]


def with_subjects(settings: Settings) -> Settings:
    """The settings with a placement for every recommender alone and for the blend alone, without fallback."""
    alone = {
        _ALONE + name: Placement(rules=(Rule(name=name, recommenders={name: 1.0}),), fallback=()) for name in RECOMMENDERS
    }
    blend = Placement(rules=(Rule(name="blend", blend=True),), fallback=())
    return msgspec.structs.replace(settings, placements={**settings.placements, **alone, _BLEND: blend})


@dataclass(frozen=True)
class Examination:
    """A fold with its tasks' truths: the questions, before anybody answers them."""

    split: Split
    truths: Mapping[Task, Truth]

    @property
    def now(self) -> int:
        """The moment that is asked for, in microseconds: the window's beginning."""
        return self.split.prepared.as_of


def examine(split: Split, settings: EvaluationSettings, seed: int) -> Examination:
    """Set the questions: the users who bought in the window, at most `settings.users` of them."""
    truth = split.truth
    if len(truth) > settings.users:
        truth = truth.where(np.sort(np.random.default_rng(seed).choice(len(truth), settings.users, replace=False)))
    owned = owned_before(split.prepared.events, split.prepared.user_ids)
    return Examination(split, {"repeat": truth, "new": truth.without(owned)})


def fit_for(
    examination: Examination,
    settings: Settings,
    now: datetime,
    known: dict[bytes, Arrays] | None = None,
    ranker: FittedRanker | None = None,
) -> Engine:
    """Fit the settings on what came before the window, ready to answer for every subject; `ranker` was fitted before."""
    fitted = learn(examination.split.prepared, settings, now=now, known=known, ranker=ranker)
    return Engine(fitted.snapshot(), with_subjects(settings))


def ask(engine: Engine, examination: Examination, subject: Subject, task: Task) -> Lists:
    """Ask the pipeline for every user of a task as of the fold's moment."""
    truth, bought = examination.truths[task], TASKS[task]
    lists, personal = np.full((len(truth), DEPTH), -1, np.int32), np.zeros(len(truth), bool)
    for place, user in enumerate(truth.users):
        query = Query(now=examination.now, user_id=user, placement=subject.placement, limit=DEPTH, bought=bought)
        slate = answer(engine, query, engine.snapshot.histories.of(user))
        lists[place, : len(slate.items)] = slate.items
        personal[place] = slate.personalized
    return Lists(lists, personal)


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
    settings = with_default_blend(examination.split.prepared, settings, now=now)
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
