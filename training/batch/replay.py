"""`make replay`: a logged slate answered again from its own snapshot, and held against what was answered then."""

from __future__ import annotations

import sys

from recsys import clock
from recsys.engine.inspection.replay import replayed, same_bytes
from recsys.engine.pipeline import Engine
from recsys.engine.slate_json import slate_json
from recsys.live.databases import open_log, open_slates
from recsys.live.slate_log import LoggedSlate, SlateLog
from recsys.settings import Settings
from recsys.snapshot.store import open_snapshot
from recsys.types import Slate
from training import console

NEWEST = 10
"""Logged slates that are listed where none is named."""


def replay(settings: Settings, recommendation_id: str | None, as_json: bool = False) -> int:
    """Answer a logged slate again and say whether every byte is the same; without an id, list what was logged last.

    Raises:
        DataError: if the slate was not logged.
        SnapshotError: if its snapshot is gone.
    """
    log = open_slates(settings)
    if recommendation_id is None:
        return _list(log)
    note = log.read(recommendation_id)
    snapshot = open_snapshot(settings.artifacts, note.snapshot)
    updates = [(number, update) for number, _, update in open_log(settings).item_updates(note.items_sequence)]
    others = {version: open_snapshot(settings.artifacts, version) for version in note.lines}
    engine, slate = replayed(note, snapshot, updates, others)
    same = same_bytes(note, engine, slate)
    if as_json:
        sys.stdout.buffer.write(slate_json(engine.catalog, slate) + b"\n")
    else:
        _show(note, engine, slate)
    if same:
        console.say("✓ byte for byte what was answered") if not as_json else None
        return 0
    console.complain(f"this is not what was answered: the program or its built-in placements changed since {_when(note)}")
    return 1


def _list(log: SlateLog) -> int:
    notes = log.newest(NEWEST)
    rows = [(note.recommendation_id, _when(note), note.user_id or "", note.query.placement) for note in notes]
    console.table("Logged last", ("recommendation_id", "answered", "user", "placement"), rows)
    return 0


def _show(note: LoggedSlate, engine: Engine, slate: Slate) -> None:
    known = f"{len(note.history):,} events"
    console.facts(
        f"Slate {slate.recommendation_id}",
        [
            ("answered", _when(note)),
            ("user", slate.user_id or "nobody"),
            ("placement", slate.placement),
            ("strategy", slate.strategy),
            ("snapshot", slate.snapshot),
            *(("ranked by", version) for version in sorted(note.lines)),
            ("known of the shopper", known),
        ],
    )
    rows = [
        (place, engine.catalog.item_id(row), engine.catalog.title(row), source, reason.text)
        for place, (row, source, reason) in enumerate(zip(slate.items, slate.sources, slate.reasons, strict=True), 1)
    ]
    console.table("Items", ("", "item", "title", "source", "reason"), rows)


def _when(note: LoggedSlate) -> str:
    return clock.to_datetime(note.answered_at).strftime("%Y-%m-%d %H:%M:%S UTC")
