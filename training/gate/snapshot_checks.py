"""Checks of a new snapshot beside its accuracy: volume, age, ids, and full answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys import clock
from recsys.clock import DAY
from recsys.engine.filters import allowed_items
from recsys.engine.pipeline import Engine, answer, filter_inputs
from recsys.snapshot.store import Snapshot
from recsys.types import Bought, History, Query, Rows
from training.evaluation.evaluate import TASKS, Subject

SAMPLE = 200
"""Shoppers that are drawn to look at a snapshot."""
BLEND = Subject("blend", "blend")


class Check(msgspec.Struct, frozen=True):
    """One question to a new snapshot: its name, whether the answer was good, and the answer in a sentence."""

    name: str
    passed: bool
    said: str


class _ItemId(msgspec.Struct):
    item_id: str


_fragment = msgspec.json.Decoder(_ItemId)


def volume(new: Snapshot, live: Snapshot, min_n: float) -> Check:
    """Users, items, items that can be shown, events and purchases are at least this share of the live snapshot's."""
    before, after = _counts(live), _counts(new)
    lost = [
        f"{after[name]:,} {name} where the live snapshot has {count:,}"
        for name, count in before.items()
        if after[name] < min_n * count
    ]
    if lost:
        return Check(
            "volume", False, f"Too little data: {', '.join(lost)} ({min_n:.0%} is the least); are the tables whole?"
        )
    counts = ", ".join(f"{after[name]:,} {name} (live {count:,})" for name, count in before.items())
    return Check("volume", True, f"Volume: {counts}.")


def freshness(new: Snapshot, live: Snapshot | None, oldest_days: float, now: datetime | None) -> Check:
    """The newest event is at most so old at `now` (None: any age), and the snapshot ends no earlier than the live one."""
    times = new.groups["history"]["times"]
    newest = int(times.max()) if len(times) else None
    if live and new.as_of < live.as_of:
        said = f"Stale: these tables end on {when(new.as_of)}, before the live snapshot's on {when(live.as_of)}."
        return Check("freshness", False, said)
    if newest is None:
        return Check("freshness", True, "There is no event yet.")
    if now and newest < (oldest := clock.to_microseconds(now) - oldest_days * DAY):
        said = f"Stale: the newest event is of {when(newest)}; events after {when(int(oldest))} are expected."
        return Check("freshness", False, said)
    return Check("freshness", True, f"The newest event is of {when(newest)}.")


def past(new: Snapshot, live: Snapshot, min_n: float, seed: int) -> Check:
    """The new snapshot tells the same past of shoppers whom the live one knows, item by item and moment by moment."""
    ids = [live.histories.users.text(row) for row in sample(len(live.histories.users), seed)]
    shares = []
    for user in ids:
        present, since = _moments(new, user), _moments(live, user)
        expected = {each for each in since if new.catalog.row(each[0]) >= 0}
        if present and expected:
            shares.append(len(expected & present) / len(expected))
    if not shares:
        return Check("past", True, "No shopper is in both snapshots, so their past was not compared.")
    share = float(np.mean(shares))
    said = f"Of what the live snapshot says of {len(shares):,} shoppers' past, the new one says {share:.0%} again"
    if share < min_n:
        return Check("past", False, f"{said} ({min_n:.0%} is the least): are ids or times mixed up, or events lost?")
    return Check("past", True, f"{said}.")


def ids(new: Snapshot, seed: int) -> Check:
    """Every item's row leads to its id and back, its fragment carries the same id, and sampled users are found again."""
    catalog, users = new.catalog, new.histories.users
    for row in range(catalog.n_known):
        item_id = catalog.item_id(row)
        carried = _fragment.decode(b"{" + catalog.fragment(row) + b"}").item_id
        if catalog.row(item_id) != row or carried != item_id:
            said = f"The item ids are mixed up: row {row:,} is {item_id!r}, which is found at row {catalog.row(item_id):,} "
            return Check("ids", False, f"{said}and whose fragment says {carried!r}.")
    for row in sample(len(users), seed):
        if users.row(users.text(row)) != row:
            return Check("ids", False, f"The user ids are mixed up: {users.text(row)!r} of row {row:,} is not found there.")
    counts = new.manifest.counts
    if (catalog.n_known, len(users)) != (counts["items"], counts["users"]):
        said = f"The files hold {catalog.n_known:,} items and {len(users):,} users, "
        return Check("ids", False, f"{said}the fit had {counts['items']:,} and {counts['users']:,}.")
    return Check("ids", True, f"All {catalog.n_known:,} item ids lead to their row and back.")


def coverage(engine: Engine, placements: Sequence[str], min_n: float, seed: int) -> Check:
    """Sampled shoppers, and one who is unknown, get full lists of finite scores and available items on these placements.

    A list for which there is nothing to show says nothing.
    """
    catalog, users = engine.catalog, engine.snapshot.histories.users
    shown = np.flatnonzero(catalog.available)
    asked = full = 0
    for number, user in enumerate([None, *(users.text(row) for row in sample(len(users), seed))]):
        context = (catalog.item_id(int(shown[number % len(shown)])),) if number % 2 and len(shown) else ()
        for placement in placements:
            query = Query(now=engine.snapshot.as_of, user_id=user, placement=placement, context_items=context)
            slate = answer(engine, query, engine.snapshot.histories.of(user or ""))
            if not np.isfinite(slate.scores).all() or not catalog.available[list(slate.items)].all():
                said = f"For {user or 'an unknown shopper'!r} on {placement} it answers with scores that are no numbers, "
                return Check("coverage", False, f"{said}or with items that cannot be had.")
            if eligible := _eligible(engine, query):
                asked += 1
                full += len(slate.items) >= eligible
    if not asked:
        return Check("coverage", not len(shown), "No list could be looked at: nothing may be shown on any.")
    said = f"{full / asked:.1%} of {asked:,} lists came back full"
    if full < min_n * asked:
        return Check("coverage", False, f"Only {said} ({min_n:.0%} is the least).")
    return Check("coverage", True, f"{said}.")


def agreement(shadow: Engine, new: Engine, min_n: float, seed: int) -> Check:
    """For the same shoppers, with the past and the now of the fit that was measured, the new arrays answer more alike than
    arrays whose ids are mixed up would."""
    found, chance = overlap(shadow, new, seed), overlap(shadow, new, seed, mixed=True)
    if not len(found):
        return Check(
            "agreement", True, "The fit that was measured had nothing to say, so the new one was not compared with it."
        )
    share, by_chance = float(found.mean()), float(chance.mean())
    said = (
        f"For {len(found):,} shoppers the new arrays share {share:.1%} of the first ten with the fit that was measured; "
        f"with ids mixed up they would share {by_chance:.1%}"
    )
    if share - by_chance < min_n:
        return Check("agreement", False, f"{said}. They are not what was measured.")
    return Check("agreement", True, f"{said}.")


def overlap(shadow: Engine, new: Engine, seed: int, mixed: bool = False) -> NDArray[np.float64]:
    """Share of the shadow's first ten of the blend that stand in the new engine's, by item id, of each shopper that it has a
    list for; `mixed`: with the ids mixed up. Items that a shopper owns are left out, or lists would agree by repeating the past."""
    rows = shadow.catalog.items.published.rows_in(new.catalog.items.published)
    if mixed:
        rows[rows >= 0] = np.random.default_rng(seed).permutation(rows[rows >= 0])
    place = np.append(rows, np.int32(-1))
    users, shares = shadow.snapshot.histories.users, []
    for row in sample(len(users), seed):
        history = shadow.snapshot.histories.at(row)
        query = Query(
            now=shadow.snapshot.as_of,
            user_id=users.text(row),
            placement=BLEND.placement,
            limit=10,
            bought=TASKS["new"],
        )
        measured = place[list(answer(shadow, query, history).items)].tolist()
        moved = History(place[np.maximum(history.items, -1)], history.kinds, history.times, history.orders)
        if measured:
            shares.append(len({*measured} & {*answer(new, query, moved).items}) / len(measured))
    return np.array(shares)


def sample(count: int, seed: int) -> list[int]:
    """Draw at most `SAMPLE` of so many rows, ascending."""
    drawn = np.random.default_rng(seed).choice(count, min(count, SAMPLE), replace=False)
    return sorted(drawn.tolist())


def when(microseconds: int) -> str:
    """A moment for people."""
    return clock.to_datetime(microseconds).strftime("%Y-%m-%d %H:%M UTC")


def _counts(snapshot: Snapshot) -> Mapping[str, int]:
    counts = {name: snapshot.manifest.counts[name] for name in ("users", "events", "purchases", "items")}
    return {**counts, "items that can be shown": int(snapshot.catalog.available.sum())}


def _moments(snapshot: Snapshot, user: str) -> set[tuple[str, int]]:
    """Return what a shopper did, as item ids and microseconds."""
    history = snapshot.histories.of(user)
    known = history.items >= 0
    pairs = zip(history.items[known].tolist(), history.times[known].tolist(), strict=True)
    return {(snapshot.catalog.item_id(item), time) for item, time in pairs}


def _eligible(engine: Engine, query: Query) -> int:
    """Return how long the list must be: the placement's limit, or what its filters leave, one item of each group. Without a fallback
    chain, or with limits, it may end before."""
    placement, catalog = engine.placement(query.placement), engine.catalog
    history = engine.snapshot.histories.of(query.user_id or "")
    profile = engine.profiler.profile(query.user_id, history, query.now)
    context: Rows = np.array([catalog.row(item_id) for item_id in query.context_items], np.int32)
    bought = Bought(placement.bought, placement.bought_days)
    plan = engine.campaigns.plan(query.placement, placement, query.now, profile, len(context) > 0)
    if not placement.fallback or (plan is not None and plan.limits):
        return 0
    allowed, _ = allowed_items(filter_inputs(engine, query, context, profile, bought, plan))
    if not catalog.has_groups:
        return min(query.limit, int(allowed.sum()))
    return distinct_groups(catalog.group[allowed], query.limit)


def distinct_groups(groups: Rows, max_n: int) -> int:
    """Count the groups int32[m] of items, and the items of none (-1), up to `max_n`: among a few first, which is mostly enough."""
    count = 0
    for some in (groups[: 16 * max_n], groups):
        count = int((some < 0).sum()) + len(np.unique(some[some >= 0]))
        if count >= max_n:
            break
    return min(max_n, count)
