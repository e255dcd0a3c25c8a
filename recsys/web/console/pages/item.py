"""An item: who buys it in counts, how long its stock lasts, what stands beside it, and where it is shown or why it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys.behaviour import CART_ADD, VIEW
from recsys.clock import DAY
from recsys.engine.inspection.explain import explain
from recsys.engine.serving_state import ServingState
from recsys.messages.slots import web_address
from recsys.snapshot.catalog import SOLD_DAYS, Catalog
from recsys.snapshot.stock import at_risk, days_of_cover
from recsys.types import NO_HISTORY, EventType
from recsys.web.console.lists import list_query, one_list, stands_beside_items
from recsys.web.console.page import Cell, Link, Page, Table, View, Visit, given_id, item_row

BESTSELLERS = 24
NEIGHBOURS = ("similar", "bought_together")
_LOOKED, _CARTED = (EventType(VIEW),), (EventType(CART_ADD),)


class ItemParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: which item, for whom it is looked for in the lists, and as of when."""

    item: str = ""
    user_id: str = ""
    now: str = ""


def item_page(visit: Visit[ItemParameters]) -> Mapping[str, Any]:
    """Show one item, or which there are to look at."""
    serving = visit.serving()
    item_id, user_id = (given_id(name, getattr(visit.parameters, name)) for name in ("item", "user_id"))
    now = visit.now(serving, visit.parameters.now)
    if not item_id:
        return {"title": "Item", "item": None, "bestsellers": _bestsellers(serving, now), "tables": {}}
    row, catalog = item_row(serving, item_id), serving.engine.catalog
    item = catalog.item(row)
    return {
        "title": catalog.title(row),
        "item": item,
        "link": web_address(item["url"]),
        "user_id": user_id,
        "days": SOLD_DAYS,
        "counts": _counts(serving, row, now),
        "stock": _stock(serving, row),
        "hidden": _hidden(catalog, row),
        "neighbours": [one_list(serving, name, "", now, item_id) for name in NEIGHBOURS],
        "tables": {"places": _places(visit, serving, row, user_id, now)},
    }


def _bestsellers(serving: ServingState, now: int) -> Mapping[str, Any]:
    return one_list(serving, "bestsellers", "", now, max_n=BESTSELLERS)


def _counts(serving: ServingState, row: int, now: int) -> Mapping[str, int]:
    """Return how many shoppers of the snapshot own it, and did something with it in the last days; nobody is named."""
    histories, catalog = serving.engine.snapshot.histories, serving.engine.catalog
    mask, since = np.zeros(catalog.n_items, bool), now - SOLD_DAYS * DAY
    mask[row] = True
    return {
        "own it": len(histories.owners(lambda items, _: items == row)),
        "bought it": len(histories.owners(lambda items, at: (items == row) & (at > since))),
        "looked at it": len(histories.who_did(_LOOKED, since, mask)),
        "put it into the cart": len(histories.who_did(_CARTED, since, mask)),
    }


def _stock(serving: ServingState, row: int) -> Mapping[str, Any]:
    catalog, lead_days = serving.engine.catalog, serving.engine.settings.moments.lead_days
    stock, sold = catalog.stock[row : row + 1], catalog.sold[row : row + 1]
    days = float(days_of_cover(stock, sold)[0])
    return {
        "units": None if np.isnan(stock[0]) else float(stock[0]),
        "sold": float(sold[0]),
        "days": None if np.isnan(days) else days,
        "at_risk": bool(at_risk(stock, sold, lead_days)[0]),
        "lead_days": lead_days,
        "gap_days": None if np.isnan(catalog.gap_days[row]) else float(catalog.gap_days[row]),
        "replenishable": bool(catalog.replenishable[row]),
    }


def _hidden(catalog: Catalog, row: int) -> str:
    """Return why nobody sees the item, in a sentence; empty: it may be shown."""
    if catalog.available[row]:
        return ""
    if not catalog.published[row]:
        return "Nobody sees it: the shop does not publish it."
    stock = catalog.stock[row]
    if not np.isnan(stock) and stock <= 0 and not catalog.backorder[row]:
        return "Nobody sees it: it has no stock, and no back order is taken."
    return "Nobody sees it: the shop says that it is not available, or what it says cannot be read."


def _places(visit: Visit[ItemParameters], serving: ServingState, row: int, user_id: str, now: int) -> Table:
    whom = user_id or "somebody unknown"
    return Table(
        name="places",
        title=f"Where {whom} sees it",
        columns=("placement", "place", "why, or why not"),
        rows=list(_each_place(visit, serving, row, user_id, now)),
    )


def _each_place(
    visit: Visit[ItemParameters], serving: ServingState, row: int, user_id: str, now: int
) -> Sequence[Sequence[Cell]]:
    engine, item_id = serving.engine, serving.engine.catalog.item_id(row)
    history = serving.history(user_id) if user_id else NO_HISTORY
    found: list[Sequence[Cell]] = []
    for name in engine.settings.placement_names():
        if stands_beside_items(engine.placement(name)) and not user_id:
            continue  # it stands beside other items, so that it has no list for nobody
        visit.service.lanes.give_way()
        query = list_query(serving, name, user_id, now)
        one = explain(serving.choose(query, history).engine, query, history, row)
        address = visit.href("explain", item=item_id, user_id=user_id, placement=name)
        found.append((Link(name.replace("_", " "), address), one.place, one.said))
    return found


PAGE = Page(path="/item", title="Item", nav="Item", template="item.html", parameters=ItemParameters, view=item_page)
