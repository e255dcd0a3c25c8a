"""Time splits: what was known before a moment, and what shoppers bought in the days after it, or each of them last."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys import clock
from recsys.live.erasure import ErasureKeys
from recsys.orders import settle
from recsys.settings import Settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.tables.shop import read_shop
from recsys.types import EventType, Rows
from training.job.default_blend import cut_of
from training.job.job import Prepared, Steps, prepare
from training.runners.finished import NOTHING_KEPT, Finished
from training.runners.rows import map_events


@dataclass(frozen=True, slots=True)
class Fold:
    """Train on events before `at`, test on the purchases of the `days` from `at` on; of 0 days, on what each shopper bought last
    before it."""

    at: datetime
    days: int

    @property
    def until(self) -> datetime:
        """The end of the test window, itself outside."""
        return self.at + timedelta(days=self.days)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} + {self.days} days" if self.days else f"the last orders up to {self.at:%Y-%m-%d}"


def folds_before(end: datetime, days: int, count: int) -> list[Fold]:
    """The `count` folds whose windows fill the time up to `end` without overlap, oldest first."""
    return [Fold(end - timedelta(days=days * back), days) for back in range(count, 0, -1)]


@dataclass(frozen=True)
class Truth:
    """Purchases that each user kept in the window, distinct items, in rows of the catalogue that was known before it.

    users: ids, ascending · offsets int64[u+1] into items int32[m], ascending within a user · sizes int32[u] distinct items
    bought, those unknown before the window too: nobody could have recommended them, and they count as missed.
    """

    users: list[str]
    offsets: NDArray[np.int64]
    items: Rows
    sizes: Rows

    def __len__(self) -> int:
        return len(self.users)

    def of(self, user: int) -> Rows:
        """The known items that the user at this place bought."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def where(self, chosen: NDArray[np.intp]) -> Truth:
        """The truth of the users at these places."""
        parts = [self.of(user) for user in chosen.tolist()]
        lengths = np.array([len(part) for part in parts], np.int64)
        items = np.concatenate(parts) if parts else np.empty(0, np.int32)
        users = [self.users[user] for user in chosen.tolist()]
        return Truth(users, np.concatenate([[0], np.cumsum(lengths)]), items, self.sizes[chosen])

    def without(self, owned: dict[str, frozenset[int]]) -> Truth:
        """Leave out what a user owned before; users with nothing left are left out."""
        kept = [np.array([i for i in self.of(u).tolist() if i not in owned.get(user, frozenset())], np.int32)
                for u, user in enumerate(self.users)]  # fmt: skip
        dropped = np.array([len(self.of(u)) - len(part) for u, part in enumerate(kept)], np.int32)
        sizes = self.sizes - dropped
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in kept])]).astype(np.int64)
        items = np.concatenate(kept) if kept else self.items
        return Truth(self.users, offsets, items, sizes).where(np.flatnonzero(sizes > 0))


@dataclass(frozen=True)
class Split:
    """One fold of a shop: its tables up to the moment, and what came next."""

    fold: Fold
    prepared: Prepared
    truth: Truth


def split(
    settings: Settings,
    fold: Fold,
    now: datetime,
    steps: Steps | None = None,
    erasure_keys: ErasureKeys | None = None,
    finished: Finished = NOTHING_KEPT,
    whole: Prepared | None = None,
) -> Split:
    """Read a shop up to a fold's moment, and separately what was bought in its window; what `finished` has is taken up. `whole`:
    as of `prepare`, of the window's end or later.

    Raises:
        DataError: if a table cannot be read or is too wrong.
    """
    steps = steps or Steps()
    prepared = prepare(
        settings, now=now, before=fold.at, steps=steps, erasure_keys=erasure_keys, finished=finished, whole=whole
    )
    prepared = replace(prepared, shop=replace(prepared.shop, judged=None))  # of one partition they are in memory
    with steps.step("read the window"):
        return Split(fold, prepared, _truth(settings, fold, Catalog(prepared.base), erasure_keys, whole))


def last_orders(
    settings: Settings, before: datetime, now: datetime, erasure_keys: ErasureKeys | None = None
) -> Split | None:
    """Read a shop without everybody's last order before a moment, or what each took last, which is the truth; None: too few are left.
    Views are taken only where nothing was ever bought.

    So are sequences looked at, whose times say no more than the order of events: no window of days has enough of their shoppers in it
    (`training.job.default_blend`).

    Raises:
        DataError: if a table cannot be read or is too wrong.
    """
    prepared = prepare(settings, now=now, before=before, erasure_keys=erasure_keys)
    n_items, days = len(prepared.base["category"]), settings.evaluation.days
    if not len(prepared.events):
        return None
    kind = EventType.PURCHASE if (prepared.events.kinds == EventType.PURCHASE).any() else EventType.VIEW
    cut = cut_of(prepared.events, prepared.as_of, n_items, days, settings.seed, settings.behaviour, kind)
    if cut is None:
        return None
    events, guests = settle(cut.remaining, settings.behaviour), prepared.guest_orders
    known = replace(prepared, events=events, guest_orders=guests.where(guests.times < cut.moment), as_of=cut.moment)
    bought = np.stack((cut.bought // n_items, cut.bought % n_items))
    fold = Fold(clock.to_datetime(cut.moment), 0)
    return Split(fold, known, _of_pairs(bought.astype(np.int32), prepared.user_ids))


def owned_before(events: Events, user_ids: list[str], asked: Sequence[str]) -> dict[str, frozenset[int]]:
    """Item rows that each of those asked for bought and kept, for `Truth.without`; `user_ids` are by row, in order."""
    bought = events.where((events.kinds == EventType.PURCHASE) & (events.items >= 0))
    rows = {user: bisect_left(user_ids, user) for user in asked}
    known = {user: row for user, row in rows.items() if user_ids[row : row + 1] == [user]}
    places = np.array([*known.values()], np.int32)
    starts, ends = np.searchsorted(bought.users, places), np.searchsorted(bought.users, places, "right")
    theirs = zip(known, starts, ends, strict=True)
    return {user: frozenset(bought.items[start:end].tolist()) for user, start, end in theirs if start < end}


def _truth(
    settings: Settings, fold: Fold, catalog: Catalog, erasure_keys: ErasureKeys | None, whole: Prepared | None
) -> Truth:
    later = whole.shop if whole and whole.shop.judged else None
    read = partial(read_shop, settings, before=fold.until, erasure_keys=erasure_keys, only_orders=True)
    shop = read(judged=later.judged, later=later) if later else read()
    rows = shop.rows.filter(~pl.col("item_id").is_in(shop.never.implode()).fill_null(False))
    buyers = rows.filter((pl.col("event_type") == "purchase") & (pl.col("timestamp") >= fold.at)).select("user_id").unique()
    events, user_ids = map_events(rows.join(buyers, on="user_id", how="semi"), catalog)
    lines = settle(events, settings.behaviour)
    start = clock.to_microseconds(fold.at)
    return _distinct(
        lines.where((lines.kinds == EventType.PURCHASE) & (lines.items != -1) & (lines.times >= start)), user_ids
    )


def _distinct(bought: Events, user_ids: list[str]) -> Truth:
    """Return what stands in these purchases, each user's items once; items below -1 are unknown ones."""
    return _of_pairs(np.unique(np.stack((bought.users, bought.items)), axis=1).astype(np.int32), user_ids)


def _of_pairs(pairs: Rows, user_ids: list[str]) -> Truth:
    """Return the truth of pairs int32[2, m] of users and items, ascending."""
    rows, sizes = np.unique(pairs[0], return_counts=True)
    users, items = pairs[:, pairs[1] >= 0]
    offsets = np.searchsorted(users, np.append(rows, np.iinfo(np.int32).max)).astype(np.int64)
    return Truth([user_ids[row] for row in rows], offsets, items, sizes.astype(np.int32))
