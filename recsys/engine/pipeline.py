"""The walk of one request: profile → strategy → allowed items → candidates → blend → fallback → slate.

`answer` is pure: no clock, no input or output, no randomness. The same snapshot, settings, query and history give the same slate,
down to the recommendation id. Pages, messages, exports and evaluation all come through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import NONE_RANKED, Pick, Ranked, blend, ranked_by
from recsys.engine.engine import Engine as Engine
from recsys.engine.filters import FilterInputs, allowed_items
from recsys.engine.interleaving import interleave
from recsys.engine.merchandising.exploration import Drawn, Explorer, explorer_of
from recsys.engine.merchandising.merchandising import NO_NOTES, POOL, Arrangement, Notes, Shelf, with_campaigns
from recsys.engine.merchandising.plans import NO_PLAN, Plan
from recsys.engine.merchandising.variety import Variety, variety_of
from recsys.engine.ranker.ranker import Moved, Ranker, task_of
from recsys.engine.strategy import first_rule, looks_at_shopper, segment_of, weights_of
from recsys.jit import INT, ROWS, compiled
from recsys.reasons import reason_locale
from recsys.recommenders import RANKS_EVERYTHING
from recsys.settings.placements import Placement, Rule
from recsys.snapshot.catalog import Catalog
from recsys.types import (
    NO_CANDIDATES,
    Bought,
    Candidates,
    History,
    Mask,
    Profile,
    Query,
    Reason,
    RowQuery,
    Rows,
    Segment,
    Slate,
)

BLEND_DEPTH = 10
"""Candidates that each recommender brings into a blend beyond those that the list has room for."""


GROUP_SPARES = 8
"""Candidates asked for beyond the empty places where items share groups; more are asked for when these do not do."""


def answer(engine: Engine, query: Query, history: History, profile: Profile | None = None, *, apart_from: str = "") -> Slate:
    """Recommend for one query; its length is min(limit, eligible items). `profile` saves finding it again; the list is as if there
    were no campaign `apart_from`."""
    asked = resolve_query(engine, query, history, profile, apart_from=apart_from)
    slate = _slate(engine, query, history, asked)
    if engine.beside is None or not (asked.plan is None or asked.plan.only_keeps):
        return slate
    other = answer(engine.beside, query, history, asked.profile, apart_from=apart_from)
    return interleave(slate, other, engine.catalog.group, query)


def _slate(engine: Engine, query: Query, history: History, asked: ResolvedQuery) -> Slate:
    built = build(engine, asked, query.limit)
    builder, rule, drawn = built.builder, built.rule, built.drawn
    return Slate(
        recommendation_id=engine.recommendation_id(query, history, asked.plan),
        user_id=query.user_id,
        placement=query.placement,
        snapshot=engine.snapshot.version,
        strategy=rule.name if rule else "fallback",
        personalized=asked.profile.known and ((built.led and looks_at_shopper(rule)) or builder.anything_personal()),
        fallback=built.fallback,
        notices=asked.notices
        if drawn is None
        else (*asked.notices, f"exploration: the first {len(drawn.rows)} places are drawn"),
        items=tuple(builder.ranked.rows.tolist()),
        scores=tuple(builder.ranked.scores.tolist()),
        reasons=tuple(with_campaigns(builder.reasons(), builder.ranked.rows, asked.plan)),
        sources=tuple(builder.ranked.sources_named()),
        experiments=engine.experiments,
        propensities=() if drawn is None else drawn.propensities,
    )


class Built(NamedTuple):
    """A list that was put together: whether the rule's recommenders are on it, the last recommender of the fallback chain that is,
    what a plan kept from its place, and the draw of exploration."""

    builder: SlateBuilder
    rule: Rule | None
    led: bool
    fallback: str | None
    notes: Notes = NO_NOTES
    drawn: Drawn | None = None


def build(engine: Engine, asked: ResolvedQuery, limit: int) -> Built:
    """Put the list of a query together."""
    rule, weights = pick_rule(engine, asked)
    plan, chain = asked.plan, asked.placement.fallback
    explorer = asked.explorer
    if asked.variety is None and explorer is None and (plan is None or plan.only_keeps):
        builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, limit)
        builder.put_blend(weights, ranker_of(engine, asked, rule))
        led = len(builder.ranked) > 0
        return Built(builder, rule, led, builder.fill(chain))
    plan, allowed = plan or NO_PLAN, asked.allowed.copy()
    deeper = POOL if plan.factors is not None or asked.variety is not None else 0
    places = limit if explorer is None else explorer.reach(limit)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, places + deeper)
    builder.put_blend(weights, ranker_of(engine, asked, rule))
    builder.fill(chain)
    names = tuple(dict.fromkeys((*(name for name, weight in weights.items() if weight > 0), *chain)))
    may = Shelf(allowed, engine.catalog.group, places, names, RANKS_EVERYTHING)
    arranged = Arrangement(builder, plan, may, asked.variety).arranged()
    drawn = None if explorer is None else explorer.drawn(arranged.ranked, builder.n_blended)
    if drawn is not None:
        drawn = drawn._replace(ranked=drawn.ranked.first(limit))
        arranged = arranged._replace(ranked=drawn.ranked)
    led, fallback = arranged.credit(builder, chain)
    builder.ranked = arranged.ranked
    return Built(builder, rule, led, fallback, arranged.notes, drawn)


def candidates(
    engine: Engine, query: Query, history: History, names: Sequence[str]
) -> tuple[Segment, dict[str, Candidates]]:
    """Return what each of these recommenders brings into a blend for a query, inside its filters, and the shopper's segment."""
    asked = resolve_query(engine, query, history)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, query.limit)
    return segment_of(asked.profile, asked.bought), builder.candidates(names)


class ResolvedQuery(NamedTuple):
    """A query understood: who asks, where, what may be shown (`allowed` bool[n], the caller's own), and what campaigns hold."""

    placement: Placement
    profile: Profile
    bought: Bought
    rows: RowQuery
    allowed: Mask
    notices: tuple[str, ...]
    plan: Plan | None = None
    variety: Variety | None = None
    explorer: Explorer | None = None


def resolve_query(
    engine: Engine,
    query: Query,
    history: History,
    profile: Profile | None = None,
    *,
    campaigns: bool = True,
    apart_from: str = "",
) -> ResolvedQuery:
    """Read the query for this shopper; without `campaigns` as if there were none, nor limits of the placement; `apart_from` is the id
    of one campaign that is left out.

    Raises:
        SettingsError: if there is no such placement.
    """
    placement = engine.placement(query.placement)
    profile = profile or engine.profiler.profile(query.user_id, history, query.now)
    context, notices = _context(query, engine.catalog)
    bought = query.bought or Bought(placement.bought, placement.bought_days)
    held = engine.campaigns
    plan = held.plan(query.placement, placement, query.now, profile, len(context) > 0, apart_from) if campaigns else None
    allowed, unknown = allowed_items(filter_inputs(engine, query, context, profile, bought, plan))
    rows = _row_query(query, context, profile, engine.catalog)
    variety = variety_of(engine.catalog, placement, query) if campaigns else None
    explorer = explorer_of(engine.catalog, placement, query, plan) if campaigns else None
    return ResolvedQuery(placement, profile, bought, rows, allowed, (*notices, *unknown), plan, variety, explorer)


def filter_inputs(
    engine: Engine, query: Query, context: Rows, profile: Profile, bought: Bought, plan: Plan | None = None
) -> FilterInputs:
    """Return what the filters look at for a query."""
    standing, kept = engine.standing.get(query.placement, ()), None if plan is None else plan.kept
    return FilterInputs(query, context, profile, bought, engine.catalog, engine.hidden_days, engine.masks, standing, kept)


def pick_rule(engine: Engine, asked: ResolvedQuery) -> tuple[Rule | None, Mapping[str, float]]:
    """Find the rule that leads, and who answers for it with what weight; nobody does without a rule."""
    rule = first_rule(asked.placement, asked.profile, len(asked.rows.context) > 0)
    if rule is None:
        return None, {}
    return rule, weights_of(rule, engine.blend, segment_of(asked.profile, asked.bought))


def ranker_of(engine: Engine, asked: ResolvedQuery, rule: Rule | None) -> Ranker | None:
    """Find what orders the items that a rule's recommenders bring; None: the blend does."""
    return engine.rankers.get(task_of(asked.bought)) if rule is not None and rule.blend and rule.ranker else None


class SlateBuilder:
    """The places of one slate while they are being filled; takes no item and no group twice."""

    def __init__(self, engine: Engine, query: RowQuery, profile: Profile, allowed: Mask, limit: int) -> None:
        self._engine, self._query, self._profile = engine, query, profile
        self._allowed, self._limit = allowed, limit
        self.ranked: Ranked = NONE_RANKED
        """The items that stand, best first."""
        self.n_blended = 0
        """How many of these the rule's recommenders brought."""

    @property
    def picks(self) -> list[Pick]:
        """The items that stand, one by one."""
        return list(self.ranked)

    def put_blend(self, weights: Mapping[str, float], ranker: Ranker | None = None) -> None:
        """Take the best of what a rule's recommenders bring, ordered by the blend or by a ranker."""
        self.take(self.blended(weights, ranker))
        self.n_blended = len(self.ranked)

    def blended(self, weights: Mapping[str, float], ranker: Ranker | None = None) -> Ranked:
        """Rank what a rule's recommenders bring, together."""
        if ranker is not None:
            return ranker.rank(self._to_rank(weights, ranker), weights, self._query, self._profile)
        asked = self.to_blend(weights)
        if not asked:
            return NONE_RANKED
        return blend(self.candidates(asked), weights, self._engine.catalog.tie_rank)

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

    def moved(self, weights: Mapping[str, float], ranker: Ranker, item: int) -> list[Moved]:
        """The features by which a ranker moved an item among what a rule's recommenders bring."""
        return ranker.moved(self._to_rank(weights, ranker), weights, self._query, self._profile, item)

    def _to_rank(self, weights: Mapping[str, float], ranker: Ranker) -> dict[str, Candidates]:
        return self.brought(weights, ranker.sources, ranker.depth)

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
        used = None
        for name in chain:
            while len(self.ranked) < self._limit:
                before, wanted = len(self.ranked), self._wanted()
                found = self.ask(name, wanted)
                self.take(ranked_by(name, found))
                used = name if len(self.ranked) > before else used
                if len(found) < wanted:
                    break
        return used

    def anything_personal(self) -> bool:
        """Tell whether any place was filled from the shopper's own history."""
        return any(self._engine.recommenders[source].personal for source in self.ranked.sources_named())

    def reasons(self) -> list[Reason]:
        """One reason per place, from the recommender that spoke most for it."""
        recommenders, query, profile = self._engine.recommenders, self._query, self._profile
        return [
            recommenders[source].reason(query, profile, item, explained_by) for item, _, source, explained_by in self.ranked
        ]

    def _wanted(self) -> int:
        missing = self._limit - len(self.ranked)
        return missing + GROUP_SPARES if self._engine.catalog.has_groups else missing

    def ask(self, name: str, n: int) -> Candidates:
        """The best n of one recommender among the items that are allowed and not yet taken."""
        return self.ask_among(name, n, self._allowed)

    def ask_among(self, name: str, n: int, among: Mask) -> Candidates:
        """The best n of one recommender among some items, bool[items], taken or not."""
        recommender = self._engine.recommenders.get(name)
        return recommender.recommend(self._query, self._profile, n, among) if recommender else NO_CANDIDATES

    def take(self, ranked: Ranked) -> None:
        """Take what there is room for, of each group the first; what was passed over is not asked for again."""
        room, catalog = self._limit - len(self.ranked), self._engine.catalog
        if room <= 0 or not len(ranked):
            return
        if catalog.has_groups:
            kept = ranked.take(_of_each_group(ranked.rows, catalog.group, self.ranked.rows, room))
        else:
            kept = ranked.first(room)
        self.ranked = self.ranked.followed_by(kept)
        if len(kept) < room:
            self._allowed[ranked.rows] = False


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


def _context(query: Query, catalog: Catalog) -> tuple[Rows, list[str]]:
    if not query.context_items:
        return _NO_CONTEXT, []
    rows = [catalog.row(item_id) for item_id in query.context_items]
    unknown = [item_id for item_id, row in zip(query.context_items, rows, strict=True) if row < 0]
    notices = [f"item_id: there is no {item_id!r} in the catalogue" for item_id in unknown]
    return np.unique(np.array([row for row in rows if row >= 0], np.int32)), notices


def _row_query(query: Query, context: Rows, profile: Profile, catalog: Catalog) -> RowQuery:
    category = profile.focus if query.category is None else catalog.categories.row(query.category)
    if query.category is None and len(context) == 1:
        category = int(catalog.category[context[0]])
    brand = profile.brand
    asked = [catalog.brands.row(name) for name in query.brands]
    if asked and brand not in asked:
        brand = asked[0]
    return RowQuery(query.now, category, brand, context, reason_locale(query.locale))


_NO_CONTEXT = np.empty(0, np.int32)
