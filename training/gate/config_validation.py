"""Is the recipe good: the settings, fitted on the events before the last days and measured on those days.

The live snapshot itself is never measured, for it was trained on those days too; its settings are fitted anew. Both fits share
what they have in common, and recommenders that nobody listens to are left untrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
import numpy as np
import polars as pl

from recsys import clock
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import FeatureMatrix
from recsys.engine.ranker.items import item_facts
from recsys.live.erasure import ErasureKeys
from recsys.recommenders import RECOMMENDERS, configure
from recsys.settings import Settings
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.histories import Events, Tables
from recsys.snapshot.id_index import id_arrays
from recsys.snapshot.item_stats import item_stats
from recsys.snapshot.manifest import RankerRecord
from recsys.snapshot.store import Manifest, content_hash
from recsys.types import Arrays, EventType
from training.evaluation.evaluate import Evaluation, Examination, Judged, ScoreRow, Task, difference, judge
from training.evaluation.metrics import METRICS, Bootstrap, coverage, long_tail, tail_items
from training.evaluation.split import Fold
from training.gate.contest import HOME, LOOK, POPULAR, Contest, against_live, in_words, ndcg
from training.gate.decision import Change, on_average
from training.gate.snapshot_checks import BLEND, Check
from training.job.default_blend import as_given
from training.job.job import Prepared
from training.job.ranker.probe import Probe, looked_ahead, tell
from training.job.ranker.ranker import FittedRanker, sources_of
from training.runners.finished import NOTHING_KEPT, Finished

RECIPE = ("behaviour", "recommenders", "blend", "profile", "placements", "seed")
"""What a manifest and the settings have in common: how to make a snapshot from tables."""
_FEW, _FEW_ITEMS = 20, 2_000
"""Shoppers whose events do to see whether a fit reads anything else, and items that do beside theirs."""


@dataclass(frozen=True)
class Findings:
    """Findings on a recipe: the checks, its fit before the window, and what it scored (None: not judged)."""

    checks: tuple[Check, ...] = ()
    shadow: Engine | None = None
    metrics: Evaluation | None = None


def judge_recipe(
    settings: Settings,
    now: datetime,
    new: Manifest,
    live: Manifest | None,
    erasure_keys: ErasureKeys | None = None,
    ranker: FittedRanker | None = None,
    finished: Finished = NOTHING_KEPT,
    whole: Prepared | None = None,
) -> Findings:
    """Measure the settings of the new snapshot on its last `evaluation.days`, and those of the live one beside them.

    `ranker` was fitted on what came before those days; it is measured with the settings of each that has one. What `finished` has is
    taken up. `whole`: what training prepared; only events before a window are fitted on.

    Raises:
        DataError: if the tables cannot be read.
    """
    min_n, days = settings.gate.least_users, settings.evaluation.days
    old = laid_over(settings, live) if live and not _same_recipe(new, live) else None
    asked = _contributors(settings, "home") | (_contributors(old, "home") if old else set()) | {*sources_of(new.blend)}
    contest = Contest(settings, now, asked, erasure_keys, finished, whole)
    examined = contest.examination(_window(new, days)) if new.counts["users"] >= min_n else None
    users = len(examined.split.prepared.user_ids) if examined else 0
    if examined is None or users < min_n:
        said = (
            f"Accuracy was not judged: before the last {days} days only {users:,} shoppers were known, {min_n:,} are needed."
        )
        return Findings((Check("accuracy", True, said),))
    shadow = contest.fit(examined, settings, ranker)
    checks = [nothing_after(examined, shadow), nothing_outside(examined.split.prepared, shadow, settings)]
    if ranker and ranker.probe and ranker.probe.moment == shadow.snapshot.as_of:
        checks.append(nothing_ahead(ranker.probe, examined.split.prepared, shadow))
    users = len(examined.truths["repeat"])
    if users < min_n:
        said = f"Accuracy was not judged: of the known shoppers only {users:,} bought in the last {days} days, {min_n:,} are needed."
        return Findings((*checks, Check("accuracy", True, said)), shadow)
    ours = judge(shadow, examined, [BLEND, HOME, POPULAR])
    checks += [_not_too_good(ours, settings), beats_popularity(ours, settings)]
    if old:
        checks += against_live(contest, examined, ours, old, ranker if live and live.ranker.leads else None)
    elif live:
        checks.append(Check("live recipe", True, "The settings are those of the live snapshot."))
    return Findings(tuple(checks), shadow, _evaluation(examined, shadow, ours, settings))


def ranker_kept(settings: Settings, new: RankerRecord, live: RankerRecord) -> tuple[Check, ...]:
    """Look whether a ranker that leads is gone though nothing was found against it: its package, or its windows, are."""
    if not live.leads or new.tasks or settings.ranker.mode == "off":
        return ()
    said = f"The ranker of the live snapshot leads, and this snapshot was made without one. {new.said}"
    return (Check("ranker", False, said),)


def _window(new: Manifest, days: int) -> Fold:
    """The last days of a snapshot."""
    until = clock.to_datetime(new.as_of)
    return Fold(until - timedelta(days=days), days)


def laid_over(settings: Settings, manifest: Manifest) -> Settings:
    """The settings that a snapshot was made with, over the shop's present tables; what it learned of the blend is learned anew."""
    return msgspec.structs.replace(settings, **_recipe(manifest))


def _recipe(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in RECIPE} | {
        "blend": as_given(manifest.blend, manifest.learned_segments)
    }


def _same_recipe(one: Manifest, other: Manifest) -> bool:
    return _encoded(_recipe(one)) == _encoded(_recipe(other))


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _contributors(settings: Settings, *placements: str) -> set[str]:
    """The recommenders that the blend and these placements listen to."""
    weights = [getattr(settings.blend, segment) for segment in settings.blend.__struct_fields__]
    names: set[str] = set()
    for name in placements:
        if placement := settings.placement(name):
            names.update(placement.fallback)
            weights += [rule.recommenders for rule in placement.rules]
    return names | {name for each in weights for name, weight in each.items() if weight > 0}


def nothing_after(examined: Examination, shadow: Engine) -> Check:
    """The fit that is measured holds no event of the window."""
    fold, prepared = examined.split.fold, examined.split.prepared
    moment = int(np.datetime64(fold.at.replace(tzinfo=None), "us").astype(np.int64))
    periods = (prepared.events.times, shadow.snapshot.groups["history"]["times"])
    latest = max((int(times.max()) for times in periods if len(times)), default=0)
    if latest >= moment or prepared.as_of > moment:
        return Check("leak", False, f"Leak: the fit that should end before {fold.at:%Y-%m-%d %H:%M} holds later events.")
    return Check("leak", True, f"Measured on {fold}, fitted on what came before.")


def nothing_outside(prepared: Prepared, shadow: Engine, settings: Settings) -> Check:
    """Each recommender learns the same from some shoppers' events when the items' ids are hidden from it.

    Whatever a fit reads beside its tables (a file, a database, the shop's newest export) can only be joined to them by id.
    """
    some, arrays = _few_of(prepared, shadow.catalog, settings)
    hidden = arrays | id_arrays([str(row) for row in range(Catalog(arrays).n_known)], "item")
    users = min(_FEW, len(prepared.user_ids))
    configured, strange = configure(settings.recommenders), []
    for name in sorted(_contributors(settings, *settings.placement_names())):
        seen, blind = (
            RECOMMENDERS[name].fit(
                Tables(some, Catalog(shown), users, prepared.as_of, settings.seed), settings.behaviour, configured[name]
            )
            for shown in (arrays, hidden)
        )
        if content_hash({name: seen}) != content_hash({name: blind}):
            strange.append(name)
    if strange:
        said = (
            f"Leak: {', '.join(strange)} learned something else when item ids were hidden: it reads more than its tables, "
        )
        return Check("outside", False, f"{said}and may know what came later.")
    return Check("outside", True, "Nothing but the tables was learned from.")


def _few_of(prepared: Prepared, catalog: Catalog, settings: Settings) -> tuple[Events, Arrays]:
    """The events of the first shoppers, and a catalogue of the items that they name and of the first others: of a million items a
    fit takes as long as the one that is measured, and reads of each what it reads of a few thousand."""
    events, periods = prepared.events, prepared.shop.items
    some = events.where(slice(0, int(events.users.searchsorted(_FEW))))
    named = np.unique(some.items[some.items >= 0])
    others = np.setdiff1d(np.arange(min(catalog.n_known, _FEW_ITEMS), dtype=np.int32), named)
    rows = np.concatenate((named, others))
    ids = pl.Series("item_id", [catalog.item_id(row) for row in rows.tolist()], pl.String)
    base = catalog_arrays(periods.filter(pl.col("item_id").is_in(ids.implode())), prepared.shop.currency)
    few = Catalog(base)
    place = np.full(catalog.n_items, -1, np.int32)
    place[rows] = [few.row(item_id) for item_id in ids]
    some = replace(some, items=np.where(some.items >= 0, place[np.maximum(some.items, 0)], some.items))
    replenished = base["told_replenishable"].astype(np.int8)
    return some, base | item_stats(some, few, replenished, settings.behaviour, prepared.as_of)


def nothing_ahead(probe: Probe, prepared: Prepared, shadow: Engine) -> Check:
    """The ranker was told of its last window what tables tell that end where it begins."""
    facts = item_facts(prepared.events, shadow.catalog.n_items, prepared.as_of)["facts"]
    ahead = looked_ahead(probe, tell(shadow, cast("FeatureMatrix", facts), probe.users, probe.items))
    if ahead:
        said = f"Leak: the ranker's {', '.join(ahead)} of a past day are others when that day's tables alone are read"
        return Check("features", False, f"{said}: they knew what came later.")
    return Check("features", True, f"The ranker's features of {len(probe.users)} shoppers knew nothing of what came later.")


def _not_too_good(judged: Mapping[Task, Judged], settings: Settings) -> Check:
    """Nothing foresees so much that it must have looked."""
    for task, found in judged.items():
        reached = ndcg(found, BLEND, settings)
        if reached.low > settings.gate.largest_ndcg:
            return Check("too good", False, f"Too good to be true: NDCG@10 {in_words(reached)} on `{task}`. {LOOK}")
    return Check("too good", True, "Nothing is too good to be true.")


def beats_popularity(judged: Mapping[Task, Judged], settings: Settings) -> Check:
    """The blend is above popularity: surely on a task, or on average over the tasks and surely below on none."""
    changes = [
        Change(task, difference(found, found, BLEND, settings, POPULAR), ndcg(found, POPULAR, settings).mean)
        for task, found in judged.items()
    ]
    sure = any(each.change.low > 0 for each in changes)
    likely = on_average(changes) > 0 and not any(each.change.high < 0 for each in changes)
    texts = ", ".join(_beside_popularity(each) for each in changes)
    if sure or likely:
        unproven = "" if sure else " So few shoppers do not prove it."
        return Check("popularity", True, f"The blend finds more than popularity: NDCG@10 {texts}.{unproven}")
    said = f"The blend is no better than showing everybody what is popular: NDCG@10 {texts}."
    return Check("popularity", False, said)


def _beside_popularity(each: Change) -> str:
    """Return what the blend reaches on a task, how far from popularity that is, and how certain."""
    gain = each.change
    reached = f"{each.live + gain.mean:.4f} on `{each.name}`, {_signed(gain.mean)} against popularity's {each.live:.4f}"
    return f"{reached} (95 % interval {_signed(gain.low)} to {_signed(gain.high)})"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _evaluation(examined: Examination, engine: Engine, judged: Mapping[Task, Judged], settings: Settings) -> Evaluation:
    """Return what was measured, for the manifest."""
    fold, events, n = examined.split.fold, examined.split.prepared.events, engine.catalog.n_items
    bought = events.items[(events.kinds == EventType.PURCHASE) & (events.items >= 0)]
    tail, rows = tail_items(np.bincount(bought, minlength=n)), []
    for task, found in judged.items():
        bootstrap = Bootstrap(len(found.truth), settings.evaluation.resamples, settings.seed)
        for subject, values in found.values.items():
            lists, personal = found.lists[subject].items, found.lists[subject].personal
            rows.append(
                ScoreRow(
                    subject=subject,
                    task=task,
                    users=int(found.warm.sum()),
                    metrics={name: bootstrap.interval(values[name], found.warm) for name in METRICS},
                    coverage=round(coverage(lists[found.warm], engine.catalog.n_known), 4),
                    long_tail=round(long_tail(lists[found.warm], tail), 4),
                    personalized=round(float(personal[found.warm].mean()), 4) if found.warm.any() else 0.0,
                )
            )
    users = len(examined.truths["repeat"])
    return Evaluation(at=fold.at.isoformat(), days=fold.days, users=users, items=n, rows=tuple(rows))
