"""The commands that measure: evaluate, tune, report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from recsys.disk import write_whole
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.mirror import mirror_of
from recsys.tables.shop import read_shop
from recsys.types import DataError
from training import console
from training.cli.tuning_progress import TuningProgress
from training.evaluation.evaluate import TASKS, Evaluation, ScoreRow, Task, examine
from training.evaluation.evaluate import evaluate as run_evaluation
from training.evaluation.metrics import METRICS, Interval
from training.evaluation.rules import CHANGES, RuleRow, said_of_gain
from training.evaluation.split import Fold, split
from training.evaluation.tune import Tuned, write_tuned
from training.evaluation.tune import tune as run_tuning
from training.report import write_report

ENOUGH_TRIALS = 10
"""Trials of a study from which on the search learns from those before (Optuna's TPE)."""


def evaluate(
    settings: Settings,
    now: datetime,
    at: datetime | None,
    days: int | None,
    folds: int,
    out: Path | None,
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Measure everything on the last folds and print the table; `out` keeps all of it as JSON."""
    days = days or settings.evaluation.days
    last = at or last_event(settings, now, erasure_keys) - timedelta(days=days)
    evaluations = []
    for back in range(folds - 1, -1, -1):
        fold = Fold(last - timedelta(days=days * back), days)
        with console.steps(f"Reading {fold}") as watch:
            watch("events before, purchases after")
            examination = examine(split(settings, fold, now, erasure_keys=erasure_keys), settings.evaluation, settings.seed)
        with console.bar(f"Evaluating {fold}", "lists") as progress:
            evaluation, _ = run_evaluation(settings, examination, now, progress)
        evaluations.append(evaluation)
        show_evaluation(evaluation)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(out) as aside:
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(evaluations), indent=1))
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
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Choose settings on the folds before the test window and write them beside the settings file."""
    newest = last_event(settings, now, erasure_keys)
    end = before or newest - timedelta(days=settings.evaluation.days)
    file = settings.path(settings.tuned or "tuned.toml")
    journal = settings.artifacts / "tuning" / "journal.log"
    with console.steps("Tuning") as watch:
        progress = TuningProgress(journal.with_name("progress.json"), minutes, watch)
        tuned = run_tuning(
            settings,
            end,
            now,
            journal,
            only=only,
            without=without,
            trials=trials,
            minutes=minutes,
            erasure_keys=erasure_keys,
            notify=progress.at,
            last_before=before or newest + timedelta(microseconds=1),
        )
        progress.end()
    write_tuned(file, tuned)
    show_tuned(tuned)
    console.say(f"• Chosen on {', '.join(tuned.folds)}")
    console.say(f"✓ {file}: `make train` takes it up")
    return 0


def report(settings: Settings, now: datetime, as_of: datetime | None, erasure_keys: ErasureKeys | None = None) -> int:
    """Write the current snapshot's report and say where it is."""
    with console.steps("Reporting") as watch:
        file = write_report(settings, now, as_of=as_of, progress=watch, erasure_keys=erasure_keys)
    if mirror := mirror_of(settings):
        mirror.remote.upload_report(file.stem, file)
    console.say(f"✓ {file}, also served at /reports/{file.stem}{' of every machine' if mirror else ''}")
    return 0


def last_event(settings: Settings, now: datetime, erasure_keys: ErasureKeys | None = None) -> datetime:
    """Return when the newest event happened, not later than now.

    Raises:
        DataError: if there is none.
    """
    events = read_shop(settings, erasure_keys=erasure_keys).events.filter(pl.col("timestamp") <= now)
    newest = events.select(pl.col("timestamp").max()).collect().item()
    if newest is None:
        raise DataError("events: there are none to measure on")
    assert isinstance(newest, datetime)
    return newest


def show_evaluation(evaluation: Evaluation) -> None:
    """Print a table of each task: the blend, recommenders and placements, each kind best first, in 80 columns."""
    title = f"{evaluation.at[:10]} + {evaluation.days} days, {evaluation.items:,} items"
    columns = ("subject", METRICS[0], "low", "high", *METRICS[1:], "coverage", "tail", "personal")
    for task in TASKS:
        rows = sorted((row for row in evaluation.rows if row.task == task), key=_rank)
        users = rows[0].users if rows else 0
        console.table(f"{task}: {title}, {users:,} users", columns, [_cells(row) for row in rows])
        _show_rules(task, [row for row in evaluation.rules if row.task == task])


def _show_rules(task: Task, rows: Sequence[RuleRow]) -> None:
    """Print what each lead rule is worth to those whom it leads, as it is and changed, a line each."""
    columns = ("rule", "users", "share", "", METRICS[0], "gain", "low", "high", "")
    for names in dict.fromkeys(row.placements for row in rows):
        lines: list[tuple[object, ...]] = []
        for row in (row for row in rows if row.placements == names):
            share = f"{row.share:.1%}"
            lines.append((row.rule, row.users, share, "as it is", *_numbers(row.ndcg10.mean), "", "", "", ""))
            lines += [
                ("", "", "", CHANGES[name], *_numbers(change.ndcg10.mean, *change.gain), said_of_gain(change.gain))
                for name, change in row.changed.items()
                if name != row.order
            ]
        console.table(f"{task}: lead rules on {', '.join(names)}, for those whom they lead", columns, lines)


def _rank(row: ScoreRow) -> tuple[str, float]:
    kinds = {"blend": "0", "recommender": "1", "placement": "2"}
    return kinds[row.subject.kind], -row.metrics["ndcg10"].mean


def _cells(row: ScoreRow) -> tuple[str, ...]:
    name = row.subject.name if row.subject.kind != "placement" else f"on {row.subject.name}"
    first, *others = (row.metrics[metric] for metric in METRICS)
    shares = (row.coverage, row.long_tail, row.personalized)
    return (name, *_numbers(*first), *_numbers(*(each.mean for each in others)), *_numbers(*shares))


def show_tuned(tuned: Tuned) -> None:
    """Print what each study found, what each recommender adds to the blend of a segment, and what the blends are worth."""
    studies = [
        (each.name, " and ".join(each.tasks), each.trials, *_numbers(each.before, each.after)) for each in tuned.studies
    ]
    if studies:
        title = "Recommenders alone, NDCG@10 on validation (geometric mean of tasks)"
        console.table(title, ("study", "tasks", "trials", "before", "after"), studies)
    few = [f"{each.name} ({each.trials})" for each in tuned.studies if each.wanted and each.trials < ENOUGH_TRIALS]
    if few:
        console.say(
            f"• Too few trials to rely on, of {', '.join(few)}: up to {ENOUGH_TRIALS} are drawn at random. "
            "Run it again to go on where it stopped, or give it more --minutes"
        )
    learned = tuned.learned
    if not learned.users:
        console.say("• The blend was not learned: no time was left. `--only blend` learns it alone")
        return
    rows = [
        (part.segment, part.recommender, *_numbers(part.weight, part.alone, *part.adds), _worth(part.adds))
        for part in learned.contributions
    ]
    columns = ("segment", "recommender", "weight", "alone", "adds", "low", "high", "")
    if rows:
        console.table("The blend, NDCG@10 of either half by weights of the other (95 % intervals)", columns, rows)
    for segment, value in learned.ndcg10.items():
        before, now = _numbers(learned.before[segment], value)
        console.say(f"blend of {segment}: NDCG@10 {before} before, {now} now, {learned.users[segment]:,} users")
    for segment, value in learned.kept.items():
        before, new = _numbers(learned.before[segment], value)
        users = f"{learned.users[segment]:,} users"
        console.say(f"blend of {segment}: NDCG@10 {before}, and {new} with new weights, {users}: the old ones stay")


def _worth(adds: Interval) -> str:
    return "adds nothing" if adds.high <= 0 else "not certain" if adds.low <= 0 else ""


def _numbers(*values: float) -> tuple[str, ...]:
    """Three digits are what an interval bears out; the zero before the point says nothing."""
    return tuple(re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}") for value in values)
