"""The engine: one snapshot made ready to answer, with the settings, campaigns and arms that it answers under."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from hashlib import blake2b

import msgspec
import numpy as np

from recsys.engine.filters import hidden_days
from recsys.engine.merchandising.attribute_filters import FilterMasks, standing_filters
from recsys.engine.merchandising.campaigns import Campaigns
from recsys.engine.merchandising.plans import Plan
from recsys.engine.profile import Profiler
from recsys.engine.ranker.ranker import GROUP, AnyRanker, Ranker, rankers_of
from recsys.engine.ranker.trees import RankTask
from recsys.engine.settings_check import check_settings
from recsys.recommenders import RECOMMENDERS, configure
from recsys.recommenders.base import AnyRecommender, AskedRecommender
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings, Placement
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.store import Snapshot
from recsys.types import (
    Assignment,
    History,
    Mask,
    Query,
    SettingsError,
    SnapshotError,
)

_encode_query = msgspec.json.Encoder().encode
_NO_ITEM = np.array(-1, np.int32)


class Engine:
    """One snapshot made ready to answer: its recommenders built, the settings' names checked."""

    def __init__(self, snapshot: Snapshot, settings: Settings) -> None:
        check_settings(settings)
        manifest = snapshot.manifest
        self.snapshot = snapshot
        self.settings = settings
        self.blend = manifest.blend
        self.experiments: tuple[Assignment, ...] = ()
        self.beside: Engine | None = None
        """The engine whose lists are interleaved with those of this one; None: none are."""
        self.notices: tuple[str, ...] = ()
        """Said in every slate: why an arm does not answer."""
        self._undrawn: Engine | None = None
        self.catalog: Catalog = snapshot.catalog
        self.hidden_days = hidden_days(snapshot.catalog, manifest.behaviour)
        self.masks = FilterMasks(snapshot.catalog)
        self.standing = standing_filters(snapshot.catalog, settings)
        """Placement = its own conditions on items, of those that have any."""
        self.campaigns = Campaigns(snapshot.catalog, self.masks, settings)
        self.profiler = Profiler(snapshot.catalog, manifest.behaviour, settings.profile)
        self.recommenders: Mapping[str, AskedRecommender] = recommenders_of(snapshot)
        self.rankers: Mapping[RankTask, AnyRanker] = rankers_in(snapshot)
        """Task = what orders its lists, where it leads."""
        self._digest = self._digested()
        self._blanks: list[Mask] = []

    def in_arms(self, settings: Settings, blend: BlendSettings, experiments: tuple[Assignment, ...]) -> Engine:
        """The same snapshot under what arms of experiments change."""
        engine = copy(self)
        engine.settings, engine.blend, engine.experiments, engine._undrawn = settings, blend, experiments, None
        engine.standing = standing_filters(self.catalog, settings)
        parts = (self.snapshot.version, settings.placements, settings.profile, blend, experiments)
        engine._digest = msgspec.json.encode(parts, order="deterministic")
        return engine

    def ranked_by(self, recommenders: Mapping[str, AskedRecommender], rankers: Mapping[RankTask, AnyRanker]) -> Engine:
        """The same engine with others that rank, in rows of its catalogue. Whose they are its arms say, which slates' ids hash."""
        engine = copy(self)
        engine.recommenders, engine.rankers, engine._undrawn = recommenders, rankers, None
        return engine

    def noting(self, notices: tuple[str, ...]) -> Engine:
        """The same engine, whose slates say more."""
        engine = copy(self)
        engine.notices, engine._undrawn = notices, None
        return engine

    def undrawn(self) -> Engine:
        """The same engine without any exploration, for messages: what they show is put together with other items and changes later, so
        that logged chances would be of places that nobody saw."""
        if not any(each.exploration for each in self.settings.placements.values()):
            return self
        if self._undrawn is None:
            engine = copy(self)
            engine.settings = self.settings.without_exploration()
            engine._digest = engine._digested()
            self._undrawn = engine
        return self._undrawn

    def _digested(self) -> bytes:
        """Encode what of an engine the ids of its slates hash; of arms also the weights of the blend, which they may change."""
        parts = (self.snapshot.version, self.settings.placements, self.settings.profile)
        arms = (self.blend, self.experiments) if self.experiments else ()
        return msgspec.json.encode((*parts, *arms), order="deterministic")

    def __str__(self) -> str:
        """The snapshot, and what an older version made it without: such recommenders bring nothing until the next training."""
        missing = ", ".join(sorted(set(RECOMMENDERS) - set(self.recommenders)))
        return self.snapshot.version + (f", without {missing} until the next training," if missing else "")

    def interleaved_with(self, other: Engine) -> Engine:
        """The same engine, whose lists are interleaved with another's over the same snapshot."""
        engine = copy(self)
        engine.beside = other
        engine._digest = b"\n".join((self._digest, other._digest))
        return engine

    def follow_items(self) -> None:
        """Have what is learned of items follow those that were put, or changed."""
        for each in self.recommenders.values():
            each.follow_items()

    def take_blank(self) -> Mask:
        """Take a mask bool[n] of no items, the caller's own until it is given back."""
        try:
            return self._blanks.pop()
        except IndexError:
            return np.zeros(self.catalog.n_items, bool)

    def give_back(self, blank: Mask) -> None:
        """Keep a mask that holds no item again, so that the next answer need not write to all of a new one."""
        self._blanks.append(blank)

    def placement(self, name: str) -> Placement:
        """Look a placement up.

        Raises:
            SettingsError: if there is none of that name.
        """
        placement = self.settings.placement(name)
        if placement is None:
            allowed = ", ".join(self.settings.placement_names())
            raise SettingsError(f"placement: {name!r} is unknown; there are {allowed}")
        return placement

    def recommendation_id(self, query: Query, history: History, plan: Plan | None = None) -> str:
        """Hash snapshot, settings, query, history and the campaigns that hold; 24 hex digits."""
        revision, campaigns = self.catalog.revision, b"" if plan is None else plan.digest
        changes = b"%d" % revision if revision else b""
        hashed = blake2b(self._digest, digest_size=12)
        past = np.maximum(history.items, _NO_ITEM).data, history.kinds.data, history.times.data
        for part in (changes, campaigns, _encode_query(query), *past):
            hashed.update(part)
        return hashed.hexdigest()


def recommenders_of(snapshot: Snapshot) -> dict[str, AnyRecommender]:
    """Build the recommenders that both this program and the snapshot know, so that a version reads its neighbour's snapshots.

    Raises:
        SnapshotError: if the snapshot lacks one that ranks everything, or an array.
    """
    manifest = snapshot.manifest
    missing = sorted(name for name in set(RECOMMENDERS) - set(manifest.recommenders) if RECOMMENDERS[name].ranks_everything)
    if missing:
        raise SnapshotError(f"snapshot {manifest.version} was made without {', '.join(missing)}; train a new one")
    raw = {name: of for name, of in manifest.recommenders.items() if name in RECOMMENDERS}
    fitted = configure(raw)
    try:
        return {
            name: RECOMMENDERS[name](snapshot.groups[name], snapshot.catalog, manifest.behaviour, fitted[name])
            for name in raw
        }
    except KeyError as error:
        raise SnapshotError(f"snapshot {manifest.version}: the array {error} is missing") from error


def rankers_in(snapshot: Snapshot) -> dict[RankTask, Ranker]:
    """Take up the rankers of a snapshot; raises SnapshotError if it lacks an array of one."""
    try:
        return rankers_of(snapshot.manifest.ranker, snapshot.groups.get(GROUP, {}), snapshot.catalog)
    except KeyError as error:
        raise SnapshotError(f"snapshot {snapshot.version}: the array {error} is missing") from error
