"""Filters: which items may be shown at all. Built once a request; every recommender ranks inside."""

from __future__ import annotations

import numpy as np

from recsys.data.catalog import Catalog
from recsys.settings import BehaviourSettings
from recsys.types import DAY, Bought, Mask, Profile, Query, Rows, Times


def allowed_items(
    query: Query, context: Rows, profile: Profile, bought: Bought, catalog: Catalog, behaviour: BehaviourSettings
) -> tuple[Mask, list[str]]:
    """Tell which items may be shown, bool[n] (the caller's own copy), and what of the query is unknown here.

    Unavailable items, the query's context and `exclude`, and what is in the cart never pass.
    """
    notices: list[str] = []
    allowed = catalog.available.copy()
    if query.category is not None:
        _keep_category(allowed, query.category, catalog, notices)
    if query.brands:
        _keep_brands(allowed, query.brands, catalog, notices)
    if query.price_min is not None:
        allowed &= catalog.price >= query.price_min
    if query.price_max is not None:
        allowed &= catalog.price <= query.price_max
    _apply_bought(allowed, bought, profile, query.now, catalog, behaviour)
    for item_id in query.exclude:
        row = catalog.row(item_id)
        if row >= 0:
            allowed[row] = False
    for hidden in (context, profile.cart):
        if len(hidden):
            allowed[hidden] = False
    return allowed, notices


def _keep_category(allowed: Mask, name: str, catalog: Catalog, notices: list[str]) -> None:
    code = catalog.categories.row(name)
    if code < 0:
        notices.append(f"category: there is no {name!r} in the catalogue")
        allowed[:] = False
        return
    allowed[: catalog.item_from[code]] = False
    allowed[catalog.item_to[code] :] = False


def _keep_brands(allowed: Mask, names: tuple[str, ...], catalog: Catalog, notices: list[str]) -> None:
    kept = np.zeros_like(allowed)
    for name in names:
        code = catalog.brands.row(name)
        if code < 0:
            notices.append(f"brand: there is no {name!r} in the catalogue")
        else:
            kept[catalog.brand_items(code)] = True
    allowed &= kept


def _apply_bought(
    allowed: Mask, bought: Bought, profile: Profile, now: int, catalog: Catalog, behaviour: BehaviourSettings
) -> None:
    owned, at = profile.bought, profile.bought_at
    if not len(owned) and bought.mode != "only":
        return
    if bought.mode == "only":
        mine = np.zeros_like(allowed)
        mine[owned] = True
        allowed &= mine
    elif bought.mode == "hide":
        allowed[owned[~_due_again(owned, at, now, catalog, behaviour)]] = False
    elif bought.mode == "hide_days":
        allowed[owned[at > now - bought.days * DAY]] = False


def _due_again(
    owned: Rows, at: Times, now: int, catalog: Catalog, behaviour: BehaviourSettings
) -> Mask:
    """Which owned items are replenishable and not bought too lately, bool[len(owned)]."""
    replenishable = catalog.replenishable.take(owned)
    if not replenishable.any():
        return replenishable
    hidden_days = np.nan_to_num(catalog.gap_days[owned] * behaviour.replenish_after)
    due: Mask = replenishable & ((now - at) / DAY >= hidden_days)
    return due
