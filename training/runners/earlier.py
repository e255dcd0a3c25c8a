"""Settled events as of an earlier moment, out of those of a later one: rows up to then, with the users and items of then.

What came later changes the rows of a user in two ways only: a refund took from them, or their items have other rows in the catalogue.
Orders are settled anew where that is so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import clock
from recsys.disk import let_go
from recsys.orders import REFUND, settle
from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import Events, no_events
from recsys.snapshot.id_index import IdMap, unknown_item
from recsys.tables.shop import ShopTables
from recsys.types import Arrays, Rows, Times
from training.runners.base import Settled
from training.runners.files import EventFiles, arrays_of_events
from training.runners.finished import Finished
from training.runners.local import LocalParts, LocalRunner
from training.runners.rows import in_order


@dataclass(frozen=True)
class Later:
    """Settled events of a later moment, with the catalogue that they were mapped to and how they are settled."""

    events: Events
    user_ids: list[str]
    firsts: Times
    catalog: Arrays
    behaviour: BehaviourSettings

    def before(self, then: datetime, shop: ShopTables, catalog: Arrays, finished: Finished) -> Settled | None:
        """The settled events before a moment, where `shop` was read as of then for some users alone; None: it was not, or an item that
        had no row has one then.

        Args:
            then: the moment.
            shop: the shop as of then, whose `rows` are mapped and settled.
            catalog: the catalogue of then.
            finished: parts that need not be made again.

        Raises:
            DataError: if the disk would be full.
        """
        later, now = IdMap(self.catalog, "item"), IdMap(catalog, "item")
        if shop.only is None or (now.rows_in(later) < 0).any():
            return None
        moment, parts = clock.to_microseconds(then), LocalParts(shop.partitions, finished)
        anew = LocalRunner().settled(shop.rows, catalog, self.behaviour, shop.partitions)
        users = _users_before(moment, self, anew, shop.only)
        events = replace(anew.events, users=users.anew[anew.events.users])
        pieces = self._pieces(moment, users, _new_items(later, now), events, parts.count)
        if parts.count == 1:
            return Settled(next(pieces), users.ids, moment, users.firsts, parts)
        files = EventFiles()
        files.extend(pieces)
        return Settled(files.events(), users.ids, moment, users.firsts, parts)

    def _pieces(self, moment: int, users: _Users, items: Rows | None, anew: Events, count: int) -> Iterator[Events]:
        """Events of one range of users after another."""
        parts = [*self.events.cut(count)] or [no_events()]
        starts = [users.kept[part.users[0] :] for part in parts[1:]]
        ends = [int(rest[rest >= 0][0]) if (rest >= 0).any() else len(users.ids) for rest in starts]
        places = anew.users.searchsorted([0, *ends, len(users.ids)])
        for part, (start, end) in zip(parts, pairwise(places.tolist()), strict=True):
            yield _together(self._as_of(part, moment, users.kept, items), anew.where(slice(start, end)))
            let_go(arrays_of_events(self.events).values())

    def _as_of(self, part: Events, moment: int, places: Rows, items: Rows | None) -> Events:
        """The events before the moment of those users who keep theirs."""
        refunded = np.unique(part.users[(part.kinds == REFUND) & (part.times >= moment)])
        events = part.where((part.times < moment) & (places[part.users] >= 0))
        again = np.isin(events.users, refunded)
        events = replace(events, users=places[events.users])
        if items is not None:
            known = events.items >= 0
            events = replace(events, items=np.where(known, items[np.where(known, events.items, 0)], events.items))
            return settle(events.where(in_order(events)), self.behaviour)
        if not again.any():
            return events
        return _together(events.where(~again), settle(events.where(again), self.behaviour))


class _Users(NamedTuple):
    """Users as of the moment: their ids in row order, the times of their first events, and what row each of those who keep their
    events, and each of those who have others, has then (-1: none)."""

    ids: list[str]
    firsts: Times
    kept: Rows
    anew: Rows


def _users_before(moment: int, later: Later, anew: Settled, changed: pl.Series) -> _Users:
    told = pl.concat(
        pl.DataFrame({"id": pl.Series(each.user_ids, dtype=pl.String), "first": each.firsts}).with_columns(
            pl.int_range(pl.len()).alias("place"), pl.lit(new).alias("new")
        )
        for each, new in ((later, False), (anew, True))
    )
    stays = pl.col("new") | (pl.col("first") < moment) & ~pl.col("id").is_in(changed.implode())
    users = told.filter(stays).sort("id").with_row_index("row")
    kept, others = np.full(len(later.user_ids), -1, np.int32), np.full(len(anew.user_ids), -1, np.int32)
    for rows, new in ((kept, False), (others, True)):
        theirs = users.filter(pl.col("new") == new)
        rows[theirs["place"].to_numpy()] = theirs["row"].to_numpy()
    return _Users(users["id"].to_list(), users["first"].to_numpy(), kept, others)


def _new_items(later: IdMap, now: IdMap) -> Rows | None:
    """Rows in the catalogue of then by those in the later one, or the code of an item that it does not know; None: all are the
    same."""
    rows = later.rows_in(now)
    for row in np.flatnonzero(rows < 0).tolist():
        rows[row] = unknown_item(later.text(row))
    return None if np.array_equal(rows, np.arange(len(now))) else rows


def _together(some: Events, others: Events) -> Events:
    """Events of different users, by user."""
    if not len(others):
        return some
    places = some.users.searchsorted(others.users)
    return Events(*(np.insert(getattr(some, name), places, getattr(others, name)) for name in Events.__slots__))
