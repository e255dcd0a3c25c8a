"""Runners of functions over partitions, on this machine or on Spark."""

from __future__ import annotations

from recsys.settings.training import TrainingSettings
from training.runners.base import Runner
from training.runners.finished import NOTHING_KEPT, Finished
from training.runners.local import LocalRunner
from training.runners.spark import SparkRunner


def runner_of(settings: TrainingSettings, finished: Finished = NOTHING_KEPT) -> Runner:
    """The runner that the settings name; here it takes up finished parts. Those on Spark are the executors', and end with it."""
    return SparkRunner(settings.spark) if settings.runner == "spark" else LocalRunner(finished)
