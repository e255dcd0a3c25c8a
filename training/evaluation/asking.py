"""Questions of an evaluation: who is asked about which shoppers as of a past moment, and the lists that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np

from recsys.engine.pipeline import Engine, answer
from recsys.recommenders import RECOMMENDERS
from recsys.settings import EvaluationSettings, Settings
from recsys.settings.placements import Placement, Rule
from recsys.types import Arrays, Mask, Query, Rows
from training.evaluation.metrics import DEPTH, Values
from training.evaluation.split import Split, Truth, owned_before
from training.job.job import learn
from training.job.ranker.ranker import FittedRanker
from training.job.tasks import TASKS as TASKS
from training.job.tasks import Task as Task

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
    owned = owned_before(split.prepared.events, split.prepared.user_ids, truth.users)
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
    return ask_for(engine, examination, subject.placement, task, examination.truths[task].users)


def ask_for(engine: Engine, examination: Examination, placement: str, task: Task, users: Sequence[str]) -> Lists:
    """Ask a placement for some users, a row each, as of the fold's moment."""
    lists, personal = np.full((len(users), DEPTH), -1, np.int32), np.zeros(len(users), bool)
    for place, user in enumerate(users):
        query = Query(now=examination.now, user_id=user, placement=placement, limit=DEPTH, bought=TASKS[task])
        slate = answer(engine, query, engine.snapshot.histories.of(user))
        lists[place, : len(slate.items)] = slate.items
        personal[place] = slate.personalized
    return Lists(lists, personal)
