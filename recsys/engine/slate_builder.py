"""Slate builder: the places of one list while they are being filled, by a rule's recommenders first, then by the fallback chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.category_rows import are_in
from recsys.engine.blend import NONE_RANKED, Pick, Ranked, blend, ranked_by, reordered
from recsys.engine.engine import Engine
from recsys.engine.ranker.ranker import LEARNED_LIMIT, AnyRanker, Moved
from recsys.jit import INT, ROWS, compiled
from recsys.ranking import mark
from recsys.types import NO_CANDIDATES, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores

BLEND_DEPTH = 10
"""Candidates that each recommender brings into a blend beyond those that the list has room for."""

GROUP_SPARES = 8
"""Candidates asked for beyond the empty places where items share groups; more are asked for when these do not do."""

ORDER_DEPTH = 100
"""Items that a rule's recommenders bring, at the least, where the blend puts them into order."""


class Order(NamedTuple):
    """Order of what a rule's recommenders bring: a ranker's, else that of their weights. Where `within` is not None, these are the
    blend's weights, and blend or ranker order inside the set that the rule brings."""

    ranker: AnyRanker | None = None
    within: Mapping[str, float] | None = None


OWN_ORDER = Order()
"""The recommenders' own."""


class SlateBuilder:
    """The places of one slate while they are being filled; takes no item and no group twice."""

    def __init__(self, engine: Engine, query: RowQuery, profile: Profile, allowed: Mask, limit: int) -> None:
        self._engine, self._query, self._profile = engine, query, profile
        self._allowed, self._limit = allowed, limit
        self.ranked: Ranked = NONE_RANKED
        """The items that stand, best first."""
        self._passed: list[Rows] = []
        self._spares = GROUP_SPARES if engine.catalog.has_groups else 0
        self._there = len(allowed)
        """Most items that a recommender can bring; one that is asked for more looks for them."""
        self.n_blended = 0
        """How many of these the rule's recommenders brought."""

    @property
    def picks(self) -> list[Pick]:
        """The items that stand, one by one."""
        return list(self.ranked)

    def put_blend(self, weights: Mapping[str, float], order: Order = OWN_ORDER) -> None:
        """Take the best of what a rule's recommenders bring, in this order."""
        self.take(self.blended(weights, order))
        self.n_blended = len(self.ranked.rows)

    def blended(self, weights: Mapping[str, float], order: Order = OWN_ORDER) -> Ranked:
        """Rank what a rule's recommenders bring, together."""
        if order.within is not None:
            brought = self.brought_to_order(weights)
            among = self._engine.take_blank()
            inside = self._inside(brought, among).blended(order.within, Order(order.ranker))
            mark(among, brought.rows, False)
            self._engine.give_back(among)
            return reordered(brought, inside, self._first(weights, brought.rows))
        if order.ranker is not None:
            return order.ranker.rank(self._to_rank(weights, order.ranker), weights, self._query, self._profile)
        return self._blended(weights, self._wanted())

    def _blended(self, weights: Mapping[str, float], wanted: int) -> Ranked:
        """Rank what a rule's recommenders bring for so many places; the list of one alone stays as it is."""
        names = self.to_blend(weights)
        if len(names) == 1:
            return ranked_by(names[0], self.ask(names[0], wanted))
        lists = {name: self.ask(name, wanted + BLEND_DEPTH) for name in names}
        return blend(lists, weights, self._engine.catalog.tie_rank)

    def to_blend(self, weights: Mapping[str, float]) -> list[str]:
        """The recommenders that a blend with these weights is made of."""
        return [name for name, weight in weights.items() if weight > 0]

    def candidates(self, names: Sequence[str]) -> dict[str, Candidates]:
        """The lists that a blend of these recommenders is made of."""
        depth = self.blend_depth(len(names))
        return {name: self.ask(name, depth) for name in names}

    def blend_depth(self, n_names: int) -> int:
        """Items of each of so many recommenders in a blend; one alone needs no more than there are places."""
        return self._wanted() if n_names == 1 else self._wanted() + BLEND_DEPTH

    def brought_to_order(self, weights: Mapping[str, float]) -> Ranked:
        """The items that a rule's recommenders bring for others to order, as they rank them."""
        n = max(ORDER_DEPTH, self._wanted())
        return self._blended(weights, n + self._spares).first(n)

    def _inside(self, brought: Ranked, among: Mask) -> SlateBuilder:
        """A list that holds nothing but items that were brought, by way of a mask that has none yet."""
        mark(among, brought.rows, True)
        n = len(brought.rows)
        inside = SlateBuilder(self._engine, self._query, self._profile, among, n)
        inside._there = n
        return inside

    def _first(self, weights: Mapping[str, float], rows: Rows) -> Mask:
        """Tell which of the items keep the first places, bool[m]: those of the query's category, where a recommender goes by it."""
        category, recommenders = self._query.category, self._engine.recommenders
        if category >= 0:
            for name in self.to_blend(weights):
                if name in recommenders and recommenders[name].category_first:
                    return are_in(self._engine.catalog, rows, category)
        return np.ones(len(rows), bool)

    def moved(self, weights: Mapping[str, float], order: Order, item: int) -> list[Moved]:
        """The features by which a ranker moved an item among what a rule's recommenders bring; none without a ranker."""
        if order.ranker is None:
            return []
        if order.within is not None:
            inside = self._inside(self.brought_to_order(weights), np.zeros_like(self._allowed))
            return inside.moved(order.within, Order(order.ranker), item)
        return order.ranker.moved(self._to_rank(weights, order.ranker), weights, self._query, self._profile, item)

    def _to_rank(self, weights: Mapping[str, float], ranker: AnyRanker) -> dict[str, Candidates]:
        return self.brought(weights, ranker.sources, max(ranker.depth, LEARNED_LIMIT + self._spares))

    def brought(self, weights: Mapping[str, float], sources: Sequence[str], depth: int) -> dict[str, Candidates]:
        """The lists that a ranker is asked to order: of its sources, and of every recommender with a weight."""
        depth = max(depth, self._wanted())
        lists = {name: self.ask(name, depth) for name in sources}
        for name, weight in weights.items():
            if weight > 0 and name not in lists:
                lists[name] = self.ask(name, depth)
        return lists

    def fill(self, chain: tuple[str, ...]) -> str | None:
        """Fill the empty places from the fallback chain; returns the last recommender that filled any."""
        used, filled = None, len(self.ranked.rows)
        for name in chain:
            while filled < self._limit:
                before, wanted = filled, self._wanted()
                found = self.ask(name, wanted)
                self.take(ranked_by(name, found))
                filled = len(self.ranked.rows)
                used = name if filled > before else used
                if len(found.items) < wanted:
                    break
        return used

    def mix_last(self, others: Mask, names: tuple[str, ...]) -> None:
        """Replace the last item by the best of others, bool[n], of these recommenders in order, if there is any."""
        whole, before, last = self.ranked, self._allowed, len(self.ranked.rows) - 1
        self.ranked, self._allowed = whole.first(last), others
        self.fill(names)
        self._allowed = before
        if len(self.ranked.rows) == last + 1:
            self.n_blended = min(self.n_blended, last)
        else:
            self.ranked = whole

    def give(self, name: str, among: Mask, places: int, first: int, limit: int) -> int:
        """Give places from `first` on, from 0, to the best of some items, bool[n], that are not on the list yet, by one recommender.

        The items that stood there move down, and those beyond `limit` off the list. Returns how many were given.
        """
        ranked, group = self.ranked.first(limit), self._engine.catalog.group
        among = among.copy()
        among[ranked.rows] = False
        found = ranked_by(name, self.ask_among(name, places + GROUP_SPARES, among))
        given = found.take(_of_each_group(found.rows, group, ranked.rows, places))
        kept = ranked.first(limit - len(given))
        above, below = kept.first(first), kept.take(np.arange(min(first, len(kept)), len(kept)))
        if len(level := (below.first(1).scores if len(below) else above.scores[-1:])):
            given = msgspec.structs.replace(given, scores=level.repeat(len(given)))
        self.ranked = above.followed_by(given).followed_by(below)
        return len(given)

    def anything_personal(self) -> bool:
        """Tell whether any place was filled from the shopper's own history."""
        names, recommenders = self.ranked.names, self._engine.recommenders
        if len(names) == 1:
            return recommenders[names[0]].personal and len(self.ranked.rows) > 0
        sources = set(self.ranked.sources.tolist())
        return any(recommenders[names[source]].personal for source in sources)

    def reasons(self) -> list[Reason]:
        """One reason per place, from the recommender that spoke most for it."""
        recommenders, query, profile, ranked = self._engine.recommenders, self._query, self._profile, self.ranked
        rows, notes = ranked.rows.tolist(), ranked.explained_by.tolist()
        if len(ranked.names) == 1:
            return recommenders[ranked.names[0]].reasons(query, profile, rows, notes)
        places: dict[int, list[int]] = {}
        for place, source in enumerate(ranked.sources.tolist()):
            places.setdefault(source, []).append(place)
        found: dict[int, Reason] = {}
        for source, theirs in places.items():
            their_rows, their_notes = [rows[place] for place in theirs], [notes[place] for place in theirs]
            said = recommenders[ranked.names[source]].reasons(query, profile, their_rows, their_notes)
            found.update(zip(theirs, said, strict=True))
        return [found[place] for place in range(len(rows))]

    def _wanted(self) -> int:
        return self._limit - len(self.ranked.rows) + self._spares

    def ask(self, name: str, n: int) -> Candidates:
        """The best n of one recommender among the items that are allowed and not yet taken."""
        return self.ask_among(name, n, self._allowed)

    def ask_among(self, name: str, n: int, among: Mask) -> Candidates:
        """The best n of one recommender among some items, bool[items], taken or not."""
        recommender = self._engine.recommenders.get(name)
        if recommender is None:
            return NO_CANDIDATES
        return recommender.recommend(self._query, self._profile, min(n, self._there), among)

    def scores_of(self, name: str, rows: Rows) -> Scores:
        """Score items int32[k], each by itself, by a recommender that ranks everything."""
        found: Scores = self._engine.recommenders[name].scores_of(rows)
        return found

    def take(self, ranked: Ranked) -> None:
        """Take what there is room for, of each group the first; what was passed over is not asked for again."""
        room, catalog, n = self._limit - len(self.ranked.rows), self._engine.catalog, len(ranked.rows)
        if room <= 0 or not n:
            return
        if catalog.has_groups:
            places = _of_each_group(ranked.rows, catalog.group, self.ranked.rows, room)
            if len(places) and places.item(-1) == len(places) - 1:  # the usual case: none is passed over
                kept = ranked.first(len(places))
            else:
                kept = ranked.take(places)
        else:
            kept = ranked.first(room)
        self.ranked = self.ranked.followed_by(kept)
        if len(kept) < room:
            mark(self._allowed, ranked.rows, False)
            self._passed.append(ranked.rows)

    def put_back(self) -> None:
        """Allow again what was taken or passed over."""
        for rows in self._passed:
            mark(self._allowed, rows, True)


@compiled(ROWS, ROWS, ROWS, INT)
def _of_each_group(rows: Rows, group: Rows, taken: Rows, room: int) -> NDArray[np.int64]:
    """Places int64[≤room] in rows int32[m] of the first of each group, without the groups of what is taken; all that have none."""
    found, filled = np.empty(min(room, len(rows)), np.int64), 0
    for place in range(len(rows)):
        if filled == len(found):
            break
        mine, free = group[rows[place]], True
        if mine >= 0:
            for row in taken:
                free &= group[row] != mine
            for at in range(filled):
                free &= group[rows[found[at]]] != mine
        if free:
            found[filled] = place
            filled += 1
    return found[:filled]
