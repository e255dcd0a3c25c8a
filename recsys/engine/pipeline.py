"""The walk of one request: profile → strategy → allowed items → candidates → blend → fallback → slate.

`answer` is pure: no clock, no input or output, no randomness. The same snapshot, settings, query and history give the same slate,
down to the recommendation id. Pages, messages, exports and evaluation all come through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recsys.category_rows import leave_out_leaf
from recsys.clock import DAY
from recsys.engine.engine import Engine as Engine
from recsys.engine.filters import FilterInputs, allowed_items, emptied_by
from recsys.engine.merchandising.at_once import arranged_at_once
from recsys.engine.merchandising.exploration import Drawn, Explorer, explorer_of
from recsys.engine.merchandising.interleaving import interleave
from recsys.engine.merchandising.merchandising import (
    POOL,
    Arranged,
    Arrangement,
    Notes,
    Shelf,
    asked_for_more,
    credited,
    with_campaigns,
)
from recsys.engine.merchandising.plans import NO_PLAN, Plan, meets, mixing, one_kind
from recsys.engine.merchandising.variety import Variety, variety_of
from recsys.engine.ranker.ranker import task_of
from recsys.engine.slate_builder import OWN_ORDER, Order
from recsys.engine.slate_builder import SlateBuilder as SlateBuilder
from recsys.engine.strategy import first_rule, looks_at_shopper, segment_of, weights_of, weights_within
from recsys.ranking import mark
from recsys.reasons import reason_locale
from recsys.recommenders import RANKS_EVERYTHING
from recsys.settings.placements import Placement, Rule
from recsys.settings.variety import NewItems
from recsys.snapshot.catalog import Catalog
from recsys.types import (
    Bought,
    Candidates,
    History,
    Mask,
    Profile,
    Query,
    RowQuery,
    Rows,
    Segment,
    Slate,
)

NEW_ITEMS = "content"
"""The recommender that knows items of which nobody did anything yet."""


def answer(engine: Engine, query: Query, history: History, profile: Profile | None = None, *, apart_from: str = "") -> Slate:
    """Recommend for one query; its length is min(limit, eligible items). `profile` saves finding it again; the list is as if there
    were no campaign `apart_from`."""
    asked = resolve_query(engine, query, history, profile, apart_from=apart_from)
    slate = _slate(engine, query, history, asked)
    if engine.beside is None or not (asked.plan is None or asked.plan.only_keeps):
        return slate
    other = answer(engine.beside, query, history, asked.profile, apart_from=apart_from)
    return interleave(slate, other, engine.catalog.group, query, engine.catalog.category if asked.mixed else None)


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
        notices=(*engine.notices, *asked.notices, *_notices(built), *_emptied(engine, query, asked, built)),
        items=tuple(builder.ranked.rows.tolist()),
        scores=tuple(builder.ranked.scores.tolist()),
        reasons=tuple(with_campaigns(builder.reasons(), builder.ranked.rows, asked.plan, built.notes)),
        sources=tuple(builder.ranked.sources_named()),
        experiments=engine.experiments,
        propensities=() if drawn is None else drawn.propensities,
    )


def _notices(built: Built) -> list[str]:
    """Say what stands on a list for another reason than that it ranks there."""
    drawn = [] if built.drawn is None else [f"exploration: the first {len(built.drawn.rows)} places are drawn"]
    new = [f"new_items: {built.new} of the items have their places because they are new"] if built.new else []
    return [*drawn, *new]


def _emptied(engine: Engine, query: Query, asked: ResolvedQuery, built: Built) -> list[str]:
    """Say that nothing is left for a list because of campaigns or dislikes, which its reader did not ask for."""
    if len(built.builder.ranked.rows):
        return []
    kept = asked.plan is not None and asked.plan.kept is not None
    if not (kept or query.disliked):
        return []
    given = filter_inputs(engine, query, asked.rows.context, asked.profile, asked.bought, asked.plan)
    said = _EMPTIED.get(emptied_by(given) or "")
    return [said] if said else []


_EMPTIED = {
    "campaign": "campaigns: they keep out all items that could be shown here",
    "disliked": "dislikes: the shopper does not want to be shown any of the items that could be shown here",
}


class Built(NamedTuple):
    """A list that was put together: whether the rule's recommenders are on it, the last recommender of the fallback chain that is,
    what a plan kept from its place (None: nobody noted it), the draw of exploration, and how many places were given to new items."""

    builder: SlateBuilder
    rule: Rule | None
    led: bool
    fallback: str | None
    notes: Notes | None = None
    drawn: Drawn | None = None
    new: int = 0


def build(engine: Engine, asked: ResolvedQuery, limit: int, explained: bool = False) -> Built:
    """Put the list of a query together, with places for new items; only to be `explained` is a list mixed by way of
    a plan."""
    built = _ranked(engine, asked, limit, explained)
    if not asked.placement.new_items or not (asked.plan is None or asked.plan.only_keeps):
        return built
    return _with_new_items(engine.catalog, asked, asked.placement.new_items, built, limit)


def _with_new_items(catalog: Catalog, asked: ResolvedQuery, chosen: NewItems, built: Built, limit: int) -> Built:
    """The list with places for the new items that are most like what the shopper did, behind those that were drawn; as it is where one
    leaf category would fill it that must not."""
    builder, day = built.builder, asked.rows.now // DAY * DAY
    among = asked.allowed & catalog.new_since(day - int(chosen.days * DAY))
    before, drawn = builder.ranked, 0 if built.drawn is None else len(built.drawn.rows)
    given = builder.give(NEW_ITEMS, among, min(chosen.places, limit), max(chosen.first - 1, drawn), limit)
    rows = builder.ranked.rows
    if asked.mixed and one_kind(rows, catalog.category) and not one_kind(before.rows, catalog.category):
        builder.ranked, given = before, 0
    return built._replace(new=given)


def _ranked(engine: Engine, asked: ResolvedQuery, limit: int, explained: bool) -> Built:
    """The list as it is ranked, arranged and drawn."""
    rule, weights = pick_rule(engine, asked)
    plan, chain, catalog = asked.plan, asked.placement.fallback, engine.catalog
    explorer, may_fill = asked.explorer, not asked.mixed
    plain = asked.variety is None and explorer is None and (plan is None or plan.only_keeps)
    plan, allowed = plan or NO_PLAN, asked.allowed
    deeper = POOL if plan.factors is not None or plan.limits or asked.variety is not None else 0
    places = limit if explorer is None else explorer.reach(limit)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, places + deeper)
    builder.put_blend(weights, order_of(engine, asked, rule))
    led, fallback = builder.n_blended > 0, builder.fill(chain)
    if plain and (may_fill or not one_kind(builder.ranked.rows, catalog.category)):
        return Built(builder, rule, led, fallback)
    if plain and not explained:
        among = allowed.copy() if asked.placement.new_items else allowed  # which alone look at what is allowed after this
        leave_out_leaf(catalog, among, catalog.category.item(builder.ranked.rows[0]))
        builder.mix_last(among, asked_for_more(weights, chain))
        led, fallback = credited(builder.ranked, range(builder.n_blended, len(builder.ranked.rows)), chain)
        return Built(builder, rule, led, fallback)
    if plain:
        mark(allowed, builder.ranked.rows, True)
    else:
        builder.put_back()
    step_by_step = explained or asked.variety is not None or explorer is not None
    shelf = Shelf(allowed, catalog, places, weights, chain, RANKS_EVERYTHING)
    at_once = None if step_by_step else arranged_at_once(builder, plan, shelf)
    if at_once and (may_fill or not one_kind(at_once.ranked.rows, catalog.category)):
        led, fallback = at_once.credit(chain)
        builder.ranked = at_once.ranked
        return Built(builder, rule, led, fallback)
    if at_once and at_once.pinned is not None:
        arranged = Arranged(at_once.ranked, at_once.pinned)
    else:
        arranged = Arrangement(builder, plan, shelf, asked.variety).arranged()
    if not may_fill and one_kind(arranged.ranked.rows[:limit], catalog.category):
        arranged = _mixed(arranged, builder, plan, shelf, asked.variety, limit, step_by_step)
    drawn = None if explorer is None else explorer.drawn(arranged.ranked, builder.n_blended)
    if drawn is not None:
        drawn = drawn._replace(ranked=drawn.ranked.first(limit))
        arranged = arranged._replace(ranked=drawn.ranked)
    led, fallback = arranged.credit(builder, chain)
    builder.ranked = arranged.ranked
    return Built(builder, rule, led, fallback, arranged.notes, drawn)


def _mixed(
    arranged: Arranged,
    builder: SlateBuilder,
    plan: Plan,
    shelf: Shelf,
    variety: Variety | None,
    limit: int,
    step_by_step: bool,
) -> Arranged:
    """A list that one leaf category fills, with an item of another one; as it is where that would shorten it, or take from what
    campaigns pin or have a share for."""
    mixed = mixing(plan, shelf.catalog, min(limit, len(arranged.ranked)))
    at_once = None if step_by_step else arranged_at_once(builder, mixed, shelf)
    if at_once and at_once.pinned is not None:
        other = Arranged(at_once.ranked, at_once.pinned)
    else:
        other = Arrangement(builder, mixed, shelf, variety).arranged()
    kept = len(other.ranked) >= len(arranged.ranked) and other.pinned == arranged.pinned
    return other if kept and meets(plan, other.ranked.rows, arranged.ranked.rows) else arranged


def candidates(
    engine: Engine, query: Query, history: History, names: Sequence[str]
) -> tuple[Segment, dict[str, Candidates]]:
    """Return what each of these recommenders brings into a blend for a query, inside its filters, and the shopper's segment."""
    asked = resolve_query(engine, query, history)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, query.limit)
    return segment_of(asked.profile, asked.bought), builder.candidates(names)


class ResolvedQuery(NamedTuple):
    """A query understood: who asks, where, what may be shown (`allowed` bool[n], the caller's own), and what campaigns hold;
    mixed: no leaf category fills the list."""

    placement: Placement
    profile: Profile
    bought: Bought
    rows: RowQuery
    allowed: Mask
    notices: tuple[str, ...]
    plan: Plan | None = None
    variety: Variety | None = None
    explorer: Explorer | None = None
    mixed: bool = False


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
    mixed = campaigns and bool(placement.mixed)
    return ResolvedQuery(placement, profile, bought, rows, allowed, (*notices, *unknown), plan, variety, explorer, mixed)


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


def order_of(engine: Engine, asked: ResolvedQuery, rule: Rule | None) -> Order:
    """Find what orders the items that a rule's recommenders bring."""
    if rule is None:
        return OWN_ORDER
    within = weights_within(rule, engine.blend, segment_of(asked.profile, asked.bought))
    ranks = rule.ranker and (rule.blend or within is not None)
    return Order(engine.rankers.get(task_of(asked.bought)) if ranks else None, within)


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
    if query.brands:
        asked = [catalog.brands.row(name) for name in query.brands]
        brand = brand if brand in asked else asked[0]
    return RowQuery(query.now, category, brand, context, reason_locale(query.locale))


_NO_CONTEXT = np.empty(0, np.int32)
