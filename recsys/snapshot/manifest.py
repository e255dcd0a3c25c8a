"""The manifest of a snapshot: what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.settings.placements import BlendSettings, Placement
from recsys.types import Segment

FORMAT = 4
VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
"""What every version is called: the moment of publishing, and the beginning of its content's hash."""


class FileEntry(msgspec.Struct, frozen=True):
    """Size in bytes and sha256 (hex) of one file of a snapshot."""

    bytes: int
    sha256: str


class ClickRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record of the clicks on shown lists that a ranker could learn from, besides purchases."""

    lists: int
    """Lists with something clicked and something not, of all windows but the last."""
    drawn: int = 0
    """Those of them on which chance had a part in what stood where."""
    positions: tuple[float, ...] = ()
    """How likely a click at each place is against the likeliest, were the same item there (−1: nothing stood there); empty: there were
    too few lists."""
    used: bool = False
    """Whether the ranker learned from them: it is surely better so on purchases."""
    difference: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of NDCG@10 with clicks and without, on the windows of the verdict: mean, low and high."""


class TaskVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the ranker against the blend on one task: NDCG@10 of both, and their paired differences with 95 % intervals."""

    leads: bool
    blend: float
    ranker: float
    difference: tuple[float, float, float]
    """Mean, low and high over the windows that it had not seen, each counting twice the one before it."""
    by_window: Mapping[str, tuple[float, float, float]] = {}
    """Window = the difference on it, of the ranker that was fitted on the windows before."""
    sources: tuple[str, ...] = ()
    """The recommenders that bring candidates, in the order of their features."""
    depth: int = 0
    """Candidates of each."""
    clicks: ClickRecord | None = None
    """What came of clicks; None: `ranker.clicked_lists` is 0."""


class RankerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record of the ranker: on which tasks it leads, and why it does or does not."""

    tasks: Mapping[str, TaskVerdict] = {}
    """`new` and `repeat` = what came of them; empty: none was learned."""
    windows: tuple[str, ...] = ()
    """What it was fitted on."""
    said: str = ""
    """All of this in a sentence or two."""

    @property
    def leads(self) -> bool:
        """Tell whether it leads on any task."""
        return any(task.leads for task in self.tasks.values())


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Manifest of a snapshot. Times are ISO 8601 in UTC, but `as_of` in microseconds."""

    format: int
    version: str
    created_at: str
    as_of: int
    content_hash: str
    """Over the serving arrays, the settings and the data's fingerprint; the same inputs give the same hash."""
    data_fingerprint: str
    behaviour: BehaviourSettings
    recommenders: Mapping[str, Mapping[str, Any]]
    """The settings that each recommender was fitted with; it serves with the same."""
    blend: BlendSettings = BlendSettings()
    """The weights that serve with these arrays."""
    learned_segments: tuple[Segment, ...] = ()
    """Segments that nobody set weights for, so that these were learned while training."""
    stopped_segments: tuple[Segment, ...] = ()
    """Segments whose weights would have been learned, had `training.learn_blend_minutes` been enough; they have the default ones."""
    ranker: RankerRecord = RankerRecord()
    """What orders the blend's candidates, where it leads."""
    profile: ProfileSettings = ProfileSettings()
    placements: Mapping[str, Placement] = {}
    """The shop's own rules when the snapshot was made, for comparing; serving takes those of its settings file."""
    seed: int = 0
    counts: Mapping[str, int]
    metrics: Mapping[str, Any] = {}
    """How the settings did on the days before (`training.evaluation.evaluate.Evaluation`); empty: they could not be judged."""
    gate: Mapping[str, Any] = {}
    """Why this snapshot was let through (`training.gate.gate.GateVerdict`)."""
    timings_seconds: Mapping[str, float] = {}
    peak_memory_bytes: int = 0
    """Most memory of the process until everything was fitted; 0: not recorded."""
    state_sequence: int = 0
    """The last number of the live log that is folded in; serving reads only what is newer."""
    files: Mapping[str, FileEntry] = {}
