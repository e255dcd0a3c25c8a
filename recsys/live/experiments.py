"""Experiments that were declared while serving, and first exposures: who was first answered by which arm, and when.

An exposure is written before the answer that it is of is given. Of one unit in one experiment the first one stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from recsys.live.driver import Driver, Transaction
from recsys.settings.experiments import Experiment

BATCH = 50_000
"""Most exposures that one step of `exposures` holds."""
_DECLARE = "INSERT INTO experiments (seq, name, experiment, received_at) VALUES (?, ?, ?, ?)"
_DECLARED = """SELECT name, experiment, (SELECT min(received_at) FROM experiments AS first WHERE first.name = last.name)
FROM experiments AS last WHERE seq IN (SELECT max(seq) FROM experiments GROUP BY name) ORDER BY name"""
_EXPOSE = """INSERT INTO exposures (seq, experiment, unit, arm, exposed_at, received_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (experiment, unit) DO NOTHING"""
_FIRST = """SELECT experiment, unit, arm, exposed_at FROM exposures
WHERE experiment = ? AND unit = ANY(?) ORDER BY exposed_at, seq LIMIT 1"""
_EXPOSURES = f"""SELECT seq, experiment, unit, arm, exposed_at FROM exposures
WHERE experiment = ? AND seq > ? ORDER BY seq LIMIT {BATCH}"""
MAX_COUNTED = 200_000
"""Most exposures of an experiment that are counted; of more, the newest are."""
_BY_ARM = f"""SELECT arm, count(*)
FROM (SELECT arm FROM exposures WHERE experiment = ? ORDER BY seq DESC LIMIT {MAX_COUNTED}) AS newest GROUP BY arm ORDER BY arm"""
_FORGET = "DELETE FROM exposures WHERE unit = ? AND exposed_at >= ? AND exposed_at < ?"
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Experiment).decode


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


class ExperimentLog:
    """The experiments of a log; what a call wrote is durable when it returns. Every failure is a StateError."""

    def __init__(self, log: Driver) -> None:
        self._log = log

    def declare(self, name: str, experiment: Experiment, received_at: int) -> None:
        """Write down what an experiment is from now on."""
        self._log.append(_DECLARE, [(name, _encode(experiment), received_at)])

    def declared(self) -> dict[str, Declared]:
        """Every experiment by its name, as it was declared last."""
        return {name: Declared(_read(body), since) for name, body, since in self._log.read(_DECLARED)}

    def expose(self, exposures: Sequence[Exposure], received_at: int, known: int | None = None) -> list[bool]:
        """Write exposures down; False where the unit was exposed in the experiment before.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`.
        """
        if not exposures:
            return []
        return self._log.append(_EXPOSE, [(*each, received_at) for each in exposures], known).fresh

    def first(self, experiment: str, units: Sequence[str]) -> Exposure | None:
        """The earliest exposure of any of these units in an experiment."""
        found = self._log.read(_FIRST, experiment, list(units))
        return Exposure._make(found[0]) if found else None

    def by_arm(self, experiment: str) -> dict[str, int]:
        """Count the units that each arm answered first, of the newest `MAX_COUNTED` exposures in an experiment."""
        return dict(self._log.read(_BY_ARM, experiment))

    def exposures(self, experiment: str) -> Iterator[list[Exposure]]:
        """All exposures in an experiment, in the order in which they were written, in batches of at most `BATCH`."""
        last = 0
        while rows := self._log.read(_EXPOSURES, experiment, last):
            yield [Exposure._make(row[1:]) for row in rows]
            last = rows[-1][0]


def forget(log: Transaction, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the exposures of units from a moment on, until before another; returns how many."""
    return sum(log.change(_FORGET, *each) for each in periods)
