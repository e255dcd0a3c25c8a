"""From a slate to what is logged of it, and from there to the same slate again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec
import numpy as np

from recsys.engine.choice import Answered
from recsys.engine.pipeline import Engine, answer
from recsys.engine.slate_json import slate_json
from recsys.engine.snapshot_line import SnapshotLine
from recsys.item_updates import ItemUpdate
from recsys.live.slate_log import Beside, LoggedEvent, LoggedSlate
from recsys.settings import Settings
from recsys.snapshot.put.overlay import overlay
from recsys.snapshot.store import Snapshot
from recsys.types import Assignment, History, Lines, Slate, SnapshotError

NO_SNAPSHOTS: Mapping[str, Snapshot] = {}
"""No snapshot but a slate's own."""


def drawn(recommendation_id: str, share: float) -> bool:
    """Tell whether a slate is among the share that is logged: decided by its id, so the same slate always or never is."""
    return int(recommendation_id[:8], 16) < share * 2**32


def logged(answered: Answered, answered_at: int) -> LoggedSlate:
    """Note all that a slate was made from."""
    engine, query, history, slate, _ = answered
    return LoggedSlate(
        recommendation_id=slate.recommendation_id,
        answered_at=answered_at,
        user_id=slate.user_id,
        snapshot=slate.snapshot,
        items_sequence=engine.catalog.revision,
        query=query,
        placements=engine.settings.placements,
        profile=engine.settings.profile,
        campaigns=engine.campaigns.running(query.placement, query.now),
        history=tuple(_events(engine, history)),
        sha256=sha256(slate_json(engine.catalog, slate)).hexdigest(),
        experiments=engine.experiments,
        blend=engine.blend if slate.experiments else None,
        strategy=slate.strategy,
        shown=tuple([(engine.catalog.item_id(row), source) for row, source in zip(slate.items, slate.sources, strict=True)]),
        propensities=slate.propensities,
        beside=_beside(engine, slate),
        notices=engine.notices,
    )


def _beside(engine: Engine, slate: Slate) -> Beside | None:
    if engine.beside is None or not slate.teams:
        return None
    second = engine.beside
    arms = () if second.experiments == engine.experiments else second.experiments
    return Beside(second.placement(slate.placement), second.blend, slate.teams, arms)


def replayed(
    note: LoggedSlate,
    snapshot: Snapshot,
    updates: Iterable[tuple[int, ItemUpdate]],
    others: Mapping[str, Snapshot] = NO_SNAPSHOTS,
) -> tuple[Engine, Slate]:
    """Answer a logged query again over its own snapshot, with the item updates (number, update) that it had seen, and with the
    `others` that ranked (`LoggedSlate.lines`)."""
    take_updates(note.items_sequence, snapshot, updates)
    engine = engine_of(note, snapshot, others)
    return engine, answer(engine, note.query, history_of(note.history, engine))


def take_updates(items_sequence: int, snapshot: Snapshot, updates: Iterable[tuple[int, ItemUpdate]]) -> None:
    """Bring the catalogue of a snapshot from the update that it has by now to the one that a slate had seen."""
    seen = max(snapshot.manifest.state_sequence, snapshot.catalog.revision)
    for number, update in updates:
        if seen < number <= items_sequence:
            overlay(snapshot.catalog, update, number)


def engine_of(note: LoggedSlate, snapshot: Snapshot, others: Mapping[str, Snapshot] = NO_SNAPSHOTS) -> Engine:
    """The engine that answered a logged query.

    Raises:
        SnapshotError: if `others` lacks a snapshot that ranked.
    """
    plain = Engine(snapshot, Settings(placements=note.placements, profile=note.profile))
    plain.campaigns.put(note.campaigns)
    plain = plain.noting(note.notices)
    engine = plain
    if note.experiments:
        ranked = _ranked(plain, note.experiments, others)
        engine = ranked.in_arms(plain.settings, note.blend or plain.blend, note.experiments)
    if note.beside is not None:
        placements = {**note.placements, note.query.placement: note.beside.placement}
        settings, arms = msgspec.structs.replace(plain.settings, placements=placements), note.beside.experiments
        second = _ranked(plain, arms or note.experiments, others)
        engine = engine.interleaved_with(second.in_arms(settings, note.beside.blend, arms or note.experiments))
    return engine


def _ranked(engine: Engine, arms: Iterable[Assignment], others: Mapping[str, Snapshot]) -> Engine:
    """The engine with the recommenders of the other snapshots that ranked for its arms."""
    for version in [each.snapshot for each in arms if each.snapshot is not None]:
        if version not in others:
            raise SnapshotError(f"snapshot {version}, which ranked for an arm, is gone")
        engine = SnapshotLine(engine, others[version]).ranks_for(engine)
    return engine


def same_bytes(note: LoggedSlate, engine: Engine, slate: Slate) -> bool:
    """Tell whether a slate's JSON is what was answered then, byte for byte."""
    return sha256(slate_json(engine.catalog, slate)).hexdigest() == note.sha256


def _events(engine: Engine, history: History) -> Iterable[LoggedEvent]:
    lines = history.lines
    known = len(lines.order_ids) if lines else 0
    for place, row in enumerate(history.items.tolist()):
        yield LoggedEvent(
            engine.catalog.item_id(row) if row >= 0 else None,
            int(history.kinds[place]),
            int(history.times[place]),
            int(history.orders[place]),
            int(lines.order_ids[place]) if lines and place < known else -1,
            _known(float(lines.kept[place])) if lines and place < known else None,
            _known(float(lines.prices[place])) if lines and place < known else None,
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def history_of(events: tuple[LoggedEvent, ...], engine: Engine) -> History:
    """The history that a slate was made from, in the rows of an engine."""
    columns = [list(column) for column in zip(*(msgspec.structs.astuple(each) for each in events), strict=True)] or [[]] * 7
    items, kinds, times, orders, order_ids, kept, prices = columns
    units = np.array(kept, np.float32)
    return History(
        np.array([-1 if item is None else engine.catalog.row(item) for item in items], np.int32),
        np.array(kinds, np.int8),
        np.array(times, np.int64),
        np.array(orders, np.int32),
        None,
        Lines(np.array(order_ids, np.int64), units, np.array(prices, np.float32), units),
    )
