"""The manifest of what was fitted, before it is published: its hashes, settings and counts."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import numpy as np

from recsys.recommenders import configure
from recsys.settings import Settings
from recsys.snapshot.histories import Tables
from recsys.snapshot.store import FORMAT, Manifest, content_hash
from recsys.types import Arrays, EventType
from training.job.steps import Steps


def fingerprint_of(tables: Tables) -> str:
    """Hash the events that a fit reads."""
    read = {"events": tables.events, "guest_orders": tables.guest_orders}
    arrays = {key: {name: getattr(each, name) for name in each.__slots__} for key, each in read.items() if len(each)}
    return content_hash(arrays, tables.as_of)


def manifest_of(
    settings: Settings,
    tables: Tables,
    groups: Mapping[str, Arrays],
    fingerprint: str,
    steps: Steps,
    now: datetime,
    state_sequence: int,
) -> Manifest:
    """Describe what was fitted.

    Args:
        settings: what it was fitted with.
        tables: what it was fitted on.
        groups: all arrays, by owner.
        fingerprint: `fingerprint_of` the tables.
        steps: times what it takes.
        now: the moment of publishing.
        state_sequence: the last number of the live log that is folded in.
    """
    with steps.step("content hash"):
        recommenders = {name: msgspec.to_builtins(chosen) for name, chosen in configure(settings.recommenders).items()}
        serving = (settings.behaviour, settings.blend, settings.seed)
        learned = content_hash(groups, serving, recommenders, fingerprint)
    return Manifest(
        format=FORMAT,
        version=f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{learned[:12]}",
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        as_of=tables.as_of,
        content_hash=learned,
        data_fingerprint=fingerprint,
        behaviour=settings.behaviour,
        recommenders=recommenders,
        blend=settings.blend,
        profile=settings.profile,
        placements=settings.placements,
        seed=settings.seed,
        counts={
            "events": len(tables.events),
            "users": tables.n_users,
            "items": tables.catalog.n_known,
            "purchases": int(np.count_nonzero(tables.events.kinds == EventType.PURCHASE)),
        },
        timings_seconds=dict(steps.seconds),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        state_sequence=state_sequence,
    )
