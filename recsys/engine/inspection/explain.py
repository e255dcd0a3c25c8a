"""Explanation of why an item stands on a shopper's slate, or why not: one item traced through the steps of `pipeline.answer`.

The slate is the one that was answered; ranks and filters come from the pipeline's own parts, so an explanation cannot tell another
story than the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from recsys.engine.filters import Filter, FilterInputs, Removal, disliked_items, removal
from recsys.engine.inspection.profile_report import day, moment
from recsys.engine.merchandising.explain_campaigns import CampaignEffect, Moved, campaigns_on, said_of
from recsys.engine.merchandising.plans import excluding
from recsys.engine.pipeline import (
    Engine,
    ResolvedQuery,
    SlateBuilder,
    answer,
    filter_inputs,
    order_of,
    pick_rule,
    resolve_query,
)
from recsys.engine.strategy import segment_of
from recsys.live.dislikes import HIDES
from recsys.recommenders import RECOMMENDERS
from recsys.settings.placements import Rule
from recsys.snapshot.catalog import Catalog
from recsys.types import Assignment, Bought, History, Query, Reason, Segment, Slate

MAX_RANKED = 5_000
"""How far down each recommender's list an item is looked for."""


MAX_MOVES = 8
"""Most features that are named."""


class Removed(Struct, frozen=True, omit_defaults=True):
    """The filter that took the item out."""

    name: Filter
    said: str
    bought_at: datetime | None = None
    hidden_until: Annotated[datetime | None, Meta(description="Absent: for good.")] = None


class Ranking(Struct, frozen=True):
    """Place that one recommender gives the item among those that may be shown."""

    recommender: str
    weight: Annotated[float | None, Meta(description="In the blend that leads; null: it does not take part.")]
    fallback: Annotated[int | None, Meta(description="Its place in the placement's fallback chain, from 1.")]
    rank: Annotated[int | None, Meta(description=f"From 1; null: not among the {MAX_RANKED} that were looked at.")]
    score: float | None
    ranked: Annotated[int, Meta(description=f"Items that it ranks, up to {MAX_RANKED}.")]


class FeatureMove(Struct, frozen=True):
    """A feature by which the ranker moved the item."""

    feature: Annotated[str, Meta(description="A column of docs/ranker.md, for instance `item_trend_7`.")]
    value: float
    by: Annotated[
        float, Meta(description="Above 0: up. The moves and what all candidates start with add up to the ranker's score.")
    ]


class BlendRank(Struct, frozen=True, kw_only=True):
    """The item in the list that led: what the rule's recommenders brought, ranked together."""

    rank: Annotated[int | None, Meta(description="From 1; null: none of them brought it.")]
    score: float | None
    ranked: Annotated[int, Meta(description="Items that they brought.")]
    ranker: Annotated[bool, Meta(description="Whether the ranker ordered it; else the weights did.")] = False
    moved_by: Annotated[
        tuple[FeatureMove, ...], Meta(description="What moved the item most, where the ranker ordered.")
    ] = ()


class Rival(Struct, frozen=True):
    """An item that is shown instead."""

    item_id: str
    title: str
    place: int
    score: float
    source: Annotated[str, Meta(description="The recommender that spoke most for it.")]


class RuleAnswer(Struct, frozen=True):
    """The placement's rule that led, with the conditions that held."""

    name: str
    when: Annotated[Mapping[str, Any], Meta(description="Its conditions; empty: always.")]
    weights: Annotated[Mapping[str, float], Meta(description="Who answered, and with what weight.")]
    order: Annotated[
        Literal["own", "blend"],
        Meta(description="Of their items: by their own scores, or inside their set by the blend or ranker."),
    ] = "own"


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Explanation of why an item is shown to a shopper, or why not."""

    item_id: str
    title: str
    user_id: str | None
    placement: str
    snapshot: str
    recommendation_id: Annotated[str, Meta(description="Of the slate that the same question is answered with.")]
    shown: bool
    place: Annotated[int | None, Meta(description="From 1.")]
    said: Annotated[str, Meta(description="All of this in a sentence.")]
    reason: Annotated[Reason | None, Meta(description="What the slate says of it, if it is shown.")]
    strategy: str
    rule: RuleAnswer | None
    segment: Segment
    fallback: Annotated[str | None, Meta(description="The last recommender that had to fill places.")]
    filter: Annotated[Removed | None, Meta(description="What took it out; null: it may be shown.")]
    blend: BlendRank
    recommenders: tuple[Ranking, ...]
    group: Annotated[Rival | None, Meta(description="The item of the same group that is shown already.")]
    outranked_by: Annotated[Rival | None, Meta(description="The last item shown, where the list is full.")]
    notices: tuple[str, ...]
    experiments: Annotated[
        tuple[Assignment, ...], Meta(description="Arms that could have changed the list; absent: none.")
    ] = ()
    campaigns: Annotated[tuple[CampaignEffect, ...], Meta(description="What campaigns and limits did to it.")] = ()
    moved: Annotated[Moved | None, Meta(description="By campaigns and limits; null: there are none.")] = None


def explain(engine: Engine, query: Query, history: History, item: int) -> Explanation:
    """Trace the item at a row of the catalogue through the answer to a query.

    Raises:
        SettingsError: if there is no such placement.
    """
    slate = answer(engine, query, history)
    engine = _picker(engine, slate, item)
    asked = resolve_query(engine, query, history)
    effects, moved = campaigns_on(engine, query, history, item)
    rule, weights = pick_rule(engine, asked)
    place = slate.items.index(item) if item in slate.items else None
    removed = _removed(engine, query, asked, item)
    group = None if removed or place is not None else _same_group(engine.catalog, slate, item)
    outranked = place is None and not removed and not group and len(slate.items) == query.limit
    trace = _Trace(engine, query, asked, rule, weights, item)
    found = Explanation(
        item_id=engine.catalog.item_id(item),
        title=engine.catalog.title(item),
        user_id=query.user_id,
        placement=query.placement,
        snapshot=slate.snapshot,
        recommendation_id=slate.recommendation_id,
        shown=place is not None,
        place=None if place is None else place + 1,
        said="",
        reason=None if place is None else slate.reasons[place],
        strategy=slate.strategy,
        rule=_rule(rule, weights),
        segment=segment_of(asked.profile, asked.bought),
        fallback=slate.fallback,
        filter=removed,
        blend=trace.blended(),
        recommenders=trace.rankings(),
        group=group,
        outranked_by=_rival(engine.catalog, slate, query.limit - 1) if outranked else None,
        campaigns=effects,
        moved=None if slate.teams else moved,
        notices=slate.notices,
        experiments=slate.experiments,
    )
    return msgspec.structs.replace(found, said=_said(found))


class _Trace:
    """Looks one item up in the lists that the answer was made of; each list is asked for anew, with nothing taken yet."""

    def __init__(
        self,
        engine: Engine,
        query: Query,
        asked: ResolvedQuery,
        rule: Rule | None,
        weights: Mapping[str, float],
        item: int,
    ) -> None:
        self._order = order_of(engine, asked, rule)
        self._builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, query.limit)
        self._chain, self._weights, self._item = asked.placement.fallback, weights, item

    def blended(self) -> BlendRank:
        """The item in the list that led."""
        picks = list(self._builder.blended(self._weights, self._order))
        found = BlendRank(rank=None, score=None, ranked=len(picks), ranker=self._order.ranker is not None)
        for at, (row, score, _, _) in enumerate(picks):
            if row == self._item:
                return msgspec.structs.replace(found, rank=at + 1, score=_digits(score), moved_by=self._moved())
        return found

    def _moved(self) -> tuple[FeatureMove, ...]:
        """Return what moved the item most in the ranker's order; nothing where the blend ordered."""
        moved = self._builder.moved(self._weights, self._order, self._item)[:MAX_MOVES]
        return tuple(FeatureMove(each.feature, _digits(each.value), _digits(each.by)) for each in moved)

    def rankings(self) -> tuple[Ranking, ...]:
        """The item in every recommender's own list: those that lead first, then the fallback chain, then the others."""
        chain, weights = self._chain, self._weights
        leading = [name for name in sorted(weights, key=lambda name: -weights[name]) if weights[name] > 0]
        return tuple(self._ranking(name) for name in dict.fromkeys((*leading, *chain, *sorted(RECOMMENDERS))))

    def _ranking(self, name: str) -> Ranking:
        found = self._builder.ask(name, MAX_RANKED)
        at = found.items.tolist().index(self._item) if self._item in found.items else None
        return Ranking(
            recommender=name,
            weight=self._weights.get(name) or None,
            fallback=self._chain.index(name) + 1 if name in self._chain else None,
            rank=None if at is None else at + 1,
            score=None if at is None else _digits(found.scores[at]),
            ranked=len(found),
        )


def _picker(engine: Engine, slate: Slate, item: int) -> Engine:
    """The engine that picked an item for an interleaved list; that of the first ranking for those that none picked."""
    picked = slate.teams and item in slate.items and slate.teams[slate.items.index(item)] == 1
    return engine.beside if picked and engine.beside is not None else engine


def _rule(rule: Rule | None, weights: Mapping[str, float]) -> RuleAnswer | None:
    if rule is None:
        return None
    conditions = {name: value for name, value in msgspec.structs.asdict(rule.when).items() if value not in (None, ())}
    return RuleAnswer(rule.name, conditions, dict(weights), rule.order)


def _removed(engine: Engine, query: Query, asked: ResolvedQuery, item: int) -> Removed | None:
    given = filter_inputs(engine, query, asked.rows.context, asked.profile, asked.bought, asked.plan)
    found = removal(item, given)
    if found is None:
        return None
    bought_at, until = (None if time is None else moment(time) for time in (found.bought_at, found.hidden_until))
    return Removed(found.filter, _why_removed(engine, asked, found, given, item), bought_at, until)


def _why_removed(engine: Engine, asked: ResolvedQuery, found: Removal, given: FilterInputs, item: int) -> str:
    query = given.query
    if found.filter == "campaign" and asked.plan is not None:
        return f"campaign {excluding(asked.plan, engine.catalog, engine.masks, query.now, item)} keeps it out"
    if found.filter == "disliked":
        return _why_disliked(query, engine.catalog, item)
    if found.filter == "bought":
        return _why_hidden(found, given.bought)
    if found.filter == "attributes":
        return given.masks.failing(query.filter, query.now, item)
    if found.filter == "placement":
        return f"{given.masks.failing(given.standing, query.now, item)}, which {query.placement} asks of every item"
    return {
        "unavailable": "it is not available",
        "category": f"it is not in {query.category}",
        "brand": "it is of none of the brands asked for",
        "price": "its price is not between those asked for, or not known",
        "excluded": "the query excludes it",
        "on_the_page": "it stands on the page already",
        "in_the_cart": "it lies in the cart",
    }[found.filter]


def _why_disliked(query: Query, catalog: Catalog, item: int) -> str:
    said = [each for each in query.disliked if item in disliked_items(catalog, *each)]
    hides, value = min(said, key=lambda each: HIDES.index(each[0]))
    return "the shopper said no to " + ("it" if hides == "item" else f"the {hides} {value}")


def _why_hidden(found: Removal, bought: Bought) -> str:
    if bought.mode == "only" or found.bought_at is None:
        return "only what was bought before may stand here, and it never was"
    until = "for good" if found.hidden_until is None else f"until {day(found.hidden_until)}"
    return f"bought on {day(found.bought_at)} and hidden {until}"


def _rival(catalog: Catalog, slate: Slate, place: int) -> Rival:
    row = slate.items[place]
    return Rival(catalog.item_id(row), catalog.title(row), place + 1, _digits(slate.scores[place]), slate.sources[place])


def _same_group(catalog: Catalog, slate: Slate, item: int) -> Rival | None:
    group = catalog.group[item]
    same = [at for at, row in enumerate(slate.items) if group >= 0 and catalog.group[row] == group]
    return _rival(catalog, slate, same[0]) if same else None


def _said(found: Explanation) -> str:
    effects = said_of(found.campaigns, found.moved)
    return f"{_place_said(found)}; {effects}" if effects else _place_said(found)


def _place_said(found: Explanation) -> str:
    if found.reason:
        return f"Shown at place {found.place}: {found.reason.text}"
    if found.filter:
        return f"Not shown: {found.filter.said}"
    if found.group:
        return f"Not shown: {found.group.title} of the same group is, at place {found.group.place}"
    last = found.outranked_by
    ends = f"; the list ends with {last.title} at place {last.place}" if last else ""
    return f"Not shown: {_ranks_said(found)}{ends}"


def _ranks_said(found: Explanation) -> str:
    """Return where those rank the item that had a say in this list: who led, and the fallback chain as far as it was needed."""
    chain = {one.recommender: one.fallback for one in found.recommenders if one.fallback}
    needed = chain.get(found.fallback or "", 0) if found.outranked_by else len(chain)
    asked = [one for one in found.recommenders if one.weight or (one.fallback or MAX_RANKED) <= needed]
    ranked = [f"{one.recommender} ranks it {one.rank} of {one.ranked}" for one in asked if one.rank]
    ordered = found.rule is not None and found.rule.order == "blend"
    if found.blend.rank and (ordered or sum(1 for one in asked if one.weight) > 1):
        leader = "ranker" if found.blend.ranker else "blend"
        ranked.insert(0, f"the {leader} ranks it {found.blend.rank} of {found.blend.ranked}")
    names = ", ".join(one.recommender for one in asked)
    return ", ".join(ranked) or (f"none of those that were asked ranks it ({names})" if names else "nobody was asked")


def _digits(score: float) -> float:
    """A score as slates write it."""
    return float(f"{score:.6g}")
