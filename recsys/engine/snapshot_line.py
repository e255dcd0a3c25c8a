"""Snapshot line in an engine: another snapshot ranks, the one that serves shows.

Its recommenders and rankers are asked in its own rows, with the profile that it makes of the same history, for nothing but items that
the snapshot that serves may show; what they find is put into rows of the latter by item id. So everything after them, and all that
reads a slate, knows one catalogue. Filters, campaigns, texts, prices and live item updates are those of the snapshot that serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import Ranked
from recsys.engine.engine import Engine, rankers_in, recommenders_of
from recsys.engine.profile import Profiler
from recsys.engine.ranker.ranker import AnyRanker, Moved
from recsys.engine.ranker.trees import RankTask
from recsys.recommenders.base import AskedRecommender
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.growing_ids import GrowingIds
from recsys.snapshot.store import Snapshot
from recsys.types import Candidates, History, Mask, Owned, Profile, Reason, RowQuery, Rows, Scores


class SnapshotLine:
    """Another snapshot as an engine's arms rank with it."""

    def __init__(self, engine: Engine, snapshot: Snapshot) -> None:
        """Make a snapshot ready to rank for the engine that serves; its catalogue is this line's own.

        Raises:
            SnapshotError: if it lacks what an engine needs.
        """
        there = _There(engine.catalog, snapshot, engine.settings)
        own, serving = recommenders_of(there.snapshot), engine.recommenders
        self.version = snapshot.version
        self.blend: BlendSettings = snapshot.manifest.blend
        self.recommenders: Mapping[str, AskedRecommender] = {
            name: _Recommender(there, recommender, serving.get(name, recommender)) for name, recommender in own.items()
        }
        self.rankers: Mapping[RankTask, AnyRanker] = {
            task: _Ranker(there, ranker) for task, ranker in rankers_in(there.snapshot).items()
        }

    def ranks_for(self, engine: Engine) -> Engine:
        """The engine that serves, with this line's recommenders, rankers and weights of the blend."""
        ranked = engine.ranked_by(self.recommenders, self.rankers)
        ranked.blend = self.blend
        return ranked


Lines: TypeAlias = Mapping[str, "SnapshotLine | str"]
"""Name of a line = the line over the engine that serves, or why it cannot be used."""


class _Rows(NamedTuple):
    """Rows of the two catalogues by item id: there int32[here] (below -1: unknown there) · here int32[there] (-1: unknown here) ·
    both_here int32[b] rows here of the items that both have · at intp[there] the same as `here`, as NumPy indexes without a copy ·
    known bool[there] whether there is one."""

    there: Rows
    here: Rows
    both_here: Rows
    at: NDArray[np.intp]
    known: Mask


class _There:
    """The other snapshot: its catalogue beside the one that serves, and what a query and a shopper are in its rows."""

    def __init__(self, here: Catalog, snapshot: Snapshot, settings: Settings) -> None:
        self.snapshot = snapshot = Snapshot(snapshot.manifest, snapshot.groups)
        self._here, self.catalog = here, snapshot.catalog
        self._profiler = Profiler(self.catalog, snapshot.manifest.behaviour, settings.profile)
        self._known, self._rows = -1, _NO_ROWS
        self._retitled = np.zeros(self.catalog.n_items, bool)
        self._last: tuple[RowQuery, Profile, RowQuery, Profile] | None = None

    @property
    def rows(self) -> _Rows:
        """The rows of both, those of items that were put since among them."""
        if self._known != self._here.n_known:
            known = self._here.n_known
            self._rows, self._known = self._found(known), known
        return self._rows

    def _found(self, known: int) -> _Rows:
        there = -2 - np.arange(self._here.n_items, dtype=np.int32)  # a code of its own for each item that is unknown there
        published = self._here.items.published
        rows = published.rows_in(self.catalog.items.published)
        there[: len(rows)] = np.where(rows >= 0, rows, there[: len(rows)])
        for row in range(len(published), known):
            found = self.catalog.row(self._here.item_id(row))
            there[row] = found if found >= 0 else there[row]
        both_here = np.flatnonzero(there >= 0).astype(np.int32)
        here = np.full(self.catalog.n_items, -1, np.int32)
        here[there[both_here]] = both_here
        return _Rows(there, here, both_here, here.astype(np.intp), here >= 0)

    def asked(self, query: RowQuery, profile: Profile) -> tuple[RowQuery, Profile]:
        """A query and its shopper in rows of this snapshot; the last ones are kept, since all are asked the same."""
        last = self._last
        if last is None or last[0] is not query or last[1] is not profile:
            history = self._history(profile.history)
            there = self._query(query), self._profiler.profile(profile.user_id, history, query.now)
            self._word(np.concatenate((there[0].context, history.items)))
            self._last = last = (query, profile, *there)
        return last[2:]

    def allowed(self, allowed: Mask) -> Mask:
        """Tell which items may be shown, bool[here], in rows of this snapshot; none that the one that serves does not have."""
        rows = self.rows
        found: Mask = allowed.take(rows.at)  # of one without a row here some other, which the next line takes out
        found &= rows.known
        return found

    def _query(self, query: RowQuery) -> RowQuery:
        context = self.rows.there.take(query.context)
        category = query.category
        while category >= 0 and (found := _row(self._here.categories, self.catalog.categories, category)) < 0:
            category = int(self._here.parent[category])
        return msgspec.structs.replace(
            query,
            category=found if category >= 0 else -1,
            brand=_row(self._here.brands, self.catalog.brands, query.brand),
            context=np.unique(context[context >= 0]),
        )

    def _history(self, history: History) -> History:
        items, there = history.items, self.rows.there
        if not len(items):
            return history
        items = np.where(items >= 0, there.take(np.maximum(items, 0)), items)
        owned = history.owned
        if owned is not None:
            rows = there.take(owned.items)
            order = np.argsort(rows, kind="stable")[np.count_nonzero(rows < 0) :]
            owned = Owned(rows[order], owned.at[order], owned.orders, owned.last_order)
        return History(items, history.kinds, history.times, history.orders, owned, history.lines)

    def _word(self, rows: Rows) -> None:
        """Let evidence items have the titles of the snapshot that serves; before any reason names them, since reasons are kept."""
        rows = rows[rows >= 0]
        for row in rows[~self._retitled[rows]].tolist():
            title = self._here.title(int(self.rows.here[row]))
            if title != self.catalog.title(row):
                self.catalog.retitled[row] = title
            self._retitled[row] = True


class _Recommender:
    """A recommender of the other snapshot, asked and answering in rows of the one that serves."""

    def __init__(self, there: _There, own: AskedRecommender, serving: AskedRecommender) -> None:
        self._there, self._own, self._serving = there, own, serving
        self.personal, self.category_first = own.personal, own.category_first
        self.ranks_everything = own.ranks_everything

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank as the other snapshot does; one that ranks everything ranks what that does not know as the serving one does, last."""
        there = self._there
        found = self._own.recommend(*there.asked(query, profile), n, there.allowed(allowed))
        found = Candidates(there.rows.here.take(found.items), found.scores, found.explained_by)
        if not self.ranks_everything or len(found) >= n:
            return found
        unknown = allowed.copy()
        unknown[there.rows.both_here] = False
        return _followed_by(found, self._serving.recommend(query, profile, n - len(found), unknown))

    def follow_items(self) -> None:
        """The other snapshot has no items that were put since."""

    def scores_of(self, items: Rows) -> Scores:
        """Score items as the other snapshot does, those that it does not know as the serving one does."""
        rows = self._there.rows.there.take(items)
        known = rows >= 0
        scores = np.empty(len(items), np.float32)
        scores[known], scores[~known] = self._own.scores_of(rows[known]), self._serving.scores_of(items[~known])
        return scores

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Say why, as the snapshot that ranked each item does."""
        rows = self._there.rows.there.take(items).tolist()
        stated = list(zip(rows, items, explained_by, strict=True))
        theirs = [(row, why) for row, _, why in stated if row >= 0]
        others = [(item, why) for row, item, why in stated if row < 0]
        own = iter(self._own.reasons(*self._there.asked(query, profile), *_columns(theirs)))
        serving = iter(self._serving.reasons(query, profile, *_columns(others)))
        return [next(own if row >= 0 else serving) for row in rows]


class _Ranker:
    """A ranker of the other snapshot, asked and answering in rows of the one that serves."""

    def __init__(self, there: _There, own: AnyRanker) -> None:
        self._there, self._own = there, own
        self.sources, self.depth = own.sources, own.depth

    def rank(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile
    ) -> Ranked:
        """Rank what these lists hold and the other snapshot knows."""
        ranked = self._own.rank(self._known(lists), weights, *self._there.asked(query, profile))
        return msgspec.structs.replace(ranked, rows=self._there.rows.here.take(ranked.rows))

    def moved(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile, item: int
    ) -> list[Moved]:
        """The features that moved an item, the strongest first."""
        row = int(self._there.rows.there[item])
        return self._own.moved(self._known(lists), weights, *self._there.asked(query, profile), row)

    def _known(self, lists: Mapping[str, Candidates]) -> Mapping[str, Candidates]:
        return {name: _at(found, self._there.rows.there.take(found.items)) for name, found in lists.items()}


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [item for item, _ in pairs], [why for _, why in pairs]


def _at(found: Candidates, rows: Rows) -> Candidates:
    """A list in other rows, without the items that have none."""
    known = rows >= 0
    notes = found.explained_by
    return Candidates(rows[known], found.scores[known], None if notes is None else notes[known])


def _followed_by(first: Candidates, last: Candidates) -> Candidates:
    """One list, then another, whose scores are never above those of the first."""
    if not len(first) or not len(last):
        return first if len(first) else last
    items = np.concatenate([first.items, last.items])
    scores = np.minimum.accumulate(np.concatenate([first.scores, last.scores]))
    if first.explained_by is None and last.explained_by is None:
        return Candidates(items, scores)
    notes = [np.full(len(each), -1, np.int32) if each.explained_by is None else each.explained_by for each in (first, last)]
    return Candidates(items, scores, np.concatenate(notes))


def _row(here: GrowingIds, there: GrowingIds, row: int) -> int:
    """The row of the same id in the other snapshot; -1 if there is none."""
    return there.row(here.text(row)) if row >= 0 else -1


_NONE = np.empty(0, np.int32)
_NO_ROWS = _Rows(_NONE, _NONE, _NONE, np.empty(0, np.intp), np.empty(0, bool))
