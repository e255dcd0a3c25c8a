"""The commands that measure: evaluate, tune, report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from recsys.data.tables import read_shop
from recsys.settings import Settings
from recsys.types import DataError
from training import console
from training.evaluate import TASKS, Evaluation, Row, examine
from training.evaluate import evaluate as run_evaluation
from training.metrics import METRICS, Interval
from training.report import write_report
from training.split import Fold, split
from training.tune import Tuned, write_tuned
from training.tune import tune as run_tuning


def evaluate(settings: Settings, now: datetime, at: datetime | None, days: int | None, folds: int, out: Path | None) -> int:
    """Measure everything on the last folds and print the table; `out` keeps all of it as JSON."""
    days = days or settings.evaluation.days
    last = at or last_event(settings, now) - timedelta(days=days)
    evaluations = []
    for back in range(folds - 1, -1, -1):
        fold = Fold(last - timedelta(days=days * back), days)
        with console.steps(f"Reading {fold}") as watch:
            watch("events before, purchases after")
            examination = examine(split(settings, fold, now), settings.evaluation, settings.seed)
        with console.bar(f"Evaluating {fold}", "lists") as progress:
            evaluation, _ = run_evaluation(settings, examination, now, progress)
        evaluations.append(evaluation)
        _print(evaluation)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(evaluations), indent=1))
        console.say(f"✓ {out}")
    return 0


def tune(
    settings: Settings,
    now: datetime,
    before: datetime | None,
    only: Sequence[str],
    without: Sequence[str],
    trials: int,
    minutes: float,
) -> int:
    """Choose settings on the folds before the test window and write them beside the settings file."""
    end = before or last_event(settings, now) - timedelta(days=settings.evaluation.days)
    file = settings.path(settings.tuned or "tuned.toml")
    journal = settings.path(settings.snapshot.artifacts) / "tuning" / "journal.log"
    with console.steps("Tuning") as watch:
        watch("reading the folds")
        tuned = run_tuning(
            settings,
            end,
            now,
            journal,
            only=only,
            without=without,
            trials=trials,
            minutes=minutes,
            notify=lambda name, done, of, best: watch(f"{name}: {done} of {of} trials, best NDCG@10 {best:.4f}"),
        )
    write_tuned(file, tuned)
    _print_tuned(tuned, file)
    return 0


def report(settings: Settings, now: datetime, as_of: datetime | None) -> int:
    """Write the current snapshot's report and say where it is."""
    with console.steps("Reporting") as watch:
        file = write_report(settings, now, as_of=as_of, progress=watch)
    console.say(f"✓ {file}, also served at /reports/{file.stem}")
    return 0


def last_event(settings: Settings, now: datetime) -> datetime:
    """When the newest event happened, not later than now.

    Raises:
        DataError: if there is none.
    """
    events = read_shop(settings).events.filter(pl.col("timestamp") <= now)
    newest = events.select(pl.col("timestamp").max()).collect().item()
    if newest is None:
        raise DataError("events: there are none to measure on")
    assert isinstance(newest, datetime)
    return newest


def _print(evaluation: Evaluation) -> None:
    title = f"{evaluation.at[:10]} + {evaluation.days} days, {evaluation.items:,} items"
    columns = ("subject", *METRICS, "coverage", "long tail", "personal")
    for task in TASKS:
        rows = sorted((row for row in evaluation.rows if row.task == task), key=_rank)
        users = rows[0].users if rows else 0
        console.table(f"{task}: {title}, {users:,} users", columns, [_cells(row) for row in rows])


def _rank(row: Row) -> tuple[str, float]:
    kinds = {"blend": "0", "recommender": "1", "placement": "2"}
    return kinds[row.subject.kind], -row.metrics["ndcg10"].mean


def _cells(row: Row) -> tuple[object, ...]:
    name = row.subject.name if row.subject.kind != "placement" else f"on {row.subject.name}"
    first, *others = (row.metrics[metric] for metric in METRICS)
    return (
        name,
        _with_interval(first),
        *(_number(each.mean) for each in others),
        _number(row.coverage),
        _number(row.long_tail),
        _number(row.personalized),
    )


def _print_tuned(tuned: Tuned, file: Path) -> None:
    studies = [(each.name, each.task, each.trials, _number(each.before), _number(each.after)) for each in tuned.studies]
    if studies:
        console.table("Recommenders alone, NDCG@10 on validation", ("study", "task", "trials", "before", "after"), studies)
    learned = tuned.learned
    rows = [
        (part.segment, part.recommender, part.weight, _number(part.alone), _with_interval(part.adds), _worth(part.adds))
        for part in learned.contributions
    ]
    console.table("The blend", ("segment", "recommender", "weight", "alone", "adds (95 %)", ""), rows)
    for segment, value in learned.ndcg10.items():
        users = learned.users[segment]
        console.say(f"blend of {segment}: NDCG@10 {learned.before[segment]:.4f} before, {value:.4f} now, {users:,} users")
    console.say(f"✓ {file}: `make train` takes it up")


def _worth(adds: Interval) -> str:
    return "adds nothing" if adds.high <= 0 else "not certain" if adds.low <= 0 else ""


def _with_interval(value: Interval) -> str:
    return f"{_number(value.mean)} [{_number(value.low)}, {_number(value.high)}]"


def _number(value: float) -> str:
    return f"{value:.4f}"
