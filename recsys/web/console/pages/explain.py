"""Page on why an item is shown to a shopper, or why not: the item traced through the answer of one placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.engine.inspection.explain import Explanation, explain
from recsys.types import NO_HISTORY
from recsys.web.console.lists import list_query
from recsys.web.console.page import Page, Table, View, Visit, given_id, item_row


class ExplainParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page; without a shopper it is explained for somebody unknown, `about` is the item beside it."""

    item: str = ""
    user_id: str = ""
    placement: str = "home"
    about: str = ""
    now: str = ""


def explained(visit: Visit[ExplainParameters]) -> Mapping[str, Any]:
    """Explain one item on one placement."""
    serving, asked = visit.serving(), visit.parameters
    item_id, user_id, about = (given_id(name, getattr(asked, name)) for name in ("item", "user_id", "about"))
    shown: dict[str, Any] = {
        "item_id": item_id,
        "user_id": user_id,
        "placements": serving.engine.settings.placement_names(),
        "found": None,
        "tables": {},
    }
    if not item_id:
        return shown
    row, now = item_row(serving, item_id), visit.now(serving, asked.now)
    history = serving.history(user_id) if user_id else NO_HISTORY
    query = list_query(serving, asked.placement, user_id, now, about)
    found = explain(serving.choose(query, history).engine, query, history, row)
    return {**shown, "found": found, "item": serving.engine.catalog.item(row), "tables": {"rankings": _rankings(found)}}


def _rankings(found: Explanation) -> Table:
    return Table(
        name="rankings",
        title="Where each recommender ranks it",
        columns=("recommender", "weight in the lead", "place in the fallback chain", "rank", "of", "score"),
        rows=[
            (one.recommender.replace("_", " "), one.weight, one.fallback, one.rank, one.ranked, one.score)
            for one in found.recommenders
        ],
    )


PAGE = Page(path="/explain", title="Why?", template="explain.html", parameters=ExplainParameters, view=explained)
