"""Answer times of arms: logged lists of an experiment answered anew by each of them, timed side by side."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from statistics import median

from recsys.engine.inspection.replay import history_of
from recsys.engine.pipeline import Engine, answer
from recsys.engine.snapshot_line import SnapshotLine
from recsys.experiments.arms import change_of, with_blend, with_change
from recsys.experiments.assignment import expected_shares
from recsys.live.slate_log import SlateLog
from recsys.settings import Settings
from recsys.settings.experiments import INTERLEAVED, Experiment
from recsys.snapshot.retention import lines
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import DataError, History, Query, SettingsError, SnapshotError

SAMPLE = 100
"""Most lists that are answered anew."""
_REPEATS = 3


def answer_times(
    settings: Settings, name: str, chosen: Experiment, slates: SlateLog, timer: Callable[[], int]
) -> Mapping[str, float]:
    """Return the median processor time of an answer by arm (milliseconds), of the same lists, over the snapshot that serves.

    `timer` counts nanoseconds of processor. Nothing is told where no list is logged, or there is no snapshot.
    """
    version = current_version(settings.artifacts)
    heads = (head for head in slates.heads() if any(each.id == name for each in head.experiments))
    ids = heapq.nsmallest(SAMPLE, (head.recommendation_id for head in heads))
    if version is None or not ids or chosen.kind == INTERLEAVED:
        return {}
    try:
        plain = Engine(open_snapshot(settings.artifacts, version), settings)
        engines = {arm: _under(plain, chosen, arm) for arm in expected_shares(chosen)}
    except (SnapshotError, SettingsError):  # the shop no longer has what an arm names
        return {}
    times: dict[str, list[int]] = {arm: [] for arm in engines}
    for each in ids:
        try:
            note = slates.read(each)
        except DataError:
            continue  # dropped or erased meanwhile
        history = history_of(note.history, plain)
        for arm, engine in engines.items():
            times[arm].append(_time_of(engine, note.query, history, timer))
    return {arm: median(found) / 1e6 for arm, found in times.items() if found}


def _under(plain: Engine, chosen: Experiment, arm: str) -> Engine:
    change, ranked = change_of(chosen, arm), plain
    if change.snapshot is not None:
        artifacts = plain.settings.artifacts
        named = lines(artifacts).get(change.snapshot)
        if not named:
            raise SnapshotError(f"there is no snapshot line {change.snapshot!r}")
        ranked = SnapshotLine(plain, open_snapshot(artifacts, named[-1])).ranks_for(plain)
    return ranked.in_arms(with_change(plain.settings, chosen.placement, change), with_blend(ranked.blend, change), ())


def _time_of(engine: Engine, query: Query, history: History, timer: Callable[[], int]) -> int:
    """The shortest of several times of one answer (nanoseconds), which is that of no disturbance."""
    found = []
    for _ in range(_REPEATS):
        began = timer()
        answer(engine, query, history)
        found.append(timer() - began)
    return min(found)
