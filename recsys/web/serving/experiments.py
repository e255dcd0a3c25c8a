"""Experiments of one worker: those that run by now, over the snapshot that serves; what cannot run is logged."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from recsys.engine.pipeline import Engine
from recsys.engine.snapshot_line import Lines
from recsys.experiments.arms import runnable
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.live.experiments import ExperimentLog
from recsys.settings import Settings
from recsys.settings.experiments import Experiment

_log = logging.getLogger(__name__)


def that_run(settings: Settings, log: ExperimentLog, before: Mapping[str, Experiment]) -> Mapping[str, Experiment]:
    """The experiments of the settings and of the log that can run together; why others cannot is logged once, where it changed.

    Raises:
        StateError: if the log cannot be read.
    """
    declared = {name: each.experiment for name, each in log.declared().items()}
    found, refused = runnable(settings, {**declared, **settings.experiments})
    if found != before:
        for reason in refused.values():
            _log.error("an experiment does not run: %s", reason)
    return found


def begun(engine: Engine, experiments: Mapping[str, Experiment], log: ExperimentLog, lines: Lines) -> RunningExperiments:
    """The experiments over an engine and the lines beside it; of those that cannot run there is logged why."""
    running = RunningExperiments(engine, experiments, FirstExposures(log), lines)
    for reason in running.refused.values():
        _log.error("an experiment does not run over snapshot %s: %s", engine.snapshot.version, reason)
    return running
