"""Filters: which items may be shown at all. Built once a request; every recommender ranks inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import INT, OWN_MASK, REALS, ROWS, TIMES, compiled
from recsys.data.catalog import Catalog
from recsys.settings import BehaviourSettings
from recsys.types import DAY, Bought, Mask, Profile, Query, Rows, Times

HiddenDays = NDArray[np.float64]


def allowed_items(
    query: Query, context: Rows, profile: Profile, bought: Bought, catalog: Catalog, hidden_days: HiddenDays
) -> tuple[Mask, list[str]]:
    """Tell which items may be shown, bool[n] (the caller's own copy), and what of the query is unknown here.

    `hidden_days` is that of `hidden_days()`. Unavailable items, the query's context and `exclude`, and what is in the cart never pass.
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
    _apply_bought(allowed, bought, profile, query.now, hidden_days)
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


def _apply_bought(allowed: Mask, bought: Bought, profile: Profile, now: int, hidden_days: HiddenDays) -> None:
    owned, at = profile.bought, profile.bought_at
    if bought.mode == "only":
        mine = np.zeros_like(allowed)
        mine[owned] = True
        allowed &= mine
    elif not len(owned):
        return
    elif bought.mode == "hide":
        _hide(allowed, owned, at, hidden_days, now)
    elif bought.mode == "hide_days":
        allowed[owned[at > now - bought.days * DAY]] = False


@compiled(OWN_MASK, ROWS, TIMES, REALS, INT)
def _hide(allowed: Mask, owned: Rows, at: Times, hidden_days: HiddenDays, now: int) -> None:
    for place in range(len(owned)):
        if (now - at[place]) * (1 / DAY) < hidden_days[owned[place]]:
            allowed[owned[place]] = False


def hidden_days(catalog: Catalog, behaviour: BehaviourSettings) -> HiddenDays:
    """Days float64[n] for which `bought = "hide"` hides an item after its purchase: for ever unless it is replenishable."""
    part_of_gap = np.nan_to_num(catalog.gap_days.astype(np.float64)) * behaviour.replenish_after
    return np.where(catalog.replenishable, part_of_gap, np.inf)
