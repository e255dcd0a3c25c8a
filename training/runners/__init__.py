"""Runners of functions over partitions, on this machine or on Spark."""

from __future__ import annotations

from recsys.settings.training import TrainingSettings
from training.runners.base import Runner
from training.runners.local import LocalRunner
from training.runners.spark import SparkRunner


def runner_of(settings: TrainingSettings) -> Runner:
    """The runner that the settings name."""
    return SparkRunner(settings.spark) if settings.runner == "spark" else LocalRunner()
