"""The offline job: tables in, snapshot out. Every step is named, timed and the same for training, evaluation and export."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import polars as pl

from recsys import clock
from recsys.disk import let_go
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.items import item_facts
from recsys.engine.ranker.ranker import GROUP
from recsys.engine.settings_check import check_settings
from recsys.live.databases import open_slates
from recsys.live.erasure import ErasureKeys
from recsys.orders import settle
from recsys.settings import BehaviourSettings, Settings
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.contents import content_arrays
from recsys.snapshot.histories import Events, Tables, history_arrays, no_events
from recsys.snapshot.identity_links import FOREVER, link_arrays
from recsys.snapshot.item_stats import item_stats
from recsys.snapshot.people import people_arrays
from recsys.snapshot.put.spare_rows import with_spare_rows
from recsys.snapshot.store import Manifest, Snapshot
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import Arrays, Times
from training.job.customer_value import value_arrays
from training.job.default_blend import SOURCES, LearnedBlend, default_blend
from training.job.fitting import fit_recommenders
from training.job.items_copy import write_items
from training.job.manifest import fingerprint_of, manifest_of
from training.job.publishing import Publisher
from training.job.ranker.clicked_lists import ClickedList, Span, clicked_lists
from training.job.ranker.examples import BLEND_ALONE, BLEND_PLACEMENT
from training.job.ranker.ranker import FittedRanker, Past, Rankers, fit_ranker, sources_of
from training.job.steps import Steps as Steps
from training.job.steps import Watch as Watch
from training.runners import runner_of
from training.runners.ahead import one_beside
from training.runners.base import Parts
from training.runners.earlier import Later
from training.runners.files import arrays_of_events
from training.runners.finished import NOTHING_KEPT, Finished, finished_parts
from training.runners.local import newest_events
from training.runners.rows import map_guest_orders


@dataclass(frozen=True)
class Prepared:
    """A shop's tables mapped to rows, up to one moment: read once, then fitted with as many settings as wanted.

    base: the catalogue's arrays but for `item_stats` · events: settled, by user, then time · user_ids by row · as_of in
    microseconds · parts: the same events as they were cut · firsts: as of `Settled` · guest_orders: as in `Tables`, settled.
    """

    shop: ShopTables
    base: Arrays
    events: Events
    user_ids: list[str]
    as_of: int
    parts: Parts
    firsts: Times
    guest_orders: Events = field(default_factory=no_events)


@dataclass(frozen=True)
class Fitted:
    """Everything learned, still in memory: the arrays by owner and the manifest that will describe them."""

    groups: dict[str, Arrays]
    manifest: Manifest
    shop: ShopTables
    seconds: dict[str, float]

    def snapshot(self) -> Snapshot:
        """Serve straight from memory, as evaluation and `export --as-of` do."""
        return Snapshot(self.manifest, self.groups)


class Gate(Protocol):
    """Gate between a fitted snapshot and the shoppers; both methods raise `GateError` to refuse it."""

    def judge(self, fitted: Fitted, ranker: FittedRanker, finished: Finished, prepared: Prepared) -> None:
        """Compare what was fitted on `prepared` with what is live; `ranker` has not seen the last `evaluation.days`; `finished` ones
        are taken up."""
        ...

    def inspect(self, folder: Path, manifest: Manifest) -> Manifest:
        """Open the files that are to be published, and write the verdict into their manifest."""
        ...


def fit(
    settings: Settings,
    *,
    now: datetime,
    before: datetime | None = None,
    watch: Watch | None = None,
    erasure_keys: ErasureKeys | None = None,
) -> Fitted:
    """Read the shop's tables and fit everything on the events up to `now`, or before `before`, without the forgotten.

    Raises:
        DataError: if a table cannot be read or is too wrong.
        StateError: if the live log cannot be read.
        SettingsError: if a setting names what does not exist, or `erasure_keys` does not know all who are forgotten.
    """
    steps = Steps(watch) if watch else Steps()
    prepared = prepare(settings, now=now, before=before, steps=steps, erasure_keys=erasure_keys)
    settings, blend = with_default_blend(prepared, settings, now=now, steps=steps)
    rankers = learn_ranker(prepared, settings, now=now, steps=steps)
    return learn(prepared, settings, now=now, steps=steps, valued=True, ranker=rankers.serving, blend=blend)


def prepare(
    settings: Settings,
    *,
    now: datetime,
    before: datetime | None = None,
    live_until: datetime | None = None,
    steps: Steps | None = None,
    erasure_keys: ErasureKeys | None = None,
    finished: Finished = NOTHING_KEPT,
    whole: Prepared | None = None,
) -> Prepared:
    """Read and map the shop's tables up to `now`, or before `before`, the live log up to `live_until` (default: now); raises as
    `fit`. Parts that `finished` has are taken up. `whole`: prepared by the same settings, up to a later moment than `before`; what
    is the same as of then is taken from it."""
    check_settings(settings)
    steps = steps or Steps()
    until, judged = live_until or now, whole.shop.judged if whole else None
    local = settings.training.runner == "local"  # events that Spark settled are cut on the executors
    read = partial(read_shop, settings, now=now, before=before, live_until=until, erasure_keys=erasure_keys, judged=judged)
    with steps.step("read tables"):
        shop = read(later=whole.shop) if whole and judged and local else read()
    with steps.step("map events"):
        base = with_spare_rows(catalog_arrays(shop.items, shop.currency), settings.catalog.spare_items)
        known = None
        if whole and before:
            later = Later(whole.events, whole.user_ids, whole.firsts, whole.base, settings.behaviour)
            known = later.before(before, shop, base, finished)
        if known is None:
            shop = read() if shop.only is not None else shop
            known = runner_of(settings.training, finished).settled(shop.rows, base, settings.behaviour, shop.partitions)
        guests = settle(map_guest_orders(shop.rows, Catalog(base)), settings.behaviour)
        shop, as_of = replace(shop, rows=shop.rows.clear()), _as_of(known.newest, now, before)  # rows are mapped by now
        return Prepared(shop, base, known.events, known.user_ids, as_of, known.parts, known.firsts, guests)


def learn(
    prepared: Prepared,
    settings: Settings,
    *,
    now: datetime,
    steps: Steps | None = None,
    known: dict[bytes, Arrays] | None = None,
    asked: Container[str] | None = None,
    valued: bool = False,
    ranker: FittedRanker | None = None,
    blend: LearnedBlend | None = None,
) -> Fitted:
    """Fit everything on prepared tables. `known` keeps what was fitted from these tables, for the next settings to share. Where
    only some recommenders will be `asked`, the others learn from no events, which costs nothing. `valued`: customers' values too.
    `ranker`: what orders the blend's candidates, fitted before (`learn_ranker`). `blend`: what was learned of the settings' blend
    (`with_default_blend`)."""
    steps, known, behaviour = steps or Steps(), {} if known is None else known, settings.behaviour
    with steps.step("item facts"):
        base = prepared.base
        declared = base["told_replenishable"].astype(np.int8)
        stats = item_stats(prepared.events, Catalog(base), declared, behaviour, prepared.as_of, prepared.guest_orders)
        groups: dict[str, Arrays] = {"catalog": base | stats}
    catalog, users = Catalog(groups["catalog"]), len(prepared.user_ids)
    tables = Tables(prepared.events, catalog, users, prepared.as_of, settings.seed, prepared.guest_orders)
    with one_beside() as beside:  # on the other core, wherever a fit needs one alone
        printed = beside.submit(fingerprint_of, tables)
        histories = beside.submit(_histories, prepared, behaviour)
        value = beside.submit(value_arrays, prepared.events, prepared.as_of, users) if valued else None
        groups |= fit_recommenders(tables, groups["catalog"], prepared.parts, settings, known, asked, steps.step)
        with steps.step("histories"):
            groups["history"] = histories.result()
        if value:
            with steps.step("customer value"):
                groups["value"], _ = value.result()
        groups["links"] = _links(prepared.shop)
        groups["users"] = people_arrays(prepared.shop.users)
        groups["contents"] = content_arrays(prepared.shop.contents, tables.catalog)
        fingerprint = printed.result()
    if ranker and ranker.arrays:
        groups[GROUP] = item_facts(tables.events, tables.catalog.n_items, tables.as_of) | ranker.arrays
    manifest = manifest_of(settings, tables, groups, fingerprint, steps, now, prepared.shop.state_sequence)
    if ranker:
        manifest = msgspec.structs.replace(manifest, ranker=ranker.record)
    if blend:
        manifest = msgspec.structs.replace(manifest, learned_segments=blend.learned, stopped_segments=blend.stopped)
    let_go(arrays_of_events(prepared.events).values())
    return Fitted(groups, manifest, prepared.shop, steps.seconds)


def with_default_blend(
    prepared: Prepared, settings: Settings, *, now: datetime, steps: Steps | None = None
) -> tuple[Settings, LearnedBlend]:
    """The settings, with weights of the blend where nobody set any and they were worth learning (`default_blend`) in time."""
    minutes = settings.training.learn_blend_minutes
    until = time.monotonic() + minutes * 60 if minutes else math.inf

    def fit_on(events: Events, moment: int) -> Engine:
        events, guests = settle(events, settings.behaviour), prepared.guest_orders
        cut = replace(prepared, events=events, guest_orders=guests.where(guests.times < moment), as_of=moment)
        return Engine(learn(cut, settings, now=now, asked=SOURCES).snapshot(), settings)

    def late() -> bool:
        return time.monotonic() >= until

    with (steps or Steps()).step("learn blend"):
        found = default_blend(prepared.events, prepared.as_of, len(prepared.base["category"]), settings, fit_on, late)
    return msgspec.structs.replace(settings, blend=found.blend), found


def learn_ranker(prepared: Prepared, settings: Settings, *, now: datetime, steps: Steps | None = None) -> Rankers:
    """Fit a ranker on windows of the past, each behind recommenders that were fitted on what came before it."""
    with (steps or Steps()).step("fit ranker"):
        past = past_of(prepared, settings, now=now)
        return fit_ranker(past, settings.ranker, settings.blend, settings.evaluation.days, settings.seed)


def past_of(prepared: Prepared, settings: Settings, *, now: datetime) -> Past:
    """The prepared tables as they can be cut at earlier moments; orders are settled anew each time."""
    events, guests, sources = prepared.events, prepared.guest_orders, sources_of(settings.blend)
    placements = {**settings.placements, BLEND_ALONE: BLEND_PLACEMENT}
    judging = msgspec.structs.replace(settings, placements=placements)

    @lru_cache(1)  # of one moment they are asked for twice in turn
    def events_until(moment: int) -> Events:
        return settle(events.where(events.times < moment), settings.behaviour)

    def engine_at(moment: int) -> Engine:
        guests_until = guests.where(guests.times < moment)
        cut = replace(prepared, events=events_until(moment), guest_orders=guests_until, as_of=moment)
        return Engine(learn(cut, settings, now=now, asked=sources).snapshot(), judging)

    first = int(events.times.min()) if len(events) else prepared.as_of
    n_users, n_items = len(prepared.user_ids), len(prepared.base["category"])
    left_out = frozenset((*settings.data.staff, *prepared.shop.machines.to_list()))

    def clicked(windows: Sequence[Span], max_n: int) -> list[Iterator[ClickedList]]:
        return clicked_lists(prepared.shop, open_slates(settings), left_out, windows, max_n)

    return Past(events_until, engine_at, first, prepared.as_of, len(events), n_users, n_items, clicked)


def train(
    settings: Settings,
    *,
    now: datetime,
    gate: Callable[[Steps], Gate],
    before: datetime | None = None,
    watch: Watch | None = None,
    erasure_keys: ErasureKeys | None = None,
    line: str = "",
) -> Fitted:
    """Fit, let the gate judge, and publish, to a snapshot line where one is named; the oldest snapshots beyond `snapshot.keep` are
    deleted.

    `gate` makes the gate of this run, which times its steps among the others. Parts that a killed run finished are taken up.

    Raises:
        DataError, StateError, SettingsError: as `fit`.
        GateError: if the gate refuses; nothing is published then.
        SnapshotError: if the artifacts cannot be written.
    """
    steps = Steps(watch) if watch else Steps()
    publisher = Publisher(settings, line)
    judge = gate(steps)
    cut = now if before is None else before - before.resolution

    with finished_parts(settings.artifacts, settings) as finished:
        prepared = prepare(
            settings, now=now, before=before, live_until=cut, steps=steps, erasure_keys=erasure_keys, finished=finished
        )
        settings, blend = with_default_blend(prepared, settings, now=now, steps=steps)
        rankers = learn_ranker(prepared, settings, now=now, steps=steps)
        fitted = learn(prepared, settings, now=now, steps=steps, valued=True, ranker=rankers.serving, blend=blend)
        judge.judge(fitted, rankers.held_out, finished, prepared)
        if watch:
            watch("publish")
        manifest = publisher.publish(
            fitted.manifest,
            fitted.groups,
            lambda folder: write_items(folder, fitted.groups, fitted.shop.items),
            judge.inspect,
        )
    publisher.prune()
    return Fitted(fitted.groups, manifest, fitted.shop, fitted.seconds)


def _as_of(newest: int | None, now: datetime, before: datetime | None) -> int:
    if before is not None:
        return clock.to_microseconds(before)
    return clock.to_microseconds(now) if newest is None else newest


def _links(shop: ShopTables) -> Arrays:
    """Find who anonymous ids belong to, and who is known; a link without a time holds since ever."""
    links = shop.links.with_columns(pl.col("timestamp").dt.epoch("us").fill_null(FOREVER.min))
    return link_arrays(links, shop.users["user_id"])


def _histories(prepared: Prepared, behaviour: BehaviourSettings) -> Arrays:
    newest = newest_events(prepared.events, behaviour, prepared.shop.partitions)
    return prepared.parts.keep(history_arrays(prepared.events, newest, prepared.user_ids))
