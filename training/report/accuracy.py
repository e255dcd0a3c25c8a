"""The report's section on accuracy: the last fold's evaluation, and the difference from the last recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.store import Manifest
from recsys.types import Arrays, SettingsError
from training.evaluation.evaluate import (
    POPULARITY,
    TASKS,
    Evaluation,
    Examination,
    Judged,
    ScoreRow,
    Slice,
    Subject,
    Task,
    difference,
    evaluate,
    examine,
    fit_for,
    judge,
)
from training.evaluation.metrics import Interval
from training.evaluation.rules import RuleRow
from training.evaluation.split import Fold, folds_before, split
from training.gate.config_validation import laid_over
from training.gate.contest import HOME
from training.gate.snapshot_checks import BLEND
from training.job.job import Watch, learn_ranker
from training.report.customers import STAGES

MAX_CATEGORIES = 10
_ORDER = {
    "history": ("0 events", "1", "2-5", "6-20", "21-100", "over 100"),
    "intent": ("buyer", "browser"),
    "lifecycle": STAGES,
}


@dataclass(frozen=True)
class TaskTable:
    """One task: its rows in groups, best first, the end of the axis, and popularity to compare with."""

    task: Task
    groups: tuple[tuple[str, tuple[ScoreRow, ...]], ...]
    home: ScoreRow
    popularity: ScoreRow
    top: float
    rules: tuple[RuleRow, ...] = ()
    """Lead rules of the home placement."""


@dataclass(frozen=True)
class Part:
    """A part of the shoppers on the home placement, one slice a task."""

    value: str
    slices: Mapping[Task, Slice]


@dataclass(frozen=True)
class Compared:
    """NDCG@10 of a subject now minus that of the earlier recipe, over the same shoppers."""

    subject: Subject
    task: Task
    before: float
    gain: Interval


@dataclass(frozen=True)
class Comparison:
    """The snapshot's recipe against that of the one before; without rows the two are the same, or `problem` says more."""

    version: str
    rows: tuple[Compared, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Accuracy:
    """The evaluation of the days before the snapshot, arranged for reading."""

    fold: Fold
    tables: tuple[TaskTable, ...]
    parts: Mapping[str, tuple[Part, ...]]
    slice_top: float
    comparison: Comparison | None


def alike(rows: Sequence[ScoreRow]) -> tuple[tuple[tuple[str, ...], ScoreRow], ...]:
    """Rows whose figures are the same as one, with the names of all: several placements may follow the same rules."""
    found: dict[bytes, tuple[list[str], ScoreRow]] = {}
    for row in rows:
        figures = msgspec.json.encode(msgspec.structs.replace(row, subject=rows[0].subject), order="deterministic")
        found.setdefault(figures, ([], row))[0].append(row.subject.name)
    return tuple((tuple(names), row) for names, row in found.values())


def measure_accuracy(
    settings: Settings,
    earlier: Manifest | None,
    before: datetime,
    now: datetime,
    progress: Watch,
    erasure_keys: ErasureKeys | None = None,
) -> Accuracy | None:
    """Evaluate a recipe on the last `evaluation.days` before `before`, and that of an earlier snapshot beside it; None if nobody
    who was known bought anything then."""
    fold = folds_before(before, settings.evaluation.days, 1)[0]
    examination = examine(split(settings, fold, now, erasure_keys=erasure_keys), settings.evaluation, settings.seed)
    if not len(examination.split.prepared.events) or not len(examination.truths["repeat"]):
        return None
    known: dict[bytes, Arrays] = {}
    evaluation, judged = evaluate(
        settings, examination, now, lambda done, of: progress(f"evaluate: {done} of {of}") if of > 1 else None, known
    )
    if not any(row.users for row in evaluation.rows):
        return None
    compared = None
    if earlier:
        progress(f"compare with {earlier.version}")
        compared = _compare(settings, earlier, examination, judged, now, known)
    parts = _parts(evaluation)
    shown = [one.ndcg10.high for group in parts.values() for part in group for one in part.slices.values()]
    tables = tuple(_table(evaluation, task) for task in TASKS)
    return Accuracy(fold, tables, parts, max(shown, default=1.0) or 1.0, compared)


def _compare(
    settings: Settings,
    earlier: Manifest,
    examination: Examination,
    judged: Mapping[Task, Judged],
    now: datetime,
    known: dict[bytes, Arrays],
) -> Comparison:
    """Fit the earlier recipe on the same days and ask the same shoppers; the earlier arrays have seen the days themselves."""
    old = laid_over(settings, earlier)
    if msgspec.json.encode(old, order="deterministic") == msgspec.json.encode(settings, order="deterministic"):
        return Comparison(earlier.version)
    try:
        ranker = learn_ranker(examination.split.prepared, old, now=now).serving if earlier.ranker.leads else None
        asked = judge(fit_for(examination, old, now, known, ranker), examination, (HOME, BLEND))
    except SettingsError as error:
        return Comparison(earlier.version, problem=str(error))
    rows = [
        Compared(
            subject,
            task,
            float(asked[task].values[subject]["ndcg10"][asked[task].warm].mean()),
            difference(judged[task], asked[task], subject, settings),
        )
        for subject in (HOME, BLEND)
        for task in TASKS
        if asked[task].warm.any()
    ]
    return Comparison(earlier.version, tuple(rows))


def _table(evaluation: Evaluation, task: Task) -> TaskTable:
    rows = [row for row in evaluation.rows if row.task == task]
    groups = (
        ("The shop's placements, with all their rules", _best(rows, "placement")),
        ("The blend alone", _best(rows, "blend")),
        ("Each recommender alone", _best(rows, "recommender")),
    )
    top = max(row.metrics["ndcg10"].high for row in rows) or 1.0
    popularity = evaluation.row(Subject("recommender", POPULARITY), task)
    rules = tuple(row for row in evaluation.rules if row.task == task and HOME.name in row.placements)
    return TaskTable(task, groups, evaluation.row(HOME, task), popularity, top, rules)


def _best(rows: Sequence[ScoreRow], kind: str) -> tuple[ScoreRow, ...]:
    return tuple(sorted((row for row in rows if row.subject.kind == kind), key=lambda row: -row.metrics["ndcg10"].mean))


def _parts(evaluation: Evaluation) -> dict[str, tuple[Part, ...]]:
    """The slices of the home policy by kind: in their natural order, categories by how many shoppers they have."""
    found: dict[str, dict[str, dict[Task, Slice]]] = {}
    for one in evaluation.slices:
        if one.subject == HOME and one.value not in ("cold", "none"):
            found.setdefault(one.by, {}).setdefault(one.value, {})[one.task] = one
    parts = {}
    for by, values in found.items():
        order = _ORDER.get(by)
        ranked = sorted(values, key=lambda value: -max(one.users for one in values[value].values()))[:MAX_CATEGORIES]
        named = [value for value in order if value in values] if order else ranked
        parts[by] = tuple(Part(value, values[value]) for value in named)
    return parts
