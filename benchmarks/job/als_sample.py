"""Accuracy of ALS from a sample of the shoppers: NDCG@10 of it alone, paired with that of all of them.

Run as `python -m benchmarks.job.als_sample SETTINGS --at 2026-02-15T14:29 --most 2000000 1000000`. A shop is read as of a moment, and
ALS is fitted on all of its pairs of a shopper and an item, then on about so many of them (`recommenders.als.most_interactions`).
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from recsys.engine.pipeline import Engine
from recsys.recommenders.als import Als
from recsys.settings import Settings
from recsys.settings.load import load_settings
from training import console
from training.evaluation.evaluate import Examination, Judged, Subject, Task, difference, examine, judge, with_subjects
from training.evaluation.split import Fold, split
from training.gate.contest import in_words, ndcg
from training.job.job import learn

ALONE = Subject("recommender", Als.name)
ALL_OF_THEM = 1 << 40


def main() -> None:
    """Read, fit three times, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="the settings file of a shop")
    parser.add_argument("--at", type=datetime.fromisoformat, required=True, help="when the window of 28 days begins (UTC)")
    parser.add_argument("--most", type=int, nargs="+", required=True, help="pairs of the samples")
    chosen = parser.parse_args()
    settings, now = load_settings(chosen.settings), datetime.now(UTC)
    cut = split(settings, Fold(chosen.at.replace(tzinfo=UTC), 28), now)
    examined = examine(cut, settings.evaluation, settings.seed)
    whole, rows = dict[Task, Judged](), []
    for most in (ALL_OF_THEM, *chosen.most):
        found, seconds = judged(settings, examined, most, now)
        whole = whole or found
        for task, each in found.items():
            change = in_words(difference(each, whole[task], ALONE, settings))
            pairs = "all" if most == ALL_OF_THEM else f"{most:,}"
            rows.append((pairs, round(seconds, 1), task, in_words(ndcg(each, ALONE, settings)), change))
    console.table("ALS from a sample", ("pairs", "processor time, s", "task", "NDCG@10", "difference"), rows)


def judged(settings: Settings, examined: Examination, most: int, now: datetime) -> tuple[dict[Task, Judged], float]:
    """ALS alone, judged, and the processor time (seconds) of its fit."""
    asked = {Als.name: {**settings.recommenders.get(Als.name, {}), "most_interactions": most}}
    stated, started = msgspec.structs.replace(settings, recommenders={**settings.recommenders, **asked}), time.process_time()
    fitted = learn(examined.split.prepared, stated, now=now, asked={Als.name})
    seconds = time.process_time() - started
    return judge(Engine(fitted.snapshot(), with_subjects(stated)), examined, [ALONE]), seconds
