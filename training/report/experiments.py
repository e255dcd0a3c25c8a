"""The report's section on experiments: what each brought, as `make experiment` wrote it last (docs/experiments.md)."""

from __future__ import annotations

from typing import NamedTuple

from recsys.disk import named_in
from recsys.experiments.read_outs import MEASURE_WORDS, READ_OUTS, Compared, ReadOut, open_read_out, reach_of
from recsys.settings import Settings
from recsys.types import DataError

MAX_SHOWN = 20
"""Most experiments of a report, those that were read last."""
_MAX_OPENED = 400


class Shown(NamedTuple):
    """One read-out, and how far the axis of its drawings reaches (a share)."""

    read_out: ReadOut
    reach: float


class Experiments(NamedTuple):
    """Read-outs, the newest first, and why others cannot be shown."""

    shown: tuple[Shown, ...]
    problems: tuple[str, ...]


def gather_experiments(settings: Settings) -> Experiments | None:
    """Read the read-outs that stand beside the snapshots; None: there are none."""
    files = named_in(settings.artifacts / READ_OUTS, "[a-z]*.json")[:_MAX_OPENED]
    found, problems = [], []
    for file in files:
        try:
            opened = open_read_out(settings, file.stem)
            if opened is not None:
                found.append(Shown(opened, reach_of(opened.differences)))
        except DataError as error:
            problems.append(str(error))
    found.sort(key=lambda each: (each.read_out.until, each.read_out.id), reverse=True)
    return Experiments(tuple(found[:MAX_SHOWN]), tuple(problems)) if files else None


def measure_words(row: Compared) -> str:
    """A measure as people read it."""
    return MEASURE_WORDS.get(row.measure, row.measure.replace("_", " "))
