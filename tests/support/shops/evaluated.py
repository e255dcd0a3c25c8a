"""A synthetic shop of three hundred shoppers with tastes, and its last sixty days as questions, for the tests of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from recsys.engine.pipeline import Engine
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.types import Arrays
from simulator import make_shop, shop_settings
from tests.support.shops.synthetic import END
from training.evaluation.evaluate import (
    POPULARITY,
    Evaluation,
    Examination,
    Judged,
    Subject,
    Task,
    evaluate,
    examine,
    fit_for,
)
from training.evaluation.split import Fold, split

FOLD = Fold(END - timedelta(days=60), 60)
BLEND, POPULAR = Subject("blend", "blend"), Subject("recommender", POPULARITY)
SETTINGS = shop_settings(".", ("events", "items", "identities"))
WITHOUT_ITEMS = shop_settings(".", ("events", "identities"))


@dataclass(frozen=True)
class Run:
    """A shop of planted tastes, examined, fitted and evaluated once."""

    settings: Settings
    examination: Examination
    engine: Engine
    evaluation: Evaluation
    judged: dict[Task, Judged]
    known: dict[bytes, Arrays]

    def part(self, subject: Subject, task: Task, by: str) -> dict[str, tuple[int, float]]:
        """Users and mean NDCG@10 by value of a slice."""
        chosen = [each for each in self.evaluation.slices if (each.subject, each.task, each.by) == (subject, task, by)]
        return {each.value: (each.users, each.ndcg10.mean) for each in chosen}


def questions(settings: Settings, fold: Fold = FOLD, now: datetime = END) -> Examination:
    """Set the questions of a fold."""
    return examine(split(settings, fold, now), settings.evaluation, settings.seed)


def taste_tables(folder: Path) -> Path:
    """Write the shop's tables."""
    make_shop(folder, users=300, end=END)
    return folder


def evaluated(folder: Path) -> Run:
    """Evaluate the shop of a folder on its last sixty days."""
    settings = parse_settings(SETTINGS, folder)
    examination = questions(settings)
    known: dict[bytes, Arrays] = {}
    engine = fit_for(examination, settings, END, known)
    return Run(settings, examination, engine, *evaluate(settings, examination, END, known=known), known)
