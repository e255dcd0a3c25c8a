"""Experiments that were declared while serving, and first exposures: who was first answered by which arm, and when.

An exposure is written before the answer that it is of is given. Of one unit in one experiment the first one stands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recsys.settings.experiments import Experiment

BATCH = 50_000
"""Most exposures that one step of `exposures` holds."""


class Exposure(NamedTuple):
    """A unit was answered by an arm, first at a moment (microseconds); `experiment` is the key that it is counted under."""

    experiment: str
    unit: str
    arm: str
    at: int


class Declared(NamedTuple):
    """An experiment as it was declared last, and when it was declared first (microseconds)."""

    experiment: Experiment
    since: int


class ExperimentLog(ABC):
    """The experiments of a log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    @abstractmethod
    def declare(self, name: str, experiment: Experiment, received_at: int) -> None:
        """Write down what an experiment is from now on."""

    @abstractmethod
    def declared(self) -> dict[str, Declared]:
        """Every experiment by its name, as it was declared last."""

    @abstractmethod
    def expose(self, exposures: Sequence[Exposure], received_at: int) -> list[bool]:
        """Write exposures down; False where the unit was exposed in the experiment before."""

    @abstractmethod
    def first(self, experiment: str, units: Sequence[str]) -> Exposure | None:
        """The earliest exposure of any of these units in an experiment."""

    @abstractmethod
    def exposures(self, experiment: str) -> Iterator[list[Exposure]]:
        """All exposures in an experiment, in the order in which they were written, in batches of at most `BATCH`."""
