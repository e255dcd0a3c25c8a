"""Experiments and exposures, in tables of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from recsys.live.experiments import BATCH, Declared, ExperimentLog, Exposure
from recsys.live.postgres.database import Database, Transaction
from recsys.settings.experiments import Experiment

_DECLARE = "INSERT INTO experiments (seq, name, experiment, received_at) VALUES (%s, %s, %s, %s)"
_DECLARED = """SELECT name, experiment, (SELECT min(received_at) FROM experiments AS first WHERE first.name = last.name)
FROM experiments AS last WHERE seq IN (SELECT max(seq) FROM experiments GROUP BY name) ORDER BY name"""
_EXPOSE = """INSERT INTO exposures (seq, experiment, unit, arm, exposed_at, received_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (experiment, unit) DO NOTHING"""
_FIRST = """SELECT experiment, unit, arm, exposed_at FROM exposures
WHERE experiment = %s AND unit = ANY(%s) ORDER BY exposed_at, seq LIMIT 1"""
_EXPOSURES = f"""SELECT seq, experiment, unit, arm, exposed_at FROM exposures
WHERE experiment = %s AND seq > %s ORDER BY seq LIMIT {BATCH}"""
_FORGET = "DELETE FROM exposures WHERE unit = %s AND exposed_at >= %s AND exposed_at < %s"
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Experiment).decode


class PostgresExperimentLog(ExperimentLog):
    """The tables `experiments` and `exposures`."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def declare(self, name: str, experiment: Experiment, received_at: int) -> None:
        with self._log.writing() as log:
            log.add(_DECLARE, name, _encode(experiment), received_at)

    def declared(self) -> dict[str, Declared]:
        return {name: Declared(_read(body), since) for name, body, since in self._log.read(_DECLARED)}

    def expose(self, exposures: Sequence[Exposure], received_at: int) -> list[bool]:
        if not exposures:
            return []
        with self._log.writing() as log:
            return [log.add(_EXPOSE, *each, received_at) for each in exposures]

    def first(self, experiment: str, units: Sequence[str]) -> Exposure | None:
        found = self._log.read(_FIRST, experiment, list(units))
        return Exposure._make(found[0]) if found else None

    def exposures(self, experiment: str) -> Iterator[list[Exposure]]:
        last = 0
        while rows := self._log.read(_EXPOSURES, experiment, last):
            yield [Exposure._make(row[1:]) for row in rows]
            last = rows[-1][0]


def forget(log: Transaction, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the exposures of units from a moment on, until before another; returns how many."""
    return sum(log.change(_FORGET, *each) for each in periods)
