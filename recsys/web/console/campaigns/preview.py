"""Preview of a campaign: one shopper's list with it and without it, and what moved why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from recsys.engine.engine import Engine
from recsys.engine.merchandising.explain_campaigns import Moved, effects_of_plan, said_of
from recsys.engine.merchandising.plans import excluding
from recsys.engine.pipeline import answer, build, resolve_query
from recsys.engine.serving_state import ServingState
from recsys.settings.campaigns import WHOLE_LIST, Campaign
from recsys.types import NO_HISTORY, History, Query
from recsys.web.console.lists import list_query, shown
from recsys.web.console.page import Cell, Link, Table, Visit
from recsys.web.resources.merchant.campaigns import find_campaign


def preview(
    visit: Visit[Any], serving: ServingState, campaign_id: str, placement: str, user_id: str, now: int, about: str
) -> Mapping[str, Any]:
    """Return both lists, whether the campaign holds for this shopper at this moment, and the table of what moved.

    The lists are as long as the placement's own, or reach as far as the campaign does.

    Raises:
        SettingsError: if there is no such placement.
    """
    query = list_query(serving, placement, user_id, now, about)
    places = max(query.limit, _reach(find_campaign(visit.service, campaign_id)))
    query = serving.asked(msgspec.structs.replace(query, limit=places))
    history = serving.history(user_id) if user_id else NO_HISTORY
    engine = serving.choose(query, history).engine
    plan = resolve_query(engine, query, history).plan
    rows = list(_moved(visit, engine, query, history, campaign_id))
    return {
        "places": places,
        "holds": plan is not None and campaign_id in plan.running,
        "with": shown(serving, answer(engine, query, history), query.context_items),
        "without": shown(serving, answer(engine, query, history, apart_from=campaign_id), query.context_items),
        "moved": Table(
            name="moved",
            title="What moved, and why",
            columns=("item", "place without", "place with", "why"),
            rows=rows,
            empty=f"The campaign moves nothing among the first {places} places.",
        ),
    }


def _reach(campaign: Campaign) -> int:
    """The farthest place that a campaign names; 0: none."""
    named = [each.pin.place for each in campaign.actions if each.pin]
    named += [each.share.within for each in campaign.actions if each.share]
    named += [each.limit.within for each in campaign.actions if each.limit and each.limit.within < WHOLE_LIST]
    return max(named, default=0)


def _moved(visit: Visit[Any], engine: Engine, query: Query, history: History, campaign_id: str) -> Iterator[Sequence[Cell]]:
    """Items that one of the two lists shows at another place than the other, by their place on the list with the campaign."""
    asked = resolve_query(engine, query, history)
    built = build(engine, asked, query.limit, explained=True)
    before = build(engine, resolve_query(engine, query, history, apart_from=campaign_id), query.limit)
    places, old = ({pick[0]: at for at, pick in enumerate(each.builder.picks, 1)} for each in (built, before))
    for item in dict.fromkeys((*places, *old)):
        moved = Moved(old.get(item), places.get(item))
        if moved.without == moved.place:
            continue
        effects = () if asked.plan is None else tuple(effects_of_plan(asked.plan, built, item))
        why = said_of(tuple(each for each in effects if each.campaign == campaign_id), moved)
        if not why and asked.plan and excluding(asked.plan, engine.catalog, engine.masks, query.now, item) == campaign_id:
            why = f"campaign {campaign_id} keeps it out"
        text = engine.catalog.title(item) or engine.catalog.item_id(item)
        link = Link(text, visit.href("item", item=engine.catalog.item_id(item)))
        yield link, moved.without, moved.place, why or "makes room, or moves up, for what the campaign moved"
