"""Published snapshots as the console shows them: what serves, how it passed its gate, and the trainings before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from recsys.snapshot.retention import lines
from recsys.snapshot.store import Manifest, current_version, read_manifest, versions
from recsys.types import SnapshotError

MAX_TRAININGS = 30
"""Most manifests that are read for one page, the newest."""


class Check(msgspec.Struct, frozen=True):
    """One question of the gate, and its answer."""

    name: str
    passed: bool
    said: str


class Gate(msgspec.Struct, frozen=True):
    """Verdict of the gate on a snapshot."""

    passed: bool = True
    first: bool = False
    forced: str | None = None
    checks: tuple[Check, ...] = ()
    paragraph: str = ""

    @property
    def outcome(self) -> str:
        """Return what came of it, in a word or two."""
        return ("passed, as the first one" if self.first else "passed") if self.passed else f"forced: {self.forced}"


@dataclass(frozen=True, slots=True)
class Training:
    """One published snapshot, and the snapshot lines that name it; `manifest` None: it cannot be read, `error` says why."""

    version: str
    current: bool
    lines: tuple[str, ...]
    manifest: Manifest | None
    gate: Gate | None
    error: str = ""

    @property
    def name(self) -> str:
        """Return the version, with what it is there for."""
        return " · ".join((self.version, *(["serving"] if self.current else []), *(f"line {line}" for line in self.lines)))

    @property
    def ndcg(self) -> float | None:
        """NDCG@10 of the blend on the days before, as far as it was measured."""
        return None if self.manifest is None else _ndcg(self.manifest.metrics)

    @property
    def minutes(self) -> float | None:
        """Minutes that the training took."""
        return None if self.manifest is None else sum(self.manifest.timings_seconds.values()) / 60


def trainings(artifacts: Path) -> list[Training]:
    """The newest published snapshots, newest first."""
    current, named = current_version(artifacts), lines(artifacts)
    return [
        _training(artifacts, version, version == current, tuple(line for line in named if version in named[line]))
        for version in reversed(versions(artifacts)[-MAX_TRAININGS:])
    ]


def gate_of(manifest: Manifest) -> Gate | None:
    """Return what the gate said; None: the snapshot passed none, or what it said cannot be read."""
    try:
        return msgspec.convert(dict(manifest.gate), Gate) if manifest.gate else None
    except msgspec.ValidationError:
        return None


def _training(artifacts: Path, version: str, current: bool, named_by: tuple[str, ...]) -> Training:
    try:
        manifest = read_manifest(artifacts, version)
    except SnapshotError as error:
        return Training(version, current, named_by, None, None, str(error))
    return Training(version, current, named_by, manifest, gate_of(manifest))


def _ndcg(metrics: Mapping[str, Any]) -> float | None:
    """The mean of NDCG@10 (mean, low, high) of the blend's first task."""
    for row in metrics.get("rows", ()):
        interval = row.get("metrics", {}).get("ndcg10")
        if row.get("subject", {}).get("kind") == "blend" and interval:
            return float(interval[0])
    return None
