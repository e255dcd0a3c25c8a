"""Filters: which items may be shown at all. Built once a request; every recommender ranks inside.

`STEPS` is the one list of them: an answer takes all of them in its stride, an explanation looks after each which item is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import ceil, inf
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.engine.merchandising.attribute_filters import FilterMasks, unknown_words
from recsys.item_filters import ItemFilter
from recsys.jit import INT, OWN_MASK, REALS, ROWS, TIMES, compiled
from recsys.ranking import mark
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.types import Bought, Mask, Profile, Query, Rows, Times

HiddenDays = NDArray[np.float64]
USUAL_GAP_DAYS = 30.0
"""Days between two purchases of a replenishable item in a shop of which nothing is known."""
Filter = Literal[
    "unavailable",
    "category",
    "brand",
    "price",
    "attributes",
    "placement",
    "campaign",
    "bought",
    "disliked",
    "excluded",
    "on_the_page",
    "in_the_cart",
]


class FilterInputs(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Inputs of the filters; `hidden_days` is that of `hidden_days()`, context int32[k] the rows of the query's items.

    `masks` are those of the catalogue, `standing` the placement's own conditions, `kept` bool[n] what campaigns leave (None: all).
    """

    query: Query
    context: Rows
    profile: Profile
    bought: Bought
    catalog: Catalog
    hidden_days: HiddenDays
    masks: FilterMasks
    standing: ItemFilter = ()
    kept: Mask | None = None


class Removal(NamedTuple):
    """The filter that removed an item, and of `bought` when the shopper bought it and until when it is hidden, in microseconds
    (None: never bought, or hidden for good)."""

    filter: Filter
    bought_at: int | None = None
    hidden_until: int | None = None


def allowed_items(given: FilterInputs) -> tuple[Mask, list[str]]:
    """Tell which items may be shown, bool[n] (the caller's own copy), and what of the query is unknown here."""
    shown = given.catalog.shown_at(given.query.now)
    allowed = shown.copy() if given.kept is None else shown & given.kept
    for step in _IN_ORDER:
        step(allowed, given)
    return allowed, _unknown(given.query, given.catalog)


def removal(item: int, given: FilterInputs) -> Removal | None:
    """Find the first filter that removes an item; None: it may be shown."""
    allowed = given.catalog.shown_at(given.query.now).copy()
    if not allowed[item]:
        return Removal("unavailable")
    for name, step in STEPS.items():
        step(allowed, given)
        if not allowed[item]:
            return _of_bought(item, given) if name == "bought" else Removal(name)
    return None


def emptied_by(given: FilterInputs) -> Filter | None:
    """Find the filter after which no item is left; None: some are."""
    allowed = given.catalog.shown_at(given.query.now).copy()
    if not allowed.any():
        return "unavailable"
    for name, step in STEPS.items():
        step(allowed, given)
        if not allowed.any():
            return name
    return None


def _keep_category(allowed: Mask, given: FilterInputs) -> None:
    name, catalog = given.query.category, given.catalog
    if name is None:
        return
    code = catalog.categories.row(name)
    if code < 0:
        allowed[:] = False
        return
    further, put = catalog.further.items(code), catalog.nodes_put
    kept, moved = further[allowed[further]], put.of(code)
    moved = moved[allowed[moved]]
    allowed[: catalog.item_from[code]] = False
    allowed[catalog.item_to[code] :] = False
    allowed[kept] = True
    allowed[put.changed] = False
    allowed[moved] = True


def _keep_brands(allowed: Mask, given: FilterInputs) -> None:
    names, catalog = given.query.brands, given.catalog
    if not names:
        return
    kept = np.zeros_like(allowed)
    for code in map(catalog.brands.row, names):
        if code >= 0:
            kept[catalog.brand_items(code)] = True
    allowed &= kept


def _keep_prices(allowed: Mask, given: FilterInputs) -> None:
    lowest, highest = given.query.price_min, given.query.price_max
    if lowest is not None:
        allowed &= given.catalog.price >= lowest
    if highest is not None:
        allowed &= given.catalog.price <= highest


def _keep_attributes(allowed: Mask, given: FilterInputs) -> None:
    if given.query.filter:
        allowed &= given.masks.mask(given.query.filter, given.query.now)


def _keep_standing(allowed: Mask, given: FilterInputs) -> None:
    if given.standing:
        allowed &= given.masks.mask(given.standing, given.query.now)


def _keep_campaigns(allowed: Mask, given: FilterInputs) -> None:
    if given.kept is not None:
        allowed &= given.kept


def _apply_bought(allowed: Mask, given: FilterInputs) -> None:
    bought, owned, at = given.bought, given.profile.bought, given.profile.bought_at
    if bought.mode == "only":
        mine = np.zeros_like(allowed)
        mine[owned] = True
        allowed &= mine
    elif not len(owned):
        return
    elif bought.mode == "hide":
        _hide(allowed, owned, at, given.hidden_days, given.query.now)
    elif bought.mode == "hide_days":
        allowed[owned[at > given.query.now - bought.days * DAY]] = False


@compiled(OWN_MASK, ROWS, TIMES, REALS, INT)
def _hide(allowed: Mask, owned: Rows, at: Times, hidden_days: HiddenDays, now: int) -> None:
    for place in range(len(owned)):
        if (now - at[place]) * (1 / DAY) < hidden_days[owned[place]]:
            allowed[owned[place]] = False


def _leave_out_disliked(allowed: Mask, given: FilterInputs) -> None:
    for hides, value in given.query.disliked:
        allowed[disliked_items(given.catalog, hides, value)] = False


def disliked_items(catalog: Catalog, hides: str, value: str) -> Rows:
    """Rows of the items that somebody means who says no to an item, a brand or a category."""
    if hides == "category":
        return catalog.items_in(value)
    if hides == "brand":
        code = catalog.brands.row(value)
        return catalog.brand_items(code) if code >= 0 else _NO_ROWS
    row = catalog.row(value)
    return np.array([row], np.int32) if row >= 0 else _NO_ROWS


_NO_ROWS = np.empty(0, np.int32)


def disliked_rows(catalog: Catalog, disliked: Iterable[tuple[str, str]]) -> Rows:
    """Rows of all items that somebody means who says no to some items, brands and categories."""
    return np.concatenate([_NO_ROWS, *(disliked_items(catalog, *each) for each in disliked)])


def _exclude(allowed: Mask, given: FilterInputs) -> None:
    for item_id in given.query.exclude:
        row = given.catalog.row(item_id)
        if row >= 0:
            allowed[row] = False


def _leave_out_page(allowed: Mask, given: FilterInputs) -> None:
    if len(given.context):
        mark(allowed, given.context, False)


def _leave_out_cart(allowed: Mask, given: FilterInputs) -> None:
    if len(given.profile.cart):
        mark(allowed, given.profile.cart, False)


STEPS: Mapping[Filter, Callable[[Mask, FilterInputs], None]] = {
    "category": _keep_category,
    "brand": _keep_brands,
    "price": _keep_prices,
    "attributes": _keep_attributes,
    "placement": _keep_standing,
    "campaign": _keep_campaigns,
    "bought": _apply_bought,
    "disliked": _leave_out_disliked,
    "excluded": _exclude,
    "on_the_page": _leave_out_page,
    "in_the_cart": _leave_out_cart,
}
"""Every filter that is laid over what is available, in order; each takes items out of the mask."""
_IN_ORDER = tuple(step for name, step in STEPS.items() if name != "campaign")
"""Those that an answer takes: the masks of what is available and of what campaigns leave are laid together where it begins, in one
pass over all items."""


def hidden_days(catalog: Catalog, behaviour: BehaviourSettings) -> HiddenDays:
    """Days float64[n] for which `bought = "hide"` hides an item after its purchase: for ever unless it is replenishable.

    One that was bought again too seldom to tell its gap has the usual one of those that were.
    """
    gaps, known = catalog.gap_days.astype(np.float64), catalog.replenishable & (catalog.gap_days > 0)
    usual = np.median(gaps[known]) if known.any() else USUAL_GAP_DAYS
    return np.where(catalog.replenishable, np.where(known, gaps, usual) * behaviour.replenish_after, np.inf)


def _unknown(query: Query, catalog: Catalog) -> list[str]:
    if query.category is None and not query.brands and not query.filter:
        return []
    notices = []
    if query.category is not None and catalog.categories.row(query.category) < 0:
        notices.append(f"category: there is no {query.category!r} in the catalogue")
    notices += [f"brand: there is no {name!r} in the catalogue" for name in query.brands if catalog.brands.row(name) < 0]
    return notices + unknown_words(catalog, query.filter)


def _of_bought(item: int, given: FilterInputs) -> Removal:
    profile, bought = given.profile, given.bought
    if item not in profile.has_bought:
        return Removal("bought")
    at = int(profile.bought_at[profile.bought.searchsorted(item)])
    days = float(given.hidden_days[item]) if bought.mode == "hide" else bought.days
    return Removal("bought", at, None if days == inf else at + ceil(days * DAY))
